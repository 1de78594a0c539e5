"""Exact search: a matrix product in blocks. No build, no parameters, always right."""
# ruff: noqa: D102 (methods without a docstring are those of `Engine`)

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rootward import scoring
from rootward.files import atomic_write
from rootward.retrieval.catalogue import Ancestors
from rootward.retrieval.engines.engine import Engine, Found, Settings, Where, as_documents, as_queries
from rootward.scoring import BLOCK_BYTES, Ints, checked


class Exact(Engine):
    """Scores every document; memory is the vectors, `block_bytes` of scores, and what is found.

    Args:
        documents: n x dim, float32 or float64; a copy is kept, so that later training changes no answers.
        rows: int64, of the documents, ascending; 0 to n - 1 by default.
        block_bytes: budget for scores held at a time; answers do not depend on it.

    Raises:
        InputError: no matrix, or entries that are NaN or infinite.
    """

    name = "exact"
    exact = True
    durable = False

    def __init__(self, documents: Tensor, rows: Ints | None = None, block_bytes: int = BLOCK_BYTES) -> None:
        _, given = checked(documents[:0], documents)
        self.dim, self.block_bytes = given.shape[1], block_bytes
        self._hold(np.arange(len(given)) if rows is None else rows, given.clone())

    def _hold(self, rows: Ints, documents: Tensor) -> None:
        self.rows, self.documents, self._longest = rows, documents, scoring.longest(documents)

    @classmethod
    def prepared(cls, documents: Tensor) -> Self:
        """An engine without documents, for vectors as wide as these."""
        return cls(documents[:0])

    @classmethod
    def over(cls, documents: Tensor, rows: Ints) -> Self:
        """An engine over documents that are known to be finite, without a copy; `rows` as for `Exact`."""
        engine = cls.prepared(documents)
        engine._hold(rows, documents)
        return engine

    @property
    def settings(self) -> dict[str, Any]:
        """None: the file has everything."""
        return {}

    def count(self) -> int:
        return len(self.documents)

    def search(self, queries: Tensor, k: int, where: Where | None = None) -> Found:
        vectors = torch.from_numpy(as_queries(queries, self.dim, self.documents.dtype))
        documents, rows = self._allowed(where)
        wanted, size = np.full(len(vectors), min(k, len(documents))), self.block_bytes
        offsets, columns, scores = scoring.best(vectors, documents, wanted, block_bytes=size, length=self._longest)
        return Found(offsets, rows[columns], scores)

    def range(
        self, queries: Tensor, thresholds: npt.NDArray[np.float32], where: Where | None = None, cap: int | None = None
    ) -> Found:
        vectors = torch.from_numpy(as_queries(queries, self.dim, self.documents.dtype))
        (documents, rows), size = self._allowed(where), self.block_bytes
        offsets, columns, scores = scoring.above(vectors, documents, thresholds, block_bytes=size, length=self._longest)
        return Found(offsets, rows[columns], scores).capped(cap)

    def _allowed(self, where: Where | None) -> tuple[Tensor, Ints]:
        """(vectors, rows) of the allowed documents."""
        if where is None:
            return self.documents, self.rows
        place = np.flatnonzero(np.isin(self.rows, where.rows, assume_unique=True))
        return self.documents[torch.from_numpy(place)], self.rows[place]

    def upsert(self, rows: npt.ArrayLike, vectors: Tensor, ancestors: Ancestors | None = None) -> None:
        new, vectors = as_documents(rows, vectors, self.dim)
        kept = torch.from_numpy(~np.isin(self.rows, new, assume_unique=True))
        numbers = np.concatenate([self.rows[kept.numpy()], new])
        order = np.argsort(numbers)
        both = torch.cat([self.documents[kept], vectors.to(self.documents.dtype)])
        self._hold(numbers[order], both[torch.from_numpy(order)])

    def delete(self, rows: npt.ArrayLike) -> None:
        kept = ~np.isin(self.rows, np.asarray(rows, np.int64))
        self._hold(self.rows[kept], self.documents[torch.from_numpy(kept)])

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write rows and vectors as safetensors."""
        file = f"exact-{mark}.safetensors"
        tensors = {"rows": torch.from_numpy(np.ascontiguousarray(self.rows)), "documents": self.documents.contiguous()}
        atomic_write(folder / file, lambda path: save_file(tensors, path))
        return (file,)

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Self:
        tensors = load_file(folder / files[0])
        rows, documents = tensors["rows"].numpy(), tensors["documents"]
        if documents.ndim != 2 or rows.shape != (len(documents),) or rows.dtype != np.int64:
            raise ValueError(f"{folder / files[0]} must hold a matrix, and a row number (int64) for each of its rows")
        if len(rows) and (rows[0] < 0 or (np.diff(rows) <= 0).any()):
            raise ValueError(f"{folder / files[0]} has row numbers that do not ascend from 0")
        return cls(documents, rows)
