"""Which documents go to which inverted list, around queries where pairs are known, and what a search then costs.

Document vectors of a trained hierarchy look random to each other: an ancestor is near its descendants' queries, not
near its descendants. Lists around documents then help little (WordNet has to probe a third of them for a recall of
.99). Lists around queries help: siblings share all but one of their answers. So each document goes to the lists of the
queries that it is relevant to; the few that are relevant almost everywhere go to none and are always scanned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rootward import rng
from rootward.csr import expand, offsets_of
from rootward.encoders import DualEncoder
from rootward.pairs import Pairs
from rootward.retrieval.engines.faiss_files import faiss
from rootward.retrieval.tuning import Sample, reaches
from rootward.scoring import Floats, Ints

Matrix = npt.NDArray[np.float32]

MAX_OWN_LISTS = 2
"""Lists nearest to its own vector that a document may be in, besides those of its queries."""

PAIRS_AT_ONCE = 1 << 16
"""Pairs whose vectors are compared at a time."""

MAX_LISTS = 8
"""A document that would go to more lists than this goes to none."""


@dataclass(frozen=True, eq=False)
class Relevance:
    """Query vectors and their relevant documents.

    Attributes:
        vectors: n_queries x dim.
        query_of, documents: int64, one a pair: query row and relevant document row.
        sample: queries with their exact answers, to compare lists around queries with lists around documents; None
            takes lists around queries.
        target: recall to reach.
    """

    vectors: Tensor
    query_of: Ints
    documents: Ints
    sample: Sample | None = None
    target: float = 0.99

    @classmethod
    def of(cls, model: DualEncoder, pairs: Pairs, sample: Sample | None = None, target: float = 0.99) -> Relevance:
        """From pairs, in the rows of the model.

        Raises:
            UnknownIdError: the pairs have a query or a document that the model does not.
        """
        vectors = model.query_vectors(model.query_ids.rows(pairs.query_ids)).detach().cpu().float()
        documents = np.asarray(pairs.documents, np.int64)
        if pairs.document_ids != model.document_ids:
            documents = model.document_ids.rows(pairs.document_ids)[documents]
        return cls(vectors, np.asarray(pairs.query_of, np.int64), documents, sample, target)

    def with_several(self, vectors: Tensor, owners: Ints) -> Relevance:
        """The same, also its sample, with the best vector for each query in place of its document.

        `owners` are the document rows of all vectors (m x dim), ascending.
        """
        offsets = np.searchsorted(owners, np.arange(owners.max(initial=-1) + 2))

        def best(queries: Tensor, query_of: Ints, documents: Ints) -> Ints:
            found = np.empty_like(documents)
            for start in range(0, len(found), PAIRS_AT_ONCE):
                part = slice(start, start + PAIRS_AT_ONCE)
                place, rows = expand(offsets, documents[part])
                scores = np.einsum("ij,ij->i", queries.numpy()[query_of[part][place]], vectors.numpy()[rows])
                order = np.lexsort((rows, -scores, place))
                found[part] = rows[order[np.diff(place, prepend=-1) > 0]]
            return found

        sample = self.sample
        if sample is not None:
            place = np.repeat(np.arange(len(sample)), sample.sizes)
            sample = replace(sample, rows=best(sample.vectors, place, sample.rows))
        return replace(self, documents=best(self.vectors, self.query_of, self.documents), sample=sample)


@dataclass(frozen=True, eq=False)
class Assignment:
    """The lists of each document row, as CSR; no list for those that are always scanned.

    Attributes:
        offsets: int64, one longer than there are rows.
        lists: int64.
    """

    offsets: Ints
    lists: Ints

    @classmethod
    def of(cls, relevance: Relevance, documents: Matrix, centres: Any, own: int = 0) -> Assignment:
        """Assign each document to the lists of its queries; one without queries to the list nearest to it.

        Args:
            relevance: queries and their relevant documents.
            documents: n x dim.
            centres: a FAISS index of the lists' centres.
            own: lists nearest to its own vector that a document goes to as well, unless it goes to none.
        """
        n, n_lists = len(documents), int(centres.ntotal)
        _, nearest = centres.search(relevance.vectors.numpy(), 1)
        wanted = np.unique(relevance.documents * n_lists + nearest[relevance.query_of, 0])
        sizes = np.bincount(wanted // n_lists, minlength=n)
        listed = sizes <= MAX_LISTS
        wanted = wanted[listed[wanted // n_lists]]
        alone = np.flatnonzero(listed if own else sizes == 0)
        if len(alone):
            _, lists = centres.search(documents[alone], min(max(own, 1), n_lists))
            wanted = np.union1d(wanted, alone[:, None] * n_lists + lists)
        return cls(offsets_of(np.bincount(wanted // n_lists, minlength=n)), wanted % n_lists)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lists_of(self, rows: Ints) -> tuple[Ints, Ints]:
        """(place in `rows`, list), one for each list of each row; rows that are new have none."""
        known = np.flatnonzero(rows < len(self))
        place, entry = expand(self.offsets, rows[known])
        return known[place], self.lists[entry]


def best_distinct(scores: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
    """The k best different rows of each line, best first; -1 where there are fewer."""
    order = np.argsort(rows, axis=1, kind="stable")
    ascending = np.take_along_axis(rows, order, 1)
    again = np.zeros(rows.shape, np.bool_)
    np.put_along_axis(again, order[:, 1:], ascending[:, 1:] == ascending[:, :-1], 1)
    return topmost(np.where(again, -np.inf, scores).astype(np.float32), np.where(again, -1, rows), k)


def topmost(scores: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
    """The k best rows of each line, best first; -1 with a score of -inf where there are fewer."""
    scores = np.where(rows < 0, -np.inf, scores).astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    if (missing := k - rows.shape[1]) > 0:
        pad = ((0, 0), (0, missing))
        return np.pad(scores, pad, constant_values=-np.inf), np.pad(rows, pad, constant_values=-1)
    return scores, rows


CHEAP_SHARE = 0.03
"""If lists around queries compare no more than this share of the documents, they are used without trying others.

A comparison in a list takes five times as long as in exact search in batches, so this is some six times as fast.
"""

SAMPLE_PER_LIST = 32
"""Documents sampled per list, to estimate list sizes and how far documents are from their lists."""

GAP_QUANTILE = 0.99
"""Share of listed documents that would be in the same list by their own vector; see `list_score_gap`."""


def probe_counts(lists: int) -> list[int]:
    """Numbers of probes from one to all lists, each about 1.4 times the one before."""
    tried = {round(2 ** (half / 2)) for half in range(2 * lists.bit_length() + 1)}
    return sorted({step for step in tried if step < lists} | {lists})


def cost_around_queries(sample: Sample, target: float, centres: Any, assignment: Assignment) -> float:
    """Documents compared with a query, on average, to reach a recall in lists around queries.

    `centres` is a FAISS index of the lists' centres.
    """
    sizes = np.bincount(assignment.lists, minlength=centres.ntotal)
    unlisted = int(np.count_nonzero(np.diff(assignment.offsets) == 0))
    return unlisted + _cost(sample, target, centres, *assignment.lists_of(sample.rows), sizes)


def cost_around_documents(sample: Sample, target: float, centres: Any, documents: Matrix) -> float:
    """The same in lists around documents, each document in its nearest list; list sizes are estimated."""
    some = rng.stream(0, "index", "documents to measure lists with").permutation(len(documents))
    some = some[: SAMPLE_PER_LIST * centres.ntotal]
    _, lists = centres.search(documents[some], 1)
    sizes = np.bincount(lists[:, 0], minlength=centres.ntotal) * (len(documents) / len(some))
    _, own = centres.search(documents[sample.rows], 1)
    return _cost(sample, target, centres, np.arange(len(own)), own[:, 0], sizes)


def _cost(sample: Sample, target: float, centres: Any, entry: Ints, lists: Ints, sizes: npt.NDArray[Any]) -> float:
    """Documents in the probed lists of a query, on average, with as many probes as the target recall needs.

    Entry entry[i] of the sample's answers is in lists[i]; entries in no list are always found.
    """
    n_lists = int(centres.ntotal)
    order = np.argsort(-(sample.vectors.numpy() @ centres.reconstruct_n(0, n_lists).T), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(1, n_lists + 1)[None], 1)
    query_of = np.repeat(np.arange(len(sample)), sample.sizes)
    needed = np.full(len(sample.rows), n_lists + 1)
    np.minimum.at(needed, entry, rank[query_of[entry], lists])
    needed[needed > n_lists] = 0
    probes = n_lists
    for probes in probe_counts(n_lists):
        if reaches(np.bincount(query_of, needed <= probes, minlength=len(sample)) / sample.sizes, target):
            break
    return float(sizes[order[:, :probes]].sum(axis=1).mean())


def list_score_gap(index: Any) -> float:
    """The 99 % quantile of the score gap between a document's best list centre and the centre of a list it is in.

    Measured on some documents of every list.
    """
    held, centres, gaps = index.invlists, index.quantizer, [np.zeros(1, np.float32)]
    for number in range(index.nlist):
        if not (size := held.list_size(number)):
            continue
        codes = faiss().rev_swig_ptr(held.get_codes(number), size * index.code_size).reshape(size, -1)
        codes = np.ascontiguousarray(codes[:: -(-size // SAMPLE_PER_LIST)])
        vectors = index.sq.decode(codes) if hasattr(index, "sq") else codes.view(np.float32)
        best, _ = centres.search(vectors, 1)
        gaps.append(best[:, 0] - vectors @ centres.reconstruct(number))
    return float(np.quantile(np.concatenate(gaps), GAP_QUANTILE))


def nearby_lists(vectors: Matrix, centres: Any, within: float) -> tuple[Ints, Ints]:
    """(place in `vectors`, list): the lists whose centre scores within `within` of a vector's best centre.

    A vector near more than `MAX_LISTS` lists gets none.
    """
    scores, lists = centres.search(vectors, MAX_LISTS + 1)
    near = (scores >= scores[:, :1] - within) & (lists >= 0)
    near[near.sum(axis=1) > MAX_LISTS] = False
    place, column = np.nonzero(near)
    return place, lists[place, column]
