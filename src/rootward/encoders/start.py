"""Where lookup tables start before training."""

from __future__ import annotations

import numpy as np
import torch
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
    queries, documents = random_start(pairs, dim, seed)
    places = torch.from_numpy(pairs.query_of)
    sums = torch.zeros_like(queries).index_add_(0, places, documents[torch.from_numpy(pairs.documents).long()])
    some = sums.any(1)
    queries[some] = torch.nn.functional.normalize(sums[some])
    return queries, documents


def _directions(seed: int, name: str, n: int, dim: int) -> Tensor:
    drawn = stream(seed, "start", name).standard_normal((n, dim), dtype=np.float32)
    return torch.nn.functional.normalize(torch.from_numpy(drawn))
