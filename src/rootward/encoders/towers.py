"""Towers: what turns queries, or documents, into vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy.typing as npt
import torch
from torch import Tensor

from rootward.errors import InputError


class Tower(Protocol):
    """One side of a dual encoder. Whatever has these members can be a tower."""

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        ...

    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """Vectors of these rows (float32, len(rows) x dim), of all rows when none are named."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What has to be saved to have this tower back, by name."""
        ...


@dataclass(eq=False)
class LookupTower:
    """A table of vectors, one a row: it knows what it was trained on and nothing else.

    Attributes:
        vectors: float32, n x dim; the very tensor that training changes. float64 for constructions whose margin float32
            cannot hold.

    Raises:
        InputError: not a finite matrix of these types.
    """

    vectors: Tensor

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.vectors.dtype not in (torch.float32, torch.float64):
            raise InputError(
                f"A lookup tower needs a float32 or float64 matrix, got {self.vectors.dtype} of shape "
                f"{tuple(self.vectors.shape)}."
            )
        if not torch.isfinite(self.vectors).all():
            raise InputError("A lookup tower needs finite vectors; some entries are NaN or infinite.")

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.vectors.shape[1]

    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """The vectors of these rows; the table itself, not a copy, when none are named."""
        return self.vectors if rows is None else self.vectors[torch.as_tensor(rows, dtype=torch.int64)]

    def tensors(self) -> dict[str, Tensor]:
        """The table, under the name "vectors"."""
        return {"vectors": self.vectors}
