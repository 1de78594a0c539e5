"""Ids that stay on disk: the same table between labels and rows, of two files that are mapped and never read whole.

NAME.arrow   one column of text, uncompressed Arrow IPC, a batch every `BATCH` rows
NAME.npy     the rows in alphabetical order of their ids, for looking them up
"""

from __future__ import annotations

import os
import shutil
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rootward.files import atomic_write
from rootward.pairs.ids import Ids

BATCH = 1 << 16
_LIKE = 1_000  # ids on either side of where a label would stand


class MappedIds(Ids):
    """`Ids` in two files. A look-up takes some 25 reads in place of a dictionary of all ids.

    Args:
        folder: of the files, which nobody may change.
        name: of both, without suffix.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._labels = self._column = _Labels(folder / f"{name}.arrow")
        self._order = np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))

    @cached_property
    def _row_of(self) -> Mapping[str, int]:
        return _RowOf(self._column, self._order)

    def like(self, label: str) -> Iterable[str]:
        """The ids that stand near this label in alphabetical order."""
        place = bisect_left(self._order, label, key=self._labels.__getitem__)
        return [self._labels[row] for row in self._order[max(0, place - _LIKE) : place + _LIKE].tolist()]

    def hash_into(self, digest: Any) -> None:
        """As `Ids.hash_into`, a batch at a time."""
        for place, batch in enumerate(self._column.batches):
            if place:
                digest.update(b"\x1f")
            digest.update("\x1f".join(batch.to_pylist()).encode())

    def copy_to(self, folder: Path, name: str) -> list[str]:
        """Put both files into another folder under this name, by a hard link where that can be; what they are called.

        Nothing is done where they are linked there already.
        """
        names = [f"{name}{suffix}" for suffix in (".arrow", ".npy")]
        for called in names:
            given, to = self._folder / f"{self._name}{Path(called).suffix}", folder / called
            if not (to.exists() and os.path.samefile(given, to)):
                atomic_write(to, lambda path, given=given: _link(given, path))  # type: ignore[misc]
        return names


def write_labels(path: Path, labels: Iterable[pa.Array]) -> int:
    """Write the Arrow file of a table of ids, given some at a time; how many there are."""
    schema = pa.schema([("id", pa.large_string())])
    n = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as file:
        for part in labels:
            for start in range(0, len(part), BATCH):
                file.write_batch(pa.record_batch([part[start : start + BATCH].cast(pa.large_string())], schema=schema))
            n += len(part)
    return n


def _link(given: Path, to: Path) -> None:
    try:
        os.link(given, to)
    except OSError:  # another disk, or one without links
        shutil.copyfile(given, to)


class _Labels(Sequence[str]):
    """The column of text."""

    def __init__(self, path: Path) -> None:
        self._table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()  # maps, reads nothing
        self.batches: list[Any] = self._table.column(0).chunks
        self._starts = np.cumsum([0, *map(len, self.batches)]).tolist()

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        if isinstance(row, slice):
            return tuple(self[each] for each in range(*row.indices(len(self))))
        place = int(row) + (len(self) if row < 0 else 0)
        if not 0 <= place < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        which = bisect_right(self._starts, place) - 1
        label: str = self.batches[which][place - self._starts[which]].as_py()
        return label

    def __iter__(self) -> Iterator[str]:
        for batch in self.batches:
            yield from batch.to_pylist()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Labels):
            return self is other or bool(self._table.equals(other._table))
        if not isinstance(other, Sequence) or len(other) != len(self):
            return False
        return all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))  # that of an equal tuple


class _RowOf(Mapping[str, int]):
    """Label to row, by bisection of the rows in alphabetical order: that of code points, in Python as on disk."""

    def __init__(self, labels: _Labels, order: npt.NDArray[np.integer]) -> None:
        self._labels, self._order = labels, order

    def __getitem__(self, label: str) -> int:
        place = bisect_left(self._order, label, key=self._labels.__getitem__)
        row = int(self._order[place]) if place < len(self._order) else -1
        if row < 0 or self._labels[row] != label:
            raise KeyError(label)
        return row

    def __len__(self) -> int:
        return len(self._labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)
