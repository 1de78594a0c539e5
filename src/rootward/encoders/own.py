"""Towers of one's own in two methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders.static import across, unit
from rootward.encoders.towers import Pull, Pulled, Table, on_rows
from rootward.errors import InputError

_ENCODED = 4_096  # rows at a time


class OwnTower(ABC):
    """A tower that says how many rows it has and what their vectors are; the rest follows from these two methods.

    The way back is torch's automatic differentiation of `vectors`, so that may be anything torch can differentiate.
    Vectors are put on the unit sphere here.

    Attributes:
        weights: float32 matrices by name, what training changes. A row is what one input (or token, or channel) adds,
            and takes a step of its own.

    Raises:
        InputError: no weights, or one that is no float32 matrix.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        wrong = next((name for name, each in weights.items() if each.ndim != 2 or each.dtype != torch.float32), None)
        if wrong is not None or not weights:
            raise InputError(
                f"A tower's weights are float32 matrices by name; got {'none' if wrong is None else repr(wrong)}"
                f"{'' if wrong is None else f' of {weights[wrong].dtype} and shape {tuple(weights[wrong].shape)}'}."
            )
        self.weights = dict(weights)

    @abstractmethod
    def __len__(self) -> int:
        """How many rows there are."""

    @abstractmethod
    def vectors(self, rows: npt.NDArray[np.int64], weights: Mapping[str, Tensor]) -> Tensor:
        """The vectors of these rows (len(rows) x dim) with these weights, before they are put on the sphere."""

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        with torch.no_grad():
            return self.vectors(np.arange(1), self.weights).shape[1]

    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """The vectors of these rows."""
        wanted = on_rows(self, rows)
        with torch.no_grad():
            starts = range(0, max(1, len(wanted)), _ENCODED)
            return torch.cat([unit(self.vectors(wanted[i : i + _ENCODED], self.weights))[0] for i in starts])

    def forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """The vectors of these rows, and the way back to the weights."""
        with torch.enable_grad():
            leaves = {name: each.detach().requires_grad_() for name, each in self.weights.items()}
            made = self.vectors(rows.cpu().numpy(), leaves).float()
        vectors, lengths = unit(made.detach())

        def pull(gradient: Tensor) -> list[Pulled]:
            inner = across(gradient, vectors, lengths)
            found = torch.autograd.grad(made, list(leaves.values()), inner, allow_unused=True)
            pairs = zip(self.weights.values(), found, strict=True)
            return [
                Pulled(table, torch.arange(len(table), device=table.device), each)
                for table, each in pairs
                if each is not None
            ]

        return vectors, pull

    def tables(self) -> list[Table]:
        """The weights; a vector is put together from many of their rows, so each takes a smaller step."""
        return [Table(each, unit=False, rate=len(each) ** -0.5) for each in self.weights.values()]

    def tensors(self) -> dict[str, Tensor]:
        """The weights."""
        return dict(self.weights)

    def settings(self) -> dict[str, Any]:
        """The class: loading leaves it to its owner to put the tower together again."""
        return {"kind": type(self).__qualname__}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same with other weights."""
        other = copy(self)
        other.weights = {name: change(each) for name, each in self.weights.items()}
        return other
