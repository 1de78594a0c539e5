"""Rules for where an answer set ends when nobody knows |S(q)|, each fitted to queries whose answers are known.

A rule gives every listed document a margin, and the documents with a margin of at least 0 are the answer set:

    universal   score - t
    predicted   score - (w . q + b): a threshold for each query, linear in its vector, so that one more coordinate makes
                it an inner product again (`extend_queries`, `extend_documents`)
    size        k(q) - rank: as many documents as the nearest known queries have

`fit` sees some queries, and the last number, the shift, is chosen on others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rootward.calibration.top_documents import TopDocuments
from rootward.scoring import Ints

Array: TypeAlias = npt.NDArray[np.float64]

NEIGHBOURS = 5
"""How many known queries an expected size is the mean of."""

_PENALTIES = 10.0 ** np.arange(-6, 2)  # of the ridge regression, as shares of the vectors' total variance


@dataclass(frozen=True, eq=False)
class Universal:
    """One threshold for all queries.

    Attributes:
        shift: the threshold.
    """

    name: ClassVar[str] = "universal"
    unit: ClassVar[str] = "score"
    shift: float = 0.0

    @classmethod
    def fit(cls, top: TopDocuments, queries: Array) -> Universal:
        """Nothing is fitted but the shift."""
        return cls()

    def thresholds(self, queries: Array) -> Array:
        """The threshold of each query (float64, n)."""
        return np.full(len(queries), self.shift)

    def margins(self, top: TopDocuments, queries: Array) -> Array:
        """How far each listed document is above its query's threshold (float64, one an entry)."""
        return top.scores - self.thresholds(queries)[top.place]

    def tensors(self) -> dict[str, Array]:
        """What has to be saved besides the shift."""
        return {}


@dataclass(frozen=True, eq=False)
class Predicted:
    """A threshold for each query, linear in its vector: w . q + b + shift.

    Fitted by ridge regression to the thresholds that give the known queries their best F1; the penalty is the one with
    the least error when each query is predicted from the others.

    Attributes:
        weights: w, dim numbers.
        intercept: b.
        shift: added to every threshold.
    """

    name: ClassVar[str] = "predicted"
    unit: ClassVar[str] = "score"
    weights: Array
    intercept: float
    shift: float = 0.0

    @classmethod
    def fit(cls, top: TopDocuments, queries: Array) -> Predicted:
        """The regression over queries that have a relevant document in their list.

        Args:
            top: of the known queries.
            queries: their vectors, n x dim.
        """
        sizes, thresholds = best_cuts(top)
        known = sizes > 0
        if not known.any():
            return cls(np.zeros(queries.shape[1]), 0.0)
        return cls(*ridge(queries[known], thresholds[known]))

    def thresholds(self, queries: Array) -> Array:
        """The threshold of each query (float64, n)."""
        return queries @ self.weights + (self.intercept + self.shift)

    def margins(self, top: TopDocuments, queries: Array) -> Array:
        """How far each listed document is above its query's threshold (float64, one an entry)."""
        return top.scores - self.thresholds(queries)[top.place]

    def tensors(self) -> dict[str, Array]:
        """What has to be saved besides the shift."""
        return {"weights": self.weights, "intercept": np.array([self.intercept])}


@dataclass(frozen=True, eq=False)
class ExpectedSize:
    """As many documents as the nearest known queries were best answered with, on average, less the shift.

    Near is by Euclidean distance; a neighbour counts in inverse proportion to its square.

    Attributes:
        known: vectors of known queries, n x dim.
        sizes: the size that gave each of them its best F1.
        shift: taken off every expected size.
    """

    name: ClassVar[str] = "size"
    unit: ClassVar[str] = "rank"
    known: Array
    sizes: Array
    shift: float = 0.0

    @classmethod
    def fit(cls, top: TopDocuments, queries: Array) -> ExpectedSize:
        """All known queries are kept."""
        return cls(queries, best_cuts(top)[0].astype(np.float64))

    def expected(self, queries: Array) -> Array:
        """The expected size of each query (float64, n), before rounding down."""
        out = np.empty(len(queries))
        n = min(NEIGHBOURS, len(self.known))
        lengths = (self.known**2).sum(1)
        for start in range(0, len(queries), 512):
            part = queries[start : start + 512]
            apart = np.maximum(lengths - 2 * part @ self.known.T + (part**2).sum(1)[:, None], 0)
            near = np.argpartition(apart, n - 1, axis=1)[:, :n]
            weight = 1 / (np.take_along_axis(apart, near, 1) + 1e-6 * (1 + lengths.mean()))
            out[start : start + 512] = (weight * self.sizes[near]).sum(1) / weight.sum(1)
        return out - self.shift

    def margins(self, top: TopDocuments, queries: Array) -> Array:
        """The expected size less the place in the list, the first being 1 (float64, one an entry)."""
        return self.expected(queries)[top.place] - (top.ranks + 1)

    def tensors(self) -> dict[str, Array]:
        """What has to be saved besides the shift."""
        return {"known": self.known, "sizes": self.sizes}


@dataclass(frozen=True, eq=False)
class FixedSize:
    """The same number of documents for every query: what a rule has to beat.

    Attributes:
        shift: minus that number.
    """

    shift: float = 0.0

    def margins(self, top: TopDocuments, queries: Array) -> Array:
        """The number less the place in the list, the first being 1 (float64, one an entry)."""
        return np.asarray(-self.shift - (top.ranks + 1), np.float64)


class UpperBound:
    """Each query's best size, knowing its answers: what no rule can beat."""

    def margins(self, top: TopDocuments, queries: Array) -> Array:
        """That size less the place in the list, the first being 1 (float64, one an entry)."""
        return np.asarray(best_cuts(top)[0][top.place] - (top.ranks + 1), np.float64)


Rule: TypeAlias = Universal | Predicted | ExpectedSize
AnyRule: TypeAlias = Rule | FixedSize | UpperBound
RULES: dict[str, type[Universal] | type[Predicted] | type[ExpectedSize]] = {
    kind.name: kind for kind in (Universal, Predicted, ExpectedSize)
}


def shifted(rule: Rule, shift: float) -> Rule:
    """The rule with its margins lowered by `shift`."""
    return replace(rule, shift=rule.shift + shift)


def load_rule(name: str, shift: float, tensors: dict[str, Array]) -> Rule:
    """The rule that `tensors` were saved of."""
    if name == Universal.name:
        return Universal(shift)
    if name == Predicted.name:
        return Predicted(tensors["weights"], float(tensors["intercept"][0]), shift)
    return ExpectedSize(tensors["known"], tensors["sizes"], shift)


def to_float64(vectors: Tensor) -> Array:
    """Query vectors as float64 for the regressions."""
    return vectors.detach().cpu().numpy().astype(np.float64)


def best_cuts(top: TopDocuments) -> tuple[Ints, Array]:
    """(size, threshold) of the answer set with the best F1 of each query, the smallest of equally good ones.

    The threshold is half way to the next document; sizes are 0, thresholds NaN, where no relevant document is listed.
    """
    f1 = 2 * top.hits / (top.ranks + 1 + top.sizes[top.place])
    best = np.maximum.reduceat(f1, top.offsets[:-1]) if len(top) else np.empty(0)
    good = np.flatnonzero(f1 == best[top.place])
    _, first = np.unique(top.place[good], return_index=True)
    at = good[first]
    following = np.minimum(at + 1, top.last)
    thresholds = (top.scores[at] + top.scores[following]) / 2
    return np.where(best > 0, top.ranks[at] + 1, 0), np.where(best > 0, thresholds, np.nan)


def ridge(vectors: Array, targets: Array) -> tuple[Array, float]:
    """(weights, intercept) of a linear regression with a penalty on the weights, chosen by leaving each row out.

    The error of a row predicted from all others has a closed form, residual / (1 - leverage), so that all penalties
    together cost one singular value decomposition.
    """
    centre, level = vectors.mean(0), float(targets.mean())
    left, lengths, right = np.linalg.svd(vectors - centre, full_matrices=False)
    along = left.T @ (targets - level)
    best, least = np.zeros_like(lengths), np.inf
    for penalty in _PENALTIES * (lengths**2).sum():
        kept = lengths**2 / (lengths**2 + penalty) if penalty else np.zeros_like(lengths)
        leverage = (left**2 * kept).sum(1) + 1 / len(targets)
        left_out = (targets - level - left @ (kept * along)) / np.maximum(1 - leverage, 1e-9)
        error = float((left_out**2).mean())
        if error < least:
            best, least = kept, error
    weights: Array = right.T @ (best * along / np.where(lengths > 0, lengths, 1))
    return weights, level - float(centre @ weights)


CONFIDENCE = 1.645
"""Standard errors below a mean that one in twenty means are lower than: a floor is met with 95 % confidence."""


def best_shift(top: TopDocuments, margins: Array, floor: float | None = None) -> float:
    """The number to take off every margin, so that those left at 0 or more are the sets wanted.

    Those with the highest mean F1; with a floor, of those alone whose mean precision, over the queries that get any
    document, is at least the floor with 95 % confidence. Infinite where no shift gives that, so that every query
    abstains. A perfect score from a few queries is not enough: one failure among them is supposed, so a floor of 95 %
    takes about 35.

    A set that runs over the end of its list counts as worthless.

    Args:
        top: of queries with known answers.
        margins: of their entries.
        floor: a share from 0 to 1.
    """
    if not len(margins):
        return math.inf
    order = np.argsort(-margins, kind="stable")
    falling = margins[order]
    ends = np.flatnonzero(np.r_[falling[1:] < falling[:-1], True])  # equal margins come together
    beyond = top.last[~top.whole]

    def sums(values: Array) -> Array:
        """The values of all queries, each at the last of its entries that is left, added up for every end."""
        values[beyond] = 0.0
        before = np.r_[0.0, values[:-1]]
        before[top.offsets[:-1]] = 0.0
        return np.asarray(np.cumsum((values - before)[order])[ends], np.float64)

    worth = sums(2 * top.hits / (top.ranks + 1 + top.sizes[top.place]))
    if floor is not None:  # where precision is not surely at the floor
        n = np.maximum(np.cumsum(top.ranks[order] == 0)[ends], 1)
        precision = top.hits / (top.ranks + 1)
        mean, square = sums(precision) / n, sums(precision**2) / n
        variance = np.maximum(square - mean**2, (n - 1) / n**2)  # at least that of one failure among n
        worth[(n <= 1) | (mean - CONFIDENCE * np.sqrt(variance / n) < floor)] = -math.inf
    best = int(worth.argmax())
    if worth[best] == -math.inf:
        return math.inf
    at = int(ends[best])
    return float(falling[at] + falling[min(at + 1, len(falling) - 1)]) / 2
