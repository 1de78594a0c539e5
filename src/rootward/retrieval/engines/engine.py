"""The engine protocol, and the engines by name: vectors in, rows and scores out.

Ids, thresholds and display order belong to the index. A new engine is a file in this folder and an entry in `ENGINES`;
`tests/retrieval/contract.py` tests it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.csr import offsets_of
from rootward.errors import InputError, did_you_mean
from rootward.retrieval.catalogue import Ancestors
from rootward.scoring import Floats, Ints, checked

Flags = npt.NDArray[np.bool_]
Settings = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Found:
    """Documents found for queries, as CSR: those of query i are entries offsets[i]:offsets[i + 1].

    Engines give them best first, equal scores in ascending row order.

    Attributes:
        offsets: int64, n_queries + 1.
        rows: int64 document rows.
        scores: one a row; true inner products, also of quantised engines.
        exact: whether nothing can be missing, other than where `truncated`.
        truncated: one a query, True where a limit (`cap`, or the engine's own) cut off documents; None without limit.
    """

    offsets: Ints
    rows: Ints
    scores: Floats
    exact: bool = True
    truncated: Flags | None = None

    @classmethod
    def empty(cls, n_queries: int, *, exact: bool = True) -> Found:
        """No documents for any query."""
        return cls(np.zeros(n_queries + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), exact)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def place(self) -> Ints:
        """Which query each entry belongs to (int64)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def take(self, order: npt.NDArray[np.integer[Any]]) -> Found:
        """The entries in another order, each within its query."""
        return replace(self, rows=self.rows[order], scores=self.scores[order])

    def only(self, kept: Flags) -> Found:
        """Without the entries that are False here."""
        sizes = np.bincount(self.place[kept], minlength=len(self))
        return replace(self, offsets=offsets_of(sizes), rows=self.rows[kept], scores=self.scores[kept])

    def among_first(self, k: int) -> Flags:
        """Whether each entry is one of the first k of its query."""
        flags: Flags = np.arange(len(self.rows)) - self.offsets[self.place] < k
        return flags

    def first(self, k: int) -> Found:
        """The first k entries of each query."""
        return self if np.diff(self.offsets).max(initial=0) <= k else self.only(self.among_first(k))

    def capped(self, cap: int | None) -> Found:
        """At most the first `cap` entries of each query, with `truncated` set where there were more."""
        if cap is None:
            return self
        cut = np.diff(self.offsets) > cap
        return replace(self.first(cap), truncated=cut if self.truncated is None else cut | self.truncated)


@dataclass(frozen=True)
class Condition:
    """A condition on a document's fields, for engines that store them: `field` is, or contains, one of `values`.

    "row" and "depth" are numbers; "ancestors" is the list of ancestor rows, the document itself included
    (`Ancestors`). So `Condition("ancestors", (17,))` means: is document 17 or below it.
    """

    field: Literal["row", "depth", "ancestors"]
    values: tuple[int, ...] | range


@dataclass(frozen=True, eq=False)
class Where:
    """Which documents may be found.

    Attributes:
        rows: int64, ascending: the allowed document rows.
        conditions: equivalent conditions, all of which must hold, for engines that store `Ancestors` and can send an
            expression in place of a long list; None where there are none.
    """

    rows: Ints
    conditions: tuple[Condition, ...] | None = None


class Engine(Protocol):
    """A way to search document vectors by inner product; higher is better. Documents are rows, integers from 0 up.

    Queries may be float32 vectors of the right width on any device. Exact engines put the lower row first where two
    documents score the same, and keep that one; others at least show them in this order. Engines may inherit from this
    class for its `commit` and `close`, which do nothing.
    """

    name: str
    """What `Index.build(engine=...)` calls it."""

    exact: bool
    """Whether every search is exact, with ties in row order; a single `Found` may be exact anyway."""

    durable: bool
    """Whether changes outlive this process without `save`, as a server's do."""

    dim: int
    """Width of the vectors."""

    @property
    def settings(self) -> dict[str, Any]:
        """What `load` needs besides the files, as JSON values. No passwords."""

    def count(self) -> int:
        """How many documents there are."""

    def search(self, queries: Tensor, k: int, where: Where | None = None) -> Found:
        """The k best allowed documents of each query; all of them where there are fewer."""

    def range(
        self, queries: Tensor, thresholds: npt.NDArray[np.float32], where: Where | None = None, cap: int | None = None
    ) -> Found:
        """The allowed documents that score at least the threshold of their query; with `cap` the best so many."""

    def upsert(self, rows: npt.ArrayLike, vectors: Tensor, ancestors: Ancestors | None = None) -> None:
        """Add documents, or replace those of the same rows.

        Args:
            rows: n different integers from 0 up.
            vectors: n x dim.
            ancestors: of these documents, in this order, for engines that store them; the others ignore it.

        Raises:
            InputError: another width, entries that are NaN or infinite, a row given twice. Nothing was changed then.
        """

    def delete(self, rows: npt.ArrayLike) -> None:
        """Remove documents. Unknown rows are ignored."""

    def commit(self) -> None:
        """Make all changes visible to later searches; where `durable`, also safe. Some are visible before."""
        return

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write a snapshot; return its file names, which contain `mark`, so that no earlier file is overwritten.

        Files are written atomically (`rootward.files`). A durable engine writes nothing and returns ().
        """

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Self:
        """The engine that `save` wrote, or that `settings` describe; the caller checks checksums."""

    def close(self) -> None:
        """Release memory and connections, if there are any; the engine is not used afterwards."""
        return


@runtime_checkable
class Tunable(Protocol):
    """An engine with a setting for effort against recall; `Index.build` finds the least effort for a recall."""

    effort: int
    """Probed lists, or the breadth of a graph search. May be set at any time."""

    @property
    def effort_name(self) -> str:
        """What the effort counts, for people: "probes of lists around queries", "efSearch"."""

    def efforts(self) -> list[int]:
        """Values to try, ascending; the last one is the greatest effort there is."""


@runtime_checkable
class Shared(Protocol):
    """An engine on a server, where other processes see its documents; it also stores which model they belong to."""

    def set_model(self, fingerprint: str) -> None:
        """Store the fingerprint of the model whose documents these are."""

    def check_complete(self, fingerprint: str, n: int | None = None) -> None:
        """Check that all documents of this model are there, and with `n` no others than rows 0 to n - 1.

        Raises:
            InputError: they are another model's, their load was cut off, or there are others.
        """

    def begin_load(self, fingerprint: str, n: int, ancestors: Ancestors | None) -> int:
        """Start loading n documents, or continue: how many of the first ones were acknowledged before.

        Raises:
            InputError: there is something else already.
        """

    def acknowledge(self, done: int) -> None:
        """Store that the first `done` documents are loaded."""

    def missing(self, n: int, batch: int) -> list[range]:
        """Batches of rows 0 to n - 1 that are not all there, once everything was committed.

        Raises:
            RootwardError: a row is there twice, or rows that are not among them.
        """

    def use_ancestors(self, ancestors: Ancestors | None) -> None:
        """Filter by conditions from now on, if the documents were loaded with these ancestors; else by rows."""


ENGINES = {
    "exact": "exact:Exact",
    "ivf": "ivf:Ivf",
    "ivf-sq8": "ivf:IvfSq8",
    "hnsw": "hnsw:Hnsw",
    "milvus": "milvus:Milvus",
}
"""Name to file and class. Each is imported when it is used, so that optional packages stay optional."""


def engine_class(name: str) -> Any:
    """The class of an engine: `prepared(documents, **options)` and `load(folder, files, settings)` make one.

    Raises:
        InputError: there is none of this name.
        MissingExtraError: its package is not installed.
    """
    if name not in ENGINES:
        known = [each for each in ENGINES if each != "milvus"]  # that one is chosen by uri=
        raise InputError(f"No engine {name!r}; there are {', '.join(map(repr, known))}.{did_you_mean(name, known)}")
    file, _, kind = ENGINES[name].partition(":")
    return getattr(import_module(f"rootward.retrieval.engines.{file}"), kind)


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Check that an engine takes these options.

    Raises:
        InputError: it does not, or there is no such engine.
    """
    known = [each for each in signature(engine_class(name).prepared).parameters if each not in _NO_OPTIONS]
    for option in options:
        if option not in known:
            takes = ", ".join(f"{each}=" for each in known) or "no options"
            raise InputError(f"The engine {name!r} takes {takes}; got {option}=.{did_you_mean(option, known)}")


_NO_OPTIONS = ("documents", "relevance")


def uses_relevance(name: str) -> bool:
    """Whether an engine can use the relevant documents of queries."""
    return "relevance" in signature(engine_class(name).prepared).parameters


LONGEST = {torch.float32: 1e15, torch.float64: 1e150}
"""The longest vector of each type: the product of two, and what engines add up of such, is a number of that type."""


def as_matrix(vectors: Any) -> Tensor:
    """What a user gives as vectors, as a tensor of numbers.

    Raises:
        InputError: it is none.
    """
    try:
        found = torch.as_tensor(vectors).detach()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        found = None
    if found is None or found.dtype == torch.bool or found.is_complex():
        raise InputError(f"Vectors are a matrix of numbers, a row each; got {type(vectors).__name__} that is none.")
    return found


def check_lengths(
    vectors: Tensor, ids: Sequence[str] | None = None, rows: Ints | None = None, what: str = "document"
) -> None:
    """Refuse vectors that are NaN, infinite, or so long that their scores are no numbers.

    Args:
        vectors: n x dim.
        ids: whose they are, to name the first one at fault; None names its row alone.
        rows: which of the ids each vector is of; None is one after the other.
        what: they are.

    Raises:
        InputError: there are some.
    """
    if vectors.ndim != 2:
        return
    most = LONGEST.get(vectors.dtype, LONGEST[torch.float32])
    wrong: list[int] = []
    for start in range(0, len(vectors), _LENGTHS):
        lengths = torch.linalg.vector_norm(vectors[start : start + _LENGTHS].double(), dim=1)
        wrong += (start + torch.nonzero(~(lengths <= most)).flatten()).tolist()
    if wrong:
        row = wrong[0]
        name = "" if ids is None else f" ({ids[row if rows is None else int(rows[row])]!r})"
        some = f"1 {what} vector has" if len(wrong) == 1 else f"{len(wrong):,} {what} vectors have"
        raise InputError(
            f"{some} entries that are NaN or infinite, or a length above {most:.0e}; the first is in row {row}{name}. "
            "Scores need finite numbers: make the vectors shorter, such as of length 1."
        )


_LENGTHS = 65_536  # vectors whose lengths are computed at a time


def as_queries(queries: Tensor, dim: int, dtype: torch.dtype = torch.float32) -> npt.NDArray[Any]:
    """Queries on the CPU, contiguous, in this type, as NumPy has them.

    Raises:
        InputError: another width, or entries that are NaN, infinite or huge.
    """
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise InputError(
            f"Queries must be a matrix with {dim} columns, as the documents have; got shape {tuple(queries.shape)}."
        )
    vectors = np.ascontiguousarray((queries if queries.dtype == dtype else queries.to(dtype)).numpy(force=True))
    # One product tells finite from not in a tenth of the time of a look at each entry.
    flat = vectors.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        squares = float(flat @ flat)
    if not squares <= LONGEST[dtype] ** 2:
        check_lengths(torch.from_numpy(vectors), what="query")
    return vectors


def as_documents(rows: npt.ArrayLike, vectors: Tensor, dim: int) -> tuple[Ints, Tensor]:
    """Rows (int64) and vectors on the CPU, in ascending order of the rows.

    Raises:
        InputError: not one row a vector, a row below 0 or given twice, another width, entries that are not finite.
    """
    numbers = np.asarray(rows, np.int64)
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise InputError(f"Documents must be a matrix with {dim} columns; got shape {tuple(vectors.shape)}.")
    if numbers.shape != (len(vectors),):
        raise InputError(f"{len(vectors):,} vectors need one row number each, got {numbers.size:,}.")
    _, vectors = checked(vectors[:0], vectors)
    check_lengths(vectors)
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    if len(numbers) and numbers[0] < 0:
        raise InputError(f"Rows are integers from 0 up, got {numbers[0]}.")
    if len(twice := np.flatnonzero(np.diff(numbers) == 0)):
        raise InputError(f"Row {numbers[twice[0]]} was given twice; a document has one vector.")
    return numbers, vectors[torch.from_numpy(order)]


def best_first(parts: Iterable[tuple[Ints, Ints, Floats]], n_queries: int, *, exact: bool) -> Found:
    """`Found` of loose entries in any order: arrays of (query, row, score), at least one part."""
    place, rows, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((rows, -scores, place))
    return Found(offsets_of(np.bincount(place, minlength=n_queries)), rows[order], scores[order], exact)
