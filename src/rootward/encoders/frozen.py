"""Text towers on a frozen encoder: its outputs are read from a table, and a head is learnt on top of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders.pretrained import Encoder, Read, outputs_of
from rootward.encoders.static import across, unit
from rootward.encoders.towers import Anchored, Pull, Pulled, Table, check_drop, on_rows
from rootward.errors import InputError
from rootward.rng import stream

_ENCODED = 4_096  # rows at a time


def begin_head(seed: int, width: int, dim: int, hidden: int | None = None) -> tuple[Tensor, ...]:
    """The matrices of a head at their start: orthonormal, so that what is near for the encoder is near here too."""
    sizes = [width, dim] if hidden is None else [width, hidden, dim]
    return tuple(_orthonormal(seed, f"head {place}", *between) for place, between in enumerate(pairwise(sizes)))


def _orthonormal(seed: int, name: str, n: int, m: int) -> Tensor:
    drawn = stream(seed, "start", name).standard_normal((max(n, m), min(n, m)))
    columns = np.linalg.qr(drawn)[0]
    # Of length 1 for a vector in general, whichever of the two sizes is larger.
    turned = (columns if n >= m else columns.T) * (max(n, m) / m) ** 0.5
    return torch.from_numpy(np.ascontiguousarray(turned, np.float32))


def projected(outputs: Tensor, head: tuple[Tensor, ...]) -> Tensor:
    """What a head makes of an encoder's outputs, before it is put on the sphere: one matrix, or two around a GELU."""
    for place, matrix in enumerate(head):
        outputs = (outputs if place == 0 else torch.nn.functional.gelu(outputs)) @ matrix
    return outputs


@dataclass(frozen=True, eq=False)
class FrozenTower:
    """A sentence encoder that stays as it is, and a head that training changes: unit(head(encoder(text))).

    The encoder reads each text once; after that a step of training costs a gather and a small product.
    A text without a letter or digit has the zero vector.

    Attributes:
        encoder: of texts that are not among the rows.
        head: float32 matrices, width x dim, or width x hidden and hidden x dim; what training changes.
        read: the encoder's outputs for the tower's rows.
        anchors: int64, the rows that training knows the answers of.
        drop: share of the outputs' entries that each step of training leaves out at random.
        cache: the folder that outputs are kept in, None for nowhere.
    """

    encoder: Encoder
    head: tuple[Tensor, ...]
    read: Read = field(repr=False)
    anchors: Tensor = field(repr=False)
    drop: float
    cache: Path | None = None
    _anchored: Anchored = field(default_factory=Anchored, init=False, repr=False)

    def __post_init__(self) -> None:
        check_drop(self.drop, "entries")
        if self.head[0].shape[0] != self.read.width:
            raise InputError(
                f"The encoder {self.encoder.name!r} gives {self.read.width} numbers a text, the head takes "
                f"{self.head[0].shape[0]}: it is another encoder than the head was made for."
            )

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.head[-1].shape[1]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether there is anything to read in a row's text."""
        return self.read.known

    def __len__(self) -> int:
        return len(self.read)

    def reading(self, texts: Iterable[str]) -> FrozenTower:
        """The same tower, its very head, over other texts."""
        return replace(self, read=outputs_of(self.encoder, list(texts), self.cache))

    def knowing(self, anchors: Tensor) -> FrozenTower:
        """The same tower; the rows that training knows the answers of are these."""
        return replace(self, anchors=anchors)

    def apart(self) -> FrozenTower:
        """The same tower with a head of its own."""
        return self.mapped(torch.clone)

    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """The vectors of these rows' texts."""
        return self._encoded(self.read, on_rows(self, rows))

    def encode_texts(self, texts: Iterable[str]) -> Tensor:
        """The vectors of any texts (float32, n x dim); opens the encoder."""
        asked = list(texts)
        if not asked:
            return self.head[0].new_zeros(0, self.dim)
        return self._encoded(outputs_of(self.encoder, asked), np.arange(len(asked)))

    def nearest_anchors(self, vectors: Tensor, n: int = 1) -> tuple[Tensor, Tensor]:
        """The anchor nearest to each vector: its row (int64, -1 for a vector of zeros), and the mean of n."""
        return self._anchored.nearest(vectors, self.encode, self.anchors, self.head, n)

    def forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """The vectors of these rows' texts with some entries left out, and the way back to the head."""
        sums, back = self.sums(rows, noise)
        vectors, lengths = unit(sums)
        return vectors, lambda gradient: back(across(gradient, vectors, lengths))

    def sums(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """As `forward`, before the sums are put on the sphere."""
        outputs = self.read[rows.cpu().numpy()]
        if self.drop:
            outputs *= noise.random(outputs.shape, np.float32) >= self.drop
        entries = torch.from_numpy(outputs).to(self.head[0])
        with torch.enable_grad():
            head = tuple(matrix.detach().requires_grad_() for matrix in self.head)
            made = projected(entries, head).to(entries.dtype)

        def back(gradient: Tensor) -> list[Pulled]:
            gradients = torch.autograd.grad(made, head, gradient)
            return [Pulled(table, _all(table), each) for table, each in zip(self.head, gradients, strict=True)]

        return made.detach(), back

    def tables(self) -> list[Table]:
        """The head; a vector of length 1 is put together from all of its rows, so each takes a smaller step."""
        return [Table(matrix, unit=False, rate=len(matrix) ** -0.5) for matrix in self.head]

    def tensors(self) -> dict[str, Tensor]:
        """The "head", with a hidden layer what is behind it as "head2"; and the "anchors"."""
        names = ("head", "head2")
        return {**dict(zip(names, self.head, strict=False)), "anchors": self.anchors}

    def settings(self) -> dict[str, Any]:
        """What it is, its encoder, its dropout, and where outputs are kept."""
        cache = None if self.cache is None else str(self.cache.absolute())
        return {"kind": "frozen", **self.encoder.settings(), "drop": self.drop, "cache": cache}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> FrozenTower:
        """The same with another head; the encoder's outputs stay where they are."""
        return replace(self, head=tuple(change(matrix) for matrix in self.head))

    def _encoded(self, read: Read, rows: npt.NDArray[np.int64]) -> Tensor:
        out = self.head[0].new_zeros(len(rows), self.dim)
        for start in range(0, len(rows), _ENCODED):
            entries = torch.from_numpy(read[rows[start : start + _ENCODED]]).to(self.head[0])
            out[start : start + _ENCODED] = unit(projected(entries, self.head))[0]
        return out


def _all(table: Tensor) -> Tensor:
    return torch.arange(len(table), device=table.device)
