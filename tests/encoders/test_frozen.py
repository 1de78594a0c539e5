"""Frozen towers: an encoder's outputs kept on disk, heads on top of them, and encoders that cannot be used."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from encoders.checks import ORDER, agree_with_differences, turned
from letters import Letters, Shouting
from rootward.encoders import DualEncoder, LookupTower, TextTower, new_encoder
from rootward.encoders.pretrained import BLOCK, Encoder, cache_folder, encode_cached, readable
from rootward.errors import InputError, MissingExtraError
from rootward.folders import seal
from rootward.hierarchy import Hierarchy
from rootward.rng import stream
from shoes import shoes as shop


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ROOTWARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def frozen(documents="tied", encoder=None, **options) -> DualEncoder:
    options = {"dim": 16, "drop": 0.0, "encoder": encoder or Letters(), **options}
    return DualEncoder.text(shop().pairs(), "frozen", documents=documents, **options)


@pytest.fixture(params=["tied", "text", "lookup"])
def model(request) -> DualEncoder:
    made = frozen(request.param)
    for table in made.tables().values():
        if not table.unit:
            table.rows.add_(0.3 * torch.randn(table.rows.shape, generator=torch.Generator().manual_seed(1)))
    return made


# -- vectors -------------------------------------------------------------------------------------------------------


def test_a_vector_is_the_encoders_output_through_the_head_on_the_sphere():
    model = frozen("lookup")
    text = "wet boots"
    expected = torch.from_numpy(Letters().encode([text])) @ model.query_tower.head[0]
    assert_close(model.encode_queries([text], lean=0.0).vectors, expected / expected.norm())


@pytest.mark.parametrize("dim", [16, 48, 64])
def test_the_start_keeps_what_is_near_for_the_encoder(dim):
    model = frozen("lookup", dim=dim)
    encoded = torch.from_numpy(Letters().encode(list(model.query_ids)))
    before, after = encoded @ encoded.T, model.query_vectors() @ model.query_vectors().T
    assert_close(
        after, before / before.diag().sqrt().outer(before.diag().sqrt()), rtol=0, atol=1.0 if dim < 48 else 1e-5
    )
    assert torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1] > 0.8


@pytest.mark.parametrize("documents", ["tied", "text"])
def test_both_sides_start_tied(documents):
    model = frozen(documents)
    assert_close(model.query_vectors(), model.document_vectors(), rtol=0, atol=1e-6)
    shared = model.document_tower.tables()[-1].rows is model.query_tower.head[0]
    assert shared == (documents == "tied")


def test_known_texts_asked_as_new_ones_have_the_same_vectors(model):
    asked = model.encode_queries(list(model.query_ids), lean=0.0).vectors
    assert_close(asked, model.query_vectors(), rtol=0, atol=1e-6)
    assert_close(model.document_vectors().norm(dim=1), torch.ones(12), rtol=0, atol=1e-6)
    assert_close(model.query_vectors([7, 0]), model.query_vectors()[[7, 0]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("hidden", [None, 24])
@pytest.mark.parametrize("side", ["query_tower", "document_tower"])
def test_the_way_back_is_the_gradient_that_differences_give(side, hidden):
    tower = getattr(frozen("tied", hidden=hidden).mapped(lambda tensor: tensor.double()), side)
    assert len(agree_with_differences(tower)) == len(tower.tables())


def test_what_is_dropped_comes_from_the_step_alone():
    tower = frozen(drop=0.5).query_tower
    rows = torch.arange(12)
    first, again, other = (tower.forward(rows, stream(seed, "noise"))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_permuted_ids_have_permuted_vectors():
    one = frozen("text").query_vectors()
    other = DualEncoder.text(turned(shop().pairs()), "frozen", dim=16, encoder=Letters(), documents="text")
    assert_close(other.query_vectors(), one[ORDER], rtol=0, atol=1e-6)


# -- texts of every kind -------------------------------------------------------------------------------------------


def test_texts_that_say_nothing_are_zero_and_the_others_are_read(model):
    model.thresholds = torch.linspace(0.1, 0.9, 12)
    texts = ["", " \t\n", "\x00\x07", "?!", "漢字", "sandals", "sandals", "rain\x00 boots", "rain  boots", "x" * 99_999]
    found = model.encode_queries(texts)
    assert found.vectors[:4].count_nonzero() == 0
    assert torch.isnan(found.thresholds[:4]).all()
    assert_close(found.vectors[4:].norm(dim=1), torch.ones(6), rtol=0, atol=1e-6)
    assert torch.equal(found.vectors[5], found.vectors[6])
    assert torch.equal(found.vectors[7], found.vectors[8])
    assert found.thresholds[5] == model.thresholds[model.query_ids.row("sandals")]
    assert model.encode_queries([]).vectors.shape == (0, 16)


def test_readable_texts():
    assert readable(" Rain\x00\x07boots\n\u200b in\u00a0 autumn ") == "Rain boots in autumn"
    assert len(readable("a" * 5_000)) == 2_000


# -- what is kept --------------------------------------------------------------------------------------------------


def test_what_was_read_once_is_not_read_again_and_is_the_same(cache):
    first, second = Letters(), Letters()
    one, other = frozen(encoder=first), frozen(encoder=second)
    assert (first.n_asked, second.n_asked) == (12, 0)
    assert torch.equal(one.query_vectors(), other.query_vectors())
    unkept = encode_cached(Encoder.of(Letters()), list(one.query_ids))
    assert np.array_equal(unkept[np.arange(12)], other.query_tower.outputs[np.arange(12)])
    assert frozen(encoder=Shouting()).query_vectors().ne(one.query_vectors()).any()
    assert len(list(cache.rglob("*.npy"))) == 2


def test_equal_texts_are_read_once_and_added_ones_cost_themselves(cache):
    texts = [f"shoe {i}" for i in range(BLOCK)]
    encode_cached(Encoder.of(Letters()), texts, cache)
    encoder = Letters()
    read = encode_cached(Encoder.of(encoder), [*texts, "boot", "shoe 1", "", "boot"], cache)
    assert encoder.asked == [["boot"]]
    assert read.places[-4:].tolist() == [BLOCK, 1, -1, BLOCK]
    assert np.array_equal(read[np.array([BLOCK, 1, BLOCK + 2])][:2], Letters().encode(["boot", "shoe 1"]))
    assert read.known.tolist()[-4:] == [True, True, False, True]


def test_a_file_that_was_cut_off_is_made_again(cache):
    before = frozen().query_vectors()
    (kept,) = cache.rglob("*.npy")
    kept.write_bytes(kept.read_bytes()[:150])
    encoder = Letters()
    assert torch.equal(frozen(encoder=encoder).query_vectors(), before)
    assert encoder.n_asked == 12


def test_an_encoder_that_fails_halfway_leaves_what_is_whole(cache):
    class Failing(Letters):
        def encode(self, texts):
            if "boot 0" in texts:
                raise KeyboardInterrupt
            return super().encode(texts)

    texts = [*(f"shoe {i}" for i in range(BLOCK)), "boot 0"]
    with pytest.raises(KeyboardInterrupt):
        encode_cached(Encoder.of(Failing()), texts, cache)
    assert len([path for path in cache.rglob("*") if path.is_file()]) == 1
    again = Letters()
    encode_cached(Encoder.of(again), texts, cache)
    assert again.asked == [["boot 0"]]


def test_an_object_that_cannot_be_recognised_is_asked_every_time(cache):
    class Nameless:
        def encode(self, texts):
            return Letters().encode(texts)

    assert_close(frozen(encoder=Nameless()).query_vectors(), frozen().query_vectors())
    assert len(list(cache.rglob("*.npy"))) == 1


def test_where_outputs_are_kept(tmp_path, monkeypatch):
    assert cache_folder() == tmp_path / "cache"
    assert cache_folder(tmp_path / "here") == tmp_path / "here"
    monkeypatch.delenv("ROOTWARD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "rootward"


# -- on disk -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [None, 24])
@pytest.mark.parametrize("documents", ["tied", "text", "lookup"])
def test_a_reload_gives_the_same_vectors_and_reads_nothing_again(documents, hidden, tmp_path):
    model = frozen(documents, hidden=hidden)
    model.tables()["queries.head"].rows.mul_(1.5)
    folder, encoder = model.save(tmp_path / "model"), Letters()
    again = DualEncoder.load(folder, encoder=encoder)
    assert encoder.n_asked == 0
    assert torch.equal(again.query_vectors(), model.query_vectors())
    assert torch.equal(again.document_vectors(), model.document_vectors())
    assert torch.equal(again.encode_queries(["wet boots"]).vectors, model.encode_queries(["wet boots"]).vectors)
    assert (again.fingerprint(), again.settings()) == (model.fingerprint(), model.settings())


def test_outputs_are_found_again_in_the_cache_that_the_model_was_made_with(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = frozen(cache="mine").save(tmp_path / "model")
    monkeypatch.chdir(cache.parent.parent)
    encoder = Letters()
    again = DualEncoder.load(folder, encoder=encoder)
    assert encoder.n_asked == 0
    assert not cache.exists()
    assert again.settings()["query"]["cache"] == str(tmp_path / "mine")


def test_outputs_are_kept_elsewhere_where_that_cache_is_gone_or_another_is_given(cache, tmp_path):
    folder = frozen(cache=tmp_path / "mine").save(tmp_path / "model")
    (tmp_path / "mine").rename(tmp_path / "moved")
    given, gone = Letters(), Letters()
    DualEncoder.load(folder, encoder=given, cache=tmp_path / "moved")
    assert given.n_asked == 0
    DualEncoder.load(folder, encoder=gone)
    assert gone.n_asked == 12
    assert len(list(cache.rglob("*.npy"))) == 1
    assert not (tmp_path / "mine").exists()


def test_a_model_of_earlier_days_which_does_not_say_where_loads_from_the_default(tmp_path):
    model = frozen()
    folder = model.save(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    del config["towers"]["query"]["cache"]
    (folder / "config.json").write_text(seal(config))
    encoder = Letters()
    assert DualEncoder.load(folder, encoder=encoder).query_vectors().equal(model.query_vectors())
    assert encoder.n_asked == 0


def test_reading_again_is_shown_where_progress_is_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    folder = frozen(cache=tmp_path / "mine").save(tmp_path / "model")
    shown = []
    for progress in (False, True):
        shutil.rmtree(tmp_path / "mine", ignore_errors=True)
        DualEncoder.load(folder, encoder=Letters(), cache=tmp_path / str(progress), progress=progress)
        shown.append(capsys.readouterr().err)
    assert shown[0] == ""
    assert "encoding 12 texts" in shown[1]


def test_another_encoder_is_refused(tmp_path):
    folder = frozen().save(tmp_path / "model")
    with pytest.raises(InputError, match=r"'Shouting' is not the one .* is shouting-1, needed is letters-1"):
        DualEncoder.load(folder, encoder=Shouting())
    with pytest.raises(InputError, match=r"given as an object \(Letters\).*load\(folder, encoder"):
        DualEncoder.load(folder)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (3, "an object with encode"),
        (type("Flat", (), {"encode": lambda self, texts: np.zeros(len(texts))})(), "must give a finite matrix"),
        (type("Nan", (), {"encode": lambda self, texts: np.full((len(texts), 4), np.nan)})(), "with NaN or infinity"),
    ],
)
def test_what_is_no_encoder_is_refused(encoder, message):
    with pytest.raises(InputError, match=message):
        frozen(encoder=encoder)


def test_without_sentence_transformers_the_install_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rootward\[text\]'"):
        frozen(encoder="all-MiniLM-L6-v2")


@pytest.mark.parametrize("options", [{"hidden": 0}, {"dim": 0}, {"drop": 1.0}])
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(InputError, match="at least"):
        frozen(**options)


# -- towers that read ----------------------------------------------------------------------------------------------


def test_a_text_tower_is_what_reads(model):
    assert isinstance(model.query_tower, TextTower)
    assert model.reads_texts
    assert not isinstance(LookupTower(torch.eye(2)), TextTower)


# -- a real encoder ------------------------------------------------------------------------------------------------


def test_minilm_by_its_folder_knows_words_that_no_training_text_has(minilm, tmp_path):
    pairs = Hierarchy.from_edges([("sneakers", "shoes"), ("sandals", "shoes"), ("shoes", ""), ("boots", "")]).pairs()
    model = DualEncoder.text(pairs, "frozen", dim=384, encoder=minilm)
    found = model.encode_queries(["trainers for jogging", "Sandals"], lean=0.0)
    best = (found.vectors @ model.document_vectors().T).argmax(1)
    assert [model.document_ids[row] for row in best.tolist()] == ["sneakers", "sandals"]
    again = DualEncoder.load(model.save(tmp_path / "model"))
    assert again.query_vectors().equal(model.query_vectors())
    assert "model" not in vars(again.query_tower.encoder), "nothing has asked for it yet"
    again.query_tower.encoder.expected = "0" * 16
    with pytest.raises(InputError, match="is not the one"):
        again.encode_queries(["wet boots"])


@pytest.mark.parametrize("name", ["./nowhere", "../models/nowhere", "~/nowhere", "a/b/nowhere", "here/nowhere"])
def test_a_folder_that_is_nowhere_is_named_and_no_hub_asked(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    for given in (name, Path(name), tmp_path / name):
        says = r"nowhere.* cannot be loaded: there is no such folder.*load\(folder, encoder=\.\.\.\), or --encoder"
        with pytest.raises(InputError, match=says):
            frozen(encoder=given)


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_a_name_that_a_hub_may_have_is_asked_for_there(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingExtraError):
        frozen(encoder=name)


def test_no_bars_of_other_libraries_are_shown_and_they_are_as_they_were_afterwards(tmp_path, capsys):
    from huggingface_hub.utils import are_progress_bars_disabled  # noqa: PLC0415
    from transformers.utils import logging  # noqa: PLC0415

    before = logging.is_progress_bar_enabled(), are_progress_bars_disabled()
    folder = new_encoder(["shoes", "boots"], tmp_path / "tiny", layers=1, width=8, heads=1, mlp=8, longest=8)
    assert Encoder.of(folder).model is not None
    assert capsys.readouterr().err == ""
    assert (logging.is_progress_bar_enabled(), are_progress_bars_disabled()) == before


def test_an_encoder_by_a_relative_folder_is_found_from_anywhere_and_known_as_a_folder(tmp_path, monkeypatch):
    sizes = {"layers": 1, "width": 8, "heads": 1, "mlp": 8, "longest": 8}
    new_encoder(["shoes", "boots"], tmp_path / "tiny", **sizes)
    monkeypatch.chdir(tmp_path)
    model = frozen(encoder="tiny")
    folder = model.save(tmp_path / "model")
    monkeypatch.chdir("/")
    found = DualEncoder.load(folder)
    assert found.encode_queries(["wet boots"]).vectors.equal(model.encode_queries(["wet boots"]).vectors)
    (tmp_path / "tiny").rename(tmp_path / "moved")
    gone = DualEncoder.load(folder)
    assert gone.query_tower.encoder.folder
    with pytest.raises(InputError, match="tiny' cannot be loaded: there is no such folder"):
        gone.encode_queries(["wet boots"])
    moved = DualEncoder.load(folder, encoder=tmp_path / "moved")
    assert moved.encode_queries(["wet boots"]).vectors.equal(model.encode_queries(["wet boots"]).vectors)
