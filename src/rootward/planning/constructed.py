"""How well Algorithm 1 retrieves at a dimension, and the smallest that reaches a recall."""

from __future__ import annotations

import numpy as np

from rootward.encoders import DualEncoder
from rootward.evaluation import evaluate
from rootward.geometry.smallest import lowest
from rootward.pairs import Pairs
from rootward.rng import stream

SAMPLE = 2_000
"""Queries that recall is measured on, against all documents: enough for half a point."""

RATIO = 1.02


def constructed_recall(pairs: Pairs, dim: int, *, seed: int = 0, sample: int = SAMPLE) -> float:
    """Overall recall at |S(q)| of the Gaussian construction, in [0, 1], on `sample` of the queries or all of fewer."""
    answered = np.flatnonzero(pairs.sizes)
    some = pairs.of_queries(stream(seed, "constructed recall").permutation(answered)[:sample])
    model = DualEncoder.lookup(pairs, dim, seed=seed)
    return float(evaluate(model, some, bootstrap=0).overall.value)


def smallest_constructed(pairs: Pairs, target: float = 0.95, *, seed: int = 0, start: int = 32) -> int:
    """The smallest dimension, to 2 %, at which the Gaussian construction has a higher recall than `target`."""
    dim, _ = lowest(lambda dim: constructed_recall(pairs, dim, seed=seed) > target, start, RATIO)
    return dim
