"""Ours beside the published figures: lines of a table, and shares as percent with their interval over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rootward.evaluation.published import PublishedRow, published_rows
from rootward.evaluation.report import plain_table
from rootward.experiments.diverged import with_diverged
from rootward.experiments.fit import mean
from rootward.experiments.kept import Row


def percent(shares: Sequence[float | None]) -> str:
    """The mean of shares as percent, "92.3 ±0.4" with half of the 95 % interval over seeds; "-" where there is none."""
    there = [100 * share for share in shares if share is not None]
    if not there:
        return "-"
    found = mean(there)
    return f"{found.value:.1f}" if math.isnan(found.low) else f"{found.value:.1f} ±{found.high - found.value:.1f}"


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


def published_line(row: PublishedRow) -> list[str]:
    """The same cells of a published row."""
    return [*(f"{value:.1f}" for value in row.by_distance), f"{row.minimum:.1f}", f"{row.overall:.1f}"]


def published_method(method: str, dim: int) -> PublishedRow | None:
    """The row that Table 1 prints for this method and width."""
    return next((row for row in published_rows() if (row.method, row.dim) == (method, dim)), None)


def recall_table(lines: Sequence[tuple[list[str], list[str]]], names: Sequence[str], distances: int) -> str:
    """Lines of (names, cells of `recall_line`) under a header; shorter lines are filled up before their last two."""
    header = [*names, *map(str, range(distances)), "min", "overall"]
    filled = [[*name, *cells[:-2], *["-"] * (distances + 2 - len(cells)), *cells[-2:]] for name, cells in lines]
    return plain_table(header, filled)


def worst_gap(rows: Sequence[Row], published: PublishedRow) -> float:
    """The largest difference of any slice to the published one, in points, of the mean over seeds."""
    gaps = []
    for k, theirs in enumerate(published.by_distance):
        ours = [row["by_distance"][k] for row in rows if k < len(row["by_distance"])]
        if ours and None not in ours:
            gaps.append(abs(100 * sum(ours) / len(ours) - theirs))
    return max(gaps, default=math.nan)
