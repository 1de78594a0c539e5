"""Counts of public files as rootward reads them, beside counts by plain code: rdflib's SPARQL, csv, json, expressions.

    python benchmarks/readers.py FOLDER

FOLDER holds the files under the names below, as they are at these commits of their repositories:
`git show COMMIT:PATH > FOLDER/NAME`. Files that are not there are left out. Writes benchmarks/results/readers.json.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import rdflib

from rootward import Hierarchy

Counts = dict[str, int]
OUT = Path(__file__).with_name("results") / "readers.json"


class Case(NamedTuple):
    """One file: where it is from, how rootward reads it, and how plain code counts it."""

    name: str
    source: str
    commit: str
    licence: str
    read: Callable[[Path], Hierarchy]
    count: Callable[[Path], Counts]


def counts_of(nodes: set[str], edges: set[tuple[str, str]], names: int, synonyms: int | None = None) -> Counts:
    found = {"nodes": len(nodes), "edges": len(edges), "names": names, "roots": len(nodes - {low for low, _ in edges})}
    return found if synonyms is None else found | {"synonyms": synonyms}


def ours(tree: Hierarchy) -> Counts:
    """The same counts of a hierarchy that was read; edges without those that were read from definitions."""
    texts = tree.texts
    derived = [note for note in tree.notes if re.match(r"Read [\d,]+ edges? from (a )?definition", note)]
    n = sum(int(note.split()[1].replace(",", "")) for note in derived)
    names = 0 if texts is None else sum(map(bool, texts.names))
    synonyms = 0 if texts is None else sum(map(len, texts.synonyms))
    return {
        "nodes": len(tree),
        "edges": tree.n_edges - n,
        "names": names,
        "roots": len(tree.roots),
        "synonyms": synonyms,
        "edges from definitions": n,
    }


def obo(path: Path) -> Counts:
    """By expressions over the stanzas; roots count the genus of definitions too."""
    terms: dict[str, str] = {}
    for stanza in re.split(r"\n(?=\[)", path.read_text()):
        if stanza.startswith("[Term]") and not re.search(r"^is_obsolete: true", stanza, re.MULTILINE):
            terms[re.search(r"^id: (\S+)", stanza, re.MULTILINE)[1]] = stanza  # type: ignore[index]
    old = {alt: node for node, text in terms.items() for alt in re.findall(r"^alt_id: (\S+)", text, re.MULTILINE)}
    edges, defined, names, synonyms = set(), set(), 0, 0
    for node, text in terms.items():
        found = re.search(r"^name: (.+)", text, re.MULTILINE)
        names += found is not None
        name = "" if found is None else re.sub(r"\\(.)", r"\1", found[1].strip())
        exact = re.findall(r'^synonym: "((?:[^"\\]|\\.)*)"\s*EXACT', text, re.MULTILINE)
        synonyms += len({re.sub(r"\\(.)", r"\1", each) for each in exact} - {name})
        edges |= {(node, old.get(up, up)) for up in re.findall(r"^is_a: ([^\s{]+)", text, re.MULTILINE)}
        defined |= {(node, up) for up in re.findall(r"^intersection_of: (\S+)(?: !.*| \{.*)?$", text, re.MULTILINE)}
        defined |= {(low, node) for low in re.findall(r"^union_of: (\S+)", text, re.MULTILINE)}
    edges = {edge for edge in edges if edge[1] in terms}
    whole = edges | {edge for edge in defined if {*edge} <= terms.keys()}
    return counts_of(set(terms), edges, names, synonyms) | {"roots": len(terms.keys() - {low for low, _ in whole})}


PREFIXES = """
PREFIX skos: <http://www.w3.org/2004/02/skos/core#> PREFIX owl: <http://www.w3.org/2002/07/owl#>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> PREFIX oio: <http://www.geneontology.org/formats/oboInOwl#>
PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>
"""


def rows(graph: rdflib.Graph, query: str) -> set[tuple[str, ...]]:
    return {tuple(map(str, row)) for row in graph.query(PREFIXES + query)}  # type: ignore[union-attr]


def skos(path: Path) -> Counts:
    """By SPARQL: English names; synonyms in English or without a language, second names (en-GB) among them."""
    graph = rdflib.Graph().parse(path, format="turtle" if path.suffix == ".ttl" else "xml")
    live = "?n a skos:Concept . FILTER(isIRI(?n)) FILTER NOT EXISTS { ?n owl:deprecated ?d FILTER(STR(?d) = 'true') }"
    nodes = {node for (node,) in rows(graph, f"SELECT ?n {{ {live} }}")}
    edges = rows(graph, "SELECT ?n ?u { { ?n skos:broader ?u } UNION { ?u skos:narrower ?n } }")
    named = rows(graph, f"SELECT ?n ?t {{ {live} ?n skos:prefLabel ?t FILTER(LANGMATCHES(LANG(?t), 'en')) }}")
    words = "skos:altLabel ?t FILTER(LANG(?t) = '' || LANGMATCHES(LANG(?t), 'en'))"
    every = {(node, text.strip()) for node, text in rows(graph, f"SELECT ?n ?t {{ {live} ?n {words} }}") | named}
    n = len({node for node, _ in named})  # the name is one of a node's texts, the others are synonyms
    kept = {(low, up) for low, up in edges if {low, up} <= nodes}
    return counts_of(nodes, kept, n, len(every) - n)  # type: ignore[arg-type]


def owl(path: Path) -> Counts:
    """By SPARQL: named classes that are not deprecated, subclass edges; roots count named parts of intersections."""
    graph = rdflib.Graph().parse(path, format="turtle" if path.suffix == ".ttl" else "xml")
    live = (
        "VALUES ?k { owl:Class rdfs:Class } ?n a ?k FILTER(isIRI(?n)) "
        "FILTER NOT EXISTS { ?n owl:deprecated ?d FILTER(STR(?d) = 'true') }"
    )
    nodes = {node for (node,) in rows(graph, f"SELECT DISTINCT ?n {{ {live} }}") if "/owl#" not in node}
    nodes = {node for node in nodes if "w3.org/2000/01/rdf-schema" not in node}
    edges = rows(graph, "SELECT ?n ?u { ?n rdfs:subClassOf ?u FILTER(isIRI(?n) && isIRI(?u) && ?n != ?u) }")
    parts = rows(
        graph,
        "SELECT ?n ?u { ?n (rdfs:subClassOf|owl:equivalentClass)/owl:intersectionOf/rdf:rest*/rdf:first ?u "
        "FILTER(isIRI(?n) && isIRI(?u)) }",
    )
    named = {node for (node,) in rows(graph, f"SELECT DISTINCT ?n {{ {live} ?n rdfs:label ?t }}")} & nodes
    kept = {(low, up) for low, up in edges if {low, up} <= nodes}
    whole = kept | {(low, up) for low, up in parts if {low, up} <= nodes}
    found = counts_of(nodes, kept, len(named))  # type: ignore[arg-type]
    return found | {"roots": len(nodes - {low for low, _ in whole})}


def levels(path: Path) -> Counts:
    """By the csv module: every beginning of a row is a node."""
    _, *lines = csv.reader(path.open(encoding="utf-8-sig", newline=""))
    paths = {tuple(cell.strip() for cell in line[:end]) for line in lines for end in range(1, len(line) + 1)}
    paths = {path for path in paths if all(path)}
    edges = {(" > ".join(path), " > ".join(path[:-1])) for path in paths if len(path) > 1}
    return counts_of({" > ".join(path) for path in paths}, edges, len(paths))


def tree_of_uat(path: Path) -> Counts:
    """By json: a node for each uri."""
    nodes: set[str] = set()
    edges: set[tuple[str, str]] = set()
    synonyms: dict[str, set[str]] = {}
    todo = [(child, "") for child in json.loads(path.read_text())["children"]]
    while todo:
        node, above = todo.pop()
        nodes.add(node["uri"])
        edges |= {(node["uri"], above)} if above else set()
        synonyms.setdefault(node["uri"], set()).update(set(node["altLabels"] or ()) - {node["name"]})
        todo += [(child, node["uri"]) for child in node.get("children") or ()]
    return counts_of(nodes, edges, len(nodes), sum(map(len, synonyms.values())))


def iab(path: Path) -> Counts:
    """By the csv module, below the title."""
    lines = list(csv.reader(path.open(encoding="utf-8-sig", newline=""), delimiter="\t"))[2:]
    lines = [line for line in lines if line and line[0].strip()]
    edges = {(line[0].strip(), line[1].strip()) for line in lines if line[1].strip()}
    return counts_of({line[0].strip() for line in lines}, edges, sum(bool(line[2].strip()) for line in lines))


def schema_table(path: Path) -> Counts:
    """By the csv module: several parents in a cell, with a comma between them."""
    lines = list(csv.DictReader(path.open(newline="")))
    edges = {(line["id"], up.strip()) for line in lines for up in line["subTypeOf"].split(",") if up.strip()}
    nodes = {line["id"] for line in lines}
    return counts_of(nodes | {up for _, up in edges}, edges, sum(bool(line["label"]) for line in lines))


def edges_of(child: str, parent: str) -> Callable[[Path], Hierarchy]:
    return lambda path: Hierarchy.from_edges(path, child=child, parent=parent, nodes=path, add_missing=True)


GITHUB = "https://github.com/"
CASES = [
    Case("UAT.rdf", GITHUB + "astrothesaurus/UAT UAT.rdf", "8886cf4f9b51f2d907fcc4836d00cbc7d6ac8b92", "CC BY-SA 3.0",
         Hierarchy.from_skos, skos),
    Case("UAT.csv", GITHUB + "astrothesaurus/UAT UAT.csv", "8886cf4f9b51f2d907fcc4836d00cbc7d6ac8b92", "CC BY-SA 3.0",
         Hierarchy.from_paths, levels),
    Case("UAT.json", GITHUB + "astrothesaurus/UAT UAT.json", "8886cf4f9b51f2d907fcc4836d00cbc7d6ac8b92",
         "CC BY-SA 3.0", lambda path: Hierarchy.from_nested(path, ids="id"), tree_of_uat),
    Case("stw-skos.ttl", GITHUB + "NatLibFi/Annif-tutorial data-sets/stw-zbw/stw-skos.ttl (STW, ZBW)",
         "b90969bac84452f1dece9d514a6da2cea0163e99", "CC BY 4.0", Hierarchy.from_skos, skos),
    Case("envo.obo", GITHUB + "EnvironmentOntology/envo envo.obo", "b07261874c60051b6888f31397d1746e2817ecf0", "CC0",
         Hierarchy.from_obo, obo),
    Case("pato.obo", GITHUB + "pato-ontology/pato pato.obo", "83ec8697a02e3ef07beb9f5ea0256670ab1a4b15", "CC BY 3.0",
         Hierarchy.from_obo, obo),
    Case("DO_rare_slim.obo", GITHUB + "DiseaseOntology/HumanDiseaseOntology src/ontology/subsets/DO_rare_slim.obo",
         "9fbefd6651b79526165453395d06c8fd4bfe4247", "CC0", Hierarchy.from_obo, obo),
    Case("hp-go_import.obo", GITHUB + "obophenotype/human-phenotype-ontology imports/go_import.obo (Gene Ontology)",
         "af70204caaaac7023f6606ead6a3970d5c303575", "CC BY 4.0", Hierarchy.from_obo, obo),
    Case("pato-simple.owl", GITHUB + "pato-ontology/pato pato-simple.owl", "83ec8697a02e3ef07beb9f5ea0256670ab1a4b15",
         "CC BY 3.0", Hierarchy.from_owl, owl),
    Case("ro.owl", GITHUB + "oborel/obo-relations ro.owl", "2b8fb441970162c83dccae78f733a31b96f156bf", "CC0",
         Hierarchy.from_owl, owl),
    Case("cl-blood.owl", GITHUB + "obophenotype/cell-ontology subsets/blood_and_immune_upper_slim.owl",
         "fd61b954f3eba08f5780f2c86eba72913d35b5d4", "CC BY 4.0", Hierarchy.from_owl, owl),
    Case("schemaorg.ttl", GITHUB + "schemaorg/schemaorg data/releases/30.0/schemaorg-all-https.ttl",
         "cc71c8e064859e912aac8b11ec06e6bc53255b6a", "CC BY-SA 3.0", Hierarchy.from_owl, owl),
    Case("schemaorg-types.csv", GITHUB + "schemaorg/schemaorg data/releases/30.0/schemaorg-all-https-types.csv",
         "cc71c8e064859e912aac8b11ec06e6bc53255b6a", "CC BY-SA 3.0", edges_of("id", "subTypeOf"), schema_table),
    Case("iab-content.tsv",
         GITHUB + "InteractiveAdvertisingBureau/Taxonomies Content Taxonomies/Content Taxonomy 3.1.tsv",
         "b7acdcaa30d4c389d0fe022e93865ca59a4299e6", "CC BY 3.0", edges_of("Unique ID", "Parent"), iab),
]  # fmt: skip


def measure(case: Case, path: Path) -> dict[str, Any]:
    begin = time.perf_counter()
    tree = case.read(path)
    seconds = time.perf_counter() - begin
    found, plain = ours(tree), case.count(path)
    differ = {name: [found[name], n] for name, n in plain.items() if found[name] != n}
    return {
        **{name: getattr(case, name) for name in ("name", "source", "commit", "licence")},
        "bytes": path.stat().st_size,
        "seconds": round(seconds, 2),
        "rootward": found,
        "plain": plain,
        "differ": differ,
        "notes": [note[:200] for note in tree.notes],
    }


def main() -> None:
    folder = Path(sys.argv[1])
    results = []
    for case in CASES:
        if (folder / case.name).is_file():
            results.append(measure(case, folder / case.name))
            row = results[-1]
            print(f"{row['name']:22} {row['seconds']:6.2f} s  {row['rootward']}  differ: {row['differ'] or 'nothing'}")
    OUT.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
