"""Ragged rows without loops: CSR offsets and what they gather."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def offsets_of(sizes: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """CSR offsets (one longer) of rows with these sizes: [2, 0, 3] gives [0, 2, 2, 5]."""
    sizes = np.asarray(sizes, np.int64)
    out = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=out[1:])
    return out


def is_sorted(*keys: npt.NDArray[np.int64]) -> bool:
    """Whether the rows of these columns ascend, the first column counting most."""
    tied = np.ones(max(len(keys[0]) - 1, 0), np.bool_)
    for key in keys:
        if np.any(tied & (key[1:] < key[:-1])):
            return False
        tied &= key[1:] == key[:-1]
    return True


def expand(
    offsets: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Everything the given CSR rows hold: (place in `rows`, index into the CSR's values), in the order of `rows`.

    With offsets [0, 2, 2, 5] and rows [2, 0]: places [0, 0, 0, 1, 1], indices [2, 3, 4, 0, 1].
    """
    start = offsets[rows]
    sizes = offsets[rows + 1] - start
    place = np.repeat(np.arange(len(rows)), sizes)
    first = offsets_of(sizes)[:-1]
    return place, np.arange(len(place)) + np.repeat(start - first, sizes)
