"""The order of answers: counting, in ragged rows, how many pairs stand the right way round.

Rows are given flat: `place[i]` says to which row entry i belongs, rows one after the other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rootward.evaluation.blocks import Floats, Ints


def others_at_least(place: Ints, values: Floats) -> Ints:
    """How many other entries of the same row are at least as high as each (int64); equal ones count.

    Row [5, 3, 3] gives [0, 2, 2].
    """
    order = np.lexsort((values, place))
    rows, sorted_values = place[order], values[order]
    first_of_equals = _first_of_runs(_differs(rows) | _differs(sorted_values))
    row_end = np.searchsorted(rows, rows, side="right")
    out = np.empty(len(place), np.int64)
    out[order] = row_end - first_of_equals - 1
    return out


def in_order(
    place: Ints, distances: npt.NDArray[np.integer], keys: tuple[npt.NDArray[np.generic], ...], n: int
) -> Ints:
    """For each of n rows, how many pairs (a, b) with distance(a) < distance(b) have key(a) < key(b) (int64).

    Args:
        place: row of each entry, ascending.
        distances: of each entry.
        keys: arrays that are compared one after the other, the most important one first; equal keys are not in order.
        n: how many rows.
    """
    order = np.lexsort((*reversed(keys), place))
    changes = _differs(place[order])
    starts = _first_of_runs(changes)
    for key in keys:
        changes |= _differs(key[order])
    dense = np.cumsum(changes)
    rank = np.empty(len(place), np.int64)
    rank[order] = dense - dense[starts]
    # Nearest first and, at one distance, the largest key first: now exactly the pairs wanted ascend.
    sequence = np.lexsort((-rank, distances, place))
    return ascents(place[sequence], rank[sequence], n)


def ascents(place: Ints, values: Ints, n: int) -> Ints:
    """For each of n rows, how many pairs of entries i < j have values[i] < values[j] (int64).

    Two values differ first in one binary digit, where the smaller one has 0. So: digit by digit from the highest, for
    each 1 count the 0s before it among the entries equal so far. O(N log largest value), no loop over rows.

    Args:
        place: row of each entry, ascending.
        values: from 0.
        n: how many rows.
    """
    total = np.zeros(n, np.int64)
    group = place
    for digit in reversed(range(int(values.max(initial=0)).bit_length())):
        ones = (values >> digit) & 1
        zeros_before = np.cumsum(1 - ones)
        start = _first_of_runs(_differs(group))
        zeros_before_group = zeros_before[start] - (1 - ones[start])
        found = np.where(ones == 1, zeros_before - zeros_before_group, 0)
        total += np.bincount(place, found, n).astype(np.int64)
        group = 2 * group + ones
        order = np.argsort(group, kind="stable")
        place, values, group = place[order], values[order], group[order]
        group = np.cumsum(_differs(group)) - 1 if len(group) else group
    return total


def comparable(offsets: Ints, distances: npt.NDArray[np.integer]) -> Ints:
    """For each CSR row, how many pairs of entries have different distances (int64)."""
    sizes = np.diff(offsets)
    place = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((distances, place))
    changes = np.flatnonzero(_differs(place[order]) | _differs(distances[order]))
    alike = np.diff(np.r_[changes, len(place)])
    same = np.bincount(place[order][changes], alike * (alike - 1) // 2, len(sizes))
    different: Ints = sizes * (sizes - 1) // 2 - same.astype(np.int64)
    return different


def _differs(values: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """True where an entry is not what the one before is; the first one always."""
    out = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=out[1:])
    return out


def _first_of_runs(changes: npt.NDArray[np.bool_]) -> Ints:
    """The index of the last True at or before each place."""
    return np.maximum.accumulate(np.where(changes, np.arange(len(changes)), 0))
