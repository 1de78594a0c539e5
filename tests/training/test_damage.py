"""Run folders that were damaged, mixed up or made by somebody else."""

import json
import os
import shutil
import signal

import pytest
import torch
from safetensors.torch import save_file

from rootward.encoders import DualEncoder
from rootward.errors import InputError, RunFolderError
from rootward.folders import FORMAT, seal
from rootward.training import Run, resume, train
from rootward.training.session import Display
from rootward.training.state import CHECKPOINT
from training.runs import QUIET
from training.stopping import PAIRS, RECIPES, begun, log

# -- refused -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def half_done(tmp_path_factory):
    """A folder of a run stopped half way, to copy."""
    folder = tmp_path_factory.mktemp("half") / "run"
    patch = pytest.MonkeyPatch()
    patch.setattr(
        Display, "stepped", lambda self, stage, n, loss: os.kill(os.getpid(), signal.SIGINT) if n == 12 else None
    )
    begun(RECIPES["best"], folder)
    patch.undo()
    return folder


@pytest.fixture
def half(half_done, tmp_path):
    return shutil.copytree(half_done, tmp_path / "half")


def flip(path, place: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 0xFF
    path.write_bytes(data)


DAMAGE = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "empty": lambda path: path.write_bytes(b""),
    "a bit in its head": lambda path: flip(path, 0.01),
    "a bit in its middle": lambda path: flip(path, 0.5),
    "a bit at its end": lambda path: flip(path, 1.0),
    "another file": lambda path: save_file({"queries": torch.zeros(20, 4)}, path),
    "no arrays": lambda path: path.write_text("not at all"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_refused(damage, half):
    DAMAGE[damage](half / CHECKPOINT)
    with pytest.raises(RunFolderError, match="damaged"):
        resume(half, settings=QUIET)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["model.safetensors", "ids.parquet", "pairs.parquet"])
def test_a_damaged_file_is_refused_by_name(name, damage, half):
    DAMAGE[damage](half / name)
    with pytest.raises(RunFolderError, match=rf"{name} is damaged: "):
        Run.load(half)
    with pytest.raises(RunFolderError, match=name):
        DualEncoder.load(half)


@pytest.mark.parametrize("name", ["model.safetensors", "ids.parquet", "pairs.parquet"])
def test_a_missing_file_is_refused_by_name(name, half):
    (half / name).unlink()
    with pytest.raises(RunFolderError, match=f"{name} is missing"):
        Run.load(half)


def test_a_missing_checkpoint_is_refused(half):
    (half / CHECKPOINT).unlink()
    with pytest.raises(RunFolderError, match="nothing to resume"):
        resume(half, settings=QUIET)


def test_a_missing_log_costs_the_history_only(half):
    (half / "log.jsonl").unlink()
    assert Run.load(half).history == []
    run = resume(half, settings=QUIET)
    assert run.finished
    assert [line["step"] for line in log(half)] == [5, 10, 15, 20, 24], "the checkpoint knows it"


def test_a_checkpoint_of_another_table_is_refused(half, tmp_path, ctrl_c):
    ctrl_c(3)
    train(DualEncoder.lookup(PAIRS, 6), PAIRS, RECIPES["best"], out=tmp_path / "wide", settings=QUIET)
    shutil.copy(tmp_path / "wide" / CHECKPOINT, half / CHECKPOINT)
    with pytest.raises(RunFolderError, match="another size"):
        resume(half, settings=QUIET)


@pytest.mark.parametrize("name", ["two stages", "sgd"])
def test_a_checkpoint_of_another_recipe_is_refused(name, half, tmp_path, ctrl_c):
    ctrl_c(20)
    begun(RECIPES[name], tmp_path / "other")
    shutil.copy(tmp_path / "other" / CHECKPOINT, half / CHECKPOINT)
    with pytest.raises(RunFolderError, match=r"last\.safetensors"):
        resume(half, settings=QUIET)


def test_a_run_of_a_newer_version_is_refused(half):
    config = json.loads((half / "config.json").read_text())
    config |= {"format": FORMAT + 1, "made_by": "rootward 99.0"}
    (half / "config.json").write_text(seal(config))
    for read in (Run.load, DualEncoder.load, lambda folder: resume(folder, settings=QUIET)):
        with pytest.raises(RunFolderError, match=r"written by rootward 99\.0 in format .*pip install --upgrade"):
            read(half)


@pytest.mark.parametrize("text", ["{", "", "[]", "null", '"run"'])
def test_a_config_that_is_none_is_refused(text, half):
    (half / "config.json").write_text(text)
    for read in (Run.load, DualEncoder.load, lambda folder: resume(folder, settings=QUIET)):
        with pytest.raises(RunFolderError, match=r"config\.json"):
            read(half)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="does not exist"):
        resume(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"has no config\.json"):
        resume(tmp_path)
    DualEncoder.lookup(PAIRS, 4).save(tmp_path / "model")
    for read in (Run.load, resume):
        with pytest.raises(RunFolderError, match="holds a model but no run"):
            read(tmp_path / "model")


@pytest.mark.parametrize("name", ["pairs.parquet", "last.safetensors"])
def test_what_resume_needs_is_checked_before_anything_is_written(name, half):
    path = half / CHECKPOINT if name == CHECKPOINT.name else half / name
    flip(path, 0.5)
    before = (half / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(RunFolderError, match=rf"{name} is damaged"):
        resume(half, settings=QUIET)
    assert (half / "model.safetensors").stat().st_mtime_ns == before


def test_a_config_that_lacks_something_of_the_run_says_what(half):
    config = json.loads((half / "config.json").read_text())
    del config["run"]["machine"]
    config["run"]["recipe"]["stages"][0]["loss"] = "hinge"
    (half / "config.json").write_text(seal(config))
    for read in (Run.load, lambda folder: resume(folder, settings=QUIET)):
        with pytest.raises(RunFolderError, match=r"section 'run'.*recipe.*machine: Field required"):
            read(half)


def test_a_finished_run_is_not_resumed(tmp_path):
    begun(RECIPES["lazy adam"], tmp_path / "run")
    with pytest.raises(InputError, match="is finished"):
        resume(tmp_path / "run")
