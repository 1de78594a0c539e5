"""Recall against steps, by distance: the picture that the paper's figures of trainings share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rootward.experiments.diverged import converged, labelled
from rootward.experiments.kept import Row
from rootward.plots import figure_at, save_figure


def draw_curves(panels: Mapping[str, Sequence[Row]], path: Path, distances: Sequence[int] | None = None) -> Path:
    """A panel a training, a line a distance and a black one overall; the mean over rows (seeds), their range shaded.

    Where all trainings of a panel diverged it stays empty and its title says so.

    Args:
        panels: title to rows with a `curve`, see `rootward.experiments.curves`.
        path: .png or .svg.
        distances: to show; None is all.
    """
    figure, axes = figure_at(path, columns=len(panels))
    for (title, rows), side in zip(panels.items(), axes, strict=True):
        curves = [row["curve"] for row in converged(rows)]
        side.set(xlabel="steps", title=labelled(rows, title), ylim=(-2, 102))
        if not curves:
            continue
        steps = [look["step"] for look in curves[0]]
        shown = range(len(curves[0][0]["by_distance"])) if distances is None else distances
        for distance in shown:
            _band(side, steps, [[_at(look, distance) for look in curve] for curve in curves], f"{distance}")
        _band(side, steps, [[look["recall"] for look in curve] for curve in curves], "overall", color="black")
        side.grid(alpha=0.3)
    axes[0].set_ylabel("recall at |S(q)| (%)")
    for side in [side for side in axes if side.lines][-1:]:
        lines = side.get_legend_handles_labels()
        figure.legend(*lines, loc="outside right center", frameon=False, fontsize=8, title="distance")
    return save_figure(figure, path)


def stages_apart(title: str, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """A panel for each stage of these trainings, as the later ones are often too short to be seen beside the first.

    One panel that says so where all of them diverged.
    """
    stages = dict.fromkeys(look["stage"] for row in converged(rows) for look in row["curve"])
    if not stages:
        return {title: list(rows)}
    return {f"{title}: {stage}": [{**row, "curve": looks_of(row, stage)} for row in rows] for stage in stages}


def looks_of(row: Row, stage: str) -> list[Row]:
    """The part of a training's curve that is of one stage; empty where it diverged."""
    return [look for look in row.get("curve", []) if look["stage"] == stage]


def _at(look: Row, distance: int) -> float:
    value = look["by_distance"][distance] if distance < len(look["by_distance"]) else None
    return float("nan") if value is None else float(value)


def _band(side: Any, steps: Sequence[int], curves: Sequence[Sequence[float]], label: str, **style: Any) -> None:
    values = 100 * np.array(curves, np.float64)
    (line,) = side.plot(steps, values.mean(0), label=label, **style)
    if len(values) > 1:
        side.fill_between(steps, values.min(0), values.max(0), color=line.get_color(), alpha=0.2, linewidth=0)
