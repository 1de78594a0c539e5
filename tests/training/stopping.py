"""Runs to stop half way, and how two of them are the same."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from rootward.encoders import DualEncoder
from rootward.hierarchy import Hierarchy
from rootward.pairs import Pairs
from rootward.training import Recipe, Run, recipes, train
from training.runs import QUIET, strict

PAIRS = Hierarchy.perfect_tree(3, 4, root=False).pairs()

RECIPES = {
    "lazy adam": recipes.decoupled(steps=24, validate_every=5, batch_size=6),
    "adam": recipes.decoupled(steps=24, validate_every=5, batch_size=6, optimizer="adam"),
    "sgd": recipes.decoupled(steps=24, validate_every=5, batch_size=6, optimizer="sgd"),
    "best": recipes.decoupled(steps=24, validate_every=5, batch_size=6, keep="best", learning_rate=3.0),
    "sampled": recipes.decoupled(steps=24, validate_every=5, batch_size=6, candidates="sampled", negatives=3),
    "hard": recipes.decoupled(
        steps=24, validate_every=5, batch_size=6, candidates="sampled", negatives=3, hard_negatives=2, mine_every=4
    ),
    "hard in batch": recipes.regular(
        steps=24, validate_every=5, batch_size=9, hard_negatives=3, mine_every=6, learning_rate=300.0
    ),
    "ordered": recipes.ordered(steps=24, validate_every=5, batch_size=6),
    "two stages": recipes.pretrain_finetune(
        steps=14, finetune_steps=10, batch_size=16, validate_every=5, learning_rate=300.0
    ),
}


def begun(recipe: Recipe, out, pairs: Pairs = PAIRS, **options) -> Run:
    options.setdefault("settings", QUIET)
    return train(DualEncoder.lookup(pairs, 4), pairs, recipe, out=out, **options)


@functools.cache
def whole(name: str) -> Path:
    """The folder of a run of this recipe that nobody stopped."""
    folder = Path(tempfile.mkdtemp(prefix="rootward-whole-")) / "run"
    atexit.register(shutil.rmtree, folder.parent, ignore_errors=True)
    begun(RECIPES[name], folder)
    return folder


def log(folder) -> list[dict]:
    return [strict(line) for line in (folder / "log.jsonl").read_text().splitlines()]


CLOCK = ("seconds", "pairs_per_second", "loss", "check")  # what depends on when it was stopped, and not the training


def assert_same(one, other, **load):
    """Two run folders with the same bits in everything but clocks."""
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    first, second = Run.load(one, **load), Run.load(other, **load)
    assert first.finished
    assert second.finished
    assert first.recipe == second.recipe
    clock = {"wall_seconds", "extras"}
    assert first.report.model_dump(exclude=clock) == second.report.model_dump(exclude=clock)
    lines = [[{k: v for k, v in line.items() if k not in CLOCK} for line in log(folder)] for folder in (one, other)]
    assert lines[0] == lines[1]


class PowerCut(BaseException):
    """Takes the process away without a chance to write."""
