"""A random hierarchy, written in each format by plain code or another library, is read back as it was."""

import csv
import json
import re
from typing import NamedTuple

import networkx
import pandas
import pytest
import rdflib
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rootward.hierarchy import Hierarchy
from rootward.readers.tables import MISSING

FEW, MANY = 15, 500
SKOS, RDFS, OWL, RDF = rdflib.SKOS, rdflib.RDFS, rdflib.OWL, rdflib.RDF
EXACT = rdflib.URIRef("http://www.geneontology.org/formats/oboInOwl#hasExactSynonym")
SPACE = "http://example.org/"


class Tree(NamedTuple):
    """Nodes 'n0', 'n1' and so on; edges (child, parent); texts by node."""

    nodes: list[str]
    edges: set[tuple[str, str]]
    names: dict[str, str]
    synonyms: dict[str, list[str]]

    def renamed(self, rename) -> "Tree":
        """The same with other ids."""
        new = {node: rename(node) for node in self.nodes}
        return Tree(
            list(new.values()),
            {(new[low], new[up]) for low, up in self.edges},
            {new[node]: name for node, name in self.names.items()},
            {new[node]: words for node, words in self.synonyms.items()},
        )


ODD = [
    *("café", "cafe\u0301 au lait", '4" bowl', "a, b; c", "Shoes {new}", "wow! great", "back\\slash", "日本語"),
    *("naïve 'q'", "men’s", "x > y", "#hash", "- dash", "C++", "ß", "1.0", "e=mc²", "[list]", "(a)", "é\u0301"),
]
TEXTS = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8),
).map(lambda text: " ".join(text.split()))


@st.composite
def trees(draw, texts=TEXTS) -> Tree:
    """Up to 9 nodes, each below some of the earlier ones."""
    nodes = [f"n{i}" for i in range(draw(st.integers(2, 9)))]
    edges = set()
    for i, node in enumerate(nodes[1:], 1):
        edges |= {(node, nodes[up]) for up in draw(st.sets(st.integers(0, i - 1), max_size=3))}
    texts = texts.filter(lambda text: text and text not in MISSING)
    names = {node: draw(texts) for node in nodes}
    synonyms = {node: draw(st.lists(texts, max_size=3, unique=True)) for node in nodes}
    return Tree(nodes, edges, names, {n: [w for w in words if w != names[n]] for n, words in synonyms.items()})


def same(tree: Hierarchy, made: Tree) -> None:
    """The same nodes, edges, names and synonyms."""
    assert set(tree.ids) == set(made.nodes)
    assert set(tree.edges()) == made.edges
    assert tree.texts is not None
    assert dict(zip(tree.ids, tree.texts.names, strict=True)) == made.names
    found = {node: sorted(words) for node, words in zip(tree.ids, tree.texts.synonyms, strict=True)}
    assert found == {node: sorted(words) for node, words in made.synonyms.items()}


def rows_of(made: Tree) -> list[tuple[str, str]]:
    """(child, parent) rows; a root has one with an empty parent."""
    low = {child for child, _ in made.edges}
    return [*sorted(made.edges), *((node, "") for node in made.nodes if node not in low)]


def from_csv(made, folder):
    with (folder / "edges.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("child", "parent"), *rows_of(made)])
    with (folder / "nodes.csv").open("w", newline="") as file:
        lists = [json.dumps(made.synonyms[node]) for node in made.nodes]
        rows = zip(made.nodes, made.names.values(), lists, strict=True)
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("id", "name", "synonyms"), *rows])
    return Hierarchy.from_edges(folder / "edges.csv", nodes=folder / "nodes.csv"), made


def from_pandas(made, folder):
    frame = pandas.DataFrame(rows_of(made), columns=["child", "parent"]).replace("", None)
    nodes = pandas.DataFrame({"id": made.nodes, "name": made.names.values(), "synonyms": made.synonyms.values()})
    frame.to_parquet(folder / "edges.parquet")
    nodes.to_parquet(folder / "nodes.parquet")
    return Hierarchy.from_edges(folder / "edges.parquet", nodes=folder / "nodes.parquet"), made


def from_records(made, folder):
    records = [{"child": child, "parent": parent or None} for child, parent in rows_of(made)]
    nodes = [{"id": node, "name": made.names[node], "synonyms": made.synonyms[node]} for node in made.nodes]
    return Hierarchy.from_edges(records, nodes=nodes), made


def from_networkx(made, folder):
    graph = networkx.DiGraph()
    for node in made.nodes:
        graph.add_node(node, name=made.names[node], synonyms=made.synonyms[node])
    graph.add_edges_from(made.edges)
    return Hierarchy.from_networkx(graph), made


def from_obonet(made, folder):
    """A graph as obonet makes: keys are relations, attributes are clauses."""
    graph = networkx.MultiDiGraph()
    for node in made.nodes:
        clauses = [f'"{escaped(word)}" EXACT []' for word in made.synonyms[node]]
        graph.add_node(node, name=made.names[node], synonym=[*clauses, '"loose" RELATED []'])
    for child, parent in made.edges:
        graph.add_edge(child, parent, key="is_a")
        graph.add_edge(parent, child, key="has_part")
    tree = Hierarchy.from_networkx(graph)
    if made.edges:
        assert any(f"has_part ({len(made.edges):,})" in note for note in tree.notes)
    return tree, made


def escaped(text):
    return re.sub(r'(["\\])', r"\\\1", text)


def from_obo(made, folder):
    lines = ["format-version: 1.2", ""]
    for node in made.nodes:
        name = re.sub(r"([\\{}!])", r"\\\1", made.names[node])
        lines += ["[Term]", f"id: {node}", f"name: {name}"]
        lines += [f'synonym: "{escaped(word)}" EXACT []' for word in made.synonyms[node]]
        lines += [f"is_a: {parent} ! remark" for child, parent in sorted(made.edges) if child == node]
        lines += ['synonym: "loose" BROAD []', f"relationship: has_part {node}", ""]
    lines += ["[Term]", "id: gone", "is_obsolete: true", "", "[Instance]", "id: i", ""]
    (folder / "tree.obo").write_text("\n".join(lines))
    tree = Hierarchy.from_obo(folder / "tree.obo")
    n = len(made.nodes)
    for words in (f"BROAD ({n})", f"has_part ({n})", "1 obsolete term", "1 stanza"):
        assert any(words in note for note in tree.notes), (words, tree.notes)
    return tree, made


def from_skos(made, folder):
    made, graph = made.renamed(lambda node: SPACE + node), rdflib.Graph()
    for node in made.nodes:
        graph.add((rdflib.URIRef(node), RDF.type, SKOS.Concept))
        graph.add((rdflib.URIRef(node), SKOS.prefLabel, rdflib.Literal(made.names[node], "en")))
        graph.add((rdflib.URIRef(node), SKOS.altLabel, rdflib.Literal("autre", "fr")))
        for word in made.synonyms[node]:
            graph.add((rdflib.URIRef(node), SKOS.altLabel, rdflib.Literal(word, "en")))
    pairs = sorted((rdflib.URIRef(low), rdflib.URIRef(up)) for low, up in made.edges)
    for place, (child, parent) in enumerate(pairs):
        graph.add((child, SKOS.broader, parent) if place % 2 else (parent, SKOS.narrower, child))
    graph.serialize(folder / "tree.ttl", format="turtle")
    tree = Hierarchy.from_skos(folder / "tree.ttl")
    assert any(f"{len(made.nodes)} texts in other languages" in note for note in tree.notes)
    return tree, made


def from_owl(made, folder):
    made, graph = made.renamed(lambda node: SPACE + node), rdflib.Graph()
    for node in made.nodes:
        graph.add((rdflib.URIRef(node), RDF.type, OWL.Class))
        graph.add((rdflib.URIRef(node), RDFS.label, rdflib.Literal(made.names[node])))
        for word in made.synonyms[node]:
            graph.add((rdflib.URIRef(node), EXACT, rdflib.Literal(word)))
    for child, parent in made.edges:
        graph.add((rdflib.URIRef(child), RDFS.subClassOf, rdflib.URIRef(parent)))
    graph.add((rdflib.URIRef(SPACE + "gone"), RDF.type, OWL.Class))
    graph.add((rdflib.URIRef(SPACE + "gone"), OWL.deprecated, rdflib.Literal(True)))
    graph.serialize(folder / "tree.owl", format="xml")
    tree = Hierarchy.from_owl(folder / "tree.owl")
    assert any("1 deprecated class" in note for note in tree.notes)
    return tree, made


def from_json_records(made, folder):
    parents = {child: [up for low, up in made.edges if low == child] for child in made.nodes}
    records = [
        {"id": node, "name": made.names[node], "synonyms": made.synonyms[node], "parent": parents[node], "size": 3}
        for node in made.nodes
    ]
    (folder / "tree.json").write_text(json.dumps(records))
    tree = Hierarchy.from_nested(folder / "tree.json", layout="records")
    assert any(f"size ({len(made.nodes)})" in note for note in tree.notes)
    return tree, made


def from_nested(made, folder):
    """As children of each parent, with ids; a node below several stands there several times."""

    def node_of(node):
        below = [low for low, up in sorted(made.edges) if up == node]
        fields = {"id": node, "name": made.names[node], "synonyms": made.synonyms[node]}
        return fields | {"children": [node_of(low) for low in below]}

    low = {child for child, _ in made.edges}
    (folder / "tree.json").write_text(json.dumps([node_of(node) for node in made.nodes if node not in low]))
    return Hierarchy.from_nested(folder / "tree.json", ids="id"), made


READERS = [from_csv, from_pandas, from_records, from_networkx, from_obonet, from_obo, from_skos, from_owl,
           from_json_records, from_nested]  # fmt: skip


def check(read, tmp_path_factory, n):
    folder = tmp_path_factory.mktemp("tree")

    @settings(max_examples=n, deadline=None, derandomize=n == FEW, suppress_health_check=list(HealthCheck))
    @given(trees())
    def read_back(made):
        same(*read(made, folder))

    read_back()


@pytest.mark.parametrize("read", READERS)
def test_a_random_hierarchy_is_read_back_as_it_was_written(read, tmp_path_factory):
    check(read, tmp_path_factory, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("read", READERS)
def test_many_random_hierarchies_are_read_back(read, tmp_path_factory):
    check(read, tmp_path_factory, MANY)


@settings(max_examples=FEW, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=8), st.sampled_from(ODD[:4]))
def test_random_paths_are_read_back_from_lines_and_from_level_columns(paths, odd):
    paths = [[f"{odd} {step}" for step in path] for path in paths]
    assume(not any(">" in name for path in paths for name in path))
    nodes = {tuple(path[:end]) for path in paths for end in range(1, len(path) + 1)}
    ids = {" > ".join(path) for path in nodes}
    edges = {(" > ".join(path), " > ".join(path[:-1])) for path in nodes if len(path) > 1}
    frame = pandas.DataFrame([path + [None] * (4 - len(path)) for path in paths], columns=["L1", "L2", "L3", "L4"])
    lines = [" > ".join(path) for path in paths]
    for tree in (
        Hierarchy.from_paths(lines, layout="plain"),
        Hierarchy.from_paths(paths),
        Hierarchy.from_paths(frame),
        Hierarchy.from_paths(pandas.DataFrame({"path": lines}), layout="plain"),
    ):
        assert set(tree.ids) == ids
        assert set(tree.edges()) == edges
