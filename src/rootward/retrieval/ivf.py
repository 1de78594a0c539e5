"""FAISS inverted lists: documents in lists around centres, a query looks at the lists nearest to it.

`Ivf` keeps float32 vectors in its lists. `IvfSq8` keeps one byte a number there, a quarter of the memory, and scores
again with the float32 vectors, which are mapped from the saved file, so that a threshold means the same everywhere.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rootward import rng
from rootward.errors import InputError
from rootward.evaluation.blocks import Floats, Ints
from rootward.retrieval import faiss_files
from rootward.retrieval.engine import Found, Settings, Where, as_documents, as_queries, best_first
from rootward.retrieval.faiss_files import faiss, flags_of, grown, selector
from rootward.retrieval.lineage import Lineage
from rootward.retrieval.vectors import Matrix, Vectors

POINTS_A_LIST = 64
"""How many documents a centre is learned from, at most; four times as many cost four times the time for nothing."""

SPREAD = 0.01
"""Queries share a pass of `range` when their thresholds differ by less than this share of the largest one."""

RESCORED = 24 * 2**20
"""Bytes of float32 vectors that are fetched at a time to score again."""


class Ivf:
    """Inverted lists over float32 vectors. Make one with `prepared`, or `load`.

    Where documents are deleted or filtered out, as many more lists are probed as there are fewer documents in them.
    """

    name = "ivf"
    exact = False
    durable = False
    effort_name = "probes"

    def __init__(self, index: Any, effort: int = 1) -> None:
        self._index = index
        self._there = _present(index)
        self._plain: Any = None  # the parameters of the last search without a filter
        self.effort = effort

    @classmethod
    def prepared(cls, documents: Tensor, *, lists: int | None = None, seed: int = 0) -> Self:
        """An engine without documents, its lists placed for documents like these.

        Args:
            documents: n x dim.
            lists: how many; about 2 sqrt(n) unless given, as a power of two.
            seed: of the choice of first centres.

        Raises:
            InputError: no documents, or more lists than documents.
            MissingExtraError: FAISS is not installed.
        """
        n, dim = documents.shape
        if not n:
            raise InputError(f"The engine {cls.name!r} learns its lists from documents; there are none.")
        lists = lists_for(n) if lists is None else lists
        if not 1 <= lists <= n:
            raise InputError(f"lists is a number from 1 to the {n:,} documents, got {lists}.")
        index = cls._empty(dim, lists)
        index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, POINTS_A_LIST
        index.cp.seed = int(rng.stream(seed, cls.name, "lists").integers(2**31))
        index.train(as_queries(documents, dim).numpy())
        return cls(index)

    @staticmethod
    def _empty(dim: int, lists: int) -> Any:
        module = faiss()
        return module.IndexIVFFlat(module.IndexFlatIP(dim), dim, lists, module.METRIC_INNER_PRODUCT)

    # -- what it is --------------------------------------------------------------------------------------------

    @property
    def lists(self) -> int:
        """How many lists there are."""
        return int(self._index.nlist)

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self._index.d)

    @property
    def settings(self) -> dict[str, Any]:
        """How many lists are probed."""
        return {"probes": self.effort}

    def efforts(self) -> list[int]:
        """Numbers of probes from one to all lists, each about 1.4 times the one before."""
        steps = {round(2 ** (half / 2)) for half in builtins.range(2 * self.lists.bit_length() + 1)}
        return sorted({step for step in steps if step < self.lists} | {self.lists})

    def count(self) -> int:
        """How many documents there are."""
        return int(self._index.ntotal)

    # -- searching ---------------------------------------------------------------------------------------------

    def search(self, queries: Tensor, k: int, where: Where | None = None) -> Found:
        """The k best allowed documents that the probed lists hold; more lists where these hold fewer than k."""
        vectors = as_queries(queries, self.dim).numpy()
        n_allowed, probes, chosen = self._reach(where)
        k = min(k, n_allowed)
        if not k or not len(vectors):
            return Found(np.zeros(len(vectors) + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        scores, rows = self._nearest(vectors, k, probes, chosen)
        while probes < self.lists and len(short := np.flatnonzero(rows[:, -1] < 0)):
            probes = min(self.lists, 4 * probes)
            scores[short], rows[short] = self._nearest(vectors[short], k, probes, chosen)
        in_row_order(rows, scores)
        return Found(np.arange(len(vectors) + 1) * k, rows.ravel(), scores.ravel(), probes >= self.lists)

    def range(
        self, queries: Tensor, thresholds: npt.NDArray[np.float32], where: Where | None = None, cap: int | None = None
    ) -> Found:
        """The allowed documents in the probed lists that score at least the threshold of their query."""
        vectors = as_queries(queries, self.dim).numpy()
        _, probes, chosen = self._reach(where)
        bounds = np.where(np.isnan(thresholds), np.inf, thresholds).astype(np.float32)
        places, rows, scores = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        for part in alike(bounds):
            place, row, score = self._above(vectors[part], bounds[part], probes, chosen)
            kept = score >= bounds[part][place]
            places.append(part[place[kept]])
            rows.append(row[kept])
            scores.append(score[kept])
        loose = np.concatenate(places), np.concatenate(rows), np.concatenate(scores)
        return best_first(*loose, len(vectors), exact=probes >= self.lists).capped(cap)

    def _reach(self, where: Where | None) -> tuple[int, int, Any]:
        """(how many documents may be found, how many lists to probe, the selector with its bits)."""
        if where is None:
            return self.count(), min(self.effort, self.lists), None
        allowed = self._there & flags_of(where.rows, len(self._there))
        n_allowed = int(np.count_nonzero(allowed))
        wider = math.ceil(self.effort * self.count() / max(1, n_allowed))
        return n_allowed, min(wider, self.lists), selector(allowed)

    def _parameters(self, probes: int, chosen: Any) -> Any:
        if chosen is not None:
            return faiss().SearchParametersIVF(nprobe=probes, sel=chosen[0])
        if self._plain is None or self._plain.nprobe != probes:
            self._plain = faiss().SearchParametersIVF(nprobe=probes)
        return self._plain

    def _nearest(self, vectors: Matrix, k: int, probes: int, chosen: Any) -> tuple[Floats, Ints]:
        """(scores, rows) by falling score, n x k; -1 where there are fewer."""
        found: tuple[Floats, Ints] = self._index.search(vectors, k, params=self._parameters(probes, chosen))
        return found

    def _above(self, vectors: Matrix, bounds: Floats, probes: int, chosen: Any) -> tuple[Ints, Ints, Floats]:
        """(place of the query, row, score) of everything that reaches the lowest of these bounds."""
        below = float(np.nextafter(bounds.min(), np.float32(-np.inf)))  # FAISS wants more than, we at least
        parameters = self._parameters(probes, chosen)
        limits, scores, rows = self._index.range_search(vectors, below, params=parameters)
        return np.repeat(np.arange(len(vectors)), np.diff(limits.astype(np.int64))), rows, scores

    # -- changing ----------------------------------------------------------------------------------------------

    def upsert(self, rows: npt.ArrayLike, vectors: Tensor, lineage: Lineage | None = None) -> None:
        """Put in documents, in place of those of the same rows; see `Engine.upsert`."""
        new, documents = as_documents(rows, vectors, self.dim)
        self.delete(new)
        self._add(new, documents.float().numpy())
        self._there = grown(self._there, int(new.max(initial=-1)) + 1)
        self._there[new] = True

    def _add(self, rows: Ints, vectors: Matrix) -> None:
        self._index.add_with_ids(vectors, rows)

    def delete(self, rows: npt.ArrayLike) -> None:
        """Take out documents; rows that are not there are passed over."""
        named = np.asarray(rows, np.int64)
        named = named[(named >= 0) & (named < len(self._there))]
        named = named[self._there[named]]
        if len(named):
            chosen, _bits = selector(flags_of(named, len(self._there)))
            self._index.remove_ids(chosen)
            self._there[named] = False

    def commit(self) -> None:
        """Nothing is left to do: changes are seen at once."""

    # -- on disk -----------------------------------------------------------------------------------------------

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write a FAISS file."""
        file = f"{self.name}-{mark}.faiss"
        faiss_files.write(self._index, folder / file)
        return (file,)

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Self:
        """The engine that `save` wrote."""
        return cls(faiss_files.read(folder / files[0]), settings["probes"])

    def close(self) -> None:
        """Nothing is held but memory."""


class IvfSq8(Ivf):
    """Inverted lists of one byte a number; what they find is scored again with float32 vectors.

    The bytes cover the range of the documents that the engine was prepared with. One that is put in later and lies far
    outside is still found by `range`, but may be missed by `search`: build again when the documents have changed much.

    Attributes:
        vectors: the float32 vectors; in memory until the first `save`, mapped from its file afterwards.
        error: the greatest length of a vector minus its bytes' reading: no score is off by more than this times the
            query's length, so that `range` loses nothing that the probed lists hold.
    """

    name = "ivf-sq8"

    def __init__(self, index: Any, effort: int = 1, error: float = 0.0, vectors: Vectors | None = None) -> None:
        super().__init__(index, effort)
        self.error = error
        self.vectors = Vectors(self.dim) if vectors is None else vectors

    @staticmethod
    def _empty(dim: int, lists: int) -> Any:
        module = faiss()
        kind = module.ScalarQuantizer.QT_8bit
        centres, product = module.IndexFlatIP(dim), module.METRIC_INNER_PRODUCT
        # Bytes of the vectors themselves, not of their difference to a centre: then one error holds for all lists.
        return module.IndexIVFScalarQuantizer(centres, dim, lists, kind, product, False)

    @property
    def settings(self) -> dict[str, Any]:
        """How many lists are probed, and how far off the bytes are."""
        return {"probes": self.effort, "error": self.error}

    def _nearest(self, vectors: Matrix, k: int, probes: int, chosen: Any) -> tuple[Floats, Ints]:
        """The k best of half as many more, by true score."""
        _, rows = super()._nearest(vectors, min(k + k // 2 + 8, self.count()), probes, chosen)
        there = rows >= 0
        scores = np.full(rows.shape, -np.inf, np.float32)
        scores[there] = self._scores(vectors, np.nonzero(there)[0], rows[there])
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)

    def _above(self, vectors: Matrix, bounds: Floats, probes: int, chosen: Any) -> tuple[Ints, Ints, Floats]:
        slack = np.float32(1.001 * self.error) * np.linalg.norm(vectors, axis=1)
        place, rows, _ = super()._above(vectors, bounds - slack, probes, chosen)
        return place, rows, self._scores(vectors, place, rows)

    def _scores(self, vectors: Matrix, place: Ints, rows: Ints) -> Matrix:
        """The true score of each row with the query at its place."""
        scores = np.empty(len(rows), np.float32)
        size = max(1, RESCORED // (4 * self.dim))
        for start in builtins.range(0, len(rows), size):
            part = slice(start, start + size)
            np.einsum("ij,ij->i", vectors[place[part]], self.vectors.take(rows[part]), out=scores[part])
        return scores

    def _add(self, rows: Ints, vectors: Matrix) -> None:
        super()._add(rows, vectors)
        self.vectors.put(rows, vectors)
        codec = self._index.sq
        for start in builtins.range(0, len(rows), 1 << 16):
            part = vectors[start : start + (1 << 16)]
            off = np.linalg.norm(part - codec.decode(codec.compute_codes(part)), axis=1)
            self.error = max(self.error, float(off.max(initial=0.0)))

    def delete(self, rows: npt.ArrayLike) -> None:
        """Take out documents; rows that are not there are passed over."""
        super().delete(rows)
        self.vectors.drop(np.asarray(rows, np.int64))

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write a FAISS file and the vectors, which are mapped from there afterwards."""
        file = f"{self.name}-{mark}.npy"
        self.vectors.save(folder / file)
        return (*super().save(folder, mark), file)

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Self:
        """The engine that `save` wrote."""
        index = faiss_files.read(folder / files[0])
        vectors = Vectors.load(folder / files[1], np.flatnonzero(_present(index)), int(index.d))
        return cls(index, settings["probes"], settings["error"], vectors)


def lists_for(n: int) -> int:
    """How many lists suit n documents: the power of two nearest to 2 sqrt(n), with at least 8 documents a list."""
    return 1 << max(0, min(round(math.log2(2 * math.sqrt(n))), int(math.log2(max(1, n / 8)))))


def alike(thresholds: Floats) -> Iterator[Ints]:
    """Places of thresholds that are nearly equal, so that one pass with the lowest of them finds little too much."""
    finite = np.clip(thresholds, -1e30, 1e30)
    width = SPREAD * float(np.abs(np.where(np.abs(finite) < 1e30, finite, 0)).max(initial=0)) or 1.0
    groups = np.floor(finite / width)
    for group in np.unique(groups):
        yield np.flatnonzero(groups == group)


def in_row_order(rows: Ints, scores: Floats) -> None:
    """Put the lower row first where scores next to each other are equal, in place."""
    tied = scores[:, 1:] == scores[:, :-1]
    if not tied.any():
        return
    for i in np.flatnonzero(tied.any(axis=1)).tolist():
        order = np.lexsort((rows[i], -scores[i]))
        rows[i], scores[i] = rows[i][order], scores[i][order]


def _present(index: Any) -> npt.NDArray[np.bool_]:
    """One flag a row: whether the lists hold it."""
    lists = index.invlists
    held = [
        faiss().rev_swig_ptr(lists.get_ids(i), lists.list_size(i)).copy()
        for i in builtins.range(index.nlist)
        if lists.list_size(i)
    ]
    rows = np.concatenate([np.empty(0, np.int64), *held])
    return flags_of(rows, int(rows.max(initial=-1)) + 1)
