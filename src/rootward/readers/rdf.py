"""SKOS thesauri and OWL ontologies, read by rdflib, which knows every RDF syntax."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from rootward.errors import InputError, MissingExtraError, TableError
from rootward.readers.edges import EdgeList, not_implied
from rootward.readers.limits import check_contexts, check_entities
from rootward.readers.text_files import (
    FOREIGN,
    PACKED,
    RDF_XML,
    TRIPLE,
    TURTLE,
    FilePath,
    counted,
    existing_file,
    is_wide,
    kind_of,
    open_bytes,
    unpacking,
    without_preamble,
)

_SYNTAX = {
    ".ttl": "turtle",
    ".n3": "turtle",
    ".rdf": "xml",
    ".owl": "xml",
    ".xml": "xml",
    ".nt": "nt",
    ".jsonld": "json-ld",
    ".trig": "trig",
    ".nq": "nquads",
}
_OF_SEVERAL_GRAPHS = ("trig", "nquads")

_XML = ("xml", "application/rdf+xml", "pretty-xml", "rdf", "rdf+xml", "trix", "application/trix", "text/xml")
_JSON = ("json-ld", "application/ld+json", "jsonld")
_OBO_IN_OWL = "http://www.geneontology.org/formats/oboInOwl#"
_OBO = "http://purl.obolibrary.org/obo/"
_XL = "http://www.w3.org/2008/05/skos-xl#"
_SCHEMA = "http://schema.org/", "https://schema.org/"
_TERMS, _ELEMENTS = "http://purl.org/dc/terms/", "http://purl.org/dc/elements/1.1/"
_FOAF, _MADS = "http://xmlns.com/foaf/0.1/", "http://www.loc.gov/mads/rdf/v1#authoritativeLabel"
_THESAURI = "http://purl.org/iso25964/skos-thes#", "http://vocab.getty.edu/ontology#"
_KINDS_OF_BROADER = "Generic", "Partitive", "Instantial"
DEFAULT_LANGUAGE = "en"
_BASE = "urn:x-rootward:/"  # of relative IRIs, so that an id does not hold the folder that a file was in
_LOOKED_AT = 1 << 16

Notes: TypeAlias = tuple[str, ...]


def read_skos(source: FilePath, *, language: str, format: str | None) -> EdgeList:
    """The edge list of a SKOS file; see `Hierarchy.from_skos`."""
    rdf = _rdflib("Reading SKOS")
    graph, file_name = _graph(source, format, rdf)
    skos = rdf.SKOS
    mapping = {skos.broadMatch, skos.narrowMatch, skos.closeMatch, skos.exactMatch}

    def relation(name: str) -> set[Any]:
        """broader or narrower, and the kinds of it: those of ISO 25964 and Getty, those that the file declares."""
        known = [rdf.URIRef(f"{space}{name}{kind}") for space in _THESAURI for kind in _KINDS_OF_BROADER]
        return {*known, *graph.transitive_subjects(rdf.RDFS.subPropertyOf, skos[name])} - mapping

    up, down = relation("broader"), relation("narrower")
    schemes = set(graph.subjects(rdf.RDF.type, skos.ConceptScheme)) | set(graph.objects(None, skos.inScheme))
    stated = _between(graph, up, down)
    edges = {(low, high) for low, high in stated if high not in schemes}
    every = _between(graph, [skos.broaderTransitive], [skos.narrowerTransitive])
    groups = {
        node
        for kind in (skos.Collection, skos.OrderedCollection, rdf.URIRef(f"{_THESAURI[0]}ThesaurusArray"))
        for node in graph.subjects(rdf.RDF.type, kind)
    }
    inside = groups & {node for edge in edges for node in edge}  # collections in the hierarchy, their members below
    edges |= {(low, high) for high in inside for low in graph.objects(high, skos.member)}
    kinds = graph.transitive_subjects(rdf.RDFS.subClassOf, skos.Concept)
    concepts = {node for kind in kinds for node in graph.subjects(rdf.RDF.type, kind)}.union(*edges, *every)
    top = set(graph.objects(None, skos.hasTopConcept)) | set(graph.subjects(skos.topConceptOf))
    concepts |= (top | set(graph.subjects(skos.inScheme))) - groups - schemes
    if not concepts:
        is_owl = any((None, rdf.RDF.type, kind) in graph for kind in (rdf.OWL.Class, rdf.RDFS.Class))
        owl = f" It holds classes: read it by Hierarchy.from_owl (owl:{source})." if is_owl else ""
        raise TableError(f"{file_name} holds no skos:Concept and no skos:broader or skos:narrower.{owl}")
    used = {*up, *down, skos.broaderTransitive, skos.narrowerTransitive}
    away_names = [name for name in set(graph.predicates()) - used if re.search(r"[#/](broad|narrow)[^#/]*$", str(name))]
    away = sorted((low, name, high) for name in away_names for low, high in graph.subject_objects(name))
    notes = counted(
        "Left out",
        "relation that is no skos:broader or narrower",
        "relations that are no skos:broader or narrower",
        (f"{low} {re.split('[#/]', name)[-1]} {high}" for low, name, high in away),
    )
    to_scheme = sorted(f"{low} under {high}" for low, high in stated - edges if high in schemes)
    notes += counted("Left out", "relation to a concept scheme", "relations to concept schemes", to_scheme)
    notes += counted("Left out", "collection", "collections", sorted(map(str, groups - concepts)))
    notes += counted("Read", "collection as a concept", "collections as concepts", sorted(map(str, inside)))
    notes += _unnamed(rdf, concepts, "concept")
    hidden = sorted(str(word) for word in graph.objects(None, skos.hiddenLabel))
    notes += counted("Left out", "hidden label", "hidden labels", hidden)
    labels, others = ([skos[name], rdf.URIRef(f"{_XL}{name}")] for name in ("prefLabel", "altLabel"))
    texts = _Texts(rdf, graph, (labels, others, [skos.definition]), language, file_name)
    told = {*used, *away_names, skos.hiddenLabel, skos.inScheme, skos.topConceptOf, skos.hasTopConcept, skos.member}
    return _edge_list(rdf, graph, concepts, edges, every, texts, "concept", notes, told)


def read_owl(source: FilePath, *, language: str, format: str | None) -> EdgeList:
    """The edge list of an OWL file; see `Hierarchy.from_owl`."""
    rdf = _rdflib("Reading OWL")
    graph, file_name = _graph(source, format, rdf)
    owl, rdfs = rdf.OWL, rdf.RDFS
    in_owl = rdf.Namespace(_OBO_IN_OWL)
    labels = [rdfs.label, rdf.SKOS.prefLabel, rdf.URIRef(f"{_XL}prefLabel")]
    stated = {(low, up) for low, up in graph.subject_objects(rdfs.subClassOf) if low != up}
    itself = sorted(str(low) for low, up in graph.subject_objects(rdfs.subClassOf) if low == up)
    classes = {node for kind in (owl.Class, rdfs.Class) for node in graph.subjects(rdf.RDF.type, kind)}
    known = any(isinstance(node, rdf.URIRef) for node in classes)
    ends = {low for low, _ in stated} | {
        up for _, up in stated if not known or any((up, p, None) in graph for p in labels)
    }
    built_in = tuple(map(str, (rdf.RDF, rdfs, owl, rdf.XSD)))
    classes = {node for node in classes | ends if not str(node).startswith(built_in)}
    if not any(isinstance(node, rdf.URIRef) for node in classes):
        skos = (
            f" It holds skos:Concept: read it by Hierarchy.from_skos (skos:{source})."
            if (None, None, rdf.SKOS.Concept) in graph
            else ""
        )
        raise TableError(f"{file_name} holds no owl:Class and no rdfs:Class with a name.{skos}")

    def members(node: Any, kind: Any) -> Iterator[Any]:
        """The named members of the intersection (or union) that a node is, those of intersections within too."""
        for head in graph.objects(node, kind):
            for member in rdf.collection.Collection(graph, head):
                if isinstance(member, rdf.URIRef):
                    yield member
                else:
                    yield from members(member, kind)

    defined = set()
    equal = set()
    for low in (node for node in classes if isinstance(node, rdf.URIRef)):
        same = set(graph.objects(low, owl.equivalentClass)) | set(graph.subjects(owl.equivalentClass, low))
        equal |= {tuple(sorted((low, other))) for other in same if isinstance(other, rdf.URIRef) and other != low}
        unnamed = [low, *(node for node in same if isinstance(node, rdf.BNode))]
        above = [node for node in graph.objects(low, rdfs.subClassOf) if isinstance(node, rdf.BNode)]
        defined |= {(low, up) for node in unnamed + above for up in members(node, owl.intersectionOf)}
        defined |= {(part, low) for node in unnamed for part in members(node, owl.unionOf)}
        defined |= {(part, low) for part in members(low, owl.disjointUnionOf)}
    notes = counted(
        "",
        "pair of classes is equivalent and kept as two nodes",
        "pairs of classes are equivalent and kept as two nodes each",
        (f"{one} and {two}" for one, two in sorted(equal)),
    )
    notes += counted("Left out", "class under itself", "classes under themselves", itself)
    notes += _restrictions(rdf, graph)
    individuals = set(graph.subjects(rdf.RDF.type, owl.NamedIndividual))
    individuals |= {node for node, kind in graph.subject_objects(rdf.RDF.type) if kind in classes} - classes
    notes += counted("Left out", "individual", "individuals", sorted(map(str, individuals)))
    imports = sorted(map(str, graph.objects(None, owl.imports)))
    notes += counted("Left out", "ontology that the file imports", "ontologies that the file imports", imports)
    scopes = [in_owl[f"has{scope}Synonym"] for scope in ("Related", "Broad", "Narrow")]
    loose = sorted(str(word) for scope in scopes for word in graph.objects(None, scope))
    notes += counted("Left out", "synonym that is not exact", "synonyms that are not exact", loose)
    more = [f"{_XL}altLabel", f"{_OBO}IAO_0000118", *(f"{space}alternateName" for space in _SCHEMA)]
    others = [in_owl.hasExactSynonym, rdf.SKOS.altLabel, *map(rdf.URIRef, more)]
    glosses = [rdf.URIRef(f"{_OBO}IAO_0000115"), in_owl.hasDefinition, rdf.SKOS.definition]
    texts = _Texts(rdf, graph, (labels, others, glosses), language, file_name)
    told = {rdfs.subClassOf, owl.equivalentClass, owl.disjointWith, *scopes}
    return _edge_list(rdf, graph, classes, stated, defined, texts, "class", notes, told)


def _unnamed(rdf: Any, nodes: Iterable[Any], kind: str) -> Notes:
    """A note on nodes without an IRI, which are no nodes of a hierarchy."""
    blank = sorted(str(node) for node in nodes if not isinstance(node, rdf.URIRef))
    return counted("Left out", f"{kind} without an IRI", f"{kind}s without an IRI", blank)


def _restrictions(rdf: Any, graph: Any) -> Notes:
    """A note that counts, by property, what restrictions say of classes, such as part_of some other class."""
    owl = rdf.OWL
    fillers = (owl.someValuesFrom, owl.allValuesFrom, owl.hasValue, owl.onClass)
    names: Counter[str] = Counter()
    for node, relation in graph.subject_objects(owl.onProperty):
        if any((node, kind, None) in graph for kind in fillers):
            label = graph.value(relation, rdf.RDFS.label)
            names[str(label) if label is not None else re.split("[#/]", str(relation))[-1]] += 1
    total, shown = names.total(), ", ".join(f"{name} ({n:,})" for name, n in names.most_common(5))
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    what = "restriction, which makes" if total == 1 else "restrictions, which make"
    return (f"Left out {total:,} {what} no parent: {shown}{more}.",) if total else ()


def _rdflib(what: str) -> Any:
    try:
        import rdflib  # noqa: PLC0415
        import rdflib.collection  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError(what, "formats") from None
    return rdflib


def _between(graph: Any, up: Iterable[Any], down: Iterable[Any]) -> set[tuple[Any, Any]]:
    """(lower, upper) of the relations that lead up, and of those that lead down."""
    found = {(low, high) for name in up for low, high in graph.subject_objects(name)}
    return found | {(low, high) for name in down for high, low in graph.subject_objects(name)}


def _graph(source: FilePath, syntax: str | None, rdf: Any) -> tuple[Any, str]:
    """(rdflib graph, name of the file)."""
    path = existing_file(source)
    suffix = Path(path.name.lower().removesuffix(PACKED)).suffix
    kind = _SYNTAX.get(suffix) if syntax is None else syntax
    with unpacking(path.name), open_bytes(path) as file:
        begin = file.read(_LOOKED_AT)
    start = without_preamble(begin.decode("utf-8-sig", "replace"))
    for name, begins in FOREIGN.items():
        if begins.match(start):
            raise TableError(
                f"{path.name} is in {name}, which is not read; it is needed as RDF. Convert it by ROBOT "
                f"(robot convert --input {path.name} --output {path.name.split('.')[0]}-rdf.owl), or in Protégé save "
                "it as RDF/XML."
            )
    seen = kind_of(path)
    other = seen is not None and seen.prefix not in ("skos", "owl") and not (is_wide(begin) and kind == "xml")
    if other and seen is not None and not (kind in _JSON and (b"context" in begin or b'"@' in begin)):
        raise TableError(seen.said_of(path))
    if syntax is None and kind not in _OF_SEVERAL_GRAPHS:
        if TURTLE.match(start) or (TRIPLE.match(start) and kind not in ("turtle", "nt")):
            kind = "turtle"  # which has triples of N-Triples, too
        elif RDF_XML.match(start):
            kind = "xml"
        elif start[:1] in ("{", "["):
            kind = "json-ld"
    if kind is None:
        raise InputError(
            f"{path.name}: the suffix {suffix!r} names no known RDF syntax. Say which it is: format='turtle', "
            "'xml', 'nt' or 'json-ld'."
        )
    graph = rdf.Dataset(default_union=True) if kind in _OF_SEVERAL_GRAPHS else rdf.Graph()
    log = logging.getLogger("rdflib")
    level = log.level
    log.setLevel(logging.ERROR)  # rdflib logs a traceback for each date or number that is none
    try:
        if kind in _XML:
            with open_bytes(path) as file:
                check_entities(file, path.name)
        with open_bytes(path) as file:
            if kind in _JSON:
                text = file.read().decode("utf-8-sig")
                content = json.loads(text)
                check_contexts(content, path.name)
                graph.parse(data=content if isinstance(content, dict) else text, format=kind, publicID=_BASE)
            else:
                graph.parse(file, format=kind, publicID=_BASE)
    except InputError:
        raise
    except Exception as error:  # every rdflib parser has exceptions of its own
        # A parser that runs past the end of the text raises these, with a message that says nothing of the file.
        unclear = isinstance(error, LookupError | AttributeError | TypeError) or not str(error)
        message = " ".join(str(error).replace(" of <>", "").split()).rstrip(".")
        what = "it breaks off, or is no such text" if unclear else message
        raise TableError(f"{path.name} cannot be read as {kind}: {what}. Is format= right?") from error
    finally:
        log.setLevel(level)
    return graph, path.name


def _edge_list(
    rdf: Any,
    graph: Any,
    nodes: set[Any],
    stated: set[Any],
    derived: set[Any],
    texts: _Texts,
    kind: str,
    notes: Notes,
    told: set[Any],
) -> EdgeList:
    """Named, current nodes in the order of their IRIs (RDF has none of its own) and the edges between them.

    `derived` edges tell of ancestors; they are taken where the stated ones do not tell the same. `told` are properties
    that `notes` tell of, or the edges.
    """
    many = "classes" if kind == "class" else f"{kind}s"
    named = {node for node in nodes if isinstance(node, rdf.URIRef)}
    gone = {
        node
        for node in named
        for value in graph.objects(node, rdf.OWL.deprecated)
        if str(value).lower() in ("true", "1")
    }
    gone |= named & set(graph.subjects(rdf.RDF.type, rdf.OWL.DeprecatedClass))
    gone |= named & set(graph.subjects(rdf.RDFS.subClassOf, rdf.URIRef(f"{_OBO_IN_OWL}ObsoleteClass")))
    statuses = [name for name in set(graph.predicates()) if re.search(r"[#/]status$", str(name))]
    gone |= {
        node
        for name in statuses
        for node, status in graph.subject_objects(name)
        if node in named and re.search(r"(^|[#/])(deprecated|obsoleted?|retired)$", str(status), re.IGNORECASE)
    }
    known = named - gone
    pairs = sorted((str(low), str(up)) for low, up in stated if low in known and up in known)
    more, circular = not_implied(pairs, sorted((str(low), str(up)) for low, up in derived if {low, up} <= known))
    # Restrictions and other unnamed classes are no nodes, and a class under owl:Thing is a root: no note for those.
    top = {rdf.OWL.Thing, rdf.RDFS.Resource, rdf.URIRef(f"{_OBO_IN_OWL}ObsoleteClass")}
    away = sorted(
        (str(low), str(up))
        for low, up in stated | derived
        if low in known and up not in known and isinstance(up, rdf.URIRef) and up not in top
    )
    names, synonyms, glosses, text_notes = texts.read(sorted(known), many)

    def under(edges: Iterable[tuple[str, str]]) -> list[str]:
        return [f"{low} under {up}" for low, up in edges]

    pairs += more
    replaced = {
        str(old): str(new)
        for old in sorted(gone)
        for name in (f"{_OBO}IAO_0100001", f"{_TERMS}isReplacedBy")
        for new in graph.objects(old, rdf.URIRef(name))
    }
    claims = sorted(
        (str(old), str(node)) for node, old in graph.subject_objects(rdf.URIRef(f"{_OBO_IN_OWL}hasAlternativeId"))
    )
    often = Counter(old for old, _ in claims)
    merged = {old: node for old, node in claims if often[old] == 1}
    secure = [str(node) for node in known if str(node).startswith("https:") and "http" + str(node)[5:] in names]
    spare = {rdf.RDF.type, rdf.OWL.deprecated, *statuses, *told, *texts.read_properties}
    return EdgeList.of(
        names,
        pairs,
        synonyms=synonyms,
        definitions=glosses,
        old_ids=replaced | merged,
        notes=counted(
            "Left out",
            "edge to a node that is deprecated or not in the file",
            "edges to nodes that are deprecated or not in the file",
            under(away),
        )
        + counted("Left out", f"deprecated {kind}", f"deprecated {many}", sorted(map(str, gone)))
        + counted("Left out", "edge that would close a circle", "edges that would close circles", under(circular))
        + counted(
            "Read",
            "edge from a definition or transitive relation",
            "edges from definitions or transitive relations",
            under(more),
        )
        + notes
        + text_notes
        + counted(
            "", "IRI is another's but for http and https", "IRIs are others' but for http and https", sorted(secure)
        )
        + _unread(rdf, graph, known, spare),
        name_edge=lambda edge: f"{texts.file_name}, {pairs[edge][0]} under {pairs[edge][1]}",
    )


_DATA = re.compile(
    r"[#/](created|modified|issued|date\w*|\w+Date|created_?by|creat(or|ion_date)|hasOBONamespace|id|identifier|inSubset|"
    r"hasDbXref|notation|changeNote|historyNote|editorialNote|versionInfo|seeAlso|isDefinedBy|source|contributor|"
    r"\w*[Xx]ref|hasAlternativeId|IAO_0100001|isReplacedBy|\w+Match)$"
)


def _unread(rdf: Any, graph: Any, known: set[Any], told: set[Any]) -> Notes:
    """Notes on properties that are not read: texts of the nodes, relations between them; not dates and such."""
    texts: Counter[str] = Counter()
    relations: Counter[str] = Counter()
    plain = (None, rdf.XSD.string, rdf.RDF.langString)
    for node, name, value in graph:
        if node in known and name not in told and not _DATA.search(str(name)):
            word = re.split("[#/]", str(name))[-1]
            if isinstance(value, rdf.Literal):
                texts[word] += value.datatype in plain and bool(re.search(r"[^\W\d_]", str(value)))
            else:
                relations[word] += value in known and value != node
    notes: Notes = ()
    for found, what in ((+texts, "Did not read texts of the properties"), (+relations, "Did not read the relations")):
        if found:
            shown = ", ".join(f"{word} ({n:,})" for word, n in found.most_common(5))
            notes += (f"{what} {shown}{f' and {len(found) - 5:,} more' if len(found) > 5 else ''}.",)
    return notes


class _Texts:
    """The literals of nodes: properties of names (with what stands in for them), of synonyms and of definitions."""

    def __init__(self, rdf: Any, graph: Any, kinds: tuple[list[Any], ...], language: str, file_name: str) -> None:
        self.rdf, self.graph, self.kinds, self.language, self.file_name = rdf, graph, kinds, language, file_name

    @property
    def stand_ins(self) -> list[Any]:
        """Properties that name a node that has no label."""
        rdf = self.rdf
        names = [f"{space}name" for space in (*_SCHEMA, _FOAF)] + [f"{space}title" for space in (_TERMS, _ELEMENTS)]
        names += [_MADS]
        return [name for name in (rdf.RDFS.label, *map(rdf.URIRef, names)) if name not in self.kinds[0]]

    @property
    def read_properties(self) -> list[Any]:
        """All properties whose texts are read."""
        return [*(name for kind in self.kinds for name in kind), *self.stand_ins]

    def _of(self, nodes: list[Any], properties: list[Any]) -> dict[str, list[Any]]:
        """The literals of each node, property by property; SKOS-XL labels and annotations are resources with a text."""
        rdf, graph = self.rdf, self.graph
        found: dict[str, list[Any]] = {}
        inner = rdf.URIRef(f"{_XL}literalForm"), rdf.RDF.value
        for node in nodes:
            found[str(node)] = literals = []
            for name in properties:
                objects = list(graph.objects(node, name))
                objects += [text for one in objects for name in inner for text in graph.objects(one, name)]
                literals += sorted(text for text in objects if isinstance(text, rdf.Literal) and str(text).strip())
        return found

    def read(self, nodes: list[Any], many: str) -> tuple[dict[str, str], dict[str, list[str]], dict[str, str], Notes]:
        """Names, synonyms and definitions by node, and notes; InputError for a language that no text has."""
        language = self.language
        if not isinstance(language, str):
            raise InputError(f"language={language!r} is no language; needed its tag, such as 'en' or 'de'.")
        stand_ins = self.stand_ins
        own, others, glosses, instead = (self._of(nodes, kind) for kind in (*self.kinds, stand_ins))
        found = (own, others, glosses, instead)
        languages = {text.language or "" for texts in found for words in texts.values() for text in words}
        tags = sorted(_spelled(tag) for tag in languages if tag)
        unmarked = language.lower() == DEFAULT_LANGUAGE and "" in languages
        if tags and not unmarked and not any(_is_in(tag, language) for tag in tags):
            there = f"its languages are {', '.join(tags)}. Choose one, such as language={tags[0]!r}."
            raise InputError(f"language={language!r} is not in {self.file_name}; {there}")
        often = Counter(text.language or "" for words in own.values() for text in words)
        order = {
            tag: place for place, (tag, _) in enumerate(sorted(often.items(), key=lambda item: (-item[1], item[0])))
        }

        def rank(text: Any) -> tuple[int, int]:
            tag = text.language or ""
            place = 0 if tag.lower() == language.lower() else 1 if _is_in(tag, language) else 2 if not tag else 3
            return place, order.get(tag, len(order)) if place == 3 else 0

        names, synonyms, definitions = {}, {}, {}
        fallen, nameless, foreign = [], [], []
        for node in own:
            first = min(own[node] + instead[node], key=rank, default=None)  # the first of the best
            names[node] = "" if first is None else str(first).strip()
            if first is None:
                nameless.append(node)
            elif rank(first)[0] == 3:
                fallen.append(f"{str(first)!r} ({_spelled(first.language)})")
            kept = []
            for text in own[node] + others[node]:
                if rank(text)[0] < 3 or (first is not None and text.language == first.language):
                    kept.append(str(text).strip())
                else:
                    foreign.append(f"{str(text)!r} ({_spelled(text.language)})")
            synonyms[node] = kept
            gloss = min(glosses[node], key=rank, default=None)
            if gloss is not None and rank(gloss)[0] == 3 and (first is None or gloss.language != first.language):
                foreign.append(f"{str(gloss)[:40]!r} ({_spelled(gloss.language)})")
                gloss = None
            definitions[node] = "" if gloss is None else str(gloss)
        return (
            names,
            synonyms,
            definitions,
            counted("", f"of the {many} has no name", f"of the {many} have no name", nameless)
            + counted("", f"name is not in {language!r}", f"names are not in {language!r}", fallen)
            + counted("Left out", "text in another language", "texts in other languages", foreign),
        )


def _is_in(tag: str, language: str) -> bool:
    """Whether a tag is of a language or a kind of it: en-GB is English."""
    return tag.lower() == language.lower() or tag.lower().startswith(f"{language.lower()}-")


def _spelled(tag: str) -> str:
    """A tag as people write it; rdflib lowers the country in en-GB."""
    return "-".join(part.upper() if place and len(part) == 2 else part for place, part in enumerate(tag.split("-")))
