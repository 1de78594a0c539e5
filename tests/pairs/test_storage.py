import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootward.errors import TableError
from rootward.files import atomic_write, sha256
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.texts import Texts


def assert_same(a: Pairs, b: Pairs) -> None:
    for field in ("query_ids", "document_ids", "query_texts", "document_texts", "notes"):
        assert getattr(a, field) == getattr(b, field)
    for field in ("offsets", "documents", "distances"):
        assert np.array_equal(getattr(a, field), getattr(b, field))
        assert getattr(a, field).dtype == getattr(b, field).dtype


def test_a_reload_answers_the_same(shoes, tmp_path):
    shoes.save(tmp_path / "deep" / "shoes.parquet")
    again = Pairs.load(tmp_path / "deep" / "shoes.parquet")
    assert_same(shoes, again)
    assert again.query_ids is again.document_ids
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["shoes.parquet"]


def test_anybody_can_read_the_file(shoes, tmp_path):
    table = pq.read_table(shoes.save(tmp_path / "p.parquet")).to_pylist()
    boots = next(node for node in table if node["id"] == "hiking boots")
    assert [table[row]["id"] for row in boots["documents"]] == ["hiking boots", "outdoor gear", "boots", "footwear"]
    assert boots["distances"] == [0, 1, 1, 2]


def texts_of(n: int) -> st.SearchStrategy:
    names = st.lists(st.text(max_size=3), min_size=n, max_size=n).map(tuple)
    synonyms = st.lists(st.lists(st.text(max_size=3), max_size=2).map(tuple), min_size=n, max_size=n).map(tuple)
    return st.none() | st.builds(Texts, names, synonyms, names)


@st.composite
def any_pairs(draw) -> Pairs:
    ids = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), min_size=1, max_size=5, unique=True)
    queries = Ids(draw(ids))
    documents = draw(st.just(queries) | ids.map(Ids))
    places = st.tuples(st.integers(0, len(queries) - 1), st.integers(0, len(documents) - 1))
    table = draw(st.dictionaries(places, st.integers(0, 2**31 - 1), max_size=8))
    return Pairs.from_arrays(
        queries,
        documents,
        [q for q, _ in table],
        [d for _, d in table],
        list(table.values()),
        query_texts=draw(texts_of(len(queries))),
        document_texts=draw(texts_of(len(documents))),
        notes=tuple(draw(st.lists(st.text(max_size=3), max_size=2))),
    )


@settings(max_examples=40, deadline=None)
@given(any_pairs())
def test_save_and_load_are_the_identity(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("pairs") / "p.parquet"
    assert_same(pairs, Pairs.load(pairs.save(path)))


def test_ids_without_pairs_and_notes_of_the_source_are_kept(tmp_path):
    pairs = Pairs.from_table([("a", "x", 0), ("b", "x", 1), ("b", "x", 1)]).near(0)
    again = Pairs.load(pairs.save(tmp_path / "p.parquet"))
    assert list(again.query_ids) == ["a", "b"]
    assert again.relevant("b") == []
    assert again.notes == pairs.notes != ()


def test_what_save_did_not_write_is_not_loaded(shoes, tmp_path):
    path = shoes.save(tmp_path / "p.parquet")
    table = pq.read_table(path)
    with pytest.raises(TableError, match="There is no file"):
        Pairs.load(tmp_path / "q.parquet")
    newer = table.replace_schema_metadata({"rootward.pairs": json.dumps({"version": 99})})
    pq.write_table(newer, path)
    with pytest.raises(TableError, match="newer rootward"):
        Pairs.load(path)
    pq.write_table(table.replace_schema_metadata(None), path)
    with pytest.raises(
        TableError, match=r"not written by Pairs.save; read a table of labelled pairs with Pairs.from_table"
    ):
        Pairs.load(path)
    pq.write_table(table.slice(3), path)
    with pytest.raises(TableError, match="not in the order in which they were saved"):
        Pairs.load(path)
    path.write_bytes(b"PAR1 half a file")
    with pytest.raises(TableError, match="cannot be read as Parquet"):
        Pairs.load(path)


def test_a_table_that_save_wrote_is_sent_to_load(shoes, tmp_path):
    with pytest.raises(TableError, match=r"was written by Pairs.save; open it with Pairs.load"):
        Pairs.from_table(shoes.save(tmp_path / "p.parquet"))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    atomic_write(path, lambda to: to.write_text("old"))

    def half(to):
        to.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, half)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_name_keeps_the_suffix_that_numpy_looks_for(tmp_path):
    path = atomic_write(tmp_path / "v.npy", lambda to: np.save(to, np.arange(3)))
    assert np.load(path).tolist() == [0, 1, 2]


def test_sha256_is_the_one_everybody_has(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
