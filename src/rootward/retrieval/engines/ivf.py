"""FAISS inverted lists: documents in lists around centres, a query looks at the lists nearest to it.

With pairs, documents go to lists around the queries that they are relevant to instead (`lists.py`).
"""
# ruff: noqa: D102 (methods without a docstring are those of `Engine`)

from __future__ import annotations

import builtins
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rootward import rng
from rootward.csr import check_offsets
from rootward.errors import InputError
from rootward.files import atomic_write, reserve
from rootward.ids import check_rows
from rootward.retrieval.catalogue import Ancestors
from rootward.retrieval.engines import faiss_files
from rootward.retrieval.engines.engine import Engine, Found, Settings, Where, as_documents, as_queries, best_first
from rootward.retrieval.engines.exact import Exact
from rootward.retrieval.engines.faiss_files import best_of, faiss, flags_of, lengthened, selector
from rootward.retrieval.engines.lists import (
    CHEAP_SHARE,
    MAX_LISTS,
    MAX_OWN_LISTS,
    Assignment,
    Relevance,
    best_distinct,
    cost_around_documents,
    cost_around_queries,
    list_score_gap,
    nearby_lists,
    probe_counts,
    topmost,
)
from rootward.scoring import Floats, Ints

Matrix = npt.NDArray[np.float32]

POINTS_PER_LIST = 64
"""Training points of a centre at most; four times as many took four times as long and changed nothing."""

THRESHOLD_SPREAD = 0.01
"""`range` searches queries together when their thresholds differ by less than this share of the largest one."""


class Ivf(Engine):
    """Inverted lists over float32 vectors. Make one with `prepared`, or `load`.

    When documents are deleted or filtered out, proportionally more lists are probed.

    Attributes:
        lists: how many there are.
        dim: width of the vectors.
        effort: how many lists a search probes.
    """

    name = "ivf"
    exact = False
    durable = False

    finds_all = True
    """Whether a search that probes every list misses nothing."""

    def __init__(
        self, index: Any, effort: int = 1, assignment: Assignment | None = None, unlisted: Exact | None = None
    ) -> None:
        self._index = index
        self.lists, self.dim = int(index.nlist), int(index.d)  # needed in every search; reading them from FAISS is slow
        self._assignment = assignment
        self._unlisted = Exact(torch.empty(0, self.dim)) if unlisted is None else unlisted  # in no list, always scanned
        sizes = [(i, index.invlists.list_size(i)) for i in builtins.range(self.lists)]
        rows = [faiss().rev_swig_ptr(index.invlists.get_ids(i), size).copy() for i, size in sizes if size]
        held = np.concatenate([self._unlisted.rows, *rows])
        self._held = flags_of(held, int(held.max(initial=-1)) + 1)  # one a row: in a list, or unlisted
        self._n = int(np.count_nonzero(self._held))
        self._parameters: tuple[int, Any] = (0, None)  # probes and FAISS parameters of the last unfiltered search
        self.effort = effort

    @classmethod
    def prepared(
        cls, documents: Tensor, *, lists: int | None = None, seed: int = 0, relevance: Relevance | None = None
    ) -> Self:
        """An engine without documents, with lists learned from these.

        Args:
            documents: n x dim.
            relevance: relevant documents of queries; then lists are learned from queries, if the encoder finds their
                relevant documents. Documents added later stay unlisted, and are always scanned, until they are many.
            lists: how many; by default about 2 sqrt(n), as a power of two.
            seed: of the choice of first centres.

        Raises:
            InputError: no documents, or more lists than documents.
            MissingExtraError: FAISS is not installed.
        """
        n, dim = documents.shape
        if not n:
            raise InputError(f"The engine {cls.name!r} learns its lists from documents; there are none.")
        n_points = n if relevance is None else len(relevance.vectors)
        if lists is not None and not 1 <= lists <= n_points:
            points = "documents" if relevance is None else "queries with pairs"
            raise InputError(f"lists is a number from 1 to the {n_points:,} {points}, got {lists}.")
        vectors = as_queries(documents, dim)
        if relevance is None:
            index, assignment = cls._trained(vectors, lists or lists_for(n), seed), None
        else:
            index, assignment = cls._chosen_lists(relevance, vectors, lists, seed)
        if hasattr(index, "sq"):  # codes, of `IvfSq8`
            index.sq.train(vectors)
        return cls(index, assignment=assignment)

    @classmethod
    def _trained(cls, points: Matrix, lists: int, seed: int) -> Any:
        """Empty lists whose centres are trained on these points."""
        index = cls._empty(points.shape[1], lists)
        index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, POINTS_PER_LIST
        index.cp.seed = int(rng.stream(seed, cls.name, "lists").integers(2**31))
        index.train(points)
        return index

    @classmethod
    def _chosen_lists(
        cls, relevance: Relevance, documents: Matrix, lists: int | None, seed: int
    ) -> tuple[Any, Assignment | None]:
        """(empty lists around queries, their assignment); (lists around documents, None) where those cost less.

        The cost is the number of documents compared with a query times the copies of each in the index.
        """
        n, n_queries = len(documents), len(relevance.vectors)
        index = cls._trained(relevance.vectors.numpy(), lists or lists_for(min(n, n_queries)), seed)
        assignment: Assignment | None = Assignment.of(relevance, documents, index.quantizer)
        if relevance.sample is None:
            return index, assignment
        sample, target, best = relevance.sample.halves()[0], relevance.target, math.inf
        chosen = (index, assignment)
        for own in builtins.range(MAX_OWN_LISTS + 1):
            assignment = Assignment.of(relevance, documents, index.quantizer, own) if own else assignment
            assert assignment is not None
            compared = cost_around_queries(sample, target, index.quantizer, assignment)
            if compared * (1 + own) < best:
                best, chosen = compared * (1 + own), (index, assignment)
            if compared <= CHEAP_SHARE * n:
                return chosen  # the usual case
        other = cls._trained(documents, min(lists or lists_for(n), n), seed)
        cheaper = cost_around_documents(sample, target, other.quantizer, documents) < best
        return (other, None) if cheaper else chosen

    @staticmethod
    def _empty(dim: int, lists: int) -> Any:
        module = faiss()
        return module.IndexIVFFlat(module.IndexFlatIP(dim), dim, lists, module.METRIC_INNER_PRODUCT)

    @property
    def settings(self) -> dict[str, Any]:
        """How many lists are probed."""
        return {"probes": self.effort}

    @property
    def effort_name(self) -> str:
        """What the effort counts."""
        return f"probes of lists around {'documents' if self._assignment is None else 'queries'}"

    def efforts(self) -> list[int]:
        """Numbers of probes from one to all lists, each about 1.4 times the one before."""
        return probe_counts(self.lists)

    def count(self) -> int:
        return self._n

    def search(self, queries: Tensor, k: int, where: Where | None = None) -> Found:
        """The k best allowed documents in the probed lists; more lists are probed where these hold fewer than k."""
        vectors = as_queries(queries, self.dim)
        n_allowed, probes, chosen = self._selection(where)
        k = min(k, n_allowed)
        if not k or not len(vectors):
            return Found.empty(len(vectors))
        scores, rows = self._nearest(vectors, k, probes, chosen)
        unlisted = self._unlisted.search(torch.from_numpy(vectors), k, where) if len(self._unlisted.rows) else None
        needed = k if unlisted is None else k - int(unlisted.offsets[1])
        while probes < self.lists and needed > 0 and len(short := np.flatnonzero(rows[:, needed - 1] < 0)):
            probes = min(self.lists, 4 * probes)
            scores[short], rows[short] = self._nearest(vectors[short], k, probes, chosen)
        if unlisted is not None:
            both = [part.reshape(len(vectors), -1) for part in (unlisted.scores, unlisted.rows)]
            scores, rows = topmost(np.hstack([scores, both[0]]), np.hstack([rows, both[1]]), k)
        sort_ties_by_row(rows, scores)
        all_there = self.finds_all and probes >= self.lists
        return Found(np.arange(0, rows.size + 1, k), rows.ravel(), scores.ravel(), all_there)

    def range(
        self, queries: Tensor, thresholds: npt.NDArray[np.float32], where: Where | None = None, cap: int | None = None
    ) -> Found:
        """The allowed documents in the probed lists that score at least the threshold of their query."""
        vectors = as_queries(queries, self.dim)
        _, probes, chosen = self._selection(where)
        bounds = np.where(np.isnan(thresholds), np.inf, thresholds).astype(np.float32)
        unlisted = self._unlisted.range(torch.from_numpy(vectors), bounds, where)
        parts = [(unlisted.place, unlisted.rows, unlisted.scores)]
        for part in similar_thresholds(bounds):
            place, row, score = self._at_least(vectors[part], bounds[part], probes, chosen)
            kept = score >= bounds[part][place]
            parts.append((part[place[kept]], row[kept], score[kept]))
        return best_first(parts, len(vectors), exact=probes >= self.lists).capped(cap)

    def _selection(self, where: Where | None) -> tuple[int, int, Any]:
        """(number of allowed documents, lists to probe, FAISS selector with its bits or None)."""
        if where is None:
            return self._n, min(self.effort, self.lists), None
        allowed = self._held & flags_of(where.rows, len(self._held))
        n_allowed = int(np.count_nonzero(allowed))
        wider = math.ceil(self.effort * self.count() / max(1, n_allowed))
        return n_allowed, min(wider, self.lists), selector(allowed)

    def _search_parameters(self, probes: int, chosen: Any) -> Any:
        if chosen is not None:
            return faiss().SearchParametersIVF(nprobe=probes, sel=chosen[0])
        last = self._parameters
        if last[0] != probes:  # kept, as making them is slow; read once, as other threads may search too
            last = self._parameters = (probes, faiss().SearchParametersIVF(nprobe=probes))
        return last[1]

    def _nearest(self, vectors: Matrix, k: int, probes: int, chosen: Any) -> tuple[Floats, Ints]:
        """(scores, rows), n x k, best first; row -1 where there are fewer."""
        several = self._assignment is not None and probes > 1  # a document may be in several lists
        wide = k * min(probes, MAX_LISTS + MAX_OWN_LISTS) if several else k
        scores, rows = self._index.search(vectors, wide, params=self._search_parameters(probes, chosen))
        return best_distinct(scores, rows, k) if several else (scores, rows)

    def _at_least(self, vectors: Matrix, bounds: Floats, probes: int, chosen: Any) -> tuple[Ints, Ints, Floats]:
        """(place of the query, row, score) of every document that scores at least the lowest of these bounds."""
        below = float(np.nextafter(bounds.min(), np.float32(-np.inf)))  # FAISS returns scores above, not at, a bound
        parameters = self._search_parameters(probes, chosen)
        limits, scores, rows = self._index.range_search(vectors, below, params=parameters)
        place = np.repeat(np.arange(len(vectors)), np.diff(limits.astype(np.int64)))
        if self._assignment is not None and len(rows):
            _, once = np.unique(place * (int(rows.max()) + 1) + rows, return_index=True)
            place, rows, scores = place[once], rows[once], scores[once]
        return place, rows, scores

    def upsert(self, rows: npt.ArrayLike, vectors: Tensor, ancestors: Ancestors | None = None) -> None:
        new, documents = as_documents(rows, vectors, self.dim)
        self.delete(new)
        self._add(new, documents.float().numpy())
        self._held = lengthened(self._held, int(new.max(initial=-1)) + 1)
        self._held[new] = True
        self._n = int(np.count_nonzero(self._held))

    def _add(self, rows: Ints, vectors: Matrix) -> None:
        if self._assignment is None:
            self._index.add_with_ids(vectors, rows)
            return
        place, lists = self._assignment.lists_of(rows)
        faiss_files.add_to_lists(self._index, vectors[place], lists, rows[place])
        unlisted = np.setdiff1d(np.arange(len(rows)), place)
        self._unlisted.upsert(rows[unlisted], torch.from_numpy(vectors[unlisted]))

    def delete(self, rows: npt.ArrayLike) -> None:
        rows = np.asarray(rows, np.int64)
        gone = flags_of(rows[rows >= 0], len(self._held)) & self._held
        if gone.any():
            chosen, _bits = selector(gone)
            self._index.remove_ids(chosen)
            self._unlisted.delete(np.flatnonzero(gone))
            self._held[gone] = False
            self._n = int(np.count_nonzero(self._held))

    def commit(self) -> None:
        """Put documents that were added later into lists, once scanning them costs more than probing does.

        Each goes to the lists near its own vector, as near as documents of the pairs are to theirs. Those that would go
        to too many lists stay unlisted: these are always scanned.
        """
        if self._assignment is None:
            return
        later = np.flatnonzero(self._unlisted.rows >= len(self._assignment))
        if len(later) > self.effort * self._index.ntotal / self.lists:
            rows, vectors = self._unlisted.rows[later], self._unlisted.documents.numpy()[later]
            place, lists = nearby_lists(vectors, self._index.quantizer, list_score_gap(self._index))
            faiss_files.add_to_lists(self._index, vectors[place], lists, rows[place])
            self._unlisted.delete(rows[np.unique(place)])

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write a FAISS file; for lists around queries also the assignment and the unlisted documents."""
        files = [f"{self.name}-{mark}.faiss"]
        faiss_files.write(self._index, folder / files[0])
        if self._assignment is not None:
            files.append(f"{self.name}-{mark}.safetensors")
            arrays = {"offsets": self._assignment.offsets, "lists": self._assignment.lists, "rows": self._unlisted.rows}
            tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
            tensors["vectors"] = self._unlisted.documents.contiguous()
            atomic_write(folder / files[1], lambda path: save_file(tensors, path))
        return tuple(files)

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Self:
        assignment = unlisted = None
        if len(files) > 1:
            tensors = load_file(folder / files[1])
            assignment = Assignment(tensors["offsets"].numpy(), tensors["lists"].numpy())
            unlisted = Exact(tensors["vectors"], tensors["rows"].numpy())
        index = faiss_files.read(folder / files[0])
        if assignment is not None and unlisted is not None:
            check_offsets(assignment.offsets, len(assignment.lists), str(folder / files[1]))
            check_rows(folder / files[1], assignment.lists, index.nlist)
            if unlisted.dim != index.d:
                raise ValueError(f"{folder / files[1]} has vectors of another width")
        if not 1 <= settings["probes"] <= index.nlist:
            raise ValueError(f"probes must be 1 to {index.nlist}, got {settings['probes']}")
        return cls(index, settings["probes"], assignment, unlisted)


def lists_for(n: int) -> int:
    """Default number of lists for n documents: the power of two nearest to 2 sqrt(n), at least 8 documents a list."""
    return 1 << max(0, min(round(math.log2(2 * math.sqrt(n))), int(math.log2(max(1, n / 8)))))


def similar_thresholds(thresholds: Floats) -> Iterator[Ints]:
    """Groups of nearly equal thresholds (indices): one search with the lowest of a group finds little too much."""
    finite = np.clip(thresholds, -1e30, 1e30)
    width = THRESHOLD_SPREAD * float(np.abs(np.where(np.abs(finite) < 1e30, finite, 0)).max(initial=0)) or 1.0
    groups = np.floor(finite / width)
    for group in np.unique(groups):
        yield np.flatnonzero(groups == group)


def sort_ties_by_row(rows: Ints, scores: Floats) -> None:
    """Put the lower row first where scores next to each other are equal, in place."""
    tied = scores[:, 1:] == scores[:, :-1]
    if not np.count_nonzero(tied):  # three times as fast as any()
        return
    for i in np.flatnonzero(tied.any(axis=1)).tolist():
        order = np.lexsort((rows[i], -scores[i]))
        rows[i], scores[i] = rows[i][order], scores[i][order]


RESCORE_BYTES = 24 * 2**20
"""Float32 vectors that are read at a time to compute true scores."""


class IvfSq8(Ivf):
    """Inverted lists with 8-bit codes; what they find is scored again with float32 vectors.

    Codes cover the range of the documents that the engine was prepared with. A document added later that lies far
    outside is still found by `range`, but may be missed by `search`: build again when documents have changed much.

    Attributes:
        vectors: the float32 vectors; in memory until the first `save`, mapped from its file afterwards.
        error: largest norm of a vector minus its decoded code. Scores by codes are off by at most this times the
            query's norm, so `range` misses nothing that the probed lists hold.
    """

    name = "ivf-sq8"
    finds_all = False  # the best may score too low by their codes to be scored again

    def __init__(
        self, index: Any, effort: int = 1, assignment: Assignment | None = None, unlisted: Exact | None = None
    ) -> None:
        super().__init__(index, effort, assignment, unlisted)
        self.error, self.vectors = 0.0, Vectors(np.empty((0, self.dim), np.float32), np.empty(0, np.int64))

    @staticmethod
    def _empty(dim: int, lists: int) -> Any:
        module = faiss()
        kind = module.ScalarQuantizer.QT_8bit
        centres, product = module.IndexFlatIP(dim), module.METRIC_INNER_PRODUCT
        # Codes of the vectors, not of their difference to a centre: then one error bound holds for all lists.
        return module.IndexIVFScalarQuantizer(centres, dim, lists, kind, product, False)

    @property
    def settings(self) -> dict[str, Any]:
        """How many lists are probed, and the error of the codes."""
        return {"probes": self.effort, "error": self.error}

    @staticmethod
    def candidates(k: int) -> int:
        """How many of the best by their codes are scored again, for the k best."""
        return k + k // 2 + 8

    def _nearest(self, vectors: Matrix, k: int, probes: int, chosen: Any) -> tuple[Floats, Ints]:
        _, rows = super()._nearest(vectors, self.candidates(k), probes, chosen)
        whole = self.vectors.whole
        if whole is not None:
            return best_of(vectors, whole, rows, k)
        there = rows >= 0
        scores = np.full(rows.shape, -np.inf, np.float32)
        scores[there] = self._scores(vectors, np.nonzero(there)[0], rows[there])
        return topmost(scores, rows, k)

    def _at_least(self, vectors: Matrix, bounds: Floats, probes: int, chosen: Any) -> tuple[Ints, Ints, Floats]:
        slack = np.float32(1.001 * self.error) * np.linalg.norm(vectors, axis=1)
        place, rows, _ = super()._at_least(vectors, bounds - slack, probes, chosen)
        return place, rows, self._scores(vectors, place, rows)

    def _scores(self, vectors: Matrix, place: Ints, rows: Ints) -> Matrix:
        """The true score of each row with the query at its place."""
        scores = np.empty(len(rows), np.float32)
        size = max(1, RESCORE_BYTES // (4 * self.dim))
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
        super().delete(rows)
        self.vectors.drop(np.asarray(rows, np.int64))

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write a FAISS file and the vectors, which are mapped from there afterwards."""
        file = f"{self.name}-{mark}.npy"
        self.vectors = self.vectors.saved(folder / file)
        return (file, *super().save(folder, mark))

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Self:
        engine = super().load(folder, files[1:], settings)
        engine.error = settings["error"]
        engine.vectors = Vectors.load(folder / files[0], np.flatnonzero(engine._held))
        return engine


class Vectors:
    """Row vectors: a read-only matrix mapped from a file, and one in memory that grows.

    Args:
        mapped: n x dim.
        rows: int64, n, ascending.
    """

    def __init__(self, mapped: Matrix, rows: Ints) -> None:
        self._mapped, self._fresh = mapped, np.empty((0, mapped.shape[1]), np.float32)
        self._n = 0  # used places: first those of the file, then those in memory
        self._place = np.empty(0, np.int64)  # of each row; -1 where it has no vector
        self._in_place = True  # every row is at its own number
        self._append(rows)

    @property
    def whole(self) -> Matrix | None:
        """The matrix that has the vector of row i at i, for all rows; None where there is no such matrix."""
        if not self._in_place or (len(self._mapped) and len(self._fresh)):
            return None
        return self._fresh if len(self._fresh) else self._mapped

    def put(self, rows: Ints, vectors: Matrix) -> None:
        """Set the vectors of these rows, new or not; ascending."""
        start = self._n - len(self._mapped)
        self._append(rows)
        self._fresh = lengthened(self._fresh, start + len(rows))
        self._fresh[start : start + len(rows)] = vectors

    def _append(self, rows: Ints) -> None:
        """Use the next places for these rows."""
        self._place = lengthened(self._place, int(rows.max(initial=-1)) + 1, fill=-1)
        places = np.arange(self._n, self._n + len(rows))
        self._place[rows] = places
        self._in_place = self._in_place and np.array_equal(rows, places)
        self._n += len(rows)

    def drop(self, rows: Ints) -> None:
        """Forget these rows."""
        self._place[rows[rows < len(self._place)]] = -1

    def take(self, rows: Ints) -> Matrix:
        """The vectors of these rows, len(rows) x dim; every one must be there."""
        if self.whole is not None:
            return np.take(self.whole, rows, axis=0)
        place, n_mapped = self._place[rows], len(self._mapped)
        out = np.empty((len(rows), self._mapped.shape[1]), np.float32)
        mapped = place < n_mapped
        out[mapped] = self._mapped[place[mapped]]
        out[~mapped] = self._fresh[place[~mapped] - n_mapped]
        return out

    def saved(self, path: Path, block: int = 1 << 16) -> Vectors:
        """Write the vectors in ascending order of their rows; the same vectors, mapped from that file."""
        rows = np.flatnonzero(self._place >= 0)

        def write(temporary: Path) -> None:
            shape = len(rows), self._mapped.shape[1]
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
            reserve(temporary, header.tell() + 4 * shape[0] * shape[1])  # a full disk is an error here, not a signal
            with temporary.open("r+b") as file:
                file.write(header.getvalue())
            out = np.memmap(temporary, np.float32, "r+", header.tell(), shape) if len(rows) else np.empty(shape)
            for start in range(0, len(rows), block):
                out[start : start + block] = self.take(rows[start : start + block])
            if isinstance(out, np.memmap):
                out.flush()

        atomic_write(path, write)
        return Vectors.load(path, rows)

    @classmethod
    def load(cls, path: Path, rows: Ints) -> Vectors:
        """What `saved` wrote, mapped; `rows` ascending, as many as the file has."""
        mapped = np.asarray(np.load(path, mmap_mode="r" if len(rows) else None))
        if mapped.dtype != np.float32 or mapped.ndim != 2 or len(mapped) != len(rows):
            raise ValueError(f"{path} must hold {len(rows):,} float32 vectors, got {mapped.dtype} {mapped.shape}")
        return cls(mapped, rows)
