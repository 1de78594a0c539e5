"""Measuring: one pass over all scores, block by block, that finds the rank of every pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rootward.errors import InputError
from rootward.evaluation.blocks import BLOCK_BYTES, Block, Counter, Floats, Ints, fitting, highest, score_blocks
from rootward.evaluation.order import in_order, others_at_least
from rootward.evaluation.ranks import Ranks, fingerprint_of
from rootward.pairs import Pairs
from rootward.pairs.ragged import expand


def rank_pairs(
    queries: Tensor,
    documents: Tensor,
    pairs: Pairs,
    *,
    heights: npt.ArrayLike | None = None,
    known: Pairs | None = None,
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
    return _Measurement(documents, pairs, shown_by, known).run(queries, block_bytes, progress)


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

    def run(self, queries: Tensor, block_bytes: int, progress: Callable[[int], object] | None) -> Ranks:
        """Measure block after block."""
        with Counter() as counter:
            for block in score_blocks(queries, self.documents, self.pairs.sizes, block_bytes):
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
        found = _Hits(place[hits], distances[hits], self.heights[column[hits]], scores[hits], len(block.rows))
        self.in_order_by_score[block.rows] = found.in_order_by_score()
        self.in_order_shown[block.rows] = found.in_order_shown()
        self.first_shown[block.rows] = self._exact_first(block, ceiling, found, counter)

    def _exact_first(self, block: Block, ceiling: Floats, hits: _Hits, counter: Counter) -> npt.NDArray[np.bool_]:
        """For each row of the block, whether a document at distance 0 is displayed first.

        It has to come before the other hits, and before the irrelevant documents that fill the set. Of those only the
        best-scoring one that would be displayed before it matters: if that one is in the set, the row fails.
        """
        out = np.zeros(len(block.rows), np.bool_)
        first = hits.displayed_first()
        first = first[hits.distances[first] == 0]
        rows, heights, scores = hits.place[first], hits.heights[first], hits.scores[first]
        out[rows] = True
        to_fill = self.pairs.sizes[block.rows][rows] - np.bincount(hits.place, minlength=len(out))[rows]
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


class _Hits:
    """The relevant documents of a block's queries that are in their answer sets, flat, row by row."""

    def __init__(
        self,
        place: Ints,
        distances: npt.NDArray[np.int32],
        heights: npt.NDArray[np.generic],
        scores: Floats,
        n_rows: int,
    ) -> None:
        self.place, self.distances, self.heights, self.scores = place, distances, heights, scores
        self.n_rows = n_rows

    def in_order_by_score(self) -> Ints:
        """Pairs of hits with the nearer one scoring higher, for each row."""
        return in_order(self.place, self.distances, (-self.scores,), self.n_rows)

    def in_order_shown(self) -> Ints:
        """Pairs of hits with the nearer one displayed before the other, for each row."""
        return in_order(self.place, self.distances, (self.heights, -self.scores), self.n_rows)

    def displayed_first(self) -> Ints:
        """The index of the hit displayed first in each row that has any; the farthest of those that tie."""
        keys: tuple[npt.NDArray[Any], ...] = (-self.distances, -self.scores, self.heights, self.place)
        order = np.lexsort(keys)
        _, first = np.unique(self.place[order], return_index=True)
        return order[first]
