"""Convert networkx graphs to edge lists and back; nothing is computed with networkx."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import pyarrow as pa

from rootward.errors import HierarchyError, InputError, MissingExtraError
from rootward.ids import Ids, id_text
from rootward.readers.edges import EdgeList, edge_number, not_implied, whole_numbers
from rootward.readers.nodes import columns_of, split_synonyms
from rootward.readers.obo import ALL_SCOPES, RELATIONS, Wanted, quoted_text
from rootward.readers.tables import MISSING, TEXT
from rootward.readers.text_files import counted
from rootward.texts import Texts

Direction = Literal["child_to_parent", "parent_to_child"]


def read_networkx(graph: Any, *, direction: Direction, relations: Sequence[str], scopes: Sequence[str]) -> EdgeList:
    """The edge list of a networkx DiGraph; see `Hierarchy.from_networkx`."""
    if direction not in ("child_to_parent", "parent_to_child"):
        raise InputError(f"direction={direction!r} is not known; it is 'child_to_parent' or 'parent_to_child'.")
    if not hasattr(graph, "is_directed") or not hasattr(graph, "edges"):
        raise InputError(f"A networkx.DiGraph is needed, got {graph!r:.80}; read (child, parent) rows by from_edges.")
    if not graph.is_directed():
        raise HierarchyError(f"{type(graph).__name__} has no directions; needed a networkx.DiGraph.")
    labels = [id_text(node) for node in graph]
    if len(set(labels)) != len(labels):
        twice = next(label for label, n in Counter(labels).items() if n > 1)
        raise HierarchyError(f"Two nodes of the graph read {twice!r} as text; ids are kept as text, rename one.")
    attributes = {id_text(node): data for node, data in graph.nodes(data=True)}
    wanted = Wanted("relations", relations, RELATIONS)
    ends, notes = _related(graph, wanted)
    edges = ends if direction == "child_to_parent" else [(b, a) for a, b in ends]
    low = {child for child, _ in edges}
    nothing = [n for n, data in attributes.items() if n.strip() in ("", *MISSING) and n not in low and not data]
    if nothing:
        n = sum(parent in nothing for _, parent in edges)
        notes += (f"{n:,} edges to {', '.join(map(repr, nothing))} are read as no parent: their children are roots.",)
        edges = [(child, parent) for child, parent in edges if parent not in nothing]
        attributes = {node: data for node, data in attributes.items() if node not in nothing}
    (ids,), more = whole_numbers([pa.array(list(attributes), TEXT)])
    if more and len(set(ids.to_pylist())) < len(ids):
        raise HierarchyError(f"{more[0].rstrip('.')}. The graph holds both as nodes; make them one.")
    notes += more
    if not attributes:
        raise HierarchyError("The graph has no nodes; needed at least one.")
    gone = {node for node, data in attributes.items() if str(data.get("is_obsolete")).lower() in ("true", "1")}
    away = [f"{child} under {parent}" for child, parent in edges if child not in gone and parent in gone]
    edges = [edge for edge in edges if gone.isdisjoint(edge)]
    current = {node: data for node, data in attributes.items() if node not in gone}
    replaced = {old: new[0] for old in gone if len(new := _several(attributes[old].get("replaced_by"))) == 1}
    claims = [(old, node) for node, data in current.items() for old in _several(data.get("alt_id"))]
    often = Counter(old for old, _ in claims)
    merged = {old: node for old, node in claims if often[old] == 1}
    defined = [(node, up) for node, data in current.items() for up in _genera(data, wanted) if up in current]
    extra, circular = not_implied(edges, defined)
    edges += extra
    wanted.check("the graph")
    roles = columns_of([*dict.fromkeys(str(key) for data in current.values() for key in data)])
    roles = {role: key for role, key in roles.items() if role != "id" and not (role == "synonyms" and key == "synonym")}
    told = [f"{key!r} as {role}" for role, key in roles.items() if key != role and key not in _TEXTS]
    name = roles.get("name", "name")
    names = {node: id_text(data.get(name)) for node, data in current.items()}
    named = any(data.keys() & (_TEXTS | {*roles.values()}) for data in current.values())
    nameless = [node for node, name in names.items() if not name] if named else []

    scoped = Wanted("scopes", scopes, ALL_SCOPES)
    synonyms, of_synonyms = _synonyms(current, roles.get("synonyms", "synonyms"), scoped)

    def under(pairs: Iterable[tuple[str, str]]) -> list[str]:
        return [f"{low} under {up}" for low, up in pairs]

    found = EdgeList.of(
        names,
        edges,
        synonyms=synonyms,
        definitions={node: _definition(data) for node, data in current.items()},
        old_ids=replaced | merged,
        notes=notes
        + ((f"Read the attributes {', '.join(told)}.",) if told else ())
        + counted("Left out", "edge to an obsolete node", "edges to obsolete nodes", away)
        + counted("Left out", "obsolete node", "obsolete nodes", sorted(gone))
        + counted("Read", "edge from a definition", "edges from definitions", under(extra))
        + counted("Left out", "edge that would close a circle", "edges that would close circles", under(circular))
        + wanted.left_out("edge of another relation", "edges of other relations")
        + of_synonyms
        + scoped.left_out("synonym of another scope", "synonyms of other scopes")
        + counted("", "node has no name", "nodes have no name", nameless),
        name_edge=lambda edge: f"{edge_number(edge)} ({edges[edge][0]} -> {edges[edge][1]})",
    )
    return found if named else replace(found, texts=None)


_TEXTS = {"name", "synonyms", "synonym", "definition", "def"}
_RELATION_KEYS = ("relation", "relationship", "rel", "type", "edge_type", "predicate", "label", "key")


def _related(graph: Any, wanted: Wanted) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """The edges of these relations, and notes.

    Relations are the keys of a multigraph that are texts, or an attribute such as relation= of all edges, if one of
    them is wanted or has_part.
    """
    notes: tuple[str, ...] = ()
    edges: list[tuple[str, str, Any, Any]] = []
    edges += [(id_text(a), id_text(b), None, data) for a, b, data in graph.edges(data=True)]
    if graph.is_multigraph():
        edges = [(id_text(a), id_text(b), key, data) for a, b, key, data in graph.edges(keys=True, data=True)]
        if any(isinstance(key, str) for _, _, key, _ in edges):
            return [(a, b) for a, b, key, _ in edges if not isinstance(key, str) or key in wanted], ()
    for name in _RELATION_KEYS:
        values = [data.get(name) for *_, data in edges]
        texts = [value for value in values if isinstance(value, str)]
        if any(map(wanted.is_relation, texts)):
            pairs = zip(edges, values, strict=True)
            kept = [(a, b) for (a, b, *_), value in pairs if not isinstance(value, str) or value in wanted]
            return kept, (f"Read the attribute {name!r} of edges as their relation.",)
        if len(set(texts)) > 1:
            seen = ", ".join(f"{value!r} ({n:,})" for value, n in Counter(texts).most_common(5))
            notes += (f"Edges of every {name!r} are read, {seen}; relations= chooses some of these.",)
    return [(a, b) for a, b, *_ in edges], notes


def _genera(data: Mapping[str, Any], wanted: Wanted) -> Iterator[str]:
    """The parents in obonet's `intersection_of`: clauses such as 'CL:1' or 'part_of UBERON:2'."""
    for clause in _several(data.get("intersection_of")):
        first, *rest = clause.split()
        if (first if rest else "is_a") in wanted:
            yield rest[0] if rest else first


def _synonyms(
    nodes: Mapping[str, Mapping[str, Any]], name: str, scoped: Wanted
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """The synonyms of nodes, and notes: `synonyms`, a text or several, and obonet's `synonym`, clauses of OBO."""
    cells = [data.get(name) if isinstance(data.get(name), str) else _several(data.get(name)) for data in nodes.values()]
    words, notes = split_synonyms(cells)
    found = {node: list(each) for node, each in zip(nodes, words, strict=True)}
    for node, data in nodes.items():
        for clause in _several(data.get("synonym")):
            text, scope = quoted_text(clause) or (clause, "")
            if not scope or scope.upper() in scoped:
                found[node].append(text)
    return found, notes


def _definition(data: Mapping[str, Any]) -> str:
    """`definition`, or obonet's `def`: '"An opening." [GOC:x]'."""
    clause = str(data.get("def") or "")
    return str(data.get("definition") or "") or (quoted_text(clause) or (clause, ""))[0]


def _several(value: Any) -> list[str]:
    """A text is one element, never its letters."""
    if value is None or isinstance(value, str) or not id_text(value):
        return [value] if value and isinstance(value, str) else []
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
