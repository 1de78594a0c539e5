"""Vectors out of files, and whose they are."""

import builtins

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rootward.diagnosis.vectors import check_count, encoded, read_ids, read_vectors, with_rows_of
from rootward.errors import InputError, MissingExtraError, TableError, UnknownIdError
from rootward.ids import Ids
from shoes import shoes

SHOP = shoes().pairs()


def test_vectors_come_out_as_they_were_written(tmp_path):
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.save(tmp_path / "v.npy", rows)
    save_file({"queries": torch.from_numpy(rows), "documents": torch.ones(2, 2).bfloat16()}, tmp_path / "v.safetensors")
    assert (read_vectors(tmp_path / "v.npy", "query") == rows).all()
    assert (read_vectors(tmp_path / "v.safetensors", "query") == rows).all()
    assert (read_vectors(tmp_path / "v.safetensors", "document") == 1).all()
    assert (read_vectors(tmp_path / "v.safetensors", "document", "queries") == rows).all()


def test_files_that_hold_no_vectors_are_refused(tmp_path):
    np.save(tmp_path / "flat.npy", np.zeros(3))
    np.save(tmp_path / "words.npy", np.array([["a"]]))
    np.save(tmp_path / "objects.npy", np.array([[None]]), allow_pickle=True)
    (tmp_path / "empty.npy").write_bytes(b"")
    save_file({"a": torch.ones(1, 1), "quries": torch.ones(1, 1)}, tmp_path / "v.safetensors")
    for name in ("flat.npy", "words.npy", "objects.npy", "empty.npy", "gone.npy"):
        with pytest.raises(TableError, match=name):
            read_vectors(tmp_path / name, "query")
    with pytest.raises(InputError, match=r"no tensor 'queries'; it holds 'a', 'quries'. Did you mean 'quries'"):
        read_vectors(tmp_path / "v.safetensors", "query")
    with pytest.raises(InputError, match=r"\.npy or \.safetensors"):
        read_vectors(tmp_path / "v.pt", "query")


def test_ids_of_rows_come_from_a_line_each_or_from_a_column(tmp_path):
    (tmp_path / "ids.txt").write_text("sandals\nkids' shoes\n")
    (tmp_path / "ids.csv").write_text("row,id\n0,sandals\n1,kids' shoes\n")
    assert list(read_ids(tmp_path / "ids.txt")) == list(read_ids(tmp_path / "ids.csv")) == ["sandals", "kids' shoes"]
    (tmp_path / "none.txt").write_text("")
    with pytest.raises(TableError, match="empty"):
        read_ids(tmp_path / "none.txt")
    with pytest.raises(TableError, match="no file"):
        read_ids(tmp_path / "gone.txt")


def test_rows_in_another_order_keep_their_meaning():
    turned = Ids([*reversed(SHOP.document_ids), "gumboots"])
    moved = with_rows_of(SHOP, None, turned)
    assert dict(moved.relevant("sandals")) == dict(SHOP.relevant("sandals"))
    assert moved.n_documents == 13  # gumboots compete, though no pair has them


def test_ids_without_a_vector_are_named():
    with pytest.raises(UnknownIdError, match="1 document ids that the document vectors do not have: 'boots'"):
        with_rows_of(SHOP, None, Ids(each for each in SHOP.document_ids if each != "boots"))


def test_a_wrong_number_of_rows_says_what_to_do():
    with pytest.raises(InputError, match=r"11 query vectors and 12 query ids in the pairs.*--query-ids FILE"):
        check_count(np.zeros((11, 2)), SHOP.query_ids, "query", given=False)
    with pytest.raises(InputError, match="in the id file"):
        check_count(np.zeros((11, 2)), SHOP.query_ids, "query", given=True)
    check_count(np.zeros((12, 2)), SHOP.query_ids, "query", given=False)


def test_an_encoder_needs_an_extra(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **more):
        if name == "sentence_transformers":
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"rootward\[text\]"):
        encoded("any", SHOP)
