"""Why long distances are lost: losses by optimisers, learning rates, rows and dimensions, and what finetuning adds.

From "in-batch" to "in-batch, log-Q" the sampling bias goes, from there to "masked" the competition between targets;
"all documents" has neither bias nor sampling. What a larger dimension repairs was capacity; what a longer training or
another rate repairs was under-training. Rows are free or on the unit sphere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from rootward.training import Recipe, Stage
from rootward_paper.drawing import draw_grid, grid_table
from rootward_paper.measuring import finetuned, measured, pairs_of, pretrained
from rootward_paper.study import Experiment, Job, Row, Study

LOSSES: dict[str, dict[str, Any]] = {
    "in-batch": {"loss": "softmax", "candidates": "batch", "log_q": False},
    "in-batch, log-Q": {"loss": "softmax", "candidates": "batch", "log_q": True},
    "in-batch, log-Q, masked": {"loss": "decoupled", "candidates": "batch", "log_q": True},
    "all documents": {"loss": "softmax", "candidates": "all", "log_q": False},
    "decoupled": {"loss": "decoupled", "candidates": "all", "log_q": False},
}
OPTIMISERS = [
    *(("sgd", "free", rate) for rate in (0.03, 0.1, 0.3, 1.0, 3.0)),
    *(("sgd", "sphere", rate) for rate in (0.1, 0.3, 1.0, 3.0, 10.0)),
    ("lazy_adam", "sphere", 0.2),
]
SOURCE = {"tiny": "dag", "cpu": "animal", "paper": "wordnet"}
DIMS = {"tiny": (8,), "cpu": (8, 32), "paper": (8, 16, 32, 64)}
STEPS = {"tiny": (12, 6), "cpu": (800, 100), "paper": (20_000, 700)}
BATCH = {"tiny": 128, "cpu": 2_048, "paper": 4_096}


def measure(scale: str, seeds: Sequence[int], *, source: str | None = None) -> Iterator[Job]:
    """Every loss with every optimiser at every dimension, then heavy-tail finetuning on top."""
    name = source or SOURCE[scale]
    optimisers = OPTIMISERS if scale != "tiny" else [OPTIMISERS[3], OPTIMISERS[-1]]
    for dim in DIMS[scale]:
        for loss in LOSSES:
            for optimizer, rows, rate in optimisers:
                for seed in seeds:
                    key = {"source": name, "dim": dim, "loss": loss, "optimizer": optimizer, "rows": rows}
                    two = stages(scale, loss, optimizer, rows, rate)
                    yield Job({**key, "rate": rate, "seed": seed}, partial(_both, name, two, dim, seed))


def stages(scale: str, loss: str, optimizer: str, rows: str, rate: float) -> Recipe:
    """The training, and the published finetuning on top: a thousandth of the rate, 25 times tau, heavy-tail pairs."""
    steps, finetune = STEPS[scale]
    settings = {**LOSSES[loss], "optimizer": optimizer, "batch_size": BATCH[scale], "decay": "constant"}
    first = Stage(
        name="train",
        sampler="regular",
        learning_rate=rate,
        scale=20.0,
        scale_end=20.0,
        steps=steps,
        validate_every=6 if scale == "tiny" else None,
        keep="best",
        **settings,
    )
    second = Stage(
        name="finetune",
        sampler="heavy_tail",
        learning_rate=rate / 1000,
        scale=500.0,
        scale_end=500.0,
        steps=finetune,
        validate_every=6 if scale == "tiny" else None,
        keep="best",
        **settings,
    )
    return Recipe(name=loss, start="free" if rows == "free" else "random", stages=(first, second))


def _both(source: str, recipe: Recipe, dim: int, seed: int) -> Iterator[Row]:
    """One row: recall at the end of the first stage, the best after finetuning, and the curves of both."""
    pairs = pairs_of(source)
    once = pretrained(pairs, recipe, dim, seed)
    twice = finetuned(once.model, pairs, recipe, seed)
    after = measured(twice.model, pairs)[0]
    yield {
        **measured(once.model, pairs)[0],
        "finetuned": after["overall"],
        "finetuned_by_distance": after["by_distance"],
        "curve": once.curve,
        "finetuning_curve": twice.curve,
        "recipe": [*once.recipe, *twice.recipe],
    }


def table(study: Study) -> str:
    """Recall by distance and after finetuning, or that it diverged: at the best rate of each, then at every rate."""
    about = f"Recall at |S(q)| on {study.rows[0]['source']}"
    by_rate: dict[tuple[Any, ...], dict[float, list[Row]]] = {}
    for row in study.rows:
        setting = tuple(row[name] for name in ("dim", "loss", "optimizer", "rows"))
        by_rate.setdefault(setting, {}).setdefault(row["rate"], []).append(row)
    shown = study.with_rows(row for rows in by_rate.values() for row in max(rows.values(), key=_mean_overall))
    names = ("dim", "loss", "optimizer", "rows", "rate")
    return "\n\n".join(
        grid_table(part, names, f"{about}, {which}", more=("finetuned",))
        for part, which in ((shown, "at the best rate of each"), (study, "at every rate"))
    )


def _mean_overall(rows: list[Row]) -> float:
    """Over seeds; a training that diverged counts as 0."""
    return sum(row["overall"] or 0.0 for row in rows) / len(rows)


def draw(study: Study) -> Any:
    """Overall recall against the optimiser, a line a loss, at the largest dimension."""
    dim = max(row["dim"] for row in study.rows)
    rows = ({**row, "setting": f"{row['optimizer']} {row['rows']} {row['rate']:g}"} for row in study.where(dim=dim))
    label = f"optimiser, rows, rate (dim {dim})"
    return draw_grid(study.with_rows(rows), along="setting", line="loss", label=label)


LOSS_GRID = Experiment(measure, table, draw, method="loss")
