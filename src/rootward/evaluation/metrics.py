"""Recall and the order of answers, derived from `Ranks`; every figure is a share from 0 to 1.

Averages are those of the paper (arXiv 2509.16411, section 2): a query is drawn uniformly among those with pairs, then a
document uniformly from S(q), so a pair weighs 1 / |S(q)|. Taken over all pairs this is the expectation itself, without
the noise of a sample. Queries without pairs are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rootward.errors import InputError, PairsError
from rootward.evaluation.blocks import Ints
from rootward.evaluation.order import comparable
from rootward.evaluation.ranks import Ranks
from rootward.rng import stream

Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Recall:
    """Recall by distance.

    Attributes:
        by_distance: float64, one a distance 0..max; NaN at a distance with no pairs.
        shares: float64, the weight of each distance; adds up to 1.
        n_pairs: int64, how many pairs each distance has.
        overall: the mean over queries of each query's recall; equally, the slices weighed by their shares.
    """

    by_distance: Shares
    shares: Shares
    n_pairs: Ints
    overall: float

    @property
    def minimum(self) -> float:
        """The lowest slice, the paper's "min"."""
        return float(np.nanmin(self.by_distance))


def recall(ranks: Ranks, *, k: int | None = None) -> Recall:
    """Recall over all pairs: the exact expectation under regular sampling.

    Args:
        ranks: of the run.
        k: a pair is a hit when its document is among the k best of all; None: among the |S(q)| best.

    Raises:
        PairsError: there are no pairs.
        InputError: k below 1.
    """
    return _recall(ranks, np.arange(len(ranks)), _weights(ranks), _hits(ranks, k))


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
        missed: float64, n_answered x (max distance + 1); the weight 1 / |S(q)| of its misses at each distance.
        weights: the same for all its pairs; each row adds up to 1.
    """

    missed: Shares
    weights: Shares

    @cached_property
    def present(self) -> Ints:
        """The distances that have pairs."""
        return np.flatnonzero(self.weights.any(0))


def query_sums(ranks: Ranks, *, k: int | None = None) -> QuerySums:
    """The sums of every answered query, in the order of `ranks.answered`.

    Raises:
        PairsError: there are no pairs.
        InputError: k below 1.
    """
    _check_any(ranks)
    n_slices = int(ranks.distances.max()) + 1
    place = np.repeat(np.arange(len(ranks.answered)), ranks.sizes[ranks.answered])
    cell = place * n_slices + ranks.distances
    share = 1.0 / ranks.sizes[ranks.query_of]
    shape = (len(ranks.answered), n_slices)
    n_cells = shape[0] * shape[1]
    return QuerySums(
        _sums(cell, share * ~_hits(ranks, k), n_cells).reshape(shape), _sums(cell, share, n_cells).reshape(shape)
    )


def _recall(ranks: Ranks, index: Ints, weights: Shares, hits: npt.NDArray[np.bool_]) -> Recall:
    """Recall over the pairs `index`, each with its weight."""
    distances, hit = ranks.distances[index], hits[index]
    n_slices = int(ranks.distances.max()) + 1
    shares = _sums(distances, weights, n_slices)
    found, missed = (_sums(distances[some], weights[some], n_slices) for some in (hit, ~hit))
    # found / (found + missed) is exactly 1 where nothing is missed, whatever the rounding of the sums
    with np.errstate(invalid="ignore"):
        by_distance = found / (found + missed)
    return Recall(by_distance, shares, np.bincount(distances, minlength=n_slices), _ratio(found.sum(), missed.sum()))


def _sums(cells: npt.NDArray[np.integer], weights: Shares, n: int) -> Shares:
    """The weights added up for each of n cells."""
    return np.bincount(cells, weights, n).astype(np.float64)


def _ratio(found: float, missed: float) -> float:
    return found / (found + missed) if found + missed else math.nan


def _weights(ranks: Ranks) -> Shares:
    """The chance of each pair under regular sampling."""
    _check_any(ranks)
    weights: Shares = 1.0 / (ranks.sizes[ranks.query_of] * len(ranks.answered))
    return weights


def _hits(ranks: Ranks, k: int | None) -> npt.NDArray[np.bool_]:
    if k is None:
        return ranks.hits
    if k < 1:
        raise InputError(f"k counts returned documents and is at least 1, got {k}.")
    return ranks.ranks < k


def _check_any(ranks: Ranks) -> None:
    if not len(ranks):
        raise PairsError("There are no pairs to measure; give pairs with at least one query that has an answer.")
