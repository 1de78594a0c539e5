"""Check the edges of a hierarchy: no self-loop, no edge twice, no circle."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from rootward.csr import offsets_of
from rootward.errors import CycleError, HierarchyError
from rootward.ids import Ids, holds_control, spaced
from rootward.readers.edges import EdgeList, left_out

Offsets = npt.NDArray[np.int64]
Parents = npt.NDArray[np.int32]


def checked_edges(edges: EdgeList) -> tuple[Offsets, Parents, tuple[str, ...]]:
    """(offsets, parents, notes) of an edge list: parents ascending within each child, every edge once, no circle.

    Raises:
        HierarchyError: a node is its own parent, or its id holds a control character.
        CycleError: the edges run in a circle.
    """
    controlled = next((label for label in edges.ids if holds_control(label)), None)
    if controlled is not None:
        raise HierarchyError(f"The id {controlled!r} holds a control character; remove it.")
    loops = np.flatnonzero(edges.children == edges.parents)
    if len(loops):
        raise HierarchyError(
            f"{edges.name_edge(int(loops[0]))}: {edges.ids[int(edges.children[loops[0]])]!r} is its own parent. "
            "Remove it, or leave its parent empty if it is a root."
        )
    n = len(edges.ids)
    keys = np.sort(edges.children * n + edges.parents)
    once = keys[np.diff(keys, prepend=-1) > 0]  # several times quicker than np.unique on a million edges
    children, parents = np.divmod(once, max(n, 1))
    offsets, rows = offsets_of(np.bincount(children, minlength=n)), parents.astype(np.int32)
    if circle := find_circle(offsets, rows):
        named = []
        for child, parent in pairwise(circle[:4]):
            edge = int(np.flatnonzero((edges.children == child) & (edges.parents == parent))[0])
            named.append(edges.name_edge(edge))
        more = ", ..." if len(circle) - 1 > len(named) else ""
        raise circle_error(circle, edges.ids, f": {', '.join(dict.fromkeys(named))}{more}")
    twice = len(edges.children) - len(once)
    notes = left_out(twice, "duplicate edge", "duplicate edges") + spaced(edges.ids, "id")
    if not len(once):  # such a hierarchy trains without an error, and each node learns only itself
        notes += (
            f"There is no edge: each of the {n:,} nodes is a root, and its own only answer. If that is not meant, "
            "the source, or an option of its reader, is wrong.",
        )
    return offsets, rows, edges.notes + notes


def find_circle(offsets: Offsets, parents: Parents) -> list[int]:
    """The rows of one circle, child before parent, the first again at the end; empty when there is none.

    Strongly connected components show in one linear pass whether there is a circle; only then a walk looks for one.
    """
    n = len(offsets) - 1
    loops = np.flatnonzero(np.repeat(np.arange(n), np.diff(offsets)) == parents)
    if len(loops):
        return [int(parents[loops[0]])] * 2
    graph = csr_array((np.ones(len(parents), np.int8), parents, offsets), shape=(n, n))
    n_components, component = connected_components(graph, directed=True, connection="strong")
    if n_components == n:
        return []
    in_circle = np.bincount(component)[component] > 1
    row = int(np.argmax(in_circle))
    place: dict[int, int] = {}
    while row not in place:  # every node of the component has a parent in it, so the walk must come round
        place[row] = len(place)
        above = parents[offsets[row] : offsets[row + 1]]
        row = int(above[component[above] == component[row]][0])
    return [*list(place)[place[row] :], row]


def circle_error(circle: list[int], ids: Ids, edges: str = "") -> CycleError:
    """The error that prints this circle of rows; `edges` names their places in the source."""
    labels = [ids[row] for row in circle]
    shown = labels if len(labels) <= 21 else [*labels[:10], f"... {len(labels) - 20} more ...", *labels[-10:]]
    return CycleError(
        f"The edges run in a circle, child -> parent: {' -> '.join(shown)}. "
        f"A hierarchy has none: remove one of these edges{edges}.",
        labels,
    )
