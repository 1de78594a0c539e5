"""Joint towers: what a static and a frozen half make of a text together, and where one of them is silent."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from encoders.checks import ORDER, agree_with_differences, in_double, turned
from letters import Letters, Shouting
from rootward.encoders import DualEncoder, TextTower
from rootward.encoders.joint import JointTower
from rootward.errors import InputError
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Index
from rootward.rng import stream
from shoes import shoes as shop


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ROOTWARD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def joint(documents="tied", pairs=None, **options) -> DualEncoder:
    options = {"dim": 16, "drop": 0.0, "encoder": Letters(), **options}
    return DualEncoder.text(pairs or shop().pairs(), "joint", documents=documents, **options)


@pytest.fixture(params=["tied", "text", "lookup"])
def model(request) -> DualEncoder:
    made = joint(request.param)
    for table in made.tables().values():
        if not table.unit:
            table.rows.add_(0.3 * torch.randn(table.rows.shape, generator=torch.Generator().manual_seed(1)))
    return made


# -- vectors -------------------------------------------------------------------------------------------------------


def test_a_vector_is_half_of_what_each_tower_alone_would_give():
    static = DualEncoder.text(shop().pairs(), dim=16, drop=0.0)
    frozen = DualEncoder.text(shop().pairs(), "frozen", dim=16, drop=0.0, encoder=Letters())
    texts = ["wet boots", "sandals"]
    one, other = (each.encode_queries(texts, lean=0.0).vectors for each in (static, frozen))
    found = joint().encode_queries(texts, lean=0.0).vectors
    assert_close(found, torch.nn.functional.normalize(one + other))
    assert_close((found * one).sum(1), (found * other).sum(1), rtol=0, atol=1e-6)
    assert_close(
        joint().query_vectors(), torch.nn.functional.normalize(static.query_vectors() + frozen.query_vectors())
    )


def test_known_texts_asked_as_new_ones_have_the_same_vectors(model):
    asked = model.encode_queries(list(model.query_ids), lean=0.0).vectors
    assert_close(asked, model.query_vectors(), rtol=0, atol=1e-6)
    assert_close(model.document_vectors().norm(dim=1), torch.ones(12), rtol=0, atol=1e-6)
    for encode in (model.query_vectors, model.document_vectors):
        assert_close(encode([7, 0, 3]), encode()[[7, 0, 3]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("documents", ["tied", "text"])
def test_both_sides_start_tied(documents):
    model = joint(documents)
    assert_close(model.query_vectors(), model.document_vectors(), rtol=0, atol=1e-6)
    of_documents = {id(table.rows) for table in model.document_tower.tables()}
    shared = [id(table.rows) in of_documents for table in model.query_tower.tables()]
    assert shared == [documents == "tied"] * 2


@pytest.mark.parametrize("hidden", [None, 24])
@pytest.mark.parametrize("side", ["query_tower", "document_tower"])
def test_the_way_back_goes_through_both_halves_as_differences_say(side, hidden):
    tower = getattr(joint(hidden=hidden, word_pairs=True).mapped(lambda tensor: tensor.double()), side)
    in_double(getattr(tower, "text", tower).static)
    assert len(agree_with_differences(tower)) == len(tower.tables())


def test_what_is_dropped_comes_from_the_step_alone():
    tower = joint(drop=0.5).query_tower
    first, again, other = (tower.forward(torch.arange(12), stream(seed, "noise"))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_permuted_ids_have_permuted_vectors():
    one, other = joint("text").query_vectors(), joint("text", turned(shop().pairs())).query_vectors()
    assert_close(other, one[ORDER], rtol=0, atol=1e-6)


# -- texts of every kind -------------------------------------------------------------------------------------------


def test_where_one_half_is_silent_the_other_speaks_alone(model):
    model.thresholds = torch.linspace(0.1, 0.9, 12)
    found = model.encode_queries(["", "?!", "漢字", "sandals"])
    assert found.vectors[:2].count_nonzero() == 0
    assert torch.isnan(found.thresholds[:2]).all()
    assert_close(found.vectors[2:].norm(dim=1), torch.ones(2), rtol=0, atol=1e-6)
    assert found.thresholds[3] == model.thresholds[model.query_ids.row("sandals")]
    static, frozen = model.query_tower.static, model.query_tower.frozen
    assert static.encode_texts(["漢字"]).count_nonzero() == 0
    assert_close(model.query_tower.encode_texts(["漢字"]), frozen.encode_texts(["漢字"]))
    assert model.encode_queries([]).vectors.shape == (0, 16)


def test_a_silent_half_does_not_move():
    # Of "漢字", which no training text has, the static half is zero, whose unit vector has no direction to turn to.
    tower = joint().query_tower.with_texts(["漢字", "sandals"])
    vectors, pull = tower.forward(torch.tensor([0, 1]), stream(0, "noise"))
    towards = torch.zeros(2, 16)
    towards[0] = 1.0
    moved = {id(table): gradient for table, _, gradient in pull(towards)}
    assert vectors.isfinite().all()
    assert not moved[id(tower.static.tokens)].any()
    assert moved[id(tower.frozen.head[0])].isfinite().all()
    assert moved[id(tower.frozen.head[0])].any()


def test_a_document_that_neither_half_can_read_starts_somewhere_of_its_own():
    pairs = Pairs.from_arrays(Ids(["red shoe", "boot"]), Ids(["漢字", "!!!"]), [0, 1], [0, 1], [0, 0])
    model = joint(pairs=pairs)
    assert model.document_tower.text.known.tolist() == [True, False]
    assert model.document_tower.offsets.any(1).tolist() == [False, True]
    assert_close(model.document_vectors().norm(dim=1), torch.ones(2), rtol=0, atol=1e-6)


def test_leaning_follows_both_halves_when_they_change(model):
    for table in (model.query_tower.static.tokens, model.query_tower.frozen.head[0]):
        before = model.encode_queries(["a sandal"], lean=1.0).vectors
        table.neg_().add_(0.5)
        after = model.encode_queries(["a sandal"], lean=1.0).vectors
        assert not torch.allclose(before, after)
        assert_close(after, model.query_vectors([model.query_tower.nearest_anchors(after)[0].item()]))


def test_words_are_found_by_their_parts_and_by_the_encoder(minilm):
    pairs = Hierarchy.from_edges([("sneakers", "shoes"), ("sandals", "shoes"), ("shoes", ""), ("boots", "")]).pairs()
    model = DualEncoder.text(pairs, "joint", dim=384, encoder=minilm)
    found = Index.build(model).search(model.encode_queries(["trainers for jogging", "Sandalss"], lean=0.0), k=1)
    assert found.ids == [["sneakers"], ["sandals"]]


# -- on disk -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [None, 24])
@pytest.mark.parametrize("documents", ["tied", "text", "lookup"])
def test_a_reload_gives_the_same_vectors_and_reads_nothing_again(documents, hidden, tmp_path):
    model = joint(documents, hidden=hidden, word_pairs=True)
    for table in model.tables().values():
        table.rows.mul_(1.5)
    folder, encoder = model.save(tmp_path / "model"), Letters()
    again = DualEncoder.load(folder, encoder=encoder)
    assert encoder.n_asked == 0
    assert torch.equal(again.query_vectors(), model.query_vectors())
    assert torch.equal(again.document_vectors(), model.document_vectors())
    texts = ["wet boots", "rain hiking boots"]
    assert torch.equal(again.encode_queries(texts).vectors, model.encode_queries(texts).vectors)
    assert (again.fingerprint(), again.settings()) == (model.fingerprint(), model.settings())
    assert again.tables().keys() == model.tables().keys()


def test_another_encoder_is_refused(tmp_path):
    folder = joint().save(tmp_path / "model")
    with pytest.raises(InputError, match=r"'Shouting' is not the one .* is shouting-1, needed is letters-1"):
        DualEncoder.load(folder, encoder=Shouting())
    with pytest.raises(InputError, match=r"given as an object \(Letters\).*load\(folder, encoder"):
        DualEncoder.load(folder)


# -- what it is ----------------------------------------------------------------------------------------------------


def test_it_is_a_tower_that_reads(model):
    assert isinstance(model.query_tower, TextTower)
    assert model.reads_texts
    named = {"queries.tokens", "queries.hashes", "queries.idf", "queries.head", "queries.anchors"}
    assert {name for name in model.tensors() if name.startswith("queries")} == named


def test_halves_that_do_not_belong_together_are_refused():
    one, other = joint().query_tower, joint(dim=8).query_tower
    with pytest.raises(InputError, match="12 of dim 16 for the static and 12 of dim 8 for the frozen"):
        JointTower(one.static, other.frozen)
    with pytest.raises(InputError, match="the same texts"):
        JointTower(one.static, one.frozen.with_texts(["sandals"]))


def test_without_an_encoder_it_says_what_it_needs():
    with pytest.raises(InputError, match=r"A joint tower needs an encoder: DualEncoder.text\(pairs, 'joint', enc"):
        joint(encoder=None)
