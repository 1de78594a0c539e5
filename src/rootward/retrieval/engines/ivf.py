"""FAISS inverted lists: documents in lists around centres, a query looks at the lists nearest to it.

Where it is known which queries want which documents, the lists stand around queries instead (`demand.py`).
"""

from __future__ import annotations

import builtins
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
from rootward.errors import InputError
from rootward.files import atomic_write
from rootward.retrieval.catalogue import Ancestors
from rootward.retrieval.engines import faiss_files
from rootward.retrieval.engines.engine import Found, Settings, Where, as_documents, as_queries, best_first
from rootward.retrieval.engines.exact import Exact
from rootward.retrieval.engines.faiss_files import best_of, faiss, flags_of, grown, selector
from rootward.retrieval.engines.lists import (
    FEW,
    MOST_LISTS,
    MOST_OWN,
    Demand,
    Plan,
    around_documents,
    around_queries,
    distinct,
    pointed_at,
    reach,
    steps,
    topmost,
)
from rootward.scoring import Floats, Ints

POINTS_A_LIST = 64
"""How many documents a centre is learned from, at most; four times as many cost four times the time for nothing."""

SPREAD = 0.01
"""Queries share a pass of `range` when their thresholds differ by less than this share of the largest one."""


class Ivf:
    """Inverted lists over float32 vectors. Make one with `prepared`, or `load`.

    Where documents are deleted or filtered out, as many more lists are probed as there are fewer documents in them.

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

    def __init__(self, index: Any, effort: int = 1, plan: Plan | None = None, apart: Exact | None = None) -> None:
        self._index = index
        self.lists, self.dim = int(index.nlist), int(index.d)  # asked for in every search, and FAISS answers slowly
        self._plan = plan
        self._apart = Exact(torch.empty(0, self.dim)) if apart is None else apart  # in no list, always scanned
        self._there = _present(index, self._apart.rows)
        self._n = int(np.count_nonzero(self._there))
        self._plain: tuple[int, Any] = (0, None)  # probes and parameters of the last search without a filter
        self.effort = effort

    @classmethod
    def prepared(
        cls, documents: Tensor, *, lists: int | None = None, seed: int = 0, demand: Demand | None = None
    ) -> Self:
        """An engine without documents, its lists placed for documents like these.

        Args:
            documents: n x dim.
            demand: which queries want which of them; then lists stand around queries, if the encoder finds what they
                want, and documents that come later are kept apart and always scanned until they are many.
            lists: how many; about 2 sqrt(n) unless given, as a power of two.
            seed: of the choice of first centres.

        Raises:
            InputError: no documents, or more lists than documents.
            MissingExtraError: FAISS is not installed.
        """
        n, dim = documents.shape
        if not n:
            raise InputError(f"The engine {cls.name!r} learns its lists from documents; there are none.")
        n_points = n if demand is None else len(demand.vectors)
        if lists is not None and not 1 <= lists <= n_points:
            points = "documents" if demand is None else "queries with pairs"
            raise InputError(f"lists is a number from 1 to the {n_points:,} {points}, got {lists}.")
        vectors = as_queries(documents, dim)
        if demand is None:
            index, plan = cls._around(vectors, lists or lists_for(n), seed), None
        else:
            index, plan = cls._placed(demand, vectors, lists, seed)
        cls._learn(index, vectors)
        return cls(index, plan=plan)

    @classmethod
    def _around(cls, points: Matrix, lists: int, seed: int) -> Any:
        """Empty lists, their centres among these points."""
        index = cls._empty(points.shape[1], lists)
        index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, POINTS_A_LIST
        index.cp.seed = int(rng.stream(seed, cls.name, "lists").integers(2**31))
        index.train(points)
        return index

    @classmethod
    def _placed(cls, demand: Demand, documents: Matrix, lists: int | None, seed: int) -> tuple[Any, Plan | None]:
        """Lists around queries and who stands in which; lists around documents, and None, where these pay better.

        What pays is few documents looked at, times how often the index holds each.
        """
        n, n_queries = len(documents), len(demand.vectors)
        index = cls._around(demand.vectors.numpy(), lists or lists_for(min(n, n_queries)), seed)
        plan: Plan | None = Plan.of(demand, documents, index.quantizer)
        if demand.sample is None:
            return index, plan
        sample, target, best = demand.sample.halves()[0], demand.target, math.inf
        chosen = (index, plan)
        for own in builtins.range(MOST_OWN + 1):
            plan = Plan.of(demand, documents, index.quantizer, own) if own else plan
            assert plan is not None
            looked_at = around_queries(sample, target, index.quantizer, plan)
            if looked_at * (1 + own) < best:
                best, chosen = looked_at * (1 + own), (index, plan)
            if looked_at <= FEW * n:
                return chosen  # at once, in the ordinary case
        other = cls._around(documents, min(lists or lists_for(n), n), seed)
        pays = around_documents(sample, target, other.quantizer, documents) < best
        return (other, None) if pays else chosen

    @staticmethod
    def _learn(index: Any, documents: Matrix) -> None:
        """Whatever is learned from the documents, though the lists may stand around queries."""

    @staticmethod
    def _empty(dim: int, lists: int) -> Any:
        module = faiss()
        return module.IndexIVFFlat(module.IndexFlatIP(dim), dim, lists, module.METRIC_INNER_PRODUCT)

    # -- what it is --------------------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """How many lists are probed."""
        return {"probes": self.effort}

    @property
    def effort_name(self) -> str:
        """What a search probes."""
        return f"probes of lists around {'documents' if self._plan is None else 'queries'}"

    def efforts(self) -> list[int]:
        """Numbers of probes from one to all lists, each about 1.4 times the one before."""
        return steps(self.lists)

    def count(self) -> int:
        """How many documents there are."""
        return self._n

    # -- searching ---------------------------------------------------------------------------------------------

    def search(self, queries: Tensor, k: int, where: Where | None = None) -> Found:
        """The k best allowed documents that the probed lists hold; more lists where these hold fewer than k."""
        vectors = as_queries(queries, self.dim)
        n_allowed, probes, chosen = self._reach(where)
        k = min(k, n_allowed)
        if not k or not len(vectors):
            return Found(np.zeros(len(vectors) + 1, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        scores, rows = self._nearest(vectors, k, probes, chosen)
        apart = self._apart.search(torch.from_numpy(vectors), k, where) if len(self._apart.rows) else None
        needed = k if apart is None else k - int(apart.offsets[1])
        while probes < self.lists and needed > 0 and len(short := np.flatnonzero(rows[:, needed - 1] < 0)):
            probes = min(self.lists, 4 * probes)
            scores[short], rows[short] = self._nearest(vectors[short], k, probes, chosen)
        if apart is not None:
            both = [part.reshape(len(vectors), -1) for part in (apart.scores, apart.rows)]
            scores, rows = topmost(np.hstack([scores, both[0]]), np.hstack([rows, both[1]]), k)
        in_row_order(rows, scores)
        all_there = self.finds_all and probes >= self.lists
        return Found(np.arange(0, rows.size + 1, k), rows.ravel(), scores.ravel(), all_there)

    def range(
        self, queries: Tensor, thresholds: npt.NDArray[np.float32], where: Where | None = None, cap: int | None = None
    ) -> Found:
        """The allowed documents in the probed lists that score at least the threshold of their query."""
        vectors = as_queries(queries, self.dim)
        _, probes, chosen = self._reach(where)
        bounds = np.where(np.isnan(thresholds), np.inf, thresholds).astype(np.float32)
        places, rows, scores = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        for part in alike(bounds):
            place, row, score = self._above(vectors[part], bounds[part], probes, chosen)
            kept = score >= bounds[part][place]
            places.append(part[place[kept]])
            rows.append(row[kept])
            scores.append(score[kept])
        apart = self._apart.range(torch.from_numpy(vectors), bounds, where)
        place = np.concatenate([*places, apart.place])
        row, score = np.concatenate([*rows, apart.rows]), np.concatenate([*scores, apart.scores])
        return best_first(place, row, score, len(vectors), exact=probes >= self.lists).capped(cap)

    def _reach(self, where: Where | None) -> tuple[int, int, Any]:
        """(how many documents may be found, how many lists to probe, the selector with its bits)."""
        if where is None:
            return self._n, min(self.effort, self.lists), None
        allowed = self._there & flags_of(where.rows, len(self._there))
        n_allowed = int(np.count_nonzero(allowed))
        wider = math.ceil(self.effort * self.count() / max(1, n_allowed))
        return n_allowed, min(wider, self.lists), selector(allowed)

    def _parameters(self, probes: int, chosen: Any) -> Any:
        if chosen is not None:
            return faiss().SearchParametersIVF(nprobe=probes, sel=chosen[0])
        if self._plain[0] != probes:  # remembered here, as FAISS answers slowly
            self._plain = (probes, faiss().SearchParametersIVF(nprobe=probes))
        return self._plain[1]

    def _nearest(self, vectors: Matrix, k: int, probes: int, chosen: Any) -> tuple[Floats, Ints]:
        """(scores, rows) by falling score, n x k; -1 where there are fewer."""
        several = self._plan is not None and probes > 1  # a document may stand in several of the lists
        wide = k * min(probes, MOST_LISTS + MOST_OWN) if several else k
        scores, rows = self._index.search(vectors, wide, params=self._parameters(probes, chosen))
        return distinct(scores, rows, k) if several else (scores, rows)

    def _above(self, vectors: Matrix, bounds: Floats, probes: int, chosen: Any) -> tuple[Ints, Ints, Floats]:
        """(place of the query, row, score) of everything that reaches the lowest of these bounds."""
        below = float(np.nextafter(bounds.min(), np.float32(-np.inf)))  # FAISS wants more than, we at least
        parameters = self._parameters(probes, chosen)
        limits, scores, rows = self._index.range_search(vectors, below, params=parameters)
        place = np.repeat(np.arange(len(vectors)), np.diff(limits.astype(np.int64)))
        if self._plan is not None and len(rows):
            _, once = np.unique(place * (int(rows.max()) + 1) + rows, return_index=True)
            place, rows, scores = place[once], rows[once], scores[once]
        return place, rows, scores

    # -- changing ----------------------------------------------------------------------------------------------

    def upsert(self, rows: npt.ArrayLike, vectors: Tensor, ancestors: Ancestors | None = None) -> None:
        """Put in documents, in place of those of the same rows; see `Engine.upsert`."""
        new, documents = as_documents(rows, vectors, self.dim)
        self.delete(new)
        self._add(new, documents.float().numpy())
        self._there = grown(self._there, int(new.max(initial=-1)) + 1)
        self._there[new] = True
        self._n = int(np.count_nonzero(self._there))

    def _add(self, rows: Ints, vectors: Matrix) -> None:
        if self._plan is None:
            self._index.add_with_ids(vectors, rows)
            return
        place, lists = self._plan.places(rows)
        faiss_files.add_to_lists(self._index, vectors[place], lists, rows[place])
        apart = np.setdiff1d(np.arange(len(rows)), place)
        self._apart.upsert(rows[apart], torch.from_numpy(vectors[apart]))

    def delete(self, rows: npt.ArrayLike) -> None:
        """Take out documents; rows that are not there are passed over."""
        named = np.asarray(rows, np.int64)
        named = named[(named >= 0) & (named < len(self._there))]
        named = named[self._there[named]]
        if len(named):
            chosen, _bits = selector(flags_of(named, len(self._there)))
            self._index.remove_ids(chosen)
            self._apart.delete(named)
            self._there[named] = False
            self._n = int(np.count_nonzero(self._there))

    def commit(self) -> None:
        """Documents that came later go to lists once they cost a search more than the lists that it probes.

        They go to those that their own vectors point at, as far as documents stand from their best list that pairs
        have placed. Those that would stand in too many stay apart, where nothing is missed.
        """
        if self._plan is None:
            return
        later = np.flatnonzero(self._apart.rows >= len(self._plan))
        if len(later) > self.effort * self._index.ntotal / self.lists:
            rows, vectors = self._apart.rows[later], self._apart.documents.numpy()[later]
            place, lists = pointed_at(vectors, self._index.quantizer, reach(self._index, self._decoded))
            faiss_files.add_to_lists(self._index, vectors[place], lists, rows[place])
            self._apart.delete(rows[np.unique(place)])

    def _decoded(self, codes: npt.NDArray[np.uint8]) -> Matrix:
        """The vectors that stand in a list, as it holds them."""
        return np.ascontiguousarray(codes).view(np.float32)

    # -- on disk -----------------------------------------------------------------------------------------------

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write a FAISS file; and where lists stand around queries, who stands in which, and who apart."""
        files = [f"{self.name}-{mark}.faiss"]
        faiss_files.write(self._index, folder / files[0])
        if self._plan is not None:
            files.append(f"{self.name}-{mark}.safetensors")
            arrays = {"offsets": self._plan.offsets, "lists": self._plan.lists, "rows": self._apart.rows}
            tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
            tensors["vectors"] = self._apart.documents.contiguous()
            atomic_write(folder / files[1], lambda path: save_file(tensors, path))
        return tuple(files)

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Self:
        """The engine that `save` wrote."""
        return cls(*cls._read(folder, files, settings))

    @staticmethod
    def _read(folder: Path, files: tuple[str, ...], settings: Settings) -> tuple[Any, int, Plan | None, Exact | None]:
        index, plan, apart = faiss_files.read(folder / files[0]), None, None
        for file in files:
            if file.endswith(".safetensors"):
                tensors = load_file(folder / file)
                plan = Plan(tensors["offsets"].numpy(), tensors["lists"].numpy())
                apart = Exact(tensors["vectors"], tensors["rows"].numpy())
        return index, settings["probes"], plan, apart

    def close(self) -> None:
        """Nothing is held but memory."""


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
    if not np.count_nonzero(tied):  # a third of the time of any()
        return
    for i in np.flatnonzero(tied.any(axis=1)).tolist():
        order = np.lexsort((rows[i], -scores[i]))
        rows[i], scores[i] = rows[i][order], scores[i][order]


def _present(index: Any, apart: Ints) -> npt.NDArray[np.bool_]:
    """One flag a row: whether the lists hold it, or it is kept apart."""
    lists = index.invlists
    held = [
        faiss().rev_swig_ptr(lists.get_ids(i), lists.list_size(i)).copy()
        for i in builtins.range(index.nlist)
        if lists.list_size(i)
    ]
    rows = np.concatenate([apart, *held])
    return flags_of(rows, int(rows.max(initial=-1)) + 1)


RESCORED = 24 * 2**20
"""Bytes of float32 vectors that are fetched at a time to score again."""


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
    finds_all = False  # the best may score too low by their bytes to be scored again

    def __init__(
        self,
        index: Any,
        effort: int = 1,
        plan: Plan | None = None,
        apart: Exact | None = None,
        *,
        error: float = 0.0,
        vectors: Vectors | None = None,
    ) -> None:
        super().__init__(index, effort, plan, apart)
        self.error = error
        self.vectors = Vectors(self.dim) if vectors is None else vectors

    @staticmethod
    def _empty(dim: int, lists: int) -> Any:
        module = faiss()
        kind = module.ScalarQuantizer.QT_8bit
        centres, product = module.IndexFlatIP(dim), module.METRIC_INNER_PRODUCT
        # Bytes of the vectors themselves, not of their difference to a centre: then one error holds for all lists.
        return module.IndexIVFScalarQuantizer(centres, dim, lists, kind, product, False)

    @staticmethod
    def _learn(index: Any, documents: Matrix) -> None:
        index.sq.train(documents)

    @property
    def settings(self) -> dict[str, Any]:
        """How many lists are probed, and how far off the bytes are."""
        return {"probes": self.effort, "error": self.error}

    @staticmethod
    def candidates(k: int) -> int:
        """How many of those that score best by their bytes are scored again, for the k best."""
        return k + k // 2 + 8

    def _nearest(self, vectors: Matrix, k: int, probes: int, chosen: Any) -> tuple[Floats, Ints]:
        """The k best of the candidates, by true score."""
        _, rows = super()._nearest(vectors, self.candidates(k), probes, chosen)
        whole = self.vectors.whole
        if whole is not None:
            return best_of(vectors, whole, rows, k)
        there = rows >= 0
        scores = np.full(rows.shape, -np.inf, np.float32)
        scores[there] = self._scores(vectors, np.nonzero(there)[0], rows[there])
        return topmost(scores, rows, k)

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

    def _decoded(self, codes: npt.NDArray[np.uint8]) -> Matrix:
        vectors: Matrix = self._index.sq.decode(np.ascontiguousarray(codes))
        return vectors

    def delete(self, rows: npt.ArrayLike) -> None:
        """Take out documents; rows that are not there are passed over."""
        super().delete(rows)
        self.vectors.drop(np.asarray(rows, np.int64))

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write a FAISS file and the vectors, which are mapped from there afterwards."""
        file = f"{self.name}-{mark}.npy"
        self.vectors.save(folder / file)
        return (file, *super().save(folder, mark))

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Self:
        """The engine that `save` wrote."""
        read = cls._read(folder, files[1:], settings)
        engine = cls(*read, error=settings["error"])
        engine.vectors = Vectors.load(folder / files[0], np.flatnonzero(engine._there), engine.dim)
        return engine


Matrix = npt.NDArray[np.float32]


class Vectors:
    """A matrix that is mapped from a file and never written to, one in memory that grows, and where each row stands.

    Args:
        dim: width.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._clear()

    def _clear(self) -> None:
        dim = self.dim
        self._mapped = np.empty((0, dim), np.float32)
        self._fresh = np.empty((0, dim), np.float32)
        self._n = 0  # places taken: first those of the file, then those in memory
        self._place = np.empty(0, np.int64)  # of each row, -1: nowhere
        self._in_place = True  # no row stands anywhere but at its own number

    def rows(self) -> Ints:
        """The rows that have a vector, ascending."""
        return np.flatnonzero(self._place >= 0)

    @property
    def whole(self) -> Matrix | None:
        """One matrix that holds row i at i, wherever row i has a vector; None where they stand otherwise."""
        if not self._in_place or (len(self._mapped) and len(self._fresh)):
            return None
        return self._fresh if len(self._fresh) else self._mapped

    def put(self, rows: Ints, vectors: Matrix) -> None:
        """Set the vectors of these rows, new or not; ascending."""
        if not len(rows):
            return
        self._stand(rows)
        start, stop = self._n - len(rows) - len(self._mapped), self._n - len(self._mapped)
        if stop > len(self._fresh):
            more = np.empty((max(stop, 2 * len(self._fresh)), self.dim), np.float32)
            more[:start] = self._fresh[:start]
            self._fresh = more
        self._fresh[start:stop] = vectors

    def _stand(self, rows: Ints) -> None:
        """Give these rows the next places."""
        longest = int(rows[-1]) + 1
        if longest > len(self._place):
            more = np.full(max(longest, 2 * len(self._place)) - len(self._place), -1, np.int64)
            self._place = np.concatenate([self._place, more])
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
        out = np.empty((len(rows), self.dim), np.float32)
        mapped = place < n_mapped
        out[mapped] = self._mapped[place[mapped]]
        out[~mapped] = self._fresh[place[~mapped] - n_mapped]
        return out

    def save(self, path: Path) -> None:
        """Write the vectors in ascending order of their rows, and from now on map that file instead of memory."""
        rows = self.rows()
        atomic_write(path, lambda temporary: self._write(temporary, rows))
        self._map(path, rows)

    def _write(self, path: Path, rows: Ints, block: int = 1 << 16) -> None:
        out = np.lib.format.open_memmap(path, "w+", np.float32, (len(rows), self.dim))
        for start in range(0, len(rows), block):
            out[start : start + block] = self.take(rows[start : start + block])
        out.flush()

    def _map(self, path: Path, rows: Ints) -> None:
        self._clear()
        if len(rows):
            self._stand(rows)
            self._mapped = np.asarray(np.load(path, mmap_mode="r"))

    @classmethod
    def load(cls, path: Path, rows: Ints, dim: int) -> Vectors:
        """What `save` wrote, mapped; `rows` ascending, as many as the file has."""
        vectors = cls(dim)
        vectors._map(path, rows)
        return vectors
