"""Incomplete pairs, as every real user has them: recall on far pairs that are not in training.

Held out are pairs at distance 2 and more: a share of all of them, or all of those of a share of the queries. Recall is
that of the held-out pairs among all documents but the query's observed ones, and the other way round.

A loss that treats every unobserved document as a negative pushes the held-out ones down, so losses, negatives,
temperatures, lengths and dimensions are varied; and "completed": pairs that follow from two observed ones are added
before training, where a document is also a query (`Pairs.completed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.training import Recipe, recipes
from rootward_paper.drawing import draw_grid, grid_table
from rootward_paper.measuring import measured, pairs_of, trained
from rootward_paper.study import Experiment, Job, Row, Study

FAR = 2
SHARES = {"tiny": (0.5,), "cpu": (0.1, 0.5, 0.75, 0.9), "paper": (0.1, 0.5, 0.75, 0.9)}
WAYS = ("pairs", "queries")
SOURCE = {"tiny": "dag", "cpu": "animal", "paper": "wordnet"}
STEPS = {"tiny": 40, "cpu": 800, "paper": 20_000}
DIM = {"tiny": 16, "cpu": 32, "paper": 64}
COMPLETED = "completed"


def methods(scale: str) -> dict[str, tuple[Callable[[], Recipe], int]]:
    """Trainings by name, each with its dimension."""
    steps, dim = STEPS[scale], DIM[scale]
    made: dict[str, tuple[dict[str, Any], int]] = {
        "decoupled": ({}, dim),
        "softmax": ({"loss": "softmax"}, dim),
        "decoupled, few negatives": ({"candidates": "sampled", "negatives": 64}, dim),
        "decoupled, the batch's documents": ({"candidates": "batch"}, dim),
        "incomplete": ({"soft": True}, dim),
        "decoupled, tau 10": ({"scale": 10.0, "scale_end": 10.0}, dim),
        "decoupled, tau 5": ({"scale": 5.0, "scale_end": 5.0}, dim),
        "decoupled, a quarter of the steps": ({"steps": steps // 4}, dim),
        "decoupled, a quarter of the dimensions": ({}, max(4, dim // 4)),
        COMPLETED: ({}, dim),
    }
    wanted = made if scale != "tiny" else ("decoupled", COMPLETED)
    length = {"steps": steps, **({"validate_every": 20} if scale == "tiny" else {})}
    return {name: (partial(recipes.decoupled, **{**length, **made[name][0]}), made[name][1]) for name in wanted}


def held_out(pairs: Pairs, way: str, share: float, seed: int) -> tuple[Pairs, Pairs]:
    """(observed, held out): a share of the far pairs, or all far pairs of a share of the queries that have some."""
    if way == "pairs":
        split = pairs.split("pairs", test=share, low=FAR, seed=seed)
        return split.train, split.test
    far = pairs.distances >= FAR
    order = stream(seed, "incomplete").permutation(np.unique(pairs.query_of[far]))
    chosen = np.zeros(pairs.n_queries, np.bool_)
    chosen[order[: round(share * len(order))]] = True
    hidden = far & chosen[pairs.query_of]
    return pairs.keep(~hidden), pairs.keep(hidden)


def measure(scale: str, seeds: Sequence[int], *, source: str | None = None) -> Iterator[Job]:
    """Every training for every share held out, either way."""
    name = source or SOURCE[scale]
    for way in WAYS:
        for share in SHARES[scale]:
            for method, (recipe, dim) in methods(scale).items():
                for seed in seeds:
                    key = {"source": name, "held_out": way, "share": share, "method": method, "dim": dim, "seed": seed}
                    yield Job(key, partial(_row, name, way, share, method, recipe, dim, seed))


def _row(
    source: str, way: str, share: float, method: str, recipe: Callable[[], Recipe], dim: int, seed: int
) -> Iterator[Row]:
    observed, hidden = held_out(pairs_of(source), way, share, seed)
    known = observed.completed() if method == COMPLETED else observed
    found = trained(known, recipe(), dim, seed)
    on_observed = measured(found.model, observed, known=hidden)[0]["overall"]  # true pairs are no competitors
    about = {"observed": on_observed, "pairs_trained": len(known), "recipe": found.recipe}
    yield {**measured(found.model, hidden, known=observed)[0], **about}


def table(study: Study) -> str:
    """Recall on held-out pairs by distance, beside that on the observed ones."""
    about = f"Recall at |S(q)| of held-out pairs on {study.rows[0]['source']}, observed ones filtered"
    return grid_table(study, ("held_out", "share", "method", "dim"), about, more=("observed",))


def draw(study: Study) -> Any:
    """Recall on held-out pairs against the share held out, a line a training; held out pair by pair."""
    shown = study.with_rows(study.where(held_out="pairs"))
    return draw_grid(shown, along="share", line="method", label="share of the far pairs held out")


INCOMPLETE = Experiment(measure, table, draw)
