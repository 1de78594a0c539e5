"""What a training leaves behind, on disk and to read."""

import os

import numpy as np
import pytest
import torch

from rootward.encoders import DualEncoder
from rootward.evaluation import evaluate
from rootward.pairs import Pairs
from rootward.training import Recipe, Run, Stage, recipes
from training.runs import fitted, same, strict, vectors

# -- the run folder ----------------------------------------------------------------------------------------------


def test_a_run_folder_answers_as_the_run_did(tree, tmp_path):
    run = fitted(tree, out=tmp_path / "run", source="mine", seed=5)
    again = Run.load(tmp_path / "run")
    assert same(run.model, again.model)
    assert torch.equal(run.model.thresholds, again.model.thresholds)
    assert again.report == run.report
    assert again.history == run.history
    assert (again.recipe, again.seed, again.finished) == (run.recipe, 5, True)
    assert again.pairs.query_ids == tree.query_ids
    for name in ("offsets", "documents", "distances"):
        assert np.array_equal(getattr(again.pairs, name), getattr(tree, name))
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoints",
        "config.json",
        "ids.parquet",
        "log.jsonl",
        "model.safetensors",
        "pairs.parquet",
        "report.json",
    ]


def test_the_report_is_what_evaluating_the_folder_gives(tree, tmp_path):
    run = fitted(tree, out=tmp_path / "run", seed=2)
    again = evaluate(DualEncoder.load(tmp_path / "run"), tree, label=run.report.label, seed=2, extras=run.report.extras)
    assert again.model_dump(exclude={"wall_seconds"}) == run.report.model_dump(exclude={"wall_seconds"})
    assert np.array_equal(again.ranks.ranks, run.report.ranks.ranks)
    # training compares scores as BLAS rounds them: eight coordinates, a rounding each
    np.testing.assert_allclose(again.ranks.scores, run.report.ranks.scores, rtol=0, atol=8 * 2**-23)


def test_saved_vectors_answer_the_same_pairs_in_any_order_of_ids(shoes, tmp_path):
    run = fitted(shoes, out=tmp_path / "run", dim=4)
    order = np.random.default_rng(0).permutation(12)
    place = np.argsort(order)
    shuffled = Pairs.from_arrays(
        shoes.query_ids.take(order),
        shoes.document_ids.take(order),
        place[shoes.query_of],
        place[shoes.documents],
        shoes.distances,
    )
    report = evaluate(DualEncoder.load(tmp_path / "run"), shuffled, bootstrap=0)
    assert report.overall.value == pytest.approx(run.report.overall.value)
    assert [each.recall.value for each in report.slices] == pytest.approx(
        [each.recall.value for each in run.report.slices]
    )


def test_the_recipe_in_the_folder_leaves_nothing_open(tree, tmp_path):
    fitted(tree, recipes.decoupled(epochs=2), out=tmp_path / "run")
    (stage,) = Run.load(tmp_path / "run").recipe.stages
    open_fields = {name for name, value in stage.model_dump().items() if value is None}
    assert open_fields <= {"epochs", "regular_share", "negatives", "mine_every"}  # what does not belong here


def test_the_log_has_a_line_of_json_for_each_validation(tree, tmp_path):
    recipe = recipes.pretrain_finetune(steps=40, finetune_steps=20, batch_size=64, validate_every=15)
    run = fitted(tree, recipe, out=tmp_path / "run")
    lines = [strict(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [
        *(("pretrain", step) for step in (15, 30, 40)),
        *(("finetune", step) for step in range(1, 21)),
    ]
    assert [line["recall"] for line in lines] == [record.recall for record in run.history]
    assert all(line["loss"] > 0 and line["pairs_per_second"] > 0 for line in lines)
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)


def test_the_log_is_json_where_a_distance_has_no_pairs(tmp_path):
    pairs = Pairs.from_table([("a", "a", 0), ("a", "b", 2), ("b", "b", 0), ("c", "c", 0)])
    fitted(pairs, out=tmp_path / "run")
    for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines():
        assert strict(line)["by_distance"][1] is None
    strict((tmp_path / "run" / "report.json").read_text())
    strict((tmp_path / "run" / "config.json").read_text())


def test_the_last_validation_is_of_the_vectors_one_gets(tree):
    run = fitted(tree, recipes.decoupled(steps=15, validate_every=4))
    assert [record.step for record in run.history] == [4, 8, 12, 15]
    assert run.history[-1].recall == pytest.approx(run.report.overall.value)


def test_keep_best_ends_with_the_best_validated_vectors(tree):
    # A rate that throws everything about: the last vectors are as good as any.
    wild = recipes.regular(
        steps=30, batch_size=16, candidates="all", keep="best", validate_every=1, learning_rate=2000.0
    )
    run = fitted(tree, wild, dim=16, seed=1)
    best = max(record.recall for record in run.history)
    assert run.report.overall.value == pytest.approx(best)
    assert best > run.history[-1].recall
    last = fitted(tree, wild.with_(keep="last"), dim=16, seed=1)
    assert last.report.overall.value == pytest.approx(run.history[-1].recall)


def test_each_stage_begins_where_the_one_before_ended(tree):
    first, second = recipes.pretrain_finetune(steps=20, finetune_steps=10, batch_size=64).stages
    both = fitted(tree, Recipe(name="both", stages=(first, second.model_copy(update={"learning_rate": 1e-30}))))
    alone = fitted(tree, Recipe(name="alone", stages=(first,)))
    for mine, theirs in zip(vectors(both.model), vectors(alone.model), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


# -- how it reads ------------------------------------------------------------------------------------------------


def test_a_run_says_what_became_of_it(shoes, tmp_path):
    text = str(fitted(shoes, out=tmp_path / "run", seed=4))
    assert text.startswith(f"Run of 'decoupled' in {tmp_path / 'run'}: done after ")
    assert "seed 4" in text
    assert "overall" in text


def test_a_heading_names_recipe_and_dimension_once(shoes):
    assert str(fitted(shoes).report).startswith("decoupled, dim 8: 12 queries, 12 documents, 37 pairs\n")


def test_a_training_starts_no_file_that_nobody_asked_for(shoes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fitted(shoes)
    assert os.listdir(tmp_path) == []


def test_stages_may_mix_losses(shoes):
    recipe = Recipe(
        name="both",
        stages=(
            Stage(name="sets", steps=100),
            Stage(name="order", loss="listwise", steps=200, learning_rate=0.05),
        ),
    )
    run = fitted(shoes, recipe, dim=16)
    assert run.report.overall.value == 1.0
    assert run.report.order.exact_first_by_score == 1.0
