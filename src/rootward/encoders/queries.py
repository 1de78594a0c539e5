"""Encoded queries, as models give them and indexes take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Queries:
    """Encoded queries, ready for an index.

    Attributes:
        ids: the users' labels.
        vectors: float32, n x dim.
        thresholds: float32, n, NaN where unknown: documents that score at least this are the query's answer set.
        fingerprint: of the model that made them, so that an index can refuse another model's queries.
    """

    ids: Sequence[str]
    vectors: Tensor
    thresholds: Tensor
    fingerprint: str

    def __len__(self) -> int:
        return len(self.ids)
