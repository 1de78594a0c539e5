"""Trainings that are looked at on the way: recall by distance every so many steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rootward.encoders import DualEncoder
from rootward.evaluation import recall
from rootward.evaluation.evaluate import ranks_of
from rootward.evaluation.metrics import Recall
from rootward.evaluation.ranks import Ranks
from rootward.experiments.kept import Row
from rootward.folders import CONFIG, read_config
from rootward.pairs import Pairs
from rootward.training import Recipe, Run, Settings, resume, train
from rootward.training.run import About

QUIET = Settings(progress=False, measure=False)


@dataclass(frozen=True, eq=False)
class Trained:
    """A training and its curve.

    Attributes:
        run: as `train` returned it.
        curve: a row a look: stage, step (counted over all stages), recall and by_distance of the queries looked at,
            shares from 0 to 1.
    """

    run: Run
    curve: list[Row]

    @property
    def model(self) -> DualEncoder:
        """What was trained."""
        return self.run.model

    @property
    def steps(self) -> int:
        """Of all its stages."""
        return sum(stage.steps or 0 for stage in self.run.recipe.stages)

    @property
    def recipe(self) -> list[Row]:
        """Every setting of each stage, what the data decided among them, as JSON values."""
        return [stage.model_dump() for stage in self.run.recipe.stages]


def trained(
    pairs: Pairs,
    recipe: Recipe,
    dim: int,
    seed: int,
    *,
    looks: int | None = None,
    model: DualEncoder | None = None,
    folder: Path | None = None,
) -> Trained:
    """Train lookup tables from the recipe's own start, or go on with those of a model.

    Args:
        pairs: what is relevant.
        recipe: all its stages are trained.
        dim: width of the vectors.
        seed: of every random choice.
        looks: how often each stage is looked at, which is also how often its best vectors are chosen; None is what
            the recipe says.
        model: to go on with, changed in place; None starts anew.
        folder: keeps the run. Where it holds one already, of an earlier process, that one goes on or is taken as it is.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if looks is not None:
        recipe = looked_at(recipe, looks)
    run = None if folder is None else _gone_on(folder)
    if run is None:
        begun = DualEncoder.lookup(pairs, dim, seed=seed, start=recipe.start) if model is None else model
        run = train(begun, pairs, recipe, seed=seed, out=folder, settings=QUIET)
    if not run.finished:
        raise KeyboardInterrupt
    return Trained(run, list(_curve(run)))


def _gone_on(folder: Path) -> Run | None:
    """The run of a folder, trained to its end; None where none was begun."""
    if not (folder / CONFIG).exists():
        return None
    finished = About.read(folder, read_config(folder)).finished
    return Run.load(folder) if finished else resume(folder, settings=QUIET)


def pretrained(pairs: Pairs, recipe: Recipe, dim: int, seed: int, folder: Path | None = None) -> Trained:
    """Train the first stage of a recipe alone."""
    return trained(pairs, recipe.model_copy(update={"stages": recipe.stages[:1]}), dim, seed, folder=folder)


def finetuned(start: DualEncoder, pairs: Pairs, recipe: Recipe, seed: int) -> Trained:
    """Train the last stage of a recipe from the vectors that the stages before it gave, which stay as they are."""
    model = start.mapped(lambda tensor: tensor.clone())
    return trained(pairs, recipe.model_copy(update={"stages": recipe.stages[-1:]}), model.dim, seed, model=model)


def joined(trainings: Sequence[Trained]) -> list[Row]:
    """The curve of trainings that went on from each other, steps counted over all of them."""
    looks: list[Row] = []
    before = 0
    for each in trainings:
        looks += [{**look, "step": before + look["step"]} for look in each.curve]
        before += each.steps
    return looks


def looked_at(recipe: Recipe, looks: int) -> Recipe:
    """The recipe with every stage that says its steps validated this many times."""
    stages = tuple(
        stage if stage.steps is None else stage.model_copy(update={"validate_every": max(1, stage.steps // looks)})
        for stage in recipe.stages
    )
    return recipe.model_copy(update={"stages": stages})


def _curve(run: Run) -> Iterator[Row]:
    before = dict.fromkeys((stage.name for stage in run.recipe.stages), 0)
    done = 0
    for stage in run.recipe.stages:
        before[stage.name] = done
        done += stage.steps or 0
    for record in run.history:
        yield {
            "stage": record.stage,
            "step": before[record.stage] + record.step,
            "recall": record.recall,
            "by_distance": record.by_distance,
        }


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
