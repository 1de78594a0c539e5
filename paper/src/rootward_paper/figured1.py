"""Figure D.1: hyperbolic embeddings at the same dimension, data and metric; 16 dimensions, the paper's best is 45.4 %.

Poincare embeddings as published (reparameterised as in Dhingra et al. 2018, learning rate 0.01), and the same space as
Lorentz model; both in float64, where points near the rim stay apart. The other published settings are not in the text
that we have: batch, loss and temperature are those of Table 1, with several temperatures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, get_args

import numpy as np

from rootward.rng import stream
from rootward.training import recipes
from rootward_paper.baseline_models import Hyperbolic, Space, scored_recall, scores_of, train_hyperbolic
from rootward_paper.drawing import legend_name, mark_diverged, new_figure, percent, recall_line, recall_table
from rootward_paper.measuring import columns, measured, pairs_of, trained
from rootward_paper.published import published_figure
from rootward_paper.study import Experiment, Job, Row, Study, converged
from rootward_paper.table1 import OUR_LENGTH, OURS, SOURCE

DIM = 16
RATE = 0.01
SCALES = {"tiny": (5.0,), "cpu": (1.0, 5.0), "paper": (1.0, 5.0, 20.0)}
STEPS = {"tiny": 20, "cpu": 1_500, "paper": 50_000}
BATCH = {"tiny": 256, "cpu": 2_048, "paper": 4_096}
MEASURED_QUERIES = 2_000
"""How many queries are measured, drawn at random where there are more: a distance costs ten times an inner product."""


def measure(scale: str, seeds: Sequence[int], *, source: str | None = None) -> Iterator[Job]:
    """Both models at each temperature, then ours at the same dimension."""
    name = source or SOURCE[scale]
    for seed in seeds:
        for space in get_args(Space):
            for tau in SCALES[scale]:
                key = {"source": name, "method": space, "scale": tau, "seed": seed}
                yield Job(key, partial(_hyperbolic, scale, name, space, tau, seed))
        yield Job({"source": name, "method": OURS, "scale": None, "seed": seed}, partial(_ours, scale, name, seed))


def _hyperbolic(scale: str, source: str, space: Space, tau: float, seed: int) -> Iterator[Row]:
    pairs = pairs_of(source)
    model = Hyperbolic.begin(pairs, DIM, space, seed)
    began = time.perf_counter()
    settings = {"batch_size": BATCH[scale], "learning_rate": RATE, "scale": tau, "seed": seed}
    train_hyperbolic(model, pairs, steps=STEPS[scale], **settings)  # type: ignore[arg-type]
    seconds = round(time.perf_counter() - began, 1)
    answered = np.flatnonzero(pairs.sizes)
    if len(answered) > MEASURED_QUERIES:
        answered = np.sort(stream(seed, "figureD1").choice(answered, MEASURED_QUERIES, replace=False))
    found = columns(scored_recall(scores_of(model), pairs, answered))
    yield {**found, "steps": STEPS[scale], "seconds": seconds, "queries": len(answered)}


def _ours(scale: str, source: str, seed: int) -> Iterator[Row]:
    pairs = pairs_of(source)
    found = trained(pairs, recipes.decoupled(**OUR_LENGTH[scale]), DIM, seed)
    took = {"steps": found.steps, "seconds": round(found.run.seconds, 1)}
    yield {**measured(found.model, pairs)[0], **took, "queries": pairs.n_queries, "recipe": found.recipe}


def table(study: Study) -> str:
    """Recall by distance, steps and seconds; the published overall below."""
    lines = []
    distances = max(len(row["by_distance"]) for row in study.rows)
    for method, tau in dict.fromkeys((row["method"], row["scale"]) for row in study.rows):
        rows = study.where(method=method, scale=tau)
        there = converged(rows)
        steps = f"{there[0]['steps']:,}" if there else "-"
        seconds = f"{np.mean([row['seconds'] for row in there]):.0f}" if there else "-"
        name = [method, "-" if tau is None else f"{tau:g}", steps, seconds]
        lines.append((name, recall_line(rows)))
    about = f"Recall at |S(q)| in %: {study.rows[0]['source']}, dim {DIM}, float64, seeds: {study.seeds}"
    best = published_figure("Figure D.1", "Poincare")
    recalls = recall_table(lines, ["method", "tau", "steps", "seconds"], distances)
    return f"{about}\n{recalls}\npublished (WordNet): Poincare, best overall {best:.1f} %"


def draw(study: Study) -> Any:
    """Recall by distance, a line a method at its best temperature."""
    figure, axes = new_figure()
    for method in dict.fromkeys(row["method"] for row in study.rows):
        rows = study.where(method=method)
        row = max(rows, key=lambda each: -1.0 if each["overall"] is None else float(each["overall"]))
        shown = [None if value is None else 100 * value for value in row["by_distance"]]
        name = legend_name(rows, f"{method} ({percent([row['overall']])})")
        (line,) = axes.plot(shown, marker="o", markersize=4, label=name)
        mark_diverged(axes, [0] if not converged(rows) else [], line.get_color())
    axes.axhline(published_figure("Figure D.1", "Poincare"), linestyle="--", color="0.5", label="published, overall")
    axes.set(xlabel="distance (hops)", ylabel="recall at |S(q)| (%)", ylim=(-2, 102))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    return figure


FIGURED1 = Experiment(measure, table, draw)
