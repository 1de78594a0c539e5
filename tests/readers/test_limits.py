"""Small files that once took minutes, gigabytes or the network: each is refused at once, in words."""

import gzip
import io
import json
import resource
import socket
import time
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rootward.diagnosis.vectors import read_vectors
from rootward.errors import HierarchyError, InputError, RootwardError, TableError, nearest
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids, _joined
from rootward.pairs import Labels, Pairs
from rootward.readers import limits
from rootward.readers.obo import _unquoted


@pytest.fixture(autouse=True)
def frugal(monkeypatch):
    """Fails what takes more than 10 s or 500 MB, or asks the network."""

    def refuse(*arguments, **_):
        raise AssertionError(f"a connection was opened: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


def file_of(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# -- XML and JSON-LD -----------------------------------------------------------------------------------------------

_RDF = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:skos="&skos;">{}</rdf:RDF>'
_SKOS = '<!ENTITY skos "http://www.w3.org/2004/02/skos/core#">'


def xml(dtd, text="&a;"):
    concept = f'<skos:Concept rdf:about="http://e.org/a"><skos:prefLabel>{text}</skos:prefLabel></skos:Concept>'
    return f"<?xml version='1.0'?><!DOCTYPE rdf:RDF [{_SKOS}{dtd}]>" + _RDF.format(concept)


def laughs(levels, width=10):
    names = "abcdefghijkl"
    inner = "".join(f'<!ENTITY {names[i]} "{width * f"&{names[i + 1]};"}">' for i in range(levels))
    return f'{inner}<!ENTITY {names[levels]} "ha">'


@pytest.mark.parametrize("levels", [4, 6, 9])
@pytest.mark.parametrize("name", ["shop.rdf", "shop.owl", "shop.xml", "shop.rdf.gz"])
def test_600_bytes_of_xml_that_stand_for_a_million_entities_are_refused_at_once(tmp_path, levels, name):
    data = xml(laughs(levels)).encode()
    path = file_of(tmp_path, name, gzip.compress(data) if name.endswith("gz") else data)
    for read in (Hierarchy.from_skos, Hierarchy.from_owl):
        with pytest.raises(TableError, match=r"declares the entity 'a', which stands for more than 10,000"):
            read(path)


@pytest.mark.parametrize(
    ("dtd", "words"),
    [
        ('<!ENTITY a "&a;">', "stands for more"),
        ('<!ENTITY a "&b;"><!ENTITY b "&a;">', "stands for more"),
        (f'<!ENTITY a "{"x" * 20_000}">', "stands for more"),
        ('<!ENTITY % p "x"><!ENTITY a "y">', "a parameter entity"),
        ("".join(f'<!ENTITY e{i} "x">' for i in range(1_100)), "more than 1,000 entities"),
        ("".join(f'<!ENTITY e{i} "{"x" * 9_000}">' for i in range(20)), "100,000 characters"),
        (f'{laughs(9)}<!ATTLIST x y CDATA "&a;">', "stands for more"),
    ],
)
def test_entities_that_hold_themselves_or_much_are_refused(tmp_path, dtd, words):
    with pytest.raises(TableError, match=words):
        Hierarchy.from_skos(file_of(tmp_path, "shop.rdf", xml(dtd)))


def test_entities_for_namespaces_are_read_as_ever(tmp_path):
    dtd = '<!ENTITY a "&b; and boots"><!ENTITY b "shoes">'
    tree = Hierarchy.from_skos(file_of(tmp_path, "shop.rdf", xml(dtd)))
    assert tree.texts.names == ("shoes and boots",)


def test_an_external_entity_is_not_opened(tmp_path):
    secret = file_of(tmp_path, "secret.txt", "the secret")
    for address in (secret.as_uri(), "http://e.org/x"):
        path = file_of(tmp_path, "shop.rdf", xml(f'<!ENTITY a SYSTEM "{address}">'))
        with suppress(TableError):
            assert "secret" not in str(Hierarchy.from_skos(path).texts)


@pytest.mark.parametrize(
    "context",
    [
        "http://e.org/context",
        "context.jsonld",
        "file:///etc/passwd",
        ["http://e.org/context", {}],
        {"@import": "http://e.org/context"},
        {"x": {"@id": "http://e.org/x", "@context": "http://e.org/context"}},
    ],
)
def test_a_json_ld_context_elsewhere_is_never_fetched(tmp_path, context):
    content = {"@context": context, "@id": "http://e.org/a", "@type": "http://www.w3.org/2004/02/skos/core#Concept"}
    for text in (json.dumps(content), json.dumps(content).replace("@context", "\\u0040context")):
        for name, options in (("shop.jsonld", {}), ("shop.txt", {"format": "application/ld+json"})):
            with pytest.raises(TableError, match="which is not fetched: nothing but the file"):
                Hierarchy.from_skos(file_of(tmp_path, name, text), **options)


# -- depth, length -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [None, "plain", "google", "google-with-ids"])
def test_a_path_of_50000_parts_is_refused_before_it_is_2_gigabytes(tmp_path, layout):
    path = file_of(tmp_path, "paths.txt", "1 - A > B\n1 - " + " > ".join(["x"] * 50_000) + "\n")
    with pytest.raises(RootwardError, match=r"Row 2 of paths\.txt: the path .* has more than 500 levels"):
        Hierarchy.from_paths(path, layout=layout)
    with pytest.raises(TableError, match="more than 10,000 characters"):
        Hierarchy.from_paths(["A > B", "A > " + "x" * 11_000])
    assert len(Hierarchy.from_paths([" > ".join(f"part {i}" for i in range(400))])) == 400


def test_nested_objects_100000_deep_are_refused_before_they_are_2_gigabytes():
    deep = {}
    for _ in range(100_000):
        deep = {"x": deep}
    for options in ({"layout": "mapping"}, {"layout": "mapping", "ids": "name"}):
        with pytest.raises(TableError, match="more than 500 levels"):
            Hierarchy.from_nested(deep, **options)
    children = {"name": "x", "id": 0}
    for i in range(1, 3_000):
        children = {"name": "x", "id": i, "children": [children]}
    with pytest.raises(TableError, match="more than 500 levels"):
        Hierarchy.from_nested(children, ids="id")
    while deep:  # Python itself would go as deep to forget it
        deep = deep["x"]


def test_a_line_without_an_end_is_no_text_file(tmp_path):
    path = file_of(tmp_path, "shop.obo", b"[Term]\nid: a\nname: " + b"x" * (limits.LINE + 1))
    with pytest.raises(TableError, match=r"Row 3 of shop\.obo has 16,777,\d+ bytes"):
        Hierarchy.from_obo(path)


def test_long_runs_of_blanks_or_braces_take_no_minutes(tmp_path):
    for name in (" " * 300_000 + "x", "{a=b" * 100_000, '{a="' * 100_000, " !" * 200_000 + "x", " {" * 200_000):
        assert Hierarchy.from_obo(file_of(tmp_path, "shop.obo", f"[Term]\nid: a\nname: x{name}\n")).ids[0] == "a"
    rows = ["A>B", *(["x" + " " * 9_000 + "> y"] * 50), *(["y" + " " * 9_000 + "z"] * 50)]
    Hierarchy.from_paths(rows)
    Hierarchy.from_paths(["1" * 9_000] * 50)
    assert nearest("x" * 5_000, ["x" * 4_999] * 1_000) == []


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("footwear", "footwear"),
        ("footwear ! all of it", "footwear"),
        ('footwear {x="y"}', "footwear"),
        ('footwear {x="a } b", y=c} ! all', "footwear"),
        ("wow! what", "wow! what"),
        ("a !b", "a !b"),
        ("a {b} c", "a {b} c"),
        (r"a \{x=y}", r"a \{x=y}"),
        ("a ! b ! c", "a"),
        ("set {a, b}", "set {a, b}"),
    ],
)
def test_names_of_obo_end_where_they_did(value, name):
    assert _unquoted(value) == name


def test_definitions_in_a_long_chain_are_refused_before_they_fill_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("rootward.readers.edges.LOOKED_AT", 200_000)
    terms = [f"[Term]\nid: {i}\nname: n{i}\nis_a: {i - 1}\nintersection_of: {i - 2}\n" for i in range(2, 3_000)]
    path = file_of(tmp_path, "shop.obo", "[Term]\nid: 0\nname: a\n[Term]\nid: 1\nis_a: 0\n" + "".join(terms))
    with pytest.raises(HierarchyError, match=r"more than 200,000 steps"):
        Hierarchy.from_obo(path)


# -- packed files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [b"\0", b"\n", b"a,b\n", b"aaaaaaaaaaaaaaaa"])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("edges.csv.gz", Hierarchy.from_edges),
        ("pairs.tsv.gz", Pairs.from_table),
        ("paths.txt.gz", Hierarchy.from_paths),
        ("shop.obo.gz", Hierarchy.from_obo),
        ("shop.json.gz", Hierarchy.from_nested),
        ("shop.ttl.gz", Hierarchy.from_skos),
        ("labels.csv.gz", Labels.read),
    ],
)
def test_gzip_that_is_mostly_air_is_refused(tmp_path, monkeypatch, name, read, line):
    monkeypatch.setattr(limits, "UNPACKED", 1 << 20)
    monkeypatch.setattr(limits, "ROWS", 1 << 16)
    packed = gzip.compress(b"child,parent\n" + line * ((30 << 20) // len(line)), 9)
    path = file_of(tmp_path, name, packed)
    assert path.stat().st_size < 100_000
    with pytest.raises(TableError):
        read(path)


def test_the_refusal_of_air_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "UNPACKED", 1 << 20)
    path = file_of(tmp_path, "paths.txt.gz", gzip.compress(b"a > b\n" * 2_000_000, 9))
    with pytest.raises(TableError, match=r"paths\.txt\.gz unpacks to more than 200 times its size.*gunzip"):
        Hierarchy.from_paths(path)


def test_a_packed_file_of_rows_that_are_much_alike_is_read(tmp_path):
    rows = "".join(f"node {i},node {i // 2}\n" for i in range(1, 50_000))
    path = file_of(tmp_path, "edges.csv.gz", gzip.compress(b"child,parent\n" + rows.encode()))
    assert len(Hierarchy.from_edges(path)) == 50_000


# -- arrays and Parquet ----------------------------------------------------------------------------------------------


def npy(shape, dtype="<f4", data=b"\0" * 16):
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize(
    "content",
    [
        npy((10**12, 4)),
        npy((10**30, 10**30)),
        npy((-1, 4)),
        npy((2, 3)),
        npy((2, 2), "|O"),
        npy((2, 2), "<U1"),
        npy((2, 2), [("a", "<f4")]),
        npy((2, 2), "nonsense"),
        npy("(((("),
        npy((2, 2))[:20],
        b"\x93NUMPY\x09\0" + npy((2, 2))[8:],
        b"\x93NUMPY",
        b"",
        b"PK\x03\x04" + b"\0" * 60,
    ],
)
def test_an_npy_with_a_header_that_lies_is_refused_before_memory_is_asked_for(tmp_path, content):
    with pytest.raises(TableError, match=r"vectors\.npy"):
        read_vectors(file_of(tmp_path, "vectors.npy", content), "document")


def test_an_npy_of_numbers_is_read(tmp_path):
    for array in (np.eye(3), np.eye(3, dtype=np.float16), np.eye(3, dtype=np.int64), np.asfortranarray(np.eye(3))):
        np.save(tmp_path / "vectors.npy", array)
        assert np.array_equal(read_vectors(tmp_path / "vectors.npy", "query"), np.eye(3))


def parquet(columns, **options):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def test_a_parquet_file_of_a_few_bytes_and_many_million_rows_is_refused(tmp_path):
    n = 30_000_000
    constant = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["x"]))
    path = file_of(tmp_path, "edges.parquet", parquet({"child": constant, "parent": constant}))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(TableError, match="claims 30,000,000 rows"):
        Hierarchy.from_edges(path)


@pytest.mark.parametrize("column", ["child", "parent", "id", "name", "synonyms", "definition"])
@pytest.mark.parametrize(
    "odd",
    [
        pa.array([[1, 2], None]),
        pa.array([{"x": 1}, None]),
        pa.array([b"\xff", b"a"]),
        pa.array([b"\xff", b"a"]).view(pa.string()),
        pa.array([[["x"]], []]),
        pa.array([1, 2], pa.timestamp("ns")),
        pa.nulls(2),
        pa.array([[b"\xff"], None]),
    ],
    ids=str,
)
def test_columns_of_other_types_are_read_or_refused_in_words(tmp_path, column, odd):
    edges = {"child": pa.array(["a", "b"]), "parent": pa.array(["b", None])}
    nodes = {"id": ["a", "b"], "name": ["A", "B"], "synonyms": [["x"], None], "definition": ["", None]}
    (edges if column in edges else nodes)[column] = odd
    with suppress(RootwardError):
        Hierarchy.from_edges(
            file_of(tmp_path, "edges.parquet", parquet(edges)),
            nodes=file_of(tmp_path, "nodes.parquet", parquet(nodes)),
        )


# -- ids -------------------------------------------------------------------------------------------------------------


def test_half_a_character_in_a_name_or_id_is_refused(tmp_path):
    for call in (
        lambda: Hierarchy.from_nested({"name": "a\ud800"}),
        lambda: Hierarchy.from_nested(file_of(tmp_path, "shop.json", '{"name": "a", "synonyms": ["\\ud800"]}')),
        lambda: Hierarchy.from_nested(file_of(tmp_path, "shop.json", '{"name": "\\udc00a"}')),
        lambda: Hierarchy.from_edges([("a\ud800", "b")]),
        lambda: Hierarchy.from_edges([("a", "b")], nodes=["a", "b", "\udfff"]),
        lambda: Hierarchy.from_paths(["a > \ud800"]),
        lambda: Pairs.from_table([("a", "\ud800", 0)]),
        lambda: Labels.read([("a", "\ud800")]),
        lambda: Ids(["a", "b\udc80"]),
    ):
        with pytest.raises(InputError, match=r"half a character"):
            call()
    assert Hierarchy.from_nested(file_of(tmp_path, "shop.json", '{"name": "\\ud83d\\udc5f"}')).ids[0] == "\U0001f45f"


def test_ids_that_a_separator_would_join_have_fingerprints_of_their_own():
    tables = [["a\x1fb", "c"], ["a", "b\x1fc"], ["a", "b", "c"], ["a\x1f", "b"], ["a", "\x1fb"], ["a\x1e1b", "c"]]
    assert len({_joined(table) for table in tables}) == len(tables)
    assert _joined(["a", "b"]) == b"a\x1fb"  # as ever


def test_names_that_are_lists_and_synonyms_nested_deep_are_refused_or_read_as_text(tmp_path):
    for column in ("name", "definition"):
        nodes = {"id": ["a"], "name": ["A"], "definition": ["d"]} | {column: [["x"]]}
        path = file_of(tmp_path, "nodes.parquet", parquet(nodes))
        with pytest.raises(TableError, match=f"Column '{column}' of nodes.parquet holds lists"):
            Hierarchy.from_edges([("a", "")], nodes=path)
    path = file_of(tmp_path, "nodes.csv", "id,synonyms\na," + "[" * 20_000 + "\n")
    assert Hierarchy.from_edges([("a", "")], nodes=path).texts.synonyms == (("[" * 20_000,),)


def test_a_parent_of_shopify_that_is_a_list_is_refused(tmp_path):
    for parent in ([], {}, 1.5):
        content = {"verticals": [{"categories": [{"id": "a", "name": "A", "parent_id": parent}]}]}
        with pytest.raises(TableError, match="parent_id"):
            Hierarchy.from_paths(file_of(tmp_path, "en.json", json.dumps(content)), layout="shopify-json")


def test_nested_synonyms_that_are_no_list_are_an_error_in_words():
    for wrong in (3, {"a": 1}, [["a"]], True):
        with pytest.raises(HierarchyError, match="synonyms"):
            Hierarchy.from_nested({"name": "a", "synonyms": wrong})


def test_pairs_of_arrays_take_lists_of_ids_and_refuse_the_rest_at_once():
    pairs = Pairs.from_arrays(["a", "b"], ["x"], [0, 1.0], np.array([0, 0], np.uint8), [0, np.int32(1)])
    assert isinstance(pairs.query_ids, Ids)
    assert pairs.relevant("b") == [("x", 1)]
    for arguments in (
        (3, ["x"], [0], [0], [0]),
        ("ab", ["x"], [0], [0], [0]),
        (["a", "a"], ["x"], [0], [0], [0]),
        (["a"], ["x"], ["0"], [0], [0]),
        (["a"], ["x"], [0.5], [0], [0]),
        (["a"], ["x"], [float("nan")], [0], [0]),
        (["a"], ["x"], [0], [0], [None]),
        (["a"], ["x"], [0], [0], [float("nan")]),
        (["a"], ["x"], [0], [0], ["1"]),
        (["a"], ["x"], [0], [[0]], [1]),
        (["a"], ["x"], [0], [0], [10**400]),
        (["a"], ["x"], [0], [0], [2**31]),
    ):
        with pytest.raises(InputError):
            Pairs.from_arrays(*arguments)


def test_a_header_that_pyarrow_splits_otherwise_is_our_error(tmp_path, monkeypatch):
    def other(*_, **__):
        raise pa.ArrowKeyError("Column 'child' in include_columns does not exist in CSV file")

    monkeypatch.setattr("pyarrow.csv.read_csv", other)
    with pytest.raises(TableError, match=r"The header of edges\.csv is not plain"):
        Hierarchy.from_edges(file_of(tmp_path, "edges.csv", "child,parent\na,b\n"))
