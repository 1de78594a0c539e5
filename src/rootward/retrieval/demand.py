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

from rootward.encoders import DualEncoder
from rootward.evaluation.blocks import Floats, Ints
from rootward.pairs import Pairs
from rootward.pairs.ragged import expand, offsets_of
from rootward.retrieval.tuning import Sample

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
