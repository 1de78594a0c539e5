"""`Vectors`: float32 vectors by row, in memory or mapped from a file, for engines that scan something smaller."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from rootward.evaluation.blocks import Ints
from rootward.files import atomic_write

Matrix = npt.NDArray[np.float32]


class Vectors:
    """A matrix that is mapped from a file and never written to, one in memory that grows, and where each row stands.

    Args:
        dim: width.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._clear()

    def _clear(self) -> None:
        dim = self.dim
        self._mapped = np.empty((0, dim), np.float32)
        self._fresh = np.empty((0, dim), np.float32)
        self._n = 0  # places taken: first those of the file, then those in memory
        self._place = np.empty(0, np.int64)  # of each row, -1: nowhere
        self._in_place = True  # no row stands anywhere but at its own number

    def rows(self) -> Ints:
        """The rows that have a vector, ascending."""
        return np.flatnonzero(self._place >= 0)

    @property
    def whole(self) -> Matrix | None:
        """One matrix that holds row i at i, wherever row i has a vector; None where they stand otherwise."""
        if not self._in_place or (len(self._mapped) and len(self._fresh)):
            return None
        return self._fresh if len(self._fresh) else self._mapped

    def put(self, rows: Ints, vectors: Matrix) -> None:
        """Set the vectors of these rows, new or not; ascending."""
        if not len(rows):
            return
        self._stand(rows)
        start, stop = self._n - len(rows) - len(self._mapped), self._n - len(self._mapped)
        if stop > len(self._fresh):
            more = np.empty((max(stop, 2 * len(self._fresh)), self.dim), np.float32)
            more[:start] = self._fresh[:start]
            self._fresh = more
        self._fresh[start:stop] = vectors

    def _stand(self, rows: Ints) -> None:
        """Give these rows the next places."""
        longest = int(rows[-1]) + 1
        if longest > len(self._place):
            more = np.full(max(longest, 2 * len(self._place)) - len(self._place), -1, np.int64)
            self._place = np.concatenate([self._place, more])
        places = np.arange(self._n, self._n + len(rows))
        self._place[rows] = places
        self._in_place = self._in_place and np.array_equal(rows, places)
        self._n += len(rows)

    def drop(self, rows: Ints) -> None:
        """Forget these rows."""
        self._place[rows[rows < len(self._place)]] = -1

    def take(self, rows: Ints) -> Matrix:
        """The vectors of these rows, len(rows) x dim; every one must be there."""
        if self.whole is not None:
            return np.take(self.whole, rows, axis=0)
        place, n_mapped = self._place[rows], len(self._mapped)
        out = np.empty((len(rows), self.dim), np.float32)
        mapped = place < n_mapped
        out[mapped] = self._mapped[place[mapped]]
        out[~mapped] = self._fresh[place[~mapped] - n_mapped]
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
        self._clear()
        if len(rows):
            self._stand(rows)
            self._mapped = np.asarray(np.load(path, mmap_mode="r"))

    @classmethod
    def load(cls, path: Path, rows: Ints, dim: int) -> Vectors:
        """What `save` wrote, mapped; `rows` ascending, as many as the file has."""
        vectors = cls(dim)
        vectors._map(path, rows)
        return vectors
