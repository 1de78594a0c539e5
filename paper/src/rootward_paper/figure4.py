"""Figures 4 and E.1: pretraining and finetuning on WordNet at dimension 64.

Figure 4 is named in the text that we have, but not described. Our reading: figure 3's curves on WordNet, where the long
distances fall behind in the first stage and come back in the second. Figure E.1: how much the finetuning's learning
rate and temperature matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rootward.encoders import DualEncoder
from rootward.evaluation.results import plain_table
from rootward.pairs import Pairs
from rootward.training import Recipe, recipes
from rootward_paper.drawing import (
    by_stage,
    curve_of,
    draw_curves,
    mark_diverged,
    mean_percent,
    new_figure,
    overall_cell,
    percent,
    slice_cells,
    with_diverged,
)
from rootward_paper.figure3 import curve
from rootward_paper.measuring import finetuned, measured, pairs_of, pretrained
from rootward_paper.published import published_figures
from rootward_paper.study import FAILED, Experiment, Job, Row, Study, converged, rows_or_failure, training_folder
from rootward_paper.table1 import FINETUNING, LENGTHS, SOURCE, TWO_STAGES

DIM = {"tiny": 16, "cpu": 64, "paper": 64}
VALIDATIONS = {"tiny": 5, "cpu": 30, "paper": 50}
STAGES = ("pretrain", "finetune")

MULTIPLIER, SCALE = 1e-3, 500.0
"""The published best of figure E.1; one is varied while the other stays here."""

MULTIPLIERS = {"tiny": (1e-7, 1e-3), "cpu": (1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1)}
SCALES = {"tiny": (20.0, 500.0), "cpu": (20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0)}
MULTIPLIERS["paper"], SCALES["paper"] = MULTIPLIERS["cpu"], SCALES["cpu"]


# -- figure 4 ----------------------------------------------------------------------------------------------------


def measure_figure4(
    scale: str, seeds: Sequence[int], *, source: str | None = None, trainings: Path | None = None
) -> Iterator[Job]:
    """Pretrain-finetune as in Table 1, validated on the way."""
    name = source or SOURCE[scale]
    recipe = recipes.pretrain_finetune(finetune_steps=FINETUNING[scale], **LENGTHS[scale])
    for seed in seeds:
        one = partial(curve, recipe, seed, dim=DIM[scale], source=name, validations=VALIDATIONS[scale])
        yield Job({"source": name, "seed": seed}, partial(one, folder=training_folder(trainings, scale, name, seed)))


def table_figure4(study: Study) -> str:
    """Recall by distance at the best validation of each stage, where its vectors are taken from."""
    lines, distances = [], max(len(row["by_distance"]) for row in study.rows)
    for stage in STAGES:
        best = [max(curve_of(row, stage), key=lambda point: float(point["recall"])) for row in converged(study.rows)]
        steps = ", ".join(f"{point['step']:,}" for point in best) or "-"
        overall = with_diverged(study.rows, percent([point["recall"] for point in best]))
        lines.append([stage, *slice_cells(best, distances), overall, steps])
    header = ["stage", *map(str, range(distances)), "overall", "best at step"]
    about = f"{study.rows[0]['source']}, dim {DIM[study.scale]}, validation queries, seeds: {study.seeds}"
    return f"Recall at |S(q)| in %: {about}\n{plain_table(header, lines)}"


def draw_figure4(study: Study) -> Any:
    """A panel a stage."""
    return draw_curves(by_stage(TWO_STAGES, study.rows))


FIGURE4 = Experiment(measure_figure4, table_figure4, draw_figure4)


# -- figure E.1 --------------------------------------------------------------------------------------------------


def measure_figuree1(scale: str, seeds: Sequence[int], *, source: str | None = None) -> Iterator[Job]:
    """One pretraining a seed, then a finetuning from its vectors for every multiplier and every temperature."""
    name = source or SOURCE[scale]
    for seed in seeds:
        yield Job({"source": name, "seed": seed}, partial(_rows_figuree1, scale, name, seed))


def _rows_figuree1(scale: str, source: str, seed: int) -> Iterator[Row]:
    pairs, dim = pairs_of(source), DIM[scale]
    both = recipes.pretrain_finetune(finetune_steps=FINETUNING[scale], **LENGTHS[scale])
    first, second = both.stages
    before = pretrained(pairs, both, dim, seed)
    yield {"varied": "nothing", "value": None, **measured(before.model, pairs)[0], "recipe": before.recipe}
    assert first.learning_rate is not None
    for varied, value in [("multiplier", m) for m in MULTIPLIERS[scale]] + [("scale", s) for s in SCALES[scale]]:
        rate = first.learning_rate * (value if varied == "multiplier" else MULTIPLIER)
        tau = value if varied == "scale" else SCALE
        stage = second.model_copy(update={"learning_rate": rate, "scale": tau, "scale_end": tau})
        recipe = both.model_copy(update={"stages": (stage,)})
        for row in rows_or_failure(partial(_row_after, before.model, pairs, recipe, seed)):
            yield {"varied": varied, "value": value, **row}


def _row_after(start: DualEncoder, pairs: Pairs, recipe: Recipe, seed: int) -> Iterator[Row]:
    found = finetuned(start, pairs, recipe, seed)
    yield {**measured(found.model, pairs)[0], "recipe": found.recipe}


def table_figuree1(study: Study) -> str:
    """Overall and lowest recall for each value, then the published optimum."""
    lines = []
    for varied, value in dict.fromkeys((row.get("varied", "nothing"), row.get("value")) for row in study.rows):
        rows = study.where(varied=varied, value=value) or list(study.rows)  # every pretraining diverged
        cells = [percent([row["minimum"] for row in rows]), overall_cell(rows)]
        lines.append([varied, "-" if value is None else f"{value:g}", *cells])
    published = "; ".join(f"{each.name} {each.value}" for each in published_figures("Figure E.1"))
    about = f"{study.rows[0]['source']}, dim {DIM[study.scale]}, seeds: {study.seeds}"
    header = ["varied", "value", "min", "overall"]
    return f"Recall at |S(q)| in %: {about}\n{plain_table(header, lines)}\npublished: {published}"


def draw_figuree1(study: Study) -> Any:
    """Overall recall against the multiplier, and against the temperature."""
    figure, axes = new_figure(columns=2)
    before = _overall(study.where(varied="nothing"))
    for side, varied, label in zip(axes, ("multiplier", "scale"), ("learning rate multiplier", "tau"), strict=True):
        values = sorted({row["value"] for row in study.where(varied=varied)})
        recalls = [_overall(study.where(varied=varied, value=v)) for v in values]
        side.plot(values, recalls, marker="o", markersize=4, label="after finetuning")
        mark_diverged(side, [row["value"] for row in study.where(varied=varied) if FAILED in row])
        side.axhline(before, linestyle="--", color="0.5", label="before")
        side.axvline(MULTIPLIER if varied == "multiplier" else SCALE, linestyle=":", color="0.5", label="published")
        side.set(xlabel=label, xscale="log")
        side.grid(alpha=0.3)
    axes[0].set_ylabel("overall recall (%)")
    axes[1].legend(frameon=False, fontsize=8)
    return figure


def _overall(rows: Sequence[Row]) -> float:
    return mean_percent([row["overall"] for row in converged(rows)])


FIGUREE1 = Experiment(measure_figuree1, table_figuree1, draw_figuree1)
