"""Text towers of trainable token vectors: the weighted sum of a text's features, on the unit sphere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from torch import Tensor

from rootward.csr import expand, offsets_of
from rootward.encoders.features import Bags, Floats, Ints, LateBags, Vocabulary
from rootward.encoders.towers import Anchored, Pull, Pulled, Table, TextTower, check_drop, on_rows
from rootward.errors import InputError

_TINY = 1e-12
_ENCODED = 4_096  # texts at a time


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
    def of(cls, given: Bags | LateBags, texts: Ints, drop: float, noise: np.random.Generator | None) -> _Sums:
        """The sums of these texts' features, a share of them left out at random."""
        bags, texts = given.holding(texts)
        place, index = expand(bags.offsets, texts)
        if drop and noise is not None:
            kept = _survivors(place, len(texts), drop, noise)
            place, index = place[kept], index[kept]
        offsets = offsets_of(np.bincount(place, minlength=len(texts)))
        return cls(offsets, bags.features[index], bags.weights[index])

    def forward(self, table: Tensor) -> Tensor:
        """The sums (texts x width)."""
        return _bagged(table, self.offsets, self.columns, self.weights)

    def back(self, gradient: Tensor, table: Tensor) -> Pulled:
        """The gradient of the sums (texts x width), brought back to the table."""
        shape = (len(self.offsets) - 1, len(table))
        turned = csr_array((self.weights, self.columns, self.offsets), shape=shape).tocsc()
        sizes = np.diff(turned.indptr)
        used = np.flatnonzero(sizes)
        offsets, places = offsets_of(sizes[used]), turned.indices.astype(np.int64)
        return Pulled(table, torch.from_numpy(used).to(table.device), _bagged(gradient, offsets, places, turned.data))


def _bagged(table: Tensor, offsets: Ints, rows: Ints, weights: Floats) -> Tensor:
    """Several times as quick as a product with a sparse matrix of torch's."""
    entries, starts, factors = (torch.from_numpy(part).to(table.device) for part in (rows, offsets, weights))
    return torch.nn.functional.embedding_bag(
        entries, table, starts, mode="sum", per_sample_weights=factors, include_last_offset=True
    )


@dataclass(frozen=True, eq=False)
class StaticTower:
    """A vector for every feature, and for a text the normalised sum of those of its features, weighted by idf.

    What two texts share they share in their vectors, so words that training never saw are understood by their parts.
    A text of which no feature is known has the zero vector.

    Attributes:
        vocabulary: the features.
        tokens: float32, features x dim; the very tensor that training changes.
        bags: the texts of the tower's rows.
        anchors: int64, the rows that training knows the answers of; what else is asked is near some of them.
        drop: share of the features of a text that each step of training leaves out at random.
    """

    vocabulary: Vocabulary
    tokens: Tensor
    bags: Bags | LateBags = field(repr=False)
    anchors: Tensor = field(repr=False)
    drop: float
    _anchored: Anchored = field(default_factory=Anchored, init=False, repr=False)

    def __post_init__(self) -> None:
        check_drop(self.drop, "features")
        if self.tokens.shape[0] != len(self.vocabulary):
            raise InputError(f"{len(self.vocabulary):,} features need as many vectors, got {len(self.tokens):,}.")

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.tokens.shape[1]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether anything of a row's text is known."""
        return self.bags.known

    def reading(self, texts: Iterable[str]) -> StaticTower:
        """The same tower, its very tokens, over other texts."""
        return replace(self, bags=self.vocabulary.bags_of_rows(texts))

    def __len__(self) -> int:
        return len(self.bags)

    def knowing(self, anchors: Tensor) -> StaticTower:
        """The same tower; the rows that training knows the answers of are these."""
        return replace(self, anchors=anchors)

    def apart(self) -> StaticTower:
        """The same tower with tokens of its own."""
        return self.mapped(torch.clone)

    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """The vectors of these rows' texts."""
        return self._encoded(self.bags, on_rows(self, rows))

    def encode_texts(self, texts: Iterable[str]) -> Tensor:
        """The vectors of any texts (float32, n x dim), those that training never saw among them."""
        bags = self.vocabulary.bags(texts)
        return self._encoded(bags, np.arange(len(bags)))

    def nearest_anchors(self, vectors: Tensor, n: int = 1) -> tuple[Tensor, Tensor]:
        """The anchor nearest to each vector: its row (int64, -1 for a vector of zeros), and the mean of n."""
        return self._anchored.nearest(vectors, self.encode, self.anchors, [self.tokens], n)

    def forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """The vectors of these rows' texts with some features left out, and the way back to the features' vectors."""
        sums, back = self.sums(rows, noise)
        vectors, lengths = unit(sums)
        return vectors, lambda gradient: back(across(gradient, vectors, lengths))

    def sums(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Pull]:
        """As `forward`, before the sums are put on the sphere."""
        sums = _Sums.of(self.bags, rows.cpu().numpy(), self.drop, noise)
        return sums.forward(self.tokens), lambda gradient: [sums.back(gradient, self.tokens)]

    def tables(self) -> list[Table]:
        """The features' vectors, whose lengths say how much each counts."""
        return [Table(self.tokens, unit=False)]

    def tensors(self) -> dict[str, Tensor]:
        """The features, "tokens", with their "hashes" and "idf"; and the "anchors"."""
        features = {"tokens": self.tokens, "hashes": self.vocabulary.hashes, "idf": self.vocabulary.idf}
        return {**features, "anchors": self.anchors}

    def settings(self) -> dict[str, Any]:
        """What it is, its features and its dropout."""
        return {"kind": "static", "grams": asdict(self.vocabulary.grams), "drop": self.drop}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> StaticTower:
        """The same with other vectors; the vocabulary stays where it is."""
        return replace(self, tokens=change(self.tokens))

    def _encoded(self, bags: Bags | LateBags, texts: Ints) -> Tensor:
        out = self.tokens.new_zeros(len(texts), self.dim)
        for start in range(0, len(texts), _ENCODED):
            part = _Sums.of(bags, texts[start : start + _ENCODED], 0.0, None)
            out[start : start + _ENCODED] = unit(part.forward(self.tokens))[0]
        return out


def _survivors(place: Ints, n_texts: int, drop: float, noise: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which features stay; a text that would lose all of them keeps them."""
    kept: npt.NDArray[np.bool_] = noise.random(len(place), np.float32) >= drop
    lost_all = np.bincount(place, kept, n_texts) == 0
    kept |= lost_all[place]
    return kept


def unit(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The rows on the unit sphere, a row of zeros as it is, and their lengths before (n x 1)."""
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_min_(_TINY)
    return rows / lengths, lengths


def across(gradient: Tensor, vectors: Tensor, lengths: Tensor) -> Tensor:
    """The gradient of unit vectors, brought back to the rows before they were put on the sphere."""
    return (gradient - (gradient * vectors).sum(1, keepdim=True) * vectors) / lengths


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
