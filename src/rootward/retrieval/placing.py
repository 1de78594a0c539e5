"""Where lists stand: around queries or around documents, whichever finds enough among fewer documents.

Lists around queries hold what the pairs say is wanted. Where the encoder finds something else, that stands in any
list, and most of them would have to be probed. Fewer may do where each document stands in the lists nearest to it
besides, or in lists around documents. A sample of queries with their exact answers tells before a document is put in.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rootward import rng
from rootward.evaluation.blocks import Ints
from rootward.retrieval.demand import MOST_LISTS, Plan
from rootward.retrieval.faiss_files import faiss
from rootward.retrieval.tuning import Sample, enough

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
