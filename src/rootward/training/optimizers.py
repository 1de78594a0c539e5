"""Optimisers of tables, with their rows on the unit sphere or free.

Each holds the state of one table and moves rows of it in place; where the table is one of unit rows, every row it
moved is put back on the sphere after a step. A row optimiser takes the rows of a batch and their gradient and leaves
all others alone; the dense ones, whose momentum moves every row at every step, take zero for the rows that are not in
the batch.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from rootward.training.stage import Stage

_TINY = 1e-12


class Optimizer(Protocol):
    """Moves rows of one table."""

    def step(self, rows: Tensor, gradient: Tensor, rate: float) -> None:
        """Move the table by the gradient (len(rows) x dim) of these rows (int64, unique)."""
        ...

    def state(self) -> dict[str, Tensor]:
        """The tensors that make it go on where it was, by name; the very ones, not copies."""
        ...


class LazyAdam:
    """Adam for the rows of a batch only, one step size a row.

    Moments of a row that is not in the batch stay as they are. The squared gradient is averaged over the row as a
    whole, so the step does not depend on how the axes lie, as befits a sphere; `rate` is the typical length of a
    row's step, whatever the dimension. Corrected for its start by each row's own count of steps.
    """

    def __init__(self, table: Tensor, momentum: float, second_moment: float, unit: bool = True) -> None:
        self.table, self.momentum, self.second_moment, self.unit = table, momentum, second_moment, unit
        self.mean = torch.zeros_like(table)
        self.square = table.new_zeros(len(table))
        self.count = table.new_zeros(len(table))

    def step(self, rows: Tensor, gradient: Tensor, rate: float) -> None:
        """One Adam step of these rows."""
        mean = self.mean[rows].lerp_(gradient, 1 - self.momentum)
        square = self.square[rows].lerp_(gradient.square().sum(1), 1 - self.second_moment)
        count = self.count[rows] + 1
        self.mean[rows], self.square[rows], self.count[rows] = mean, square, count
        length = (square / (1 - self.second_moment**count)).sqrt_().add_(_TINY)
        factor = rate / (length * (1 - self.momentum**count))
        moved = self.table[rows].addcmul_(mean, factor[:, None], value=-1)
        self.table[rows] = _unit(moved) if self.unit else moved

    def state(self) -> dict[str, Tensor]:
        """See `Optimizer`."""
        return {"mean": self.mean, "square": self.square, "count": self.count}


class Adam:
    """Adam as usual, every entry with its own step size and every row moved at every step, then put on the sphere."""

    def __init__(self, table: Tensor, momentum: float, second_moment: float, unit: bool = True) -> None:
        self.table, self.momentum, self.second_moment, self.unit = table, momentum, second_moment, unit
        self.mean, self.square = torch.zeros_like(table), torch.zeros_like(table)
        self.count = torch.zeros((), dtype=torch.float64)

    def step(self, rows: Tensor, gradient: Tensor, rate: float) -> None:
        """One Adam step of the whole table; rows outside the batch have gradient zero."""
        self.count += 1
        self.mean *= self.momentum
        self.mean[rows] += gradient * (1 - self.momentum)
        self.square *= self.second_moment
        self.square[rows] += gradient.square() * (1 - self.second_moment)
        done = float(self.count)
        length = (self.square / (1 - self.second_moment**done)).sqrt_().add_(_TINY)
        self.table.addcdiv_(self.mean, length, value=-rate / (1 - self.momentum**done))
        if self.unit:
            self.table.copy_(_unit(self.table))

    def state(self) -> dict[str, Tensor]:
        """See `Optimizer`."""
        return {"mean": self.mean, "square": self.square, "count": self.count}


class SGD:
    """Stochastic gradient descent with momentum as in PyTorch (v = momentum v + g; row -= rate v), then the sphere."""

    def __init__(self, table: Tensor, momentum: float, unit: bool = True) -> None:
        self.table, self.momentum, self.unit = table, momentum, unit
        self.velocity = torch.zeros_like(table)

    def step(self, rows: Tensor, gradient: Tensor, rate: float) -> None:
        """One step of the whole table; rows outside the batch go on by their momentum."""
        self.velocity *= self.momentum
        self.velocity[rows] += gradient
        self.table.sub_(self.velocity, alpha=rate)
        if self.unit:
            self.table.copy_(_unit(self.table))

    def state(self) -> dict[str, Tensor]:
        """See `Optimizer`."""
        return {"velocity": self.velocity}


def optimizer_of(stage: Stage, table: Tensor, unit: bool = True) -> Optimizer:
    """The optimiser that a stage asks for, at its start."""
    assert stage.momentum is not None
    if stage.optimizer == "sgd":
        return SGD(table, stage.momentum, unit)
    if stage.optimizer == "adam":
        return Adam(table, stage.momentum, stage.second_moment, unit)
    return LazyAdam(table, stage.momentum, stage.second_moment, unit)


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows, eps=_TINY)
