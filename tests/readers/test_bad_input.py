"""Bad input ends in one clear error that names the file, the row and the remedy."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rootward.errors import CycleError, HierarchyError, InputError, TableError, UnknownIdError
from rootward.hierarchy import Hierarchy
from rootward.pairs import Pairs
from shoes import EDGES, shoes


@pytest.fixture
def edges_csv(tmp_path):
    """Writes edges.csv below its header and gives the path."""

    def write(*rows, header="child,parent"):
        path = tmp_path / "edges.csv"
        path.write_bytes(b"\n".join(row if isinstance(row, bytes) else row.encode() for row in (header, *rows)) + b"\n")
        return path

    return write


def says(error, *words):
    """Every word stands in the message."""
    missing = [word for word in words if word not in str(error.value)]
    assert not missing, str(error.value)


def test_a_circle_is_printed_with_its_rows(edges_csv):
    path = edges_csv("loafers,shoes", "a,b", "b,c", "x,", "c,a")
    with pytest.raises(CycleError) as error:
        Hierarchy.from_edges(path)
    says(error, "a -> b -> c -> a", "row 3 of edges.csv", "row 4 of edges.csv", "row 6 of edges.csv", "remove one")
    assert error.value.cycle == ("a", "b", "c", "a")


def test_a_long_circle_is_shortened_in_the_message_only():
    with pytest.raises(CycleError, match=r"more") as error:
        Hierarchy.from_edges([(i, (i + 1) % 1000) for i in range(1000)])
    assert len(error.value.cycle) == 1001


def test_a_circle_beside_deep_ways_into_it_is_the_circle_alone():
    with pytest.raises(CycleError) as error:
        Hierarchy.from_edges([*EDGES, ("slippers", "shoes"), ("footwear", "shoes")])
    assert set(error.value.cycle) == {"footwear", "shoes"}


def test_a_node_that_is_its_own_parent(edges_csv):
    with pytest.raises(HierarchyError) as error:
        Hierarchy.from_edges(edges_csv("shoes,", "sandals,sandals"))
    says(error, "Edge 2 (row 3 of edges.csv)", "'sandals' is its own parent", "leave its parent empty")


def test_a_parent_that_is_no_node_is_told_with_the_nearest(edges_csv):
    path = edges_csv("sandals,", "", "flip-flops,sandal")
    with pytest.raises(UnknownIdError) as error:
        Hierarchy.from_edges(path, nodes=["sandals", "flip-flops"])
    assert str(error.value) == (
        "Edge 2 (row 4 of edges.csv): parent 'sandal' is not a node. Did you mean 'sandals'? "
        "Use add_missing=True to keep it."
    )
    kept = Hierarchy.from_edges(path, nodes=["sandals", "flip-flops"], add_missing=True)
    assert kept.parents_of("flip-flops") == ["sandal"]
    assert list(kept.ids) == ["sandals", "flip-flops", "sandal"]


def test_an_added_node_has_empty_texts():
    nodes = pa.table({"id": ["a"], "name": ["A"]})
    assert Hierarchy.from_edges([("a", "b")], nodes=nodes, add_missing=True).texts.names == ("A", "")


def test_a_child_that_is_no_node():
    with pytest.raises(UnknownIdError, match=r"Edge 1: child 'boot' is not a node. Did you mean 'boots'\?"):
        Hierarchy.from_edges([("boot", "shoes")], nodes=["boots", "shoes"])


@pytest.mark.parametrize("edges", [[("a", "b"), ("", "b")], [("a", "b"), (None, None)]])
def test_an_empty_child_in_an_iterable(edges):
    with pytest.raises(HierarchyError, match="Edge 2: the child is empty"):
        Hierarchy.from_edges(edges)


def test_an_empty_child_in_a_file(edges_csv, tmp_path):
    with pytest.raises(HierarchyError, match=r"Edge 2 \(row 3 of edges.csv\): the child is empty"):
        Hierarchy.from_edges(edges_csv("a,b", ",b"))
    pq.write_table(pa.table({"child": ["a", None], "parent": ["b", "b"]}), tmp_path / "edges.parquet")
    with pytest.raises(HierarchyError, match=r"Edge 2 \(row 2 of edges.parquet\)"):
        Hierarchy.from_edges(tmp_path / "edges.parquet")


def test_rows_are_counted_as_an_editor_does_also_below_a_text_of_two_lines(edges_csv):
    with pytest.raises(HierarchyError, match=r"Edge 2 \(row 4 of edges.csv\)"):
        Hierarchy.from_edges(edges_csv('"two\nlines",a', "b,b"))


@pytest.mark.parametrize("edge", ["ab", ("a",), ("a", "b", "c"), 7])
def test_an_edge_that_is_no_pair(edge):
    with pytest.raises(TableError, match=r"Row 2 of the given rows must be a tuple \(child, parent\), got "):
        Hierarchy.from_edges([("x", "y"), edge])


def test_a_column_of_another_name(edges_csv):
    path = edges_csv("a,b", header="children,parent")
    with pytest.raises(TableError) as error:
        Hierarchy.from_edges(path)
    says(error, "edges.csv has no column 'child'", "'children', 'parent'", "Did you mean 'children'", "child=")
    assert len(Hierarchy.from_edges(path, child="children")) == 2


def test_a_column_that_is_there_twice(edges_csv):
    with pytest.raises(TableError, match="2 columns named 'parent'"):
        Hierarchy.from_edges(edges_csv("a,b,c", header="child,parent,parent"))


@pytest.mark.parametrize("row", ["a,b,c", "a"])
def test_a_ragged_row(edges_csv, row):
    with pytest.raises(TableError) as error:
        Hierarchy.from_edges(edges_csv("x,y", "", "y,z", row, "z,"))
    says(error, "Row 5 of edges.csv", f"has {row.count(',') + 1} fields, the header has 2")


def test_a_row_that_is_not_utf8(edges_csv):
    with pytest.raises(TableError) as error:
        Hierarchy.from_edges(edges_csv("x,y", b"Schn\xfcrschuhe,y"))
    says(error, "Row 3 of edges.csv", "0xfc", "UTF-8")


def test_a_quotation_mark_that_never_closes(edges_csv):
    with pytest.raises(TableError, match=r"Row 3 of edges.csv"):
        Hierarchy.from_edges(edges_csv("x,y", '"a,y', "b,y"))


def test_an_empty_file_and_one_with_a_header_only(edges_csv, tmp_path):
    (tmp_path / "empty.csv").touch()
    with pytest.raises(TableError, match=r"empty.csv is empty; a header row with 'child', 'parent' is needed"):
        Hierarchy.from_edges(tmp_path / "empty.csv")
    with pytest.raises(InputError, match=r"There are no edges in edges.csv"):
        Hierarchy.from_edges(edges_csv())
    with pytest.raises(InputError, match="There are no edges"):
        Hierarchy.from_edges([])


def test_a_missing_file_and_a_folder(tmp_path):
    readers = [Hierarchy.from_edges, Hierarchy.from_paths, Hierarchy.from_obo, Hierarchy.from_nested]
    for read in readers:
        with pytest.raises(InputError, match="does not exist"):
            read(tmp_path / "nowhere.csv")
        with pytest.raises(InputError, match="is a folder"):
            read(tmp_path)


def test_utf16_and_bytes_that_are_no_text_are_told_apart(edges_csv, tmp_path):
    (tmp_path / "shop.obo").write_text("[Term]\nid: a\n", encoding="utf-16")
    with pytest.raises(TableError, match=r"shop.obo is UTF-16; save it as UTF-8"):
        Hierarchy.from_obo(tmp_path / "shop.obo")
    (tmp_path / "shop.obo").write_bytes(b"\x80\0\1")
    with pytest.raises(TableError, match=r"shop.obo is no text: row 1 holds a zero byte"):
        Hierarchy.from_obo(tmp_path / "shop.obo")


def test_nothing_at_all_is_told_what_is_needed():
    readers = [Hierarchy.from_edges, Hierarchy.from_paths, Hierarchy.from_obo, Hierarchy.from_skos, Pairs.from_table]
    for read in readers:
        with pytest.raises(InputError, match=r"is needed, got None\.$"):
            read(None)


def test_a_data_frame_is_a_table():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"child": ["sandals", "shoes"], "parent": ["shoes", None]})
    assert Hierarchy.from_edges(frame).edges() == [("sandals", "shoes")]
    clicks = pandas.DataFrame({"query": ["a"], "document": ["b"], "distance": [1.0]})
    assert Pairs.from_table(clicks).relevant("a") == [("b", 1)]


def test_a_frame_that_does_not_speak_arrow_says_what_to_pass():
    class Frame(list):
        columns = ("child", "parent")

    for read in (Hierarchy.from_edges, Pairs.from_table):
        with pytest.raises(InputError, match=r"A Frame is not read as it is; give a pyarrow Table: pyarrow.Table.from"):
            read(Frame(["child", "parent"]))


@pytest.mark.parametrize("bad", ["a\0b", "a\x1fb", "\x7f"])
def test_control_characters_in_an_id(bad, edges_csv):
    with pytest.raises(HierarchyError, match=r"Edge 2 \(row 3 of edges.csv\): .* holds a control character; remove it"):
        Hierarchy.from_edges(edges_csv("x,y", f"x,{bad}"))
    with pytest.raises(InputError, match="holds a control character"):
        Hierarchy.from_paths([f"a > {bad}"])
    with pytest.raises(TableError, match=r"Row 2 of the given rows: the document id .* holds a control character"):
        Pairs.from_table([("a", "b", 0), ("a", bad, 0)])


def test_ids_that_differ_by_white_space_around_them_are_noted_and_kept():
    tree = Hierarchy.from_edges([("a", "top"), (" a ", "top"), ("b\t", "top"), ("b", "top"), (" c", "top")])
    assert {"a", " a ", "b", "b\t", " c"} <= set(tree.ids)
    assert tree.notes == ("2 ids are others with white space around them, kept apart: ' a ' beside 'a'.",)


def test_a_suffix_that_names_no_format(tmp_path):
    (tmp_path / "edges.dat").write_text("child,parent\na,b\n")
    with pytest.raises(InputError, match=r"'edges.dat'.*format= one of 'csv'"):
        Hierarchy.from_edges(tmp_path / "edges.dat")
    assert len(Hierarchy.from_edges(tmp_path / "edges.dat", format="csv")) == 2
    with pytest.raises(InputError, match="format='excel'"):
        Hierarchy.from_edges(tmp_path / "edges.dat", format="excel")


def test_a_file_that_is_no_parquet(edges_csv):
    with pytest.raises(TableError, match="cannot be read as Parquet"):
        Hierarchy.from_edges(edges_csv("a,b"), format="parquet")


def test_a_column_of_fractions_is_no_column_of_ids():
    with pytest.raises(TableError, match=r"Row 2 of the given table: column 'child' is 1.5 \(double\); text or"):
        Hierarchy.from_edges(pa.table({"child": [1.0, 1.5], "parent": [2.0, None]}))
    assert Hierarchy.from_edges(pa.table({"child": [1.0], "parent": [2.0]})).edges() == [("1", "2")]


def test_node_tables_with_an_id_twice_or_empty(tmp_path):
    (tmp_path / "nodes.csv").write_text("id,name\na,A\nb,B\na,C\n")
    with pytest.raises(HierarchyError, match=r"Node 3 \(row 4 of nodes.csv\): 'a' is already Node 1 \(row 2"):
        Hierarchy.from_edges([("a", "b")], nodes=tmp_path / "nodes.csv")
    with pytest.raises(HierarchyError, match="Node 2: the id is empty"):
        Hierarchy.from_edges([("a", "b")], nodes=["a", ""])
    with pytest.raises(TableError, match="no column 'id'"):
        Hierarchy.from_edges([("a", "b")], nodes=pa.table({"thing": ["a"]}))


# -- paths -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "layout", "words"),
    [
        (["a > b", "a >  > c"], "plain", "Row 2: 'a >  > c' has an empty category"),
        (["1 - a", "b"], "google-with-ids", "Row 2: 'b'; layout='google-with-ids' needs '187 - "),
        (["1 - a", "1 - b"], "google-with-ids", "Row 2: the id '1' already stands in row 1"),
        (["1 - a", "2 - a"], "google-with-ids", "Row 2: the path 'a' already stands in row 1"),
        (["1 - Shoes", "2 - Shoe > b"], "google-with-ids", "Row 2: .*'Shoe', has no row.*Did you mean 'Shoes'"),
        (["# only a comment"], "google", "no paths"),
        (["a"], "amazon", "layout='amazon' is not known"),
    ],
)
def test_paths_that_cannot_be_read(lines, layout, words):
    with pytest.raises(InputError, match=words):
        Hierarchy.from_paths(lines, layout=layout)


def test_paths_in_a_file_are_told_with_file_and_row(tmp_path):
    (tmp_path / "paths.txt").write_text("a\na > \n")
    with pytest.raises(InputError, match=r"Row 2 of paths.txt"):
        Hierarchy.from_paths(tmp_path / "paths.txt")
    (tmp_path / "paths.txt").write_bytes(b"a\nSchn\xfcr\n")
    with pytest.raises(InputError, match=r"Row 2 of paths.txt.*UTF-8"):
        Hierarchy.from_paths(tmp_path / "paths.txt")


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        (["a/b", "a/c", "d"], {}, r"^No path holds the separator ' > ', and 2 of 3 hold '/'. .*separator='/'"),
        (["a > b", "a > c"], {"separator": "X"}, r"separator=' > '"),
        (["1 - a>b", "2 - a"], {"layout": "google-with-ids", "separator": "/"}, r"1 of 2 hold '>'"),
    ],
)
def test_paths_with_another_separator_than_the_one_given(lines, options, words):
    with pytest.raises(TableError, match=words):
        Hierarchy.from_paths(lines, **options)


def test_a_hierarchy_without_an_edge_is_noted():
    for flat in (Hierarchy.from_paths(["Food/Drink", "Shoes", "Hats"]), Hierarchy.from_edges([("a", ""), ("b", "")])):
        assert flat.n_edges == 0
        assert flat.notes == (flat.pairs().notes[0],)
        assert f"There is no edge: each of the {len(flat)} nodes is a root" in flat.notes[0]


def test_an_empty_separator_is_refused():
    with pytest.raises(InputError, match="separator is empty"):
        Hierarchy.from_paths(["a"], separator="")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Row 1 of en.json is not JSON"),
        ('{"verticals": [{}]}', "lacks 'categories'"),
        ('{"verticals": [{"categories": [{"id": "a", "name": "A", "parent_id": "b"}]}]}', "parent 'b' of 'a'"),
        (
            '{"verticals": [{"categories": [{"id": "a", "name": "A", "parent_id": null},'
            '{"id": "a", "name": "B", "parent_id": null}]}]}',
            "'a' stands there twice",
        ),
    ],
)
def test_shopify_json_that_cannot_be_read(text, words, tmp_path):
    (tmp_path / "en.json").write_text(text)
    with pytest.raises(InputError, match=words):
        Hierarchy.from_paths(tmp_path / "en.json", layout="shopify-json")


# -- OBO, RDF, nested, networkx --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hello: there\n", r"holds no \[Term\]"),
        ("[Term]\nname: x\n", r"Row 1 of shop.obo: this \[Term\] has no id"),
        ("[Term]\nid: a\nwhat is this\n", "Row 3 of shop.obo is 'what is this'"),
        ("[Term]\nid: a\ndef: bare\n", "Row 3 of shop.obo: def is 'bare'"),
        ("[Term]\nid: a\nis_obsolete: true\n", "no current term"),
        ("[Term]\nid: a\nname: A\n\n[Ter", r"Row 5 of shop.obo is '\[Ter'; needed a whole stanza header"),
        ("[Term]\nid: a\nname: A\nis_a:", "Row 4 of shop.obo: is_a is empty.*cut off"),
        ("[Term]\nid: a\nname: A\nsyn", "Row 4 of shop.obo is 'syn'"),
        ("[Term]\nid: a\nis_a: b\n[Term]\nid: b\nis_a: a\n", "a -> b -> a.*Row 3 of shop.obo"),
    ],
)
def test_obo_that_cannot_be_read(text, words, tmp_path):
    (tmp_path / "shop.obo").write_text(text)
    with pytest.raises(InputError, match=words):
        Hierarchy.from_obo(tmp_path / "shop.obo")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"relations": ["is_b"]},
            r"relations= names 'is_b', which no term of shop.obo has; there are 'is_a', 'part_of'",
        ),
        ({"relations": ["part_off"]}, "Did you mean 'part_of'"),
        ({"scopes": ["FOO"]}, r"scopes= names 'FOO', which no term of shop.obo has; there are 'EXACT', 'RELATED'"),
        ({"relations": "is_a"}, r"relations='is_a' is one text; write a list of them: \['is_a'\]"),
        ({"namespace": "plants"}, r"no current term in namespace='plants'; its namespaces are 'shop'"),
    ],
)
def test_obo_lists_what_there_is_in_place_of_what_was_named(options, words, tmp_path):
    (tmp_path / "shop.obo").write_text(
        'default-namespace: shop\n[Term]\nid: a\nname: A\nsynonym: "x" EXACT []\nsynonym: "y" []\n'
        "[Term]\nid: b\nname: B\nis_a: a\nrelationship: part_of a\n"
    )
    with pytest.raises(InputError, match=words):
        Hierarchy.from_obo(tmp_path / "shop.obo", **options)


def test_all_scopes_of_the_format_may_be_named_of_a_file_that_lacks_some(tmp_path):
    (tmp_path / "shop.obo").write_text('[Term]\nid: a\nname: A\nsynonym: "x" NARROW []\n')
    shop = Hierarchy.from_obo(tmp_path / "shop.obo", scopes=["EXACT", "BROAD", "NARROW", "RELATED"])
    assert shop.texts is not None
    assert shop.texts.synonyms == (("x",),)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("id: X:0", ["1 term has an id and no name: X:0.", "ends without a line end, at 'X:0'"]),
        ("id: b\nname: B\nis_a: X:0", ["Left out 1 edge", "ends without a line end, at 'X:0'"]),
        ("id: b\nname: B\nis_a: X:0\n", ["Left out 1 edge"]),
        ("id: b\n", ["1 term has an id and no name: b."]),
        ("id: b\nname: B\nis_a: a", []),
        ("id: b\nname: B ! as told\nis_a: a ! A", []),
    ],
    ids=["in an id", "in a parent", "a parent elsewhere", "no name", "no last line end", "comments"],
)
def test_an_obo_file_that_may_be_cut_off_is_noted(end, words, tmp_path):
    start = "[Term] ! the first\nid: a\nname: A\n\n[Term]\nid: c\nname: C\nis_a: a\n\n[Term]\n"
    (tmp_path / "shop.obo").write_text(start + end)
    notes = Hierarchy.from_obo(tmp_path / "shop.obo").notes
    assert len(notes) == len(words)
    assert all(word in note for word, note in zip(words, notes, strict=True)), notes


@pytest.mark.parametrize("read", [Hierarchy.from_skos, Hierarchy.from_owl])
def test_rdf_that_cannot_be_read(read, tmp_path):
    pytest.importorskip("rdflib")
    path = tmp_path / "shop.ttl"
    path.write_text("this is no turtle")
    with pytest.raises(TableError, match=r"shop.ttl cannot be read"):
        read(path)
    path.write_text("@prefix")  # rdflib says "string index out of range"
    with pytest.raises(TableError, match=r"shop.ttl cannot be read as turtle: it breaks off, or is no such text. Is"):
        read(path)
    path.write_text("")
    with pytest.raises(TableError, match=r"shop.ttl holds no"):
        read(path)
    with pytest.raises(InputError, match="does not exist"):
        read(tmp_path / "nowhere.ttl")
    (tmp_path / "shop.dat").write_text("")
    with pytest.raises(InputError, match="format='turtle'"):
        read(tmp_path / "shop.dat")


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ({"name": "a", "children": [{"title": "b"}]}, {}, "At 'a': .*needed"),
        ({"name": "a", "children": {"name": "b"}}, {}, "At 'a': the children are .*needed a list"),
        ({"name": ""}, {}, "empty name"),
        ([{"name": "a"}, {"name": "a"}], {}, "'a' stands there twice"),
        ({"name": "a", "id": 1, "children": [{"name": "b"}]}, {"ids": "id"}, "At 'a > b': there is no \"id\""),
        ({"a": {"b": [3]}}, {"layout": "mapping"}, "At 'a > b'"),
        ({"a": {}}, {"layout": "mapping", "ids": "id"}, "ids='id' does not go"),
        ({}, {"layout": "mapping"}, "no node"),
        ({"a": {}}, {"layout": "tree"}, "layout='tree' is not known"),
        ({"a": {"b": {"a": {}}}}, {"layout": "mapping", "ids": "name"}, "a -> b -> a|b -> a -> b"),
    ],
)
def test_nested_that_cannot_be_read(content, options, words):
    with pytest.raises(InputError, match=words):
        Hierarchy.from_nested(content, **options)


def test_a_json_file_names_its_bad_row(tmp_path):
    (tmp_path / "shop.json").write_text('{"name": "a",\n oops}')
    with pytest.raises(TableError, match=r"Row 2 of shop.json is not JSON"):
        Hierarchy.from_nested(tmp_path / "shop.json")
    (tmp_path / "shop.json").write_text('{"shoes": {"boots": {}}}')
    with pytest.raises(HierarchyError, match=r"^shop.json: At the top: \{'shoes'.*needed"):
        Hierarchy.from_nested(tmp_path / "shop.json")
    (tmp_path / "shop.json").write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    with pytest.raises(TableError, match="too deeply"):
        Hierarchy.from_nested(tmp_path / "shop.json", layout="mapping")


def test_graphs_that_are_no_hierarchy():
    networkx = pytest.importorskip("networkx")
    for graph, words in [
        (networkx.Graph([("a", "b")]), "DiGraph"),
        (networkx.DiGraph(), "no nodes"),
        (networkx.DiGraph([(1, "1")]), "'1' as text"),
    ]:
        with pytest.raises(HierarchyError, match=words):
            Hierarchy.from_networkx(graph)
    with pytest.raises(CycleError, match=r"a -> b -> a|b -> a -> b"):
        Hierarchy.from_networkx(networkx.DiGraph([("a", "b"), ("b", "a")]))
    with pytest.raises(InputError, match="direction"):
        Hierarchy.from_networkx(shoes().to_networkx(), direction="up")


def test_a_quote_that_never_closes_does_not_swallow_the_edges_after_it(tmp_path):
    (tmp_path / "open.csv").write_text('child,parent\na,b\nc,"d\ne,f\ng,h\n')
    with pytest.raises(TableError, match=r"Row 3 of open.csv"):
        Hierarchy.from_edges(tmp_path / "open.csv")
