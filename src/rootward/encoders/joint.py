"""Text towers of two halves trained as one: what a text is made of, and what an encoder knows of its meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders.frozen import FrozenTower
from rootward.encoders.static import StaticTower, across, unit
from rootward.encoders.towers import Anchored, Pull, Pulled, Table
from rootward.errors import InputError


@dataclass(frozen=True, eq=False)
class JointTower:
    """A static and a frozen tower in equal shares: unit(unit(sum of features) + unit(head(encoder(text)))).

    Words that share parts with training texts are found by the one, words whose meaning the encoder knows by the other,
    and as both are trained at once in one space, each learns what the other leaves over. A text of which one half
    knows nothing has the vector of the other alone; one of which neither does, the zero vector.

    Attributes:
        static: vectors of features.
        frozen: an encoder that stays as it is, with a head; over the same texts, of the same width and anchors.

    Raises:
        InputError: halves of two widths, or over two numbers of texts.
    """

    static: StaticTower
    frozen: FrozenTower
    _anchored: Anchored = field(default_factory=Anchored, init=False, repr=False)

    def __post_init__(self) -> None:
        shapes = [(len(half), half.dim) for half in self._halves]
        if shapes[0] != shapes[1]:
            (texts, dim), (others, other) = shapes
            raise InputError(
                f"Both halves of a joint tower need the same texts and one width, got {texts:,} of dim {dim} for the "
                f"static and {others:,} of dim {other} for the frozen one."
            )

    @property
    def _halves(self) -> tuple[StaticTower, FrozenTower]:
        return self.static, self.frozen

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.static.dim

    @property
    def anchors(self) -> Tensor:
        """The rows that training knows the answers of (int64)."""
        return self.static.anchors

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether either half knows anything of a row's text."""
        known: npt.NDArray[np.bool_] = self.static.known | self.frozen.known
        return known

    def __len__(self) -> int:
        return len(self.static)

    def reading(self, texts: Iterable[str]) -> JointTower:
        """The same tower, its very tokens and head, over other texts."""
        listed = list(texts)
        return JointTower(self.static.reading(listed), self.frozen.reading(listed))

    def knowing(self, anchors: Tensor) -> JointTower:
        """The same tower; the rows that training knows the answers of are these."""
        return JointTower(self.static.knowing(anchors), self.frozen.knowing(anchors))

    def apart(self) -> JointTower:
        """The same tower with tokens and a head of its own."""
        return self.mapped(torch.clone)

    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """The vectors of these rows' texts."""
        return unit(self.static.encode(rows) + self.frozen.encode(rows))[0]

    def encode_texts(self, texts: Iterable[str]) -> Tensor:
        """The vectors of any texts (float32, n x dim); opens the encoder."""
        listed = list(texts)
        return unit(self.static.encode_texts(listed) + self.frozen.encode_texts(listed))[0]

    def nearest_anchors(self, vectors: Tensor, n: int = 1) -> tuple[Tensor, Tensor]:
        """The anchor nearest to each vector: its row (int64, -1 for a vector of zeros), and the mean of n."""
        made_of = [table.rows for table in self.tables()]
        return self._anchored.nearest(vectors, self.encode, self.anchors, made_of, n)

    def forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """The vectors of these rows' texts, some features and entries left out, and the way back to both halves."""
        sums, back = self.sums(rows, noise)
        vectors, lengths = unit(sums)
        return vectors, lambda gradient: back(across(gradient, vectors, lengths))

    def sums(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """As `forward`, before the sums of both halves' unit vectors are put on the sphere."""
        (static, to_static), (frozen, to_frozen) = (half.sums(rows, noise) for half in self._halves)
        (one, one_length), (other, other_length) = unit(static), unit(frozen)

        def back(gradient: Tensor) -> list[Pulled]:
            return [
                *to_static(across(gradient, one, one_length)),
                *to_frozen(across(gradient, other, other_length)),
            ]

        return one + other, back

    def tables(self) -> list[Table]:
        """The features' vectors and the head, each moving as in a tower by itself."""
        return [table for half in self._halves for table in half.tables()]

    def tensors(self) -> dict[str, Tensor]:
        """Those of both halves under their own names; the "anchors" are one."""
        return {**self.frozen.tensors(), **self.static.tensors()}

    def settings(self) -> dict[str, Any]:
        """What it is, and the settings of both halves."""
        return {"kind": "joint", "static": self.static.settings(), "frozen": self.frozen.settings()}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> JointTower:
        """The same with other tokens and another head."""
        return JointTower(self.static.mapped(change), self.frozen.mapped(change))
