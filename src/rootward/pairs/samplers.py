"""How training pairs are drawn (arXiv 2509.16411, section 4): the distribution decides which distances are learned.

With N queries that have pairs, M queries that have a pair at distance > 0, and H(q) the sum of distances in S(q):

    Regular         1 / (N |S(q)|)                            q uniform, then d uniform in S(q)
    HeavyTail       distance(q, d) / (M H(q))                 q uniform, then d in proportion to its distance
    Rebalanced(p)   p * Regular + (1 - p) * HeavyTail         a share p of each batch is regular
    AllTargets      every answered query once an epoch, all of S(q) as targets: Regular without its noise

Draws are indices of pairs; `pairs.documents[index]` and `pairs.distances[index]` tell what was drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rootward.csr import offsets_of, sums_of
from rootward.errors import InputError, PairsError
from rootward.ids import Rows
from rootward.pairs.arrays import PairArrays

Weights = npt.NDArray[np.float64]


class Sampler(Protocol):
    """Draws pairs at random, with replacement; what a sampler of one's own, for `Stage(sampler=...)`, has to be."""

    @property
    def weights(self) -> Weights:
        """The chance of each pair to be the next one drawn (n_pairs); adds up to 1."""
        ...

    def draw(self, rng: np.random.Generator, size: int) -> Rows:
        """Indices of `size` pairs (int64), drawn independently by `weights`, in random order."""
        ...


@dataclass(frozen=True, eq=False)
class _Uniform:
    """Every query with pairs counts alike, and so does each of its documents.

    Raises:
        PairsError: there are no pairs.
    """

    pairs: PairArrays

    def __post_init__(self) -> None:
        _check_any(self.pairs)

    @property
    def weights(self) -> Weights:
        """1 / (N |S(q)|), see `Pairs.weights`."""
        return self.pairs.weights

    def weights_of(self, queries: slice) -> Weights:
        """`weights` of the pairs of these query rows."""
        return self.pairs.weights_of(queries)


@dataclass(frozen=True, eq=False)
class Regular(_Uniform):
    """q uniform over the queries that have pairs, d uniform in S(q).

    Raises:
        PairsError: there are no pairs.
    """

    def draw(self, rng: np.random.Generator, size: int) -> Rows:
        """Indices of `size` pairs (int64); O(size)."""
        queries = _pick(rng, self._queries, size)
        return self.pairs.offsets[queries] + rng.integers(self.pairs.sizes[queries])

    @cached_property
    def _queries(self) -> Rows:
        return np.flatnonzero(self.pairs.sizes)


@dataclass(frozen=True, eq=False)
class HeavyTail:
    """q uniform over the queries that have a pair at distance > 0, d in S(q) in proportion to its distance.

    A pair at distance 0 is never drawn. On the paper's (4, 5)-tree this formula gives distances 0 / 1 / 2
    a share of 0 / 44 / 56 %; the paper reports 0 / 50 / 50 %, which no reading of it that we tried gives.

    Raises:
        PairsError: no pair is farther than distance 0.
    """

    pairs: PairArrays

    def __post_init__(self) -> None:
        _check_any(self.pairs)
        if not self.pairs.max_distance:
            raise PairsError(
                "Heavy-tail sampling draws pairs in proportion to their distance, and all of these are at distance 0; "
                "give pairs with farther documents, or sample regularly."
            )

    @cached_property
    def weights(self) -> Weights:
        """distance / (M H(q)) of each pair (n_pairs); adds up to 1."""
        return self.weights_of(slice(0, self.pairs.n_queries))

    def weights_of(self, queries: slice) -> Weights:
        """`weights` of the pairs of these query rows."""
        block = slice(self.pairs.offsets[queries.start], self.pairs.offsets[queries.stop])
        heavy = np.repeat(self._hops[queries], self.pairs.sizes[queries])
        weights: Weights = self.pairs.distances[block] / (np.maximum(heavy, 1) * len(self._queries))
        return weights

    def draw(self, rng: np.random.Generator, size: int) -> Rows:
        """Indices of `size` pairs (int64); O(size |S(q)|)."""
        queries = _pick(rng, self._queries, size)
        # The hops of a query's pairs are laid out on one line of whole numbers, each pair as long as its distance. A
        # uniform point on it falls to a pair in exact proportion to its distance, and never to one of length 0.
        point = rng.integers(self._hops[queries])
        _, index = self.pairs.of(queries)
        ends = np.cumsum(self.pairs.distances[index], dtype=np.int64)
        before = offsets_of(self._hops[queries])[:-1]
        found = index[np.searchsorted(ends, before + point, side="right")]
        return rng.permutation(np.sort(found))

    @cached_property
    def _hops(self) -> Rows:
        """H(q) of every query (int64, n_queries)."""
        hops = np.zeros(self.pairs.n_queries, np.int64)
        for rows, block in self.pairs.blocks():
            hops[rows] = sums_of(self.pairs.sizes[rows], self.pairs.distances[block])  # exact below 2**53
        return hops

    @cached_property
    def _queries(self) -> Rows:
        return np.flatnonzero(self._hops)


@dataclass(frozen=True, eq=False)
class Rebalanced:
    """A share `p` of each batch by `Regular`, the rest by `HeavyTail`.

    Of a draw of n, p * n are regular; where that is no whole number, one more is with the chance of the fraction, so
    that `weights` is exact for every batch size.

    Raises:
        InputError: p outside 0..1.
        PairsError: no pair is farther than distance 0.
    """

    pairs: PairArrays
    p: float

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise InputError(f"p is the regular share of a batch, from 0 to 1, got {self.p}.")
        _ = self._heavy_tail

    @cached_property
    def weights(self) -> Weights:
        """p * Regular + (1 - p) * HeavyTail of each pair (n_pairs); adds up to 1."""
        return self.weights_of(slice(0, self.pairs.n_queries))

    def weights_of(self, queries: slice) -> Weights:
        """`weights` of the pairs of these query rows."""
        return self.p * self._regular.weights_of(queries) + (1 - self.p) * self._heavy_tail.weights_of(queries)

    def draw(self, rng: np.random.Generator, size: int) -> Rows:
        """Indices of `size` pairs (int64), the two kinds mixed; O(size |S(q)|)."""
        whole, fraction = divmod(self.p * size, 1)
        n_regular = int(whole) + int(rng.random() < fraction)
        index = np.concatenate([self._regular.draw(rng, n_regular), self._heavy_tail.draw(rng, size - n_regular)])
        return rng.permutation(index)

    @cached_property
    def _regular(self) -> Regular:
        return Regular(self.pairs)

    @cached_property
    def _heavy_tail(self) -> HeavyTail:
        return HeavyTail(self.pairs)


@dataclass(frozen=True, eq=False)
class AllTargets(_Uniform):
    """Every query that has pairs once an epoch, in random order, with all of S(q) as its targets.

    A target counts 1 / |S(q)| in its query's loss: the expectation of regular sampling over d, without the noise.

    Raises:
        PairsError: there are no pairs.
    """

    def epoch(self, rng: np.random.Generator, batch: int) -> Iterator[Rows]:
        """Query rows (int64), `batch` at a time, the last batch may be smaller. `pairs.of(rows)` has the targets.

        Raises:
            InputError: batch below 1.
        """
        if batch < 1:
            raise InputError(f"A batch needs at least one query, got batch={batch}.")
        rows = rng.permutation(np.flatnonzero(self.pairs.sizes))
        return (rows[start : start + batch] for start in range(0, len(rows), batch))


def _check_any(pairs: PairArrays) -> None:
    if not len(pairs):
        raise PairsError("There are no pairs to draw from; every split and slice for training needs at least one.")


def _pick(rng: np.random.Generator, rows: Rows, size: int) -> Rows:
    """`size` of these rows, uniform with replacement."""
    return rows[rng.integers(len(rows), size=size)]
