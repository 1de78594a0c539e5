"""Pairs that follow from others: what stands above what stands above a query is relevant to it too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rootward.pairs.ids import Rows

if TYPE_CHECKING:
    from rootward.pairs.pairs import Pairs


def completed(pairs: Pairs, max_distance: int | None) -> Pairs:
    """See `Pairs.completed`."""
    bound = pairs.max_distance if max_distance is None else max_distance
    row_of = _query_rows(pairs)
    while True:
        fuller = _composed(pairs, row_of, bound)
        if len(fuller) == len(pairs) and np.array_equal(fuller.distances, pairs.distances):
            return pairs
        pairs = fuller


def _query_rows(pairs: Pairs) -> Rows:
    """The query row of each document that is also a query, -1 for the others."""
    if pairs.query_ids == pairs.document_ids:
        return np.arange(pairs.n_documents)
    known = pairs.query_ids
    return np.array([known.row(label) if label in known else -1 for label in pairs.document_ids], np.int64)


def _composed(pairs: Pairs, row_of: Rows, bound: int) -> Pairs:
    """These pairs and every (q, d) with a document e between them, at the least distance of all ways."""
    query_of, documents, distances = pairs.query_of, pairs.documents.astype(np.int64), pairs.distances.astype(np.int64)
    first = np.flatnonzero((row_of[documents] >= 0) & (distances > 0))
    place, second = pairs.of(row_of[documents[first]])
    first = first[place]
    hops = distances[first] + distances[second]
    fitting = (distances[second] > 0) & (hops <= bound)
    queries = np.r_[query_of, query_of[first[fitting]]]
    above = np.r_[documents, documents[second[fitting]]]
    hops = np.r_[distances, hops[fitting]]
    keys = queries * pairs.n_documents + above
    order = np.lexsort((hops, keys))
    nearest = order[np.r_[True, np.diff(keys[order]) > 0]] if len(order) else order
    return type(pairs).from_arrays(
        pairs.query_ids,
        pairs.document_ids,
        queries[nearest],
        above[nearest],
        hops[nearest],
        query_texts=pairs.query_texts,
        document_texts=pairs.document_texts,
        notes=pairs.notes,
    )
