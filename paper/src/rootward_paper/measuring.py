"""What studies measure with: named sources, trainings with their curves, recall as columns, grids of jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

from rootward.encoders import DualEncoder
from rootward.errors import InputError, did_you_mean
from rootward.evaluation import recall
from rootward.evaluation.evaluate import ranks_of
from rootward.evaluation.metrics import Recall
from rootward.evaluation.ranks import Ranks
from rootward.folders import CONFIG, read_config
from rootward.hierarchy import NAMED, Hierarchy
from rootward.pairs import Pairs
from rootward.training import Recipe, Run, Settings, resume, train
from rootward.training.run import About
from rootward_paper.study import Job, Row

QUIET = Settings(progress=False, measure=False)

# -- sources -----------------------------------------------------------------------------------------------------


@cache
def nouns() -> Hierarchy:
    """The nouns of WordNet, hypernyms only; read once."""
    return Hierarchy.wordnet()


SOURCES: dict[str, tuple[str, Callable[[], Pairs]]] = {
    "tree": ("the (4, 5)-tree of figure 3 without its root", lambda: Hierarchy.perfect_tree(4, 5, root=False).pairs()),
    "dag": (
        "a random DAG of 300, a third of it under several parents",
        lambda: Hierarchy.random_dag(300, multi_parent_share=0.3, max_depth=5).pairs(),
    ),
    "animal": (
        "WordNet below animal, at most 8 hops",
        lambda: nouns().below("animal.n.01").pairs(max_distance=8),
    ),
    "wordnet": ("WordNet nouns as in the paper", lambda: NAMED["wordnet"].pairs()),
}


@cache
def pairs_of(source: str) -> Pairs:
    """The pairs of a named source.

    Raises:
        InputError: no source has this name.
    """
    if source not in SOURCES:
        listed = ", ".join(f"{name} ({about})" for name, (about, _) in SOURCES.items())
        raise InputError(f"No source {source!r} for studies; there are {listed}.{did_you_mean(source, SOURCES)}")
    return SOURCES[source][1]()


# -- trainings ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Trained:
    """A training and its curve.

    Attributes:
        run: as `train` returned it.
        curve: a row a validation: stage, step (counted over all stages), recall and by_distance of the validation
            queries, shares from 0 to 1.
    """

    run: Run
    curve: list[Row]

    @property
    def model(self) -> DualEncoder:
        """The trained model."""
        return self.run.model

    @property
    def steps(self) -> int:
        """Steps of all its stages."""
        return sum(stage.steps or 0 for stage in self.run.recipe.stages)

    @property
    def recipe(self) -> list[Row]:
        """Every setting of each stage, those derived from the data too, as JSON values."""
        return [stage.model_dump() for stage in self.run.recipe.stages]


def trained(
    pairs: Pairs,
    recipe: Recipe,
    dim: int,
    seed: int,
    *,
    validations: int | None = None,
    model: DualEncoder | None = None,
    folder: Path | None = None,
) -> Trained:
    """Train lookup tables from the recipe's own start, or go on with those of a model.

    Args:
        pairs: what is relevant.
        recipe: all its stages are trained.
        dim: width of the vectors.
        seed: of every random choice.
        validations: how often each stage is validated, which is also how often its best vectors are chosen; None is
            what the recipe says.
        model: to go on with, changed in place; None starts anew.
        folder: keeps the run. If an earlier process began one there, it is resumed, or loaded when it is finished.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if validations is not None:
        recipe = validated(recipe, validations)
    if folder is not None and (folder / CONFIG).exists():
        finished = About.read(folder, read_config(folder)).finished
        run = Run.load(folder) if finished else resume(folder, settings=QUIET)
    else:
        start = DualEncoder.lookup(pairs, dim, seed=seed, start=recipe.start) if model is None else model
        run = train(start, pairs, recipe, seed=seed, out=folder, settings=QUIET)
    if not run.finished:
        raise KeyboardInterrupt
    before, steps = dict.fromkeys((stage.name for stage in run.recipe.stages), 0), 0
    for stage in run.recipe.stages:
        before[stage.name] = steps
        steps += stage.steps or 0
    curve = [
        {
            "stage": record.stage,
            "step": before[record.stage] + record.step,
            "recall": record.recall,
            "by_distance": record.by_distance,
        }
        for record in run.history
    ]
    return Trained(run, curve)


def validated(recipe: Recipe, times: int) -> Recipe:
    """The recipe with every stage that states its steps validated this many times."""
    stages = tuple(
        stage if stage.steps is None else stage.model_copy(update={"validate_every": max(1, stage.steps // times)})
        for stage in recipe.stages
    )
    return recipe.model_copy(update={"stages": stages})


def pretrained(pairs: Pairs, recipe: Recipe, dim: int, seed: int, folder: Path | None = None) -> Trained:
    """Train the first stage of a recipe alone."""
    return trained(pairs, recipe.model_copy(update={"stages": recipe.stages[:1]}), dim, seed, folder=folder)


def finetuned(start: DualEncoder, pairs: Pairs, recipe: Recipe, seed: int) -> Trained:
    """Train the last stage of a recipe from the vectors of an earlier one, which are not modified."""
    model = start.mapped(lambda tensor: tensor.clone())
    return trained(pairs, recipe.model_copy(update={"stages": recipe.stages[-1:]}), model.dim, seed, model=model)


def joined(trainings: Sequence[Trained]) -> list[Row]:
    """The curve of trainings that went on from each other, steps counted over all of them."""
    curve: list[Row] = []
    before = 0
    for each in trainings:
        curve += [{**point, "step": before + point["step"]} for point in each.curve]
        before += each.steps
    return curve


# -- recall ------------------------------------------------------------------------------------------------------


def measured(model: DualEncoder, pairs: Pairs, *, known: Pairs | None = None) -> tuple[Row, Ranks]:
    """Recall at |S(q)| over all pairs as columns of a row (overall, minimum, by_distance), and the ranks behind it.

    Args:
        model: what is measured.
        pairs: what is relevant.
        known: pairs that are no competitors, such as those trained on.
    """
    ranks = ranks_of(model, pairs, known=known)
    return columns(recall(ranks)), ranks


def columns(found: Recall) -> Row:
    """Recall as columns of a row; None at a distance without pairs."""
    by_distance = [None if value != value else float(value) for value in found.by_distance.tolist()]
    return {"overall": found.overall, "minimum": found.minimum, "by_distance": by_distance}


def measured_row(found: Trained, pairs: Pairs) -> Row:
    """Recall over all pairs, the curve up to there, how it was trained and how long."""
    about = {"curve": found.curve, "recipe": found.recipe, "seconds": round(found.run.seconds, 1)}
    return {**measured(found.model, pairs)[0], **about}


# -- grids -------------------------------------------------------------------------------------------------------


def grid(measure: Callable[..., Iterable[Row]], **axes: Iterable[Any]) -> Iterator[Job]:
    """A job for every combination of the values of these axes, the last axis fastest.

    The combination is the job's key, and `measure` gets it as keywords.
    """
    for values in product(*axes.values()):
        key = dict(zip(axes, values, strict=True))
        yield Job(key, partial(measure, **key))
