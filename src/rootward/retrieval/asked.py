"""What is asked: encoded queries of the right model, or bare vectors as queries that are called by their row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders import Queries
from rootward.errors import InputError


class Asked(NamedTuple):
    """Queries as a search needs them.

    Attributes:
        ids: what they are called.
        vectors: n x dim.
        thresholds: float32, n, on the CPU; NaN where unknown.
        known: whether any threshold is known.
    """

    ids: Sequence[str]
    vectors: Tensor
    thresholds: npt.NDArray[np.float32]
    known: bool

    @property
    def said(self) -> npt.NDArray[np.bool_]:
        """One a query: False for the zero vector, which scores 0 with every document and so asks for none."""
        found: npt.NDArray[np.bool_] = (self.vectors != 0).any(dim=1).numpy(force=True)
        return found


def as_asked(queries: Any, fingerprint: str) -> Asked:
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
        thresholds = queries.thresholds.numpy(force=True)
        return Asked(queries.ids, queries.vectors, thresholds, not np.isnan(thresholds).all())
    try:
        vectors = torch.as_tensor(queries)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(
            "search takes encoded queries, model.queries(['an id', ...]), or a matrix of vectors; got "
            f"{type(queries).__name__} that is neither."
        ) from None
    if vectors.ndim != 2:
        raise InputError(f"Query vectors form a matrix, a row a query; got shape {tuple(vectors.shape)}.")
    n = len(vectors)
    return Asked(_numbers(n), vectors, np.full(n, np.nan, np.float32), False)


@lru_cache(maxsize=4)
def _numbers(n: int) -> tuple[str, ...]:
    """What n bare vectors are called: their rows."""
    return tuple(map(str, range(n)))
