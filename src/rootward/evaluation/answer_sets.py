"""Answer sets: what a search that stops at a score, or after k answers, gives back, and how good that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rootward.errors import InputError, PairsError
from rootward.evaluation.blocks import BLOCK_BYTES, Counter, Floats, Ints, checked, score_blocks
from rootward.evaluation.ranks import Ranks
from rootward.pairs import Pairs


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
    _check_any(len(pairs))
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
    _check_any(len(ranks))
    rows = ranks.answered
    hits = np.bincount(ranks.query_of[ranks.ranks < k], minlength=len(ranks.sizes))[rows]
    sizes = np.full(len(rows), min(k, ranks.n_documents))
    return AnswerSets(rows, sizes, hits, ranks.sizes[rows])


def _check_any(n_pairs: int) -> None:
    if not n_pairs:
        raise PairsError("There are no pairs to measure; give pairs with at least one query that has an answer.")
