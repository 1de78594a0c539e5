"""What is asked: encoded queries of the right model, or bare vectors as queries that are called by their row."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from rootward.encoders import Queries
from rootward.errors import InputError


def as_queries(queries: Any, fingerprint: str) -> Queries:
    """The queries as they are, or bare vectors as queries without thresholds.

    Raises:
        InputError: another model's queries, or something that is neither queries nor a matrix.
    """
    if isinstance(queries, Queries):
        if queries.fingerprint != fingerprint:
            raise InputError(
                f"These queries were made by another model, or before it was trained further (fingerprint "
                f"{queries.fingerprint}, the index has {fingerprint}). Make them with the model that the "
                f"index was built from, or build the index again."
            )
        return queries
    try:
        vectors = torch.as_tensor(queries)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(
            "search takes encoded queries, model.queries(['an id', ...]), or a matrix of vectors; got "
            f"{type(queries).__name__} that is neither."
        ) from None
    if vectors.ndim != 2:
        raise InputError(f"Query vectors form a matrix, a row a query; got shape {tuple(vectors.shape)}.")
    unknown = torch.full((len(vectors),), torch.nan)
    return Queries(_numbers(len(vectors)), vectors, unknown, fingerprint)


@lru_cache(maxsize=4)
def _numbers(n: int) -> tuple[str, ...]:
    """What n bare vectors are called: their rows."""
    return tuple(map(str, range(n)))
