"""Text towers that are fine-tuned end to end: an encoder, its weights among the tables, and a head."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders.frozen import projected, start_head
from rootward.encoders.pretrained import Encoder, readable
from rootward.encoders.towers import (
    Backward,
    BaseTextTower,
    EncoderPart,
    Head,
    SavedTower,
    StartOptions,
    Table,
    TableGradient,
    check_drop,
    named_head,
)
from rootward.errors import InputError
from rootward.ids import MappedIds, Rows
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
        InputError: an object that is no sentence-transformers model.
    """
    model = encoder.model
    if not (isinstance(model, torch.nn.Module) and callable(getattr(model, "preprocess", None))):
        raise InputError(
            f"The encoder {encoder.name!r} cannot be trained: needed is a sentence-transformers model, by name, by "
            "folder or as an object. tower='frozen' takes any object with encode(texts)."
        )
    copied = {name: each.detach().clone() for name, each in model.named_parameters()}
    return {name: each.reshape(len(each) if each.ndim > 1 else 1, -1) for name, each in copied.items()}


@dataclass(frozen=True, eq=False)
class FullTower(BaseTextTower):
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

    kind: ClassVar[str] = "full"
    has_encoder: ClassVar[bool] = True
    block: ClassVar[int] = sys.maxsize  # texts of like length are encoded together, wherever their rows are
    encoder: Encoder
    weights: Weights = field(repr=False)
    head: Head
    texts: Sequence[str] = field(repr=False)
    anchors: Tensor = field(repr=False)
    drop: float
    chunk: int = CHUNK
    pace: float = PACE

    def __post_init__(self) -> None:
        check_drop(self.drop, "entries")
        if self.chunk < 1 or not self.pace > 0:
            raise InputError(f"chunk must be at least 1 and pace above 0, got {self.chunk} and {self.pace}.")

    @classmethod
    def start(cls, options: StartOptions, texts: Sequence[str], answered: Rows) -> FullTower:
        """As a frozen one, with the encoder's weights as they are."""
        encoder, anchors = Encoder.of(options.encoder), torch.from_numpy(answered)
        weights, width = weights_of(encoder), encoder.encode(["a"]).shape[1]
        head = start_head(options.seed, width, options.dim, options.hidden)
        return cls(encoder, weights, head, texts, anchors, options.drop, options.chunk, options.pace)

    @classmethod
    def restore(cls, saved: SavedTower) -> FullTower:
        """As saved: the encoder is opened for how it reads, its weights are the saved ones."""
        encoder = Encoder.from_settings(saved.settings, saved.options.encoder, saved.options.online)
        weights = {name: saved.tensor(f"weights.{name}", len(rows)) for name, rows in weights_of(encoder).items()}
        how = {name: saved.settings[name] for name in ("drop", "chunk", "pace")}
        return cls(encoder, weights, saved.head(), saved.texts, saved.tensor("anchors"), **how)

    def tensors(self) -> dict[str, Tensor]:
        """The "weights" by their names, the head as `named_head` names it; and the "anchors"."""
        weights = {f"weights.{name}": rows for name, rows in self.weights.items()}
        return {**weights, **named_head(self.head), "anchors": self.anchors}

    def settings(self) -> dict[str, Any]:
        """Its kind, the encoder that it started with, and how it is trained."""
        how = {"drop": self.drop, "chunk": self.chunk, "pace": self.pace}
        return {"kind": self.kind, **self.encoder.settings(), **how}

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether there is anything to read in a row's text."""
        return np.array([bool(normal_form(text)) for text in self.texts], np.bool_)

    @property
    def encoder_part(self) -> EncoderPart:
        """The encoder with the weights that training gave it, and the head."""
        return EncoderPart(self.encoder, self.weights, self.head)

    def with_texts(self, texts: Iterable[str]) -> FullTower:
        """The same tower and weights over other texts."""
        return replace(self, texts=texts if isinstance(texts, MappedIds) else list(texts))

    def mapped(self, change: Callable[[Tensor], Tensor]) -> FullTower:
        """The same with other weights and another head."""
        weights = {name: change(rows) for name, rows in self.weights.items()}
        return replace(self, weights=weights, head=tuple(change(matrix) for matrix in self.head))

    def untied(self) -> FullTower:
        """The same tower with a head of its own; the encoder stays shared."""
        return replace(self, head=tuple(matrix.clone() for matrix in self.head))

    def tables(self) -> list[Table]:
        """The encoder's weights and the head, each with its pace."""
        return [
            *(Table(rows, unit=False, rate=self.pace * rows.shape[1] ** 0.5) for rows in self.weights.values()),
            *(Table(matrix, unit=False, rate=len(matrix) ** -0.5) for matrix in self.head),
        ]

    def raw_vectors(self, rows: Rows) -> Tensor:
        """The encoder's outputs for these rows through the head; zeros where there is nothing to read."""
        out = self.head[0].new_zeros(len(rows), self.dim)
        known = torch.from_numpy(self.known[rows]).to(out.device)
        with torch.no_grad():
            for chunk in self._chunks(rows):
                out[chunk] = projected(self._outputs(rows[chunk.numpy()], self.weights), self.head)
        return torch.where(known[:, None], out, 0.0)

    def raw_forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Backward]:
        """The outputs with some entries left out through the head, and the way back to encoder and head."""
        wanted = rows.cpu().numpy()
        kept = noise.random((len(wanted), self.head[0].shape[0]), np.float32) >= self.drop
        mask = torch.from_numpy(kept & self.known[wanted][:, None]).to(self.head[0])
        chunks = list(self._chunks(wanted))
        tables = [*self.weights.values(), *self.head]

        def made(chunk: Tensor, tables: Sequence[Tensor]) -> Tensor:
            weights, head = dict(zip(self.weights, tables, strict=False)), tuple(tables[len(self.weights) :])
            return projected(self._outputs(wanted[chunk.numpy()], weights) * mask[chunk], head).to(mask.dtype)

        def traced(chunk: Tensor) -> tuple[list[Tensor], Tensor]:
            with torch.enable_grad():
                leaves = [table.detach().requires_grad_() for table in tables]
                return leaves, made(chunk, leaves)

        only = traced(chunks[0]) if len(chunks) == 1 else None  # one chunk needs no second pass
        out = self.head[0].new_zeros(len(wanted), self.dim)
        with torch.no_grad():
            for chunk in chunks:
                out[chunk] = made(chunk, tables) if only is None else only[1].detach()

        def backward(gradient: Tensor) -> list[TableGradient]:
            total: list[Tensor | None] = [None] * len(tables)
            for chunk in chunks:
                leaves, vectors = traced(chunk) if only is None else only
                found = torch.autograd.grad(vectors, leaves, gradient[chunk], allow_unused=True)
                total = [a if b is None else b if a is None else a.add_(b) for a, b in zip(total, found, strict=True)]
            return [_of_rows_used(table, each) for table, each in zip(tables, total, strict=True) if each is not None]

        return out, backward

    def _chunks(self, rows: Rows) -> Iterator[Tensor]:
        """Places of the rows, those of texts of like length together."""
        order = np.argsort([-len(self.texts[row]) for row in rows.tolist()], kind="stable")
        for start in range(0, len(rows), self.chunk):
            yield torch.from_numpy(order[start : start + self.chunk])

    def _outputs(self, rows: Rows, weights: Weights) -> Tensor:
        """What the encoder makes of these rows' texts with these weights (float32, n x width)."""
        model, device = self.encoder.model, self.head[0].device
        if model.training:
            model.eval()
        if any(buffer.device != device for buffer in model.buffers()):
            model.to(device)
        shapes = {name: each.shape for name, each in model.named_parameters()}
        tokens = model.preprocess([readable(self.texts[row]) or "." for row in rows.tolist()])
        named = {name: weights[name].reshape(shape) for name, shape in shapes.items()}
        groups = alike(tokens, len(rows)) if device.type == "cpu" else [(torch.arange(len(rows)), tokens)]
        made: list[Tensor] = []
        for _, group in groups:
            moved = {name: each.to(device) if isinstance(each, Tensor) else each for name, each in group.items()}
            made.append(torch.func.functional_call(model, named, (moved,))["sentence_embedding"])
        places = torch.argsort(torch.cat([place for place, _ in groups])).to(device)
        outputs = torch.cat(made)[places] if len(made) > 1 else made[0]
        return outputs.to(self.head[0].dtype)


def alike(tokens: Mapping[str, Any], n: int) -> list[tuple[Tensor, Mapping[str, Any]]]:
    """Tokens of texts in groups of like length, each padded to its own longest, as (places, tokens).

    All in one group where that spares little, and where tokens are not as a Transformer of sentence-transformers has
    them, n x length with the padding behind.
    """
    mask = tokens.get("attention_mask")
    whole = [(torch.arange(n), tokens)]
    tensors = [each for each in tokens.values() if isinstance(each, Tensor)]
    if not isinstance(mask, Tensor) or mask.ndim != 2 or any(each.shape != mask.shape for each in tensors):
        return whole
    if bool((mask[:, :-1] < mask[:, 1:]).any()):
        return whole
    lengths = mask.sum(1)
    order = torch.argsort(lengths, stable=True, descending=True)
    groups = [(places, int(lengths[places].max())) for places in torch.split(order, ALIKE)]
    if sum(len(places) * longest for places, longest in groups) > 0.9 * mask.numel():
        return whole

    return [
        (places, {name: each[places, :n] if isinstance(each, Tensor) else each for name, each in tokens.items()})
        for places, n in groups
    ]


def _of_rows_used(table: Tensor, gradient: Tensor) -> TableGradient:
    """The gradient without rows of zeros: of a table of tokens most are not in a batch."""
    used = (gradient.amax(1) != 0) | (gradient.amin(1) != 0)  # twice as quick as any
    rows = used.nonzero()[:, 0]
    return TableGradient(table, rows, gradient if len(rows) == len(table) else gradient[rows])
