"""Encoded queries, as models give them and indexes take them; how those that training never saw lean on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rootward.encoders.static import unit
from rootward.encoders.towers import TextTower

LEAN = 0.5
"""How far a text that training never saw leans on the nearest query that it did; see docs/lab-log.md."""


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


def leaning(tower: TextTower, own: Tensor, thresholds: Tensor, lean: float) -> tuple[Tensor, Tensor]:
    """Texts' own vectors, drawn towards the nearest queries that training knew (n x dim), and those ones' thresholds.

    Args:
        tower: that made the vectors.
        own: n x dim; a vector of zeros stays as it is and has no threshold.
        thresholds: one a row of the tower.
        lean: how far, from 0 to 1.
    """
    rows, nearest = tower.nearest_anchors(own)
    return unit(torch.lerp(own, nearest, lean))[0], torch.where(rows >= 0, thresholds[rows], torch.nan)
