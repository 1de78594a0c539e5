"""What the paper published, from `published.json` beside this file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict


class PublishedRow(BaseModel):
    """One published row, in percent as printed there.

    Attributes:
        source: the named source it was measured on.
        method: the paper's name of the method.
        dim: width of the vectors.
        place: where it stands, such as "Table 1".
        by_distance: recall at distance 0, 1, ...
        minimum: its lowest slice.
        overall: as published.
        note: what is odd about it, "" when nothing is.
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


class PublishedFigure(BaseModel):
    """One published number that is no row of recall, or several that belong together.

    Attributes:
        place: where it stands, such as "Figure 3".
        name: what it is, unique at its place.
        value: the number, or the numbers.
        unit: of it.
        note: what else it says there, or what is odd about it.
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
    text = files("rootward.evaluation").joinpath("published.json").read_text("utf-8")
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
    fitting = [row for row in published_rows() if row.source == source and row.dim == dim]
    return max(fitting, key=lambda row: row.overall, default=None)
