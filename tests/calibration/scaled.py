"""A model whose answer sets end at another score for every query: relevant documents score s, the others 0.4 s.

So no one threshold is right, and 0.7 s is; s stands in the last coordinate of the query.
"""

from __future__ import annotations

import numpy as np

from rootward.encoders import DualEncoder
from rootward.ids import Ids
from rootward.pairs import Pairs


def scaled(n_queries: int = 200, n_documents: int = 30, seed: int = 0) -> tuple[DualEncoder, Pairs]:
    rng = np.random.default_rng(seed)
    relevant = np.zeros((n_queries, n_documents), bool)
    for row in relevant:
        row[rng.permutation(n_documents)[: rng.integers(1, 7)]] = True
    queries, documents = relevant.nonzero()
    hops = np.concatenate([np.arange(n) for n in relevant.sum(1)])
    ids = (Ids(f"{side}{i}" for i in range(n)) for side, n in (("q", n_queries), ("d", n_documents)))
    pairs = Pairs.from_arrays(*ids, queries, documents, hops)
    scale = rng.uniform(1, 10, (n_queries, 1)).astype(np.float32)
    vectors = np.hstack([0.6 * scale * relevant, scale]).astype(np.float32)
    return DualEncoder.from_vectors(
        pairs, vectors, np.hstack([np.eye(n_documents), np.full((n_documents, 1), 0.4)])
    ), pairs
