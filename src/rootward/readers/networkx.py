"""Convert networkx graphs to edge lists and back; nothing is computed with networkx."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from rootward.errors import HierarchyError, InputError, MissingExtraError
from rootward.ids import Ids
from rootward.readers.edges import EdgeList, edge_number
from rootward.texts import Texts

Direction = Literal["child_to_parent", "parent_to_child"]


def read_networkx(graph: Any, *, direction: Direction) -> EdgeList:
    """The edge list of a networkx DiGraph; see `Hierarchy.from_networkx`."""
    if direction not in ("child_to_parent", "parent_to_child"):
        raise InputError(f"direction={direction!r} is not known; it is 'child_to_parent' or 'parent_to_child'.")
    if not graph.is_directed():
        raise HierarchyError(f"{type(graph).__name__} has no directions; needed a networkx.DiGraph.")
    attributes = {str(node): data for node, data in graph.nodes(data=True)}
    labels = [str(node) for node in graph]
    if len(set(labels)) != len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise HierarchyError(f"Two nodes of the graph read {twice!r} as text; ids are kept as text, rename one.")
    if not labels:
        raise HierarchyError("The graph has no nodes; needed at least one.")
    ends = [(str(a), str(b)) for a, b in graph.edges()]
    edges = ends if direction == "child_to_parent" else [(b, a) for a, b in ends]
    found = EdgeList.of(
        {node: str(data.get("name") or "") for node, data in attributes.items()},
        edges,
        synonyms={node: list(map(str, data.get("synonyms") or ())) for node, data in attributes.items()},
        definitions={node: str(data.get("definition") or "") for node, data in attributes.items()},
        name_edge=lambda edge: f"{edge_number(edge)} ({edges[edge][0]} -> {edges[edge][1]})",
    )
    named = any(data.keys() & {"name", "synonyms", "definition"} for data in attributes.values())
    return found if named else replace(found, texts=None)


def write_networkx(ids: Ids, edges: list[tuple[str, str]], texts: Texts | None) -> Any:
    """A networkx DiGraph with edges child -> parent; name, synonyms and definition are attributes of the nodes."""
    try:
        import networkx  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("Making a networkx graph", "formats") from None
    graph = networkx.DiGraph()
    graph.add_nodes_from(ids)
    graph.add_edges_from(edges)
    if texts is not None:
        for row, node in enumerate(ids):
            graph.nodes[node].update(
                name=texts.names[row], synonyms=list(texts.synonyms[row]), definition=texts.definitions[row]
            )
    return graph
