"""Hard negatives: the documents that the model as it stands takes for right, and that are not.

Mined from exact search over all documents with everything relevant taken out, as in ANCE (Xiong et al. 2021, arXiv
2007.00808), at fixed steps, and only for the queries that are drawn until the next time: a training's batches are known
beforehand. What pairs do not say counts as wrong here as everywhere; `Pairs.completed` first where pairs are missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from rootward.evaluation.blocks import BLOCK_BYTES, checked, score_blocks, top
from rootward.pairs import Pairs
from rootward.pairs.ids import Rows


@dataclass(frozen=True, eq=False)
class Mined:
    """The hardest documents of some queries.

    Attributes:
        queries: int64 query rows, ascending.
        documents: int64, len(queries) x n: rows of the documents that score highest without being relevant, best first;
            -1 where there are no more.
    """

    queries: Rows
    documents: Rows

    def of(self, queries: Rows) -> tuple[Rows, Rows]:
        """(place among these queries, document row) of all that was mined for them, both int64, sorted by place."""
        if not len(self.queries):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        found = np.minimum(np.searchsorted(self.queries, queries), len(self.queries) - 1)
        there = (self.queries[found] == queries)[:, None] & (self.documents[found] >= 0)
        return np.ascontiguousarray(np.nonzero(there)[0]), self.documents[found][there]

    @cached_property
    def entries(self) -> tuple[Rows, Rows]:
        """(query row, document row) of all that was mined."""
        places, documents = self.of(self.queries)
        return self.queries[places], documents


def mine(queries: Tensor, documents: Tensor, rows: Rows, pairs: Pairs, n: int) -> Mined:
    """The n highest-scoring documents of each query that are not relevant to it.

    Args:
        queries: float32, len(rows) x dim; vectors of these queries.
        documents: float32, n_documents x dim.
        rows: int64 query rows, ascending, each with pairs.
        pairs: what is relevant.
        n: documents a query.

    Raises:
        InputError: vectors that cannot be scored.
    """
    queries, documents = checked(queries, documents)
    found = np.full((len(rows), n), -1, np.int64)
    k = min(n, len(documents))
    for block in score_blocks(queries, documents, pairs.sizes[rows], BLOCK_BYTES):
        place, index = pairs.of(rows[block.rows])
        block.scores[place, pairs.documents[index]] = -np.inf
        values, columns = top(torch.from_numpy(block.scores), k)
        found[block.rows, :k] = torch.where(values > -torch.inf, columns, -1).numpy()
    return Mined(rows, found)
