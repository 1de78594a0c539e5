"""Nothing is read wrong in silence: inputs after public bug reports, each named by what a user saw."""

import ast
from typing import NamedTuple

import numpy as np
import pytest

from rootward.encoders import DualEncoder
from rootward.errors import CycleError, InputError, TableError
from rootward.hierarchy import Hierarchy
from rootward.hierarchy.node_names import NodeNames
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Filter, Index


@pytest.fixture
def write(tmp_path):
    """Writes a file and gives its path."""

    def write(name, text):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


def noted(tree, *words):
    """One note holds all of these words."""
    assert any(all(word in note for word in words) for note in tree.notes), tree.notes


# -- numbers as ids ----------------------------------------------------------------------------------------------------


def test_parents_that_pandas_wrote_as_floats_are_the_ids_themselves(write):
    path = write("edges.csv", "id,parent_id\n1,\n2,1.0\n3,1.0\n4,2.0\n")
    tree = Hierarchy.from_edges(path, child="id", parent="parent_id")
    assert tree.edges() == [("2", "1"), ("3", "1"), ("4", "2")]
    noted(tree, "'1.0' beside '1'")


def test_leading_zeros_stay_and_section_numbers_are_kept_apart(write):
    assert set(Hierarchy.from_edges(write("a.csv", "child,parent\n007,07\n07,7\n")).ids) == {"007", "07", "7"}
    sections = Hierarchy.from_edges(write("b.csv", "child,parent\n1.0,1\n1.1,1\n"))
    assert set(sections.ids) == {"1", "1.0", "1.1"}
    noted(sections, "'1.0' and '1' are kept apart")


def test_floats_in_rows_of_python_are_the_whole_numbers_that_they_are():
    missing = float("nan")
    assert Hierarchy.from_edges([(1, missing), (2, 1.0)]).edges() == [("2", "1")]
    assert Hierarchy.from_edges([("a", 1.0), (1, None)], nodes=[1.0, "a"]).ids[0] == "1"
    pairs = Pairs.from_table([("shoe", 1.0, 0), ("boot", 2, 0)])
    assert list(pairs.document_ids) == ["1", "2"]
    assert Ids([1, 2]).row(2.0) == 1
    with pytest.raises(InputError, match="empty"):
        Ids([missing])


def test_documents_of_pairs_that_pandas_wrote_as_floats_are_the_ids_themselves(write):
    pairs = Pairs.from_table(write("pairs.csv", "query,document,distance\n1,1.0,0\n2,2.0,0\n2,1.0,1\n"))
    assert list(pairs.query_ids) == list(pairs.document_ids) == ["1", "2"]
    noted(pairs, "'1.0' beside '1'")


def test_records_and_named_tuples_of_a_frame_are_rows():
    class Pandas(NamedTuple):
        Index: int
        child: str
        parent: str

    for row in ({"child": "a", "parent": "b", "weight": 3}, Pandas(0, "a", "b")):
        assert Hierarchy.from_edges([row]).edges() == [("a", "b")]
    with pytest.raises(TableError, match=r"must be a tuple \(child, parent\)"):
        Hierarchy.from_edges([{"id": "a", "parent": "b"}])


# -- missing values ----------------------------------------------------------------------------------------------------


def test_words_for_nothing_are_no_parents(write):
    text = "child,parent\nroot,NULL\na,root\nb,root\nc,\\N\nd,NaN\ne,None\nf,nan\n"
    tree = Hierarchy.from_edges(write("edges.csv", text))
    assert tree.roots == ["root", "c", "d", "e", "f"]
    assert len(tree) == 7
    noted(tree, "5 rows have 'NULL'", "list it in nodes=")


def test_a_node_that_is_called_null_is_kept_as_the_note_says(write):
    quoted = Hierarchy.from_edges(write("edges.csv", 'child,parent\na,"NULL"\nb,NULL\n'))
    assert quoted.edges() == [("a", "NULL")]
    noted(quoted, "kept as a node", "quoted")
    edges = [("a", "NaN"), ("b", "a")]
    assert len(Hierarchy.from_edges(edges).edges()) == 1
    assert Hierarchy.from_edges(edges, nodes=["a", "b", "NaN"]).parents_of("a") == ["NaN"]
    assert Hierarchy.from_edges([*edges, ("NaN", None)]).parents_of("a") == ["NaN"]


@pytest.mark.parametrize("child", ["  ", "\t", None, float("nan")])
def test_a_child_of_white_space_is_refused(child):
    with pytest.raises(InputError, match="Edge 1: the child is empty"):
        Hierarchy.from_edges([(child, "a")])


# -- delimiters --------------------------------------------------------------------------------------------------------


def test_the_first_line_sep_that_excel_writes_names_the_delimiter(write):
    path = write("pairs.csv", "sep=;\r\nquery;document;distance\r\nshoe;1;0\r\n")
    for options in ({}, {"delimiter": ";"}):
        pairs = Pairs.from_table(path, **options)
        assert (list(pairs.query_ids), list(pairs.document_ids)) == (["shoe"], ["1"])
    path = write("pairs.csv", "sep=;\r\nquery;document;distance\r\nshoe;1;far\r\n")
    with pytest.raises(TableError, match=r"Row 3 of pairs\.csv"):
        Pairs.from_table(path)


# -- circles, and ids that look the same -------------------------------------------------------------------------------


def test_three_circles_are_one_error(write):
    with pytest.raises(CycleError) as error:
        Hierarchy.from_edges(write("edges.csv", "child,parent\na,b\nb,a\nc,d\nd,c\ne,f\nf,e\n"))
    for words in ("3 circles", "a -> b -> a", "c -> d -> c", "e -> f -> e", "row 7 of edges.csv", "its synonym"):
        assert words in str(error.value)
    assert error.value.cycle == ("a", "b", "a")


def test_of_many_circles_ten_are_printed_and_all_counted():
    with pytest.raises(CycleError, match=r"12 circles(.|\n)*and 2 more"):
        Hierarchy.from_edges([(f"{i}{end}", f"{i}{'ba'[end == 'b']}") for i in range(12) for end in "ab"])
    with pytest.raises(InputError, match=r"Edge 1: 'a' is its own parent\. So are those of Edge 3\."):
        Hierarchy.from_edges([("a", "a"), ("b", "a"), ("c", "c")])


NFC, NFD = "caf\u00e9", "cafe\u0301"


def test_a_word_in_two_unicode_forms_is_one_node(write):
    edges = f"child,parent\n{NFC},drinks\nespresso,{NFD}\nlatte,{NFC}\nmocha,{NFC}\n"
    tree = Hierarchy.from_edges(write("edges.csv", edges))
    assert sorted(tree.children_of(NFC)) == sorted(tree.children_of(NFD)) == ["espresso", "latte", "mocha"]
    noted(tree, "1 id is there in two Unicode forms")
    nodes = write("nodes.csv", f"id,name,synonyms\n{NFC},Coffee house,\n{NFD},,coffee shop\ndrinks,,\n")
    tree = Hierarchy.from_edges([(NFD, "drinks")], nodes=nodes)
    assert tree.names()[0] == ("Coffee house", "coffee shop")


def test_a_name_with_an_accent_is_found_in_either_form():
    lines = ["Hats > Womens", "Hats > Mens", "Shirts > Womens", "Shirts > Mens", f"Shoes > {NFC} Racer"]
    tree = Hierarchy.from_paths(lines)
    assert len(tree) == 8
    noted(tree, "2 names stand in several places", "'Womens'", "from_edges")
    for word in (NFC, NFD):
        row = tree.ids.row(f"Shoes > {word} Racer")
        assert NodeNames(tree.ids, tree.texts, tree.parent_offsets, tree.parents).find(f"{word} racer") == [row]


def test_ids_that_differ_by_case_or_what_cannot_be_seen_are_noted():
    noted(Hierarchy.from_edges([("Shoes", "a"), ("shoes", "a")]), "but for case", "'shoes' beside 'Shoes'")
    noted(Hierarchy.from_edges([("boots", "a"), ("bo\u00adots", "a")]), "invisible", r"'bo\xadots' beside 'boots'")


# -- paths that are not plain ------------------------------------------------------------------------------------------

GOOGLE = ["# Google_Product_Taxonomy_Version: 2021-09-21", "1 - Pets", "3237 - Pets > Live Animals", "2 - Pets > Food"]
SHOPIFY = [f"gid://shopify/TaxonomyCategory/ap{end}" for end in (" : Pets", "-1 : Pets > Food", "-2 : Pets > Toys")]


def test_the_file_of_google_with_ids_is_known_by_its_look(write):
    said = Hierarchy.from_paths(GOOGLE, layout="google-with-ids")
    for source in (GOOGLE, write("google.txt", "\n".join(GOOGLE))):
        tree = Hierarchy.from_paths(source)
        assert (list(tree.ids), tree.edges()) == (list(said.ids), said.edges())
        noted(tree, "layout='google-with-ids'")
    assert Hierarchy.from_paths(GOOGLE, layout="plain").ids[0] == GOOGLE[0]


def test_the_lines_of_shopify_are_known_by_their_look():
    tree = Hierarchy.from_paths(SHOPIFY)
    assert tree.roots == ["gid://shopify/TaxonomyCategory/ap"]
    assert tree.n_edges == 2
    noted(tree, "layout='shopify'")


def test_comments_and_a_header_above_paths_are_no_nodes():
    tree = Hierarchy.from_paths(["# version 3", "Category path", "a > b", "a > c"])
    assert list(tree.ids) == ["a", "a > b", "a > c"]
    noted(tree, "1 line that starts with '#'")
    noted(tree, "the first line, 'Category path'")


def test_quoted_paths_lose_their_quotes():
    tree = Hierarchy.from_paths(['"Pets > Food, dry"', '"Pets > 4"" bowls"', "Pets"])
    assert set(tree.ids) == {"Pets", "Pets > Food, dry", 'Pets > 4" bowls'}
    noted(tree, "double quotes")


def test_separators_with_and_without_blanks_are_one():
    tree = Hierarchy.from_paths(["A > B", "A>B>C", "A >D"])
    assert set(tree.ids) == {"A", "A > B", "A > B > C", "A > D"}
    noted(tree, "'>' without a blank")


@pytest.mark.parametrize("separator", ["/", " / ", "|", "»", " » ", "&gt;", " &gt; ", ",", "\t", "::", "→"])
def test_another_separator_is_named_and_the_advice_works(separator):
    lines = [
        separator.join(path) for path in (("Pets",), ("Pets", "Food"), ("Pets", "Toys"), ("Pets", "Toys", "Balls"))
    ]
    with pytest.raises(TableError, match="Say so with separator=") as error:
        Hierarchy.from_paths(lines)
    advised = ast.literal_eval(str(error.value).partition("separator=")[2].rstrip("."))
    tree = Hierarchy.from_paths(lines, separator=advised)
    assert tree.n_edges == 3
    assert tree.roots == ["Pets"]


def test_a_few_plain_lines_do_not_hide_another_separator():
    with pytest.raises(TableError, match="separator='/'"):
        Hierarchy.from_paths(["Pets > Food", *(f"Pets/{i}" for i in range(9))])


@pytest.mark.parametrize(
    "lines",
    [["id,path", "1,Pets", "2,Pets > Food", "3,Pets > Toys"], ["1\tPets", "2\tPets > Food", "3\tPets > Toys"]],
)
def test_a_table_with_a_column_of_paths_is_no_list_of_paths(lines, write):
    with pytest.raises(TableError, match=r"table.*from_paths"):
        Hierarchy.from_paths(write("paths.csv", "\n".join(lines)))


def test_an_edge_list_is_no_list_of_paths(write):
    with pytest.raises(TableError, match=r"from_edges"):
        Hierarchy.from_paths(write("edges.csv", "child,parent\nfood,pets\ntoys,pets\n"))


# -- node tables, thesauri and lists of texts --------------------------------------------------------------------------

ESCO = """id,name,synonyms,broaderUri
http://x/o/1,software developer,"programmer
coder
software programmer ",http://x/o/0
http://x/o/0,professionals,,
http://x/o/2,"cook, private",chef,http://x/o/0
"""


def test_synonyms_a_line_each_as_esco_writes_them(write):
    path = write("esco.csv", ESCO)
    for text in (ESCO, ESCO.replace("id,name,synonyms", "conceptUri,preferredLabel,altLabels", 1)):
        path = write("esco.csv", text)
        child = text.partition(",")[0]
        tree = Hierarchy.from_edges(path, child=child, parent="broaderUri", nodes=path)
        assert tree.texts.names == ("software developer", "professionals", "cook, private")
        assert tree.texts.synonyms == (("programmer", "coder", "software programmer"), (), ("chef",))
    noted(tree, "'preferredLabel' as name", "'altLabels' as synonyms")


@pytest.mark.parametrize("cell", ["b|c", "b; c", '"b\nc"', '"[""b"", ""c""]"', "b | c"])
def test_synonyms_with_any_usual_separator(cell, write):
    nodes = write("nodes.csv", f"Node ID,Label,Synonym\na,A,{cell}\n")
    assert Hierarchy.from_edges([("a", None)], nodes=nodes).texts.synonyms == (("b", "c"),)


def test_edges_between_names_are_joined_to_the_ids(write):
    nodes = write("nodes.csv", "id,name\n1,Shoes\n2,Boots\n")
    tree = Hierarchy.from_edges([("Boots", "Shoes"), ("Shoes", "")], nodes=nodes)
    assert tree.edges() == [("2", "1")]
    noted(tree, "are names", "'Boots' as '2'")


def test_one_text_where_a_list_belongs_is_one_element_or_refused():
    content = {"name": "shoes", "synonyms": "footwear"}
    assert Hierarchy.from_nested(content).texts.synonyms == (("footwear",),)
    with pytest.raises(InputError, match="needed a list of texts"):
        Hierarchy.from_nested({"name": "shoes", "synonyms": 3})
    tree = Hierarchy.from_edges([("A", "B"), ("AB", "B")])
    for refused in (lambda: Filter.only("AB"), lambda: tree.ids.rows("AB"), lambda: tree.pairs(leave_out="AB")):
        with pytest.raises(InputError, match=r"Write \['AB'\]"):
            refused()


def test_an_index_reads_no_letters_of_a_text_as_ids():
    vectors = np.eye(3, dtype=np.float32)
    pairs = Hierarchy.from_edges([("A", "B"), ("AB", "B")]).pairs()
    index = Index.build(DualEncoder.from_vectors(pairs, vectors, vectors))
    for change in (lambda: index.delete("AB"), lambda: index.upsert("AB", vectors[:2])):
        with pytest.raises(InputError, match=r"Write \['AB'\]"):
            change()


def test_after_a_deletion_an_unknown_id_is_sought_among_those_that_are_left():
    vectors = np.eye(3, dtype=np.float32)
    pairs = Hierarchy.from_edges([("A", "B"), ("AB", "B")]).pairs()
    index = Index.build(DualEncoder.from_vectors(pairs, vectors, vectors))
    index.delete(["A"])
    with pytest.raises(InputError, match="No id 'C' among 2"):
        index.delete(["C"])


def test_a_node_table_with_one_number_twice_is_refused(write):
    nodes = write("nodes.csv", "id,name\n1,Shoes\n1.0,Boots\n")
    with pytest.raises(InputError, match="The node table holds both"):
        Hierarchy.from_edges([("1", None)], nodes=nodes)
