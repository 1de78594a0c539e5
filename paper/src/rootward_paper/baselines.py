"""Baselines at equal dimension, data and measure: recall by distance, time of training, memory, latency.

Hyperbolic, order and box embeddings are lookup tables as ours are, each at the best of the learning rates tried.
"one-versus-all" is a linear classifier a document over *our* query vectors, and XR-Linear reads names where there are
any: both are references, not competitors. Exact-then-expand is not here: a lookup query *is* its document, so expanding
it gives the answer away; for texts it is in `benchmarks/hpo_synonyms.py`, with names that are not in training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from rootward.pairs import Pairs
from rootward.plots import plain_ticks
from rootward.rng import stream
from rootward.training import recipes
from rootward_paper.baseline_models import (
    Boxes,
    Hyperbolic,
    InnerProduct,
    Loss,
    OrderEmbeddings,
    Rows,
    Scored,
    ScoresOf,
    labels_of,
    latency,
    one_versus_all,
    query_features,
    scored_recall,
    scores_in,
    scores_of,
    softmax_loss,
    train_scored,
)
from rootward_paper.drawing import legend_name, mean_cell, new_figure, percent, recall_line, recall_table
from rootward_paper.machine import Took, watched
from rootward_paper.measuring import columns, grid, pairs_of, trained
from rootward_paper.study import Experiment, Job, Row, Study, converged
from rootward_paper.table1 import OUR_LENGTH, OURS
from rootward_paper.xr_linear import BEST, HOW, TIMED, interpreter, predicted

DIM = 16
SOURCE = {"tiny": "tree", "cpu": "animal", "paper": "wordnet"}
RATES = {"tiny": (0.1,), "cpu": (0.02, 0.1, 0.3, 1.0), "paper": (0.02, 0.1, 0.3, 1.0)}
STEPS = {"tiny": 25, "cpu": 2_000, "paper": 20_000}
BATCH = {"tiny": 64, "cpu": 512, "paper": 1_024}
NEGATIVES = {"tiny": 32, "cpu": 256, "paper": 512}
EPOCHS = {"tiny": 20, "cpu": 100, "paper": 10}
"""Epochs of one-versus-all, each of which scores every document for every query."""

MEASURED_QUERIES = 4_000
"""How many queries are measured, drawn at random where there are more: boxes take a hundred times as long to score as
inner products."""

TABLES: dict[str, tuple[Callable[[Pairs, int], Scored], Loss]] = {
    "Poincare": (lambda pairs, seed: Hyperbolic.begin(pairs, DIM, "poincare", seed), softmax_loss(5.0)),
    "Lorentz": (lambda pairs, seed: Hyperbolic.begin(pairs, DIM, "lorentz", seed), softmax_loss(5.0)),
    "order embeddings": (lambda pairs, seed: OrderEmbeddings.begin(pairs, DIM, seed), OrderEmbeddings.loss),
    "box embeddings": (lambda pairs, seed: Boxes.begin(pairs, DIM, seed), Boxes.loss),
}
CLASSIFIERS = "one-versus-all on our queries"
XR_LINEAR = "XR-Linear"
COSTS = {"seconds": "train s", "mb": "MB", "peak_mb": "peak MB", "ms_1": "ms, 1", "ms_1000": "ms, 1,000"}


def measure(scale: str, seeds: Sequence[int], *, source: str | None = None, data: str | None = None) -> Iterator[Job]:
    """Ours, every embedding at every learning rate, one-versus-all, and XR-Linear if a Python with libpecos is named.

    Raises:
        InputError: that Python cannot be run, or has no libpecos.
    """
    name, python = [source or SOURCE[scale]], interpreter(data)
    yield from grid(partial(_ours, scale), source=name, method=[OURS, CLASSIFIERS], rate=[None], seed=seeds)
    yield from grid(partial(_table, scale), source=name, method=TABLES, rate=RATES[scale], seed=seeds)
    yield from grid(partial(_xr_linear, python), source=name, method=[XR_LINEAR], rate=[None], seed=[None])


def _ours(scale: str, *, source: str, method: str, rate: None, seed: int) -> Iterator[Row]:
    """Our training, or classifiers on its query vectors: their cost is on top of ours."""
    pairs = pairs_of(source)
    with watched() as took:
        found = trained(pairs, recipes.decoupled(**OUR_LENGTH[scale]), DIM, seed)
    model = InnerProduct(found.model.query_vectors(), found.model.document_vectors())
    if method == CLASSIFIERS:
        settings = {"epochs": EPOCHS[scale], "batch_size": min(256, BATCH[scale]), "learning_rate": 0.1}
        with watched() as took:
            model = one_versus_all(pairs, model.queries, seed=seed, **settings)  # type: ignore[arg-type]
    yield _measured(scores_of(model), pairs, seed, took) | {"mb": _megabytes(model)}


def _table(scale: str, *, source: str, method: str, rate: float, seed: int) -> Iterator[Row]:
    pairs, (begin, loss) = pairs_of(source), TABLES[method]
    sizes = {"steps": STEPS[scale], "batch_size": BATCH[scale], "negatives": NEGATIVES[scale]}
    with watched() as took:
        model = begin(pairs, seed)
        train_scored(model, pairs, loss, learning_rate=rate, seed=seed, **sizes)
    yield _measured(scores_of(model), pairs, seed, took) | {"mb": _megabytes(model), "steps": STEPS[scale]}


def _xr_linear(python: str | None, *, source: str, method: str, rate: None, seed: None) -> Iterator[Row]:
    """Trained and measured in its own environment; without one a row that says how to get it."""
    pairs = pairs_of(source)
    if python is None:
        yield {"left_out": f"no libpecos here; {HOW}; then --data pecos/bin/python"}
        return
    features, what = query_features(pairs)
    rows = np.flatnonzero(pairs.sizes)
    best = max(BEST, int(pairs.sizes.max()))
    scores, took = predicted(features[rows], labels_of(pairs, rows), features, python, best=best)
    recall = scored_recall(scores_in(scores), pairs, _queries(pairs, 0))
    yield {**columns(recall), **{name: round(value, 4) for name, value in took.items()}, "features": what}


def _measured(scores: ScoresOf, pairs: Pairs, seed: int, took: Took) -> Row:
    queries = _queries(pairs, seed)
    return {
        **columns(scored_recall(scores, pairs, queries)),
        "queries": len(queries),
        "seconds": round(took.seconds, 2),
        "peak_mb": None if took.peak_mb is None else round(took.peak_mb, 1),
        **{f"ms_{n}": round(latency(scores, pairs, n, times=times), 4) for n, times in TIMED.items()},
    }


def _queries(pairs: Pairs, seed: int) -> Rows:
    answered: Rows = np.flatnonzero(pairs.sizes)
    if len(answered) <= MEASURED_QUERIES:
        return answered
    return np.sort(stream(seed, "baselines").choice(answered, MEASURED_QUERIES, replace=False))


def _megabytes(model: Scored) -> float:
    tables = (model.queries, model.documents)
    return round(sum(table.numel() * table.element_size() for table in tables) / 1e6, 3)


def best_rows(study: Study, method: str) -> list[Row]:
    """The rows of a method at the learning rate with the best mean recall; those that diverged count as 0."""
    rows = study.where(method=method)

    def total(rate: float | None) -> float:
        return sum(row["overall"] or 0.0 for row in rows if row["rate"] == rate)

    best = max(dict.fromkeys(row["rate"] for row in rows), key=total)
    return [row for row in rows if row["rate"] == best]


def table(study: Study) -> str:
    """A line a method at its best learning rate: costs, then recall by distance."""
    there = study.with_rows(row for row in study.rows if "left_out" not in row)
    distances, lines = max((len(row["by_distance"]) for row in there.rows), default=0), []
    for method in dict.fromkeys(row["method"] for row in there.rows):
        rows = best_rows(there, method)
        rate = "-" if rows[0]["rate"] is None else f"{rows[0]['rate']:g}"
        costs = [mean_cell(rows, name) for name in COSTS]
        lines.append(([method, rate, *costs], recall_line(rows)))
    notes = [f"{row['method']} is left out: {row['left_out']}" for row in study.rows if "left_out" in row]
    notes += [f"{row['method']} reads: {row['features']}." for row in study.rows if "features" in row]
    about = f"Recall at |S(q)| in %: {study.rows[0]['source']}, dim {DIM}, seeds: {study.seeds}"
    recalls = recall_table(lines, ["method", "rate", *COSTS.values()], distances)
    return "\n".join([about, recalls, *notes, *NOTES])


NOTES = (
    "MB: what is scored with. Peak MB: resident memory above the start of training. ms: a query, all documents scored.",
    "A box of 16 dimensions is 32 numbers. one-versus-all is trained on top of ours: its cost is its own alone.",
    "Exact-then-expand is for texts, benchmarks/hpo_synonyms.py: a lookup query is its document, and expanding it is "
    "giving the answer away.",
)


def draw(study: Study) -> Any:
    """Recall by distance, a line a method; overall recall against milliseconds a query."""
    figure, (left, right) = new_figure(columns=2)
    there = study.with_rows(row for row in study.rows if "left_out" not in row)
    for place, method in enumerate(dict.fromkeys(row["method"] for row in there.rows)):
        rows = best_rows(there, method)
        shown = converged(rows)
        name = legend_name(rows, f"{method} ({percent([row['overall'] for row in shown])})")
        curve = [[100 * (value or 0) for value in row["by_distance"]] for row in shown]
        left.plot(np.mean(curve, axis=0) if curve else [], marker="o", markersize=4, color=f"C{place}", label=name)
        right.scatter([row["ms_1000"] for row in shown], [100 * row["overall"] for row in shown], color=f"C{place}")
    left.set(xlabel="distance (hops)", ylabel="recall at |S(q)| (%)", ylim=(-2, 102))
    right.set(xlabel="ms a query, 1,000 at once", ylabel="overall recall (%)", ylim=(-2, 102))
    if converged(there.rows):
        right.set_xscale("log")
        plain_ticks(right.xaxis)
    for side in (left, right):
        side.grid(alpha=0.3)
    left.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


BASELINES = Experiment(measure, table, draw)
