"""`TopDocuments`: the best-scoring documents of some queries, the relevant ones marked; calibration uses no others.

A query has as many as any sensible answer set, four times |S(q)| and 64 more. So scores are computed once, and every
threshold after that costs a few comparisons a query.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rootward.csr import offsets_of
from rootward.pairs import Pairs
from rootward.scoring import BLOCK_BYTES, Ints, best, checked

SURPLUS = 64
"""How many documents a query has beyond its share of |S(q)|."""

SHARE = 4
"""A query has this many times |S(q)|: an answer set that is larger has a precision below a quarter."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TopDocuments:
    """The best documents of some queries as CSR: those of `rows[i]` are entries offsets[i]:offsets[i + 1], best first.

    Of equal scores the lower document row comes first, and is the one that is kept.

    Attributes:
        rows: int64 query rows, ascending.
        offsets: int64, one longer than rows.
        documents: int64 document rows, one an entry.
        scores: float64, one an entry.
        pairs: int64, one an entry: the index of its pair where the document is relevant, -1 where not.
        sizes: int64, |S(q)| of each query.
        whole: bool, one a query: its list holds every document there is.
    """

    rows: Ints
    offsets: Ints
    documents: Ints
    scores: npt.NDArray[np.float64]
    pairs: Ints
    sizes: Ints
    whole: Flags

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"TopDocuments({len(self):,} queries, {len(self.documents):,} documents)"

    @cached_property
    def place(self) -> Ints:
        """Which query each entry belongs to (int64, from 0)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @cached_property
    def ranks(self) -> Ints:
        """The place of each entry in its list, from 0 (int64)."""
        return np.arange(len(self.documents)) - self.offsets[self.place]

    @cached_property
    def relevant(self) -> Flags:
        """Whether each entry is relevant."""
        return self.pairs >= 0

    @cached_property
    def hits(self) -> Ints:
        """How many relevant documents there are down to each entry, itself included (int64)."""
        total = np.cumsum(self.relevant)
        before: Ints = np.r_[0, total][self.offsets[self.place]]
        return total - before

    @cached_property
    def last(self) -> Ints:
        """The index of the last entry of each list (int64)."""
        return self.offsets[1:] - 1

    def of(self, pairs: Pairs) -> TopDocuments:
        """Those of the queries that have pairs in `pairs`: all or some of the pairs that these were made with."""
        wanted = pairs.sizes[self.rows] > 0
        kept = wanted[self.place]
        documents = self.documents[kept]
        return TopDocuments(
            self.rows[wanted],
            offsets_of(np.diff(self.offsets)[wanted]),
            documents,
            self.scores[kept],
            pair_index(pairs, self.rows[self.place[kept]], documents),
            self.sizes[wanted],
            self.whole[wanted],
        )


def top_documents(
    queries: Tensor,
    documents: Tensor,
    pairs: Pairs,
    *,
    share: int = SHARE,
    block_bytes: int = BLOCK_BYTES,
    progress: Callable[[int], object] | None = None,
) -> TopDocuments:
    """The `share` times |S(q)| + 64 best documents of each query that has pairs, all of them where there are fewer.

    Args:
        queries, documents, pairs, block_bytes, progress: as for `rank_pairs`.
        share: how many times |S(q)|.

    Raises:
        InputError: vectors that cannot be scored.
    """
    queries, documents = checked(queries, documents)
    lengths = np.where(pairs.sizes > 0, np.minimum(share * pairs.sizes + SURPLUS, len(documents)), 0)
    _, columns, scores = best(queries, documents, lengths, block_bytes=block_bytes, progress=progress)
    rows = np.flatnonzero(pairs.sizes)
    return TopDocuments(
        rows,
        offsets_of(lengths[rows]),
        columns,
        scores.astype(np.float64),
        pair_index(pairs, np.repeat(rows, lengths[rows]), columns),
        pairs.sizes[rows],
        lengths[rows] == len(documents),
    )


def pair_index(pairs: Pairs, rows: Ints, documents: Ints) -> Ints:
    """The index of the pair of each (query row, document row), -1 where it is no pair (int64)."""
    if not len(pairs):
        return np.full(len(rows), -1)
    known, keys = (row * pairs.n_documents + d for row, d in ((pairs.query_of, pairs.documents), (rows, documents)))
    order = np.argsort(known)
    found = order[np.minimum(np.searchsorted(known, keys, sorter=order), len(known) - 1)]
    return np.where(known[found] == keys, found, -1)
