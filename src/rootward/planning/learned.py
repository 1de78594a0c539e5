"""The smallest dimension at which training reaches a recall, found by trying, with early exits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rootward.encoders import DualEncoder
from rootward.errors import InputError
from rootward.evaluation import evaluate
from rootward.geometry.smallest import lowest
from rootward.pairs import Pairs
from rootward.training import Recipe, Settings, recipes, train
from rootward.training.defaults import resolve

RATIO = 1.25
"""Between two dimensions that are tried: each costs a training."""

START = 8
SHORT = 0.25
"""The share of the steps that is tried first: enough where the dimension is generous."""

HOPELESS = 0.5
"""A short training below this share of the target ends the trial of a dimension."""


@dataclass(frozen=True)
class Training:
    """One training: its dimension, steps and overall recall at |S(q)| over all pairs, in [0, 1]."""

    dim: int
    steps: int
    recall: float


@dataclass(frozen=True)
class SmallestLearned:
    """The smallest dimension, to 25 %, at which training reached the target.

    Attributes:
        dim: that dimension; None where the largest one tried did not reach it.
        recall: overall recall at |S(q)| reached there.
        failed_at: the largest dimension tried below, which did not reach it; 0 where dim is 1.
        target: recall to reach, in (0, 1].
        seed: of the trainings.
        tried: everything that was trained, in order.
    """

    dim: int | None
    recall: float
    failed_at: int
    target: float
    seed: int
    tried: tuple[Training, ...]


def smallest_learned(
    pairs: Pairs,
    target: float = 0.95,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    start: int = START,
    most: int = 1_024,
    progress: Callable[[str], object] | None = None,
) -> SmallestLearned:
    """Train at one dimension after the other until one reaches the target and the next lower one does not.

    Each dimension is first trained for a quarter of its steps, which is enough where it is generous and tells where
    it is hopeless; else at full length.

    Args:
        pairs: what to memorise, and to be measured on, all of them.
        target: overall recall at |S(q)|, in (0, 1].
        recipe: one stage or several; None takes `recipes.decoupled()`. Its lengths are what is shortened.
        seed: of every training.
        start: the first dimension to try.
        most: the largest.
        progress: called with a line before each training.

    Raises:
        InputError: a target out of range.
        PairsError: there are no pairs.
    """
    if not 0 < target <= 1:
        raise InputError(f"target is a share in (0, 1], such as 0.95; got {target}.")
    recipe = recipe or recipes.decoupled()
    tried: list[Training] = []

    def reached(dim: int, share: float) -> float:
        shortened = _shortened(recipe, pairs, dim, share)
        steps = sum(stage.steps or 0 for stage in shortened.stages)
        if progress is not None:
            progress(f"training at dim {dim}, {steps:,} steps")
        tried.append(Training(dim, steps, _recall(pairs, dim, shortened, seed)))
        return tried[-1].recall

    def works(dim: int) -> bool:
        if dim > most:
            return True  # ends the search; told apart below
        short = reached(dim, SHORT)
        return short >= target or (short >= HOPELESS * target and reached(dim, 1.0) >= target)

    dim, failed_at = lowest(works, min(start, most), RATIO)
    recall = max((each.recall for each in tried if each.dim == dim), default=0.0)
    return SmallestLearned(None if dim > most else dim, recall, min(failed_at, most), target, seed, tuple(tried))


def _shortened(recipe: Recipe, pairs: Pairs, dim: int, share: float) -> Recipe:
    """The recipe with every length derived for this dimension, times `share`."""
    stages = []
    for stage in recipe.stages:
        steps = resolve(stage, pairs, dim).steps
        assert steps is not None
        stages.append(stage.model_copy(update={"epochs": None, "steps": max(1, round(share * steps))}))
    return recipe.model_copy(update={"stages": tuple(stages)})


def _recall(pairs: Pairs, dim: int, recipe: Recipe, seed: int) -> float:
    model = DualEncoder.lookup(pairs, dim, start=recipe.start, seed=seed)
    train(model, pairs, recipe, seed=seed, settings=Settings(progress=False, measure=False))
    return float(evaluate(model, pairs, bootstrap=0, progress=False).overall.value)
