"""The smallest dimension at which Algorithm 1 separates all queries, found by trying."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from rootward.encoders.start import construct_start
from rootward.geometry.bound import expected_dimension
from rootward.geometry.separation import separates
from rootward.pairs import Pairs

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
