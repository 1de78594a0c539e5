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

    Those with the highest mean F1; with a floor, of those alone whose mean precision, over the queries that get any
    document, is at least the floor with 95 % confidence. Infinite where no shift gives that, so that every query
    abstains. A perfect score from a few queries is not enough: one failure among them is supposed, so a floor of 95 %
    takes about 35.

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
    f1 = _worthless(lists, 2 * lists.hits / (lists.ranks + 1 + lists.sizes[lists.place]))
    worth = np.cumsum(_steps(lists, f1)[order])[ends]
    if floor is not None:
        worth[~_kept(lists, order, ends, floor)] = -math.inf
    best = int(worth.argmax())
    if worth[best] == -math.inf:
        return math.inf
    at = int(ends[best])
    return float(falling[at] + falling[min(at + 1, len(falling) - 1)]) / 2


def _kept(
    lists: Lists, order: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], floor: float
) -> npt.NDArray[np.bool_]:
    """The ends at which precision is surely at the floor."""
    precision = _worthless(lists, lists.hits / (lists.ranks + 1))
    n = np.maximum(np.cumsum(lists.ranks[order] == 0)[ends], 1)
    mean = np.cumsum(_steps(lists, precision)[order])[ends] / n
    square = np.cumsum(_steps(lists, precision**2)[order])[ends] / n
    variance = np.maximum(square - mean**2, (n - 1) / n**2)  # at least that of one failure among n
    kept: npt.NDArray[np.bool_] = (n > 1) & (mean - CONFIDENCE * np.sqrt(variance / n) >= floor)
    return kept


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
