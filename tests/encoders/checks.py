"""What every tower is held to: its way back is its gradient, and rows may stand in any order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from rootward.encoders.static import StaticTower
from rootward.encoders.towers import TableGradient, Tower
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.rng import stream

ORDER = [5, 2, 11, 0, 7, 1, 9, 3, 10, 4, 8, 6]
"""Of the twelve nodes of the shop."""


def in_double(static: StaticTower) -> None:
    """Weights of features in float64, as the tokens of the tower are: torch wants one precision."""
    object.__setattr__(static, "bags", replace(static.bags, weights=static.bags.weights.astype(np.float64)))


def agree_with_differences(tower: Tower, rows: Sequence[int] = (2, 5, 9)) -> list[TableGradient]:
    """Hold two entries of every gradient of a float64 tower, dim 16, against differences; the gradients themselves."""
    asked = torch.tensor(rows)
    towards = torch.randn(len(rows), 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def forward() -> tuple[torch.Tensor, Any]:
        return tower.forward(asked, stream(0, "noise"))

    pulled = forward()[1](towards)
    for table, touched, gradient in pulled:
        dense = torch.zeros_like(table).index_add_(0, touched, gradient)
        for row, column in ((int(touched[0]), 0), (int(touched[-1]), 7)):
            sides = []
            for step in (1e-6, -1e-6):
                table[row, column] += step
                sides.append((forward()[0] * towards).sum().item())
                table[row, column] -= step
            assert dense[row, column].item() == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-5, abs=1e-8)
    return pulled


def turned(pairs: Pairs) -> Pairs:
    """The shop's pairs, the ids on both sides in `ORDER`."""
    labels = [pairs.query_ids[row] for row in ORDER]
    place = {label: row for row, label in enumerate(labels)}
    queries = [place[pairs.query_ids[row]] for row in pairs.query_of.tolist()]
    documents = [place[pairs.document_ids[row]] for row in pairs.documents.tolist()]
    return Pairs.from_arrays(Ids(labels), Ids(labels), queries, documents, pairs.distances)
