"""Towers: what turns queries, or documents, into vectors, and what training has to know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.errors import InputError


class Table(NamedTuple):
    """A matrix that training changes, row by row.

    Attributes:
        rows: float32, n x width; the very tensor that is changed.
        unit: whether every row lives on the unit sphere.
        rate: its learning rate as a share of the stage's, which is one of vectors on the sphere; a vector that is put
            together from many rows moves by the sum of their steps.
    """

    rows: Tensor
    unit: bool
    rate: float = 1.0


class Pulled(NamedTuple):
    """A gradient that has come back to a table.

    Attributes:
        table: the very tensor, so that towers that share one are told from towers that do not.
        rows: int64, unique: the rows that were used.
        gradient: float32, len(rows) x width.
    """

    table: Tensor
    rows: Tensor
    gradient: Tensor


Pull = Callable[[Tensor], list[Pulled]]
"""From the gradient of the vectors (n x dim) to that of the tables they were made of, each table at most once."""


class Tower(Protocol):
    """One side of a dual encoder. Whatever has these members can be a tower, be trained, saved and searched.

    `forward` and `encode` are what it does; the other members say what it is made of.
    """

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        ...

    def __len__(self) -> int:
        """How many rows it has a vector for."""
        ...

    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """Vectors of these rows (float32, len(rows) x dim), of all rows when none are named."""
        ...

    def forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """Vectors of these rows (int64, unique) for a step of training, and the way back.

        Args:
            rows: of a batch.
            noise: of this step and side alone, for what is dropped at random in training.
        """
        ...

    def tables(self) -> list[Table]:
        """What training changes."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What has to be saved to have this tower back, by name; its tables are among them."""
        ...

    def settings(self) -> dict[str, Any]:
        """What else has to be known, JSON values only; "kind" says which tower it is."""
        ...

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Tower:
        """The same tower on other tensors: each one put through `change`, such as to copy it to a device."""
        ...


@runtime_checkable
class TextTower(Tower, Protocol):
    """A tower that reads: it has a vector for any text, not for its own rows alone."""

    @property
    def anchors(self) -> Tensor:
        """The rows that training knows the answers of (int64); what else is asked leans on the nearest of them."""
        ...

    def encode_texts(self, texts: Iterable[str]) -> Tensor:
        """Vectors of any texts (float32, n x dim); zeros for a text that says nothing to it."""
        ...

    def nearest_anchors(self, vectors: Tensor, n: int = 1) -> tuple[Tensor, Tensor]:
        """The nearest row that training knew the answers of (int64, -1 for a vector of zeros), and its own vector.

        With n above 1 the vector is the mean of the n nearest, the nearer the heavier.
        """
        ...


def check_drop(drop: float, what: str) -> None:
    """Refuse a share of features or entries that cannot be left out of a step.

    Raises:
        InputError: outside 0..1, or 1.
    """
    if not 0 <= drop < 1:
        raise InputError(f"drop is the share of {what} left out, at least 0 and below 1; got {drop}.")


def on_rows(tower: Tower, rows: npt.ArrayLike | None) -> npt.NDArray[np.int64]:
    """These rows as integers, all of the tower's when none are named."""
    return np.arange(len(tower)) if rows is None else np.asarray(rows, np.int64).reshape(-1)


def summed(pulled: Sequence[Pulled]) -> list[Pulled]:
    """One gradient a table where several towers share it, added up row by row; the others as they are."""
    out: list[Pulled] = []
    for each in pulled:
        place = next((i for i, other in enumerate(out) if other.table is each.table), None)
        if place is None:
            out.append(each)
        else:
            if torch.equal(out[place].rows, each.rows):
                out[place] = out[place]._replace(gradient=out[place].gradient + each.gradient)
                continue
            rows, where = torch.unique(torch.cat([out[place].rows, each.rows]), return_inverse=True)
            total = each.gradient.new_zeros(len(rows), each.gradient.shape[1])
            total.index_add_(0, where, torch.cat([out[place].gradient, each.gradient]))
            out[place] = Pulled(each.table, rows, total)
    return out


@dataclass(eq=False)
class LookupTower:
    """A table of vectors, one a row: it knows what it was trained on and nothing else.

    Attributes:
        vectors: float32, n x dim; the very tensor that training changes. float64 for constructions whose margin float32
            cannot hold.
        unit: whether training keeps every row on the unit sphere; else rows take whatever length they come to.

    Raises:
        InputError: not a finite matrix of these types.
    """

    vectors: Tensor
    unit: bool = True

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

    def __len__(self) -> int:
        return len(self.vectors)

    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """The vectors of these rows; the table itself, not a copy, when none are named."""
        return self.vectors if rows is None else self.vectors[torch.as_tensor(rows, dtype=torch.int64)]

    def forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """The rows of the table; their gradient is the table's."""
        return self.vectors[rows], lambda gradient: [Pulled(self.vectors, rows, gradient)]

    def tables(self) -> list[Table]:
        """The one there is."""
        return [Table(self.vectors, self.unit)]

    def tensors(self) -> dict[str, Tensor]:
        """The table, under the name "vectors"."""
        return {"vectors": self.vectors}

    def settings(self) -> dict[str, Any]:
        """What it is, and that its rows are free where they are."""
        return {"kind": "lookup"} if self.unit else {"kind": "lookup", "unit": False}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> LookupTower:
        """The same on another tensor; what training made of it is not checked again."""
        tower = copy(self)
        tower.vectors = change(self.vectors)
        return tower


_BLOCK = 512  # vectors compared with all anchors at a time
_SHARPNESS = 40.0  # of several, one that scores 0.1 less weighs a fiftieth; see docs/lab-log.md


class Anchored:
    """The vectors of a tower's anchors, kept until what makes them changes: a search would else encode all of them."""

    def __init__(self) -> None:
        self._versions: list[int] = []
        self._vectors: Tensor | None = None

    def nearest(
        self, vectors: Tensor, encode: Callable[[Any], Tensor], anchors: Tensor, made_of: Sequence[Tensor], n: int = 1
    ) -> tuple[Tensor, Tensor]:
        """The anchor nearest to each vector: its row (int64, -1 for a vector of zeros) and its own vector.

        Args:
            vectors: queries x dim.
            encode: from rows to their vectors.
            anchors: int64, the rows to choose from.
            made_of: the tensors whose changes change vectors.
            n: of more than one the vector is the mean of the n nearest, weighted by softmax(40 inner product).
        """
        known = self._known(encode, anchors, made_of)
        if not len(known):
            return torch.full((len(vectors),), -1), torch.zeros_like(vectors)
        blocks = [(part @ known.T).topk(min(n, len(known))) for part in torch.split(vectors, _BLOCK)]
        scores, best = (torch.cat([block[i] for block in blocks]) for i in (0, 1))
        weights = torch.softmax(_SHARPNESS * scores, 1)
        near = torch.einsum("qn,qnd->qd", weights, known[best])
        something = vectors.any(1)
        rows = torch.where(something, anchors.to(best.device)[best[:, 0]], -1)
        return rows, torch.where(something[:, None], near, 0.0)

    def _known(self, encode: Callable[[Any], Tensor], anchors: Tensor, made_of: Sequence[Tensor]) -> Tensor:
        versions = [-1 if tensor.is_inference() else tensor._version for tensor in made_of]
        if self._vectors is None or versions != self._versions or min(versions) < 0:
            self._versions, self._vectors = versions, encode(anchors.cpu().numpy())
        return self._vectors
