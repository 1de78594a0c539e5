"""Text towers that are trained through and through: an encoder, its weights among the tables, and a head."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders.frozen import projected
from rootward.encoders.pretrained import Encoder, readable
from rootward.encoders.static import across, unit
from rootward.encoders.towers import Anchored, Pull, Pulled, Table, check_drop, on_rows
from rootward.errors import InputError
from rootward.ids import MappedIds
from rootward.texts import normal_form

Weights = Mapping[str, Tensor]
CHUNK = 64
"""Texts that pass through an encoder at a time; a batch of any size takes the memory of so many."""
ALIKE = 16
"""Texts of like length that are padded to one, where a processor would else work on padding."""
PACE = 1e-4
"""Step of an encoder's weight as a share of the stage's learning rate: 2e-5 of the default 0.2."""


def weights_of(encoder: Encoder) -> dict[str, Tensor]:
    """The weights of an encoder as matrices by name, copied; a vector is one row.

    Raises:
        InputError: an object that is no module of torch with the ways of sentence-transformers.
    """
    model = encoder.model
    if not (isinstance(model, torch.nn.Module) and callable(getattr(model, "preprocess", None))):
        raise InputError(
            f"The encoder {encoder.name!r} cannot be trained: needed is a sentence-transformers model, by name, by "
            "folder or as an object. tower='frozen' takes any object with encode(texts)."
        )
    return {name: _rows(each.detach().clone()) for name, each in model.named_parameters()}


def _rows(weight: Tensor) -> Tensor:
    return weight.reshape(len(weight), -1) if weight.ndim > 1 else weight.reshape(1, -1)


@dataclass(frozen=True, eq=False)
class FullTower:
    """A sentence encoder and a head, both trained: unit(head(encoder(text))).

    A batch of several chunks goes through the encoder one by one, and the vectors alone are kept; on the way back each
    chunk goes through once more, this time with what its gradient needs (gradient caching), so the loss sees the whole
    batch and the memory one chunk. The encoder's own dropout is off; some of its outputs' entries are left out instead.

    Attributes:
        encoder: what it was before training; also how texts become tokens.
        weights: float32 matrices by name, what training makes of the encoder's.
        head: as of `FrozenTower`.
        texts: of the tower's rows.
        anchors: int64, the rows that training knows the answers of.
        drop: share of the outputs' entries that each step of training leaves out at random.
        chunk: texts at a time.
        pace: see `PACE`.
    """

    encoder: Encoder
    weights: Weights = field(repr=False)
    head: tuple[Tensor, ...]
    texts: Sequence[str] = field(repr=False)
    anchors: Tensor = field(repr=False)
    drop: float
    chunk: int = CHUNK
    pace: float = PACE
    _anchored: Anchored = field(default_factory=Anchored, init=False, repr=False)

    def __post_init__(self) -> None:
        check_drop(self.drop, "entries")
        if self.chunk < 1 or not self.pace > 0:
            raise InputError(f"chunk must be at least 1 and pace above 0, got {self.chunk} and {self.pace}.")

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.head[-1].shape[1]

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether there is anything to read in a row's text."""
        return np.array([bool(normal_form(text)) for text in self.texts], np.bool_)

    def __len__(self) -> int:
        return len(self.texts)

    def reading(self, texts: Iterable[str]) -> FullTower:
        """The same tower, its very weights, over other texts."""
        return replace(self, texts=texts if isinstance(texts, MappedIds) else list(texts))

    def knowing(self, anchors: Tensor) -> FullTower:
        """The same tower; the rows that training knows the answers of are these."""
        return replace(self, anchors=anchors)

    def apart(self) -> FullTower:
        """The same tower with a head of its own; the encoder stays shared."""
        return replace(self, head=tuple(matrix.clone() for matrix in self.head))

    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """The vectors of these rows' texts."""
        wanted = on_rows(self, rows)
        out = self.head[0].new_zeros(len(wanted), self.dim)
        heard = torch.from_numpy(self.known[wanted])
        with torch.no_grad():
            for part in self._chunks(wanted):
                out[part] = unit(projected(self._outputs(wanted[part.numpy()], self.weights), self.head))[0]
        return torch.where(heard.to(out.device)[:, None], out, 0.0)

    def encode_texts(self, texts: Iterable[str]) -> Tensor:
        """The vectors of any texts (float32, n x dim)."""
        return self.reading(texts).encode()

    def nearest_anchors(self, vectors: Tensor, n: int = 1) -> tuple[Tensor, Tensor]:
        """The anchor nearest to each vector: its row (int64, -1 for a vector of zeros), and the mean of n."""
        return self._anchored.nearest(vectors, self.encode, self.anchors, [*self.weights.values(), *self.head], n)

    def forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """The vectors of these rows' texts with some entries left out, and the way back to encoder and head."""
        sums, back = self.sums(rows, noise)
        vectors, lengths = unit(sums)
        return vectors, lambda gradient: back(across(gradient, vectors, lengths))

    def sums(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """As `forward`, before the sums are put on the sphere."""
        wanted = rows.cpu().numpy()
        kept = noise.random((len(wanted), self.head[0].shape[0]), np.float32) >= self.drop
        mask = torch.from_numpy(kept & self.known[wanted][:, None]).to(self.head[0])
        parts = list(self._chunks(wanted))

        tables = [*self.weights.values(), *self.head]

        def made(part: Tensor, tables: Sequence[Tensor]) -> Tensor:
            weights, head = dict(zip(self.weights, tables, strict=False)), tuple(tables[len(self.weights) :])
            return projected(self._outputs(wanted[part.numpy()], weights) * mask[part], head).to(mask.dtype)

        def traced(part: Tensor) -> tuple[list[Tensor], Tensor]:
            with torch.enable_grad():
                leaves = [table.detach().requires_grad_() for table in tables]
                return leaves, made(part, leaves)

        kept_trace = traced(parts[0]) if len(parts) == 1 else None  # one chunk needs no second pass
        out = self.head[0].new_zeros(len(wanted), self.dim)
        with torch.no_grad():
            for part in parts:
                out[part] = made(part, tables) if kept_trace is None else kept_trace[1].detach()

        def back(gradient: Tensor) -> list[Pulled]:
            total: list[Tensor | None] = [None] * len(tables)
            for part in parts:
                leaves, again = traced(part) if kept_trace is None else kept_trace
                found = torch.autograd.grad(again, leaves, gradient[part], allow_unused=True)
                total = [_added(one, other) for one, other in zip(total, found, strict=True)]
            return [_pulled(table, each) for table, each in zip(tables, total, strict=True) if each is not None]

        return out, back

    def tables(self) -> list[Table]:
        """The encoder's weights and the head, each with its pace."""
        return [
            *(Table(rows, unit=False, rate=self.pace * rows.shape[1] ** 0.5) for rows in self.weights.values()),
            *(Table(matrix, unit=False, rate=len(matrix) ** -0.5) for matrix in self.head),
        ]

    def tensors(self) -> dict[str, Tensor]:
        """The "weights" by their names, the "head", with a hidden layer "head2"; and the "anchors"."""
        weights = {f"weights.{name}": rows for name, rows in self.weights.items()}
        return {**weights, **dict(zip(("head", "head2"), self.head, strict=False)), "anchors": self.anchors}

    def settings(self) -> dict[str, Any]:
        """What it is, the encoder that it began with, and how it is trained."""
        how = {"drop": self.drop, "chunk": self.chunk, "pace": self.pace}
        return {"kind": "full", **self.encoder.settings(), **how}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> FullTower:
        """The same with other weights and another head."""
        weights = {name: change(rows) for name, rows in self.weights.items()}
        return replace(self, weights=weights, head=tuple(change(matrix) for matrix in self.head))

    def _chunks(self, rows: npt.NDArray[np.int64]) -> Iterator[Tensor]:
        """Places of the rows, those of texts of like length together."""
        order = np.argsort([-len(self.texts[row]) for row in rows.tolist()], kind="stable")
        for start in range(0, len(rows), self.chunk):
            yield torch.from_numpy(order[start : start + self.chunk])

    def _outputs(self, rows: npt.NDArray[np.int64], weights: Weights) -> Tensor:
        """What the encoder makes of these rows' texts with these weights (float32, n x width)."""
        model, device = self.encoder.model, self.head[0].device
        if model.training:
            model.eval()
        if any(buffer.device != device for buffer in model.buffers()):
            model.to(device)
        shapes = {name: each.shape for name, each in model.named_parameters()}
        given = model.preprocess([readable(self.texts[row]) or "." for row in rows.tolist()])
        named = {name: weights[name].reshape(shape) for name, shape in shapes.items()}
        parts = _alike(given, len(rows)) if device.type == "cpu" else [(torch.arange(len(rows)), given)]
        made: list[Tensor] = []
        for _, part in parts:
            moved = {name: each.to(device) if isinstance(each, Tensor) else each for name, each in part.items()}
            made.append(torch.func.functional_call(model, named, (moved,))["sentence_embedding"])
        places = torch.argsort(torch.cat([place for place, _ in parts])).to(device)
        outputs = torch.cat(made)[places] if len(made) > 1 else made[0]
        return outputs.to(self.head[0].dtype)


def _alike(given: Mapping[str, Any], n: int) -> list[tuple[Tensor, Mapping[str, Any]]]:
    """Tokens of texts in parts of like length, each padded to its own longest, as (places, tokens).

    All in one part where that spares little, and where tokens are not as a Transformer of sentence-transformers has
    them, n x length with the padding behind.
    """
    mask = given.get("attention_mask")
    whole = [(torch.arange(n), given)]
    tensors = [each for each in given.values() if isinstance(each, Tensor)]
    if not isinstance(mask, Tensor) or mask.ndim != 2 or any(each.shape != mask.shape for each in tensors):
        return whole
    if bool((mask[:, :-1] < mask[:, 1:]).any()):
        return whole
    lengths = mask.sum(1)
    order = torch.argsort(lengths, stable=True, descending=True)
    places = [order[start : start + ALIKE] for start in range(0, n, ALIKE)]
    longest = [int(lengths[each].max()) for each in places]
    if sum(len(each) * length for each, length in zip(places, longest, strict=True)) > 0.9 * mask.numel():
        return whole
    return [(each, _cut(given, each, length)) for each, length in zip(places, longest, strict=True)]


def _cut(given: Mapping[str, Any], places: Tensor, length: int) -> Mapping[str, Any]:
    return {name: each[places, :length] if isinstance(each, Tensor) else each for name, each in given.items()}


def _added(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    return one if other is None else other if one is None else one.add_(other)


def _pulled(table: Tensor, gradient: Tensor) -> Pulled:
    """Rows without a gradient left out: of a table of tokens most are not in a batch."""
    touched = (gradient.amax(1) != 0) | (gradient.amin(1) != 0)  # twice as quick as any
    rows = touched.nonzero()[:, 0]
    return Pulled(table, rows, gradient if len(rows) == len(table) else gradient[rows])
