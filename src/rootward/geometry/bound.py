"""How many dimensions Algorithm 1 needs: our form of theorem 3.1, with its constants (docs/geometry.md derives it)."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from rootward.errors import InputError
from rootward.pairs import Pairs


def guaranteed_dimension(pairs: Pairs, *, failure: float = 0.01, gap: float = 0.0) -> int:
    """A dimension at which Algorithm 1 separates all queries at one threshold, but for a chance of `failure`.

    With s = max |S(q)| and N = n_queries n_documents + 2 n_pairs events that must not happen, it is

        d = (s / x^2) 2 ln(N / failure), where x solves 1 / (1 + x) - 2x = gap,

    so d = 14.93 s ln(N / failure) for gap 0. A guarantee, and generous: `plan` finds the smallest dimension that does,
    usually two to four times smaller. Relevant sets are taken as exact: see `rootward.geometry.noise` for others.

    Args:
        pairs: whose sizes are read.
        failure: chance that some query is not separated, in (0, 1).
        gap: margin to have at least, as a share of 1 / sqrt(s), in [0, 1); no unit vectors have much more than that
            (arXiv 2601.20844).

    Raises:
        InputError: shares out of range, or no pairs.
    """
    if not 0 < failure < 1 or not 0 <= gap < 1:
        raise InputError(f"Needed failure in (0, 1) and gap in [0, 1), got failure={failure}, gap={gap}.")
    if not len(pairs):
        raise InputError("There are no pairs, so no dimension is needed.")
    size = int(pairs.sizes.max())
    return math.ceil(2 * size * math.log(n_events(pairs) / failure) / deviation(gap) ** 2)


def deviation(gap: float) -> float:
    """The x in (0, 0.366] at which 1 / (1 + x) - 2x equals `gap`: how far, in units of 1/sqrt(s), scores may stray."""
    b = 2 + gap
    return (math.sqrt(b * b + 8 * (1 - gap)) - b) / 4


def n_events(pairs: Pairs) -> int:
    """Inner products that must all stay small: of every query with every document, and within each relevant set."""
    return int(np.count_nonzero(pairs.sizes)) * pairs.n_documents + 2 * len(pairs)


def expected_dimension(pairs: Pairs) -> int:
    """Where Algorithm 1 is to be expected to separate all queries, from the extremes of normal variables: no guarantee.

    A relevant document of a set of size s scores about (1 + sqrt((s - 1) / d) z) / sqrt(s), another z / sqrt(d), with z
    standard normal. The lowest of all n_s pairs of a size meets the highest of all others at

        sqrt(d) = sqrt(s) Z(n_queries n_documents) + sqrt(s - 1) Z(n_s), Z(n) the 1 / n upper quantile of z,

    for the size where that is largest.
    """
    others = _quantile(n_events(pairs))
    sizes = pairs.sizes[pairs.sizes > 0]
    counts = np.bincount(sizes, sizes.astype(np.float64))
    roots = [
        math.sqrt(size) * others + math.sqrt(size - 1) * _quantile(float(counts[size]))
        for size in np.flatnonzero(counts).tolist()
    ]
    return max(1, round(max(roots) ** 2))


def _quantile(n: float) -> float:
    """The value that one of n standard normals is expected to exceed."""
    return NormalDist().inv_cdf(1 - 1 / max(2.0, n))
