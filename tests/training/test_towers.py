"""Towers of every kind in the one loop: text towers, shared tables, and a tower of one's own."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from letters import Letters
from rootward.encoders import DualEncoder, LookupTower, new_encoder
from rootward.encoders.pretrained import Encoder
from rootward.encoders.towers import Table, TableGradient
from rootward.errors import UnknownIdError
from rootward.evaluation import evaluate
from rootward.evaluation.evaluate import queries_of
from rootward.pairs import Pairs
from rootward.retrieval import Index
from rootward.texts import Texts
from rootward.training import Run, Settings, recipes, resume, train
from rootward.training.loop import rate_at
from rootward.training.session import validate
from shoes import DEFINITIONS, SYNONYMS, shoes
from training.runs import QUIET
from training.stopping import assert_same

RECIPES = {
    "lazy adam": recipes.decoupled(steps=24, validate_every=5, batch_size=6),
    "best": recipes.decoupled(steps=24, validate_every=5, batch_size=6, keep="best", learning_rate=3.0),
    "sgd": recipes.decoupled(steps=24, validate_every=5, batch_size=6, optimizer="sgd", learning_rate=0.1),
    "adam": recipes.decoupled(steps=24, validate_every=5, batch_size=6, optimizer="adam"),
    "hard": recipes.decoupled(
        steps=24, validate_every=5, batch_size=4, candidates="sampled", negatives=2, hard_negatives=2, mine_every=5
    ),
}


@pytest.fixture(scope="module")
def named() -> Pairs:
    """The shop with a query for every name and synonym."""
    pairs = shoes().pairs()
    names = tuple(pairs.query_ids)
    texts = Texts(names, tuple(SYNONYMS.get(name, ()) for name in names), tuple(DEFINITIONS.get(n, "") for n in names))
    return replace(pairs, query_texts=texts, document_texts=texts).by_name()


def begun(pairs: Pairs, recipe, out=None, documents="tied", **options) -> Run:
    options.setdefault("settings", QUIET)
    return train(DualEncoder.text(pairs, dim=8, documents=documents), pairs, recipe, out=out, **options)


@pytest.mark.parametrize(
    ("name", "documents"),
    [*((name, documents) for name in RECIPES for documents in ("tied", "lookup")), ("best", "text")],
)
def test_a_text_run_that_was_stopped_ends_with_the_same_bits(name, documents, named, tmp_path, ctrl_c):
    begun(named, RECIPES[name], tmp_path / "whole", documents)
    ctrl_c(13)
    assert not begun(named, RECIPES[name], tmp_path / "parts", documents).finished
    ctrl_c(None)
    run = resume(tmp_path / "parts", settings=QUIET)
    assert_same(tmp_path / "whole", tmp_path / "parts")
    texts = ["hiking jandals", "sneaker for kids"]
    again = DualEncoder.load(tmp_path / "parts")
    assert torch.equal(run.model.encode_queries(texts).vectors, again.encode_queries(texts).vectors)


@pytest.mark.parametrize("documents", ["tied", "text", "lookup"])
def test_every_name_finds_its_node_and_all_above_it(documents, named):
    run = begun(named, recipes.decoupled(steps=200), documents=documents)
    assert run.report.overall.value > 0.99
    scores = run.model.encode_queries(["sandals for hiking"]).vectors @ run.model.document_vectors().T
    best = {run.model.document_ids[row] for row in scores[0].topk(4).indices.tolist()}
    assert best == {"hiking sandals", "sandals", "shoes", "footwear"}


def test_both_towers_share_their_tokens_also_when_they_are_trained(named):
    run = begun(named, RECIPES["lazy adam"])
    query, document = run.model.query_tower, run.model.document_tower
    assert document.text.tokens is query.tokens
    fresh = DualEncoder.text(named, dim=8)
    assert not torch.equal(fresh.query_tower.tokens, query.tokens)
    assert document.offsets.any()


def test_training_changes_only_the_tables(named):
    model = DualEncoder.text(named, dim=8)
    before = {name: tensor.clone() for name, tensor in model.tensors().items()}
    train(model, named, RECIPES["lazy adam"], settings=QUIET)
    changed = {name for name, tensor in model.tensors().items() if not torch.equal(tensor, before[name])}
    assert changed == set(model.tables()) == {"queries.tokens", "documents.offsets"}


def test_a_time_budget_is_found_out_without_training(named):
    one, other = (DualEncoder.text(named, dim=8) for _ in range(2))
    minutes = train(one, named, recipes.decoupled(), minutes=0.01, settings=Settings(device="cpu", progress=False))
    steps = minutes.recipe.stages[0].steps
    train(other, named, recipes.decoupled(steps=steps), settings=QUIET)
    assert torch.equal(one.query_vectors(), other.query_vectors())


class Pictures:
    """A tower of one's own: pictures of 4 x 4 pixels, and a matrix that is learnt."""

    def __init__(self, pixels: torch.Tensor, matrix: torch.Tensor) -> None:
        self.pixels, self.matrix = pixels, matrix

    @property
    def dim(self) -> int:
        return self.matrix.shape[1]

    def __len__(self) -> int:
        return len(self.pixels)

    def encode(self, rows=None) -> torch.Tensor:
        return (self.pixels if rows is None else self.pixels[torch.as_tensor(rows)]) @ self.matrix

    def forward(self, rows, noise):
        every = torch.arange(len(self.matrix))
        return self.encode(rows), lambda gradient: [TableGradient(self.matrix, every, self.pixels[rows].T @ gradient)]

    def tables(self):
        return [Table(self.matrix, unit=False)]

    def tensors(self):
        return {"matrix": self.matrix}

    def settings(self):
        return {"kind": "pictures"}

    def mapped(self, change):
        other = copy(self)
        other.matrix = change(self.matrix)
        return other


def test_a_tower_of_ones_own_is_trained_like_any_other():
    rng = torch.Generator().manual_seed(0)
    shop = shoes().pairs()
    queries = Pictures(torch.randn(12, 16, generator=rng), 0.01 * torch.randn(16, 12, generator=rng))
    documents = LookupTower(torch.nn.functional.normalize(torch.randn(12, 12, generator=rng)))
    model = DualEncoder.from_towers(shop, queries, documents)
    before = evaluate(model, shop, bootstrap=0).overall.value
    run = train(model, shop, recipes.decoupled(steps=300, learning_rate=0.05), settings=QUIET)
    assert before < 0.6
    assert run.report.overall.value > 0.99


def test_queries_of_one_batch_see_the_noise_of_their_step_alone(named):
    # With dropout the same seed gives the same bits, another one others.
    first, again, other = (begun(named, RECIPES["lazy adam"], seed=seed).model.query_vectors() for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def some_held_out(named: Pairs):
    """Four names held out whose words are parts of others."""
    asked = {"hiking sandals", "rain boots", "running shoes", "kids' shoes"}
    return named.split("texts", test=0.99, among=[name in asked for name in named.query_texts.names])


def test_held_out_names_are_measured_as_a_search_finds_them(named):
    split = some_held_out(named)
    run = begun(split.train, recipes.decoupled(steps=100))
    found = evaluate(run.model, split.test, bootstrap=0)
    held_out = np.flatnonzero(split.test.sizes)
    assert found.n_queries == found.n_unseen == len(held_out) > 0
    assert evaluate(run.model, split.train, bootstrap=0).n_unseen == 0
    texts = [named.query_texts.names[row] for row in held_out.tolist()]
    searched = run.model.encode_queries(texts)
    assert not torch.allclose(searched.vectors, run.model.query_vectors(held_out), atol=1e-3), "it leans"
    assert_close(queries_of(run.model, split.test)[held_out], searched.vectors, rtol=0, atol=1e-6)
    by_id = run.model.queries([named.query_ids[row] for row in held_out.tolist()])
    assert_close(by_id.vectors, searched.vectors, rtol=0, atol=1e-6)
    assert_close(by_id.thresholds, searched.thresholds)
    sizes = split.test.sizes[held_out].tolist()
    hits = Index.build(run.model).search(searched, max(sizes), nearest_first=False).ids
    right = [{document for document, _ in split.test.relevant(split.test.query_ids[row])} for row in held_out.tolist()]
    shares = [len(right[i] & set(hits[i][:size])) / size for i, size in enumerate(sizes)]
    assert found.overall.value == pytest.approx(np.mean(shares))


def test_queries_that_the_model_has_no_row_of_are_measured_by_their_texts(named):
    asked = Pairs.from_table([("sandals for hiking", "hiking sandals", 0), ("jandals", "flip-flops", 0)])
    model = begun(named, recipes.decoupled(steps=100)).model
    assert evaluate(model, asked, bootstrap=0).n_unseen == 2
    assert torch.equal(queries_of(model, asked), model.encode_queries(list(asked.query_ids)).vectors)
    texts = Texts(("hiking sandals", ""), ((), ()), ("", ""))
    by_name = queries_of(model, replace(asked, query_texts=texts))
    assert torch.equal(by_name, model.encode_queries(["hiking sandals", "jandals"]).vectors)
    with pytest.raises(UnknownIdError, match="'sandals for hiking'"):
        evaluate(DualEncoder.lookup(named, dim=8), asked)


def test_validations_take_rows_as_they_are_and_encode_no_anchors(named, monkeypatch):
    split = some_held_out(named)
    model = DualEncoder.text(split.train, dim=8)
    monkeypatch.setattr(type(model.query_tower), "nearest_anchors", None)
    assert 0 <= validate(model, split.test)[0] <= 1


# -- frozen encoders -----------------------------------------------------------------------------------------------


def on_letters(pairs: Pairs, documents: str, tower: str = "frozen", **options) -> DualEncoder:
    return DualEncoder.text(pairs, tower, dim=16, documents=documents, encoder=Letters(), **options)


@pytest.fixture
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ROOTWARD_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_cache")
@pytest.mark.parametrize(
    ("tower", "name", "documents"),
    [
        ("frozen", "lazy adam", "tied"),
        ("frozen", "best", "text"),
        ("frozen", "sgd", "lookup"),
        ("joint", "best", "tied"),
        ("joint", "lazy adam", "text"),
        ("joint", "hard", "lookup"),
    ],
)
def test_a_run_on_an_encoder_that_was_stopped_ends_with_the_same_bits(tower, name, documents, named, tmp_path, ctrl_c):
    def begin(out) -> Run:
        model = on_letters(named, documents, tower, hidden=20)
        return train(model, named, RECIPES[name], out=out, settings=QUIET)

    begin(tmp_path / "whole")
    ctrl_c(13)
    assert not begin(tmp_path / "parts").finished
    ctrl_c(None)
    run = resume(tmp_path / "parts", settings=QUIET, encoder=Letters())
    assert_same(tmp_path / "whole", tmp_path / "parts", encoder=Letters())
    again = Run.load(tmp_path / "parts", encoder=Letters())
    assert torch.equal(run.model.encode_queries(["jandals"]).vectors, again.model.encode_queries(["jandals"]).vectors)


@pytest.mark.usefixtures("_cache")
@pytest.mark.parametrize("documents", ["tied", "lookup"])
@pytest.mark.parametrize("tower", ["frozen", "joint"])
def test_a_frozen_encoder_finds_every_name_and_all_above(tower, documents, named):
    run = train(on_letters(named, documents, tower), named, recipes.decoupled(steps=200), settings=QUIET)
    assert run.report.overall.value > 0.99


@pytest.mark.usefixtures("_cache")
def test_both_halves_of_a_joint_tower_are_trained_and_nothing_else(named):
    model, again = (on_letters(named, "tied", "joint", word_pairs=True) for _ in range(2))
    before = {name: tensor.clone() for name, tensor in model.tensors().items()}
    for each in (model, again):
        train(each, named, RECIPES["lazy adam"], settings=QUIET)
    changed = {name for name, tensor in model.tensors().items() if not torch.equal(tensor, before[name])}
    assert changed == set(model.tables()) == {"queries.tokens", "queries.head", "documents.offsets"}
    assert model.document_tower.text.static.tokens is model.query_tower.static.tokens
    assert model.document_tower.text.frozen.head[0] is model.query_tower.frozen.head[0]
    assert model.fingerprint() == again.fingerprint()


@pytest.mark.usefixtures("_cache")
def test_two_heads_learn_what_sets_queries_and_documents_apart(named):
    model = on_letters(named, "text", hidden=32)
    before = evaluate(model, named, bootstrap=0).overall.value
    train(model, named, recipes.decoupled(steps=300), settings=QUIET)
    assert evaluate(model, named, bootstrap=0).overall.value > max(0.85, before + 0.2)
    assert not torch.equal(model.query_tower.head[0], model.document_tower.head[0])


# -- encoders that are trained too ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A tiny encoder that nobody has trained."""
    sizes = {"layers": 1, "width": 16, "heads": 2, "mlp": 32, "vocabulary": 60, "longest": 16}
    return Encoder.of(new_encoder(shoes().ids, tmp_path_factory.mktemp("encoders") / "tiny", **sizes)).model


def full(pairs: Pairs, encoder, documents: str = "tied", **options) -> DualEncoder:
    return DualEncoder.text(pairs, "full", dim=16, documents=documents, encoder=encoder, **options)


@pytest.mark.parametrize(("documents", "chunk"), [("tied", 4), ("text", 64)])
def test_a_full_run_that_was_stopped_ends_with_the_same_bits(documents, chunk, scratch, named, tmp_path, ctrl_c):
    recipe = recipes.decoupled(steps=12, validate_every=5, batch_size=6, warmup=0.25)

    def begin(out) -> Run:
        return train(full(named, scratch, documents, chunk=chunk), named, recipe, out=out, settings=QUIET)

    begin(tmp_path / "whole")
    ctrl_c(7)
    assert not begin(tmp_path / "parts").finished
    ctrl_c(None)
    resume(tmp_path / "parts", settings=QUIET, encoder=scratch)
    assert_same(tmp_path / "whole", tmp_path / "parts", encoder=scratch)


def test_an_encoder_from_scratch_learns_every_name_by_its_weights(scratch, named):
    model = full(named, scratch, "lookup", drop=0.0, pace=5e-3)
    before = {name: rows.clone() for name, rows in model.query_tower.weights.items()}
    run = train(model, named, recipes.decoupled(steps=120, warmup=0.1), settings=QUIET)
    assert run.report.overall.value > 0.95
    changed = {name for name, rows in model.query_tower.weights.items() if not torch.equal(rows, before[name])}
    assert len(changed) > len(before) - 3


def test_the_rate_rises_and_then_falls_to_nothing():
    stage = recipes.decoupled(steps=10, warmup=0.3, learning_rate=1.0).stages[0]
    rates = [rate_at(stage, step) for step in range(10)]
    assert_close(rates[:4], [0.25, 0.5, 0.75, 1.0])
    assert_close(rates[4:], [1 - i / 7 for i in range(1, 7)])
    assert rate_at(stage.model_copy(update={"warmup": 0.0}), 4) == 0.6


@pytest.mark.usefixtures("_cache")
@pytest.mark.parametrize("tower", ["frozen", "joint", "full"])
def test_networks_train_in_bfloat16_and_keep_float32(tower, scratch, named):
    encoder = scratch if tower == "full" else Letters()
    model = DualEncoder.text(named, tower, dim=16, encoder=encoder)
    settings = Settings(device="cpu", precision="bfloat16", progress=False)
    run = train(model, named, recipes.decoupled(steps=60), settings=settings)
    assert {table.rows.dtype for table in model.tables().values()} == {torch.float32}
    assert run.report.overall.value > 0.8
