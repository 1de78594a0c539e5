"""Exact search: a matrix product in blocks. No build, no parameters, always right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rootward import scoring
from rootward.files import atomic_write
from rootward.retrieval.catalogue import Ancestors
from rootward.retrieval.engines.engine import Found, Settings, Where, as_documents, as_queries
from rootward.scoring import BLOCK_BYTES, Ints, checked


class Exact:
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
        self._hold(np.arange(len(given)) if rows is None else rows, given.clone())
        self.block_bytes = block_bytes

    def _hold(self, rows: Ints, documents: Tensor) -> None:
        self.rows, self.documents, self._longest = rows, documents, scoring.longest(documents)

    @classmethod
    def prepared(cls, documents: Tensor) -> Exact:
        """An engine without documents, for vectors as wide as these."""
        return cls(documents[:0])

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.documents.shape[1]

    @property
    def settings(self) -> dict[str, Any]:
        """None: the file has everything."""
        return {}

    def count(self) -> int:
        """How many documents there are."""
        return len(self.documents)

    # -- searching ---------------------------------------------------------------------------------------------

    def search(self, queries: Tensor, k: int, where: Where | None = None) -> Found:
        """The k best documents of each query, best first; all of them where there are fewer."""
        vectors = torch.from_numpy(as_queries(queries, self.dim, self.documents.dtype))
        return nearest(vectors, *self._allowed(where), k, self.block_bytes, self._longest)

    def range(
        self, queries: Tensor, thresholds: npt.NDArray[np.float32], where: Where | None = None, cap: int | None = None
    ) -> Found:
        """The documents that score at least the threshold of their query, best first."""
        vectors = torch.from_numpy(as_queries(queries, self.dim, self.documents.dtype))
        return above(vectors, *self._allowed(where), thresholds, self.block_bytes, self._longest).capped(cap)

    def _allowed(self, where: Where | None) -> tuple[Tensor, Ints]:
        """(vectors, rows) of the allowed documents."""
        if where is None:
            return self.documents, self.rows
        place = np.flatnonzero(np.isin(self.rows, where.rows, assume_unique=True))
        return self.documents[torch.from_numpy(place)], self.rows[place]

    # -- changing ----------------------------------------------------------------------------------------------

    def upsert(self, rows: npt.ArrayLike, vectors: Tensor, ancestors: Ancestors | None = None) -> None:
        """Add or replace documents; see `Engine.upsert`."""
        new, vectors = as_documents(rows, vectors, self.dim)
        kept = torch.from_numpy(~np.isin(self.rows, new, assume_unique=True))
        numbers = np.concatenate([self.rows[kept.numpy()], new])
        order = np.argsort(numbers)
        both = torch.cat([self.documents[kept], vectors.to(self.documents.dtype)])
        self._hold(numbers[order], both[torch.from_numpy(order)])

    def delete(self, rows: npt.ArrayLike) -> None:
        """Remove documents; unknown rows are ignored."""
        kept = ~np.isin(self.rows, np.asarray(rows, np.int64))
        self._hold(self.rows[kept], self.documents[torch.from_numpy(kept)])

    def commit(self) -> None:
        """Nothing to do: changes are visible at once."""

    # -- on disk -----------------------------------------------------------------------------------------------

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write rows and vectors as safetensors."""
        file = f"exact-{mark}.safetensors"
        tensors = {"rows": torch.from_numpy(np.ascontiguousarray(self.rows)), "documents": self.documents.contiguous()}
        atomic_write(folder / file, lambda path: save_file(tensors, path))
        return (file,)

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Exact:
        """The engine that `save` wrote."""
        tensors = load_file(folder / files[0])
        return cls(tensors["documents"], tensors["rows"].numpy())

    def close(self) -> None:
        """Nothing to close."""


def nearest(
    vectors: Tensor,
    documents: Tensor,
    rows: Ints,
    k: int,
    block_bytes: int = BLOCK_BYTES,
    longest: float | None = None,
) -> Found:
    """The k best of these documents for each query, best first; of equal ones those that stand first.

    Args:
        vectors: n_queries x dim, of the type of the documents.
        documents: n x dim.
        rows: what the documents are called; ascending, or ties go by place instead of by row.
        k: how many; all where there are fewer.
        block_bytes: budget for scores held at a time.
        longest: length of the longest document, where it is known.
    """
    wanted = np.full(len(vectors), min(k, len(documents)))
    offsets, columns, scores = scoring.best(vectors, documents, wanted, block_bytes=block_bytes, length=longest)
    return Found(offsets, rows[columns], scores)


def above(
    vectors: Tensor,
    documents: Tensor,
    rows: Ints,
    thresholds: npt.NDArray[np.float32],
    block_bytes: int = BLOCK_BYTES,
    longest: float | None = None,
) -> Found:
    """Those of these documents that score at least the threshold of their query, best first, ties as in `nearest`."""
    offsets, columns, scores = scoring.above(vectors, documents, thresholds, block_bytes=block_bytes, length=longest)
    return Found(offsets, rows[columns], scores)
