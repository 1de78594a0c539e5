"""What nodes gain from texts that others say mean the same, and what is too unclear to be gained."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rootward.errors import InputError, TableError
from rootward.hierarchy import Hierarchy
from rootward.texts import Texts
from shoes import shoes


def gains(tree: Hierarchy) -> dict[str, tuple[str, ...]]:
    """The synonyms of the nodes that have some."""
    return {node: words for node, words in zip(tree.ids, tree.texts.synonyms, strict=True) if words}


# -- what is gained ----------------------------------------------------------------------------------------------------


def test_a_group_that_holds_a_name_gives_its_other_texts():
    shop = shoes().with_synonyms([["trainers", "sneakers", "gym shoes"], ["wellies", "gumboots"], ["Boots!"]])
    assert gains(shop) == {"sneakers": ("trainers", "gym shoes")}
    assert shop.notes == ("Added 2 synonyms of 1 node from a thesaurus.",)


def test_a_thesaurus_that_knows_none_of_the_nodes_says_so():
    with pytest.raises(InputError, match=r"Added nothing from a thesaurus\. None of its groups holds the name"):
        shoes().with_synonyms([["tv", "television"]])
    with pytest.raises(InputError, match=r"Added nothing from a thesaurus\. All other texts are names"):
        shoes().with_synonyms([["boots"]])


def test_spelling_does_not_matter_and_nothing_is_gained_twice():
    shop = shoes().with_synonyms([["Flip flops", "JANDALS", "jandals!", "flip-flops"]])
    assert gains(shop) == {"flip-flops": ("JANDALS",)}
    again = shop.with_synonyms([["thongs", "jandals", "Flip-Flops"]])
    assert gains(again) == {"flip-flops": ("JANDALS", "thongs")}, "a synonym that was gained names the node too"


def test_the_first_text_says_which_node_where_several_are_named():
    groups = [["sneakers", "running shoes", "plimsolls"], ["gumboots", "rain boots", "boots"]]
    shop = shoes().with_synonyms(groups)
    assert gains(shop) == {"sneakers": ("plimsolls",)}
    assert shop.notes == ("Added 1 synonym of 1 node from a thesaurus; left out 1 group that may be several nodes.",)


def test_a_text_of_several_groups_names_none():
    """As "boot" in a dictionary: the shoe, and the luggage space of a car."""
    groups = [["boots", "high shoes"], ["boots", "car trunks"], ["sandals", "strap shoes"]]
    shop = shoes().with_synonyms(groups)
    assert gains(shop) == {"sandals": ("strap shoes",)}
    assert "left out 2 groups" in shop.notes[0]


def test_a_group_that_is_there_twice_is_one():
    shop = shoes().with_synonyms([["boots", "high shoes"], ["High Shoes", "boots"]])
    assert gains(shop) == {"boots": ("high shoes",)}


def test_a_text_that_several_nodes_would_have_goes_to_none():
    groups = [["sandals", "slippers", "open shoes"], ["flip-flops", "slippers", "thongs"]]
    shop = shoes().with_synonyms(groups)
    assert gains(shop) == {"sandals": ("open shoes",), "flip-flops": ("thongs",)}
    assert shop.notes[0].endswith("; left out 1 text that several nodes would have.")


def test_a_name_that_two_nodes_have_is_no_name_to_go_by():
    """Category paths end alike: sandals for men, sandals for women."""
    tree = Hierarchy.from_paths(["Men > Sandals", "Women > Sandals", "Women > Pumps"])
    shop = tree.with_synonyms([["Sandals", "Slides"], ["Pumps", "Court shoes"]])
    assert gains(shop) == {"Women > Pumps": ("Court shoes",)}


def test_no_order_of_groups_gives_another_answer():
    groups = [["sneakers", "gym shoes"], ["sandals", "slippers"], ["flip-flops", "slippers", "thongs"]]
    assert gains(shoes().with_synonyms(groups)) == gains(shoes().with_synonyms(groups[::-1]))


def test_another_hierarchy_is_a_thesaurus():
    other = Hierarchy.from_edges([("7", "1")], nodes=["1", "7"])
    named = Hierarchy(
        other.ids,
        other.parent_offsets,
        other.parents,
        Texts(("Footwear", "Boots"), (("footgear",), ()), ("", "")),
    )
    assert gains(shoes().with_synonyms(named)) == {"footwear": ("footgear",)}


def test_everything_else_of_the_hierarchy_stays():
    before, after = shoes(), shoes().with_synonyms([["sneakers", "trainers"]])
    assert after.edges() == before.edges()
    assert list(after.ids) == list(before.ids)
    assert after.texts.names == tuple(before.ids), "ids are names where there were no others"


def test_gained_names_are_queries_with_the_same_answers():
    pairs = shoes().with_synonyms([["sneakers", "trainers"]]).pairs().by_name(unambiguous=True)
    found = pairs.relevant("sneakers: trainers")
    assert [(str(node), int(hops)) for node, hops in found] == [("sneakers", 0), ("shoes", 1), ("footwear", 2)]


# -- files -------------------------------------------------------------------------------------------------------------

LINES = (
    "# what people type\n\nsneakers, trainers , gym shoes\nflip flops => thongs\nsandals, a\\,b, C#\n"
    "Sneakers, plimsolls\nflip flops => thongs\n"
)


def test_a_line_of_a_search_engines_synonyms_is_a_group(tmp_path):
    (tmp_path / "synonyms.txt").write_text(LINES)
    with gzip.open(tmp_path / "packed.txt.gz", "wt") as file:
        file.write(LINES)
    wanted = {"sneakers": ("trainers", "gym shoes", "plimsolls"), "flip-flops": ("thongs",), "sandals": ("a,b", "C#")}
    assert gains(shoes().with_synonyms(tmp_path / "synonyms.txt")) == wanted
    assert gains(shoes().with_synonyms(str(tmp_path / "packed.txt.gz"))) == wanted


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("words.csv", "id,name,synonyms\n1,Sneakers,trainers|gym shoes\n2,slippers,\n"),
        ("words.obo", '[Term]\nid: X:1\nname: sneakers\nsynonym: "trainers" EXACT []\nsynonym: "gym shoes" EXACT []\n'),
    ],
)
def test_a_row_or_a_term_is_a_group(tmp_path, file, content):
    (tmp_path / file).write_text(content)
    assert gains(shoes().with_synonyms(tmp_path / file)) == {"sneakers": ("trainers", "gym shoes")}


def test_skos_and_owl_are_thesauri(tmp_path):
    pytest.importorskip("rdflib")
    (tmp_path / "words.ttl").write_text(
        "@prefix skos: <http://www.w3.org/2004/02/skos/core#> .\n"
        '<urn:1> a skos:Concept ; skos:prefLabel "sneakers"@en ; skos:altLabel "trainers"@en .\n'
    )
    (tmp_path / "words.owl").write_text(
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:owl="http://www.w3.org/2002/07/owl#"'
        ' xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#"'
        ' xmlns:o="http://www.geneontology.org/formats/oboInOwl#"><owl:Class rdf:about="urn:1">'
        "<rdfs:label>sneakers</rdfs:label><o:hasExactSynonym>trainers</o:hasExactSynonym></owl:Class></rdf:RDF>"
    )
    for file in ("words.ttl", "words.owl"):
        assert gains(shoes().with_synonyms(tmp_path / file)) == {"sneakers": ("trainers",)}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("sneakers", "suffix"),
        (["sneakers", "trainers"], "Group 1 is 'sneakers'; needed a list of texts"),
        ([["sneakers", 3]], "Group 1 is"),
        (7, "iterable of groups"),
    ],
)
def test_what_is_no_thesaurus_is_refused(source, message):
    with pytest.raises(InputError, match=message):
        shoes().with_synonyms(source)


def test_a_line_without_a_comma_is_named(tmp_path):
    (tmp_path / "words.txt").write_text("sneakers, trainers\nsandals; slides\n")
    with pytest.raises(TableError, match=r"Row 2 of words\.txt is 'sandals; slides'; needed a comma between texts"):
        shoes().with_synonyms(tmp_path / "words.txt")


def test_a_table_of_ids_alone_is_no_thesaurus(tmp_path):
    (tmp_path / "words.csv").write_text("id\nsneakers\n")
    with pytest.raises(TableError, match="needs the columns id, name and"):
        shoes().with_synonyms(tmp_path / "words.csv")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(TableError, match=r"words\.txt"):
        shoes().with_synonyms(tmp_path / "words.txt")


def test_names_that_are_lists_are_refused(tmp_path):
    table = pa.table({"id": ["a"], "name": [["sandals", "flip-flops"]], "synonyms": [["thongs"]]})
    pq.write_table(table, tmp_path / "words.parquet")
    with pytest.raises(
        TableError, match=r"Row 1 of words.parquet has \['sandals', 'flip-flops'\] in the column 'name'"
    ):
        shoes().with_synonyms(tmp_path / "words.parquet")
