"""Documents that start as the vectors of their own names and learn what sets them apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders.static import across, unit
from rootward.encoders.towers import Pull, Pulled, Table, TextTower, on_rows
from rootward.errors import InputError


@runtime_checkable
class Reader(TextTower, Protocol):
    """A text tower that can read the documents' names too, as the towers of `DualEncoder.text` can."""

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether there is anything to read in a row's text."""
        ...

    def reading(self, texts: Iterable[str]) -> Self:
        """The same tower, its very tables, over other texts."""
        ...

    def apart(self) -> Self:
        """The same tower with weights of its own where two towers differ, the same at the start."""
        ...

    def knowing(self, anchors: Tensor) -> Self:
        """The same tower; the rows that training knows the answers of are these (int64)."""
        ...

    def sums(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """As `forward`, before the vectors are put on the sphere."""
        ...

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same tower on other tables."""
        ...


@dataclass(frozen=True, eq=False)
class TiedTower:
    """The query tower's vector of a document's name, plus a vector of the document's own, on the unit sphere.

    What reads is the query tower's very own: both towers start tied, a name nearest to its document, and
    learn their difference, which is what a document means beyond its name.

    Attributes:
        text: over the documents' names, its tables those of the query tower.
        offsets: float32, n x dim; what is added, zero at the start.
    """

    text: Reader
    offsets: Tensor

    def __post_init__(self) -> None:
        if self.offsets.shape != (len(self.text), self.text.dim):
            raise InputError(
                f"Offsets of shape {tuple(self.offsets.shape)} do not fit {len(self.text):,} texts of dim {self.dim}."
            )

    @classmethod
    def begin(cls, text: Reader, random: Tensor) -> TiedTower:
        """The start: offsets of zero, and of documents whose name says nothing a row of `random` (n x dim)."""
        silent = torch.from_numpy(~text.known)[:, None]
        return cls(text, torch.where(silent, random, torch.zeros(())))

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.text.dim

    def __len__(self) -> int:
        return len(self.offsets)

    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """The vectors of these documents."""
        wanted = on_rows(self, rows)
        return unit(self.text.encode(wanted) + self.offsets[torch.from_numpy(wanted)])[0]

    def forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """The vectors of these documents, and the way back to their offsets and to what read their names."""
        sums, back = self.text.sums(rows, noise)
        named, name_lengths = unit(sums)
        vectors, lengths = unit(named + self.offsets[rows])

        def pull(gradient: Tensor) -> list[Pulled]:
            inner = across(gradient, vectors, lengths)
            return [Pulled(self.offsets, rows, inner), *back(across(inner, named, name_lengths))]

        return vectors, pull

    def tables(self) -> list[Table]:
        """The offsets, and the tables that are the query tower's too."""
        return [Table(self.offsets, unit=False), *self.text.tables()]

    def tensors(self) -> dict[str, Tensor]:
        """The offsets, and what the text tower is made of."""
        return {"offsets": self.offsets, **self.text.tensors()}

    def settings(self) -> dict[str, Any]:
        """Only what it is; the rest is the query tower's."""
        return {"kind": "tied"}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> TiedTower:
        """The same on other tensors; what is shared stays so if `change` gives one tensor one answer."""
        return TiedTower(self.text.mapped(change), change(self.offsets))
