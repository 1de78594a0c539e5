import csv
import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rootward.errors import InputError, TableError
from rootward.readers.tables import column_blocks, read_columns


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, *names, **options):
    columns = read_columns(path, names or ("child", "parent"), **options)
    return list(zip(*(columns[name].to_pylist() for name in names or ("child", "parent")), strict=True))


def test_columns_come_by_name_whatever_their_order(write):
    path = write("edges.csv", "parent,weight,child\nsandals,1,kids sandals\n")
    assert read(path) == [("kids sandals", "sandals")]


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("edges.tsv", "child\tparent\na,b\tc\n", {}),
        ("EDGES.TSV", "child\tparent\r\na,b\tc\r\n", {}),
        ("edges.txt", 'child,parent\n"a,b",c\n', {"format": "csv"}),
        ("edges.csv", '\ufeffchild,parent\n\n"a,b",c\n\n', {}),
        ("edges.csv", 'child,parent\r"a,b",c', {}),
        ("edges.csv", "\ufeffchild;parent\r\na,b;c\r\n", {"delimiter": ";"}),
        ("edges.txt", "child\tparent\na,b\tc\n", {"delimiter": "tab"}),
        ("edges.tsv", "child|parent\na,b|c\n", {"delimiter": "|"}),
        ("edges.csv.gz", gzip.compress(b'child,parent\n"a,b",c\n'), {}),
        ("edges.TSV.GZ", gzip.compress(b"child\tparent\na,b\tc\n"), {}),
    ],
    ids=[
        "tsv",
        "upper case and Windows",
        "format given",
        "byte order mark and empty lines",
        "old Mac, no last line end",
        "semicolons as Excel writes them",
        "delimiter in place of a format",
        "pipes",
        "csv.gz",
        "tsv.gz",
    ],
)
def test_the_same_table_in_many_clothes(write, name, content, options):
    path = write(name, content)
    assert read(path, **options) == [("a,b", "c")]
    (block,) = column_blocks(path, ("child", "parent"), rows=5, **options)
    assert (block["child"].to_pylist(), block["parent"].to_pylist()) == (["a,b"], ["c"])


@pytest.mark.parametrize("content", [b"child,parent\n", gzip.compress(b"child,parent\n" * 9)[:-9]], ids=["not", "cut"])
def test_what_is_no_whole_gzip_is_told(write, content):
    with pytest.raises(TableError, match=r"edges.csv.gz cannot be unpacked as gzip: .*\.$"):
        read(write("edges.csv.gz", content))


def test_words_that_look_like_nothing_stay_words(write):
    assert read(write("edges.csv", "child,parent\nNA,null\n,007\n")) == [("NA", "null"), ("", "007")]


def test_numbers_of_parquet_and_arrow_become_text(tmp_path):
    table = pa.table({"child": pa.array(["x", None]).dictionary_encode(), "parent": pa.array([7, 8], pa.int32())})
    pq.write_table(table, tmp_path / "edges.parquet")
    assert read(tmp_path / "edges.parquet") == read(table) == [("x", "7"), ("", "8")]


def test_places_are_lines_of_an_editor(write):
    columns = read_columns(write("edges.csv", 'child,parent\n\na,b\n"two\nlines",c\n\nd,e\n'), ("child", "parent"))
    assert [columns.where(row) for row in range(3)] == [f"row {line} of edges.csv" for line in (3, 4, 7)]
    assert columns.where(2, 0) == "rows 7 and 3 of edges.csv"


def test_places_of_values_in_memory_count_from_one(tmp_path):
    table = pa.table({"child": ["a"], "parent": ["b"]})
    pq.write_table(table, tmp_path / "e.parquet")
    assert read_columns(tmp_path / "e.parquet", ("child",)).where(0) == "row 1 of e.parquet"
    assert read_columns(table, ("child",)).where(0) == "row 1 of the given table"
    assert read_columns([("a", "b")], ("child", "parent")).where(0) == "row 1 of the given rows"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", r"edges.csv is empty; a header row with 'child', 'parent'"),
        ("\n\n", r"edges.csv is empty"),
        ("child,parent\n", r"There are no rows in edges.csv; at least one"),
        ("child,parnet\na,b\n", r"no column 'parent'; its columns are 'child', 'parnet'. Did you mean 'parnet'\?"),
        ("\ufeffchild;parent\r\na;b\r\n", r"'child;parent'. It looks separated by ';': say so with delimiter=';'"),
        ("child\tparent\na\tb\n", r"It looks separated by '\\t': say so with delimiter='\\t'"),
        ("child|parent\na|b\n", r"It looks separated by '|': say so with delimiter='|'"),
        ("loafers,shoes\nboots,shoes\n", r"are 'loafers', 'shoes'. The first row must be a header, with the names"),
        (bytes(range(200, 256)) + b"\n\0", r"Row 1 of edges.csv is not UTF-8 \(byte 0xc8 at place 1\)"),
        (b"\x80\0\1", r"edges.csv is no text: row 1 holds a zero byte"),
        ("child,parent,child\na,b,c\n", r"2 columns named 'child'"),
        ("child,parent\na,b\n\na,b,c\n", r"Row 4 of edges.csv has 3 fields, the header has 2"),
        ("child,parent\na,b\nc\n", r"Row 3 of edges.csv has 1 fields, the header has 2"),
        (b"child,parent\na,b\nM\xfcnchen,c\n", r"Row 3 of edges.csv is not UTF-8 \(byte 0xfc at place 2\); save"),
        ("child,parent\na,b\n".encode("utf-16"), r"edges.csv is UTF-16; save it as UTF-8"),
        ('child,parent\na,"b\nc,d\n', r"Row 2 of edges.csv has a field in double quotes that does not end"),
        ('child,parent\na,b\n"c,d\n', r"Row 3 of edges.csv has a field in double quotes that does not end"),
    ],
    ids=[
        "empty", "only line ends", "no rows", "typo in header", "semicolons", "tabs", "pipes", "no header", "bytes",
        "zero bytes", "column twice", "too many fields",
        "too few fields", "latin-1", "utf-16", "last quote never closes", "first quote never closes",
    ],
)  # fmt: skip
def test_a_bad_file_is_told_with_its_row(write, content, says):
    with pytest.raises(TableError, match=says):
        read(write("edges.csv", content))


def test_an_inch_mark_is_no_open_quote(write):
    assert read(write("edges.csv", 'child,parent\n5" nail,nail\n')) == [('5" nail', "nail")]


def test_a_missing_file_names_its_neighbour(write):
    path = write("edges.csv", "child,parent\na,b\n")
    with pytest.raises(TableError, match=r"egdes.csv does not exist; a file is needed. Did you mean 'edges.csv'\?"):
        read(path.with_name("egdes.csv"))
    with pytest.raises(TableError, match=r"is a folder; a file is needed"):
        read(path.parent, format="csv")


@pytest.mark.parametrize(
    ("source", "options", "says"),
    [
        (
            "edges.xlsx",
            {},
            r"suffix of 'edges.xlsx' does not tell its format; say format= one of 'csv', 'tsv', 'parquet'",
        ),
        ("edges.csv", {"format": "excel"}, r"format='excel' is not known"),
        ("edges.csv", {"delimiter": "::"}, r"delimiter='::' cannot stand between two fields"),
        ("edges.parquet", {"delimiter": ";"}, r"edges.parquet cannot be Parquet and separated by delimiter=';'"),
        ("edges.parquet.gz", {}, r"cannot be Parquet and packed by gzip"),
        ([("a", "b")], {"delimiter": ";"}, r"delimiter=';' is for files; the source given is a list"),
        ([("a", "b")], {"format": "csv"}, r"format='csv' is for files; the source given is a list"),
        (7, {}, r"A path, a pyarrow Table or an iterable of rows is needed, got 7"),
    ],
)
def test_a_source_that_cannot_be_understood(source, options, says, write):
    if isinstance(source, str):
        source = write(source, "child,parent\na,b\n")
    with pytest.raises(InputError, match=says):
        read(source, **options)


def test_two_roles_need_two_columns():
    with pytest.raises(InputError, match="a name of its own, got 'id', 'id'"):
        read_columns("edges.csv", ("id", "id"))


def test_bytes_that_are_no_parquet(write):
    with pytest.raises(TableError, match=r"e.parquet cannot be read as Parquet"):
        read(write("e.parquet", "child,parent\na,b\n"))


def test_a_column_of_lists_has_no_text():
    with pytest.raises(TableError, match=r"Column 'child' of the given table is list<.*text or numbers are needed"):
        read(pa.table({"child": [{"a": [1]}], "parent": ["b"]}).set_column(0, "child", pa.array([[1]])))


@pytest.mark.parametrize("row", ["ab", ("a",), ("a", "b", "c"), 5])
def test_a_row_in_memory_of_another_shape(row):
    with pytest.raises(TableError, match=r"Row 2 of the given rows must be a tuple \(child, parent\), got "):
        read([("a", "b"), row])


cell = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cell, cell), min_size=1, max_size=8))
@example([('"', ""), ("\r", "\n"), ("a\r\nb", ","), (" ", '""')])
def test_what_the_csv_module_writes_is_read_back_and_found(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("child", "parent"), *rows])
    columns = read_columns(path, ("child", "parent"))
    assert list(zip(columns["child"].to_pylist(), columns["parent"].to_pylist(), strict=True)) == rows
    lines = path.read_text(encoding="utf-8").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for row, (child, _) in enumerate(rows):
        begin = child.replace('"', '""').replace("\r\n", "\n").replace("\r", "\n").split("\n")[0]
        assert lines[int(columns.where(row).split()[1]) - 1].startswith('"' + begin)
