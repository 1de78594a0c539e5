"""Check the edges of a hierarchy: no self-loop, no edge twice, no circle."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from rootward.csr import offsets_of
from rootward.errors import CycleError, HierarchyError
from rootward.ids import Ids, holds_control, spaced
from rootward.readers.edges import EdgeList, left_out
from rootward.readers.text_files import counted
from rootward.texts import Texts

_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#[0-9]+|#[xX][0-9a-fA-F]+);")

Offsets = npt.NDArray[np.int64]
Parents = npt.NDArray[np.int32]


def one_form(edges: EdgeList) -> EdgeList:
    """The edge list with one node for ids that are equal but for their Unicode form (NFC, NFD), and a note on these.

    The first id stays, with what texts it lacks from the others.
    """
    first: dict[str, int] = {}
    row_of: list[int] = []
    kept: list[int] = []
    twice: list[str] = []
    if all(map(str.isascii, edges.ids)):
        return edges
    for row, label in enumerate(edges.ids):
        form = label if label.isascii() else unicodedata.normalize("NFC", label)
        if form not in first:
            first[form] = len(kept)
            kept.append(row)
        else:
            twice.append(label)
        row_of.append(first[form])
    if not twice:
        return edges
    new_row = np.array(row_of, np.int64)
    texts = edges.texts
    if texts is not None:
        names, synonyms, definitions = list(texts.names), list(texts.synonyms), list(texts.definitions)
        for row, new in enumerate(row_of):
            names[kept[new]] = names[kept[new]] or names[row]
            synonyms[kept[new]] = tuple(dict.fromkeys((*synonyms[kept[new]], *synonyms[row])))
            definitions[kept[new]] = definitions[kept[new]] or definitions[row]
        texts = Texts(tuple(names), tuple(synonyms), tuple(definitions)).take(kept)
    n = f"{len(twice):,} {'id is' if len(twice) == 1 else 'ids are'}"
    note = f"{n} there in two Unicode forms (NFC and NFD) that look the same, {twice[0]!r} for one; each is one node."
    children, parents, notes = new_row[edges.children], new_row[edges.parents], (*edges.notes, note)
    return replace(edges, ids=edges.ids.take(kept), children=children, parents=parents, texts=texts, notes=notes)


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
        others = [edges.name_edge(int(loop)) for loop in loops[1:MOST_CIRCLES]]
        more = f" So are those of {', '.join(others)}{', ...' if len(loops) > MOST_CIRCLES else ''}." if others else ""
        message = (
            f"{edges.name_edge(int(loops[0]))}: {edges.ids[int(edges.children[loops[0]])]!r} is its own parent.{more} "
            "Remove it, or leave its parent empty if it is a root."
        )
        rest = np.flatnonzero(edges.children != edges.parents)
        try:  # what else there is to mend
            without = replace(edges, children=edges.children[rest], parents=edges.parents[rest])
            checked_edges(replace(without, name_edge=lambda edge: edges.name_edge(int(rest[edge]))))
        except CycleError as error:
            message += f" Besides: {error}"
        raise HierarchyError(message)
    n = len(edges.ids)
    keys = np.sort(edges.children * n + edges.parents)
    once = keys[np.diff(keys, prepend=-1) > 0]  # several times quicker than np.unique on a million edges
    children, parents = np.divmod(once, max(n, 1))
    offsets, rows = offsets_of(np.bincount(children, minlength=n)), parents.astype(np.int32)
    if circles := find_circles(offsets, rows):
        raise circle_error(circles, edges.ids, [_places(circle, edges) for circle in circles[:MOST_CIRCLES]])
    twice = len(edges.children) - len(once)
    notes = left_out(twice, "duplicate edge", "duplicate edges") + spaced(edges.ids, "id")
    if edges.texts is not None:
        escaped = [name for name in edges.texts.names if "&" in name and _ENTITY.search(name)]
        kept = "an HTML entity, kept as it is"
        notes += counted("", f"name holds {kept}", f"names hold {kept}", map(repr, escaped))
    notes += _odd_shape(edges, offsets, rows)
    if not len(once):  # such a hierarchy trains without an error, and each node learns only itself
        notes += (
            f"There is no edge: each of the {n:,} nodes is a root, and its own only answer. If that is not meant, "
            "the source, or an option of its reader, is wrong.",
        )
    return offsets, rows, edges.notes + notes


_FEW_EDGES = 20


def _odd_shape(edges: EdgeList, offsets: Offsets, parents: Parents) -> tuple[str, ...]:
    """Notes on a hierarchy whose shape says that it may have been read wrong: upside down, or in pieces."""
    n, n_parents = len(offsets) - 1, np.diff(offsets)
    n_children = np.bincount(parents, minlength=n)
    notes: tuple[str, ...] = ()
    if len(parents) > 2 and n_children.max() == 1 and (n_parents > 1).any() and n_parents[n_children == 0].min() > 0:
        notes += (
            "No node has more than one child and some have several parents, as in a tree upside down. If it is, "
            "swap child and parent, or of a graph say direction='parent_to_child'.",
        )
    alone = np.flatnonzero((n_parents == 0) & (n_children == 0))
    if len(parents) and n >= _FEW_EDGES and 2 * len(alone) > n:
        notes += (
            f"{len(alone):,} of the {n:,} nodes have nothing above or below, such as {edges.ids[int(alone[0])]!r}. "
            "If that is not meant, the source, or an option of its reader, is wrong.",
        )
    return notes


def _places(circle: list[int], edges: EdgeList) -> str:
    """': Edge 1 (row 2 of edges.csv), ...': where the first edges of a circle stand."""
    named = []
    for child, parent in pairwise(circle[:4]):
        edge = int(np.flatnonzero((edges.children == child) & (edges.parents == parent))[0])
        named.append(edges.name_edge(edge))
    more = ", ..." if len(circle) - 1 > len(named) else ""
    return f": {', '.join(dict.fromkeys(named))}{more}"


def find_circles(offsets: Offsets, parents: Parents) -> list[list[int]]:
    """The rows of circles, child before parent, the first again at the end; empty when there is none.

    One circle of each strongly connected component: no two have a node in common, and when all are broken others may
    be left in the same components. Self-loops come alone. One linear pass shows whether there is a circle; only then
    walks look for them.
    """
    n = len(offsets) - 1
    loops = np.flatnonzero(np.repeat(np.arange(n), np.diff(offsets)) == parents)
    if len(loops):
        return [[int(parents[loop])] * 2 for loop in loops]
    graph = csr_array((np.ones(len(parents), np.int8), parents, offsets), shape=(n, n))
    n_components, component = connected_components(graph, directed=True, connection="strong")
    if n_components == n:
        return []
    in_circle = np.flatnonzero(np.bincount(component)[component] > 1)
    _, firsts = np.unique(component[in_circle], return_index=True)
    circles = []
    for row in in_circle[np.sort(firsts)].tolist():
        place: dict[int, int] = {}
        while row not in place:  # every node of the component has a parent in it, so the walk must come round
            place[row] = len(place)
            above = parents[offsets[row] : offsets[row + 1]]
            row = int(above[component[above] == component[row]][0])
        circles.append([*list(place)[place[row] :], row])
    return circles


MOST_CIRCLES = 10
"""An error prints so many circles; it counts the others."""


def circle_error(circles: list[list[int]], ids: Ids, edges: Sequence[str] = ()) -> CycleError:
    """The error that prints these circles of rows, at most ten; `edges` are their places in the source."""
    labels = [[ids[row] for row in circle] for circle in circles[:MOST_CIRCLES]]
    places = [*edges] or [""] * len(labels)
    if len(circles) == 1:
        first = (
            f"The edges run in a circle, child -> parent: {_arrows(labels[0])}. "
            f"A hierarchy has none: remove one of these edges{places[0]}."
        )
    else:
        more = f"\n  ... and {len(circles) - MOST_CIRCLES:,} more" if len(circles) > MOST_CIRCLES else ""
        lines = "".join(f"\n  {_arrows(circle)}{place}" for circle, place in zip(labels, places, strict=True))
        first = (
            f"The edges run in {len(circles):,} circles, child -> parent. A hierarchy has none: remove one edge of "
            f"each.{lines}{more}"
        )
    two = next((circle for circle in labels if len(circle) == 3), None)
    if two:
        first += ("" if len(circles) == 1 else "\n") + (
            f" {two[0]!r} and {two[1]!r} are each above the other: if they mean the same, keep one as a node and the "
            "other as its synonym."
        )
    return CycleError(first, labels[0])


def _arrows(labels: list[str]) -> str:
    shown = labels if len(labels) <= 21 else [*labels[:10], f"... {len(labels) - 20} more ...", *labels[-10:]]
    return " -> ".join(shown)
