"""Text towers of trainable token vectors: the weighted sum of a text's features, on the unit sphere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from torch import Tensor

from rootward.csr import expand, offsets_of
from rootward.encoders.features import Bags, Floats, Grams, Ints, LateBags, Vocabulary
from rootward.encoders.towers import (
    Backward,
    BaseTextTower,
    SavedTower,
    StartOptions,
    Table,
    TableGradient,
    TokenTable,
    check_drop,
    random_directions,
)
from rootward.errors import InputError
from rootward.ids import Rows


@dataclass(frozen=True, eq=False)
class _Sums:
    """Weighted sums of rows of a table, one a text, and the way back: a sparse matrix in CSR.

    Attributes:
        offsets: int64, texts + 1.
        columns: int64, rows of the table.
        weights: float32, one a column.
    """

    offsets: Ints
    columns: Ints
    weights: Floats

    @classmethod
    def of(cls, bags: Bags | LateBags, texts: Ints, drop: float, noise: np.random.Generator | None) -> _Sums:
        """The sums of these texts' features, a share of them left out at random."""
        held, texts = bags.holding(texts)
        place, index = expand(held.offsets, texts)
        if drop and noise is not None:
            kept = noise.random(len(place), np.float32) >= drop
            kept |= (np.bincount(place, kept, len(texts)) == 0)[place]  # a text that would lose all keeps all
            place, index = place[kept], index[kept]
        offsets = offsets_of(np.bincount(place, minlength=len(texts)))
        return cls(offsets, held.features[index], held.weights[index])

    def forward(self, table: Tensor) -> Tensor:
        """The sums (texts x width)."""
        return _bagged(table, self.offsets, self.columns, self.weights)

    def backward(self, gradient: Tensor, table: Tensor) -> TableGradient:
        """The gradient of the sums (texts x width), brought back to the table."""
        shape = (len(self.offsets) - 1, len(table))
        turned = csr_array((self.weights, self.columns, self.offsets), shape=shape).tocsc()
        sizes = np.diff(turned.indptr)
        used = np.flatnonzero(sizes)
        offsets, places = offsets_of(sizes[used]), turned.indices.astype(np.int64)
        entries = _bagged(gradient, offsets, places, turned.data)
        return TableGradient(table, torch.from_numpy(used).to(table.device), entries)


def _bagged(table: Tensor, offsets: Ints, rows: Ints, weights: Floats) -> Tensor:
    """The weighted sums of rows of a table; several times as quick as torch's product with a sparse matrix."""
    entries, starts, factors = (torch.from_numpy(part).to(table.device) for part in (rows, offsets, weights))
    return torch.nn.functional.embedding_bag(
        entries, table, starts, mode="sum", per_sample_weights=factors, include_last_offset=True
    )


@dataclass(frozen=True, eq=False)
class StaticTower(BaseTextTower):
    """A vector for every feature, and for a text the normalised sum of those of its features, weighted by idf.

    Texts that share features have similar vectors, so words that training never saw are understood by their n-grams.
    A text of which no feature is known has the zero vector.

    Attributes:
        vocabulary: the features.
        tokens: float32, features x dim; training changes this tensor in place.
        bags: the texts of the tower's rows.
        anchors: int64, the rows that training knows the answers of.
        drop: share of the features of a text that each step of training leaves out at random.
    """

    kind: ClassVar[str] = "static"
    has_features: ClassVar[bool] = True
    vocabulary: Vocabulary
    tokens: Tensor
    bags: Bags | LateBags = field(repr=False)
    anchors: Tensor = field(repr=False)
    drop: float

    def __post_init__(self) -> None:
        check_drop(self.drop, "features")
        if self.tokens.shape[0] != len(self.vocabulary):
            raise InputError(f"{len(self.vocabulary):,} features need as many vectors, got {len(self.tokens):,}.")

    @classmethod
    def start(cls, options: StartOptions, texts: Sequence[str], answered: Rows) -> StaticTower:
        """Every feature a random direction, so that texts which share words are near each other from the start."""
        vocabulary = Vocabulary.of((texts[row] for row in answered), Grams(pairs=options.word_pairs))
        tokens = random_directions(options.seed, "tokens", len(vocabulary), options.dim)
        return cls(vocabulary, tokens, vocabulary.bags_of_rows(texts), torch.from_numpy(answered), options.drop)

    @classmethod
    def restore(cls, saved: SavedTower) -> StaticTower:
        """As saved; its features are found in the texts again."""
        hashes = saved.tensor("hashes")
        vocabulary = Vocabulary(Grams(**saved.settings["grams"]), hashes, saved.tensor("idf", len(hashes)))
        tokens, bags = saved.tensor("tokens", len(hashes)), vocabulary.bags_of_rows(saved.texts)
        return cls(vocabulary, tokens, bags, saved.tensor("anchors"), saved.settings["drop"])

    def tensors(self) -> dict[str, Tensor]:
        """The features, "tokens", with their "hashes" and "idf"; and the "anchors"."""
        features = {"tokens": self.tokens, "hashes": self.vocabulary.hashes, "idf": self.vocabulary.idf}
        return {**features, "anchors": self.anchors}

    def settings(self) -> dict[str, Any]:
        """Its kind, its features and its dropout."""
        return {"kind": self.kind, "grams": asdict(self.vocabulary.grams), "drop": self.drop}

    def __len__(self) -> int:
        return len(self.bags)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether any feature of a row's text is known."""
        return self.bags.known

    @property
    def token_table(self) -> TokenTable:
        """The features and their vectors."""
        return TokenTable(self.vocabulary, self.tokens)

    def with_texts(self, texts: Iterable[str]) -> StaticTower:
        """The same tower and tokens over other texts."""
        return replace(self, bags=self.vocabulary.bags_of_rows(texts))

    def mapped(self, change: Callable[[Tensor], Tensor]) -> StaticTower:
        """The same with other vectors; the vocabulary stays where it is."""
        return replace(self, tokens=change(self.tokens))

    def tables(self) -> list[Table]:
        """The features' vectors, whose lengths say how much each counts."""
        return [Table(self.tokens, unit=False)]

    def raw_vectors(self, rows: Rows) -> Tensor:
        """The weighted sums of these rows' features."""
        return _Sums.of(self.bags, rows, 0.0, None).forward(self.tokens)

    def raw_forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Backward]:
        """The sums with some features left out, and the way back to the features' vectors."""
        sums = _Sums.of(self.bags, rows.cpu().numpy(), self.drop, noise)
        return sums.forward(self.tokens), lambda gradient: [sums.backward(gradient, self.tokens)]
