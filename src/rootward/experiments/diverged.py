"""What a study makes of a training whose loss became no number: a row that says so, a word in tables, a cross in
figures; and the study goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from rootward.errors import TrainingError
from rootward.experiments.kept import Row

NOTHING: Row = {"overall": None, "minimum": None, "by_distance": [None], "curve": []}
"""Recall of such a training."""

FAILED = "failed"
"""The column that holds its error; other rows do not have it."""


def or_diverged(measure: Callable[[], Iterable[Row]]) -> Iterator[Row]:
    """The rows of `measure`; where a loss becomes no number, one last row that has no recall and says why."""
    try:
        yield from measure()
    except TrainingError as error:
        yield {**NOTHING, FAILED: str(error)}


def converged(rows: Iterable[Row]) -> list[Row]:
    """The rows whose training ended with vectors."""
    return [row for row in rows if FAILED not in row]


def with_diverged(rows: Sequence[Row], shown: str) -> str:
    """What a table shows of rows of several seeds: "diverged" where all of them did, else `shown` and how many did."""
    n = len(rows) - len(converged(rows))
    if not n:
        return shown
    return "diverged" if n == len(rows) else f"{shown} ({n} of {len(rows)} diverged)"


def labelled(rows: Sequence[Row], name: str) -> str:
    """What a figure calls these rows: their name, and that they diverged, or how many of them did."""
    return with_diverged(rows, name) if converged(rows) or not rows else f"{name}: diverged"


def mark_diverged(axes: Any, places: Iterable[Any], colour: str = "black") -> None:
    """A cross on the ground of a plot at every place where a training diverged."""
    for place in dict.fromkeys(places):
        axes.plot([place], [0], "x", color=colour, markersize=8, markeredgewidth=2, clip_on=False)
