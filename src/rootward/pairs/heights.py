"""How high a document stands, from distances alone: the order in which an answer set is shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rootward.csr import PAIRS_AT_A_TIME, spans

ROUNDS = 20
TIE_BREAK = 0.3


def heights(
    offsets: npt.NDArray[np.int64],
    documents: npt.NDArray[np.int32],
    distances: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
    at_a_time: int = PAIRS_AT_A_TIME,
) -> npt.NDArray[np.float32]:
    """One number a document, such that within a query's relevant set the nearer ones have the smaller (float32).

    The heights h, with one depth c a query, that fit distance(q, d) = h(d) + c(q) best over all pairs in least squares,
    found by solving for each in turn; `ROUNDS` rounds settle them. In a tree this is the hops above the leaves, up to
    a constant. Besides, `TIE_BREAK` times the log of the document's generality, how many queries it is relevant to:
    it tells a leaf from a node with a few children, which fit alike. Documents that answer nothing come last.

    Generality alone orders 97.0 % of WordNet's relevant pairs by distance, this 98.6 %; pairs that are cut off at some
    distance, as they are there, give the highest nodes too small a count.

    Args:
        offsets, documents, distances: of the pairs, as `Pairs` has them.
        counts: int64, the generality of each document.
        at_a_time: pairs that are looked at together; the result is the same to the bit.
    """
    fitted = np.zeros(len(counts))
    for _ in range(ROUNDS):
        total = np.zeros(len(counts))
        for rows, part in spans(offsets, at_a_time):
            sizes = np.diff(offsets[rows.start : rows.stop + 1])
            of = np.repeat(np.arange(len(sizes)), sizes)
            hops = distances[part].astype(np.float64)
            depth = np.bincount(of, hops - fitted[documents[part]], len(sizes)) / np.maximum(sizes, 1)
            np.add.at(total, documents[part], hops - depth[of])  # one after the other, whatever the parts
        fitted = total / np.maximum(counts, 1)
    fitted += TIE_BREAK * np.log(np.maximum(counts, 1))
    never = counts == 0
    fitted[never] = fitted[~never].max(initial=0.0) + 1.0
    return fitted.astype(np.float32)
