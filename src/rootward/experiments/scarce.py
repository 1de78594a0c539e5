"""Few near pairs: two stages against mixed training when 1, 5, 20 or 100 % of the pairs at distance 0 and 1 are there.

The paper says that its recipe may lose where near pairs are scarce. Measured on the pairs that are there, and apart on
those that were taken away, with what is there filtered; queries and documents stay, so that everything competes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from rootward.experiments.curves import measured, trained
from rootward.experiments.data import pairs_of
from rootward.experiments.grid import draw_grid, grid, grid_table, measured_row
from rootward.experiments.kept import Row
from rootward.experiments.study import Experiment, Job, Study
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.training import Recipe, recipes

NEAR = 1
KEPT = {"tiny": (0.05, 1.0), "cpu": (0.01, 0.05, 0.2, 1.0), "paper": (0.01, 0.05, 0.2, 1.0)}
SOURCE = {"tiny": "tree", "cpu": "animal", "paper": "wordnet"}
STEPS = {"tiny": (20, 8), "cpu": (1_000, 200), "paper": (50_000, 700)}
BATCH = {"tiny": 256, "cpu": 4_096, "paper": 4_096}
DIM = 16


def methods(scale: str) -> dict[str, Callable[[], Recipe]]:
    """Mixed training in one stage, the paper's two stages, and ours."""
    (steps, finetune), batch = STEPS[scale], BATCH[scale]
    return {
        "mixed (regular)": partial(recipes.regular, steps=steps + finetune, batch_size=batch),
        "mixed (rebalanced p=0.5)": partial(recipes.rebalanced, 0.5, steps=steps + finetune, batch_size=batch),
        "pretrain-finetune": partial(recipes.pretrain_finetune, steps=steps, finetune_steps=finetune, batch_size=batch),
        "ours (decoupled)": partial(recipes.decoupled, **({"steps": 60} if scale == "tiny" else {})),
    }


def with_few_near(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, Pairs]:
    """The pairs with this share of those at distance 0 and 1, drawn at random, and all others; then what is away."""
    near = np.flatnonzero(pairs.distances <= NEAR)
    wanted = np.ones(len(pairs), np.bool_)
    order = stream(seed, "scarce").permutation(near)
    wanted[order[round(share * len(near)) :]] = False
    return pairs.keep(wanted), pairs.keep(~wanted)


def measure(scale: str, seeds: Sequence[int], *, source: str | None = None) -> Iterator[Job]:
    """Every share kept with every training."""
    name = source or SOURCE[scale]
    return grid(partial(_row, scale), source=[name], kept=KEPT[scale], method=methods(scale), seed=seeds)


def _row(scale: str, *, source: str, kept: float, method: str, seed: int) -> Iterator[Row]:
    there, away = with_few_near(pairs_of(source), kept, seed)
    found = trained(there, methods(scale)[method](), DIM, seed)
    taken = measured(found.model, away, known=there)[0] if len(away) else {"overall": None, "by_distance": []}
    yield {
        **measured_row(found, there),
        "away": taken["overall"],
        "away_by_distance": taken["by_distance"],
        "pairs_by_distance": np.bincount(there.distances).tolist(),
    }


def table(study: Study) -> str:
    """Recall by distance for every share kept, and of the near pairs that training had not."""
    about = f"Recall at |S(q)| on {study.rows[0]['source']}, dim {DIM}, of the pairs that are there and of those away"
    return grid_table(study, ("kept", "method"), about, more=("away",))


def draw(study: Study, path: Path) -> Path:
    """Overall recall against the share of near pairs kept, a line a training."""
    return draw_grid(study, path, along="kept", line="method", label="share of the pairs at distance 0 and 1")


SCARCE = Experiment("few near pairs: two stages against mixed training", measure, table, draw)
