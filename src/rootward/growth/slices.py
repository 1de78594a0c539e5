"""Recall by distance, by depth and by branch, with pairs alone: no graph is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from rootward.encoders import DualEncoder
from rootward.evaluation import ranks_of
from rootward.pairs import Ids, Pairs
from rootward.pairs.ids import Rows
from rootward.rng import stream

BRANCHES = 12
"""So many branches, the largest, have a slice of their own."""

Kind = Literal["all", "distance", "depth", "branch"]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """Recall at |S(q)|, shares from 0 to 1.

    Attributes:
        slices: by (kind, name), how many queries that were trained were looked at, and their recall.
        added_queries: recall of those added since; None where there are none.
        added_documents: recall of those added since, among queries that were trained; None where these want none.
    """

    slices: dict[tuple[Kind, str], tuple[int, float]]
    added_queries: float | None
    added_documents: float | None


def measured(
    model: DualEncoder, pairs: Pairs, looked_at: Collection[str], added: Collection[str], n_branches: int = BRANCHES
) -> Measured:
    """The recall of the queries `looked_at`, those added apart; ids that are not there are passed over."""
    is_added = _among(pairs.query_ids, added)
    wanted = pairs.keep((is_added | _among(pairs.query_ids, looked_at))[pairs.query_of])
    query, weights, hits = wanted.query_of, 1.0 / wanted.sizes[wanted.query_of], ranks_of(model, wanted).hits

    def recall(which: Flags) -> tuple[int, float]:
        n = len(np.unique(query[which]))
        return n, float((weights * hits)[which].sum() / weights[which].sum()) if n else 0.0

    old = ~is_added[query]
    found = {(kind, name): recall(old & which) for kind, name, which in _slices(pairs, wanted, n_branches)}
    queries, documents = recall(~old), recall(old & _among(pairs.document_ids, added)[wanted.documents])
    return Measured(
        {key: value for key, value in found.items() if value[0]},
        queries[1] if queries[0] else None,
        documents[1] if documents[0] else None,
    )


def _slices(pairs: Pairs, wanted: Pairs, n_branches: int) -> Iterator[tuple[Kind, str, Flags]]:
    """Every slice: its kind, its name, and which of the pairs that are looked at are in it."""
    query = wanted.query_of
    yield "all", "", np.ones(len(wanted), np.bool_)
    for distance in range(wanted.max_distance + 1):
        yield "distance", str(distance), wanted.distances == distance
    depth = wanted.depths
    for level in range(wanted.max_distance + 1):
        yield "depth", str(level), depth[query] == level
    branch = branches(pairs)
    for row in _largest(branch[np.unique(query)], n_branches):
        yield "branch", pairs.document_ids[row], branch[query] == row


def some_queries(pairs: Pairs, leave_out: Collection[str], at_most: int, seed: int) -> set[str]:
    """Ids of queries to look at: all that have pairs, or some of them drawn at random."""
    fit = np.flatnonzero((pairs.sizes > 0) & ~_among(pairs.query_ids, leave_out))
    if len(fit) > at_most:
        fit = stream(seed, "drift").choice(fit, max(at_most, 1), replace=False)
    return {pairs.query_ids[row] for row in fit.tolist()}


def branches(pairs: Pairs) -> Rows:
    """The branch of each query, a document row; -1 where there is none (int64, n_queries).

    It is the most general document that the query wants and at most half of all queries want: in a shop of shoes and
    boots where most are shoes, boots is a branch, and what stands right below shoes.
    """
    general = pairs.generality.copy()
    general[2 * general > np.count_nonzero(pairs.sizes)] = 0
    order = np.lexsort((general[pairs.documents], pairs.query_of))
    top = pairs.documents[order[pairs.offsets[1:][pairs.sizes > 0] - 1]]
    out = np.full(pairs.n_queries, -1)
    out[pairs.sizes > 0] = np.where(general[top] > 0, top, -1)
    return out


def _largest(branch: Rows, n: int) -> list[int]:
    """The rows of the largest branches, the largest first."""
    rows, counts = np.unique(branch[branch >= 0], return_counts=True)
    order = np.lexsort((rows, -counts))[:n]
    return [int(row) for row in rows[order]]


def _among(ids: Ids, labels: Collection[str]) -> Flags:
    return np.fromiter((label in labels for label in ids), np.bool_, len(ids))
