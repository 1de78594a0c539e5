"""Text towers on a frozen encoder: its outputs are read from a table, and a head is learnt on top of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders.pretrained import EncodedTexts, Encoder, cache_folder, encode_cached
from rootward.encoders.towers import (
    Backward,
    BaseTextTower,
    EncoderPart,
    Head,
    SavedTower,
    StartOptions,
    Table,
    check_drop,
    differentiated,
    named_head,
)
from rootward.errors import InputError
from rootward.ids import Rows
from rootward.rng import stream


def start_head(seed: int, width: int, dim: int, hidden: int | None = None) -> Head:
    """The matrices of a head at their start: orthonormal, so that what is near for the encoder is near here too."""
    sizes = [width, dim] if hidden is None else [width, hidden, dim]
    matrices = []
    for place, (n, m) in enumerate(pairwise(sizes)):
        drawn = stream(seed, "start", f"head {place}").standard_normal((max(n, m), min(n, m)))
        columns = np.linalg.qr(drawn)[0]
        # Of length 1 for a vector in general, whichever of the two sizes is larger.
        turned = (columns if n >= m else columns.T) * (max(n, m) / m) ** 0.5
        matrices.append(torch.from_numpy(np.ascontiguousarray(turned, np.float32)))
    return tuple(matrices)


def projected(outputs: Tensor, head: Sequence[Tensor]) -> Tensor:
    """An encoder's outputs through a head, before they are put on the sphere: one matrix, or two around a GELU."""
    for place, matrix in enumerate(head):
        outputs = (outputs if place == 0 else torch.nn.functional.gelu(outputs)) @ matrix
    return outputs


@dataclass(frozen=True, eq=False)
class FrozenTower(BaseTextTower):
    """A sentence encoder that stays as it is, and a head that training changes: unit(head(encoder(text))).

    The encoder reads each text once; after that a step of training costs a gather and a small product.
    A text without a letter or digit has the zero vector.

    Attributes:
        encoder: of texts that are not among the rows.
        head: float32 matrices, width x dim, or width x hidden and hidden x dim; what training changes.
        outputs: the encoder's, for the tower's rows.
        anchors: int64, the rows that training knows the answers of.
        drop: share of the outputs' entries that each step of training leaves out at random.
        cache: the folder that outputs are kept in, None for nowhere.
    """

    kind: ClassVar[str] = "frozen"
    has_encoder: ClassVar[bool] = True
    encoder: Encoder
    head: Head
    outputs: EncodedTexts = field(repr=False)
    anchors: Tensor = field(repr=False)
    drop: float
    cache: Path | None = None

    def __post_init__(self) -> None:
        check_drop(self.drop, "entries")
        if self.head[0].shape[0] != self.outputs.width:
            raise InputError(
                f"The encoder {self.encoder.name!r} gives {self.outputs.width} numbers a text, the head takes "
                f"{self.head[0].shape[0]}: it is another encoder than the head was made for."
            )

    @classmethod
    def start(cls, options: StartOptions, texts: Sequence[str], answered: Rows) -> FrozenTower:
        """The encoder's own neighbourhoods, turned and cut to `dim`."""
        encoder, cache = Encoder.of(options.encoder), cache_folder(options.cache)
        outputs = encode_cached(encoder, texts, cache, options.progress)
        head = start_head(options.seed, outputs.width, options.dim, options.hidden)
        return cls(encoder, head, outputs, torch.from_numpy(answered), options.drop, cache)

    @classmethod
    def restore(cls, saved: SavedTower) -> FrozenTower:
        """As saved; what is not kept in the cache any more is encoded again."""
        settings, options = saved.settings, saved.options
        encoder = Encoder.from_settings(settings, options.encoder, options.online)
        cache = options.cache if options.cache is not None else settings.get("cache")
        if options.cache is None and cache is not None and not os.access(cache, os.R_OK | os.W_OK | os.X_OK):
            cache = None  # of another machine, or deleted
        cache = cache_folder(cache)
        outputs = encode_cached(encoder, saved.texts, cache, options.progress)
        return cls(encoder, saved.head(), outputs, saved.tensor("anchors"), settings["drop"], cache)

    def tensors(self) -> dict[str, Tensor]:
        """The head as `named_head` names it, and the "anchors"."""
        return {**named_head(self.head), "anchors": self.anchors}

    def settings(self) -> dict[str, Any]:
        """Its kind, its encoder, its dropout, and where outputs are kept."""
        cache = None if self.cache is None else str(self.cache.absolute())
        return {"kind": self.kind, **self.encoder.settings(), "drop": self.drop, "cache": cache}

    def __len__(self) -> int:
        return len(self.outputs)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether there is anything to read in a row's text."""
        return self.outputs.known

    @property
    def encoder_part(self) -> EncoderPart:
        """The encoder and the head."""
        return EncoderPart(self.encoder, {}, self.head)

    def with_texts(self, texts: Iterable[str]) -> FrozenTower:
        """The same tower and head over other texts."""
        return replace(self, outputs=encode_cached(self.encoder, list(texts), self.cache))

    def mapped(self, change: Callable[[Tensor], Tensor]) -> FrozenTower:
        """The same with another head; the encoder's outputs stay where they are."""
        return replace(self, head=tuple(change(matrix) for matrix in self.head))

    def encode_texts(self, texts: Iterable[str]) -> Tensor:
        """The vectors of any texts (float32, n x dim); opens the encoder, and keeps no outputs."""
        listed = list(texts)
        return replace(self, cache=None).with_texts(listed).encode() if listed else self.encode([])

    def tables(self) -> list[Table]:
        """The head; a vector of length 1 is a sum over all of its rows, so each takes a smaller step."""
        return [Table(matrix, unit=False, rate=len(matrix) ** -0.5) for matrix in self.head]

    def raw_vectors(self, rows: Rows) -> Tensor:
        """The outputs of these rows through the head."""
        return projected(torch.from_numpy(self.outputs[rows]).to(self.head[0]), self.head)

    def raw_forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Backward]:
        """As `raw_vectors` with some entries left out, and the way back to the head."""
        outputs = self.outputs[rows.cpu().numpy()]
        if self.drop:
            outputs *= noise.random(outputs.shape, np.float32) >= self.drop
        entries = torch.from_numpy(outputs).to(self.head[0])
        return differentiated(self.head, lambda head: projected(entries, head).to(entries.dtype))
