"""Figure E.1: how much the finetuning's learning rate and temperature matter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from rootward.encoders import DualEncoder
from rootward.evaluation.published import published_figures
from rootward.evaluation.report import plain_table
from rootward.experiments.beside import overall_cell, percent
from rootward.experiments.curves import finetuned, measured, pretrained
from rootward.experiments.data import pairs_of
from rootward.experiments.diverged import FAILED, converged, mark_diverged, or_diverged
from rootward.experiments.fit import mean
from rootward.experiments.kept import Row
from rootward.experiments.study import Experiment, Job, Study
from rootward.experiments.table1 import FINETUNING, LENGTHS, SOURCE
from rootward.pairs import Pairs
from rootward.plots import figure_at, save_figure
from rootward.training import Recipe, recipes

DIM = {"tiny": 16, "cpu": 64, "paper": 64}
MULTIPLIER, SCALE = 1e-3, 500.0
"""The published best; one is varied while the other stays here."""

MULTIPLIERS = {"tiny": (1e-7, 1e-3), "cpu": (1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1)}
SCALES = {"tiny": (20.0, 500.0), "cpu": (20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0)}
MULTIPLIERS["paper"], SCALES["paper"] = MULTIPLIERS["cpu"], SCALES["cpu"]


def measure(scale: str, seeds: Sequence[int], *, source: str | None = None) -> Iterator[Job]:
    """One pretraining a seed, then a finetuning from its vectors for every multiplier and every temperature."""
    name = source or SOURCE[scale]
    for seed in seeds:
        yield Job({"source": name, "seed": seed}, partial(_all, scale, name, seed))


def _all(scale: str, source: str, seed: int) -> Iterator[Row]:
    pairs, dim = pairs_of(source), DIM[scale]
    both = recipes.pretrain_finetune(finetune_steps=FINETUNING[scale], **LENGTHS[scale])
    first, second = both.stages
    before = pretrained(pairs, both, dim, seed)
    start = before.model
    yield {"varied": "nothing", "value": None, **measured(start, pairs)[0], "recipe": before.recipe}
    assert first.learning_rate is not None
    for varied, value in [("multiplier", m) for m in MULTIPLIERS[scale]] + [("scale", s) for s in SCALES[scale]]:
        rate = first.learning_rate * (value if varied == "multiplier" else MULTIPLIER)
        tau = value if varied == "scale" else SCALE
        stage = second.model_copy(update={"learning_rate": rate, "scale": tau, "scale_end": tau})
        for row in or_diverged(partial(_after, start, pairs, both.model_copy(update={"stages": (stage,)}), seed)):
            yield {"varied": varied, "value": value, **row}


def _after(start: DualEncoder, pairs: Pairs, recipe: Recipe, seed: int) -> Iterator[Row]:
    found = finetuned(start, pairs, recipe, seed)
    yield {**measured(found.model, pairs)[0], "recipe": found.recipe}


def table(study: Study) -> str:
    """Overall and lowest recall for each value, then the published optimum."""
    lines = []
    for varied, value in dict.fromkeys((row.get("varied", "nothing"), row.get("value")) for row in study.rows):
        rows = study.where(varied=varied, value=value) or list(study.rows)  # every pretraining diverged
        cells = [percent([row["minimum"] for row in rows]), overall_cell(rows)]
        lines.append([varied, "-" if value is None else f"{value:g}", *cells])
    told = "; ".join(f"{each.name} {each.value}" for each in published_figures("Figure E.1"))
    about = f"{study.rows[0]['source']}, dim {DIM[study.scale]}, seeds: {study.seeds}"
    header = ["varied", "value", "min", "overall"]
    return f"Recall at |S(q)| in %: {about}\n{plain_table(header, lines)}\npublished: {told}"


def draw(study: Study, path: Path) -> Path:
    """Overall recall against the multiplier, and against the temperature."""
    figure, axes = figure_at(path, columns=2)
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
    return save_figure(figure, path)


def _overall(rows: Sequence[Row]) -> float:
    recalls = [row["overall"] for row in converged(rows)]
    return 100 * mean(recalls).value if recalls else math.nan


FIGUREE1 = Experiment("how much the finetuning's learning rate and temperature matter", measure, table, draw)
