"""CSR: offsets of ragged rows, gathering, counting and blocks; arrays from .npy files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rootward.errors import InputError, TableError

PAIRS_AT_A_TIME = 1 << 22
"""Pairs in a block where arrays may be larger than memory: about a hundred megabytes."""


def offsets_of(sizes: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """CSR offsets (one longer) of rows with these sizes: [2, 0, 3] gives [0, 2, 2, 5]."""
    sizes = np.asarray(sizes, np.int64)
    out = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=out[1:])
    return out


def check_offsets(offsets: npt.NDArray[np.integer], n_values: int, where: str) -> None:
    """Raise an InputError unless these are the offsets of CSR rows over so many values; `where` they are from.

    They begin at 0, never fall, and end at the number of values.
    """
    last = 0
    for start in range(0, len(offsets), PAIRS_AT_A_TIME):
        block = offsets[start : start + PAIRS_AT_A_TIME]
        if block[0] < last or (start == 0 and block[0] != 0) or (block[1:] < block[:-1]).any():
            raise InputError(f"{where}: offsets must begin at 0 and never fall.")
        last = int(block[-1])
    if not len(offsets) or last != n_values:
        raise InputError(f"{where}: offsets must end at the number of values, {n_values:,}, and end at {last:,}.")


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
    """Gather CSR rows: (place in `rows`, index into the CSR's values), in the order of `rows`.

    With offsets [0, 2, 2, 5] and rows [2, 0]: places [0, 0, 0, 1, 1], indices [2, 3, 4, 0, 1].
    """
    start = offsets[rows]
    sizes = offsets[rows + 1] - start
    place = np.repeat(np.arange(len(rows)), sizes)
    first = offsets_of(sizes)[:-1]
    return place, np.arange(len(place)) + np.repeat(start - first, sizes)


def counts_of(rows: npt.NDArray[np.integer], n: int) -> npt.NDArray[np.int64]:
    """How often each of 0..n - 1 is in an array, which may be larger than memory."""
    counts = np.zeros(n, np.int64)
    for start in range(0, len(rows), PAIRS_AT_A_TIME):
        counts += np.bincount(rows[start : start + PAIRS_AT_A_TIME], minlength=n)
    return counts


def levels_of(values: npt.NDArray[np.integer]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(the different values, ascending; which of them each entry is), both int64: [5, 0, 5] gives [0, 5], [1, 0, 1].

    Of whole numbers from 0. Memory follows the number of entries, never the size of a value: a distance may be 10^9.
    """
    highest = int(values.max()) if len(values) else -1
    if highest < _SMALL:  # counting is ten times quicker than sorting
        there = counts_of(values, highest + 1) > 0
        place = np.cumsum(there) - 1
        return np.flatnonzero(there), place[values]
    levels, places = np.unique(values, return_inverse=True)
    return levels.astype(np.int64), places.astype(np.int64).reshape(-1)


_SMALL = 1 << 16


def sums_of(sizes: npt.NDArray[np.int64], values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The sums of rows with these sizes: [2, 0, 1] of [1, 2, 5] are [3, 0, 5]."""
    return np.asarray(np.bincount(np.repeat(np.arange(len(sizes)), sizes), values, len(sizes)), np.float64)


def spans(offsets: npt.NDArray[np.int64], at_most: int) -> Iterator[tuple[slice, slice]]:
    """(rows, values) slices of a CSR in blocks of whole rows with `at_most` values, and at least one row.

    With offsets [0, 2, 2, 5, 6] and 4: rows 0..1 with values 0..1, then rows 2..3 with values 2..5.
    """
    begin = 0
    while begin < len(offsets) - 1:
        fit = int(np.searchsorted(offsets, offsets[begin] + at_most, side="right")) - 1
        end = max(begin + 1, fit)
        yield slice(begin, end), slice(int(offsets[begin]), int(offsets[end]))
        begin = end


def load_array(path: str | os.PathLike[str], *, mapped: bool = False) -> npt.NDArray[Any]:
    """The array in an .npy file; its header is compared with the file's length before memory is asked for.

    Args:
        path: of the file.
        mapped: map it for reading in place of reading it.

    Raises:
        TableError: no array of numbers as NumPy writes one, or of another length than its header says.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            room, needed = path.stat().st_size - file.tell(), math.prod(shape) * dtype.itemsize
        if version > (3, 0) or dtype.hasobject or dtype.kind not in "biuf" or min(shape, default=0) < 0:
            raise TableError(f"{path.name} holds {dtype} in shape {shape}; an array of numbers is needed.")
        if room != needed:
            raise TableError(
                f"{path.name} has {room:,} bytes for its numbers and needs {needed:,} for {dtype} in shape {shape}; "
                "it is damaged, or was cut off."
            )
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r" if mapped and needed else None, allow_pickle=False)
        return found
    except TableError:
        raise
    except Exception as error:  # a header is parsed as Python, whose tokenizer has errors of its own
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise TableError(f"{path.name} cannot be read as npy: {reason}.") from error
