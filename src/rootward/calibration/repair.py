"""Upward repair: whatever stands above an accepted document is accepted too, where a graph is known."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from rootward.csr import expand
from rootward.errors import InputError, whole_number
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.scoring import Ints

Graph: TypeAlias = Hierarchy | Pairs
"""What stands above what: a hierarchy, or the pairs of one, in which documents are queries by the same id."""


def missing_above(
    above: Graph, document_ids: Ids, place: Ints, documents: Ints, *, max_distance: int | None = None
) -> tuple[Ints, Ints]:
    """What has to be added to sets of documents, so that everything above a document stands in its set.

    If "flip-flops" and "footwear" are accepted and "sandals" and "shoes" are not, these two are missing.

    Args:
        above: what stands above what, by document id; documents that it does not know have nothing above them.
        document_ids: of all documents.
        place: int64, which set each document is in.
        documents: int64 rows, one a place.
        max_distance: how many hops above an accepted document are looked at; None: all that `above` has.

    Returns:
        (place, document rows), both int64, in ascending order, each once.

    Raises:
        InputError: `above` knows none of the documents, or a negative distance.
    """
    if max_distance is not None:
        max_distance = whole_number(max_distance, "max_distance is a number of hops from 0 up; None takes all")
    some, which = np.unique(documents, return_inverse=True)
    below, higher = _pairs_above(above, document_ids, some, max_distance)
    entry, index = expand(np.searchsorted(below, np.arange(len(some) + 1)), which)
    n = len(document_ids)
    wanted = np.unique(place[entry] * n + higher[index])
    missing = np.setdiff1d(wanted, place * n + documents)
    return missing // n, missing % n


def _pairs_above(above: Graph, ids: Ids, documents: Ints, max_distance: int | None) -> tuple[Ints, Ints]:
    """(place in `documents`, document row above it), by place; itself may be among them."""
    labels = [ids[row] for row in documents.tolist()]
    known_by = above.ids if isinstance(above, Hierarchy) else above.query_ids
    found = known_by.find(labels)
    there = np.flatnonzero(found >= 0)
    if not len(there):
        if len(documents):
            raise InputError(
                f"{above!r} knows none of these documents, such as {labels[0]!r}, so nothing can be said to stand "
                f"above them. Give the hierarchy of the documents."
            )
        return there, there
    if isinstance(above, Hierarchy):
        closure = above.ancestors([labels[i] for i in there.tolist()], max_distance=max_distance)
        place, rows = np.repeat(np.arange(len(there)), np.diff(closure.offsets)), closure.ancestors
        named = above.ids
    else:
        place, index = above.of(found[there])
        near = above.distances[index] <= (above.max_distance if max_distance is None else max_distance)
        place, rows, named = place[near], above.documents[index[near]], above.document_ids
    as_document = rows.astype(np.int64)
    if named != ids:  # by the ids that both tables have
        some, which = np.unique(rows, return_inverse=True)
        as_document = ids.find(named[row] for row in some.tolist())[which]
    kept = as_document >= 0
    return there[place[kept]], as_document[kept]
