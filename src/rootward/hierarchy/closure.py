"""Ancestors with their distance, for many nodes at once, in blocks.

In a forest all nodes move to their one parent together, hop by hop. In a DAG a frontier of (node, ancestor) cells
moves up hop by hop; a cell that was reached before is dropped, so the first distance is the shortest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from rootward.csr import expand, offsets_of
from rootward.errors import InputError

Offsets = npt.NDArray[np.int64]
Rows32 = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

MAX_PAIRS = 1_000_000_000
"""A closure of more (node, ancestor) pairs than this (8 GB, twice that while it is made) is refused."""

_CELLS = 1 << 27  # flags, one byte each, for the cells of one block of a DAG
_DAG_BLOCK = 2048
_PAIRS_AT_A_TIME = 1 << 24  # pairs in one block of a forest's closure


@dataclass(frozen=True, eq=False)
class Closure:
    """The ancestors of some nodes as CSR: those of `rows[i]` are `ancestors[offsets[i]:offsets[i + 1]]`.

    A node is its own ancestor at distance 0. Nearest first; ancestors of one distance in ascending row order.

    Attributes:
        rows: int64, the nodes.
        offsets: int64, one longer than rows.
        ancestors: int32 rows, one a pair.
        distances: int32 hops along the shortest path, one a pair.
    """

    rows: Rows
    offsets: Offsets
    ancestors: Rows32
    distances: Rows32

    def __len__(self) -> int:
        return len(self.ancestors)

    def __repr__(self) -> str:
        return f"Closure({len(self.rows):,} nodes, {len(self):,} pairs)"


def iter_closure(
    offsets: Offsets, parents: Rows32, depth: Rows32, rows: Rows, *, max_distance: int | None, block: int | None
) -> Iterator[Closure]:
    """The closure of `rows` in blocks of at most `block` rows.

    Args:
        offsets, parents: CSR from child to parents, without circles.
        depth: hops from the nearest root, one a node.
        rows: the nodes.
        max_distance: leave out ancestors farther away; None keeps all.
        block: None takes as many rows as fit in a bounded working memory.
    """
    if max_distance is not None and max_distance < 0:
        raise InputError(f"max_distance is a number of hops from 0 up, got {max_distance}; None keeps all.")
    if block is not None and block < 1:
        raise InputError(f"block is a number of nodes from 1 up, got {block}; None chooses one.")
    n = len(offsets) - 1
    limit = n if max_distance is None else max_distance
    degree = np.diff(offsets)
    if len(degree) and degree.max() > 1:
        yield from _in_dag(offsets, parents, rows, limit, n if block is None else block)
    else:
        above = np.full(n, -1, np.int32)
        above[degree == 1] = parents
        start, pairs_before = 0, offsets_of(np.minimum(depth[rows], limit).astype(np.int64) + 1)
        while start < len(rows):
            fits = int(np.searchsorted(pairs_before, pairs_before[start] + _PAIRS_AT_A_TIME, side="right")) - 1
            stop = max(start + 1, min(fits, len(rows) if block is None else start + block))
            yield _in_forest(above, depth, rows[start:stop], limit)
            start = stop


def whole_closure(
    offsets: Offsets, parents: Rows32, depth: Rows32, rows: Rows, *, max_distance: int | None, block: int | None
) -> Closure:
    """The whole closure of `rows`. Arguments as in `iter_closure`.

    Raises:
        InputError: it would hold more than MAX_PAIRS pairs.
    """
    # A node at depth h has at least h + 1 ancestors, and in a forest exactly as many.
    hops = depth[rows] if max_distance is None else np.minimum(depth[rows], max_distance)
    _refuse_enormous(int(hops.sum(dtype=np.int64)) + len(rows), max_distance)
    blocks, n_pairs = [], 0
    for found in iter_closure(offsets, parents, depth, rows, max_distance=max_distance, block=block):
        blocks.append(found)
        n_pairs += len(found)
        _refuse_enormous(n_pairs, max_distance)
    if len(blocks) == 1:
        return blocks[0]
    return Closure(
        rows,
        offsets_of(np.concatenate([np.empty(0, np.int64), *(np.diff(found.offsets) for found in blocks)])),
        np.concatenate([np.empty(0, np.int32), *(found.ancestors for found in blocks)]),
        np.concatenate([np.empty(0, np.int32), *(found.distances for found in blocks)]),
    )


def _refuse_enormous(at_least: int, max_distance: int | None) -> None:
    if at_least > MAX_PAIRS:
        raise InputError(
            f"All ancestors{'' if max_distance is None else f' within {max_distance} hops'} are at least {at_least:,} "
            f"(node, ancestor) pairs; at most {MAX_PAIRS:,} fit. Pass a "
            f"{'' if max_distance is None else 'smaller '}max_distance=, or read them block by block with "
            "iter_ancestors."
        )


def _in_forest(above: Rows32, depth: Rows32, rows: Rows, limit: int) -> Closure:
    """The closure in a forest: the k-th ancestor of a node is the parent of the one before, no sorting needed."""
    sizes = np.minimum(depth[rows], limit).astype(np.int64) + 1
    offsets = offsets_of(sizes)
    ancestors, distances = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.int32)
    place, here = offsets[:-1], rows.astype(np.int32)
    for hops in range(int(sizes.max(initial=0))):
        if hops:
            going = sizes > hops
            if not going.all():
                sizes, place, here = sizes[going], place[going], here[going]
            place, here = place + 1, above[here]
        ancestors[place], distances[place] = here, hops
    return Closure(rows, offsets, ancestors, distances)


def _in_dag(offsets: Offsets, parents: Rows32, rows: Rows, limit: int, block: int) -> Iterator[Closure]:
    """The closure in a DAG, in blocks of at most `block` rows.

    Each block works on the nodes above its rows alone, so that the cells, rows x nodes above, are few.
    """
    n = len(offsets) - 1
    size = min(block, max(_CELLS // n, _DAG_BLOCK))
    flags = np.zeros(max(min(_CELLS, len(rows) * n), n), np.bool_)
    while len(rows):
        first = rows[:size]
        above = within(offsets, parents, first, limit)
        if size > 1 and len(first) * len(above) > len(flags):
            size = max(1, len(first) // 2)
            continue
        yield _dag_block(offsets, parents, first, above, limit, flags)
        rows = rows[size:]


def within(offsets: Offsets, parents: Rows32, rows: Rows, limit: int) -> Rows:
    """These rows and all at most `limit` hops above any of them, ascending; below them, by CSR to children."""
    reached = np.zeros(len(offsets) - 1, np.bool_)
    here = np.unique(rows)
    reached[here] = True
    for _ in range(limit):
        _, edge = expand(offsets, here)
        up = parents[edge]
        here = np.unique(up[~reached[up]]).astype(np.int64)
        if not len(here):
            break
        reached[here] = True
    return np.flatnonzero(reached)


def _dag_block(
    offsets: Offsets, parents: Rows32, rows: Rows, above: Rows, limit: int, flags: npt.NDArray[np.bool_]
) -> Closure:
    """The closure of a few rows among the nodes `above`.

    Cell place * len(above) + ancestor is flagged when reached. A sparse product follows all edges from a frontier of
    cells and merges those that meet.
    """
    m = len(above)
    place_of = np.full(len(offsets) - 1, -1, np.int32)
    place_of[above] = np.arange(m, dtype=np.int32)
    child, edge = expand(offsets, above)
    parent = place_of[parents[edge]]
    kept = parent >= 0
    starts = offsets_of(np.bincount(child[kept], minlength=m)).astype(np.int32)
    upward = csr_array((np.ones(starts[-1], np.bool_), parent[kept], starts), shape=(m, m))
    first_cell = np.arange(len(rows) + 1, dtype=np.int32) * m
    cells = first_cell[:-1] + np.searchsorted(above, rows).astype(np.int32)
    levels = []
    while len(cells):
        flags[cells] = True
        levels.append(cells)
        if len(levels) > limit:
            break
        starts = np.searchsorted(cells, first_cell).astype(np.int32)
        frontier = csr_array((np.ones(len(cells), np.bool_), cells % m, starts), shape=(len(rows), m))
        reached = frontier @ upward
        cells = np.repeat(first_cell[:-1], np.diff(reached.indptr)) + reached.indices
        cells = np.sort(cells[~flags[cells]])
    for cells in levels:
        flags[cells] = False
    counts = [np.bincount(cells // m, minlength=len(rows)) for cells in levels]
    begins = offsets_of(np.sum(counts, axis=0, dtype=np.int64))
    ancestors, distances = np.empty(begins[-1], np.int32), np.empty(begins[-1], np.int32)
    free = begins[:-1].copy()
    for hops, (cells, count) in enumerate(zip(levels, counts, strict=True)):
        at = np.repeat(free - offsets_of(count)[:-1], count) + np.arange(len(cells))
        ancestors[at], distances[at] = above[cells % m], hops
        free += count
    return Closure(rows, begins, ancestors, distances)


def depth_of(offsets: Offsets, parents: Rows32, child_offsets: Offsets, children: Rows32) -> Rows32:
    """Hops from the nearest root (int32, one a node)."""
    n = len(offsets) - 1
    degree = np.diff(offsets)
    above = np.full(n, -1, np.int32)  # one parent a node on a shortest way to a root, -1 for roots
    if len(parents) and degree.max() > 1:
        roots = np.flatnonzero(degree == 0)
        n_edges = len(children) + len(roots)
        graph = csr_array(
            (
                np.ones(n_edges, np.int8),
                np.concatenate([children, roots.astype(np.int32)]),
                np.concatenate([child_offsets, [n_edges]]),  # row n stands above all roots
            ),
            shape=(n + 1, n + 1),
        )
        _, found = breadth_first_order(graph, n, directed=True, return_predecessors=True)
        above = np.where(found[:n] == n, -1, found[:n]).astype(np.int32)
    else:
        above[degree == 1] = parents
    hops = (above >= 0).astype(np.int32)
    reached = np.where(above >= 0, above, np.arange(n, dtype=np.int32))
    while (further := hops[reached]).any():  # in doubling strides: a chain of a million nodes takes twenty steps
        hops += further
        reached = reached[reached]
    return hops
