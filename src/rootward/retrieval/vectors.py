"""`Vectors`: float32 vectors by row, in memory or mapped from a file, for engines that scan something smaller."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from rootward.evaluation.blocks import Ints
from rootward.files import atomic_write

Matrix = npt.NDArray[np.float32]


class Vectors:
    """Pieces of a matrix, and where in them each row stands (-1: nowhere).

    Pieces are never written to, so one of them may be a file that is only mapped.

    Args:
        dim: width.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._pieces: list[Matrix] = []
        self._starts = np.zeros(1, np.int64)
        self._place = np.empty(0, np.int64)

    def rows(self) -> Ints:
        """The rows that have a vector, ascending."""
        return np.flatnonzero(self._place >= 0)

    def put(self, rows: Ints, vectors: Matrix) -> None:
        """Set the vectors of these rows, new or not."""
        if not len(rows):
            return
        longest = int(rows.max()) + 1
        if longest > len(self._place):
            more = np.full(max(longest, 2 * len(self._place)) - len(self._place), -1, np.int64)
            self._place = np.concatenate([self._place, more])
        self._place[rows] = self._starts[-1] + np.arange(len(rows))
        self._pieces.append(vectors)
        self._starts = np.append(self._starts, self._starts[-1] + len(rows))

    def drop(self, rows: Ints) -> None:
        """Forget these rows."""
        self._place[rows[rows < len(self._place)]] = -1

    def take(self, rows: Ints) -> Matrix:
        """The vectors of these rows, len(rows) x dim; every one must be there."""
        place = self._place[rows]
        if len(self._pieces) == 1:
            return np.take(self._pieces[0], place, axis=0)
        out = np.empty((len(rows), self.dim), np.float32)
        piece = np.searchsorted(self._starts, place, side="right") - 1
        for i in np.unique(piece).tolist():
            inside = piece == i
            out[inside] = self._pieces[i][place[inside] - self._starts[i]]
        return out

    def save(self, path: Path) -> None:
        """Write the vectors in ascending order of their rows, and from now on map that file instead of memory."""
        rows = self.rows()
        atomic_write(path, lambda temporary: self._write(temporary, rows))
        self._map(path, rows)

    def _write(self, path: Path, rows: Ints, block: int = 1 << 16) -> None:
        out = np.lib.format.open_memmap(path, "w+", np.float32, (len(rows), self.dim))
        for start in range(0, len(rows), block):
            out[start : start + block] = self.take(rows[start : start + block])
        out.flush()

    def _map(self, path: Path, rows: Ints) -> None:
        self._pieces, self._starts = [], np.zeros(1, np.int64)
        self._place = np.full(int(rows.max(initial=-1)) + 1, -1, np.int64)
        if len(rows):
            self.put(rows, np.load(path, mmap_mode="r"))

    @classmethod
    def load(cls, path: Path, rows: Ints, dim: int) -> Vectors:
        """What `save` wrote, mapped; `rows` ascending, as many as the file has."""
        vectors = cls(dim)
        vectors._map(path, rows)
        return vectors
