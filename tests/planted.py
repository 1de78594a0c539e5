"""Vectors with a planted fault: the pairs, the tables, and what `diagnose` has to call it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from rootward.encoders import DualEncoder
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.training import Recipe, Settings, recipes, train

Planted = tuple[Pairs, Tensor, Tensor]


def trained(pairs: Pairs, recipe: Recipe, dim: int, seed: int) -> Planted:
    """The vectors that a recipe ends with."""
    model = DualEncoder.lookup(pairs, dim, seed=seed, start=recipe.start)
    train(model, pairs, recipe, seed=seed, settings=Settings(progress=False, measure=False))
    return pairs, model.query_vectors(), model.document_vectors()


def with_wrong_pairs(pairs: Pairs, share: float, seed: int) -> Pairs:
    """Every pair with this chance given to a document drawn at random, never one that the query has already."""
    rng = stream(seed, "wrong pairs")
    documents, queries = pairs.documents.astype(np.int64), pairs.query_of
    taken = set((queries * pairs.n_documents + documents).tolist())
    for place in np.flatnonzero(rng.random(len(pairs)) < share).tolist():
        document = int(rng.integers(pairs.n_documents))
        key = int(queries[place]) * pairs.n_documents + document
        if key not in taken:
            taken.add(key)
            documents[place] = document
    return Pairs.from_arrays(pairs.query_ids, pairs.document_ids, queries, documents, pairs.distances)


def healthy(pairs: Pairs, seed: int, **length: Any) -> Planted:
    """The default recipe at 64 dimensions."""
    return trained(pairs, recipes.decoupled(**length), 64, seed)


def in_batch(pairs: Pairs, seed: int, *, dim: int = 64, steps: int = 300, batch_size: int = 2048) -> Planted:
    """The recipe `regular` with its in-batch softmax, until the exact match is learned."""
    recipe = recipes.regular(
        optimizer="lazy_adam", learning_rate=0.1, decay="linear", steps=steps, batch_size=batch_size
    )
    return trained(pairs, recipe, dim, seed)


def too_small(pairs: Pairs, seed: int, *, dim: int, **length: Any) -> Planted:
    """The default recipe at two to four dimensions."""
    return trained(pairs, recipes.decoupled(**length), dim, seed)


def too_short(pairs: Pairs, seed: int, *, epochs: float, start: str = "random") -> Planted:
    """A few epochs of the default recipe at 64 dimensions."""
    stages = recipes.decoupled(epochs=epochs).stages
    return trained(pairs, Recipe(**{"name": "too short", "start": start, "stages": stages}), 64, seed)


def wrong_pairs(pairs: Pairs, seed: int, *, share: float, dim: int = 64, **length: Any) -> Planted:
    """The default recipe on pairs of which a share is wrong."""
    return trained(with_wrong_pairs(pairs, share, seed), recipes.decoupled(**length), dim, seed)


Plant = Callable[..., Planted]
