"""`PairArrays`: matching pairs as arrays, the measures computed from them, and slices of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rootward.csr import PAIRS_AT_A_TIME, counts_of, expand, is_sorted, offsets_of, spans
from rootward.errors import InputError, PairsError
from rootward.ids import Ids, Rows, refuse_text
from rootward.readers.labels import Origin
from rootward.texts import Texts

_LOOKED_AT = 10_000


@dataclass(frozen=True, eq=False)
class PairArrays:
    """Matching (query, document) pairs with their distance, as CSR from query to documents.

    The relevant set S(q) of query row q is `documents[offsets[q]:offsets[q + 1]]`, nearest first, documents of
    the same distance in ascending row order. A query may have none; it is then left out of every average.

    Attributes:
        query_ids, document_ids: the users' labels; sources with one kind of node use one table for both sides.
        offsets: int64, n_queries + 1.
        documents: int32 document rows, one a pair.
        distances: int32 hops, 0 for the exact match, one a pair.
        query_texts, document_texts: names where the source has them, else None.
        notes: what the reader left out or noticed, a sentence each.
        query_weights: float64, one a query, how much it counts in training, 1 for the usual; None where all count
            alike. Nothing is measured by them.
        origin: the file that queries of a table were read from, where messages look up their rows; None elsewhere.
        folder: the folder of pairs on disk, whose arrays are mapped; None in memory.

    Raises:
        PairsError: arrays that do not fit each other.
    """

    query_ids: Ids
    document_ids: Ids
    offsets: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int32]
    distances: npt.NDArray[np.int32]
    query_texts: Texts | None = None
    document_texts: Texts | None = None
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    query_weights: npt.NDArray[np.float64] | None = None
    folder: Path | None = field(default=None, init=False)  # so that slices do not inherit it

    def __post_init__(self) -> None:
        n_queries, n_pairs, n_distances = len(self.query_ids), len(self.documents), len(self.distances)
        if len(self.offsets) != n_queries + 1 or self.offsets[0] != 0 or self.offsets[-1] != n_pairs:
            raise PairsError(
                f"offsets must run from 0 to {n_pairs} with {n_queries + 1} entries, "
                f"got {len(self.offsets)} from {self.offsets[:1]} to {self.offsets[-1:]}."
            )
        if n_distances != n_pairs:
            raise PairsError(f"{n_pairs} documents need as many distances, got {n_distances}.")
        if (weights := self.query_weights) is not None and not (
            weights.shape == (n_queries,) and np.isfinite(weights).all() and (weights > 0).all()
        ):
            raise PairsError(f"query_weights needs a finite number above 0 for each of {n_queries} queries.")

    @classmethod
    def from_arrays(
        cls,
        query_ids: Ids | Iterable[Hashable],
        document_ids: Ids | Iterable[Hashable],
        queries: npt.ArrayLike,
        documents: npt.ArrayLike,
        distances: npt.ArrayLike,
        *,
        query_texts: Texts | None = None,
        document_texts: Texts | None = None,
        notes: tuple[str, ...] = (),
        query_weights: npt.NDArray[np.float64] | None = None,
    ) -> Self:
        """Pairs from one (query row, document row, distance) per pair, in any order.

        Args:
            query_ids, document_ids: `Ids`, or a list that they are made of.
            queries, documents: whole numbers, rows of these tables, one a pair.
            distances: hops, whole numbers from 0 to 2^31 - 1, one a pair.
            query_texts, document_texts: names, a row for each id.
            notes: what was left out, for people to read.

        Raises:
            PairsError: a row outside its table, a distance that is no whole number from 0, or one pair given twice;
                other than one list of numbers each.
            InputError: ids that are no list of different ids.
        """
        query_ids, document_ids = (
            _as_ids(ids, side) for ids, side in ((query_ids, "query"), (document_ids, "document"))
        )
        q, d = (_whole(rows, side) for rows, side in ((queries, "queries"), (documents, "documents")))
        hops_given = _numbers(distances, "distances")
        with np.errstate(invalid="ignore"):
            hops = hops_given.astype(np.int64)
        if not len(q) == len(d) == len(hops):
            raise PairsError(
                f"Each pair needs a query, a document and a distance, got {len(q)}, {len(d)} and {len(hops)} of them."
            )
        for rows, ids, side in ((q, query_ids, "query"), (d, document_ids, "document")):
            if len(rows) and (rows.min() < 0 or rows.max() >= len(ids)):
                raise PairsError(f"{side} rows must lie in 0..{len(ids) - 1}, got {rows.min()}..{rows.max()}.")
        wrong = np.flatnonzero((hops != hops_given) | (hops < 0) | (hops > np.iinfo(np.int32).max))
        if len(wrong):
            raise PairsError(f"Distances are whole numbers of hops from 0; pair {wrong[0]} has {hops_given[wrong[0]]}.")
        if not is_sorted(q, hops, d):  # a saved file is, and sorting is most of the work
            order = np.lexsort((d, hops, q))
            q, d, hops = q[order], d[order], hops[order]
        twice = np.sort(q * len(document_ids) + d)
        again = np.flatnonzero(twice[1:] == twice[:-1])
        if len(again):
            row, doc = divmod(int(twice[again[0]]), len(document_ids))
            raise PairsError(
                f"The pair ({query_ids[row]!r}, {document_ids[doc]!r}) is given twice; keep one, with one distance."
            )
        offsets = offsets_of(np.bincount(q, minlength=len(query_ids)))
        arrays = (offsets, d.astype(np.int32), hops.astype(np.int32))
        return cls(query_ids, document_ids, *arrays, query_texts, document_texts, notes, query_weights=query_weights)

    # -- sizes -----------------------------------------------------------------------------------------------

    @property
    def n_queries(self) -> int:
        """How many queries there are, those without pairs among them."""
        return len(self.query_ids)

    @property
    def n_documents(self) -> int:
        """How many documents there are, those relevant to no query among them."""
        return len(self.document_ids)

    def __len__(self) -> int:
        return len(self.documents)

    def __repr__(self) -> str:
        return (
            f"Pairs({len(self):,} pairs, {self.n_queries:,} queries, {self.n_documents:,} documents, "
            f"distances 0..{self.max_distance}, |S(q)| {self.sizes.mean() if len(self.sizes) else 0:.1f} on average)"
        )

    @property
    def max_distance(self) -> int:
        """The largest distance of any pair; 0 when there are no pairs."""
        return int(self.distances.max()) if len(self) else 0

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """|S(q)| of every query (int64, n_queries)."""
        return np.diff(self.offsets)

    @cached_property
    def is_graph(self) -> bool:
        """Whether pairs tell what stands above each document: a document is also a query, by the same id."""
        if self.query_ids == self.document_ids:
            return True
        return bool((self.query_ids.find(self.document_ids) >= 0).any()) and self.max_distance > 0

    @cached_property
    def generality(self) -> npt.NDArray[np.int64]:
        """How many queries each document is relevant to (int64, n_documents): large for general ones."""
        return counts_of(self.documents, self.n_documents)

    @cached_property
    def heights(self) -> npt.NDArray[np.float32]:
        """How far each document is above the leaves (float32, n_documents), to order answers by; see `heights`."""
        return heights(self.offsets, self.documents, self.distances, self.generality)

    @property
    def depths(self) -> npt.NDArray[np.int64]:
        """Hops to the farthest document of each query, its depth as far as pairs tell; -1 without pairs (int64)."""
        depths = np.full(self.n_queries, -1, np.int64)
        np.maximum.at(depths, self.query_of, self.distances.astype(np.int64))
        return depths

    # -- access ----------------------------------------------------------------------------------------------

    @property
    def query_of(self) -> npt.NDArray[np.int64]:
        """The query row of every pair (int64, n_pairs)."""
        return np.repeat(np.arange(self.n_queries), self.sizes)

    def queries_at(self, index: npt.ArrayLike) -> Rows:
        """The query rows of these pairs, by index (int64)."""
        return np.searchsorted(self.offsets, np.asarray(index), side="right") - 1

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """(query rows, their pairs), some million pairs at a time, for arrays that may be larger than memory."""
        return spans(self.offsets, PAIRS_AT_A_TIME)

    def relevant(self, query: str) -> list[tuple[str, int]]:
        """S(q) of one query id as (document id, distance), nearest first.

        Raises:
            UnknownIdError: no such query.
        """
        row = self.query_ids.row(query)
        of_row = slice(self.offsets[row], self.offsets[row + 1])
        found = zip(self.documents[of_row].tolist(), self.distances[of_row].tolist(), strict=True)
        return [(self.document_ids[document], hops) for document, hops in found]

    def of(self, rows: npt.ArrayLike) -> tuple[Rows, Rows]:
        """The pairs of these query rows: (place of the query among `rows`, index of the pair), both int64."""
        return expand(self.offsets, np.asarray(rows, np.int64))

    @cached_property
    def weights(self) -> npt.NDArray[np.float64]:
        """The chance of each pair under regular sampling: q uniform over queries with pairs, d uniform in S(q)."""
        return self.weights_of(slice(0, self.n_queries))

    def weights_of(self, queries: slice) -> npt.NDArray[np.float64]:
        """`weights` of the pairs of these query rows."""
        sizes = self.sizes[queries]
        return np.repeat(1.0 / (np.maximum(sizes, 1) * max(1, np.count_nonzero(self.sizes))), sizes)

    def shares(self, weights: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
        """The share of each distance 0..max_distance (float64) under these weights of pairs, such as a sampler's.

        None is regular sampling. Adds up to what the weights add up to, 1 for those of a sampler.

        Raises:
            PairsError: a distance above 1,000,000; the list has an entry for each.
        """
        if self.max_distance > _MOST_LISTED:
            raise PairsError(
                f"The largest distance is {self.max_distance:,}; shares are listed for distances up to "
                f"{_MOST_LISTED:,}. Leave out the farther pairs: pairs.near({_MOST_LISTED})."
            )
        chances = self.weights if weights is None else weights
        return np.bincount(self.distances, chances, self.max_distance + 1).astype(np.float64)

    # -- slices ----------------------------------------------------------------------------------------------

    def keep(self, wanted: npt.ArrayLike) -> Self:
        """The pairs where `wanted` (bool, n_pairs) holds. Queries and documents keep their rows and ids.

        Raises:
            PairsError: not one truth value a pair.
        """
        mask = np.asarray(wanted, np.bool_)
        if mask.shape != self.documents.shape:
            raise PairsError(f"keep needs one True or False for each of {len(self)} pairs, got shape {mask.shape}.")
        kept = np.r_[0, np.cumsum(mask)]
        return replace(self, offsets=kept[self.offsets], documents=self.documents[mask], distances=self.distances[mask])

    def of_queries(self, rows: npt.ArrayLike) -> Self:
        """The pairs of these query rows. Queries and documents keep their rows and ids."""
        wanted = np.unique(np.asarray(rows, np.int64))
        sizes = np.zeros(self.n_queries, np.int64)
        sizes[wanted] = self.sizes[wanted]
        _, index = self.of(np.flatnonzero(sizes))
        documents, distances = self.documents[index], self.distances[index]
        return replace(self, offsets=offsets_of(sizes), documents=documents, distances=distances)

    def near(self, high: int) -> Self:
        """Pairs at most `high` hops apart. Queries and documents keep their rows and ids."""
        return self.keep(self.distances <= high)

    def far(self, low: int) -> Self:
        """Pairs at least `low` hops apart. Queries and documents keep their rows and ids."""
        return self.keep(self.distances >= low)

    def completed(self, max_distance: int | None = None) -> Self:
        """With the pairs that follow from these: d is relevant to q where it is to some e that is relevant to q.

        For incomplete pairs whose documents are queries too (by id), as in any hierarchy of one kind of node; the
        graph itself is not needed. A pair's distance is the least over all ways; pairs given keep theirs unless a
        way is shorter. Where no document is a query the pairs stay as they are.

        Args:
            max_distance: leave out what follows at more hops; None is the largest distance that is there.
        """
        pairs, bound = self, self.max_distance if max_distance is None else max_distance
        row_of = self.query_ids.find(self.document_ids)  # the query row of each document, -1 where it is no query
        while True:
            fuller = pairs._with_two_steps(row_of, bound)
            if len(fuller) == len(pairs) and np.array_equal(fuller.distances, pairs.distances):
                return pairs
            pairs = fuller

    def note_on_lacking(self) -> tuple[str, ...]:
        """A note where pairs that `completed` finds are not there, with the first of them; some pairs are looked at."""
        row_of = self.query_ids.find(self.document_ids)
        first = np.flatnonzero((row_of[self.documents] >= 0) & (self.distances > 0))[:_LOOKED_AT]
        bound = max(self.max_distance, 2)
        for pair, query in zip(first.tolist(), self.query_of[first].tolist(), strict=True):
            above, document = int(row_of[self.documents[pair]]), int(self.documents[pair])
            here, there = (slice(self.offsets[row], self.offsets[row + 1]) for row in (query, above))
            near = (self.distances[there] > 0) & (self.distances[there] <= bound - self.distances[pair])
            lacking = np.setdiff1d(self.documents[there][near], self.documents[here])
            if above != query and len(lacking):
                label, middle, top = self.query_ids[query], self.document_ids[document], self.document_ids[lacking[0]]
                return (
                    f"Pairs lack what follows from others, such as ({label!r}, {top!r}) from ({label!r}, {middle!r}) "
                    f"and ({middle!r}, {top!r}). If all that is above a query is right, "
                    "Pairs.completed(max_distance=8) adds them.",
                )
        return ()

    def _with_two_steps(self, row_of: Rows, bound: int) -> Self:
        """These pairs and every (q, d) with a document e between them, at the least distance of all ways."""
        documents, distances = self.documents.astype(np.int64), self.distances.astype(np.int64)
        query_of = self.query_of
        first = np.flatnonzero((row_of[documents] >= 0) & (distances > 0))
        place, second = self.of(row_of[documents[first]])
        first = first[place]
        hops = distances[first] + distances[second]
        fitting = (distances[second] > 0) & (hops <= bound)
        queries = np.r_[query_of, query_of[first[fitting]]]
        above = np.r_[documents, documents[second[fitting]]]
        hops = np.r_[distances, hops[fitting]]
        keys = queries * self.n_documents + above
        order = np.lexsort((hops, keys))
        nearest = order[np.r_[True, np.diff(keys[order]) > 0]] if len(order) else order
        texts: Any = {"query_texts": self.query_texts, "document_texts": self.document_texts}
        arrays = (queries[nearest], above[nearest], hops[nearest])
        return self.from_arrays(self.query_ids, self.document_ids, *arrays, **texts, notes=self.notes)


def _as_ids(ids: Ids | Iterable[Hashable], side: str) -> Ids:
    """A table of ids, made of a list where it is none yet."""
    if isinstance(ids, Ids):
        return ids
    refuse_text(ids)
    if not isinstance(ids, Iterable):
        raise InputError(f"The {side} ids are {type(ids).__name__}; needed Ids, or a list of ids.")
    return Ids(ids, what=f"{side} id")


def _numbers(values: npt.ArrayLike, what: str) -> npt.NDArray[Any]:
    """A list of numbers as an array; an empty list is one of whole numbers.

    Raises:
        PairsError: something else.
    """
    try:
        found = np.asarray(values)
    except (TypeError, ValueError, OverflowError):
        found = np.empty((), object)
    if found.ndim != 1 or (len(found) and found.dtype.kind not in "biuf"):
        raise PairsError(f"The {what} must be one list of numbers, one a pair, got {values!r:.60}.")
    return found if len(found) else np.empty(0, np.int64)


def _whole(values: npt.ArrayLike, what: str) -> npt.NDArray[np.int64]:
    """A list of whole numbers as int64; 2.0 is one."""
    found = _numbers(values, what)
    with np.errstate(invalid="ignore"):
        rows = found.astype(np.int64)
    wrong = np.flatnonzero(rows != found)
    if len(wrong):
        raise PairsError(f"The {what} are rows, whole numbers from 0; pair {wrong[0]} has {found[wrong[0]]}.")
    return rows


_MOST_LISTED = 1_000_000

ROUNDS = 20
TIE_BREAK = 0.3


def heights(
    offsets: npt.NDArray[np.int64],
    documents: npt.NDArray[np.int32],
    distances: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
    at_a_time: int = PAIRS_AT_A_TIME,
) -> npt.NDArray[np.float32]:
    """How far each document is above the leaves, by distances alone (float32): the order in which answers are shown.

    Within the relevant set of a query nearer documents have smaller numbers.

    The heights h, with one depth c a query, that fit distance(q, d) = h(d) + c(q) best over all pairs in least squares,
    found by solving for each in turn; `ROUNDS` rounds settle them. In a tree this is the hops above the leaves, up to
    a constant. Besides, `TIE_BREAK` times the log of the document's generality, how many queries it is relevant to:
    it parts a leaf from a node with a few children, which fit alike. Documents relevant to no query come last.

    Generality alone orders 97.0 % of WordNet's relevant pairs by distance, this 98.6 %; pairs that are cut off at some
    distance, as there, give the highest nodes too small a count.

    Args:
        offsets, documents, distances: of the pairs, as `Pairs` has them.
        counts: int64, the generality of each document.
        at_a_time: pairs that are read together; the result is the same to the bit.
    """
    fitted = np.zeros(len(counts))
    for _ in range(ROUNDS):
        total = np.zeros(len(counts))
        for rows, block in spans(offsets, at_a_time):
            sizes = np.diff(offsets[rows.start : rows.stop + 1])
            of = np.repeat(np.arange(len(sizes)), sizes)
            hops = distances[block].astype(np.float64)
            depth = np.bincount(of, hops - fitted[documents[block]], len(sizes)) / np.maximum(sizes, 1)
            np.add.at(total, documents[block], hops - depth[of])  # one after the other, whatever the blocks
        fitted = total / np.maximum(counts, 1)
    fitted += TIE_BREAK * np.log(np.maximum(counts, 1))
    never = counts == 0
    fitted[never] = fitted[~never].max(initial=0.0) + 1.0
    return fitted.astype(np.float32)
