"""Exact search: a matrix product in blocks. No build, no parameters, always right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rootward.csr import offsets_of
from rootward.files import atomic_write
from rootward.retrieval.catalogue import Ancestors
from rootward.retrieval.engines.engine import Found, Settings, Where, as_documents, as_queries
from rootward.scoring import Floats, Ints, checked, top

BLOCK_BYTES = 24 * 2**20
"""Size of the buffer of scores: 76 queries against WordNet. Larger ones leave the cache."""


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
        self.documents = checked(documents[:0], documents)[1].clone()
        self.rows = np.arange(len(documents)) if rows is None else rows
        self.block_bytes = block_bytes

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
        return nearest(vectors, *self._allowed(where), k, self.block_bytes)

    def range(
        self, queries: Tensor, thresholds: npt.NDArray[np.float32], where: Where | None = None, cap: int | None = None
    ) -> Found:
        """The documents that score at least the threshold of their query, best first."""
        vectors = torch.from_numpy(as_queries(queries, self.dim, self.documents.dtype))
        return above(vectors, *self._allowed(where), thresholds, self.block_bytes).capped(cap)

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
        self.rows, self.documents = numbers[order], both[torch.from_numpy(order)]

    def delete(self, rows: npt.ArrayLike) -> None:
        """Remove documents; unknown rows are ignored."""
        kept = ~np.isin(self.rows, np.asarray(rows, np.int64))
        self.rows, self.documents = self.rows[kept], self.documents[torch.from_numpy(kept)]

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


def nearest(vectors: Tensor, documents: Tensor, rows: Ints, k: int, block_bytes: int = BLOCK_BYTES) -> Found:
    """The k best of these documents for each query, best first; of equal ones those that stand first.

    Args:
        vectors: n_queries x dim, of the type of the documents.
        documents: n x dim.
        rows: what the documents are called; ascending, or ties go by place instead of by row.
        k: how many; all where there are fewer.
        block_bytes: budget for scores held at a time.
    """
    k = min(k, len(documents))
    names = np.empty((len(vectors), k), np.int64)
    scores = np.empty((len(vectors), k), vectors.numpy().dtype)
    for part, block in _blocks(vectors, documents, block_bytes):
        columns, scores[part] = best(block, k)
        names[part] = rows[columns]
    return Found(np.arange(len(vectors) + 1) * k, names.ravel(), scores.ravel())


def above(
    vectors: Tensor,
    documents: Tensor,
    rows: Ints,
    thresholds: npt.NDArray[np.float32],
    block_bytes: int = BLOCK_BYTES,
) -> Found:
    """Those of these documents that score at least the threshold of their query, best first, ties by row."""
    sizes = np.zeros(len(vectors), np.int64)
    names, scores = [np.empty(0, np.int64)], [np.empty(0, vectors.numpy().dtype)]
    for part, block in _blocks(vectors, documents, block_bytes):
        place, column = np.nonzero(block >= thresholds[part, None])
        score, row = block[place, column], rows[column]
        order = np.lexsort((row, -score, place))
        sizes[part] = np.bincount(place, minlength=len(block))
        names.append(row[order])
        scores.append(score[order])
    return Found(offsets_of(sizes), np.concatenate(names), np.concatenate(scores))


def _blocks(vectors: Tensor, documents: Tensor, block_bytes: int) -> Iterator[tuple[slice, Floats]]:
    """(which queries, their scores against every document), as many queries at a time as fit `block_bytes`.

    The scores are a view of a buffer that the next block overwrites.
    """
    size = max(2, block_bytes // max(1, documents.element_size() * len(documents)))
    buffer = torch.empty(min(size, max(2, len(vectors))), len(documents), dtype=documents.dtype)
    for start in range(0, len(vectors), len(buffer)):
        part = vectors[start : start + len(buffer)]
        # A matrix times one vector takes another path in BLAS, where equal documents can score a bit apart. Ties
        # must stay ties, so a single query is scored twice.
        several = part if len(part) > 1 else part.expand(2, -1)
        scores = torch.mm(several, documents.T, out=buffer[: len(several)])
        yield slice(start, start + len(part)), scores[: len(part)].numpy()


def best(scores: Floats, k: int) -> tuple[Ints, Floats]:
    """(columns, scores) of the k highest entries of each row, highest first; of equal ones the lowest columns.

    A top-k leaves open which of the entries equal to the last one it takes, so rows where the next one is equal too
    are looked at again.
    """
    if not k:
        return np.empty((len(scores), 0), np.int64), scores[:, :0].copy()
    values, columns = (part.numpy() for part in top(torch.from_numpy(scores), min(k + 1, scores.shape[1])))
    more = values.shape[1] > k
    tied = np.flatnonzero(values[:, k - 1] == values[:, k]) if more else np.empty(0, np.int64)
    values, columns = values[:, :k], columns[:, :k]
    lowest = values[:, -1]
    for row in tied.tolist():
        above = columns[row][values[row] > lowest[row]]
        equal = np.flatnonzero(scores[row] == lowest[row])
        columns[row] = np.concatenate([above, equal[: k - len(above)]])
    order = np.lexsort((columns, -values), axis=1)
    return np.take_along_axis(columns, order, 1), np.take_along_axis(values, order, 1)
