"""Nothing is read wrong in silence: inputs after public bug reports, each named by what a user saw."""

import ast
from decimal import Decimal
from typing import NamedTuple

import networkx
import numpy as np
import pandas
import pyarrow as pa
import pytest

from rootward.encoders import DualEncoder
from rootward.errors import CycleError, InputError, TableError
from rootward.hierarchy import Hierarchy
from rootward.hierarchy.node_names import NodeNames
from rootward.ids import Ids
from rootward.pairs import Labels, Pairs
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


# -- neighbours of these kinds -----------------------------------------------------------------------------------------


def test_zero_above_every_top_row_is_no_parent_where_the_nodes_are_listed(write):
    edges = write("edges.csv", "child,parent\n1,0\n2,1\n3,0\n")
    nodes = write("nodes.csv", "id,name\n1,a\n2,b\n3,c\n")
    tree = Hierarchy.from_edges(edges, nodes=nodes)
    assert (tree.roots, tree.edges()) == (["1", "3"], [("2", "1")])
    noted(tree, "2 rows have '0'", "read as no parent", "nodes=")
    assert Hierarchy.from_edges([(1, -1), (2, 1), (3, -1)]).roots == ["1", "3"]
    alone = Hierarchy.from_edges(edges)  # may as well be the root of a numbered tree
    assert alone.roots == ["0"]
    noted(alone, "2 rows have '0'", "read as a node above their children", "leave these fields empty")


def test_zero_that_is_a_node_stays_one(write):
    rows = "child,parent\n1,0\n2,1\n"
    for tree in (
        Hierarchy.from_edges(write("a.csv", rows + "0,\n")),
        Hierarchy.from_edges(write("b.csv", rows), nodes=[0, 1, 2]),
        Hierarchy.from_edges([(1, 0), (2, 0)]),
        Hierarchy.from_edges(write("c.csv", rows + "3,\n")),
    ):
        assert "0" in tree.roots


def test_columns_of_decimals_short_floats_and_mixed_values_are_whole_numbers():
    decimals, floats = pa.decimal128(10, 2), pa.float32()
    for lower, upper in ((decimals, decimals), (pa.int64(), floats), (floats, pa.float64())):
        table = pa.table({"child": pa.array([2, 3], lower), "parent": pa.array([1, 1], upper)})
        assert Hierarchy.from_edges(table).edges() == [("2", "1"), ("3", "1")]
    frame = pandas.DataFrame({"child": [1, 2, 3], "parent": pandas.Series([None, 1.0, "1"], dtype=object)})
    assert Hierarchy.from_edges(frame).edges() == [("2", "1"), ("3", "1")]
    assert Hierarchy.from_edges([(Decimal("2"), Decimal("1.0"))]).edges() == [("2", "1")]


def test_numbers_as_a_european_or_american_spreadsheet_writes_them(write):
    path = write("a.csv", "child;parent\n1;\n2;1,0\n")
    assert Hierarchy.from_edges(path, delimiter=";").edges() == [("2", "1")]
    noted(Hierarchy.from_edges(write("b.csv", 'child,parent\n1000,\n2,"1,000"\n')), "commas between thousands")
    noted(Hierarchy.from_edges(write("c.csv", "child,parent\n1.23E+11,5\n1.24E+11,5\n")), "has shortened")


@pytest.mark.parametrize(
    "word", ["\u2014", "#REF!", "(none)", "[null]", "?", "N.A.", "[]", "\u200b", "\ufeff", "\u00a0"]
)
def test_what_spreadsheets_and_databases_write_for_nothing_is_no_parent(write, word):
    tree = Hierarchy.from_edges(write("edges.csv", f"child,parent\nr,\na,r\nb,{word}\n"))
    assert tree.roots == ["r", "b"]


def test_empty_rows_and_a_header_in_the_midst_are_no_nodes(write):
    tree = Hierarchy.from_edges(write("edges.csv", 'child,parent,\na,b,\n,,\nchild,parent,\nc,"NULL",\nd,NULL,\n'))
    assert tree.edges() == [("a", "b"), ("c", "NULL")]
    noted(tree, "1 empty row")
    noted(tree, "1 row that repeats the header")


def test_several_parents_as_lists_are_written_or_given(write):
    for cell in ('"[""r"", ""q""]"', "\"['r', 'q']\"", "\"{'q', 'r'}\""):
        tree = Hierarchy.from_edges(write("edges.csv", f"child,parent\na,{cell}\nr,\nq,[]\n"))
        assert set(tree.edges()) == {("a", "r"), ("a", "q")}
    for several in (("r", "q"), {"r", "q"}, np.array(["r", "q"])):
        assert len(Hierarchy.from_edges([("a", several), ("r", None), ("q", None)]).edges()) == 2
    assert Hierarchy.from_edges([((1, 2), (1,))]).ids[0] == "(1, 2)"


@pytest.mark.parametrize("cell", ["\"['b', 'c']\"", "\"['b' 'c']\"", '"{b,c}"', "b<br>c", "b\u2022c", "\"('b', 'c')\""])
def test_synonyms_as_other_programs_write_lists(cell, write):
    nodes = write("nodes.csv", f"id,name,synonyms\na,A,{cell}\n")
    assert Hierarchy.from_edges([("a", None)], nodes=nodes).texts.synonyms == (("b", "c"),)


@pytest.mark.parametrize(
    "header",
    ["ISCO_08_code,Title,Synonyms", "CUI,STR,SY", "id,name_en,synonyms_en", "notation,prefLabel@en,altLabel@en",
     "Class ID,Preferred Label,Synonyms", "category_id,category_name,keywords", "x,label,aliases"],
)  # fmt: skip
def test_a_node_table_with_columns_of_any_names(header, write):
    nodes = write("nodes.csv", f"{header}\n0,Footwear,\n1,Shoes,a|b\n")
    tree = Hierarchy.from_edges([("1", "0")], nodes=nodes)
    assert tree.texts.names == ("Footwear", "Shoes")
    assert tree.texts.synonyms == ((), ("a", "b"))


def test_node_tables_of_json_of_other_delimiters_and_of_names_alone(write):
    records = '[{"id": "0", "name": "Footwear"}, {"id": "1", "name": "Shoes", "synonyms": ["kicks"]}]'
    for name, text in (("n.json", records), ("n.csv", "id;name;synonym1;synonym2\n0;Footwear;;\n1;Shoes;;kicks\n")):
        assert Hierarchy.from_edges([("1", "0")], nodes=write(name, text)).texts.synonyms == ((), ("kicks",))
    names = write("names.csv", "name,synonyms\nFootwear,\nShoes,kicks\n")
    assert Hierarchy.from_edges([("Shoes", "Footwear")], nodes=names).texts.synonyms == ((), ("kicks",))
    mixed = write("mixed.csv", "id,name\n0,Footwear\n1,Shoes\n")
    assert Hierarchy.from_edges([("1", "footwear")], nodes=mixed).edges() == [("1", "0")]
    accent = write("accent.csv", f"id,name\n{NFC},x\nr,R\n")
    assert Hierarchy.from_edges([(NFD, "r")], nodes=accent).edges() == [(NFC, "r")]


def test_a_thesaurus_is_joined_by_id_or_name_whatever_its_columns(write):
    tree = Hierarchy.from_edges([("1", "0")], nodes=[{"id": "0", "name": "Footwear"}, {"id": "1", "name": "Shoes"}])
    for text in (
        "id,synonyms\n1,kicks\n", "node,alias\n1,kicks\n", "name,synonym\nshoes,kicks\n", "word,other\nShoes,kicks\n",
        "id;name;synonyms\n1;Shoes;kicks\n", "id,name,synonyms\n7,Shoes,kicks\n", "term\tsynonyms\nShoes\tkicks\n",
    ):  # fmt: skip
        assert tree.with_synonyms(write("words.csv", text)).texts.synonyms == ((), ("kicks",))
    assert tree.with_synonyms(pandas.DataFrame({"name": ["Shoes"], "synonyms": ["kicks"]})).texts.synonyms[1] == (
        "kicks",
    )
    assert tree.with_synonyms(write("words.txt", "shoes;kicks\n")).texts.synonyms[1] == ("kicks",)
    with pytest.raises(InputError, match="Added nothing"):
        tree.with_synonyms(write("words.csv", "name,definition\nShoes,What feet wear\n"))
    with pytest.raises(InputError, match="Added nothing"):
        tree.with_synonyms(write("words.csv", "name,price\nShoes,49.99\n"))


def test_a_thesaurus_of_skos_in_another_language(write):
    skos = "@prefix skos: <http://www.w3.org/2004/02/skos/core#> . <http://x/a> a skos:Concept ; "
    path = write("words.ttl", skos + 'skos:prefLabel "Schuhe"@de ; skos:altLabel "Treter"@de .')
    tree = Hierarchy.from_edges([("Schuhe", "Kleidung")])
    with pytest.raises(InputError, match="such as language='de'"):
        tree.with_synonyms(path)
    assert tree.with_synonyms(path, language="de").names()[0] == ("Schuhe", "Treter")


def test_labels_of_numbers_and_nothing_and_letters():
    tree = Hierarchy.from_edges([(2, 1)])
    assert len(tree.pairs(labels=Labels.of([("boot", 2.0), ("shoe", None)]), unknown="skip").query_ids) == 3
    for wrong in (["ab", "cd"], "ab", {"boot": 2}, [("boot", [1, 2])]):
        with pytest.raises(InputError):
            Labels.of(wrong)


def test_a_tree_that_is_upside_down_or_mostly_in_pieces_is_noted():
    noted(Hierarchy.from_edges([("root", "a"), ("root", "b"), ("a", "c"), ("a", "d")]), "upside down")
    noted(Hierarchy.from_paths(["a > b", *(f"category {chr(97 + i)}" for i in range(20))]), "20 of the 22 nodes")


def test_own_parents_and_circles_are_one_error():
    with pytest.raises(InputError, match=r"'a' is its own parent(.|\n)*b -> c -> b"):
        Hierarchy.from_edges([("a", "a"), ("b", "c"), ("c", "b")])


def test_the_file_of_shopify_pads_its_ids(write):
    text = (
        "# Shopify\ngid://shopify/TaxonomyCategory/ap    : Pets\ngid://shopify/TaxonomyCategory/ap-1  : Pets > Food\n"
    )
    tree = Hierarchy.from_paths(write("categories.txt", text))
    assert tree.roots == ["gid://shopify/TaxonomyCategory/ap"]


def test_lines_of_a_csv_of_one_column(write):
    tree = Hierarchy.from_paths(write("a.txt", 'Pets\n"Pets > Food, dry"\nPets > Toys\n'))
    assert set(tree.ids) == {"Pets", "Pets > Food, dry", "Pets > Toys"}
    tree = Hierarchy.from_paths(write("b.txt", "Pets,,\nPets > Food,,\n"))
    assert set(tree.ids) == {"Pets", "Pets > Food"}
    assert set(Hierarchy.from_paths(['"Pets" > "Food"', '"Pets" > "Toys"']).roots) == {"Pets"}
    assert Hierarchy.from_paths(["Category > Subcategory", "Pets > Food", "Pets > Toys"]).roots == ["Pets"]
    assert Hierarchy.from_paths(["Pets &gt; Food", "Pets > Toys", "Pets > Beds"]).roots == ["Pets"]


def test_two_paths_with_one_id_are_refused_and_the_advice_works():
    paths = [["Books", "A > B"], ["Books", "A", "B"]]
    with pytest.raises(InputError, match=r"another separator="):
        Hierarchy.from_paths(paths)
    assert len(Hierarchy.from_paths(paths, separator=" / ")) == 4


@pytest.mark.parametrize("header", ["Segment,Family,Class", "level_one,level_two,level_three", "1,2,3"])
def test_levels_of_other_names_are_named_by_columns(header, write):
    path = write("levels.csv", f"{header}\na,b,c\n")
    with pytest.raises(TableError, match="columns=") as error:
        Hierarchy.from_paths(path)
    columns = ast.literal_eval(str(error.value).partition("columns=")[2].partition(")")[0])
    assert set(Hierarchy.from_paths(path, columns=columns).ids) == {"a", "a > b", "a > b > c"}


def test_levels_in_a_csv_with_semicolons_and_in_parquet(write, tmp_path):
    path = write("levels.csv", "Level 1;Level 2\na;b\n")
    pandas.DataFrame({"Level 1": ["a"], "Level 2": ["b"]}).to_parquet(tmp_path / "levels.parquet")
    lists = pa.table({"path": [["a", "b"]]})
    for source in (path, tmp_path / "levels.parquet", lists, pa.array(["a > b"])):
        assert set(Hierarchy.from_paths(source).ids) == {"a", "a > b"}


@pytest.mark.parametrize("key", ["parents", "ParentId", "parentCode", "parent_category", "subClassOf", "super_parent"])
def test_flat_json_with_any_key_of_parents(key):
    content = [{"id": 1, "name": "a", key: None}, {"id": 2, "name": "b", key: 1}]
    assert Hierarchy.from_nested(content).edges() == [("2", "1")]


def test_flat_json_with_the_ids_of_children_and_lists_of_other_names():
    content = [{"id": 1, "name": "a", "children": [2]}, {"id": 2, "name": "b", "children": []}]
    assert Hierarchy.from_nested(content).edges() == [("2", "1")]
    content = [{"name": "a", "categories": [{"name": "b", "subcategories": [{"name": "c"}]}]}]
    assert Hierarchy.from_nested(content).edges() == [("a > b", "a"), ("a > b > c", "a > b")]
    with pytest.raises(InputError, match="orient='records'"):
        Hierarchy.from_nested({"name": {"0": "a"}, "parent": {"0": None}})
    with pytest.raises(InputError, match="layout='mapping'"):
        Hierarchy.from_nested({"shoes": {"boots": {}}})
    with pytest.raises(InputError, match="node_link_graph"):
        Hierarchy.from_nested({"nodes": [{"id": "a"}], "links": [{"source": "a", "target": "a"}]})


def test_a_term_without_its_header_is_refused(write):
    text = "[Term]\nid: A:1\nname: root\n\n[Term]\nid: A:2\nis_a: A:1\n\nid: A:3\nis_a: A:1\n"
    with pytest.raises(TableError, match=r"Row 9 .* a second id, 'A:3'"):
        Hierarchy.from_obo(write("a.obo", text))


def test_obo_with_quotes_within_quotes_and_names_without_an_exclamation_mark(write):
    text = '[Term]\nid: A:1\nname: root\n\n[Term]\nid : A:2\nis_a: A:1 root\nsynonym: "the "big" one" EXACT [X:1 "y"]\n'
    tree = Hierarchy.from_obo(write("a.obo", text))
    assert tree.edges() == [("A:2", "A:1")]
    assert tree.texts.synonyms[1] == ('the "big" one',)


def test_has_part_on_some_edges_of_a_graph_makes_no_parent():
    graph = networkx.DiGraph()
    graph.add_edge("a", "r", relation="is_a")
    graph.add_edge("r", "q", relation="has_part")
    graph.add_edge("b", "r")
    assert set(Hierarchy.from_networkx(graph).edges()) == {("a", "r"), ("b", "r")}


SKOS = "@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix : <http://x/> . "


def test_what_is_in_rdf_and_not_read_is_noted(write):
    text = (
        SKOS + ':a a skos:Concept ; skos:prefLabel "A"@en ; skos:scopeNote "note"@en ; skos:definition "Glosse"@de . '
    )
    text += ':b skos:broader :a ; skos:prefLabel "B"@en ; skos:related :a .'
    tree = Hierarchy.from_skos(write("a.ttl", text))
    assert tree.texts.definitions == ("", "")
    noted(tree, "texts of the properties scopeNote (1)")
    noted(tree, "relations related (1)")
    noted(tree, "'Glosse' (de)")


def test_relative_iris_do_not_hold_the_folder_of_the_file(write):
    text = SKOS + '<#a> a skos:Concept ; skos:prefLabel "A"@en . <#b> skos:broader <#a> ; skos:prefLabel "B"@en .'
    assert not any("file:" in node for node in Hierarchy.from_skos(write("a.ttl", text)).ids)


def test_expanded_json_ld_is_read(write):
    space = "http://www.w3.org/2004/02/skos/core#"
    text = f'[{{"@id": "http://x/a", "@type": ["{space}Concept"]}}, {{"@id": "http://x/b", "{space}broader": [{{"@id": "http://x/a"}}]}}]'
    assert Hierarchy.from_skos(write("a.json", text)).edges() == [("http://x/b", "http://x/a")]


def test_xml_and_pointers_of_git_lfs_are_no_paths(write):
    with pytest.raises(TableError, match="is XML"):
        Hierarchy.from_paths(write("a.xml", "<?xml version='1.0'?><tree><node name='a'/></tree>"))
    with pytest.raises(TableError, match="git lfs pull"):
        Hierarchy.from_paths(write("a.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:a\n"))


def test_quotes_that_a_backslash_marks_are_refused(write):
    with pytest.raises(TableError, match="write a quote inside them twice"):
        Hierarchy.from_edges(write("a.csv", 'child,parent\n"a \\"x\\" y",b\n'))


def test_pairs_without_what_is_above_offer_to_complete_them():
    pairs = Pairs.from_table([("boot", "shoe", 1), ("shoe", "wear", 1)])
    noted(pairs, "('boot', 'wear')", "completed(max_distance=8)")
    full = pairs.completed(max_distance=8)
    assert len(full.documents) == 3


def test_numbers_and_odd_ids_of_pairs_on_disk_are_told_as_in_memory(tmp_path):
    rows = [
        ("a", "1e+05", 0),
        ("b", "100000", 0),
        ("c", "007", 0),
        ("d", "7", 0),
        ("men's", "x", 0),
        ("men\u2019s", "y", 0),
    ]
    memory, disk = Pairs.from_table(rows), Pairs.from_table(rows, on_disk=tmp_path / "pairs")
    assert list(disk.document_ids) == list(memory.document_ids) == ["100000", "007", "7", "x", "y"]
    for pairs in (memory, disk):
        noted(pairs, "'1e+05' beside '100000'")
        noted(pairs, "leading zeros", "'007' beside '7'")
        noted(pairs, "quotes")
