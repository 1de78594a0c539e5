"""Text towers of two halves trained as one: features of the text, and what an encoder knows of its meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rootward.encoders.frozen import FrozenTower
from rootward.encoders.static import StaticTower
from rootward.encoders.towers import (
    Backward,
    BaseTextTower,
    EncoderPart,
    SavedTower,
    StartOptions,
    Table,
    TokenTable,
    unit,
)
from rootward.errors import InputError
from rootward.ids import Rows


@dataclass(frozen=True, eq=False)
class JointTower(BaseTextTower):
    """A static and a frozen tower in equal shares: unit(unit(sum of features) + unit(head(encoder(text)))).

    Words that share n-grams with training texts are found by the one, words whose meaning the encoder knows by the
    other, and as both are trained at once in one space, each learns what the other leaves over. A text of which one
    half knows nothing has the vector of the other alone; one of which neither does, the zero vector.

    Attributes:
        static: vectors of features.
        frozen: an encoder that stays as it is, with a head; over the same texts, of the same width and anchors.
        anchors: those of both.

    Raises:
        InputError: halves of two widths, or over two numbers of texts.
    """

    kind: ClassVar[str] = "joint"
    has_features: ClassVar[bool] = True
    has_encoder: ClassVar[bool] = True
    static: StaticTower
    frozen: FrozenTower
    anchors: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        (texts, dim), (others, other) = [(len(half), half.dim) for half in (self.static, self.frozen)]
        if (texts, dim) != (others, other):
            raise InputError(
                f"Both halves of a joint tower need the same texts and one width, got {texts:,} of dim {dim} for the "
                f"static and {others:,} of dim {other} for the frozen one."
            )
        object.__setattr__(self, "anchors", self.static.anchors)

    @classmethod
    def start(cls, options: StartOptions, texts: Sequence[str], answered: Rows) -> JointTower:
        """Both halves as they start alone, so that each says half of where a text starts."""
        return cls(StaticTower.start(options, texts, answered), FrozenTower.start(options, texts, answered))

    @classmethod
    def restore(cls, saved: SavedTower) -> JointTower:
        """Both halves as saved."""
        static, frozen = (replace(saved, settings=saved.settings[half]) for half in ("static", "frozen"))
        return cls(StaticTower.restore(static), FrozenTower.restore(frozen))

    def tensors(self) -> dict[str, Tensor]:
        """Those of both halves under their own names; the "anchors" are one."""
        return {**self.frozen.tensors(), **self.static.tensors()}

    def settings(self) -> dict[str, Any]:
        """Its kind, and the settings of both halves."""
        return {"kind": self.kind, "static": self.static.settings(), "frozen": self.frozen.settings()}

    def __len__(self) -> int:
        return len(self.static)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether either half knows anything of a row's text."""
        known: npt.NDArray[np.bool_] = self.static.known | self.frozen.known
        return known

    @property
    def token_table(self) -> TokenTable:
        """That of the static half."""
        return self.static.token_table

    @property
    def encoder_part(self) -> EncoderPart:
        """That of the frozen half."""
        return self.frozen.encoder_part

    def _of_both(self, change: Callable[[BaseTextTower], Any]) -> JointTower:
        return JointTower(change(self.static), change(self.frozen))

    def with_texts(self, texts: Iterable[str]) -> JointTower:
        """The same tower, tokens and head over other texts."""
        listed = list(texts)
        return self._of_both(lambda half: half.with_texts(listed))

    def with_anchors(self, anchors: Tensor) -> JointTower:
        """The same tower; the rows that training knows the answers of are these (int64)."""
        return self._of_both(lambda half: half.with_anchors(anchors))

    def mapped(self, change: Callable[[Tensor], Tensor]) -> JointTower:
        """The same with other tokens and another head."""
        return self._of_both(lambda half: half.mapped(change))

    def encode_texts(self, texts: Iterable[str]) -> Tensor:
        """The vectors of any texts (float32, n x dim); opens the encoder, and keeps no outputs."""
        listed = list(texts)
        return unit(self.static.encode_texts(listed) + self.frozen.encode_texts(listed))[0]

    def tables(self) -> list[Table]:
        """The features' vectors and the head, each moving as in a tower by itself."""
        return [*self.static.tables(), *self.frozen.tables()]

    def raw_vectors(self, rows: Rows) -> Tensor:
        """The sum of both halves' unit vectors."""
        return self.static.encode(rows) + self.frozen.encode(rows)

    def raw_forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Backward]:
        """The sum with some features and entries left out, and the way back to both halves."""
        static, to_static = self.static.forward(rows, noise)
        frozen, to_frozen = self.frozen.forward(rows, noise)
        return static + frozen, lambda gradient: [*to_static(gradient), *to_frozen(gradient)]
