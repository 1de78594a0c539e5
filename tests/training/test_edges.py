"""What training refuses, and the smallest things it does not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rootward.encoders import DualEncoder
from rootward.errors import InputError, PairsError, RunFolderError, TrainingError
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.training import Settings, recipes, train
from training.runs import LOSSES, QUIET, SHORT, fitted, vectors

# -- what is refused ---------------------------------------------------------------------------------------------


def test_a_second_run_into_the_same_folder_is_refused(shoes, tmp_path):
    fitted(shoes, out=tmp_path / "run")
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    with pytest.raises(RunFolderError, match="holds a run already"):
        fitted(shoes, out=tmp_path / "run", seed=9)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before


def test_a_model_of_other_ids_is_refused(shoes, tree):
    with pytest.raises(InputError, match="other ids"):
        train(DualEncoder.lookup(tree, 4), shoes)
    turned = replace(shoes, query_ids=shoes.query_ids.take(np.arange(12)[::-1]))
    with pytest.raises(InputError, match="other ids"):
        train(DualEncoder.lookup(shoes, 4), turned)


def test_pairs_with_nothing_to_train_on_are_refused(shoes, tmp_path):
    nothing = shoes.keep(np.zeros(len(shoes), bool))
    with pytest.raises(PairsError, match="no pairs"):
        train(DualEncoder.lookup(nothing, 4), nothing, SHORT, out=tmp_path / "run", settings=QUIET)
    exact = shoes.near(0)
    with pytest.raises(PairsError, match="distance 0"):
        train(DualEncoder.lookup(exact, 4), exact, LOSSES["pretrain_finetune"], out=tmp_path / "run", settings=QUIET)
    assert not (tmp_path / "run").exists(), "a folder was begun for a run that cannot be"


@pytest.mark.parametrize("minutes", [0, -1.0, float("nan"), float("inf")])
def test_a_time_budget_of_nothing_is_refused(shoes, minutes):
    with pytest.raises(InputError, match="minutes must be above 0"):
        fitted(shoes, recipes.decoupled(), minutes=minutes)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta", ""])
def test_a_device_that_is_not_there_names_those_that_are(shoes, device):
    with pytest.raises(InputError, match=rf"Device '{device}' cannot be used here; there are auto, cpu"):
        fitted(shoes, settings=Settings(device=device, progress=False))


def test_a_precision_that_is_not_there_names_those_that_are(shoes):
    with pytest.raises(InputError, match=r"No precision 'float31'; there are auto, float32, bfloat16.*'float32'"):
        fitted(shoes, settings=Settings(device="cpu", precision="float31", progress=False))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_vectors_that_are_no_numbers_are_refused(shoes, wrong):
    bad = np.ones((12, 4), np.float32)
    bad[3, 1] = wrong
    with pytest.raises(InputError, match="finite"):
        DualEncoder.from_vectors(shoes, bad, np.ones((12, 4)))


def test_vectors_that_became_no_numbers_stop_the_training(shoes):
    model = DualEncoder.lookup(shoes, 4)
    model.document_vectors()[2] = torch.nan
    with pytest.raises(TrainingError, match=r"became nan at step 0 of stage 'decoupled' .*Lower the learning rate"):
        train(model, shoes, SHORT, settings=QUIET)


@pytest.mark.parametrize("optimizer", ["lazy_adam", "adam", "sgd"])
def test_a_huge_learning_rate_stays_finite(tree, optimizer):
    run = fitted(tree, recipes.decoupled(steps=20, optimizer=optimizer, learning_rate=1e6))
    assert all(torch.isfinite(side).all() for side in vectors(run.model))
    assert all(np.isfinite(record.loss) for record in run.history)


# -- the smallest cases ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ("rebalanced", "pretrain_finetune")])
def test_one_node_is_found(name):
    pairs = Hierarchy.perfect_tree(1, 1).pairs()
    run = fitted(pairs, LOSSES[name], dim=3)
    assert run.report.overall.value == 1.0
    assert (run.model.query_vectors() @ run.model.document_vectors().T >= run.model.thresholds[0]).all()


def test_one_dimension_is_enough_for_two_things():
    pairs = Pairs.from_table([("a", "a", 0), ("b", "b", 0)])
    run = fitted(pairs, recipes.decoupled(steps=50), dim=1, seed=2)
    assert {float(x) for side in vectors(run.model) for x in side.flatten()} <= {-1.0, 1.0}


def test_one_query_and_many_documents():
    pairs = Pairs.from_arrays(Ids("q"), Ids("abcdef"), [0, 0], [4, 1], [0, 1])
    run = fitted(pairs, recipes.decoupled(steps=100), dim=4)
    assert run.report.overall.value == 1.0


def test_many_queries_and_one_document():
    pairs = Pairs.from_arrays(Ids("abcdef"), Ids("d"), range(6), [0] * 6, [0] * 6)
    for recipe in (SHORT, LOSSES["regular"], recipes.ordered(steps=5)):
        assert fitted(pairs, recipe, dim=4).report.overall.value == 1.0


def test_everything_relevant_to_everything():
    n = 5
    pairs = Pairs.from_arrays(Ids(range(n)), Ids(range(n)), np.repeat(range(n), n), np.tile(range(n), n), [0] * n * n)
    for recipe in (SHORT, recipes.ordered(steps=5), LOSSES["regular"]):
        run = fitted(pairs, recipe, dim=4)
        assert run.report.overall.value == 1.0


def test_a_batch_larger_than_the_data(shoes):
    assert fitted(shoes, recipes.decoupled(steps=100, batch_size=1000), dim=16).report.overall.value == 1.0
    assert fitted(shoes, recipes.decoupled(steps=150, batch_size=1), dim=16).finished
