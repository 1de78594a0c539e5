"""Order against recall: how near losses come to one score that finds the whole set *and* ranks the nearest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from rootward.evaluation import answer_order, ranks_of, recall
from rootward.training import Recipe, recipes
from rootward_paper.drawing import grid_table, legend_name, new_figure
from rootward_paper.measuring import columns, grid, pairs_of, trained
from rootward_paper.study import Experiment, Job, Row, Study, converged

SOURCE = {"tiny": "dag", "cpu": "animal", "paper": "wordnet"}
DIMS = {"tiny": (16,), "cpu": (16, 64), "paper": (16, 32, 64)}
STEPS = {"tiny": {"steps": 40, "validate_every": 20}, "cpu": {}, "paper": {}}
ENDS = {"tiny": (40.0,), "cpu": (40.0, 80.0, 160.0), "paper": (40.0, 80.0, 160.0)}

SHOWN = {"overall": "recall", "in_order": "pairs in order by score", "exact_first": "exact match first by score"}
"""Columns and their names in the figure."""


def methods(scale: str) -> dict[str, Callable[[], Recipe]]:
    """The three losses, the list-wise one with ever sharper ends, and list-wise on top of decoupled."""
    steps = STEPS[scale]
    made: dict[str, Callable[[], Recipe]] = {
        "decoupled": partial(recipes.decoupled, **steps),
        "softmax": partial(recipes.decoupled, loss="softmax", **steps),
    }
    for end in ENDS[scale]:
        made[f"list-wise, tau to {end:g}"] = partial(recipes.ordered, scale_end=end, **steps)
    made["list-wise, then decoupled"] = partial(two_stages, scale)
    return made


def two_stages(scale: str) -> Recipe:
    """The order first, then the set at a small rate: how much of the order is left when the set is right."""
    first = recipes.ordered(**STEPS[scale])
    second = recipes.decoupled(**(STEPS[scale] or {"epochs": 5}), learning_rate=0.02).stages[0]
    return first.model_copy(update={"name": "list-wise, then decoupled", "stages": (*first.stages, second)})


def measure(scale: str, seeds: Sequence[int], *, source: str | None = None) -> Iterator[Job]:
    """Every training at every dimension: recall, and how many answers are in order of distance by score alone."""
    name = source or SOURCE[scale]
    return grid(partial(_row, scale), source=[name], dim=DIMS[scale], method=methods(scale), seed=seeds)


def _row(scale: str, *, source: str, dim: int, method: str, seed: int) -> Iterator[Row]:
    pairs = pairs_of(source)
    found = trained(pairs, methods(scale)[method](), dim, seed)
    ranks = ranks_of(found.model, pairs)
    order = answer_order(ranks)
    yield {
        **columns(recall(ranks)),
        "in_order": order.in_order_by_score,
        "exact_first": order.exact_first_by_score,
        "in_order_shown": order.in_order_shown,
        "recipe": found.recipe,
    }


def table(study: Study) -> str:
    """Pairs in order by score, exact match first by score, pairs in order as shown (by height); then recall."""
    about = f"Order and recall at |S(q)| on {study.rows[0]['source']}"
    return grid_table(study, ("dim", "method"), about, more=("in_order", "exact_first", "in_order_shown"))


def draw(study: Study) -> Any:
    """Recall, pairs in order and exact matches first beside each other, a row a training, a panel a dimension."""
    dims = sorted({row["dim"] for row in study.rows})
    names = list(dict.fromkeys(row["method"] for row in study.rows))[::-1]
    labels = [legend_name(study.where(method=name), name) for name in names]
    figure, panels = new_figure(columns=len(dims), size=(1.5 + 3.5 * len(dims), 3.5))
    for dim, axes in zip(dims, panels, strict=True):
        rows = converged(study.where(dim=dim))
        heights = [names.index(row["method"]) for row in rows]
        for (column, label), marker in zip(SHOWN.items(), "osD", strict=True):
            axes.plot([100 * row[column] for row in rows], heights, marker, label=label, fillstyle="none")
        axes.set(xlabel="%", title=f"dim {dim}", xlim=(-3, 103), ylim=(-0.5, len(names) - 0.5))
        axes.set_yticks(range(len(names)), labels if dim == dims[0] else [], fontsize=8)
        axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=7, loc="lower left")
    return figure


ORDER = Experiment(measure, table, draw)
