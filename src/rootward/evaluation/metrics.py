"""Recall and the order of answers, derived from `Ranks`; every figure is a share from 0 to 1.

Averages are those of the paper (arXiv 2509.16411, section 2): a query is drawn uniformly among those with pairs, then a
document uniformly from S(q), so a pair weighs 1 / |S(q)|. Taken over all pairs this is the expectation itself, without
the noise of a sample. Queries without pairs are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.csr import levels_of
from rootward.errors import InputError, PairsError
from rootward.evaluation.ranks import Ranks, comparable
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.scoring import BLOCK_BYTES, Counter, Floats, Ints, checked, score_blocks

Shares = npt.NDArray[np.float64]

LISTED = 1_000
"""The largest distance of lists that have an entry for every distance from 0 on, and how many slices have intervals."""


@dataclass(frozen=True, eq=False)
class Recall:
    """Recall by distance.

    Attributes:
        distances: int64, the distances that have pairs, ascending.
        slices: float64, the recall at each of them; NaN at one that a sample has missed.
        shares: float64, the weight of each of them; adds up to 1.
        n_pairs: int64, how many pairs each of them has.
        overall: the mean over queries of each query's recall; equally, the slices weighed by their shares.
    """

    distances: Ints
    slices: Shares
    shares: Shares
    n_pairs: Ints
    overall: float

    @property
    def minimum(self) -> float:
        """The lowest slice, the paper's "min"."""
        return float(np.nanmin(self.slices))

    @property
    def by_distance(self) -> Shares:
        """Recall at distance 0, 1, ... (float64), NaN at one with no pairs; none beyond `LISTED`, see `distances`."""
        near = self.distances <= LISTED
        listed = np.full(int(self.distances[near].max(initial=-1)) + 1, np.nan)
        listed[self.distances[near]] = self.slices[near]
        return listed


def recall(ranks: Ranks, *, k: int | None = None) -> Recall:
    """Recall over all pairs: the exact expectation under regular sampling.

    Args:
        ranks: of the run.
        k: a pair is a hit when its document is among the k best of all; None: among the |S(q)| best.

    Raises:
        PairsError: there are no pairs.
        InputError: k below 1.
    """
    _check_any(ranks)
    weights = 1.0 / (ranks.sizes[ranks.query_of] * len(ranks.answered))  # chances under regular sampling
    return _recall(ranks, np.arange(len(ranks)), weights, _hits(ranks, k))


def sampled_recall(ranks: Ranks, *, n: int = 10_000, seed: int = 0, k: int | None = None) -> Recall:
    """Recall over `n` pairs drawn by regular sampling with replacement, the way the paper measured (section 6.1).

    `recall` is its expectation; at 10,000 pairs the overall figure strays from it by up to half a point.

    Raises:
        PairsError: there are no pairs.
        InputError: k or n below 1.
    """
    if n < 1:
        raise InputError(f"A sample needs at least one pair, got n={n}.")
    _check_any(ranks)
    rng = stream(seed, "evaluation", "sample")
    queries = ranks.answered[rng.integers(len(ranks.answered), size=n)]
    index = ranks.offsets[queries] + rng.integers(ranks.sizes[queries])
    return _recall(ranks, index, np.full(n, 1 / n), _hits(ranks, k))


def recall_at(ranks: Ranks, ks: npt.ArrayLike) -> Shares:
    """Recall@k over all pairs, each weighing the same (ESCI, section 6.2): the share with a rank below k, for each k.

    Raises:
        PairsError: there are no pairs.
        InputError: a k below 1.
    """
    _check_any(ranks)
    wanted = np.asarray(ks, np.int64)
    if wanted.size and wanted.min() < 1:
        raise InputError(f"k counts returned documents and is at least 1, got {wanted.min()}.")
    return np.searchsorted(np.sort(ranks.ranks), wanted, side="left") / len(ranks)


@dataclass(frozen=True)
class AnswerOrder:
    """How far answers stand in order of distance, nearest first; shares from 0 to 1, None where nothing can be said.

    Attributes:
        exact_first_by_score, exact_first_shown: queries with a distance-0 document whose first answer is one.
        in_order_by_score, in_order_shown: mean over queries of the share of its pairs of relevant documents with
            different distances that are both in the answer set with the nearer one first.
        whole: queries whose answer set is exactly S(q).
    """

    exact_first_by_score: float | None
    exact_first_shown: float | None
    in_order_by_score: float | None
    in_order_shown: float | None
    whole: float


def answer_order(ranks: Ranks) -> AnswerOrder:
    """The order of answers, by score alone and as shown; `Ranks` says what that is.

    Raises:
        PairsError: there are no pairs.
    """
    _check_any(ranks)
    exact = np.unique(ranks.query_of[ranks.distances == 0])
    n_comparable = comparable(ranks.offsets, ranks.distances)
    some = np.flatnonzero(n_comparable)

    def first(flags: npt.NDArray[np.bool_]) -> float | None:
        return float(flags[exact].mean()) if len(exact) else None

    def ordered(counts: Ints) -> float | None:
        return float((counts[some] / n_comparable[some]).mean()) if len(some) else None

    return AnswerOrder(
        first(ranks.exact_first_by_score),
        first(ranks.exact_first_shown),
        ordered(ranks.in_order_by_score),
        ordered(ranks.in_order_shown),
        float(ranks.whole[ranks.answered].mean()),
    )


@dataclass(frozen=True, eq=False)
class QuerySums:
    """What each answered query adds to every slice: enough to draw queries again without looking at pairs.

    Attributes:
        distances: int64, the distances that have pairs, ascending.
        missed: float64, n_answered x len(distances); the weight 1 / |S(q)| of its misses at each distance.
        weights: the same for all its pairs; each row adds up to 1.
    """

    distances: Ints
    missed: Shares
    weights: Shares


def query_sums(ranks: Ranks, *, k: int | None = None) -> QuerySums:
    """The sums of every answered query, in the order of `ranks.answered`.

    Raises:
        PairsError: there are no pairs.
        InputError: k below 1; more than `LISTED` different distances.
    """
    _check_any(ranks)
    distances, slices = levels_of(ranks.distances)
    if len(distances) > LISTED:
        raise InputError(
            f"The pairs have {len(distances):,} different distances; figures of drawn queries by distance are made for "
            f"up to {LISTED:,}. Are these hops? Otherwise put them into fewer steps."
        )
    place = np.repeat(np.arange(len(ranks.answered)), ranks.sizes[ranks.answered])
    cell = place * len(distances) + slices
    share = 1.0 / ranks.sizes[ranks.query_of]
    shape = (len(ranks.answered), len(distances))
    missed, weights = (_sums(cell, each, math.prod(shape)) for each in (share * ~_hits(ranks, k), share))
    return QuerySums(distances, missed.reshape(shape), weights.reshape(shape))


def _recall(ranks: Ranks, index: Ints, weights: Shares, hits: npt.NDArray[np.bool_]) -> Recall:
    """Recall over the pairs `index`, each with its weight."""
    distances, levels = levels_of(ranks.distances)
    n_slices, slices, hit = len(distances), levels[index], hits[index]
    found, missed = (_sums(slices[some], weights[some], n_slices) for some in (hit, ~hit))
    # found / (found + missed) is exactly 1 where nothing is missed, whatever the rounding of the sums
    with np.errstate(invalid="ignore"):
        by_slice = found / (found + missed)
        overall = float(found.sum() / (found.sum() + missed.sum()))
    shares = _sums(slices, weights, n_slices)
    return Recall(distances, by_slice, shares, np.bincount(slices, minlength=n_slices), overall)


def _sums(cells: npt.NDArray[np.integer], weights: Shares, n: int) -> Shares:
    """The weights added up for each of n cells."""
    return np.bincount(cells, weights, n).astype(np.float64)


def _hits(ranks: Ranks, k: int | None) -> npt.NDArray[np.bool_]:
    if k is None:
        return ranks.hits
    if k < 1:
        raise InputError(f"k counts returned documents and is at least 1, got {k}.")
    return ranks.ranks < k


def _check_any(ranks: Ranks | Pairs) -> None:
    if not len(ranks):
        raise PairsError("There are no pairs to measure; give pairs with at least one query that has an answer.")


@dataclass(frozen=True, eq=False)
class AnswerSets:
    """The answer set of every query that has pairs, counted.

    Averages give every query the same weight. A set without documents has precision and F1 0.

    Attributes:
        rows: int64, the query rows.
        sizes: int64, how many documents each set holds.
        hits: int64, how many of them are relevant.
        relevant: int64, |S(q)|.
    """

    rows: Ints
    sizes: Ints
    hits: Ints
    relevant: Ints

    @property
    def precision(self) -> float:
        """Mean share of a set that is relevant."""
        return float((self.hits / np.maximum(self.sizes, 1)).mean())

    @property
    def recall(self) -> float:
        """Mean share of S(q) that is in the set."""
        return float((self.hits / self.relevant).mean())

    @property
    def f1(self) -> float:
        """Mean of each set's F1, 2 hits / (size + |S(q)|)."""
        return float((2 * self.hits / (self.sizes + self.relevant)).mean())

    @property
    def exact(self) -> float:
        """Share of sets that are S(q), no more and no less."""
        return float(((self.hits == self.relevant) & (self.sizes == self.relevant)).mean())

    def __repr__(self) -> str:
        return (
            f"AnswerSets({len(self.rows):,} queries, {self.sizes.mean():.1f} documents each, precision "
            f"{self.precision:.3f}, recall {self.recall:.3f}, F1 {self.f1:.3f}, exact {self.exact:.3f})"
        )


def answer_sets(
    queries: Tensor,
    documents: Tensor,
    pairs: Pairs,
    thresholds: npt.ArrayLike | Tensor,
    *,
    block_bytes: int = BLOCK_BYTES,
) -> AnswerSets:
    """The sets of all documents that score at least the threshold of their query.

    Args:
        queries, documents, pairs, block_bytes: as for `rank_pairs`.
        thresholds: one number for all queries, or n_queries of them. Those of queries without pairs are not read.

    Raises:
        InputError: thresholds that are NaN (not known yet) or of another number, vectors that cannot be scored.
        PairsError: there are no pairs.
    """
    _check_any(pairs)
    queries, documents = checked(queries, documents)
    rows = np.flatnonzero(pairs.sizes)
    dtype = documents.numpy().dtype
    given = np.asarray(thresholds.cpu() if isinstance(thresholds, Tensor) else thresholds, dtype)
    if given.shape not in ((), (pairs.n_queries,)):
        raise InputError(f"thresholds must be one number or {pairs.n_queries:,}, got shape {given.shape}.")
    wanted: Floats = np.broadcast_to(given, pairs.n_queries)
    unknown = np.count_nonzero(np.isnan(wanted[rows]))
    if unknown:
        raise InputError(f"{unknown:,} of {len(rows):,} queries have no threshold (NaN); training sets them.")
    sizes, hits = np.zeros(pairs.n_queries, np.int64), np.zeros(pairs.n_queries, np.int64)
    with Counter() as counter:
        for block in score_blocks(queries, documents, pairs.sizes, block_bytes):
            place, index = pairs.of(block.rows)
            limits = wanted[block.rows]
            reached = block.scores[place, pairs.documents[index]] >= limits[place]
            hits[block.rows] = np.bincount(place[reached], minlength=len(block.rows))
            sizes[block.rows] = counter.at_least(block.scores, np.arange(len(block.rows)), limits)
    return AnswerSets(rows, sizes[rows], hits[rows], pairs.sizes[rows])


def best(ranks: Ranks, k: int) -> AnswerSets:
    """The sets of the k best documents of each query, of all documents where there are fewer; from ranks alone.

    Ties count against the set, as everywhere: a relevant document that shares the k-th place may not be in it.

    Raises:
        InputError: k below 1.
        PairsError: there are no pairs.
    """
    if k < 1:
        raise InputError(f"k counts returned documents and is at least 1, got {k}.")
    _check_any(ranks)
    rows = ranks.answered
    hits = np.bincount(ranks.query_of[ranks.ranks < k], minlength=len(ranks.sizes))[rows]
    sizes = np.full(len(rows), min(k, ranks.n_documents))
    return AnswerSets(rows, sizes, hits, ranks.sizes[rows])


def answer_thresholds(ranks: Ranks) -> npt.NDArray[np.float32]:
    """The score at which each query's answer set ends (float32, n_queries; NaN for queries without pairs).

    Half way between the lowest relevant document that is a hit and whatever stands below it: the highest document
    that is not relevant, or the highest relevant one that is missed. Where every relevant document outscores every
    other, documents at or above the threshold are S(q) exactly. A query without a hit accepts nothing.
    """
    thresholds = np.full(len(ranks.sizes), np.nan, np.float32)
    rows, hits = ranks.query_of, ranks.hits
    lowest_hit = np.full(len(ranks.sizes), np.inf)
    np.minimum.at(lowest_hit, rows[hits], ranks.scores[hits])
    below = np.full(len(ranks.sizes), -np.inf)
    np.maximum.at(below, rows[~hits], ranks.scores[~hits])
    answered = ranks.answered
    clear = ranks.ceiling[answered] < lowest_hit[answered]
    under = np.where(clear, np.maximum(below[answered], ranks.ceiling[answered]), below[answered])
    hit = np.isfinite(lowest_hit[answered])
    under = np.where(np.isfinite(under), under, lowest_hit[answered] - 1.0)  # everything relevant and hit
    middle = (np.where(hit, lowest_hit[answered], 0.0) + np.where(hit, under, 0.0)) / 2
    thresholds[answered] = np.where(hit, middle, np.inf)
    return thresholds


def extend_queries(vectors: Tensor, thresholds: npt.ArrayLike | Tensor) -> Tensor:
    """Query vectors with minus their threshold as one more coordinate (n x (dim + 1)).

    The inner product with a document from `extend_documents` is score - threshold, so that any engine that can search
    above one score for all queries finds each query's own answer set above 0.

    Raises:
        InputError: not one finite threshold a query; queries that abstain have no answers to look for.
    """
    column = torch.as_tensor(thresholds, dtype=vectors.dtype, device=vectors.device)
    if column.shape != (len(vectors),):
        raise InputError(f"{len(vectors):,} queries need as many thresholds, got shape {tuple(column.shape)}.")
    wrong = torch.nonzero(~torch.isfinite(column))
    if len(wrong):
        raise InputError(
            f"{len(wrong):,} thresholds are NaN (unknown) or infinite (the query abstains), the first in row "
            f"{int(wrong[0])}; leave these queries out."
        )
    return torch.cat([vectors, -column[:, None]], dim=1)


def extend_documents(vectors: Tensor) -> Tensor:
    """Document vectors with 1 as one more coordinate (n x (dim + 1)); see `extend_queries`."""
    return torch.cat([vectors, vectors.new_ones(len(vectors), 1)], dim=1)
