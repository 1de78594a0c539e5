"""One table of vectors by itself: lengths, copies, collapse, how many directions it uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from torch import Tensor

from rootward.csr import expand
from rootward.diagnosis.facts import Alignment, Bias, Geometry, Hubness
from rootward.evaluation import Ranks
from rootward.ids import Rows
from rootward.pairs import Pairs
from rootward.scoring import score_blocks

Vectors = npt.NDArray[np.floating[Any]]

SAME_WAY = 0.99  # cosine with the mean vector, above which a vector has collapsed
ALIGNMENT_PAIRS = 20_000


def geometry(vectors: Vectors) -> Geometry:
    """Everything that `Geometry` names, of vectors n x dim."""
    norms = np.linalg.norm(vectors, axis=1).astype(np.float64)
    spectrum = _spectrum(vectors)
    mean = float(norms.mean())
    return Geometry(
        n=len(vectors),
        norm_mean=mean,
        norm_spread=float(norms.std() / mean) if mean else 0.0,
        duplicates=_duplicates(vectors),
        collapsed=_collapsed(vectors, norms),
        participation=float(1 / (spectrum**2).sum()) if len(spectrum) else 0.0,
        effective_rank=float(np.exp(-(spectrum * np.log(spectrum)).sum())) if len(spectrum) else 0.0,
    )


def _spectrum(vectors: Vectors) -> npt.NDArray[np.float64]:
    """The eigenvalues of the covariance that are above 0, as shares of their sum."""
    centred = vectors - vectors.mean(0)
    values = np.linalg.eigvalsh((centred.T @ centred).astype(np.float64))
    values = np.maximum(values, 0)
    total = values.sum()
    if total <= 1e-12 * max(1, len(vectors)):
        return np.empty(0)
    shares = values / total
    return np.asarray(shares[shares > 1e-12], np.float64)


def _duplicates(vectors: Vectors) -> float:
    rows = np.ascontiguousarray(vectors + 0.0)  # -0.0 becomes 0.0
    whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, place, times = np.unique(whole, return_inverse=True, return_counts=True)
    return float((times[place] > 1).mean())


def _collapsed(vectors: Vectors, norms: npt.NDArray[np.float64]) -> float:
    mean = vectors.mean(0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    with_mean = (vectors @ mean) / np.maximum(norms * length, 1e-30)
    return float(((norms == 0) | (with_mean > SAME_WAY)).mean())


def alignment(queries: Vectors, documents: Vectors, pairs: Pairs, rng: np.random.Generator) -> Alignment:
    """Whether matches outscore random documents, and whether documents of one query are near each other."""
    chosen = rng.integers(len(pairs), size=min(len(pairs), ALIGNMENT_PAIRS))
    rows, found = pairs.query_of[chosen], pairs.documents[chosen]
    strangers = rng.integers(pairs.n_documents, size=len(chosen))
    seen = queries[rows]
    match = _above(_products(seen, documents[found]), _products(seen, documents[strangers]))
    other = pairs.documents[pairs.offsets[rows] + rng.integers(pairs.sizes[rows])]
    apart = np.flatnonzero(other != found)
    if not len(apart):
        return Alignment(matches=match, relatives=0.5)
    near = documents[found[apart]]
    relatives = _above(_products(near, documents[other[apart]]), _products(near, documents[strangers[apart]]))
    return Alignment(matches=match, relatives=relatives)


def _products(left: Vectors, right: Vectors) -> npt.NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", left, right, dtype=np.float64), np.float64)


def _above(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """The share of entries where left is the greater; a tie counts half."""
    return float(((left > right) + 0.5 * (left == right)).mean())


STRENGTHS = (-0.8, -0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 0.8, 1.2)
"""Of the correction by log generality, in standard deviations of the scores a standard deviation of it."""

BLOCK_SCORES = 4_000_000


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of some queries.

    Attributes:
        taken, due: int64, n_documents; how often each document is among the |S(q)| best, and how often it is relevant.
        recalls: float64, n_queries looked at x len(STRENGTHS); recall at |S(q)| with each strength.
    """

    taken: Rows
    due: Rows
    recalls: npt.NDArray[np.float64]


def answers(queries: Tensor, documents: Tensor, pairs: Pairs, rows: Rows, generality: Rows) -> Answers:
    """Score these query rows, ascending, against all documents, in blocks, once for each strength.

    A tie counts against a document, as everywhere.
    """
    log_generality = torch.from_numpy(np.log(np.maximum(generality, 0.5))).to(documents.dtype)
    spread = float(log_generality.std()) if len(log_generality) > 1 else 0.0
    taken, due = (np.zeros(pairs.n_documents, np.int64) for _ in range(2))
    recalls = np.zeros((len(rows), len(STRENGTHS)))
    sizes = np.zeros_like(pairs.sizes)
    sizes[rows] = pairs.sizes[rows]
    for block in score_blocks(queries, documents, sizes, BLOCK_SCORES * documents.element_size()):
        part, scores = block.rows, torch.from_numpy(block.scores)
        unit = float(scores.std()) / spread if spread else 0.0
        place, index = pairs.of(part)
        relevant = pairs.documents[index].astype(np.int64)
        np.add.at(due, relevant, 1)
        for column, strength in enumerate(STRENGTHS):
            leaning = scores + strength * unit * log_generality
            best, whose = leaning.topk(min(pairs.n_documents, int(pairs.sizes[part].max()) + 1), dim=1)
            hit = leaning[place, relevant].numpy() > _next_best(best, pairs.sizes[part])[place]
            recalls[np.searchsorted(rows, part), column] = np.bincount(place, hit, len(part)) / pairs.sizes[part]
            if strength == 0:
                inside = np.arange(best.shape[1]) < pairs.sizes[part][:, None]
                np.add.at(taken, whose.numpy()[inside], 1)
    return Answers(taken, due, recalls)


def _next_best(best: Tensor, sizes: Rows) -> npt.NDArray[np.floating]:
    """The score right behind each query's |S(q)| best; -inf where every document is among them."""
    padded = np.concatenate([best.numpy(), np.full((len(best), 1), -np.inf, best.numpy().dtype)], axis=1)
    return np.asarray(padded[np.arange(len(best)), sizes])


def hubness(found: Answers, generality: Rows) -> Hubness:
    """Skewness and shares of the answers, beside what they should be."""
    n_top = max(1, len(generality) // 100)
    general = np.argsort(-generality, kind="stable")[:n_top]
    total = max(1, int(found.taken.sum()))
    return Hubness(
        skewness=_skewness(found.taken),
        true_skewness=_skewness(found.due),
        top_share=float(found.taken[general].sum() / total),
        true_top_share=float(found.due[general].sum() / max(1, int(found.due.sum()))),
        most_taken=float(np.sort(found.taken)[-n_top:].sum() / total),
    )


def _skewness(counts: Rows) -> float:
    apart = counts - counts.mean()
    spread = float(np.sqrt((apart**2).mean()))
    return float((apart**3).mean() / spread**3) if spread else 0.0


def bias(found: Answers, ranks: Ranks, generality: Rows) -> Bias:
    """The lean of the scores, and the strength that mends most, chosen on every second query and tried on the rest."""
    chosen_on, tried_on = found.recalls[::2].mean(0), found.recalls[1::2]
    tried = tried_on.mean(0) if len(tried_on) else chosen_on
    neutral = STRENGTHS.index(0.0)
    best = int(np.argmax(chosen_on)) if chosen_on.max() > chosen_on[neutral] else neutral
    return Bias(
        lean=lean(ranks, generality), strength=STRENGTHS[best], before=float(tried[neutral]), after=float(tried[best])
    )


def lean(ranks: Ranks, generality: Rows) -> float:
    """Correlation, within each S(q), of score and log generality (one a pair); 0 where one of them does not vary."""
    n = np.maximum(ranks.sizes, 1)
    rows = ranks.query_of

    def within(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(values - (np.bincount(rows, values, len(n)) / n)[rows])

    scores = within(ranks.scores.astype(np.float64))
    general = within(np.log(generality))
    size = float(np.sqrt((scores**2).sum() * (general**2).sum()))
    return float((scores * general).sum() / size) if size > 1e-12 else 0.0


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
