"""Interrupted, killed and damaged runs. A run that goes on ends with the bits of one that was never stopped."""

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rootward import folders
from rootward.encoders import DualEncoder
from rootward.errors import InputError, RunFolderError
from rootward.folders import seal
from rootward.hierarchy import Hierarchy
from rootward.training import Recipe, Run, Settings, Stage, loop, recipes, resume, train
from training.runs import QUIET
from training.stopping import PAIRS, RECIPES, PowerCut, assert_same, begun, log, whole

# -- stopped -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("step", [1, 7, 14, 15, 20])
def test_stopped_and_resumed_is_as_never_stopped(name, step, tmp_path, ctrl_c):
    # Two stages are 14 and 10 steps: 14 is exactly at the boundary. 15 and 20 are validations of the others.
    unstopped = whole(name)
    ctrl_c(step)
    run = begun(RECIPES[name], tmp_path / "parts")
    assert not run.finished
    assert run.report is None
    ctrl_c(None)
    assert resume(tmp_path / "parts", settings=QUIET).finished
    assert_same(unstopped, tmp_path / "parts")


def test_stopped_at_every_step(tmp_path, ctrl_c):
    recipe = recipes.pretrain_finetune(steps=4, finetune_steps=3, batch_size=16, validate_every=2, learning_rate=300.0)
    begun(recipe, tmp_path / "whole")
    ctrl_c(1)
    run = begun(recipe, tmp_path / "parts")
    for _ in range(20):
        if run.report is not None:
            break
        ctrl_c(1)
        run = resume(tmp_path / "parts", settings=QUIET)
    assert_same(tmp_path / "whole", tmp_path / "parts")


def test_a_stop_at_the_last_step_finds_the_run_done(tmp_path, ctrl_c):
    ctrl_c(24)
    run = begun(RECIPES["best"], tmp_path / "run")
    assert run.finished
    assert run.report is None, "somebody wanted it to stop, so it was not measured"
    ctrl_c(None)
    assert resume(tmp_path / "run", settings=QUIET).report is not None
    assert_same(whole("best"), tmp_path / "run")


def test_a_stopped_run_in_memory_is_the_run_on_disk(tmp_path, ctrl_c):
    ctrl_c(9)
    run = begun(RECIPES["lazy adam"], tmp_path / "run")
    again = Run.load(tmp_path / "run")
    assert not again.finished
    assert torch.equal(run.model.query_vectors(), again.model.query_vectors())
    assert again.history == run.history
    assert [record.step for record in again.history] == [5]
    assert str(again).startswith(f"Run of 'decoupled' in {tmp_path / 'run'}: interrupted after ")


def test_seconds_go_on_where_they_were(tmp_path, ctrl_c):
    ctrl_c(9)
    before = begun(RECIPES["lazy adam"], tmp_path / "run").seconds
    ctrl_c(None)
    run = resume(tmp_path / "run", settings=QUIET)
    assert run.seconds > before > 0
    assert [line["seconds"] for line in log(tmp_path / "run")] == sorted(
        line["seconds"] for line in log(tmp_path / "run")
    )


def test_ctrl_c_works_as_before_once_training_is_over(tmp_path, ctrl_c):
    before = signal.getsignal(signal.SIGINT)
    ctrl_c(3)
    begun(RECIPES["lazy adam"], tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_does_not_wait_for_the_step(tmp_path, at_step):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        signal.getsignal(signal.SIGINT)  # a place for the handler to run

    at_step(3, twice)
    with pytest.raises(KeyboardInterrupt):
        begun(RECIPES["lazy adam"], tmp_path / "run")


def test_training_outside_the_main_thread_works(tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(begun(RECIPES["lazy adam"], tmp_path / "thread")))
    thread.start()
    thread.join()
    assert found[0].finished
    begun(RECIPES["lazy adam"], tmp_path / "main")
    assert_same(tmp_path / "thread", tmp_path / "main")


def test_texts_and_source_come_back_with_a_resumed_run(tmp_path, ctrl_c):
    pairs = Hierarchy.from_nested({"shoes": {"sandals": {}, "boots": {}}}, layout="mapping").pairs()
    assert pairs.query_texts is not None
    recipe = recipes.decoupled(steps=9)
    ctrl_c(4)
    begun(recipe, tmp_path / "run", pairs=pairs, source="shop")
    ctrl_c(None)
    run = resume(tmp_path / "run", settings=QUIET)
    assert run.report.source == "shop"
    assert run.model.query_texts == pairs.query_texts
    assert run.pairs.query_texts == pairs.query_texts
    assert run.model.find("Sandals") == DualEncoder.lookup(pairs, 4).find("Sandals")


def test_two_stages_of_one_kind_resume_in_the_right_one(tmp_path, ctrl_c):
    first = Stage(name="first", steps=8, validate_every=2)
    recipe = Recipe(name="twice", stages=(first, first.model_copy(update={"name": "second"})))
    begun(recipe, tmp_path / "whole")
    ctrl_c(11)
    begun(recipe, tmp_path / "parts")
    ctrl_c(None)
    resume(tmp_path / "parts", settings=QUIET)
    assert_same(tmp_path / "whole", tmp_path / "parts")


def test_what_was_watched_is_given_again(tmp_path, ctrl_c):
    watched = replace(PAIRS.near(0))
    begun(RECIPES["best"], tmp_path / "whole", validation=watched)
    ctrl_c(12)
    begun(RECIPES["best"], tmp_path / "parts", validation=watched)
    ctrl_c(None)
    resume(tmp_path / "parts", validation=watched, settings=QUIET)
    assert_same(tmp_path / "whole", tmp_path / "parts")


# -- killed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lazy adam", "best", "two stages"])
@pytest.mark.parametrize("every", [True, False], ids=["saved every step", "saved at the start only"])
def test_killed_and_resumed_is_as_never_killed(name, every, tmp_path, monkeypatch, power_cut, ctrl_c):
    unstopped = whole(name)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0 if every else 1e9)
    power_cut(17)
    with pytest.raises(PowerCut):
        begun(RECIPES[name], tmp_path / "parts")
    logged = [line["step"] for line in log(tmp_path / "parts")]
    assert logged[:2] == [5, 10]
    with (tmp_path / "parts" / "log.jsonl").open("a") as file:
        file.write('{"stage": "decou')  # the power went in the middle of a line
    assert not Run.load(tmp_path / "parts").finished
    ctrl_c(None)
    resume(tmp_path / "parts", settings=QUIET)
    assert_same(unstopped, tmp_path / "parts")


@pytest.mark.parametrize("name", ["best", "two stages"])
def test_killed_between_the_last_step_of_a_stage_and_the_next(name, tmp_path, monkeypatch, ctrl_c):
    # A checkpoint of the last step knows the best vectors, which take_best has not put in place yet.
    unstopped = whole(name)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)

    def killed(state):
        raise PowerCut

    monkeypatch.setattr(loop.State, "take_best", killed)
    with pytest.raises(PowerCut):
        begun(RECIPES[name], tmp_path / "parts")
    monkeypatch.undo()
    resume(tmp_path / "parts", settings=QUIET)
    assert_same(unstopped, tmp_path / "parts")


@pytest.mark.parametrize("written", ["model.safetensors", "ids.parquet"])
def test_killed_while_the_finished_model_was_being_written(written, tmp_path, ctrl_c):
    # The new model stands beside the config of the old one. The checkpoint is whole, so the run can go on.
    unstopped = whole("lazy adam")
    ctrl_c(20)
    begun(RECIPES["lazy adam"], tmp_path / "parts")
    (tmp_path / "parts" / written).write_bytes((unstopped / written).read_bytes())
    ctrl_c(None)
    resume(tmp_path / "parts", settings=QUIET)
    assert_same(unstopped, tmp_path / "parts")


def test_a_model_that_was_torn_or_lost_is_written_anew(tmp_path, ctrl_c):
    unstopped = whole("lazy adam")
    ctrl_c(20)
    begun(RECIPES["lazy adam"], tmp_path / "parts")
    ctrl_c(None)
    (tmp_path / "parts" / "model.safetensors").write_text("torn")
    (tmp_path / "parts" / "ids.parquet").unlink()
    resume(tmp_path / "parts", settings=QUIET)
    assert_same(unstopped, tmp_path / "parts")


def test_generality_and_heights_of_other_pairs_come_back_with_a_resumed_run(tmp_path, ctrl_c):
    model, some = DualEncoder.lookup(PAIRS, 4), PAIRS.near(0)
    ctrl_c(9)
    train(model, some, RECIPES["lazy adam"], out=tmp_path / "run", settings=QUIET)
    ctrl_c(None)
    again = resume(tmp_path / "run", settings=QUIET).model
    assert again.generality.tolist() == PAIRS.generality.tolist() != some.generality.tolist()
    assert again.heights.tolist() == PAIRS.heights.tolist() != some.heights.tolist()


WRITES = ["log.jsonl", "pairs.parquet", "last.safetensors", "config.json"]


@pytest.mark.parametrize("place", range(len(WRITES)), ids=WRITES)
def test_killed_while_the_folder_was_being_begun_one_may_train_into_it(place, tmp_path, monkeypatch):
    # It is no run until config.json, the last of its files, is there.
    written = []

    def replace_until(source, target):
        if len(written) == place:
            raise PowerCut
        written.append(Path(target).name)
        os_replace(source, target)

    os_replace = os.replace
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace_until)
        with pytest.raises(PowerCut):
            begun(RECIPES["best"], tmp_path / "run")
    assert written == WRITES[:place]
    with pytest.raises(RunFolderError, match=r"has no config\.json|does not exist"):
        resume(tmp_path / "run", settings=QUIET)
    begun(RECIPES["best"], tmp_path / "run")
    assert_same(whole("best"), tmp_path / "run")


def test_killed_right_after_the_folder_was_begun_it_is_resumed(tmp_path, monkeypatch):
    def cut(*_):
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr("rootward.training.session.run_stage", cut)
        with pytest.raises(PowerCut):
            begun(RECIPES["best"], tmp_path / "run")
    resume(tmp_path / "run", settings=QUIET)
    assert_same(whole("best"), tmp_path / "run")


# -- stopped while it is measured ----------------------------------------------------------------------------------


def test_ctrl_c_while_measuring_keeps_what_was_trained(tmp_path, monkeypatch, capsys):
    unstopped = Run.load(whole("best"))
    measured = []

    def pressed(*_, **__):
        measured.append(1)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr("rootward.training.session.evaluate", pressed)
        run = begun(RECIPES["best"], tmp_path / "run", settings=replace(QUIET, progress=True))
    assert measured == [1]
    assert (run.finished, run.report) == (True, None)
    assert "Training is done, measuring was stopped. Measure with: rootward train --resume" in capsys.readouterr().err
    again = Run.load(tmp_path / "run")
    assert (again.finished, again.report) == (True, None)
    assert torch.equal(again.model.query_vectors(), unstopped.model.query_vectors())


def test_resuming_a_run_that_was_not_measured_only_measures_it(tmp_path, monkeypatch):
    begun(RECIPES["two stages"], tmp_path / "run", settings=replace(QUIET, measure=False))
    with pytest.raises(InputError, match="is finished"):
        resume(tmp_path / "run", settings=replace(QUIET, measure=False))
    monkeypatch.setattr(loop, "train_step", lambda *_: pytest.fail("a step was taken"))
    assert resume(tmp_path / "run", settings=QUIET).report is not None
    assert_same(whole("two stages"), tmp_path / "run")
    with pytest.raises(InputError, match="is finished"):
        resume(tmp_path / "run", settings=QUIET)


def test_killed_while_the_measured_model_was_being_written(tmp_path, monkeypatch):
    cuts = iter([False, False, True])  # at the start, when trained, when measured
    plain = folders.write_config

    def write_config(*arguments):
        if next(cuts):
            raise PowerCut
        plain(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(folders, "write_config", write_config)
        with pytest.raises(PowerCut):
            begun(RECIPES["best"], tmp_path / "run")
    loaded = Run.load(tmp_path / "run")
    assert (loaded.finished, loaded.report) == (True, None), "the generation before"
    resume(tmp_path / "run", settings=QUIET)
    assert_same(whole("best"), tmp_path / "run")


# -- what bits depend on -------------------------------------------------------------------------------------------


def test_resuming_without_the_validation_pairs_that_were_watched_is_refused(tmp_path, ctrl_c):
    ctrl_c(12)
    begun(RECIPES["best"], tmp_path / "watched", validation=PAIRS.near(0))
    ctrl_c(12)
    begun(RECIPES["best"], tmp_path / "own")
    ctrl_c(None)
    for validation, what in ((None, "none"), (PAIRS.near(1), "others")):
        with pytest.raises(InputError, match=rf"started with validation pairs .* got {what} .*validation=\.\.\."):
            resume(tmp_path / "watched", validation=validation, settings=QUIET)
    with pytest.raises(InputError, match="started without validation pairs; resume it without"):
        resume(tmp_path / "own", validation=PAIRS.near(0), settings=QUIET)


def test_settings_left_open_are_those_that_the_run_was_started_with(tmp_path, ctrl_c):
    odd = Settings(device="cpu", precision="bfloat16", block_bytes=64, progress=False)
    recipe = RECIPES["lazy adam"]
    begun(recipe, tmp_path / "whole", settings=odd)
    ctrl_c(9)
    begun(recipe, tmp_path / "parts", settings=odd)
    ctrl_c(None)
    resume(tmp_path / "parts", settings=Settings(progress=False))
    assert_same(tmp_path / "whole", tmp_path / "parts")


def test_a_run_that_goes_on_elsewhere_says_what_has_changed(tmp_path, ctrl_c, capsys):
    told = Settings(progress=True)
    ctrl_c(9)
    begun(RECIPES["lazy adam"], tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    config["run"]["machine"] |= {"threads": 64, "torch_version": "0.1", "device": "cuda:99"}
    path.write_text(seal(config))
    ctrl_c(None)
    assert resume(tmp_path / "run", settings=told).finished
    said = capsys.readouterr().err.splitlines()[0]
    assert said.startswith("Bits may differ from those of a run that was never stopped: device c")
    for change in (" instead of cuda:99", "threads 1 instead of 64", f"torch version {torch.__version__} instead of"):
        assert change in said


def test_nothing_is_said_where_nothing_has_changed(tmp_path, ctrl_c, capsys):
    ctrl_c(9)
    begun(RECIPES["lazy adam"], tmp_path / "run")
    ctrl_c(None)
    resume(tmp_path / "run")
    assert "differ" not in capsys.readouterr().err


def test_a_training_that_goes_wrong_can_be_looked_at(tmp_path, at_step):
    def lose_a_number():
        raise ZeroDivisionError

    at_step(8, lose_a_number)
    with pytest.raises(ZeroDivisionError):
        begun(RECIPES["lazy adam"], tmp_path / "run")
    assert [record.step for record in Run.load(tmp_path / "run").history] == [5]
