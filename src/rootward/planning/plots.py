"""A plan, drawn: recall against dimension."""

from __future__ import annotations

import os
from pathlib import Path

from rootward.evaluation.plots import figure_at, plain_ticks, save_figure
from rootward.planning.plan import Plan


def plot_plan(plan: Plan, path: str | os.PathLike[str]) -> Path:
    """Recall at |S(q)| against dimension: constructed and learned, with the dimensions that the plan names.

    Args:
        plan: from `plan`.
        path: where to draw, with the suffix .png or .svg.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: another suffix.
    """
    figure, axes = figure_at(path)
    if plan.constructed_recall:
        dims, recalls = zip(*plan.constructed_recall, strict=True)
        axes.plot(dims, [100 * each for each in recalls], marker="o", markersize=4, label="constructed (Algorithm 1)")
    if plan.learned is not None:
        best = {each.dim: each.recall for each in sorted(plan.learned.tried, key=lambda each: (each.dim, each.recall))}
        axes.plot(list(best), [100 * each for each in best.values()], marker="s", markersize=4, label="learned")
        axes.axhline(100 * plan.learned.target, color="0.7", linewidth=0.8)
    if plan.gaussian is not None:
        axes.axvline(plan.gaussian.dim, color="C0", linestyle="--", label="all queries at one threshold: found")
    axes.axvline(plan.guaranteed, color="0.5", linestyle=":", label="... guaranteed by the theorem")
    axes.set_xscale("log")
    plain_ticks(axes.xaxis)
    axes.set(xlabel="dimension", ylabel="recall at |S(q)| (%)", ylim=(-2, 102))
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return save_figure(figure, path)
