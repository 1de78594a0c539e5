"""Full towers: an encoder from scratch, its gradient in chunks, and the same vectors after a reload."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from letters import Letters
from rootward.encoders import DualEncoder, new_encoder
from rootward.encoders.full import FullTower, alike, weights_of
from rootward.encoders.pretrained import Encoder
from rootward.errors import InputError, RunFolderError
from rootward.rng import stream
from shoes import shoes as shop

SIZES = {"layers": 1, "width": 16, "heads": 2, "mlp": 32, "vocabulary": 60, "longest": 16}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return new_encoder(shop().ids, tmp_path_factory.mktemp("encoders") / "tiny", **SIZES)


@pytest.fixture(scope="module")
def opened(scratch):
    return Encoder.of(scratch).model


def full(opened, documents="tied", **options) -> DualEncoder:
    options = {"dim": 8, "drop": 0.0, "encoder": opened, **options}
    return DualEncoder.text(shop().pairs(), "full", documents=documents, **options)


def test_the_papers_encoder_in_small(opened):
    weights = weights_of(Encoder.of(opened))
    layers = {name for name in weights if "intermediate.dense.weight" in name}
    assert len(layers) == SIZES["layers"]
    assert [tuple(weights[name].shape) for name in layers] == [(32, 16)]
    config = opened[0].auto_model.config
    assert (config.hidden_act, config.num_attention_heads) == ("gelu", 2)
    assert opened[1].get_config_dict()["pooling_mode"] == "mean"


def test_the_same_seed_gives_the_same_encoder(scratch, tmp_path):
    again, other = (new_encoder(shop().ids, tmp_path / str(seed), **SIZES, seed=seed) for seed in (0, 1))
    bits = [(folder / "model.safetensors").read_bytes() for folder in (scratch, again, other)]
    assert bits[0] == bits[1] != bits[2]
    assert (scratch / "tokenizer.json").read_bytes() == (again / "tokenizer.json").read_bytes()


def test_the_start_is_the_encoder_through_the_head(opened):
    model = full(opened, "lookup")
    expected = torch.from_numpy(opened.encode(["wet boots"])) @ model.query_tower.head[0]
    assert_close(model.encode_queries(["wet boots"], lean=0.0).vectors, expected / expected.norm())


@pytest.mark.parametrize("documents", ["tied", "text"])
def test_both_sides_start_tied_and_share_the_encoder(opened, documents):
    model = full(opened, documents)
    assert_close(model.query_vectors(), model.document_vectors(), rtol=0, atol=1e-6)
    reader = model.document_tower.text if documents == "tied" else model.document_tower
    assert all(reader.weights[name] is rows for name, rows in model.query_tower.weights.items())
    assert (reader.head[0] is model.query_tower.head[0]) == (documents == "tied")


def test_a_gradient_in_chunks_is_that_of_the_whole_and_of_differences(opened):
    rows, towards = torch.tensor([0, 2, 5, 9, 11]), torch.randn(5, 8, generator=torch.Generator().manual_seed(2))
    found = []
    for chunk in (64, 2):
        tower = full(opened, "lookup", chunk=chunk, drop=0.3).query_tower
        vectors, pull = tower.forward(rows, stream(0, "noise"))
        assert not vectors.requires_grad
        found.append((vectors, [(each.rows, each.gradient) for each in pull(towards)]))
    (whole, one), (parts, other) = found
    assert_close(whole, parts, rtol=0, atol=1e-6)
    for (rows_one, gradient), (rows_other, same) in zip(one, other, strict=True):
        assert torch.equal(rows_one, rows_other)
        assert_close(gradient, same, rtol=1e-4, atol=1e-6)
    name = next(name for name in tower.weights if name.endswith("intermediate.dense.weight"))
    table = tower.weights[name]
    gradient = next(each.gradient for each in pull(towards) if each.table is table)
    sides = []
    for step in (1e-2, -1e-2):
        table[3, 5] += step
        sides.append((tower.forward(rows, stream(0, "noise"))[0] * towards).sum().item())
        table[3, 5] -= step
    assert gradient[3, 5].item() == pytest.approx((sides[0] - sides[1]) / 2e-2, rel=0.05, abs=2e-4)


LONG_AND_SHORT = [" ".join(["boots"] * n) for n in (14, 1, 2, 9, 1, 13, 3)]


def test_texts_of_like_length_are_padded_together_and_nothing_else_changes(opened, monkeypatch):
    tower = replace(full(opened, "lookup").query_tower, texts=LONG_AND_SHORT)
    towards = torch.randn(7, 8, generator=torch.Generator().manual_seed(4))
    found, read = [], []
    monkeypatch.setattr(opened[0], "forward", lambda given, go=opened[0].forward: read.append(given) or go(given))
    for size in (64, 2):
        monkeypatch.setattr("rootward.encoders.full.ALIKE", size)
        vectors, pull = tower.forward(torch.arange(7), stream(0, "noise"))
        found.append((vectors, [each.gradient for each in pull(towards)]))
    (whole, one), (parts, other) = found
    assert_close(whole, parts, rtol=0, atol=1e-6)
    for gradient, same in zip(one, other, strict=True):
        assert_close(gradient, same, rtol=1e-4, atol=1e-6)
    shapes = [tuple(given["input_ids"].shape) for given in read]
    assert len(shapes) == 5
    assert shapes[0][0] == 7
    assert [n for n, _ in shapes[1:]] == [2, 2, 2, 1]
    assert shapes[1][1] == shapes[0][1] > shapes[2][1] > shapes[3][1]


@pytest.mark.parametrize(
    "given",
    [
        {"input_ids": torch.ones(3, 9)},
        {"attention_mask": torch.tensor([[0, 0, 1], [0, 1, 1], [1, 1, 1]])},
        {"attention_mask": torch.tensor([[1, 0, 0], [1, 0, 0], [1, 1, 1]]), "pixels": torch.ones(3, 4)},
    ],
)
def test_tokens_of_another_make_stay_together(given, monkeypatch):
    monkeypatch.setattr("rootward.encoders.full.ALIKE", 1)
    ((places, same),) = alike(given, 3)
    assert same is given
    assert places.tolist() == [0, 1, 2]


def test_tokens_that_are_not_in_a_batch_are_left_alone(opened):
    tower = full(opened, "lookup").query_tower
    (name,) = (name for name in tower.weights if name.endswith("word_embeddings.weight"))
    _, pull = tower.forward(torch.tensor([3]), stream(0, "noise"))
    pulled = next(each for each in pull(torch.ones(1, 8)) if each.table is tower.weights[name])
    used = set(opened.preprocess([tower.texts[3]])["input_ids"].flatten().tolist())
    assert set(pulled.rows.tolist()) == used
    assert len(used) < len(tower.weights[name])


def test_texts_of_every_kind(opened):
    model = full(opened)
    found = model.encode_queries(["", " \t\n", "\x00\x07", "?!", "漢字", "sandals", "sandals", "boots " * 9_999])
    assert found.vectors[:4].count_nonzero() == 0
    assert_close(found.vectors[4:].norm(dim=1), torch.ones(4), rtol=0, atol=1e-6)
    assert_close(found.vectors[5], found.vectors[6])
    assert model.encode_queries([]).vectors.shape == (0, 8)


@pytest.mark.parametrize("documents", ["tied", "text", "lookup"])
def test_a_reload_gives_the_same_vectors(opened, scratch, documents, tmp_path):
    model = full(opened, documents)
    for table in model.tables().values():
        table.rows.add_(0.01)
    again = DualEncoder.load(model.save(tmp_path / "model"), encoder=scratch)
    assert isinstance(again.query_tower, FullTower)
    assert torch.equal(again.query_vectors(), model.query_vectors())
    assert torch.equal(again.document_vectors(), model.document_vectors())
    assert again.fingerprint() == model.fingerprint()


def test_what_cannot_be_done_is_told(opened, scratch, tmp_path):
    with pytest.raises(InputError, match="'Letters' cannot be trained"):
        full(Letters())
    with pytest.raises(InputError, match="chunk must be at least 1"):
        full(opened, chunk=0)
    with pytest.raises(InputError, match="A full tower needs an encoder"):
        full(None)
    with pytest.raises(InputError, match="heads divide width"):
        new_encoder(["a"], tmp_path / "new", width=10, heads=3)
    with pytest.raises(InputError, match="none of those given has anything to read"):
        new_encoder(["", "\x00"], tmp_path / "new")
    with pytest.raises(RunFolderError, match="is there already"):
        new_encoder(["a"], scratch)
    assert np.array_equal(opened.encode(["a"]), Encoder.of(scratch).encode(["a"])), "training leaves it as it was"
