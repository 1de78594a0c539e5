"""Pairs on disk are those in memory, read in blocks, whole or not there."""

import csv
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rootward import ids as mapped
from rootward.errors import InputError, MissingExtraError, PairsError, TableError, UnknownIdError
from rootward.folders import seal
from rootward.ids import Ids
from rootward.pairs import Pairs, on_disk
from rootward.pairs.arrays import heights
from rootward.pairs.on_disk import table_to_folder
from rootward.readers.labels import PairTable
from shoes import ANCESTORS
from shoes import shoes as shop

ARRAYS = ("offsets", "documents", "distances", "generality", "heights", "weights")
MESSY = [
    ("running shoes", "shoes, all of them", "2"),
    ("ça va?", 'a "quoted" thing', "0"),
    ("running shoes", "two\nlines", "1"),
    ("鞋", "shoes, all of them", "1.0"),
    ("Ω", "Ω", "0"),
    ("running shoes", "shoes, all of them", "2"),
    ("ca va?", "two\nlines", "3"),
    ("鞋", "a" * 60, " 0 "),
    ("Ω", "Ω", "0"),
    ("\U0001f45f", "\uffee", "7"),
]


def write(path: Path, rows, delimiter=",", head=("query", "document", "distance")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([head, *rows])
    return path


def triples(pairs: Pairs) -> list[tuple[str, str, int]]:
    return [(query, document, hops) for query in pairs.query_ids for document, hops in pairs.relevant(query)]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """The messy table as every kind of source."""
    folder = tmp_path_factory.mktemp("tables")
    columns = dict(zip(("query", "document", "distance"), map(list, zip(*MESSY, strict=True)), strict=True))
    coded = pa.table({**columns, "query": pa.array(columns["query"]).dictionary_encode()})
    pq.write_table(coded, folder / "messy.parquet", row_group_size=4)
    (folder / "bom.csv").write_bytes(b"\xef\xbb\xbf" + write(folder / "m.csv", MESSY).read_bytes() + b"\r\n\r\n")
    return {
        "csv": folder / "bom.csv",
        "tsv": write(folder / "messy.tsv", MESSY, "\t"),
        "parquet": folder / "messy.parquet",
        "table": pa.table(columns),
        "rows": MESSY,
    }


@pytest.fixture(scope="module")
def messy(kinds, tmp_path_factory) -> Pairs:
    return Pairs.from_table(kinds["csv"], on_disk=tmp_path_factory.mktemp("messy") / "pairs")


def assert_equal(one: Pairs, other: Pairs) -> None:
    for name in ARRAYS:
        assert getattr(one, name).dtype == getattr(other, name).dtype
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert list(one.query_ids) == list(other.query_ids)
    assert list(one.document_ids) == list(other.document_ids)
    assert len(one.notes) == len(other.notes)


# -- the same as in memory ---------------------------------------------------------------------------------------


def test_the_shop_on_disk_has_the_answers_said_aloud(tmp_path):
    path = write(tmp_path / "shop.csv", triples(shop().pairs()))
    pairs = Pairs.from_table(path, on_disk=tmp_path / "pairs")
    assert pairs.folder == tmp_path / "pairs"
    for query, relevant in ANCESTORS.items():
        assert set(pairs.relevant(query)) == set(relevant)
    assert_equal(pairs, Pairs.from_table(path))
    assert_equal(Pairs.load(tmp_path / "pairs"), pairs)


@pytest.mark.parametrize(
    ("kind", "rows"), [("csv", 3), ("tsv", 3), ("tsv", 99), ("parquet", 3), ("table", 3), ("rows", 3)]
)
def test_a_messy_table_in_blocks_of_any_size(kind, rows, kinds, tmp_path):
    table_to_folder(tmp_path / "pairs", PairTable(kinds[kind]), rows=rows)
    pairs = Pairs.load(tmp_path / "pairs")
    assert_equal(pairs, Pairs.from_table(kinds[kind]))
    assert pairs.notes[0].startswith("2 rows repeat a pair of ")
    assert not (tmp_path / "pairs" / on_disk.SCRATCH).exists()


@pytest.mark.parametrize("seed", range(3))
def test_any_table_whatever_its_order(seed, tmp_path, monkeypatch):
    monkeypatch.setattr(mapped, "BATCH", 7)
    rng = np.random.default_rng(seed)
    queries, documents = rng.integers(0, (40, 3, 90)[seed], 300), rng.integers(0, 30, 300)
    rows = [(f"q{q}", f"d{d}", int(q + d) % 4) for q, d in zip(queries.tolist(), documents.tolist(), strict=True)]
    table_to_folder(tmp_path, PairTable(rows), rows=11)
    assert_equal(Pairs.load(tmp_path), Pairs.from_table(rows))


def test_labels_stand_for_distances(tmp_path):
    path = write(tmp_path / "clicks.csv", [("red shoes", "sneaker", "E"), ("red shoes", "boot", "S")], head="qdl")
    options = {"query": "q", "document": "d", "distance": "l", "levels": {"E": 0, "S": 1}}
    pairs = Pairs.from_table(path, **options, on_disk=tmp_path / "pairs")
    assert pairs.relevant("red shoes") == [("sneaker", 0), ("boot", 1)]
    assert Pairs.from_table(path, **options, on_disk=tmp_path / "pairs").folder == tmp_path / "pairs"


def test_ids_that_differ_by_white_space_are_noted_as_in_memory(tmp_path):
    rows = [("a", "b", "0"), (" a", "b", "1"), ("c\u00a0", "b\n", "1"), ("c", " d ", "0"), ("e f", "d", "0")]
    pairs = Pairs.from_table(rows, on_disk=tmp_path / "p")
    assert pairs.notes == Pairs.from_table(rows).notes == (
        "2 query ids are others with white space around them, kept apart: ' a' beside 'a'.",
        "2 document ids are others with white space around them, kept apart: ' d ' beside 'd'.",
    )  # fmt: skip


def test_slices_are_in_memory_and_count_for_themselves(messy):
    near = messy.near(0)
    assert near.folder is None
    assert near.generality.sum() == len(near) == 3
    assert_equal(near, Pairs.from_table(MESSY).near(0))
    assert_equal(messy.of_queries([2, 0]), Pairs.from_table(MESSY).of_queries([2, 0]))
    assert messy.folder is not None


def test_heights_in_parts_are_those_of_the_whole(paper_tree):
    arrays = paper_tree.offsets, paper_tree.documents, paper_tree.distances, paper_tree.generality
    for at_a_time in (1, 7, 100):
        assert np.array_equal(heights(*arrays, at_a_time), paper_tree.heights)


# -- ids ---------------------------------------------------------------------------------------------------------


def test_ids_on_disk_are_a_table_of_ids(messy):
    there, same = messy.query_ids, Pairs.from_table(MESSY).query_ids
    assert isinstance(there, Ids)
    assert list(there) == list(same) == ["running shoes", "ça va?", "鞋", "Ω", "ca va?", "\U0001f45f"]
    assert [there.row(label) for label in same] == list(range(6))
    assert there.rows(reversed(same)).tolist() == [5, 4, 3, 2, 1, 0]
    assert (there[-1], there[1:3], "鞋" in there, "Schuh" in there) == ("\U0001f45f", ("ça va?", "鞋"), True, False)
    assert there == same
    assert same == there
    assert hash(there) == hash(same)
    assert there != messy.document_ids
    assert there.take([3, 0]) == Ids(["Ω", "running shoes"])
    assert repr(there) == repr(same)
    with pytest.raises(IndexError):
        _ = there[6]


def test_an_id_that_is_not_there_names_what_is_near(messy):
    with pytest.raises(UnknownIdError, match=r"No id 'runing shoes' among 6\. Did you mean 'running shoes'"):
        messy.query_ids.row("runing shoes")
    with pytest.raises(UnknownIdError):
        messy.query_ids.rows(["Ω", "nothing"])


def test_ids_are_hashed_alike(messy, monkeypatch):
    digests = hashlib.sha256(), hashlib.sha256()
    for ids, digest in zip((messy.query_ids, Pairs.from_table(MESSY).query_ids), digests, strict=True):
        ids.hash_into(digest)
    assert digests[0].hexdigest() == digests[1].hexdigest()


def test_alphabetical_order_is_that_of_python(messy):
    order = np.load(messy.folder / "query_ids.npy")
    assert [messy.query_ids[row] for row in order.tolist()] == sorted(messy.query_ids)


# -- refused -----------------------------------------------------------------------------------------------------

FAULTS = {
    "empty id": "query,document,distance\na,b,0\na, ,1\n",
    "no distance": "query,document,distance\na,b,0\n\n\nc,d,far\n",
    "two distances": "query,document,distance\nq,x,0\na,b,0\na,b,2\na,b,1\n",
    "ragged": "query,document,distance\na,b,0\na,b\n",
    "open quote": 'query,document,distance\na,b,0\na,"b,1\n',
    "no column": "query,document,label\na,b,0\n",
    "no rows": "query,document,distance\n",
    "empty file": "",
    "not UTF-8": b"query,document,distance\na,b,0\n\xff\xfe,b,0\n",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_told_as_in_memory(fault, tmp_path):
    path, content = tmp_path / "bad.csv", FAULTS[fault]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((TableError, PairsError)) as in_memory:
        Pairs.from_table(path)
    with pytest.raises(type(in_memory.value)) as on_disk:
        table_to_folder(tmp_path / "p", PairTable(path), rows=1)
    assert str(on_disk.value) == str(in_memory.value)
    assert not (tmp_path / "p").exists()


def test_rows_are_counted_on_over_blocks(tmp_path):
    rows = [*MESSY, ("a", "", 0)]
    pq.write_table(
        pa.table({"query": ["a"] * 9, "document": ["b"] * 9, "distance": ["0"] * 8 + ["-"]}), tmp_path / "t.parquet"
    )
    for source, said in ((iter(rows), "Row 11 of the given rows"), (tmp_path / "t.parquet", "Row 9 of t.parquet")):
        with pytest.raises(TableError, match=said):
            table_to_folder(tmp_path / "p", PairTable(source), rows=2)
    with pytest.raises(TableError, match="Row 3 of the given rows must be a tuple"):
        table_to_folder(tmp_path / "p", PairTable([*MESSY[:2], "abc"]), rows=2)


def test_a_folder_of_other_pairs_is_refused(tmp_path, kinds):
    path = write(tmp_path / "t.csv", MESSY)
    Pairs.from_table(path, on_disk=tmp_path / "p")
    written = (tmp_path / "p" / "config.json").stat().st_mtime_ns
    assert len(Pairs.from_table(path, on_disk=tmp_path / "p")) == 8
    assert (tmp_path / "p" / "config.json").stat().st_mtime_ns == written
    with pytest.raises(TableError, match=r"another table, .*: query, document, levels differ. Choose another folder"):
        Pairs.from_table(path, query="document", document="query", levels={"0": 0}, on_disk=tmp_path / "p")
    write(path, MESSY[:2])
    with pytest.raises(TableError, match="bytes, modified differ"):
        Pairs.from_table(path, on_disk=tmp_path / "p")
    with pytest.raises(TableError, match=r"holds pairs already. Open them with Pairs.load"):
        Pairs.from_table(MESSY, on_disk=tmp_path / "p")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TableError, match="holds something else"):
        Pairs.from_table(MESSY, on_disk=tmp_path)
    with pytest.raises(TableError, match=r"needed are pairs as Pairs\.from_table"):
        Pairs.load(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


def test_a_folder_that_was_damaged_or_is_newer(messy, tmp_path):
    folder = shutil.copytree(messy.folder, tmp_path / "p")
    os.truncate(folder / "documents.npy", 130)
    with pytest.raises(TableError, match=r"documents.npy is damaged: it has another length .* Delete"):
        Pairs.load(folder)
    (folder / "documents.npy").unlink()
    with pytest.raises(TableError, match=r"documents.npy is missing"):
        Pairs.load(folder)
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(seal({**about, "format": 9}))
    with pytest.raises(TableError, match=r"in format 9; this version reads format 3\. Upgrade with: pip install"):
        Pairs.load(folder)


def test_without_duckdb_the_line_to_install_it_with(tmp_path, monkeypatch, messy):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rootward\[disk\]'"):
        Pairs.from_table(MESSY, on_disk=tmp_path / "p")
    assert len(Pairs.load(messy.folder)) == 8  # what is written opens without


def test_a_disk_without_room_says_so(tmp_path):
    table = PairTable([(f"q{i}" * 50, f"d{i}" * 50, 0) for i in range(20_000)])
    with pytest.raises(InputError, match=r"The pairs cannot be sorted in .*p: Out of Memory"):
        table_to_folder(tmp_path / "p", table, memory="1MB")


# -- cut off -----------------------------------------------------------------------------------------------------


class PowerCut(BaseException):
    pass


@pytest.mark.parametrize("cut", ["check_ids", "write_labels", "heights", "atomic_write", "write_config"])
def test_cut_off_anywhere_it_is_not_whole_and_begins_anew(cut, tmp_path, monkeypatch):
    def gone(*_, **__):
        raise PowerCut

    room = "storage" if cut in ("atomic_write", "write_config") else "on_disk"
    with monkeypatch.context() as broken:
        broken.setattr(f"rootward.pairs.{room}.{cut}", gone)
        broken.setattr(on_disk.shutil, "rmtree", lambda *_, **__: None)  # nobody tidies up after a power cut
        with pytest.raises(PowerCut):
            Pairs.from_table(MESSY, on_disk=tmp_path / "p")
    assert (tmp_path / "p" / on_disk.SCRATCH / "tables.duckdb").exists()
    with pytest.raises(TableError, match="is not whole"):
        Pairs.load(tmp_path / "p")
    assert_equal(Pairs.from_table(MESSY, on_disk=tmp_path / "p"), Pairs.from_table(MESSY))
    assert not (tmp_path / "p" / on_disk.SCRATCH).exists()
