"""Ancestors with hop distance, for many nodes at once, in blocks.

In a forest every node climbs its one parent, hop by hop, all nodes together. In a DAG a frontier of (asked node,
ancestor) cells moves up hop by hop; a cell that was reached before is dropped, so the first distance is the shortest.
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

_CELLS = 1 << 27  # flags, one byte each, for the cells of one piece of a DAG
_DAG_BLOCK = 2048
_PIECE = 1 << 24  # pairs in one piece of a forest's closure


@dataclass(frozen=True, eq=False)
class Closure:
    """The ancestors of some nodes as CSR: those of `rows[i]` are `ancestors[offsets[i]:offsets[i + 1]]`.

    A node is its own ancestor at distance 0. Nearest first; ancestors of one distance in ascending row order.

    Attributes:
        rows: int64, the asked nodes.
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
    """The closure of `rows`, at most `block` rows a piece.

    Args:
        offsets, parents: CSR from child to parents, without circles.
        depth: hops from the nearest root, one a node.
        rows: the asked nodes.
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
        yield from _walk(offsets, parents, rows, limit, n if block is None else block)
    else:
        above = np.full(n, -1, np.int32)
        above[degree == 1] = parents
        start, pairs_before = 0, offsets_of(np.minimum(depth[rows], limit).astype(np.int64) + 1)
        while start < len(rows):
            fits = int(np.searchsorted(pairs_before, pairs_before[start] + _PIECE, side="right")) - 1
            stop = max(start + 1, min(fits, len(rows) if block is None else start + block))
            yield _climb(above, depth, rows[start:stop], limit)
            start = stop


def whole_closure(
    offsets: Offsets, parents: Rows32, depth: Rows32, rows: Rows, *, max_distance: int | None, block: int | None
) -> Closure:
    """The closure of `rows` in one piece. Arguments as in `iter_closure`.

    Raises:
        InputError: it would hold more than MAX_PAIRS pairs.
    """
    # A node at depth h has at least h + 1 ancestors, and in a forest exactly as many.
    hops = depth[rows] if max_distance is None else np.minimum(depth[rows], max_distance)
    _refuse_enormous(int(hops.sum(dtype=np.int64)) + len(rows), max_distance)
    pieces, n_pairs = [], 0
    for piece in iter_closure(offsets, parents, depth, rows, max_distance=max_distance, block=block):
        pieces.append(piece)
        n_pairs += len(piece)
        _refuse_enormous(n_pairs, max_distance)
    if len(pieces) == 1:
        return pieces[0]
    return Closure(
        rows,
        offsets_of(np.concatenate([np.empty(0, np.int64), *(np.diff(piece.offsets) for piece in pieces)])),
        np.concatenate([np.empty(0, np.int32), *(piece.ancestors for piece in pieces)]),
        np.concatenate([np.empty(0, np.int32), *(piece.distances for piece in pieces)]),
    )


def _refuse_enormous(at_least: int, max_distance: int | None) -> None:
    if at_least > MAX_PAIRS:
        raise InputError(
            f"All ancestors{'' if max_distance is None else f' within {max_distance} hops'} are at least {at_least:,} "
            f"(node, ancestor) pairs; at most {MAX_PAIRS:,} fit. Pass a "
            f"{'' if max_distance is None else 'smaller '}max_distance=, or take them block by block with "
            "iter_ancestors."
        )


def _climb(above: Rows32, depth: Rows32, rows: Rows, limit: int) -> Closure:
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


def _walk(offsets: Offsets, parents: Rows32, rows: Rows, limit: int, block: int) -> Iterator[Closure]:
    """The closure in a DAG, at most `block` rows a piece.

    Each piece works on the nodes above its rows alone, so that the cells, rows x nodes above, are few. A sparse product
    follows all edges from a frontier of cells and merges those that meet; `seen` holds one flag a cell.
    """
    n = len(offsets) - 1
    size = min(block, max(_CELLS // n, _DAG_BLOCK))
    seen = np.zeros(max(min(_CELLS, len(rows) * n), n), np.bool_)
    while len(rows):
        piece = rows[:size]
        above = _within(offsets, parents, piece, limit)
        if size > 1 and len(piece) * len(above) > len(seen):
            size = max(1, len(piece) // 2)
            continue
        yield _walk_piece(offsets, parents, piece, above, limit, seen)
        rows = rows[size:]


def _within(offsets: Offsets, parents: Rows32, rows: Rows, limit: int) -> Rows:
    """These rows and all at most `limit` hops above any of them, ascending."""
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


def _walk_piece(
    offsets: Offsets, parents: Rows32, rows: Rows, above: Rows, limit: int, seen: npt.NDArray[np.bool_]
) -> Closure:
    """The closure of a few rows among the nodes `above`; cell place * len(above) + ancestor is flagged when reached."""
    m = len(above)
    upward = _edges_among(offsets, parents, above)
    first_cell = np.arange(len(rows) + 1, dtype=np.int32) * m
    cells = first_cell[:-1] + np.searchsorted(above, rows).astype(np.int32)
    levels = []
    while len(cells):
        seen[cells] = True
        levels.append(cells)
        if len(levels) > limit:
            break
        starts = np.searchsorted(cells, first_cell).astype(np.int32)
        frontier = csr_array((np.ones(len(cells), np.bool_), cells % m, starts), shape=(len(rows), m))
        reached = frontier @ upward
        cells = np.repeat(first_cell[:-1], np.diff(reached.indptr)) + reached.indices
        cells = np.sort(cells[~seen[cells]])
    for cells in levels:
        seen[cells] = False
    return _gather(rows, above.astype(np.int32), levels)


def _edges_among(offsets: Offsets, parents: Rows32, rows: Rows) -> csr_array[np.bool_, tuple[int, int]]:
    """Child -> parent between these ascending rows, numbered by their places."""
    place_of = np.full(len(offsets) - 1, -1, np.int32)
    place_of[rows] = np.arange(len(rows), dtype=np.int32)
    child, edge = expand(offsets, rows)
    parent = place_of[parents[edge]]
    kept = parent >= 0
    starts = offsets_of(np.bincount(child[kept], minlength=len(rows))).astype(np.int32)
    return csr_array((np.ones(starts[-1], np.bool_), parent[kept], starts), shape=(len(rows), len(rows)))


def _gather(rows: Rows, above: Rows32, levels: list[Rows32]) -> Closure:
    """One CSR from the sorted cells of each hop."""
    m = len(above)
    counts = [np.bincount(cells // m, minlength=len(rows)) for cells in levels]
    offsets = offsets_of(np.sum(counts, axis=0, dtype=np.int64))
    ancestors, distances = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.int32)
    free = offsets[:-1].copy()
    for hops, (cells, count) in enumerate(zip(levels, counts, strict=True)):
        at = np.repeat(free - offsets_of(count)[:-1], count) + np.arange(len(cells))
        ancestors[at], distances[at] = above[cells % m], hops
        free += count
    return Closure(rows, offsets, ancestors, distances)


# -- depth -----------------------------------------------------------------------------------------------------


def depth_of(offsets: Offsets, parents: Rows32, child_offsets: Offsets, children: Rows32) -> Rows32:
    """Hops from the nearest root (int32, one a node)."""
    n = len(offsets) - 1
    degree = np.diff(offsets)
    above = np.full(n, -1, np.int32)
    if len(parents) and degree.max() > 1:
        above = _nearest_tree(np.flatnonzero(degree == 0), child_offsets, children)
    else:
        above[degree == 1] = parents
    return _hops_to_top(above)


def _nearest_tree(roots: Rows, child_offsets: Offsets, children: Rows32) -> Rows32:
    """One parent a node, -1 for roots, such that climbing it is a shortest way to a root."""
    n = len(child_offsets) - 1
    graph = csr_array(
        (
            np.ones(len(children) + len(roots), np.int8),
            np.concatenate([children, roots.astype(np.int32)]),
            np.concatenate([child_offsets, [len(children) + len(roots)]]),  # row n stands above all roots
        ),
        shape=(n + 1, n + 1),
    )
    _, above = breadth_first_order(graph, n, directed=True, return_predecessors=True)
    return np.where(above[:n] == n, -1, above[:n]).astype(np.int32)


def _hops_to_top(above: Rows32) -> Rows32:
    """Climb in doubling strides, so that a chain of a million nodes takes twenty steps."""
    hops = (above >= 0).astype(np.int32)
    reached = np.where(above >= 0, above, np.arange(len(above), dtype=np.int32))
    while (further := hops[reached]).any():
        hops += further
        reached = reached[reached]
    return hops
