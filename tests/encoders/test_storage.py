"""A model folder: what is in it, that it answers the same, and that damage is seen."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file

from rootward.encoders import DualEncoder
from rootward.errors import RunFolderError
from rootward.folders import FORMAT, seal
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.texts import Texts

TEXTS = Texts(
    names=("sandals", "boots", ""),
    synonyms=(("flip-flops", "jandals"), (), ("ünïcode", "")),
    definitions=("Open shoes.", "", "Line one\nline two"),
)


def clicks() -> Pairs:
    """Two kinds of ids: what people typed and what there is in the shop."""
    return Pairs.from_arrays(
        Ids(["shoe", "boot", "sandale", "nothing"]),
        Ids(["sandals", "boots", "hats"]),
        [0, 0, 1, 2],
        [0, 1, 1, 0],
        [0, 1, 0, 0],
        document_texts=TEXTS,
    )


@pytest.fixture
def model() -> DualEncoder:
    made = DualEncoder.lookup(clicks(), 5, seed=3)
    made.thresholds = torch.tensor([0.25, -1.0, torch.inf, torch.nan])
    return made


def test_a_reload_is_the_same_to_the_bit(model, tmp_path):
    again = DualEncoder.load(model.save(tmp_path / "model"))
    assert torch.equal(again.query_vectors(), model.query_vectors())
    assert torch.equal(again.document_vectors(), model.document_vectors())
    assert torch.equal(again.thresholds.view(torch.int32), model.thresholds.view(torch.int32))
    assert np.array_equal(again.generality, model.generality)
    assert again.generality.dtype == np.int64
    assert (again.query_ids, again.document_ids) == (model.query_ids, model.document_ids)
    assert (again.query_texts, again.document_texts) == (None, TEXTS)
    assert again.fingerprint() == model.fingerprint()


@pytest.mark.parametrize(("query", "document"), [(None, None), (TEXTS, None), (None, TEXTS), (TEXTS, TEXTS)])
def test_texts_of_either_side_come_back(query, document, tmp_path):
    ids = Ids("abc")
    pairs = Pairs.from_arrays(ids, ids, [0], [0], [0], query_texts=query, document_texts=document)
    again = DualEncoder.load(DualEncoder.lookup(pairs, 2).save(tmp_path))
    assert (again.query_texts, again.document_texts) == (query, document)
    assert (tmp_path / "texts.parquet").exists() == (query is not None or document is not None)


def test_different_texts_on_both_sides_come_back(tmp_path):
    ids, other = Ids("abc"), TEXTS.take([2, 0, 1])
    pairs = Pairs.from_arrays(ids, ids, [0], [0], [0], query_texts=TEXTS, document_texts=other)
    again = DualEncoder.load(DualEncoder.lookup(pairs, 2).save(tmp_path))
    assert (again.query_texts, again.document_texts) == (TEXTS, other)


def test_ids_are_a_table_of_side_row_and_id(model, tmp_path):
    table = pq.read_table(model.save(tmp_path) / "ids.parquet")
    assert table.column_names == ["side", "row", "id"]
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("query", 0, "shoe"),
        ("query", 1, "boot"),
        ("query", 2, "sandale"),
        ("query", 3, "nothing"),
        ("document", 0, "sandals"),
        ("document", 1, "boots"),
        ("document", 2, "hats"),
    ]
    assert str(table.schema.field("row").type) == "int64"


def test_anybody_can_read_the_vectors_with_numpy(model, tmp_path):
    arrays = load_file(model.save(tmp_path) / "model.safetensors")
    assert {name: (array.dtype, array.shape) for name, array in arrays.items()} == {
        "queries": (np.float32, (4, 5)),
        "documents": (np.float32, (3, 5)),
        "generality": (np.int64, (3,)),
        "heights": (np.float32, (3,)),
        "thresholds": (np.float32, (4,)),
    }
    assert np.array_equal(arrays["queries"], model.query_vectors().numpy())
    assert np.array_equal(arrays["documents"], model.document_vectors().numpy())


def test_config_holds_the_format_the_callers_sections_and_every_checksum(model, tmp_path):
    (tmp_path / "more.bin").write_bytes(b"more")
    model.save(tmp_path, config={"run": {"seed": 3}}, more_files={"more.bin": None})
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["format"] == FORMAT
    assert config["made_by"].startswith("rootward ")
    assert config["run"] == {"seed": 3}
    assert set(config["files"]) == {"model.safetensors", "ids.parquet", "texts.parquet", "more.bin"}
    assert set(config["files"]) | {"config.json"} == {path.name for path in tmp_path.iterdir()}, "a file left over"
    (tmp_path / "more.bin").write_bytes(b"less")
    with pytest.raises(RunFolderError, match=r"more\.bin is damaged"):
        DualEncoder.load(tmp_path)


def test_saving_over_another_model_replaces_it(model, tmp_path):
    model.save(tmp_path)
    ids = Ids("ab")
    other = DualEncoder.lookup(Pairs.from_arrays(ids, ids, [0], [0], [0]), 2)
    again = DualEncoder.load(other.save(tmp_path))
    assert list(again.query_ids) == ["a", "b"]
    assert again.document_texts is None, "texts of the model before"


@pytest.mark.parametrize("name", ["model.safetensors", "ids.parquet", "texts.parquet"])
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_one_changed_byte_anywhere_is_seen(name, place, model, tmp_path):
    path = model.save(tmp_path) / name
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    path.write_bytes(data)
    with pytest.raises(RunFolderError, match=rf"{name} is damaged: its checksum"):
        DualEncoder.load(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "ids.parquet", "texts.parquet"])
def test_a_missing_file_is_named(name, model, tmp_path):
    (model.save(tmp_path) / name).unlink()
    with pytest.raises(RunFolderError, match=f"{name} is missing"):
        DualEncoder.load(tmp_path)


def test_ids_of_another_model_are_refused_though_every_checksum_is_right(model, tmp_path):
    model.save(tmp_path / "one")
    ids = Ids("ab")
    DualEncoder.lookup(Pairs.from_arrays(ids, ids, [0], [0], [0]), 2).save(tmp_path / "other")
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    other = json.loads((tmp_path / "other" / "config.json").read_text())
    config["files"]["ids.parquet"] = other["files"]["ids.parquet"]
    (tmp_path / "one" / "config.json").write_text(seal(config))
    (tmp_path / "one" / "ids.parquet").write_bytes((tmp_path / "other" / "ids.parquet").read_bytes())
    with pytest.raises(RunFolderError, match="no 'queries' with one row for each of the 2 ids"):
        DualEncoder.load(tmp_path / "one")


def test_a_newer_format_is_refused_with_what_to_do(model, tmp_path):
    path = model.save(tmp_path) / "config.json"
    path.write_text(seal({**json.loads(path.read_text()), "format": FORMAT + 1}))
    with pytest.raises(RunFolderError, match=f"in format {FORMAT + 1}; .*pip install --upgrade rootward"):
        DualEncoder.load(tmp_path)


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="does not exist"):
        DualEncoder.load(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"has no config\.json"):
        DualEncoder.load(tmp_path)
    (tmp_path / "edges.csv").write_text("child,parent")
    with pytest.raises(RunFolderError, match=r"edges\.csv is a file; needed is the folder of a run"):
        DualEncoder.load(tmp_path / "edges.csv")


def test_a_folder_of_nearly_that_name_is_suggested(model, tmp_path):
    model.save(tmp_path / "shop")
    with pytest.raises(RunFolderError, match=r"shp does not exist.* Did you mean '.*shop'\?"):
        DualEncoder.load(tmp_path / "shp")


def test_odd_ids_come_back(tmp_path):
    odd = ["a,b", 'say "hi"', "new\nline", "日本", " leading", "NULL", "None", "1e5", "\U0001f45f"]
    ids = Ids(odd)
    pairs = Pairs.from_arrays(ids, ids, range(9), range(9), [0] * 9)
    assert list(DualEncoder.load(DualEncoder.lookup(pairs, 2).save(tmp_path)).query_ids) == odd
