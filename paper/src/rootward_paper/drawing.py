"""Tables and figures that studies share: means with intervals, lines of recall by distance, curves and grids."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from rootward.errors import InputError
from rootward.evaluation.results import plain_table
from rootward.plots import figure_at
from rootward_paper.study import FAILED, Row, Study, converged

# -- figures with their intervals --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval, from Student's t; low and high are NaN where too little was measured for one."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g}" + ("" if math.isnan(self.low) else f" [{self.low:.3g}, {self.high:.3g}]")


def mean(values: Sequence[float]) -> Interval:
    """The mean of independent measurements; of a single one the interval is not known (NaN)."""
    if not values:
        raise InputError("There is nothing to take the mean of.")
    n, centre = len(values), float(np.mean(values))
    if n == 1:
        return Interval(centre, math.nan, math.nan)
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return Interval(centre, centre - half, centre + half)


def slope(x: Sequence[float], y: Sequence[float]) -> Interval:
    """The slope of the least-squares line through points at two places or more; of two points no interval is known."""
    if len(x) < 2 or len(set(x)) < 2:
        raise InputError(f"A slope needs points at two places, got {len(x)} at {len(set(x))}.")
    line = stats.linregress(x, y)
    if len(x) == 2:
        return Interval(float(line.slope), math.nan, math.nan)
    half = float(stats.t.ppf(0.975, len(x) - 2) * line.stderr)
    return Interval(float(line.slope), float(line.slope) - half, float(line.slope) + half)


def percent(shares: Sequence[float | None]) -> str:
    """The mean of shares as percent, "92.3 ±0.4" with half of the 95 % interval over seeds; "-" where there is none."""
    there = [100 * share for share in shares if share is not None]
    if not there:
        return "-"
    found = mean(there)
    return f"{found.value:.1f}" if math.isnan(found.low) else f"{found.value:.1f} ±{found.high - found.value:.1f}"


def mean_percent(shares: Sequence[float]) -> float:
    """The mean of shares in percent, for figures; NaN where there is none."""
    return 100 * sum(shares) / len(shares) if shares else math.nan


def mean_cell(rows: Sequence[Row], column: str) -> str:
    """The mean of a column over the rows that have it, with three digits; "-" where none has."""
    values = [row[column] for row in converged(rows) if row.get(column) is not None]
    return f"{np.mean(values):.3g}" if values else "-"


# -- trainings that diverged -------------------------------------------------------------------------------------


def with_diverged(rows: Sequence[Row], shown: str) -> str:
    """A table's cell for rows of several seeds: "diverged" if all of them did, else `shown` and how many did."""
    n = len(rows) - len(converged(rows))
    if not n:
        return shown
    return "diverged" if n == len(rows) else f"{shown} ({n} of {len(rows)} diverged)"


def legend_name(rows: Sequence[Row], name: str) -> str:
    """A figure's name for these rows, with how many of them diverged."""
    return with_diverged(rows, name) if converged(rows) or not rows else f"{name}: diverged"


def mark_diverged(axes: Any, places: Iterable[Any], colour: str = "black") -> None:
    """Draw a cross at the bottom of a plot at every place where a training diverged."""
    for place in dict.fromkeys(places):
        axes.plot([place], [0], "x", color=colour, markersize=8, markeredgewidth=2, clip_on=False)


# -- tables ------------------------------------------------------------------------------------------------------


def recall_line(rows: Sequence[Row]) -> list[str]:
    """Cells of recall at each distance, the lowest and overall, over rows of several seeds."""
    longest = max(len(row["by_distance"]) for row in rows)
    return [*slice_cells(rows, longest), percent([row["minimum"] for row in rows]), overall_cell(rows)]


def slice_cells(rows: Sequence[Row], n: int) -> list[str]:
    """Cells of recall at distances 0..n - 1 over rows of several seeds."""
    return [percent([row["by_distance"][k] for row in rows if k < len(row["by_distance"])]) for k in range(n)]


def overall_cell(rows: Sequence[Row]) -> str:
    """The cell of overall recall over rows of several seeds, and how many of them diverged."""
    return with_diverged(rows, percent([row["overall"] for row in rows]))


def recall_table(lines: Sequence[tuple[list[str], list[str]]], names: Sequence[str], distances: int) -> str:
    """Lines of (names, cells of `recall_line`) under a header; shorter lines are filled up before their last two."""
    header = [*names, *map(str, range(distances)), "min", "overall"]
    filled = [[*name, *cells[:-2], *["-"] * (distances + 2 - len(cells)), *cells[-2:]] for name, cells in lines]
    return plain_table(header, filled)


def grid_table(study: Study, names: Sequence[str], about: str, more: Sequence[str] = ()) -> str:
    """A line a combination of the columns `names`: recall by distance over seeds, then the shares in columns `more`."""
    distances = max(len(row["by_distance"]) for row in study.rows)
    lines = []
    for values in dict.fromkeys(tuple(row[name] for name in names) for row in study.rows):
        rows = study.where(**dict(zip(names, values, strict=True)))
        cells = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
        cells += [percent([row.get(name) for row in rows]) for name in more]
        lines.append((cells, recall_line(rows)))
    return f"{about}, in %, seeds: {study.seeds}\n{recall_table(lines, [*names, *more], distances)}"


# -- figures -----------------------------------------------------------------------------------------------------


def new_figure(
    columns: int | None = None, *, size: tuple[float, float] | None = None, sharey: bool = False
) -> tuple[Any, Any]:
    """An empty figure and its axes, as `rootward.plots.figure_at` makes them for a file."""
    return figure_at("figure.svg", columns, size=size, sharey=sharey)


def draw_grid(study: Study, along: str, line: str, label: str, value: str = "overall") -> Any:
    """The mean of a share against the column `along`, in one colour for each value of the column `line`.

    Numbers are joined by lines; words, which have no order, are dots side by side. Crosses mark what diverged.
    """
    places = list(dict.fromkeys(row[along] for row in study.rows))
    lines = list(dict.fromkeys(row[line] for row in study.rows))
    joined = not any(isinstance(place, str) for place in places)
    figure, axes = new_figure()
    for number, name in enumerate(lines):
        aside = 0.0 if joined else 0.12 * (number - (len(lines) - 1) / 2)
        rows = study.where(**{line: name})
        at = [place + aside for place in range(len(places))]
        means = [mean_percent([row[value] for row in converged(rows) if row[along] == place]) for place in places]
        (drawn,) = axes.plot(at, means, "o-" if joined else "o", markersize=4, label=str(name))
        mark_diverged(axes, [at[places.index(row[along])] for row in rows if FAILED in row], drawn.get_color())
    axes.set(xlabel=label, ylabel=f"{value.replace('_', ' ')} recall (%)", ylim=(-2, 102))
    slanted = {} if joined else {"rotation": 30, "ha": "right"}
    axes.set_xticks(range(len(places)), [str(place) for place in places], fontsize=7, **slanted)
    axes.grid(alpha=0.3)
    figure.legend(frameon=False, fontsize=7, loc="outside upper center", ncols=3)  # no dot may lie under it
    return figure


def draw_curves(panels: Mapping[str, Sequence[Row]]) -> Any:
    """A panel a training, a line a distance and a black one overall; the mean over rows (seeds), their range shaded.

    Where all trainings of a panel diverged it stays empty and its title says so.

    Args:
        panels: title to rows with a `curve`, see `rootward_paper.measuring.Trained`.
    """
    figure, axes = new_figure(columns=len(panels))
    for (title, rows), side in zip(panels.items(), axes, strict=True):
        curves = [row["curve"] for row in converged(rows)]
        side.set(xlabel="steps", title=legend_name(rows, title), ylim=(-2, 102))
        if not curves:
            continue
        steps = [point["step"] for point in curves[0]]
        for distance in range(len(curves[0][0]["by_distance"])):
            _band(side, steps, [[_at(point, distance) for point in curve] for curve in curves], f"{distance}")
        _band(side, steps, [[point["recall"] for point in curve] for curve in curves], "overall", color="black")
        side.grid(alpha=0.3)
    axes[0].set_ylabel("recall at |S(q)| (%)")
    for side in [side for side in axes if side.lines][-1:]:
        lines = side.get_legend_handles_labels()
        figure.legend(*lines, loc="outside right center", frameon=False, fontsize=8, title="distance")
    return figure


def _at(point: Row, distance: int) -> float:
    value = point["by_distance"][distance] if distance < len(point["by_distance"]) else None
    return float("nan") if value is None else float(value)


def _band(side: Any, steps: Sequence[int], curves: Sequence[Sequence[float]], label: str, **style: Any) -> None:
    values = 100 * np.array(curves, np.float64)
    (line,) = side.plot(steps, values.mean(0), label=label, **style)
    if len(values) > 1:
        side.fill_between(steps, values.min(0), values.max(0), color=line.get_color(), alpha=0.2, linewidth=0)


def by_stage(title: str, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """A panel for each stage of these trainings, as the later ones are often too short to be seen beside the first.

    One panel that says so where all of them diverged.
    """
    stages = dict.fromkeys(point["stage"] for row in converged(rows) for point in row["curve"])
    if not stages:
        return {title: list(rows)}
    return {f"{title}: {stage}": [{**row, "curve": curve_of(row, stage)} for row in rows] for stage in stages}


def curve_of(row: Row, stage: str) -> list[Row]:
    """The part of a training's curve that is of one stage; empty where it diverged."""
    return [point for point in row.get("curve", []) if point["stage"] == stage]
