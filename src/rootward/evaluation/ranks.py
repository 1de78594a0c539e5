"""`Ranks`: what was measured, pair by pair; every table and figure is derived from it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from rootward.csr import expand
from rootward.errors import InputError
from rootward.files import atomic_write
from rootward.pairs import Pairs
from rootward.scoring import BLOCK_BYTES, Block, Counter, Floats, Ints, fitting, highest, score_blocks

VERSION = 1


@dataclass(frozen=True, eq=False)
class Ranks:
    """Where every relevant document of every query stands among all documents.

    Pairs are those of the `Pairs` they were measured on, in the same order: those of query q are
    `offsets[q]:offsets[q + 1]`, nearest first. "Shown" means: the answer set of q is its hits, filled up to |S(q)|
    with the best-scoring documents that are not relevant, displayed by ascending height and, where that is equal,
    by falling score.

    Attributes:
        offsets: int64, n_queries + 1.
        distances: int32 hops, one a pair.
        ranks: int32, one a pair: how many *other* documents score at least as high; 0 is strictly the best. A tie
            counts against the pair, so that collapsed embeddings reach nothing.
        scores: one a pair, as compared.
        floor: one a query, the lowest score of a relevant document; NaN where it has none.
        ceiling: one a query, the highest score of a document that is not relevant; NaN where the query has no pairs,
            -inf where everything is relevant.
        exact_first_by_score: bool, one a query: a distance-0 document scores above everything farther or not relevant.
        exact_first_shown: bool, one a query: a distance-0 document is displayed first.
        in_order_by_score, in_order_shown: int64, one a query: pairs (a, b) of its relevant documents with
            distance(a) < distance(b) that are both hits with a before b, ordered by score or as shown.
        n_documents: how many documents competed.
        fingerprint: of the pairs, so that two runs are compared on the same ones only.
    """

    offsets: Ints
    distances: npt.NDArray[np.int32]
    ranks: npt.NDArray[np.int32]
    scores: Floats
    floor: Floats
    ceiling: Floats
    exact_first_by_score: npt.NDArray[np.bool_]
    exact_first_shown: npt.NDArray[np.bool_]
    in_order_by_score: Ints
    in_order_shown: Ints
    n_documents: int
    fingerprint: str

    def __len__(self) -> int:
        return len(self.ranks)

    def __repr__(self) -> str:
        return f"Ranks({len(self):,} pairs, {len(self.answered):,} queries, {self.n_documents:,} documents)"

    @cached_property
    def sizes(self) -> Ints:
        """|S(q)| of every query (int64, n_queries)."""
        return np.diff(self.offsets)

    @cached_property
    def answered(self) -> Ints:
        """The rows of the queries that have pairs (int64): those that count in averages."""
        return np.flatnonzero(self.sizes)

    @cached_property
    def query_of(self) -> Ints:
        """The query row of every pair (int64)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def hits(self) -> npt.NDArray[np.bool_]:
        """One truth value a pair: its document is among the |S(q)| highest-scoring ones."""
        return self.ranks < self.sizes[self.query_of]

    @cached_property
    def whole(self) -> npt.NDArray[np.bool_]:
        """One truth value a query: its |S(q)| best documents are S(q). False where it has none."""
        return self.floor > self.ceiling

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one safetensors file; whole or not at all."""
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        about = {
            "rootward.ranks": str(VERSION),
            "n_documents": str(self.n_documents),
            "fingerprint": self.fingerprint,
        }
        return atomic_write(path, lambda to: save_file(arrays, to, about))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ranks:
        """The ranks that `save` wrote.

        Raises:
            InputError: no such file, not written by `save`, damaged, or from a newer version.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"There is no file {path} to load ranks from.")
        try:
            with safe_open(path, "np") as file:
                about = file.metadata() or {}
                version = int(about.get("rootward.ranks", 0))
                if version > VERSION:
                    raise InputError(
                        f"{path.name} was written by a newer rootward (format {version}, this one reads up to "
                        f"{VERSION}); update rootward to open it."
                    )
                arrays = {name: file.get_tensor(name) for name in _ARRAYS}
                return cls(**arrays, n_documents=int(about["n_documents"]), fingerprint=about["fingerprint"])
        except (SafetensorError, KeyError) as error:
            raise InputError(f"{path.name} was not written by Ranks.save, or is damaged: {error}") from error


_ARRAYS = [field.name for field in fields(Ranks) if field.name not in ("n_documents", "fingerprint")]


def fingerprint_of(pairs: Pairs) -> str:
    """Sixteen hex digits that change with any pair, distance or id."""
    digest = hashlib.sha256()
    for array in (pairs.offsets, pairs.documents, pairs.distances):
        digest.update(np.ascontiguousarray(array).data)
    for ids in (pairs.query_ids, pairs.document_ids):
        ids.hash_into(digest)
    return digest.hexdigest()[:16]


def rank_pairs(
    queries: Tensor,
    documents: Tensor,
    pairs: Pairs,
    *,
    heights: npt.ArrayLike | None = None,
    known: Pairs | None = None,
    exact: bool = True,
    block_bytes: int = BLOCK_BYTES,
    progress: Callable[[int], object] | None = None,
) -> Ranks:
    """The rank of every pair among all documents, exactly (the recall of arXiv 2509.16411, section 2, needs it).

    Memory: the two matrices, a copy of the documents, `block_bytes`, and a few numbers a pair. A query whose relevant
    documents all outscore the others costs one pass over its scores; others one more for each relevant document that
    something irrelevant ties or outscores, or one sort when there are many.

    Args:
        queries: float32 or float64, n_queries x dim; row i belongs to query row i of `pairs`.
        documents: the same for documents; all of them compete.
        pairs: what is relevant. Queries without pairs are not scored.
        heights: n_documents, decides the order shown, small first; None: that of `pairs`.
        known: pairs of the same tables that are no competitors for their query and not measured, such as the training
            part when `pairs` is the test part of one split. A pair in both is measured.
        exact: False compares scores as BLAS rounds them, see `rootward.scoring`: for figures on the way of training.
        block_bytes: size of the buffer of scores.
        progress: called after every block with the number of queries it held.

    Raises:
        InputError: rows that are not those of `pairs`, widths that differ, NaN or infinite entries, `known` of other
            tables.
    """
    queries, documents = fitting(queries, documents, pairs)
    shown_by = np.asarray(pairs.heights if heights is None else heights)
    if shown_by.shape != (len(documents),):
        raise InputError(f"heights need one number for each of {len(documents):,} documents, got {shown_by.shape}.")
    if known is not None and not (known.n_queries == pairs.n_queries and known.n_documents == pairs.n_documents):
        raise InputError(f"known must have the ids of the pairs measured, got {known!r} for {pairs!r}.")
    return _Measurement(documents, pairs, shown_by, known).run(queries, exact, block_bytes, progress)


class _Measurement:
    """The arrays that the pass fills, and the pass.

    Documents are put in ascending order of height first: what would be displayed before a document is then a
    prefix of the row of scores.
    """

    def __init__(self, documents: Tensor, pairs: Pairs, heights: npt.NDArray[np.generic], known: Pairs | None) -> None:
        order = np.argsort(heights, kind="stable")
        self.documents = documents[order]
        self.heights = heights[order]
        self.column = np.empty(len(order), np.int64)
        self.column[order] = np.arange(len(order))
        self.pairs, self.known = pairs, known
        n_queries, scores = pairs.n_queries, documents.numpy().dtype
        self.ranks = np.empty(len(pairs), np.int32)
        self.scores = np.empty(len(pairs), scores)
        self.floor, self.ceiling = (np.full(n_queries, np.nan, scores) for _ in range(2))
        self.first_by_score, self.first_shown = (np.zeros(n_queries, np.bool_) for _ in range(2))
        self.in_order_by_score, self.in_order_shown = (np.zeros(n_queries, np.int64) for _ in range(2))

    def run(self, queries: Tensor, exact: bool, block_bytes: int, progress: Callable[[int], object] | None) -> Ranks:
        """Measure block after block."""
        with Counter() as counter:
            for block in score_blocks(queries, self.documents, self.pairs.sizes, block_bytes, exact=exact):
                self._measure(block, counter)
                if progress is not None:
                    progress(len(block.rows))
        return Ranks(
            offsets=self.pairs.offsets,
            distances=self.pairs.distances,
            ranks=self.ranks,
            scores=self.scores,
            floor=self.floor,
            ceiling=self.ceiling,
            exact_first_by_score=self.first_by_score,
            exact_first_shown=self.first_shown,
            in_order_by_score=self.in_order_by_score,
            in_order_shown=self.in_order_shown,
            n_documents=len(self.documents),
            fingerprint=fingerprint_of(self.pairs),
        )

    def _measure(self, block: Block, counter: Counter) -> None:
        """Everything about the queries of one block. Relevant documents are read and then taken out of the scores."""
        place, index = self.pairs.of(block.rows)
        column = self.column[self.pairs.documents[index]]
        distances = self.pairs.distances[index]
        scores = block.scores[place, column]
        if self.known is not None:
            known_place, known_index = expand(self.known.offsets, block.rows)
            block.scores[known_place, self.column[self.known.documents[known_index]]] = -np.inf
        block.scores[place, column] = -np.inf

        starts = np.flatnonzero(np.r_[True, place[1:] != place[:-1]])
        ceiling = highest(block.scores)
        beaten = np.flatnonzero(scores <= ceiling[place])
        ranks = others_at_least(place, scores)
        ranks[beaten] += counter.at_least(block.scores, place[beaten], scores[beaten])
        hits = np.flatnonzero(ranks < self.pairs.sizes[block.rows][place])

        self.ranks[index], self.scores[index] = ranks, scores
        self.floor[block.rows], self.ceiling[block.rows] = np.minimum.reduceat(scores, starts), ceiling
        near, far = (
            np.maximum.reduceat(np.where(which, scores, -np.inf), starts) for which in (distances == 0, distances > 0)
        )
        self.first_by_score[block.rows] = near > np.maximum(far, ceiling)
        place, distances, scores, heights = place[hits], distances[hits], scores[hits], self.heights[column[hits]]
        n = len(block.rows)
        self.in_order_by_score[block.rows] = in_order(place, distances, (-scores,), n)
        self.in_order_shown[block.rows] = in_order(place, distances, (heights, -scores), n)
        # the hit displayed first in each row that has any; the farthest of those that tie
        order = np.lexsort((-distances, -scores, heights, place))
        first = order[np.unique(place[order], return_index=True)[1]]
        first = first[distances[first] == 0]
        to_fill = (self.pairs.sizes[block.rows] - np.bincount(place, minlength=n))[place[first]]
        self.first_shown[block.rows] = self._stays_first(
            block, ceiling, place[first], heights[first], scores[first], to_fill, counter
        )

    def _stays_first(
        self,
        block: Block,
        ceiling: Floats,
        rows: Ints,
        heights: npt.NDArray[np.generic],
        scores: Floats,
        to_fill: Ints,
        counter: Counter,
    ) -> npt.NDArray[np.bool_]:
        """For each row of the block, whether a document at distance 0 is displayed first.

        Of the `rows` where one comes before the other hits, with these heights and scores, and `to_fill` irrelevant
        documents fill the set. Of those only the best-scoring one that would be displayed before it matters: if that
        one is in the set, the row fails.
        """
        out = np.zeros(len(block.rows), np.bool_)
        out[rows] = True
        before = np.searchsorted(self.heights, heights, side="left")
        until = np.searchsorted(self.heights, heights, side="right")
        rivals = np.full(len(rows), -np.inf, block.scores.dtype)
        for i in np.flatnonzero((to_fill > 0) & ((before > 0) | (scores <= ceiling[rows]))).tolist():
            row = block.scores[rows[i]]
            rivals[i] = row[: before[i]].max(initial=-np.inf)
            alike = row[before[i] : until[i]].max(initial=-np.inf)
            if alike >= scores[i]:
                rivals[i] = max(rivals[i], alike)
        there = np.flatnonzero(rivals > -np.inf)
        better = counter.at_least(block.scores, rows[there], np.nextafter(rivals[there], np.inf, dtype=rivals.dtype))
        out[rows[there[better < to_fill[there]]]] = False
        return out


def others_at_least(place: Ints, values: Floats) -> Ints:
    """How many other entries of the same row are at least as high as each (int64); equal ones count.

    Row [5, 3, 3] gives [0, 2, 2].
    """
    order = np.lexsort((values, place))
    rows, sorted_values = place[order], values[order]
    first_of_equals = _first_of_runs(_differs(rows) | _differs(sorted_values))
    row_end = np.searchsorted(rows, rows, side="right")
    out = np.empty(len(place), np.int64)
    out[order] = row_end - first_of_equals - 1
    return out


def in_order(
    place: Ints, distances: npt.NDArray[np.integer], keys: tuple[npt.NDArray[np.generic], ...], n: int
) -> Ints:
    """For each of n rows, how many pairs (a, b) with distance(a) < distance(b) have key(a) < key(b) (int64).

    Args:
        place: row of each entry, ascending.
        distances: of each entry.
        keys: arrays that are compared one after the other, the most important one first; equal keys are not in order.
        n: how many rows.
    """
    order = np.lexsort((*reversed(keys), place))
    changes = _differs(place[order])
    starts = _first_of_runs(changes)
    for key in keys:
        changes |= _differs(key[order])
    dense = np.cumsum(changes)
    rank = np.empty(len(place), np.int64)
    rank[order] = dense - dense[starts]
    # Nearest first and, at one distance, the largest key first: now exactly the pairs wanted ascend.
    sequence = np.lexsort((-rank, distances, place))
    return ascents(place[sequence], rank[sequence], n)


def ascents(place: Ints, values: Ints, n: int) -> Ints:
    """For each of n rows, how many pairs of entries i < j have values[i] < values[j] (int64).

    Two values differ first in one binary digit, where the smaller one has 0. So: digit by digit from the highest, for
    each 1 count the 0s before it among the entries equal so far. O(N log largest value), no loop over rows.

    Args:
        place: row of each entry, ascending.
        values: from 0.
        n: how many rows.
    """
    total = np.zeros(n, np.int64)
    group = place
    for digit in reversed(range(int(values.max(initial=0)).bit_length())):
        ones = (values >> digit) & 1
        zeros_before = np.cumsum(1 - ones)
        start = _first_of_runs(_differs(group))
        zeros_before_group = zeros_before[start] - (1 - ones[start])
        found = np.where(ones == 1, zeros_before - zeros_before_group, 0)
        total += np.bincount(place, found, n).astype(np.int64)
        group = 2 * group + ones
        order = np.argsort(group, kind="stable")
        place, values, group = place[order], values[order], group[order]
        group = np.cumsum(_differs(group)) - 1 if len(group) else group
    return total


def comparable(offsets: Ints, distances: npt.NDArray[np.integer]) -> Ints:
    """For each CSR row, how many pairs of entries have different distances (int64)."""
    sizes = np.diff(offsets)
    place = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((distances, place))
    changes = np.flatnonzero(_differs(place[order]) | _differs(distances[order]))
    alike = np.diff(np.r_[changes, len(place)])
    same = np.bincount(place[order][changes], alike * (alike - 1) // 2, len(sizes))
    different: Ints = sizes * (sizes - 1) // 2 - same.astype(np.int64)
    return different


def _differs(values: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """True where an entry is not what the one before is; the first one always."""
    out = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=out[1:])
    return out


def _first_of_runs(changes: npt.NDArray[np.bool_]) -> Ints:
    """The index of the last True at or before each place."""
    return np.maximum.accumulate(np.where(changes, np.arange(len(changes)), 0))
