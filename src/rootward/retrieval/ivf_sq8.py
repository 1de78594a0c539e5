"""FAISS inverted lists of one byte a number, a quarter of the memory.

What they find is scored again with the float32 vectors, which are mapped from the saved file, so that a score and a
threshold mean the same as everywhere.
"""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rootward.evaluation.blocks import Floats, Ints
from rootward.retrieval.demand import Plan, topmost
from rootward.retrieval.engine import Settings
from rootward.retrieval.exact import Exact
from rootward.retrieval.faiss_files import best_of, faiss
from rootward.retrieval.ivf import Ivf
from rootward.retrieval.vectors import Matrix, Vectors

RESCORED = 24 * 2**20
"""Bytes of float32 vectors that are fetched at a time to score again."""


class IvfSq8(Ivf):
    """Inverted lists of one byte a number; what they find is scored again with float32 vectors.

    The bytes cover the range of the documents that the engine was prepared with. One that is put in later and lies far
    outside is still found by `range`, but may be missed by `search`: build again when the documents have changed much.

    Attributes:
        vectors: the float32 vectors; in memory until the first `save`, mapped from its file afterwards.
        error: the greatest length of a vector minus its bytes' reading: no score is off by more than this times the
            query's length, so that `range` loses nothing that the probed lists hold.
    """

    name = "ivf-sq8"
    finds_all = False  # the best may score too low by their bytes to be scored again

    def __init__(
        self,
        index: Any,
        effort: int = 1,
        plan: Plan | None = None,
        apart: Exact | None = None,
        *,
        error: float = 0.0,
        vectors: Vectors | None = None,
    ) -> None:
        super().__init__(index, effort, plan, apart)
        self.error = error
        self.vectors = Vectors(self.dim) if vectors is None else vectors

    @staticmethod
    def _empty(dim: int, lists: int) -> Any:
        module = faiss()
        kind = module.ScalarQuantizer.QT_8bit
        centres, product = module.IndexFlatIP(dim), module.METRIC_INNER_PRODUCT
        # Bytes of the vectors themselves, not of their difference to a centre: then one error holds for all lists.
        return module.IndexIVFScalarQuantizer(centres, dim, lists, kind, product, False)

    @staticmethod
    def _learn(index: Any, documents: Matrix) -> None:
        index.sq.train(documents)

    @property
    def settings(self) -> dict[str, Any]:
        """How many lists are probed, and how far off the bytes are."""
        return {"probes": self.effort, "error": self.error}

    @staticmethod
    def candidates(k: int) -> int:
        """How many of those that score best by their bytes are scored again, for the k best."""
        return k + k // 2 + 8

    def _nearest(self, vectors: Matrix, k: int, probes: int, chosen: Any) -> tuple[Floats, Ints]:
        """The k best of the candidates, by true score."""
        _, rows = super()._nearest(vectors, self.candidates(k), probes, chosen)
        whole = self.vectors.whole
        if whole is not None:
            return best_of(vectors, whole, rows, k)
        there = rows >= 0
        scores = np.full(rows.shape, -np.inf, np.float32)
        scores[there] = self._scores(vectors, np.nonzero(there)[0], rows[there])
        return topmost(scores, rows, k)

    def _above(self, vectors: Matrix, bounds: Floats, probes: int, chosen: Any) -> tuple[Ints, Ints, Floats]:
        slack = np.float32(1.001 * self.error) * np.linalg.norm(vectors, axis=1)
        place, rows, _ = super()._above(vectors, bounds - slack, probes, chosen)
        return place, rows, self._scores(vectors, place, rows)

    def _scores(self, vectors: Matrix, place: Ints, rows: Ints) -> Matrix:
        """The true score of each row with the query at its place."""
        scores = np.empty(len(rows), np.float32)
        size = max(1, RESCORED // (4 * self.dim))
        for start in builtins.range(0, len(rows), size):
            part = slice(start, start + size)
            np.einsum("ij,ij->i", vectors[place[part]], self.vectors.take(rows[part]), out=scores[part])
        return scores

    def _add(self, rows: Ints, vectors: Matrix) -> None:
        super()._add(rows, vectors)
        self.vectors.put(rows, vectors)
        codec = self._index.sq
        for start in builtins.range(0, len(rows), 1 << 16):
            part = vectors[start : start + (1 << 16)]
            off = np.linalg.norm(part - codec.decode(codec.compute_codes(part)), axis=1)
            self.error = max(self.error, float(off.max(initial=0.0)))

    def _decoded(self, codes: npt.NDArray[np.uint8]) -> Matrix:
        vectors: Matrix = self._index.sq.decode(np.ascontiguousarray(codes))
        return vectors

    def delete(self, rows: npt.ArrayLike) -> None:
        """Take out documents; rows that are not there are passed over."""
        super().delete(rows)
        self.vectors.drop(np.asarray(rows, np.int64))

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write a FAISS file and the vectors, which are mapped from there afterwards."""
        file = f"{self.name}-{mark}.npy"
        self.vectors.save(folder / file)
        return (file, *super().save(folder, mark))

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Self:
        """The engine that `save` wrote."""
        read = cls._read(folder, files[1:], settings)
        engine = cls(*read, error=settings["error"])
        engine.vectors = Vectors.load(folder / files[0], np.flatnonzero(engine._there), engine.dim)
        return engine
