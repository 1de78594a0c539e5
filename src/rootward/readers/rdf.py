"""SKOS thesauri and OWL ontologies, read by rdflib, which knows every RDF syntax."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rootward.errors import InputError, MissingExtraError, TableError
from rootward.readers.edges import EdgeList, left_out
from rootward.readers.text_files import PACKED, FilePath, existing_file, open_bytes

_SYNTAX = {".ttl": "turtle", ".rdf": "xml", ".owl": "xml", ".xml": "xml", ".nt": "nt", ".jsonld": "json-ld"}
_OBO_IN_OWL = "http://www.geneontology.org/formats/oboInOwl#"
_DEFINITION = "http://purl.obolibrary.org/obo/IAO_0000115"


def read_skos(source: FilePath, *, language: str, format: str | None) -> EdgeList:
    """The edge list of a SKOS file; see `Hierarchy.from_skos`."""
    rdf = _rdflib("Reading SKOS")
    graph, file_name = _graph(source, format, rdf)
    skos = rdf.SKOS
    edges = set(graph.subject_objects(skos.broader)) | {(low, up) for up, low in graph.subject_objects(skos.narrower)}
    concepts = set(graph.subjects(rdf.RDF.type, skos.Concept)).union(*edges)
    if not concepts:
        raise TableError(f"{file_name} holds no skos:Concept and no skos:broader or skos:narrower.")
    words = [skos.prefLabel], [skos.altLabel], [skos.definition]
    return _edge_list(rdf, graph, concepts, edges, file_name, language, *words)


def read_owl(source: FilePath, *, language: str, format: str | None) -> EdgeList:
    """The edge list of an OWL file; see `Hierarchy.from_owl`."""
    rdf = _rdflib("Reading OWL")
    graph, file_name = _graph(source, format, rdf)
    classes = set(graph.subjects(rdf.RDF.type, rdf.OWL.Class)) - {rdf.OWL.Thing}
    if not any(isinstance(node, rdf.URIRef) for node in classes):
        raise TableError(f"{file_name} holds no owl:Class with a name.")
    in_owl = rdf.Namespace(_OBO_IN_OWL)
    return _edge_list(
        rdf,
        graph,
        classes,
        set(graph.subject_objects(rdf.RDFS.subClassOf)),
        file_name,
        language,
        [rdf.RDFS.label, rdf.SKOS.prefLabel],
        [in_owl.hasExactSynonym, rdf.SKOS.altLabel],
        [rdf.URIRef(_DEFINITION), in_owl.hasDefinition, rdf.SKOS.definition],
    )


def _rdflib(what: str) -> Any:
    try:
        import rdflib  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError(what, "formats") from None
    return rdflib


def _graph(source: FilePath, syntax: str | None, rdf: Any) -> tuple[Any, str]:
    """(rdflib graph, name of the file)."""
    path = existing_file(source)
    suffix = Path(path.name.lower().removesuffix(PACKED)).suffix
    if syntax is None and suffix not in _SYNTAX:
        raise InputError(
            f"{path.name}: the suffix {suffix!r} names no known RDF syntax. Say which it is: format='turtle', "
            "'xml', 'nt' or 'json-ld'."
        )
    graph, kind = rdf.Graph(), _SYNTAX[suffix] if syntax is None else syntax
    try:
        with open_bytes(path) as file:
            graph.parse(file, format=kind)
    except Exception as error:  # every rdflib parser has exceptions of its own
        # A parser that runs past the end of the text raises these, with a message that says nothing of the file.
        unclear = isinstance(error, LookupError | AttributeError | TypeError) or not str(error)
        message = " ".join(str(error).replace(" of <>", "").split()).rstrip(".")
        what = "it breaks off, or is no such text" if unclear else message
        raise TableError(f"{path.name} cannot be read as {kind}: {what}. Is format= right?") from error
    return graph, path.name


def _edge_list(
    rdf: Any,
    graph: Any,
    nodes: set[Any],
    edges: set[Any],
    file_name: str,
    language: str,
    labels: list[Any],
    others: list[Any],
    definitions: list[Any],
) -> EdgeList:
    """Named, current nodes in the order of their IRIs (RDF has none of its own) and the edges between them."""

    def is_deprecated(node: Any) -> bool:
        return any(str(value).lower() in ("true", "1") for value in graph.objects(node, rdf.OWL.deprecated))

    kept = sorted(node for node in nodes if isinstance(node, rdf.URIRef) and not is_deprecated(node))
    known = set(kept)
    inside = sorted((low, up) for low, up in edges if low in known and up in known)
    pairs = [(str(low), str(up)) for low, up in inside]
    # Restrictions and other unnamed classes are no nodes, and a class under owl:Thing is a root: no note for those.
    away = [up for low, up in edges if low in known and up not in known and isinstance(up, rdf.URIRef)]
    return EdgeList.of(
        {str(node): next(iter(_texts(graph, node, labels, language)), "") for node in kept},
        pairs,
        synonyms={str(node): _texts(graph, node, others, language) for node in kept},
        definitions={str(node): next(iter(_texts(graph, node, definitions, language)), "") for node in kept},
        notes=left_out(
            sum(up != rdf.OWL.Thing for up in away),
            "edge to a node that is deprecated or not in the file",
            "edges to nodes that are deprecated or not in the file",
        ),
        name_edge=lambda edge: f"{file_name}, {pairs[edge][0]} under {pairs[edge][1]}",
    )


def _texts(graph: Any, node: Any, properties: Iterable[Any], language: str) -> list[str]:
    """The values of these properties in the language; else those without a language; else those in any."""
    values = [text for name in properties for text in sorted(graph.objects(node, name)) if hasattr(text, "language")]

    def rank(text: Any) -> int:
        tag = (text.language or "").lower()
        wanted = language.lower()
        return 0 if tag == wanted else 1 if tag.startswith(f"{wanted}-") else 2 if not tag else 3

    best = min(map(rank, values), default=0)
    return [str(text) for text in values if rank(text) == best]
