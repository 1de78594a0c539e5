"""Where lookup tables start before training."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from rootward.pairs import Pairs
from rootward.rng import stream


def random_start(pairs: Pairs, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Independent directions for every query and every document: unit rows, float32."""
    return _directions(seed, "queries", pairs.n_queries, dim), _directions(seed, "documents", pairs.n_documents, dim)


def construct_start(pairs: Pairs, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random documents; each query the normalised sum of its relevant documents (arXiv 2509.16411, Algorithm 1).

    A query without relevant documents, or whose documents cancel each other out, starts in a random direction.
    """
    documents = _directions(seed, "documents", pairs.n_documents, dim)
    relevant = csr_array((np.ones(len(pairs), np.float32), pairs.documents, pairs.offsets), shape=_shape(pairs))
    queries = torch.from_numpy(relevant @ documents.numpy())
    lost = ~queries.any(1)
    torch.nn.functional.normalize(queries, out=queries)
    if lost.any():
        queries[lost] = _directions(seed, "queries", pairs.n_queries, dim)[lost]
    return queries, documents


def _shape(pairs: Pairs) -> tuple[int, int]:
    return pairs.n_queries, pairs.n_documents


def _directions(seed: int, name: str, n: int, dim: int) -> Tensor:
    drawn = stream(seed, "start", name).standard_normal((n, dim), dtype=np.float32)
    vectors = torch.from_numpy(drawn)
    return torch.nn.functional.normalize(vectors, out=vectors)
