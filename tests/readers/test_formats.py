"""What each format says beyond the edges: order, texts, languages, what is left out."""

import gzip

import pyarrow as pa
import pytest

from rootward.errors import MissingExtraError
from rootward.hierarchy import Hierarchy
from shoes import EDGES, shoes

# -- edge tables -----------------------------------------------------------------------------------------------


def test_duplicate_edges_are_dropped_and_counted():
    shop = Hierarchy.from_edges([*EDGES, EDGES[3], EDGES[4]])
    assert shop.edges() == shoes().edges()
    assert shop.notes == ("Left out 2 duplicate edges.",)


def test_a_node_table_gives_order_and_texts(tmp_path):
    (tmp_path / "nodes.csv").write_text(
        'id,name,synonyms,definition\nfootwear,Footwear,,\n2,Sandals,thongs|slides,"Open, with\nstraps."\n'
    )
    (tmp_path / "edges.csv").write_text("child,parent\n2,footwear\n")
    tree = Hierarchy.from_edges(tmp_path / "edges.csv", nodes=tmp_path / "nodes.csv")
    assert list(tree.ids) == ["footwear", "2"]
    assert tree.texts.names == ("Footwear", "Sandals")
    assert tree.texts.synonyms == ((), ("thongs", "slides"))
    assert tree.texts.definitions == ("", "Open, with\nstraps.")


def test_nodes_without_edges_are_nodes():
    assert len(Hierarchy.from_edges([], nodes=["a", "b"])) == 2


def test_synonyms_may_be_a_list_and_ids_numbers(tmp_path):
    nodes = pa.table({"id": [1, 2], "synonyms": [["one", "uno"], None]})
    tree = Hierarchy.from_edges(pa.table({"child": [2], "parent": [1]}), nodes=nodes)
    assert tree.parents_of(2) == ["1"]
    assert tree.texts.synonyms == (("one", "uno"), ())


def test_numbers_beside_an_empty_parent_stay_whole():
    """pandas writes integer ids as floats as soon as one parent is missing."""
    table = pa.table({"child": [1, 2], "parent": pa.array([float("nan"), 1.0])})
    tree = Hierarchy.from_edges(table)
    assert tree.edges() == [("2", "1")]


def test_the_word_na_is_an_id_like_any_other(tmp_path):
    (tmp_path / "edges.csv").write_text('child,parent\nNA,"null"\nnan,NA\n')
    assert Hierarchy.from_edges(tmp_path / "edges.csv").edges() == [("NA", "null"), ("nan", "NA")]


def test_semicolons_as_excel_writes_them_and_packed_files(tmp_path):
    (tmp_path / "edges.csv").write_bytes(b"\xef\xbb\xbfchild;parent\r\nboots, high;shoes\r\n")
    (tmp_path / "nodes.csv").write_text('id;name\n"boots, high";Boots\nshoes;Shoes\n')
    tree = Hierarchy.from_edges(tmp_path / "edges.csv", nodes=tmp_path / "nodes.csv", delimiter=";")
    assert tree.parents_of("boots, high") == ["shoes"]
    assert tree.texts.names == ("Boots", "Shoes")
    (tmp_path / "edges.tsv.gz").write_bytes(gzip.compress(b"child\tparent\nboots\tshoes\n"))
    assert Hierarchy.from_edges(tmp_path / "edges.tsv.gz").parents_of("boots") == ["shoes"]
    (tmp_path / "terms.obo.gz").write_bytes(gzip.compress(OBO.encode()))
    assert Hierarchy.from_obo(tmp_path / "terms.obo.gz").edges() == [("P:2", "P:1")]


def test_quotes_commas_and_a_byte_order_mark_in_csv(tmp_path):
    (tmp_path / "edges.csv").write_text('child,parent\n"a, ""b""",ü\n\nü,\n', encoding="utf-8-sig")
    assert Hierarchy.from_edges(tmp_path / "edges.csv").edges() == [('a, "b"', "ü")]


# -- OBO, SKOS, OWL, nested ------------------------------------------------------------------------------------

OBO = """format-version: 1.2
default-namespace: plants

[Term]
id: P:1
name: plant
[Term]
id: P:2
name: \\"old\\" tree
def: "A tall plant.\\nWith wood." [book:1]
synonym: "wood" RELATED []
synonym: "arbor" EXACT latin [book:1]
is_a: P:1 {source="book"} ! plant
[Term]
id: P:3
name: leaf
relationship: part_of P:2 ! tree
is_a: X:9
[Term]
id: P:4
is_obsolete: true
is_a: P:1
[Term]
id: A:1
name: animal
namespace: animals
[Typedef]
id: part_of
name: part of
"""


@pytest.fixture
def plants(tmp_path):
    (tmp_path / "plants.obo").write_text(OBO)
    return tmp_path / "plants.obo"


def test_obo_leaves_out_obsolete_terms_and_takes_exact_synonyms(plants):
    tree = Hierarchy.from_obo(plants)
    assert list(tree.ids) == ["P:1", "P:2", "P:3", "A:1"]
    assert tree.edges() == [("P:2", "P:1")]
    assert tree.texts.names[1] == '"old" tree'
    assert tree.texts.synonyms[1] == ("arbor",)
    assert tree.texts.definitions[1] == "A tall plant.\nWith wood."
    assert "1 edge" in tree.notes[0]


def test_obo_follows_the_chosen_relations_scopes_and_namespace(plants):
    tree = Hierarchy.from_obo(plants, relations=["is_a", "part_of"], scopes=["RELATED"], namespace="plants")
    assert tree.edges() == [("P:2", "P:1"), ("P:3", "P:2")]
    assert "A:1" not in tree.ids
    assert tree.texts.synonyms[1] == ("wood",)


SKOS = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix : <http://example.org/> .
:a a skos:Concept ; skos:prefLabel "shoe"@en-GB, "Schuh"@de ; skos:narrower :b .
:b a skos:Concept ; skos:prefLabel "boot", "Stiefel"@de ; skos:broader :a, :gone .
:c a skos:Concept ; skos:prefLabel "chausson"@fr .
:gone a skos:Concept ; owl:deprecated true .
"""


def test_skos_labels_follow_the_language_then_what_there_is(tmp_path):
    pytest.importorskip("rdflib")
    (tmp_path / "shop.ttl").write_text(SKOS)
    assert Hierarchy.from_skos(tmp_path / "shop.ttl").texts.names == ("shoe", "boot", "chausson")
    assert Hierarchy.from_skos(tmp_path / "shop.ttl", language="de").texts.names == ("Schuh", "Stiefel", "chausson")


def test_skos_broader_and_narrower_tell_one_edge_and_deprecated_concepts_go(tmp_path):
    pytest.importorskip("rdflib")
    (tmp_path / "shop.ttl").write_text(SKOS)
    tree = Hierarchy.from_skos(tmp_path / "shop.ttl")
    assert tree.edges() == [("http://example.org/b", "http://example.org/a")]
    assert len(tree) == 3
    under = "http://example.org/b under http://example.org/gone"
    assert tree.notes[0] == f"Left out 1 edge to a node that is deprecated or not in the file: {under}."
    assert tree.notes[1] == "Left out 1 deprecated concept: http://example.org/gone."


def test_owl_skips_restrictions_and_thing(tmp_path):
    pytest.importorskip("rdflib")
    (tmp_path / "shop.ttl").write_text(
        """@prefix owl: <http://www.w3.org/2002/07/owl#> .
        @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
        @prefix : <http://example.org/> .
        :a a owl:Class ; rdfs:label "a" ; rdfs:subClassOf owl:Thing .
        :b a owl:Class ; rdfs:label "b" ; rdfs:subClassOf :a,
            [ a owl:Restriction ; owl:onProperty :p ; owl:someValuesFrom :a ] ."""
    )
    tree = Hierarchy.from_owl(tmp_path / "shop.ttl")
    assert tree.edges() == [("http://example.org/b", "http://example.org/a")]
    assert tree.notes == ("Left out 1 restriction, which makes no parent: p (1).",)


def test_nested_several_tops_and_paths_as_ids():
    forest = Hierarchy.from_nested([{"name": "shoes", "children": [{"name": "kids"}]}, {"name": "coats"}])
    assert list(forest.ids) == ["shoes", "shoes > kids", "coats"]
    assert forest.texts.names == ("shoes", "kids", "coats")


def test_networkx_keeps_texts_there_and_back():
    pytest.importorskip("networkx")
    nodes = pa.table({"id": ["a", "b"], "name": ["A", "B"], "synonyms": ["x|y", ""], "definition": ["first", None]})
    tree = Hierarchy.from_edges([("a", "b")], nodes=nodes)
    assert Hierarchy.from_networkx(tree.to_networkx()).texts == tree.texts


@pytest.mark.parametrize(("module", "read"), [("rdflib", "SKOS"), ("rdflib", "OWL"), ("networkx", "networkx")])
def test_a_missing_package_is_told_with_its_install_line(module, read, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    (tmp_path / "shop.ttl").write_text(SKOS)
    doors = {
        "SKOS": lambda: Hierarchy.from_skos(tmp_path / "shop.ttl"),
        "OWL": lambda: Hierarchy.from_owl(tmp_path / "shop.ttl"),
        "networkx": lambda: shoes().to_networkx(),
    }
    with pytest.raises(MissingExtraError, match=r"pip install 'rootward\[formats\]'"):
        doors[read]()
