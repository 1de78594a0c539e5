"""How sure the figures are: bootstrap over queries, and two runs compared on the same pairs.

Queries are drawn again, with replacement, as many as there are; every figure is computed for every draw. Pairs of one
query are not independent of each other, so it is queries that are drawn and not pairs. The interval runs from the 2.5th
to the 97.5th percentile of the draws. It says how the figure would move with other queries of the same kind, not with
another training seed; and where every pair is a hit it has no width.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rootward.errors import InputError
from rootward.evaluation.metrics import QuerySums, Shares, query_sums
from rootward.evaluation.ranks import Ranks
from rootward.rng import stream

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Draws:
    """Figures of every draw of queries.

    Attributes:
        by_distance: float64, n_draws x (distances that have pairs); NaN where a draw has no pair at one.
        overall: float64, n_draws.
    """

    by_distance: Shares
    overall: Shares

    @property
    def minimum(self) -> Shares:
        """The lowest slice of each draw."""
        lowest: Shares = np.nanmin(self.by_distance, axis=1)
        return lowest


def bootstrap(sums: tuple[QuerySums, ...], *, n: int = 1_000, seed: int = 0) -> tuple[Draws, ...]:
    """Figures of `n` draws of queries, one `Draws` a run; all runs see the same draws.

    Args:
        sums: of one run or several, measured on the same pairs.
        n: how many draws.
        seed: of the stream "bootstrap".

    Raises:
        InputError: n below 1.
    """
    n_queries = len(sums[0].weights)
    # Exact zeros stay exact zeros in a product: of what is missed when nothing is, and of the difference of a run from
    # itself. So a perfect run has no width, and equal runs do not differ by rounding.
    extra = [each.missed - sums[0].missed for each in sums[1:]]
    columns = np.hstack([sums[0].weights, sums[0].missed, *extra])
    drawn = np.concatenate([counts @ columns for counts in draw_counts(n_queries, n=n, seed=seed)])
    weights, missed, *more = np.split(drawn, len(sums) + 1, axis=1)
    runs = [missed, *(missed + each for each in more)]
    with np.errstate(invalid="ignore"):
        return tuple(Draws(1 - each / weights, 1 - each.sum(1) / weights.sum(1)) for each in runs)


def draw_counts(n_queries: int, *, n: int, seed: int) -> Iterator[Shares]:
    """How often each of `n` draws has each query (float64, draws x n_queries), some draws at a time.

    Raises:
        InputError: n below 1.
    """
    if n < 1:
        raise InputError(f"A bootstrap needs at least one draw, got {n}.")
    rng = stream(seed, "bootstrap")
    at_once = max(1, 4_000_000 // n_queries)
    for start in range(0, n, at_once):
        draws = range(start, min(n, start + at_once))
        counts = [np.bincount(rng.integers(n_queries, size=n_queries), minlength=n_queries) for _ in draws]
        yield np.stack(counts).astype(np.float64)


def interval(draws: Shares) -> tuple[float, float]:
    """The 95 % percentile interval of the draws of one figure; draws without it (NaN) are left out."""
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def p_value(differences: Shares) -> float:
    """Two-sided bootstrap p-value of a difference of zero: twice the smaller share of draws on one side, at most 1.

    One draw is added on either side, so that no finite number of draws gives 0.
    """
    seen = differences[~np.isnan(differences)]
    below, above = np.count_nonzero(seen <= 0), np.count_nonzero(seen >= 0)
    return float(min(1.0, 2 * (min(below, above) + 1) / (len(seen) + 1)))


@dataclass(frozen=True)
class Difference:
    """One figure of two runs, as shares from 0 to 1.

    Attributes:
        slice: "0", "1", ... for a distance, "min", "overall", or what is compared of named nodes.
        a, b: what each run has.
        low, high: 95 % interval of b - a.
        p: two-sided p-value of no difference.
    """

    slice: str
    a: float
    b: float
    low: float
    high: float
    p: float

    @property
    def value(self) -> float:
        """b - a."""
        return self.b - self.a


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same pairs, figure by figure; prints as a table in percent.

    Attributes:
        label_a, label_b: what the runs are called.
        rows: every distance that has pairs, then "min" and "overall".
        n_queries: how many queries were drawn from.
        n_draws: how often.
        nodes: of the node that each text names: how often it is right, MRR, hierarchical F1 (hF), ...; empty where
            that was not measured for both.
    """

    label_a: str
    label_b: str
    rows: tuple[Difference, ...]
    n_queries: int
    n_draws: int
    nodes: tuple[Difference, ...] = ()

    @property
    def overall(self) -> Difference:
        """The last row."""
        return self.rows[-1]

    def __str__(self) -> str:
        lines = [f"a: {self.label_a}", f"b: {self.label_b}"]
        for title, rows in (("distance", self.rows), ("named node", self.nodes)):
            width = max((len(row.slice) for row in rows), default=0)
            width = max(width, len(title))
            if rows:
                head = f"{title:>{width}} {'a':>7} {'b':>7} {'b - a':>7}   {'95 % interval':^17} {'p':>7}"
                lines.append(head)
            lines += [
                f"{row.slice:>{width}} {100 * row.a:7.2f} {100 * row.b:7.2f} {100 * row.value:+7.2f}   "
                f"{100 * row.low:+7.2f} to {100 * row.high:+6.2f} {row.p:7.3f}"
                for row in rows
            ]
        lines.append(f"{self.n_draws:,} draws of {self.n_queries:,} queries; p of no difference, two-sided")
        return "\n".join(lines)


def compare_ranks(
    a: Ranks, b: Ranks, *, labels: tuple[str, str] = ("a", "b"), bootstrap_draws: int = 1_000, seed: int = 0
) -> Comparison:
    """Two runs measured on the same pairs, with the queries drawn for both at once.

    Raises:
        InputError: they were measured on different pairs, or among another number of documents; pairs with more
            than 1,000 different distances.
        PairsError: there are no pairs.
    """
    if a.fingerprint != b.fingerprint or a.n_documents != b.n_documents:
        raise InputError(
            f"The runs were measured on different pairs ({a!r}, fingerprint {a.fingerprint}, against {b!r}, "
            f"{b.fingerprint}); evaluate both on the same pairs to compare them."
        )
    sums = query_sums(a), query_sums(b)
    draws = bootstrap(sums, n=bootstrap_draws, seed=seed)
    figures = [_figures(each) for each in sums]
    differences: dict[str, npt.NDArray[np.float64]] = {
        str(k): draws[1].by_distance[:, i] - draws[0].by_distance[:, i]
        for i, k in enumerate(sums[0].distances.tolist())
    }
    differences["min"] = draws[1].minimum - draws[0].minimum
    differences["overall"] = draws[1].overall - draws[0].overall
    rows = tuple(
        Difference(name, figures[0][name], figures[1][name], *interval(drawn), p_value(drawn))
        for name, drawn in differences.items()
    )
    return Comparison(*labels, rows, len(a.answered), bootstrap_draws)


def _figures(sums: QuerySums) -> dict[str, float]:
    """Slice to figure, over all queries as they are."""
    missed, weights = sums.missed.sum(0), sums.weights.sum(0)
    out = {str(k): float(1 - missed[i] / weights[i]) for i, k in enumerate(sums.distances.tolist())}
    return out | {"min": min(out.values()), "overall": float(1 - missed.sum() / weights.sum())}
