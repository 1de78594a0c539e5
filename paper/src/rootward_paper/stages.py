"""One stage or two, beyond the paper's data: few near pairs ("scarce"), and hierarchies of many shapes ("irregular").

The paper says that its recipe may lose where near pairs are scarce. "scarce" keeps 1, 5, 20 or 100 % of the pairs at
distance 0 and 1 and measures on the kept pairs, and apart on those removed, with the kept ones filtered; queries and
documents stay, so that everything competes. "irregular" trains on random DAGs over branching, depth and the share of
nodes with several parents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from rootward.hierarchy import Hierarchy
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.training import Recipe, recipes
from rootward_paper.drawing import draw_grid, grid_table
from rootward_paper.measuring import grid, measured, measured_row, pairs_of, trained
from rootward_paper.study import Experiment, Job, Row, Study
from rootward_paper.table1 import OUR_LENGTH, OURS, TWO_STAGES

DIM = 16
STEPS = {"tiny": (20, 8), "cpu": (1_000, 200), "paper": (50_000, 700)}
BATCH = {"tiny": 256, "cpu": 4_096, "paper": 4_096}

NEAR = 1
KEPT = {"tiny": (0.05, 1.0), "cpu": (0.01, 0.05, 0.2, 1.0), "paper": (0.01, 0.05, 0.2, 1.0)}
SOURCE = {"tiny": "tree", "cpu": "animal", "paper": "wordnet"}

NODES = {"tiny": 80, "cpu": 2_000, "paper": 20_000}
CENTRE: dict[str, Any] = {"branching": 3.0, "max_depth": 6, "multi_parent_share": 0.3}
VARIED: dict[str, tuple[Any, ...]] = {
    "branching": (1.5, 3.0, 10.0),
    "max_depth": (3, 6, 12),
    "multi_parent_share": (0.0, 0.3, 0.8),
}
IRREGULAR_METHODS = ("mixed (regular)", TWO_STAGES, OURS)


def methods(scale: str) -> dict[str, Callable[[], Recipe]]:
    """Mixed training in one stage, the paper's two stages, and ours."""
    steps, finetune = STEPS[scale]
    settings: dict[str, Any] = {"batch_size": BATCH[scale], **({"validate_every": 10} if scale == "tiny" else {})}
    return {
        "mixed (regular)": partial(recipes.regular, steps=steps + finetune, **settings),
        "mixed (rebalanced p=0.5)": partial(recipes.rebalanced, 0.5, steps=steps + finetune, **settings),
        TWO_STAGES: partial(recipes.pretrain_finetune, steps=steps, finetune_steps=finetune, **settings),
        OURS: partial(recipes.decoupled, **OUR_LENGTH[scale]),
    }


# -- few near pairs ----------------------------------------------------------------------------------------------


def with_few_near(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, Pairs]:
    """(kept, removed): all far pairs and a random share of those at distance 0 and 1; the others."""
    near = np.flatnonzero(pairs.distances <= NEAR)
    wanted = np.ones(len(pairs), np.bool_)
    order = stream(seed, "scarce").permutation(near)
    wanted[order[round(share * len(near)) :]] = False
    return pairs.keep(wanted), pairs.keep(~wanted)


def measure_scarce(scale: str, seeds: Sequence[int], *, source: str | None = None) -> Iterator[Job]:
    """Every share kept with every training."""
    name = source or SOURCE[scale]
    return grid(partial(_row_scarce, scale), source=[name], kept=KEPT[scale], method=methods(scale), seed=seeds)


def _row_scarce(scale: str, *, source: str, kept: float, method: str, seed: int) -> Iterator[Row]:
    there, away = with_few_near(pairs_of(source), kept, seed)
    found = trained(there, methods(scale)[method](), DIM, seed)
    removed = measured(found.model, away, known=there)[0] if len(away) else {"overall": None, "by_distance": []}
    yield {
        **measured_row(found, there),
        "away": removed["overall"],
        "away_by_distance": removed["by_distance"],
        "pairs_by_distance": np.bincount(there.distances).tolist(),
    }


def table_scarce(study: Study) -> str:
    """Recall by distance for every share kept, and of the near pairs that were removed from training."""
    about = f"Recall at |S(q)| on {study.rows[0]['source']}, dim {DIM}, of the pairs that are there and of those away"
    return grid_table(study, ("kept", "method"), about, more=("away",))


def draw_scarce(study: Study) -> Any:
    """Overall recall against the share of near pairs kept, a line a training."""
    return draw_grid(study, along="kept", line="method", label="share of the pairs at distance 0 and 1")


SCARCE = Experiment(measure_scarce, table_scarce, draw_scarce)


# -- irregular hierarchies ---------------------------------------------------------------------------------------


def measure_irregular(scale: str, seeds: Sequence[int]) -> Iterator[Job]:
    """Every shape with every training: the centre, then one setting varied at a time. The DAG changes with the seed."""
    others = [{**CENTRE, name: value} for name, values in VARIED.items() for value in values if value != CENTRE[name]]
    for shape in [CENTRE, *others][: 2 if scale == "tiny" else None]:
        only = {name: [value] for name, value in shape.items()}
        yield from grid(partial(_row_irregular, scale), **only, method=IRREGULAR_METHODS, seed=seeds)


def _row_irregular(scale: str, *, method: str, seed: int, **shape: Any) -> Iterator[Row]:
    pairs = Hierarchy.random_dag(NODES[scale], seed=seed, **shape).pairs()
    found = trained(pairs, methods(scale)[method](), DIM, seed)
    yield {**measured_row(found, pairs), "pairs": len(pairs), "largest": int(pairs.sizes.max())}


def table_irregular(study: Study) -> str:
    """Recall by distance for every shape."""
    names = ("branching", "max_depth", "multi_parent_share", "method")
    return grid_table(study, names, f"Recall at |S(q)| on random DAGs of {NODES[study.scale]:,}, dim {DIM}")


def draw_irregular(study: Study) -> Any:
    """Overall recall by shape, a line a training."""
    rows = ({**row, "shape": "/".join(f"{row[name]:g}" for name in CENTRE)} for row in study.rows)
    label = "branching / depth / several parents"
    return draw_grid(study.with_rows(rows), along="shape", line="method", label=label)


IRREGULAR = Experiment(measure_irregular, table_irregular, draw_irregular)
