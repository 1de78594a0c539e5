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


class _Published(BaseModel):
    paper: str
    rows: tuple[PublishedRow, ...]


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """Every published row, in the order of the paper."""
    text = files("rootward.evaluation").joinpath("published.json").read_text("utf-8")
    found = _Published.model_validate_json(text)
    return tuple(row.model_copy(update={"paper": found.paper}) for row in found.rows)


def published_row(source: str | None, dim: int) -> PublishedRow | None:
    """The best published row for this source and width (the highest overall); None where nothing was published."""
    fitting = [row for row in published_rows() if row.source == source and row.dim == dim]
    return max(fitting, key=lambda row: row.overall, default=None)
