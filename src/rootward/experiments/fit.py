"""Lines through measured points, and means, each with its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from rootward.errors import InputError


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval, from Student's t; low and high are NaN where too little was measured for one."""

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
