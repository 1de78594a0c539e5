"""Hierarchies of many shapes: random DAGs over branching, depth and the share of nodes with several parents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rootward.experiments.grid import draw_grid, grid, grid_table, outcome
from rootward.experiments.kept import Row
from rootward.experiments.scarce import methods
from rootward.experiments.study import Experiment, Job, Study
from rootward.hierarchy import Hierarchy

NODES = {"tiny": 80, "cpu": 2_000, "paper": 20_000}
CENTRE: dict[str, Any] = {"branching": 3.0, "max_depth": 6, "multi_parent_share": 0.3}
VARIED: dict[str, tuple[Any, ...]] = {
    "branching": (1.5, 3.0, 10.0),
    "max_depth": (3, 6, 12),
    "multi_parent_share": (0.0, 0.3, 0.8),
}
METHODS = ("mixed (regular)", "pretrain-finetune", "ours (decoupled)")
DIM = 16


def shapes() -> list[dict[str, Any]]:
    """The centre, and every other value of one setting at a time."""
    others = [{**CENTRE, name: value} for name, values in VARIED.items() for value in values if value != CENTRE[name]]
    return [CENTRE, *others]


def measure(scale: str, seeds: Sequence[int]) -> Iterator[Job]:
    """Every shape with every training; the DAG changes with the seed."""
    for shape in shapes()[: 2 if scale == "tiny" else None]:
        only = {name: [value] for name, value in shape.items()}
        yield from grid(partial(_row, scale), **only, method=METHODS, seed=seeds)


def _row(scale: str, *, method: str, seed: int, **shape: Any) -> Iterator[Row]:
    pairs = Hierarchy.random_dag(NODES[scale], seed=seed, **shape).pairs()
    for row in outcome(pairs, methods(scale)[method](), DIM, seed):
        yield {**row, "pairs": len(pairs), "largest": int(pairs.sizes.max())}


def table(study: Study) -> str:
    """Recall by distance for every shape."""
    names = ("branching", "max_depth", "multi_parent_share", "method")
    return grid_table(study, names, f"Recall at |S(q)| on random DAGs of {NODES[study.scale]:,}, dim {DIM}")


def draw(study: Study, path: Path) -> Path:
    """Overall recall by shape, a line a training."""
    rows = tuple({**row, "shape": "/".join(f"{row[name]:g}" for name in CENTRE)} for row in study.rows)
    shown = Study(study.name, study.scale, study.seeds, rows, study.about)
    return draw_grid(shown, path, along="shape", line="method", label="branching / depth / several parents")


IRREGULAR = Experiment("random DAGs of many shapes", measure, table, draw)
