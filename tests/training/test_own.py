"""Losses and samplers that somebody brings: the same bits as the built-in ones, saved by their import path."""

import functools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rootward.errors import InputError
from rootward.pairs import HeavyTail, Rebalanced, Regular
from rootward.training import Recipe, Run, Stage, losses, recipes, resume
from rootward.training.batches import Batches
from training import own, pure
from training.runs import QUIET, fitted, same
from training.stopping import PAIRS, assert_same, begun

PAGE = (Path(__file__).parents[2] / "docs" / "custom-loss.md").read_text(encoding="utf-8")
DECOUPLED = recipes.decoupled(steps=24, validate_every=5, batch_size=6, candidates="sampled", negatives=3)


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("candidates", ["all", "sampled", "batch"])
def test_a_loss_that_computes_what_a_built_in_one_does_gives_the_same_bits(name, candidates):
    negatives = 3 if candidates == "sampled" else None
    built_in = recipes.decoupled(steps=20, batch_size=6, loss=name, candidates=candidates, negatives=negatives)
    mine = built_in.with_(loss=functools.partial(own.as_built_in, name))
    assert same(fitted(PAIRS, built_in).model, fitted(PAIRS, mine).model)


def test_a_loss_by_automatic_differentiation_is_the_one_worked_out_by_hand():
    by_hand = recipes.decoupled(steps=20, batch_size=6, loss="softmax", candidates="all")
    runs = [fitted(PAIRS, recipe) for recipe in (by_hand, by_hand.with_(loss=own.softmax_by_autograd))]
    one, other = (run.model.query_vectors() for run in runs)
    assert torch.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize(
    ("built_in", "mine"),
    [
        ({"sampler": "regular"}, Regular),
        ({"sampler": "heavy_tail"}, HeavyTail),
        ({"sampler": "rebalanced", "regular_share": 0.3}, functools.partial(Rebalanced, p=0.3)),
    ],
    ids=["regular", "heavy_tail", "rebalanced"],
)
@pytest.mark.parametrize("candidates", ["sampled", "batch"])
def test_a_sampler_that_draws_as_a_built_in_one_does_gives_the_same_bits(built_in, mine, candidates):
    fields = {"steps": 20, "batch_size": 16, "candidates": candidates, "negatives": 3, "hard_negatives": 2}
    first = recipes.decoupled(**fields, **built_in)
    second = recipes.decoupled(**fields, sampler=mine)
    assert same(fitted(PAIRS, first).model, fitted(PAIRS, second).model)


def test_what_is_derived_for_own_functions_is_as_for_decoupled_and_regular():
    derived = [
        fitted(PAIRS, recipes.decoupled(steps=2, sampler=each)).recipe.stages[0] for each in ("regular", Regular)
    ]
    assert derived[0].model_dump(exclude={"sampler"}) == derived[1].model_dump(exclude={"sampler"})
    derived = [
        fitted(PAIRS, recipes.decoupled(steps=2, loss=each)).recipe.stages[0] for each in ("softmax", own.doubled)
    ]
    assert derived[0].model_dump(exclude={"loss"}) == derived[1].model_dump(exclude={"loss"})
    assert derived[1].scale > 0


# -- recipes and saved runs --------------------------------------------------------------------------------------


def test_a_recipe_shows_and_keeps_the_import_path():
    recipe = recipes.decoupled(loss=own.doubled, sampler=own.NearFirst)
    assert recipe.stages[0].loss == "training.own:doubled"
    assert "training.own:doubled" in str(recipe)
    again = Recipe.model_validate_json(recipe.model_dump_json())
    assert again == recipe == recipes.decoupled(loss="training.own:doubled", sampler="training.own:NearFirst")
    assert recipe.with_(epochs=3).stages[0].loss == "training.own:doubled"


def test_a_run_with_own_functions_resumes_to_the_same_bits(tmp_path, ctrl_c):
    recipe = DECOUPLED.with_(loss=own.doubled, sampler=own.NearFirst)
    begun(recipe, tmp_path / "whole")
    ctrl_c(11)
    assert not begun(recipe, tmp_path / "parts").finished
    ctrl_c(None)
    assert resume(tmp_path / "parts", settings=QUIET).finished
    assert_same(tmp_path / "whole", tmp_path / "parts")
    config = json.loads((tmp_path / "parts" / "config.json").read_text())
    (stage,) = config["run"]["recipe"]["stages"]
    assert (stage["loss"], stage["sampler"]) == ("training.own:doubled", "training.own:NearFirst")


@pytest.fixture
def gone(tmp_path, monkeypatch, ctrl_c):
    """A stopped run whose loss stands in gone_loss.py, and that file."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "gone_loss.py"
    file.write_text("from training.own import doubled as base\ndef mine(*given):\n    return base(*given)\n")
    ctrl_c(5)
    begun(DECOUPLED.with_(loss="gone_loss:mine"), tmp_path / "run")
    ctrl_c(None)
    yield tmp_path / "run", file
    sys.modules.pop("gone_loss", None)


def test_a_run_whose_loss_is_gone_says_so_on_resume_and_still_loads(gone):
    folder, file = gone
    del sys.modules["gone_loss"]
    file.rename(file.with_name("elsewhere.py"))
    sys.path_importer_cache.clear()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(InputError, match=r"loss gone_loss:mine cannot be imported .*gone_loss.*PYTHONPATH"):
        resume(folder, settings=QUIET)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert Run.load(folder).recipe.stages[0].loss == "gone_loss:mine"
    file.with_name("elsewhere.py").rename(file)
    sys.path_importer_cache.clear()
    assert resume(folder, settings=QUIET).finished


def test_a_loss_that_was_renamed_is_told(gone):
    folder, _ = gone
    del sys.modules["gone_loss"].mine
    with pytest.raises(InputError, match=r"module gone_loss has no mine\. Was it renamed\?"):
        resume(folder, settings=QUIET)


@pytest.mark.parametrize("field", ["loss", "sampler"])
def test_what_another_process_could_not_import_trains_only_without_out(field, tmp_path):
    mine = {"loss": lambda *given: own.doubled(*given), "sampler": lambda pairs: own.NearFirst(pairs)}[field]
    recipe = DECOUPLED.with_(**{field: mine})
    assert fitted(PAIRS, recipe).finished
    told = rf"The {field} of stage 'decoupled' is \S*test_own:.*<lambda>, .*my_{field}\.py.*or train without out"
    with pytest.raises(InputError, match=told):
        begun(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("loss", ["hinge", "own.py", ":mine", 3, None])
def test_what_is_no_loss_is_refused_with_what_would_be(loss):
    with pytest.raises(InputError, match=r"^loss: Input should be 'softmax', .* or its import path 'module:name'"):
        Stage(loss=loss)


def test_a_path_to_something_else_is_refused_before_training(tmp_path):
    with pytest.raises(InputError, match=r"The loss training\.own:__doc__ is a str, not a function"):
        begun(DECOUPLED.with_(loss="training.own:__doc__"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# -- what they return --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        (lambda scores, *_: scores.sum(), "a tensor of shape ()"),
        (lambda scores, *_: (scores.sum(1), scores), "(a tensor of shape (6,), a tensor of shape (6, 20))"),
        (lambda scores, *_: (scores.sum(), scores[0]), "(a tensor of shape (), a tensor of shape (20,))"),
        (lambda scores, *_: (1.0, scores), "(a float, a tensor of shape (6, 20))"),
        (lambda *_: None, "a NoneType"),
    ],
)
def test_a_loss_that_returns_something_else_is_told_what_it_has_to_return(wrong, got, tmp_path):
    wrong.__qualname__ = "wrong"
    recipe = recipes.decoupled(steps=3, batch_size=6, loss=wrong)
    with pytest.raises(InputError) as caught:
        fitted(PAIRS, recipe)
    assert str(caught.value) == (
        f"The loss {__name__}:wrong has to return (value, gradient): a tensor without dimensions and one of the "
        f"shape of the scores, (6, 20); got {got}."
    )


class Wrong:
    def __init__(self, drawn=None, weights=None):
        self.drawn, self.weights = drawn, weights

    def draw(self, rng, size):
        return self.drawn


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (None, r"an object with draw\(rng, size\) and weights.*; got a NoneType"),
        (Wrong([1, 2, 3]), r"3 indices of pairs, whole numbers from 0 to 35, as an array of shape \(3,\); got a list"),
        (Wrong(np.zeros(4, np.int64)), r"shape \(3,\); got a int64 array of shape \(4,\)"),
        (Wrong(np.zeros(3)), r"got a float64 array of shape \(3,\)"),
        (Wrong(np.array([0, 1, 36])), r"from 0 to 35, .* from 0 to 36"),
        (
            Wrong(np.arange(3)),
            r"the chance of each pair to be drawn, .*shape \(36,\) that adds up to 1; got a NoneType",
        ),
        (Wrong(np.arange(3), np.ones(36)), r"adds up to 1; got a float64 array of shape \(36,\) .* sum 36"),
    ],
)
def test_a_sampler_that_gives_something_else_is_told_what_it_has_to_give(made, told):
    stage = Stage(sampler=lambda pairs: made, candidates="batch", batch_size=3)
    with pytest.raises(InputError, match=rf"sampler \S*test_own:\S*<lambda> .*{told}"):
        Batches(PAIRS, stage, 0, 0)[0]


def test_without_log_q_a_sampler_needs_no_weights():
    stage = Stage(sampler=lambda pairs: Wrong(np.arange(3)), candidates="batch", batch_size=3, log_q=False)
    assert Batches(PAIRS, stage, 0, 0)[0].n_pairs == 3


# -- the page ----------------------------------------------------------------------------------------------------


def test_the_page_runs_and_its_loss_finds_what_it_should(tmp_path, monkeypatch, capsys):
    module, program = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "margin_loss.py").write_text(module)
    names: dict = {}
    exec(compile(program, "custom-loss.md", "exec"), names)
    run = names["run"]
    assert run.recipe.stages[0].loss == "margin_loss:margin"
    assert run.report.overall.value > 0.9
    assert "overall" in capsys.readouterr().out
    margin = sys.modules.pop("margin_loss").margin
    scores = torch.randn(5, 9, generator=torch.Generator().manual_seed(0)).requires_grad_()
    targets = pure.targets_of(torch.rand(5, 9, generator=torch.Generator().manual_seed(1)) < 0.3)
    value, gradient = margin(scores, targets, None, True)
    assert torch.allclose(torch.autograd.grad(value, scores)[0], gradient)
