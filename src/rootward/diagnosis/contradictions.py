"""Wrong pairs, found by the pairs alone.

Where d is relevant to q, so is nearly everything that d's other queries have in common: whoever sees flip-flops sees
sandals and shoes. Take the pair (q, d) away, look at the documents that at least half of d's *other* queries share,
and see how many of them q has, too. With (kid's sandals, sandals) that is all of them; with (kid's sandals, router) it
is none, however well a model has memorised the pair.

Only pairs of rarely relevant documents are looked at. Those of frequent ones share little but what everybody shares,
and in doubt are found wrong on healthy hierarchies as well (docs/lab-log.md). Where a document has two queries that
have nothing in common, one of the two pairs is wrong, and nothing here says which.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from rootward.pairs import Pairs
from rootward.pairs.ids import Rows
from rootward.pairs.ragged import expand

RARE = 5  # queries; a document with more is not looked at
COMMON = 0.5  # of all queries; a document relevant to more tells nothing about any of them
LITTLE = 1 / 3  # of what could be shared; less is a contradiction
COHERENT = 0.5  # the median support of frequent documents, below which pairs do not hang together
MOST_ENTRIES = 30_000_000  # of the lists that are compared; queries are drawn where there would be more


@dataclass(frozen=True, eq=False)
class Support:
    """How far the other pairs of each document speak for a pair.

    Attributes:
        values: float64, one a pair, 0..1; NaN where nothing can be said.
        generality: int64, one a pair: how many of the queries compared its document has.
        n_compared: how many pairs those queries have; all of them unless sets are very large.
    """

    values: npt.NDArray[np.float64]
    generality: Rows
    n_compared: int

    @property
    def rare(self) -> npt.NDArray[np.bool_]:
        """One truth value a pair: it can be checked, and its document is rare enough for the value to be relied on."""
        return np.isfinite(self.values) & (self.generality <= RARE)

    @property
    def doubtful(self) -> npt.NDArray[np.bool_]:
        """One truth value a pair: it can be checked, and next to nothing speaks for it."""
        return self.rare & (self.values < LITTLE)

    @property
    def tells(self) -> bool:
        """Whether pairs hang together; where they do not, as among clicks on single products, doubt means nothing."""
        frequent = self.values[np.isfinite(self.values) & (self.generality > RARE)]
        return len(frequent) > 0 and bool(np.median(frequent) >= COHERENT)

    @property
    def at_least_wrong(self) -> int:
        """The least number of wrong pairs behind the doubtful ones: one in two where a document has two queries."""
        of_two = self.generality == 2
        return int(np.count_nonzero(self.doubtful & ~of_two) + np.count_nonzero(self.doubtful & of_two) // 2)


def support(pairs: Pairs, rng: np.random.Generator) -> Support:
    """The support of every pair; see the module. `rng` draws queries where sets are too large to compare all."""
    seen = _within_reach(pairs, rng)
    generality = seen.generality
    telling = generality <= max(1, COMMON * np.count_nonzero(seen.sizes))
    together = _together(seen)
    rows = np.repeat(np.arange(seen.n_documents), np.diff(together.indptr))
    half = (generality - 1) / 2
    shared_by_half = (together.data >= half[rows]) & (rows != together.indices) & telling[together.indices]
    shared = np.bincount(rows[shared_by_half], minlength=seen.n_documents)
    pair, document, other = _beside(seen, telling)
    times = together.data[np.searchsorted(rows * seen.n_documents + together.indices, _key(seen, document, other))]
    n = len(seen)
    kept = np.bincount(pair[times - 1 >= half[document]], minlength=n)  # shared by half of d's queries without q
    counted = np.bincount(pair[times >= half[document]], minlength=n)
    possible = np.minimum(kept + shared[seen.documents] - counted, np.bincount(pair, minlength=n))
    checked = (possible > 0) & (generality[seen.documents] > 1)
    values = np.where(checked, kept / np.maximum(possible, 1), np.nan)
    place = np.arange(len(pairs)) if seen is pairs else expand(pairs.offsets, np.flatnonzero(seen.sizes))[1]
    everywhere, counts = np.full(len(pairs), np.nan), np.zeros(len(pairs), np.int64)
    everywhere[place], counts[place] = values, generality[seen.documents]
    return Support(everywhere, counts, len(seen))


def _within_reach(pairs: Pairs, rng: np.random.Generator) -> Pairs:
    """The pairs, or those of some queries, with at most MOST_ENTRIES couples of documents of one query."""
    couples = pairs.sizes**2
    if couples.sum() <= MOST_ENTRIES:
        return pairs
    order = rng.permutation(pairs.n_queries)
    wanted = np.zeros(pairs.n_queries, np.bool_)
    wanted[order[np.cumsum(couples[order]) <= MOST_ENTRIES]] = True
    return pairs.keep(wanted[pairs.query_of])


def _together(pairs: Pairs) -> csr_array[np.int32, tuple[int, int]]:
    """How many queries two documents have in common (n_documents x n_documents), columns ascending in every row."""
    ones = np.ones(len(pairs), np.int32)
    shape = (pairs.n_queries, pairs.n_documents)
    table = csr_array((ones, pairs.documents, pairs.offsets), shape=shape)
    product = csr_array(table.T @ table)
    product.sort_indices()
    return product


def _beside(pairs: Pairs, telling: npt.NDArray[np.bool_]) -> tuple[Rows, Rows, Rows]:
    """(pair, its document, another document of the same query that tells something), for every two of a query."""
    place, index = expand(pairs.offsets, pairs.query_of)
    document, other = pairs.documents[place].astype(np.int64), pairs.documents[index].astype(np.int64)
    keep = (document != other) & telling[other]
    return place[keep], document[keep], other[keep]


def _key(pairs: Pairs, rows: Rows, columns: Rows) -> Rows:
    return rows * pairs.n_documents + columns
