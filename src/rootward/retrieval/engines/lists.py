"""`Demand`: which queries want which documents, so that documents can stand where they will be looked for.

The documents of a trained hierarchy are as good as random to each other: an ancestor is not near its descendants, both
are near their queries. Lists around documents are then of little use (WordNet needs a third of them for .99), lists
around queries are: siblings share all but one of their answers. So each document goes into the lists of the queries
that want it, and the few that are wanted everywhere are kept apart and always scanned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rootward import rng
from rootward.csr import expand, offsets_of
from rootward.encoders import DualEncoder
from rootward.pairs import Pairs
from rootward.retrieval.engines.faiss_files import faiss
from rootward.retrieval.tuning import Sample, enough
from rootward.scoring import Floats, Ints

MOST_OWN = 2
"""In so many lists that are nearest to its own vector a document may stand, besides those of its queries."""

MOST_LISTS = 8
"""A document that is wanted in more lists than this is kept apart."""


@dataclass(frozen=True, eq=False)
class Demand:
    """Queries, and the documents that they want.

    Attributes:
        vectors: n_queries x dim.
        query_of, documents: int64, one a pair: which query wants which document row.
        sample: some queries with their exact answers, to see whether the encoder finds what they want; without it
            lists stand around queries anyway.
        target: the share of exact answers that is to be found.
    """

    vectors: Tensor
    query_of: Ints
    documents: Ints
    sample: Sample | None = None
    target: float = 0.99

    @classmethod
    def of(cls, model: DualEncoder, pairs: Pairs, sample: Sample | None = None, target: float = 0.99) -> Demand:
        """As these pairs say.

        Raises:
            UnknownIdError: the pairs have a query or a document that the model does not.
        """
        vectors = model.query_vectors(model.query_ids.rows(pairs.query_ids)).detach().cpu().float()
        documents = np.asarray(pairs.documents, np.int64)
        if pairs.document_ids != model.document_ids:
            documents = model.document_ids.rows(pairs.document_ids)[documents]
        return cls(vectors, np.asarray(pairs.query_of, np.int64), documents, sample, target)


@dataclass(frozen=True, eq=False)
class Plan:
    """The lists of each document row, as CSR; none where it is to be kept apart.

    Attributes:
        offsets: int64, one longer than there are rows.
        lists: int64.
    """

    offsets: Ints
    lists: Ints

    @classmethod
    def of(cls, demand: Demand, documents: npt.NDArray[np.float32], centres: Any, own: int = 0) -> Plan:
        """Each document in the lists of its queries; one that nobody wants in the list that is nearest to it.

        Args:
            demand: who wants what.
            documents: n x dim.
            centres: a FAISS index of the lists' centres.
            own: in how many lists that are nearest to it a document stands besides, if it is not kept apart.
        """
        n, n_lists = len(documents), int(centres.ntotal)
        _, nearest = centres.search(demand.vectors.numpy(), 1)
        wanted = np.unique(demand.documents * n_lists + nearest[demand.query_of, 0])
        sizes = np.bincount(wanted // n_lists, minlength=n)
        listed = sizes <= MOST_LISTS
        wanted = wanted[listed[wanted // n_lists]]
        alone = np.flatnonzero(listed if own else sizes == 0)
        if len(alone):
            _, lists = centres.search(documents[alone], min(max(own, 1), n_lists))
            wanted = np.union1d(wanted, alone[:, None] * n_lists + lists)
        return cls(offsets_of(np.bincount(wanted // n_lists, minlength=n)), wanted % n_lists)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def places(self, rows: Ints) -> tuple[Ints, Ints]:
        """(place in `rows`, list), one for each list of each row; rows that are new have none."""
        known = np.flatnonzero(rows < len(self))
        place, entry = expand(self.offsets, rows[known])
        return known[place], self.lists[entry]


def distinct(scores: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
    """The first k different rows of each line, in order of falling score; -1 where there are fewer."""
    order = np.argsort(rows, axis=1, kind="stable")
    ascending = np.take_along_axis(rows, order, 1)
    again = np.zeros(rows.shape, np.bool_)
    np.put_along_axis(again, order[:, 1:], ascending[:, 1:] == ascending[:, :-1], 1)
    return topmost(np.where(again, -np.inf, scores).astype(np.float32), np.where(again, -1, rows), k)


def topmost(scores: Floats, rows: Ints, k: int) -> tuple[Floats, Ints]:
    """The k highest of each line, highest first; what is missing is -1 with a score of -inf."""
    scores = np.where(rows < 0, -np.inf, scores).astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    if (missing := k - rows.shape[1]) > 0:
        pad = ((0, 0), (0, missing))
        return np.pad(scores, pad, constant_values=-np.inf), np.pad(rows, pad, constant_values=-1)
    return scores, rows


Matrix = npt.NDArray[np.float32]

FEW = 0.03
"""Lists around queries that find enough in this share of the documents are taken without a look at others.

A document in a list costs five times what it costs exact search in batches, so this is some six times as quick.
"""

A_LIST = 32
"""So many documents a list tell how long lists around documents become, and so many of each how far they reach."""

REACH = 0.99
"""Share of what stands in lists by pairs that would also stand there by its own vector; see `reach`."""


def steps(lists: int) -> list[int]:
    """Numbers of probes from one to all lists, each about 1.4 times the one before."""
    tried = {round(2 ** (half / 2)) for half in range(2 * lists.bit_length() + 1)}
    return sorted({step for step in tried if step < lists} | {lists})


def around_queries(sample: Sample, target: float, centres: Any, plan: Plan) -> float:
    """How many documents a query is compared with, in lists that stand around queries.

    Args:
        sample: queries with their exact answers.
        target: the share of these that is to be found.
        centres: a FAISS index of the lists' centres.
        plan: who stands in which.
    """
    sizes = np.bincount(plan.lists, minlength=centres.ntotal)
    apart = int(np.count_nonzero(np.diff(plan.offsets) == 0))
    return apart + _probed(sample, target, centres, *plan.places(sample.rows), sizes)


def around_documents(sample: Sample, target: float, centres: Any, documents: Matrix) -> float:
    """The same in lists that stand around documents, each in the nearest; how long they are is estimated."""
    some = rng.stream(0, "index", "documents to measure lists with").permutation(len(documents))
    some = some[: A_LIST * centres.ntotal]
    _, lists = centres.search(documents[some], 1)
    sizes = np.bincount(lists[:, 0], minlength=centres.ntotal) * (len(documents) / len(some))
    _, own = centres.search(documents[sample.rows], 1)
    return _probed(sample, target, centres, np.arange(len(own)), own[:, 0], sizes)


def _probed(sample: Sample, target: float, centres: Any, entry: Ints, lists: Ints, sizes: npt.NDArray[Any]) -> float:
    """Documents in the lists of a query, with so many probes that enough answers are found.

    Answers stand in lists[i] each with entry[i] of the sample; those in no list are always found.
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
    for probes in steps(n_lists):
        if enough(np.bincount(query_of, needed <= probes, minlength=len(sample)) / sample.sizes, target):
            break
    return float(sizes[order[:, :probes]].sum(axis=1).mean())


# -- documents that no pair tells of -------------------------------------------------------------------------------


def reach(index: Any, decode: Any) -> float:
    """How much lower than with its best list a document scores with the lists in which it stands, nearly always.

    Measured on documents of every list; for a hundredth of them it is more than this. `decode` gives a list's vectors.
    """
    held, centres, below = index.invlists, index.quantizer, [np.zeros(1, np.float32)]
    for number in range(index.nlist):
        if not (size := held.list_size(number)):
            continue
        codes = faiss().rev_swig_ptr(held.get_codes(number), size * index.code_size).reshape(size, -1)
        vectors = decode(codes[:: -(-size // A_LIST)])
        best, _ = centres.search(vectors, 1)
        below.append(best[:, 0] - vectors @ centres.reconstruct(number))
    return float(np.quantile(np.concatenate(below), REACH))


def pointed_at(vectors: Matrix, centres: Any, within: float) -> tuple[Ints, Ints]:
    """(place in `vectors`, list): the lists that each of them points at, to within `within` of its best score.

    One that points at more than `MOST_LISTS` lists is in none: it may be wanted anywhere.
    """
    scores, lists = centres.search(vectors, MOST_LISTS + 1)
    near = (scores >= scores[:, :1] - within) & (lists >= 0)
    near[near.sum(axis=1) > MOST_LISTS] = False
    place, column = np.nonzero(near)
    return place, lists[place, column]
