"""Towers: what turns the rows of one side into vectors; the protocol, and the base classes that most share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeGuard, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders.features import Vocabulary
from rootward.encoders.pretrained import Encoder
from rootward.errors import InputError, RunFolderError
from rootward.ids import Rows
from rootward.rng import stream


class Table(NamedTuple):
    """A matrix that training changes, row by row.

    Attributes:
        rows: float32, n x width; changed in place.
        unit: whether every row lives on the unit sphere.
        rate: its learning rate as a share of the stage's, which suits vectors on the sphere; a vector that is a sum of
            many rows moves by the sum of their steps.
    """

    rows: Tensor
    unit: bool
    rate: float = 1.0


class TableGradient(NamedTuple):
    """The gradient of some rows of a table.

    Attributes:
        table: the tensor itself; towers that share a table have the same one.
        rows: int64, unique: the rows that were used.
        gradient: float32, len(rows) x width.
    """

    table: Tensor
    rows: Tensor
    gradient: Tensor


Head = tuple[Tensor, ...]
Backward = Callable[[Tensor], list[TableGradient]]
"""From the gradient of the vectors (n x dim) to that of the tables they were made of, each table at most once."""


class Tower(Protocol):
    """One side of a dual encoder. Whatever has these members can be a tower, be trained, saved and searched.

    `forward` and `encode` are what it does; the other members say what it is made of.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """Width of the vectors."""

    @abstractmethod
    def __len__(self) -> int:
        """How many rows it has a vector for."""

    @abstractmethod
    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """Vectors of these rows (float32, len(rows) x dim), of all rows when none are named."""

    @abstractmethod
    def forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Backward]:
        """Vectors of these rows (int64, unique) for a step of training, and the way back.

        Args:
            rows: of a batch.
            noise: of this step and side alone, for what is dropped at random in training.
        """

    @abstractmethod
    def tables(self) -> list[Table]:
        """What training changes."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What has to be saved to have this tower back, by name; its tables are among them."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What else has to be known, JSON values only; "kind" says which tower it is."""

    @abstractmethod
    def mapped(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same tower on other tensors: each one put through `change`, such as to copy it to a device."""


@runtime_checkable
class TextTower(Tower, Protocol):
    """A tower that has a vector for any text, not for its own rows alone."""

    @property
    @abstractmethod
    def anchors(self) -> Tensor:
        """The rows that training knows the answers of (int64); other texts lean on the nearest of them."""

    @abstractmethod
    def encode_texts(self, texts: Iterable[str]) -> Tensor:
        """Vectors of any texts (float32, n x dim); zeros for a text that it cannot read."""

    @abstractmethod
    def nearest_anchors(self, vectors: Tensor, n: int = 1) -> tuple[Tensor, Tensor]:
        """The nearest row that training knew the answers of (int64, -1 for a vector of zeros), and its own vector.

        With n above 1 the vector is the mean of the n nearest, the nearer the heavier.
        """


_READS: dict[type, bool] = {}


def reads_texts(tower: object) -> TypeGuard[TextTower]:
    """Whether this is a `TextTower`; kept for each class, because isinstance of a protocol takes 0.1 ms."""
    kind = type(tower)
    if kind not in _READS:
        _READS[kind] = isinstance(tower, TextTower)
    return _READS[kind]


_TINY = 1e-12
_COMPARED = 512  # vectors compared with all anchors at a time
_SHARPNESS = 40.0  # of several anchors, one that scores 0.1 less weighs a fiftieth; see docs/lab-log.md


def unit(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The rows on the unit sphere, a row of zeros as it is, and their lengths before (n x 1)."""
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True).clamp_min_(_TINY)
    return rows / lengths, lengths


def unit_backward(gradient: Tensor, vectors: Tensor, lengths: Tensor) -> Tensor:
    """The gradient of the rows before `unit`, from that of the unit vectors."""
    return (gradient - (gradient * vectors).sum(1, keepdim=True) * vectors) / lengths


def random_normal(seed: int, name: str, n: int, dim: int) -> Tensor:
    """Independent standard normal entries (float32, n x dim), from the stream of this name."""
    return torch.from_numpy(stream(seed, "start", name).standard_normal((n, dim), dtype=np.float32))


def random_directions(seed: int, name: str, n: int, dim: int) -> Tensor:
    """Independent random directions (unit rows, float32, n x dim), from the stream of this name."""
    vectors = random_normal(seed, name, n, dim)
    return torch.nn.functional.normalize(vectors, out=vectors)


def check_drop(drop: float, what: str) -> None:
    """Raise an InputError for a share of features or entries that cannot be left out of a step."""
    if not 0 <= drop < 1:
        raise InputError(f"drop is the share of {what} left out, at least 0 and below 1; got {drop}.")


def differentiated(tables: Sequence[Tensor], make: Callable[[list[Tensor]], Tensor]) -> tuple[Tensor, Backward]:
    """The vectors that `make` gives of the tables, and the way back by torch's automatic differentiation."""
    with torch.enable_grad():
        leaves = [table.detach().requires_grad_() for table in tables]
        made = make(leaves)

    def backward(gradient: Tensor) -> list[TableGradient]:
        found = zip(tables, torch.autograd.grad(made, leaves, gradient, allow_unused=True), strict=True)
        return [
            TableGradient(table, torch.arange(len(table), device=table.device), each)
            for table, each in found
            if each is not None
        ]

    return made.detach(), backward


def sum_by_table(gradients: Sequence[TableGradient]) -> list[TableGradient]:
    """One gradient a table where several towers share it, added up row by row; the others as they are."""
    merged: dict[int, TableGradient] = {}
    for each in gradients:
        other = merged.get(id(each.table))
        if other is None:
            merged[id(each.table)] = each
        elif torch.equal(other.rows, each.rows):
            merged[id(each.table)] = other._replace(gradient=other.gradient + each.gradient)
        else:
            rows, where = torch.unique(torch.cat([other.rows, each.rows]), return_inverse=True)
            total = each.gradient.new_zeros(len(rows), each.gradient.shape[1])
            total.index_add_(0, where, torch.cat([other.gradient, each.gradient]))
            merged[id(each.table)] = TableGradient(each.table, rows, total)
    return list(merged.values())


class BaseTower(Tower):
    """What towers with vectors on the unit sphere share; a subclass has the raw vectors, before they are put there.

    Attributes:
        block: rows that are encoded at a time.
    """

    block: ClassVar[int] = 4_096

    @abstractmethod
    def raw_vectors(self, rows: Rows) -> Tensor:
        """Vectors of these rows (len(rows) x dim), of any length."""

    @abstractmethod
    def raw_forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Backward]:
        """As `forward`, before the vectors are put on the unit sphere."""

    @property
    def dim(self) -> int:
        """Width of the vectors: that of the last table."""
        return self.tables()[-1].rows.shape[1]

    def encode(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """The vectors of these rows, of all when none are named."""
        wanted = np.arange(len(self)) if rows is None else np.asarray(rows, np.int64).reshape(-1)
        out = self.tables()[-1].rows.new_zeros(len(wanted), self.dim)
        for start in range(0, len(wanted), self.block):
            out[start : start + self.block] = unit(self.raw_vectors(wanted[start : start + self.block]))[0]
        return out

    def forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Backward]:
        """The vectors of these rows for a step of training, and the way back to the tables."""
        raw, backward = self.raw_forward(rows, noise)
        vectors, lengths = unit(raw)
        return vectors, lambda gradient: backward(unit_backward(gradient, vectors, lengths))


@dataclass(frozen=True)
class StartOptions:
    """How a text tower starts; every field as `DualEncoder.text` takes it."""

    dim: int
    drop: float
    seed: int
    word_pairs: bool
    encoder: Any
    hidden: int | None
    cache: str | Path | None
    progress: bool
    chunk: int
    pace: float


@dataclass(frozen=True)
class LoadOptions:
    """Overrides for loading a tower on an encoder; every field as `DualEncoder.load` takes it."""

    encoder: Any = None
    cache: str | Path | None = None
    progress: bool = False
    online: bool = False


@dataclass(frozen=True)
class SavedTower:
    """What there is to load a tower from.

    Attributes:
        side: "queries" or "documents".
        settings: of the tower.
        tensors: of the whole model, by name.
        texts: of the tower's rows.
        options: of the user.
    """

    side: str
    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    texts: Sequence[str]
    options: LoadOptions

    def tensor(self, name: str | None = None, rows: int | None = None) -> Tensor:
        """The tensor that a tower has saved by this name, the side's own without one.

        Raises:
            RunFolderError: it is missing or has other rows.
        """
        full = self.side if name is None else f"{self.side}.{name}"
        if full not in self.tensors or rows not in (None, len(self.tensors[full])):
            what = "ids" if name is None else "features"
            fitting = "" if rows is None else f" with one row for each of the {rows} {what}"
            raise RunFolderError(f"The model has no {full!r}{fitting}. Restore the run's files or train again.")
        return self.tensors[full]

    def head(self) -> Head:
        """The matrices of a head, saved by the names that `named_head` gives."""
        second = (self.tensor("head2"),) if f"{self.side}.head2" in self.tensors else ()
        return (self.tensor("head"), *second)


def named_head(head: Head) -> dict[str, Tensor]:
    """A head's matrices by the names that they are saved under: "head", and "head2" behind a hidden layer."""
    return dict(zip(("head", "head2"), head, strict=False))


class TokenTable(NamedTuple):
    """The features that a tower reads and their vectors (float32, features x dim)."""

    vocabulary: Vocabulary
    tokens: Tensor


class EncoderPart(NamedTuple):
    """The encoder that a tower reads with, its weights where training changes them, and the head on it."""

    encoder: Encoder
    weights: Mapping[str, Tensor]
    head: Head


class BaseTextTower(BaseTower):
    """A text tower of `DualEncoder.text`: a class is one kind, listed in `rootward.encoders.registry`.

    Subclasses are frozen dataclasses, so a changed tower is another tower on the same tables.

    Attributes:
        kind: its name in settings, in `DualEncoder.text` and on the command line.
        has_features, has_encoder: what it reads texts with; which options it takes follows from that.
        anchors: int64, the rows that training knows the answers of.
    """

    kind: ClassVar[str]
    has_features: ClassVar[bool] = False
    has_encoder: ClassVar[bool] = False
    anchors: Tensor

    @classmethod
    @abstractmethod
    def start(cls, options: StartOptions, texts: Sequence[str], answered: Rows) -> Self:
        """An untrained tower over these texts; `answered` are the rows that have pairs."""

    @classmethod
    @abstractmethod
    def restore(cls, saved: SavedTower) -> Self:
        """The tower as its `settings` and `tensors` were saved.

        Raises:
            RunFolderError: a tensor is missing or has other rows.
            InputError, MissingExtraError: an encoder that is needed and cannot be used.
        """

    @property
    @abstractmethod
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether there is anything to read in a row's text."""

    @property
    def token_table(self) -> TokenTable | None:
        """Its features and their vectors; None without any."""
        return None

    @property
    def encoder_part(self) -> EncoderPart | None:
        """Its encoder and head; None without any."""
        return None

    @abstractmethod
    def with_texts(self, texts: Iterable[str]) -> Self:
        """The same tower and tables over other texts."""

    def with_anchors(self, anchors: Tensor) -> Self:
        """The same tower; the rows that training knows the answers of are these (int64)."""
        return replace(self, anchors=anchors)  # type: ignore[type-var]  # subclasses are dataclasses

    def untied(self) -> Self:
        """The same tower with tables of its own where two towers differ, equal at the start."""
        return self.mapped(torch.clone)

    def encode_texts(self, texts: Iterable[str]) -> Tensor:
        """Vectors of any texts (float32, n x dim), those that training never saw among them."""
        return self.with_texts(list(texts)).encode()

    def nearest_anchors(self, vectors: Tensor, n: int = 1) -> tuple[Tensor, Tensor]:
        """As `TextTower` has it; the n nearest are weighted by softmax(40 inner product)."""
        known = self._anchor_vectors()
        if not len(known):
            return torch.full((len(vectors),), -1), torch.zeros_like(vectors)
        blocks = [(part @ known.T).topk(min(n, len(known))) for part in torch.split(vectors, _COMPARED)]
        scores, best = (torch.cat([block[i] for block in blocks]) for i in (0, 1))
        if n == 1:
            near = known[best[:, 0]]
        else:
            near = torch.einsum("qn,qnd->qd", torch.softmax(_SHARPNESS * scores, 1), known[best])
        something = vectors.any(1)
        rows = torch.where(something, self.anchors.to(best.device)[best[:, 0]], -1)
        return rows, torch.where(something[:, None], near, 0.0)

    def _anchor_vectors(self) -> Tensor:
        """The vectors of the anchors, kept until a table changes: a search would else encode all of them."""
        tables = [table.rows for table in self.tables()]
        versions = [-1 if rows.is_inference() else rows._version for rows in tables]
        kept: tuple[list[int], Tensor] | None = vars(self).get("_kept_anchors")
        if kept is None or kept[0] != versions or min(versions) < 0:
            kept = versions, self.encode(self.anchors.cpu().numpy())
            vars(self)["_kept_anchors"] = kept  # past the dataclass, which is frozen
        return kept[1]


@dataclass(frozen=True, eq=False)
class TiedTower(BaseTower):
    """The query tower's vector of a document's name, plus a vector of the document's own, on the unit sphere.

    Names are encoded with the tables of the query tower, so at the start a name is nearest to its document. The
    offsets learn what a document means beyond its name.

    Attributes:
        text: over the documents' names, its tables those of the query tower.
        offsets: float32, n x dim; what is added, zero at the start.
    """

    text: BaseTextTower
    offsets: Tensor

    def __post_init__(self) -> None:
        if self.offsets.shape != (len(self.text), self.text.dim):
            raise InputError(
                f"Offsets of shape {tuple(self.offsets.shape)} do not fit {len(self.text):,} texts of dim {self.dim}."
            )

    @classmethod
    def start(cls, text: BaseTextTower, random: Tensor) -> TiedTower:
        """Offsets of zero, and for documents whose name cannot be read a row of `random` (n x dim)."""
        silent = torch.from_numpy(~text.known)[:, None]
        return cls(text, torch.where(silent, random, torch.zeros(())))

    def __len__(self) -> int:
        return len(self.offsets)

    def raw_vectors(self, rows: Rows) -> Tensor:
        """The unit vectors of these documents' names, plus their offsets."""
        return self.text.encode(rows) + self.offsets[torch.from_numpy(rows)]

    def raw_forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Backward]:
        """As `raw_vectors`, and the way back to the offsets and to what read the names."""
        named, backward = self.text.forward(rows, noise)
        return named + self.offsets[rows], lambda gradient: [
            TableGradient(self.offsets, rows, gradient),
            *backward(gradient),
        ]

    def tables(self) -> list[Table]:
        """The offsets, and the tables that are the query tower's too."""
        return [Table(self.offsets, unit=False), *self.text.tables()]

    def tensors(self) -> dict[str, Tensor]:
        """The offsets, and what the text tower is made of."""
        return {"offsets": self.offsets, **self.text.tensors()}

    def settings(self) -> dict[str, Any]:
        """Its kind; the rest is the query tower's."""
        return {"kind": "tied"}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> TiedTower:
        """The same on other tensors; what is shared stays so if `change` gives one tensor one answer."""
        return TiedTower(self.text.mapped(change), change(self.offsets))


class OwnTower(BaseTower):
    """A base class for your own tower, in two methods: how many rows it has and what their vectors are.

    The way back is torch's automatic differentiation of `vectors`, so that may be anything torch can differentiate.
    Vectors are put on the unit sphere here.

    Attributes:
        weights: float32 matrices by name, what training changes. A row is what one input (or token, or channel) adds,
            and takes a step of its own.

    Raises:
        InputError: no weights, or one that is no float32 matrix.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        if not weights or any(each.ndim != 2 or each.dtype != torch.float32 for each in weights.values()):
            found = {name: f"{each.dtype} of shape {tuple(each.shape)}" for name, each in weights.items()}
            raise InputError(f"A tower's weights are float32 matrices by name; got {found or 'none'}.")
        self.weights = dict(weights)

    @abstractmethod
    def vectors(self, rows: Rows, weights: Mapping[str, Tensor]) -> Tensor:
        """The vectors of these rows (len(rows) x dim) with these weights, before they are put on the sphere."""

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.raw_vectors(np.arange(1)).shape[1]

    def raw_vectors(self, rows: Rows) -> Tensor:
        """The vectors of these rows with the weights as they are."""
        with torch.no_grad():
            return self.vectors(rows, self.weights)

    def raw_forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Backward]:
        """The vectors of these rows, and the way back to the weights."""
        wanted = rows.cpu().numpy()
        return differentiated(
            list(self.weights.values()),
            lambda leaves: self.vectors(wanted, dict(zip(self.weights, leaves, strict=True))).float(),
        )

    def tables(self) -> list[Table]:
        """The weights; a vector is a sum over many of their rows, so each takes a smaller step."""
        return [Table(each, unit=False, rate=len(each) ** -0.5) for each in self.weights.values()]

    def tensors(self) -> dict[str, Tensor]:
        """The weights."""
        return dict(self.weights)

    def settings(self) -> dict[str, Any]:
        """The class name; `DualEncoder.load` cannot load such a tower."""
        return {"kind": type(self).__qualname__}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same with other weights."""
        other = copy(self)
        other.weights = {name: change(each) for name, each in self.weights.items()}
        return other


@dataclass(eq=False)
class LookupTower:
    """A table of vectors, one a row; other queries have none.

    Attributes:
        vectors: float32, n x dim; training changes this tensor in place. float64 for constructions whose margin float32
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

    def forward(self, rows: Tensor, noise: np.random.Generator) -> tuple[Tensor, Backward]:
        """The rows of the table; their gradient is the table's."""
        return self.vectors[rows], lambda gradient: [TableGradient(self.vectors, rows, gradient)]

    def tables(self) -> list[Table]:
        """The one table."""
        return [Table(self.vectors, self.unit)]

    def tensors(self) -> dict[str, Tensor]:
        """The table, under the name "vectors"."""
        return {"vectors": self.vectors}

    def settings(self) -> dict[str, Any]:
        """Its kind, and whether its rows may have any length."""
        return {"kind": "lookup"} if self.unit else {"kind": "lookup", "unit": False}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> LookupTower:
        """The same on another tensor, which is not checked."""
        tower = copy(self)
        tower.vectors = change(self.vectors)
        return tower
