"""One (query row, document row, distance) a pair, in any order, to the arrays of `Pairs`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rootward.errors import PairsError
from rootward.pairs.ids import Ids
from rootward.pairs.ragged import is_sorted, offsets_of


class Arranged(NamedTuple):
    """CSR from query to documents, as `Pairs` has it."""

    offsets: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int32]
    distances: npt.NDArray[np.int32]


def arranged(
    query_ids: Ids, document_ids: Ids, queries: npt.ArrayLike, documents: npt.ArrayLike, distances: npt.ArrayLike
) -> Arranged:
    """The arrays of these pairs; `Pairs.from_arrays` says what is refused."""
    q, d = (np.asarray(rows, np.int64) for rows in (queries, documents))
    given = np.asarray(distances)
    hops = given.astype(np.int64)
    if not len(q) == len(d) == len(hops):
        raise PairsError(
            f"Each pair needs a query, a document and a distance, got {len(q)}, {len(d)} and {len(hops)} of them."
        )
    for rows, ids, side in ((q, query_ids, "query"), (d, document_ids, "document")):
        if len(rows) and (rows.min() < 0 or rows.max() >= len(ids)):
            raise PairsError(f"{side} rows must lie in 0..{len(ids) - 1}, got {rows.min()}..{rows.max()}.")
    wrong = np.flatnonzero((hops != given) | (hops < 0) | (hops > np.iinfo(np.int32).max))
    if len(wrong):
        raise PairsError(f"Distances are whole numbers of hops from 0; pair {wrong[0]} has {given[wrong[0]]}.")
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
    return Arranged(offsets, d.astype(np.int32), hops.astype(np.int32))


def check_arrays(n_queries: int, offsets: npt.NDArray[np.int64], n_pairs: int, n_distances: int) -> None:
    """Refuse arrays that do not fit each other.

    Raises:
        PairsError: they do not.
    """
    if len(offsets) != n_queries + 1 or offsets[0] != 0 or offsets[-1] != n_pairs:
        raise PairsError(
            f"offsets must run from 0 to {n_pairs} with {n_queries + 1} entries, "
            f"got {len(offsets)} from {offsets[:1]} to {offsets[-1:]}."
        )
    if n_distances != n_pairs:
        raise PairsError(f"{n_pairs} documents need as many distances, got {n_distances}.")
