"""What every engine is: vectors in, rows and scores out. Ids, thresholds and display order are the index's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rootward.evaluation.blocks import Floats, Ints


@dataclass(frozen=True, eq=False)
class Found:
    """Documents found for some queries, as CSR: those of query i are entries offsets[i]:offsets[i + 1].

    Engines give them best first, equal scores in ascending row order.

    Attributes:
        offsets: int64, n_queries + 1.
        rows: int64 document rows.
        scores: one a row.
    """

    offsets: Ints
    rows: Ints
    scores: Floats

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def place(self) -> Ints:
        """Which query each entry belongs to (int64)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def take(self, order: npt.NDArray[np.integer[Any]]) -> Found:
        """The entries in another order, each within its query."""
        return Found(self.offsets, self.rows[order], self.scores[order])


class Engine(Protocol):
    """A way to search document vectors; higher inner products are better.

    `search` and `range` may be given float32 vectors of the right width on any device. Where two documents score the
    same, the lower row comes first, and is the one kept.
    """

    @property
    def exact(self) -> bool:
        """Whether nothing is ever missed."""
        ...

    def count(self) -> int:
        """How many documents there are."""
        ...

    def search(self, queries: Tensor, k: int) -> Found:
        """The k best documents of each query; all of them where there are fewer."""
        ...

    def range(self, queries: Tensor, thresholds: npt.NDArray[np.float32]) -> Found:
        """The documents that score at least the threshold of their query."""
        ...
