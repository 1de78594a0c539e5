"""The last number of a rule: how far to move every answer set's end, for the best F1 or for a precision.

Documents of all queries are taken in order of falling margin. Each one changes the set of its own query in a known way,
so the means over queries at *every* shift are running sums, and the best shift is found exactly.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rootward.evaluation.lists import Lists

Array = npt.NDArray[np.float64]

CONFIDENCE = 1.645
"""Standard errors below a mean that one in twenty means are lower than: a floor is met with 95 % confidence."""


def best_shift(lists: Lists, margins: Array, floor: float | None = None) -> float:
    """The number to take off every margin, so that those left at 0 or more are the sets wanted.

    Without a floor the sets with the highest mean F1. With one, the sets with the highest recall whose mean precision,
    over the queries that get any, is at least the floor with 95 % confidence; infinite where no shift gives that, so
    that every query abstains. A perfect score from a few queries is not enough: one failure among them is supposed, so
    a floor of 95 % takes about 35.

    A set that runs over the end of its list counts as worthless.

    Args:
        lists: of queries with known answers.
        margins: of their entries.
        floor: a share from 0 to 1.
    """
    if not len(margins):
        return math.inf
    order = np.argsort(-margins, kind="stable")
    falling = margins[order]
    ends = np.flatnonzero(np.r_[falling[1:] < falling[:-1], True])  # equal margins come together
    chosen = _f1(lists, order, ends) if floor is None else _floor(lists, order, ends, floor)
    if chosen is None:
        return math.inf
    at = int(ends[chosen])
    return float(falling[at] + falling[min(at + 1, len(falling) - 1)]) / 2


def _f1(lists: Lists, order: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> int:
    """Which end has the highest mean F1."""
    f1 = _worthless(lists, 2 * lists.hits / (lists.ranks + 1 + lists.sizes[lists.place]))
    return int(np.cumsum(_steps(lists, f1)[order])[ends].argmax())


def _floor(lists: Lists, order: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], floor: float) -> int | None:
    """The last end, the one with the highest recall, where precision is surely at the floor."""
    precision = _worthless(lists, lists.hits / (lists.ranks + 1))
    n = np.cumsum(lists.ranks[order] == 0)[ends]
    mean = np.cumsum(_steps(lists, precision)[order])[ends] / np.maximum(n, 1)
    square = np.cumsum(_steps(lists, precision**2)[order])[ends] / np.maximum(n, 1)
    variance = np.maximum(square - mean**2, (n - 1) / np.maximum(n, 1) ** 2)  # at least that of one failure among n
    met = np.flatnonzero((n > 1) & (mean - CONFIDENCE * np.sqrt(variance / np.maximum(n, 1)) >= floor))
    return int(met[-1]) if len(met) else None


def _worthless(lists: Lists, values: Array) -> Array:
    """The values with 0 at the end of lists that do not hold every document."""
    out = values.copy()
    out[lists.last[~lists.whole]] = 0.0
    return out


def _steps(lists: Lists, values: Array) -> Array:
    """How far each entry moves its query's value: its own less that of the entry before."""
    before = np.r_[0.0, values[:-1]]
    before[lists.offsets[:-1]] = 0.0
    steps: Array = values - before
    return steps
