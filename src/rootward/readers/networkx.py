"""Convert networkx graphs to edge lists and back; nothing is computed with networkx."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from rootward.errors import HierarchyError, InputError, MissingExtraError
from rootward.ids import Ids
from rootward.readers.edges import EdgeList, counted, edge_number
from rootward.readers.obo import RELATIONS, Wanted, quoted_text
from rootward.texts import Texts

Direction = Literal["child_to_parent", "parent_to_child"]


def read_networkx(graph: Any, *, direction: Direction, relations: Sequence[str], scopes: Sequence[str]) -> EdgeList:
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
    ends, notes = _related(graph, relations)
    edges = ends if direction == "child_to_parent" else [(b, a) for a, b in ends]
    names = {node: str(data.get("name") or "") for node, data in attributes.items()}
    named = any(data.keys() & _TEXTS for data in attributes.values())
    nameless = [node for node, name in names.items() if not name] if named else []
    found = EdgeList.of(
        names,
        edges,
        synonyms={node: _synonyms(data, scopes) for node, data in attributes.items()},
        definitions={node: _definition(data) for node, data in attributes.items()},
        notes=notes + counted("", "node has no name", "nodes have no name", nameless),
        name_edge=lambda edge: f"{edge_number(edge)} ({edges[edge][0]} -> {edges[edge][1]})",
    )
    return found if named else replace(found, texts=None)


_TEXTS = {"name", "synonyms", "synonym", "definition", "def"}


def _related(graph: Any, relations: Sequence[str]) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """The edges of these relations, which are the keys of a multigraph that are texts, and a note on the others."""
    wanted = Wanted("relations", relations, RELATIONS)
    if not graph.is_multigraph():
        return [(str(a), str(b)) for a, b in graph.edges()], ()
    edges = graph.edges(keys=True)
    kept = [(str(a), str(b)) for a, b, key in edges if not isinstance(key, str) or key in wanted]
    wanted.check("the graph")
    return kept, wanted.left_out("edge of another relation", "edges of other relations")


def _synonyms(data: Mapping[str, Any], scopes: Sequence[str]) -> list[str]:
    """`synonyms`, a text or several, and obonet's `synonym`: clauses of OBO such as '"opening" EXACT []'."""
    words = _several(data.get("synonyms"))
    for clause in _several(data.get("synonym")):
        text, scope = quoted_text(clause) or (clause, "")
        if not scope or scope in scopes:
            words.append(text)
    return words


def _definition(data: Mapping[str, Any]) -> str:
    """`definition`, or obonet's `def`: '"An opening." [GOC:x]'."""
    clause = str(data.get("def") or "")
    return str(data.get("definition") or "") or (quoted_text(clause) or (clause, ""))[0]


def _several(value: Any) -> list[str]:
    """A text is one element, never its letters."""
    if value is None or isinstance(value, str):
        return [value] if value else []
    return list(map(str, value)) if isinstance(value, Iterable) else [str(value)]


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
