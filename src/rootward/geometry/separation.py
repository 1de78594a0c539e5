"""`Separation`: how far matching scores are above all others; and the dimension that random documents need for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import ndtri
from torch import Tensor

from rootward.encoders.registry import construct_start
from rootward.errors import InputError
from rootward.pairs import Pairs
from rootward.scoring import Floats, fitting, highest

ROWS, COLUMNS = 1_024, 4_096
"""Queries and documents of a tile: 16 MB of float32 scores stay in the cache, and the product is wide enough."""


@dataclass(frozen=True)
class Separation:
    """How far the scores of relevant documents are above those of all others.

    Attributes:
        smallest_match: the lowest score of any relevant document with its query.
        largest_other: the highest score of any other document with any query.
        threshold: the one score that ends the answer sets of most queries exactly: half way between the two where all
            are separated.
        separated: share of the queries whose own relevant documents all outscore all others.
        at_threshold: share of the queries whose documents at or above `threshold` are S(q) exactly.
        dtype: of the scores, "float32" or "float64".
        n_queries: those with relevant documents; the others are not looked at.
        n_scores: how many scores were looked at.
    """

    smallest_match: float
    largest_other: float
    threshold: float
    separated: float
    at_threshold: float
    dtype: str
    n_queries: int
    n_scores: int

    @property
    def margin(self) -> float:
        """Smallest match minus largest other score: above 0, one threshold retrieves every relevant set exactly."""
        return self.smallest_match - self.largest_other

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values, the margin among them."""
        return {"margin": self.margin, **asdict(self)}

    def __str__(self) -> str:
        return (
            f"margin {self.margin:.3g} in {self.dtype} (smallest match {self.smallest_match:.6g}, largest other "
            f"{self.largest_other:.6g}), over {self.n_scores:,} scores\n"
            f"{_percent(self.separated)} of {self.n_queries:,} queries separated from all other documents; "
            f"{_percent(self.at_threshold)} at the universal threshold {self.threshold:.6g}"
        )


def separation(
    queries: Tensor, documents: Tensor, pairs: Pairs, *, progress: Callable[[int], object] | None = None
) -> Separation:
    """Measure these vectors against these pairs, exactly: every score is computed once, none is kept.

    Time is that of the matrix product, n_queries x n_documents x dim; memory the vectors and a tile of 16 MB.

    Args:
        queries: n_queries x dim, float32 or float64; row i belongs to query row i of `pairs`.
        documents: n_documents x dim. Scores are float64 where both sides are.
        pairs: what is relevant.
        progress: called with the number of queries done since the last call.

    Raises:
        InputError: rows that are not those of `pairs`, widths that differ, entries that are not finite.
    """
    queries, documents = _fitting(queries, documents, pairs)
    extremes = zip(*_extremes(queries, documents, pairs, progress), strict=True)
    floor, ceiling = (np.concatenate(side).astype(np.float64) for side in extremes)
    threshold = universal_threshold(floor, ceiling)
    return Separation(
        smallest_match=float(floor.min()),
        largest_other=float(ceiling.max()),
        threshold=threshold,
        separated=float(np.mean(floor > ceiling)),
        at_threshold=float(np.mean((ceiling < threshold) & (threshold <= floor))),
        dtype=str(queries.numpy().dtype),
        n_queries=len(floor),
        n_scores=len(floor) * len(documents),
    )


def separates(
    queries: Tensor, documents: Tensor, pairs: Pairs, *, progress: Callable[[int], object] | None = None
) -> float:
    """The margin where one threshold serves all queries, else a number that is not above 0: stops once that is clear.

    Args, raises: as `separation`.
    """
    queries, documents = _fitting(queries, documents, pairs)
    smallest, largest = smallest_match(queries, documents, pairs), -np.inf
    for lowest, others in _extremes(queries, documents, pairs, progress):
        smallest = min(smallest, float(lowest.min()))
        largest = max(largest, float(others.max()))
        if largest >= smallest:
            break
    return smallest - largest


def smallest_match(queries: Tensor, documents: Tensor, pairs: Pairs) -> float:
    """The lowest score of any relevant pair: looks at these alone, dim x n_pairs work."""
    lowest, size = np.inf, max(1, (64 << 20) // (queries.element_size() * max(1, queries.shape[1])))
    places, columns = torch.from_numpy(pairs.query_of), torch.from_numpy(pairs.documents).long()
    for start in range(0, len(pairs), size):
        part = slice(start, start + size)
        scores = torch.linalg.vecdot(queries[places[part]], documents[columns[part]])
        lowest = min(lowest, float(scores.min()))
    return lowest


def _fitting(queries: Tensor, documents: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
    if not len(pairs):
        raise InputError("There are no pairs, so there is nothing to separate.")
    return fitting(queries, documents, pairs)


def _extremes(
    queries: Tensor, documents: Tensor, pairs: Pairs, progress: Callable[[int], object] | None
) -> Iterator[tuple[Floats, Floats]]:
    """Block by block of the queries with pairs: the lowest relevant and the highest other score of each."""
    rows = np.flatnonzero(pairs.sizes)
    buffer = torch.empty(ROWS * COLUMNS, dtype=queries.dtype)
    with torch.inference_mode():
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            place, index = pairs.of(part)
            columns = pairs.documents[index]
            order = np.argsort(columns, kind="stable")
            place, columns = place[order], columns[order]
            vectors = queries[torch.from_numpy(part)]
            lowest = np.full(len(part), np.inf, queries.numpy().dtype)
            others = np.full(len(part), -np.inf, lowest.dtype)
            for begin in range(0, len(documents), COLUMNS):
                tile = documents[begin : begin + COLUMNS]
                held = buffer[: len(part) * len(tile)].view(len(part), len(tile))
                scores = torch.mm(vectors, tile.T, out=held).numpy()
                here = slice(*np.searchsorted(columns, [begin, begin + COLUMNS]))
                np.minimum.at(lowest, place[here], scores[place[here], columns[here] - begin])
                scores[place[here], columns[here] - begin] = -np.inf
                np.maximum(others, highest(scores), out=others)
            if progress is not None:
                progress(len(part))
            yield lowest, others


def universal_threshold(floor: npt.ArrayLike, ceiling: npt.ArrayLike) -> float:
    """The score that lies above `ceiling` and at or below `floor` for most queries, half way within its interval.

    Args:
        floor: of each query, its lowest relevant score.
        ceiling: of each query, its highest other score; -inf where there is none.
    """
    low, high = (np.asarray(side, np.float64) for side in (ceiling, floor))
    apart = low < high
    if not apart.any():
        return float(high.max())
    starts, ends = np.sort(low[apart]), np.sort(high[apart])
    # Just above where an interval (ceiling, floor] begins lie those that have begun and not yet ended.
    held = np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")
    best = int(held.argmax())
    below = float(starts[best])
    above = float(ends[np.searchsorted(ends, below, side="right")])
    middle = below + (above - below) / 2
    return middle if below < middle and np.isfinite(below) else above  # also where no number lies between the two


def _percent(share: float) -> str:
    return "100 %" if share == 1 else f"{min(100 * share, 99.999):.3f} %"


RATIO = 1.05
"""Between two dimensions that are tried: the answer is known to 5 %."""


@dataclass(frozen=True)
class Tried:
    """One dimension, tried with one seed.

    Attributes:
        dim, seed: of the construction.
        separated: whether one threshold served all queries.
        margin: the margin where it did; None where it did not, as measuring stops once that is clear.
    """

    dim: int
    seed: int
    separated: bool
    margin: float | None


@dataclass(frozen=True)
class Smallest:
    """The smallest dimension, to 5 %, that separated all queries with every seed.

    Attributes:
        dim: that dimension.
        failed_at: the largest dimension below it that was tried and failed with some seed; 0 where dim is 1.
        tried: everything that was tried, in order.
    """

    dim: int
    failed_at: int
    tried: tuple[Tried, ...]


def smallest_separating(
    pairs: Pairs, seeds: Sequence[int] = (0, 1, 2), *, progress: Callable[[int, int, int], object] | None = None
) -> Smallest:
    """Try dimensions upwards and downwards from where separation is expected, until one works and the one below fails.

    A dimension fails at the first block of queries that is not separated, which is soon where it is far too small.
    One that works costs a whole product of all queries with all documents for each seed.

    Args:
        pairs: what is relevant.
        seeds: all of them have to work.
        progress: called with (dim, seed, queries measured since the last call).
    """
    tried: list[Tried] = []

    def works(dim: int) -> bool:
        for seed in seeds:
            queries, documents = construct_start(pairs, dim, seed)
            shown = None if progress is None else partial(progress, dim, seed)
            margin = separates(queries, documents, pairs, progress=shown)
            tried.append(Tried(dim, seed, margin > 0, margin if margin > 0 else None))
            if margin <= 0:
                return False
        return True

    dim, failed_at = lowest(works, expected_dimension(pairs))
    return Smallest(dim, failed_at, tuple(tried))


def lowest(works: Callable[[int], bool], start: int, ratio: float = RATIO) -> tuple[int, int]:
    """(a dimension that works, one below it that does not or 0): next to each other, or nearer than `ratio`.

    Looks from `start` upwards or downwards with growing strides, then halves what is left. Assumes that what works at
    one dimension works above it; where that is not so, the answer is still one that works above one that does not.
    """
    low, high, stride = 0, 0, ratio
    if works(start):
        high = start
        while not low and high > 1:
            dim = max(1, min(high - 1, math.floor(high / stride)))
            low, high = (low, dim) if works(dim) else (dim, high)
            stride **= 2
    else:
        low = start
        while not high:
            dim = max(low + 1, math.ceil(low * stride))
            low, high = (low, dim) if works(dim) else (dim, high)
            stride **= 2
    while high - low > 1 and high > ratio * low:
        dim = min(high - 1, max(low + 1, round(math.sqrt(low * high))))
        low, high = (low, dim) if works(dim) else (dim, high)
    return high, low


def guaranteed_dimension(pairs: Pairs, *, failure: float = 0.01, gap: float = 0.0) -> int:
    """A dimension at which Algorithm 1 separates all queries at one threshold, but for a chance of `failure`.

    With s = max |S(q)| and N = n_queries n_documents + 2 n_pairs events that must not happen, it is

        d = (s / x^2) 2 ln(N / failure), where x solves 1 / (1 + x) - 2x = gap,

    so d = 14.93 s ln(N / failure) for gap 0. A guarantee, and generous: `plan` finds the smallest dimension that does,
    usually two to four times smaller. Relevant sets are taken as exact: see `corrupt` for others.

    Args:
        pairs: whose sizes are read.
        failure: chance that some query is not separated, in (0, 1).
        gap: margin to have at least, as a share of 1 / sqrt(s), in [0, 1); no unit vectors have much more than that
            (arXiv 2601.20844).

    Raises:
        InputError: shares out of range, or no pairs.
    """
    if not 0 < failure < 1 or not 0 <= gap < 1:
        raise InputError(f"Needed failure in (0, 1) and gap in [0, 1), got failure={failure}, gap={gap}.")
    if not len(pairs):
        raise InputError("There are no pairs, so no dimension is needed.")
    size = int(pairs.sizes.max())
    return math.ceil(2 * size * math.log(n_events(pairs) / failure) / deviation(gap) ** 2)


def deviation(gap: float) -> float:
    """The x in (0, 0.366] at which 1 / (1 + x) - 2x equals `gap`: how far, in units of 1/sqrt(s), scores may stray."""
    b = 2 + gap
    return (math.sqrt(b * b + 8 * (1 - gap)) - b) / 4


def n_events(pairs: Pairs) -> int:
    """Inner products that must all stay small: of every query with every document, and within each relevant set."""
    return int(np.count_nonzero(pairs.sizes)) * pairs.n_documents + 2 * len(pairs)


def expected_dimension(pairs: Pairs) -> int:
    """Where Algorithm 1 is to be expected to separate all queries, from the extremes of normal variables: no guarantee.

    A relevant document of a set of size s scores about (1 + sqrt((s - 1) / d) z) / sqrt(s), another z / sqrt(d), with z
    standard normal. The lowest of all n_s pairs of a size meets the highest of all others at

        sqrt(d) = sqrt(s) Z(n_queries n_documents) + sqrt(s - 1) Z(n_s), Z(n) the 1 / n upper quantile of z,

    for the size where that is largest.
    """

    sizes, counts = np.unique(pairs.sizes[pairs.sizes > 0], return_counts=True)
    others, lowest_of = (ndtri(1 - 1 / np.maximum(2, n)) for n in (n_events(pairs), sizes * counts))
    roots = np.sqrt(sizes) * others + np.sqrt(sizes - 1) * lowest_of
    return max(1, round(float(roots.max()) ** 2))
