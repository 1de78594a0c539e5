"""Nothing is read wrong in silence: inputs after public bug reports, each named by what a user saw."""

from typing import NamedTuple

import pytest

from rootward.errors import InputError, TableError
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs


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
