"""From a margin to the chance of being relevant, and how far that chance can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rootward.evaluation.lists import Lists
from rootward.evaluation.set_report import Reliability

Array = npt.NDArray[np.float64]

BINS = 12
"""Of the calibration curve, with equally many documents each."""

KNOTS = 40
"""At most, of the function from margin to chance."""


@dataclass(frozen=True, eq=False)
class Chances:
    """A rising function from margin to the chance of being relevant, linear between its knots.

    Attributes:
        margins: where the knots stand, ascending.
        shares: the chance there, ascending, from 0 to 1.
    """

    margins: Array
    shares: Array

    def __call__(self, margins: npt.ArrayLike) -> Array:
        """The chance at these margins."""
        if not len(self.margins):
            return np.zeros(np.shape(margins))
        return np.interp(np.asarray(margins, np.float64), self.margins, self.shares)

    @classmethod
    def fit(cls, lists: Lists, margins: Array) -> Chances:
        """The share of relevant documents in bins of equally many, made to rise by pooling neighbours that fall.

        Over the 2 |S(q)| best documents of each query, of which about half are relevant.
        """
        near = _near(lists) & np.isfinite(margins)
        given, relevant = margins[near], lists.relevant[near].astype(np.float64)
        if not len(given):
            return cls(np.empty(0), np.empty(0))
        parts = [part for part in np.array_split(np.argsort(given, kind="stable"), min(KNOTS, len(given))) if len(part)]
        at = np.array([given[part].mean() for part in parts])
        shares = pooled(np.array([relevant[part].mean() for part in parts]), np.array([len(part) for part in parts]))
        return cls(at, shares)


def pooled(values: Array, weights: npt.NDArray[np.int64]) -> Array:
    """The rising values nearest to these by weighted squares: neighbours that fall share their mean.

    [0.1, 0.4, 0.2, 0.9] with equal weights gives [0.1, 0.3, 0.3, 0.9].
    """
    means: list[float] = []
    heft: list[float] = []
    widths: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        means, heft, widths = [*means, value], [*heft, weight], [*widths, 1]
        while len(means) > 1 and means[-2] >= means[-1]:
            total = heft[-2] + heft[-1]
            means[-2:] = [(means[-2] * heft[-2] + means[-1] * heft[-1]) / total]
            heft[-2:] = [total]
            widths[-2:] = [widths[-2] + widths[-1]]
    return np.repeat(means, widths)


def reliability(lists: Lists, margins: Array, chances: Chances) -> tuple[Reliability, ...]:
    """Predicted chance beside observed share, in bins of margin with equally many documents.

    Args:
        lists: of queries that `chances` were not fitted to.
        margins: of their entries.
        chances: what is put to the test.
    """
    near = _near(lists) & np.isfinite(margins)
    given, relevant = margins[near], lists.relevant[near]
    out = []
    for part in np.array_split(np.argsort(given, kind="stable"), min(BINS, max(1, len(given)))):
        if len(part):
            out.append(
                Reliability(
                    low=float(given[part[0]]),
                    high=float(given[part[-1]]),
                    n=len(part),
                    predicted=float(chances(given[part]).mean()),
                    observed=float(relevant[part].mean()),
                )
            )
    return tuple(out)


def calibration_error(bins: tuple[Reliability, ...]) -> float:
    """The mean of |predicted - observed| over documents; 0 where there are none."""
    total = sum(each.n for each in bins)
    return sum(each.n * abs(each.predicted - each.observed) for each in bins) / total if total else 0.0


def _near(lists: Lists) -> npt.NDArray[np.bool_]:
    """The 2 |S(q)| best entries of each query."""
    return lists.ranks < 2 * lists.sizes[lists.place]
