"""Exact search: a matrix product in blocks. No build, no parameters, always right."""

from __future__ import annotations

import builtins
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.errors import InputError
from rootward.evaluation.blocks import Floats, Ints, checked
from rootward.pairs.ragged import offsets_of
from rootward.retrieval.engine import Found

BLOCK_BYTES = 24 * 2**20
"""Size of the buffer of scores: 76 queries against WordNet. Larger ones leave the cache."""


class Exact:
    """Scores every document; memory is the vectors, `block_bytes` of scores, and what is found.

    Args:
        documents: n x dim, float32 or float64; a copy is kept, so that later training changes no answers.
        block_bytes: budget for scores held at a time; answers do not depend on it.

    Raises:
        InputError: no matrix, or entries that are NaN or infinite.
    """

    exact = True

    def __init__(self, documents: Tensor, block_bytes: int = BLOCK_BYTES) -> None:
        _, given = checked(documents[:0], documents)
        self.documents = given.clone()
        self.block_bytes = block_bytes

    def count(self) -> int:
        """How many documents there are."""
        return len(self.documents)

    def search(self, queries: Tensor, k: int) -> Found:
        """The k best documents of each query, best first; all of them where there are fewer."""
        vectors, k = self._vectors(queries), min(k, self.count())
        rows = np.empty((len(vectors), k), np.int64)
        scores = np.empty((len(vectors), k), vectors.numpy().dtype)
        for part, block in self._blocks(vectors):
            rows[part], scores[part] = best(block, k)
        return Found(np.arange(len(vectors) + 1) * k, rows.ravel(), scores.ravel())

    def range(self, queries: Tensor, thresholds: npt.NDArray[np.float32]) -> Found:
        """The documents that score at least the threshold of their query, best first."""
        vectors = self._vectors(queries)
        sizes = np.zeros(len(vectors), np.int64)
        rows, scores = [np.empty(0, np.int64)], [np.empty(0, vectors.numpy().dtype)]
        for part, block in self._blocks(vectors):
            place, column = np.nonzero(block >= thresholds[part, None])
            score = block[place, column]
            order = np.lexsort((column, -score, place))
            sizes[part] = np.bincount(place, minlength=len(block))
            rows.append(column[order])
            scores.append(score[order])
        return Found(offsets_of(sizes), np.concatenate(rows), np.concatenate(scores))

    def _blocks(self, vectors: Tensor) -> Iterator[tuple[slice, Floats]]:
        """(which queries, their scores against every document), as many queries at a time as fit `block_bytes`.

        The scores are a view of a buffer that the next block overwrites.
        """
        size = max(2, self.block_bytes // max(1, self.documents.element_size() * self.count()))
        buffer = torch.empty(min(size, max(2, len(vectors))), self.count(), dtype=self.documents.dtype)
        for start in builtins.range(0, len(vectors), len(buffer)):
            part = vectors[start : start + len(buffer)]
            # A matrix times one vector takes another path in BLAS, where equal documents can score a bit apart. Ties
            # must stay ties, so a single query is scored twice.
            several = part if len(part) > 1 else part.expand(2, -1)
            scores = torch.mm(several, self.documents.T, out=buffer[: len(several)])
            yield slice(start, start + len(part)), scores[: len(part)].numpy()

    def _vectors(self, queries: Tensor) -> Tensor:
        """The queries in the type of the documents.

        Raises:
            InputError: another width, or entries that are NaN or infinite.
        """
        if queries.ndim != 2 or queries.shape[1] != self.documents.shape[1]:
            raise InputError(
                f"Queries must be a matrix with {self.documents.shape[1]} columns, as the documents have; got shape "
                f"{tuple(queries.shape)}."
            )
        vectors = queries.detach().to("cpu", self.documents.dtype).contiguous()
        if not torch.isfinite(vectors).all():
            raise InputError("Query vectors have entries that are NaN or infinite; scores need finite numbers.")
        return vectors


def best(scores: Floats, k: int) -> tuple[Ints, Floats]:
    """(columns, scores) of the k highest entries of each row, highest first; of equal ones the lowest columns.

    torch's top-k leaves open which of the entries equal to the last one it takes, so rows where there are more of
    these than places are looked at again.
    """
    values, columns = (part.numpy() for part in torch.from_numpy(scores).topk(k, dim=1))
    lowest = values[:, -1:]
    for row in np.flatnonzero(np.count_nonzero(scores >= lowest, axis=1) > k).tolist():
        above = columns[row][values[row] > lowest[row]]
        equal = np.flatnonzero(scores[row] == lowest[row])
        columns[row] = np.concatenate([above, equal[: k - len(above)]])
    order = np.lexsort((columns, -values), axis=1)
    return np.take_along_axis(columns, order, 1), np.take_along_axis(values, order, 1)
