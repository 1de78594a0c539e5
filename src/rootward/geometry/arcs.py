"""Any tree or forest, exactly, in 3 dimensions: a node is an arc of the circle that contains its children's arcs."""

from __future__ import annotations

import math
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from rootward.errors import InputError
from rootward.pairs import Pairs
from rootward.pairs.ragged import expand

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NONE = -1


def arcs(parents: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Points and arcs of a forest as (queries, documents), float64, n x 3; they score >= 0 where point lies in arc.

    The circle is cut into one slot a node, and two that stay free, numbered parents first, so that a node and
    everything below it are neighbours. The own point x of a node is the middle of its slot; its arc, of centre c and
    half-width r, spans the slots of everything below it and a little more:

        query = (cos x, sin x, 1), document = (cos c, sin c, -cos r), score = cos(x - c) - cos r.

    A leaf's half-width is sqrt(1/2) of a slot, so that with slots of width w its own point scores w^2 / 4 and its
    neighbours' -w^2 / 4: the smallest scores there are, and (pi / n)^2 for n nodes. That is 1e-9 for 100,000 nodes,
    which float64 carries and float32 does not: its steps near 1 are 6e-8, as large as this from about 13,000 nodes on.

    Args:
        parents: int, n: each node's parent, -1 for roots. Any order of rows.

    Raises:
        InputError: a parent that is no row, or nodes in a circle.
    """
    first, size = _preorder(np.asarray(parents, np.int64))
    slot = _slot(len(first))
    points, centres, widths = (first + 0.5) * slot, (first + size / 2) * slot, (size - 1 + math.sqrt(2)) / 2 * slot
    queries = np.stack([np.cos(points), np.sin(points), np.ones(len(points))], axis=1)
    return queries, np.stack([np.cos(centres), np.sin(centres), -np.cos(widths)], axis=1)


def forest_arcs(pairs: Pairs) -> tuple[Floats, Floats]:
    """Queries and documents (float64, x 3) of pairs that are the full closure of a forest; relevant ones score >= 0.

    What stands above a document is read from the pairs: of two documents of one query the more general one is the
    higher, and where the same documents stand above it for every query, the documents form a forest. A query's point is
    that of its lowest document; one without relevant documents has its point between the slots that stay free.

    Raises:
        InputError: documents that do not form a forest, because a query has two parents or answers are cut off at some
            distance. The message names the first.
    """
    parents, lowest = _forest(pairs)
    points, documents = arcs(parents)
    free = -_slot(len(parents))
    queries = np.tile([math.cos(free), math.sin(free), 1.0], (pairs.n_queries, 1))
    queries[lowest != NONE] = points[lowest[lowest != NONE]]
    return queries, documents


def _slot(n_nodes: int) -> float:
    return 2 * math.pi / (n_nodes + 2)


def _preorder(parents: Ints) -> tuple[Ints, Ints]:
    """(place of each node with parents first, how many nodes it and everything below it are)."""
    n = len(parents)
    if n and not (parents.min() >= NONE and parents.max() < n):
        raise InputError(f"parents must be rows 0..{n - 1}, or -1 for roots; got {parents.min()}..{parents.max()}.")
    children = np.argsort(parents, kind="stable")
    starts = np.searchsorted(parents[children], np.arange(NONE, n + 1))
    ordered = np.empty(n, np.int64)
    stack = children[: starts[1]][::-1].tolist()
    done = 0
    while stack:
        node = stack.pop()
        ordered[done] = node
        done += 1
        stack.extend(children[starts[node + 1] : starts[node + 2]][::-1].tolist())
    if done < n:
        raise InputError(f"{n - done} of {n} nodes are below no root: their parents run in a circle.")
    first = np.empty(n, np.int64)
    first[ordered] = np.arange(n)
    size = np.ones(n, np.int64)
    for node in ordered[::-1].tolist():
        if parents[node] != NONE:
            size[parents[node]] += size[node]
    return first, size


def _forest(pairs: Pairs) -> tuple[Ints, Ints]:
    """(each document's parent among the documents, each query's lowest document), -1 where there is none."""
    queries, documents = pairs.query_of, pairs.documents.astype(np.int64)
    _refuse_two_parents(pairs)
    # Within a query from the most general document down; equally general ones always in the same order.
    order = np.lexsort((documents, -pairs.generality[documents], queries))
    documents = documents[order]
    begins = np.r_[True, queries[1:] != queries[:-1]] if len(queries) else np.empty(0, np.bool_)
    above = np.where(begins, NONE, np.r_[NONE, documents[:-1]]) if len(queries) else documents
    parents = np.full(pairs.n_documents, NONE, np.int64)
    parents[documents] = above
    crossing = np.flatnonzero(parents[documents] != above)
    if len(crossing):
        _refuse_crossing(pairs, int(queries[crossing[0]]), int(documents[crossing[0]]))
    lowest = np.full(pairs.n_queries, NONE, np.int64)
    lowest[queries] = documents  # the last one written is the lowest
    return parents, lowest


def _refuse_two_parents(pairs: Pairs) -> None:
    """Refuse a query with two documents at distance 1."""
    at_one = np.bincount(pairs.query_of[pairs.distances == 1], minlength=pairs.n_queries)
    several = np.flatnonzero(at_one > 1)
    if len(several):
        row = int(several[0])
        _, index = expand(pairs.offsets, np.array([row]))
        names = [pairs.document_ids[d] for d in pairs.documents[index[pairs.distances[index] == 1]].tolist()]
        raise InputError(
            f"Arcs hold trees and forests; {pairs.query_ids[row]!r} has {len(names)} parents: "
            f"{', '.join(map(repr, names[:5]))}{' ...' if len(names) > 5 else ''} ({len(several):,} such in all). "
            f"Take method='moment_curve' or 'gaussian', which hold any sets."
        )


def _refuse_crossing(pairs: Pairs, query: int, document: int) -> NoReturn:
    raise InputError(
        f"Arcs hold trees and forests with all their ancestors; above {pairs.document_ids[document]!r}, "
        f"{pairs.query_ids[query]!r} has other documents than another query. A bound on the distance cuts sets like "
        f"that: make the pairs without max_distance; or take method='moment_curve' or 'gaussian', which hold any sets."
    )
