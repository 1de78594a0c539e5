"""The numbers of the paper, from `published.json` beside this file, and how far ours are from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from rootward.evaluation import BesideRow, Report
from rootward_paper.study import Row

MAX_DISTANCE = 8
"""The largest distance of the pairs that the published rows were measured on."""


class PublishedRow(BaseModel):
    """One published row, in percent as printed there.

    Attributes:
        source: the named source it was measured on.
        method: the paper's name of the method.
        dim: width of the vectors.
        place: in the paper, such as "Table 1".
        by_distance: recall at distance 0, 1, ...
        minimum: its lowest slice.
        overall: as published.
        note: what is unusual about it, "" when nothing is.
        paper: where it was published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    method: str
    dim: int
    place: str
    by_distance: tuple[float, ...]
    minimum: float
    overall: float
    note: str = ""
    paper: str = "arXiv 2509.16411"

    def __str__(self) -> str:
        return f"{self.method}, dim {self.dim}, {self.place} of {self.paper}"

    def beside(self) -> BesideRow:
        """This row for `Report.with_beside`."""
        return BesideRow(
            label="published",
            by_distance=tuple(value / 100 for value in self.by_distance),
            overall=self.overall / 100,
            note=f"{self}. {self.note}".rstrip(" ."),
        )


class PublishedFigure(BaseModel):
    """One published number that is no row of recall, or several that belong together.

    Attributes:
        place: in the paper, such as "Figure 3".
        name: what it is, unique at its place.
        value: the number, or the numbers.
        unit: of it.
        note: what else it says there, or what is unusual about it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str
    name: str
    value: float | tuple[float, ...]
    unit: str
    note: str = ""


class _Published(BaseModel):
    paper: str
    rows: tuple[PublishedRow, ...]
    figures: tuple[PublishedFigure, ...]


@cache
def _published() -> _Published:
    text = files("rootward_paper").joinpath("published.json").read_text("utf-8")
    return _Published.model_validate_json(text)


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """Every published row, in the order of the paper."""
    found = _published()
    return tuple(row.model_copy(update={"paper": found.paper}) for row in found.rows)


def published_figures(place: str | None = None) -> tuple[PublishedFigure, ...]:
    """Every other published number, or those at one place of the paper."""
    return tuple(figure for figure in _published().figures if place in (None, figure.place))


def published_figure(place: str, name: str) -> float:
    """One published number.

    Raises:
        KeyError: the paper has none of this name there, or several numbers.
    """
    for figure in published_figures(place):
        if figure.name == name and isinstance(figure.value, float):
            return figure.value
    raise KeyError(f"{place}: {name}")


def published_row(source: str | None, dim: int) -> PublishedRow | None:
    """The best published row for this source and width (the highest overall); None where nothing was published."""
    matching = [row for row in published_rows() if row.source == source and row.dim == dim]
    return max(matching, key=lambda row: row.overall, default=None)


def published_method(method: str, dim: int) -> PublishedRow | None:
    """The row that Table 1 prints for this method and width."""
    return next((row for row in published_rows() if (row.method, row.dim) == (method, dim)), None)


def with_published(report: Report) -> Report:
    """The report with the best published row of its source and width beside it, if distances go up to 8 as there."""
    row = published_row(report.source, report.dim)
    return report if row is None or report.slices[-1].distance != MAX_DISTANCE else report.with_beside(row.beside())


def published_line(row: PublishedRow) -> list[str]:
    """Cells of a published row as `recall_line` has them of ours."""
    return [*(f"{value:.1f}" for value in row.by_distance), f"{row.minimum:.1f}", f"{row.overall:.1f}"]


def worst_gap(rows: Sequence[Row], published: PublishedRow) -> float:
    """The largest difference of any slice to the published one, in points, of the mean over seeds."""
    gaps = []
    for k, theirs in enumerate(published.by_distance):
        ours = [row["by_distance"][k] for row in rows if k < len(row["by_distance"])]
        if ours and None not in ours:
            gaps.append(abs(100 * sum(ours) / len(ours) - theirs))
    return max(gaps, default=math.nan)
