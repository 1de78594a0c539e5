"""From edges as given to edges of a hierarchy: no self-loop, no edge twice, no circle."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from rootward.csr import offsets_of
from rootward.errors import CycleError, HierarchyError
from rootward.ids import Ids, holds_control, spaced
from rootward.readers.drafts import Draft, left_out

Offsets = npt.NDArray[np.int64]
Parents = npt.NDArray[np.int32]


def settle(draft: Draft) -> tuple[Offsets, Parents, tuple[str, ...]]:
    """(offsets, parents, notes) of a draft: parents ascending within each child, every edge once, no circle.

    Raises:
        HierarchyError: a node is its own parent, or its id holds a control character.
        CycleError: the edges run in a circle.
    """
    controlled = next((label for label in draft.ids if holds_control(label)), None)
    if controlled is not None:
        raise HierarchyError(f"The id {controlled!r} holds a control character; remove it.")
    loops = np.flatnonzero(draft.children == draft.parents)
    if len(loops):
        raise HierarchyError(
            f"{draft.name_edge(int(loops[0]))}: {draft.ids[int(draft.children[loops[0]])]!r} is its own parent. "
            "Remove it, or leave its parent empty if it is a root."
        )
    n = len(draft.ids)
    keys = np.sort(draft.children * n + draft.parents)
    once = keys[np.diff(keys, prepend=-1) > 0]  # several times quicker than np.unique on a million edges
    children, parents = np.divmod(once, max(n, 1))
    offsets, rows = offsets_of(np.bincount(children, minlength=n)), parents.astype(np.int32)
    if circle := find_circle(offsets, rows):
        raise circle_error(circle, draft.ids, _edges_of_circle(circle, draft))
    twice = len(draft.children) - len(once)
    notes = left_out(twice, "duplicate edge", "duplicate edges") + spaced(draft.ids, "id") + _flat(n, len(once))
    return offsets, rows, draft.notes + notes


def _flat(n_nodes: int, n_edges: int) -> tuple[str, ...]:
    """A note on nodes that nothing joins: they train without a complaint, and learn nothing but themselves."""
    note = (
        f"There is no edge: each of the {n_nodes:,} nodes is a root, and its own only answer. If that is not meant, "
        "the source, or an option of its reader, is wrong."
    )
    return () if n_edges else (note,)


def find_circle(offsets: Offsets, parents: Parents) -> list[int]:
    """The rows of one circle, child before parent, the first again at the end; empty when there is none.

    Strongly connected components tell in one linear pass whether there is a circle, however deep the edges go;
    only then is one looked for by walking.
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
    """The error that prints this circle of rows; `edges` says where its edges were given."""
    labels = [ids[row] for row in circle]
    shown = labels if len(labels) <= 21 else [*labels[:10], f"... {len(labels) - 20} more ...", *labels[-10:]]
    return CycleError(
        f"The edges run in a circle, child -> parent: {' -> '.join(shown)}. "
        f"A hierarchy has none: remove one of these edges{edges}.",
        labels,
    )


def _edges_of_circle(circle: list[int], draft: Draft) -> str:
    """' (Edge 3 (row 4 of edges.csv), ...)': where the first edges of a circle were given."""
    named = []
    for child, parent in pairwise(circle[:4]):
        edge = int(np.flatnonzero((draft.children == child) & (draft.parents == parent))[0])
        named.append(draft.name_edge(edge))
    more = ", ..." if len(circle) - 1 > len(named) else ""
    return f": {', '.join(dict.fromkeys(named))}{more}"
