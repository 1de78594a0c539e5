"""Pairs as they come, some missing and some wrong: what is left of a theorem that assumes every S(q) exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from rootward.encoders import DualEncoder
from rootward.errors import InputError, PairsError
from rootward.evaluation import evaluate
from rootward.geometry.separation import separation
from rootward.ids import Rows
from rootward.pairs import Pairs
from rootward.rng import stream


def corrupt(pairs: Pairs, *, dropped: float = 0.0, added: float = 0.0, seed: int = 0) -> Pairs:
    """These pairs with a share missing and a share of wrong ones among them; ids and rows stay.

    Missing pairs are drawn uniformly from all. A wrong pair is a uniform query that has answers, with a uniform
    document that is not relevant to it, and the distance of some random pair; where there are fewer such, all are
    added.

    Args:
        pairs: what is true.
        dropped: share of the pairs to leave out, in [0, 1).
        added: how many wrong pairs to put in, as a share of the pairs there were, at least 0.
        seed: of both choices, which are independent: the same pairs are missing whatever is added.

    Raises:
        InputError: shares out of range.
        PairsError: nothing is left.
    """
    if not 0 <= dropped < 1 or not 0 <= added < np.inf:
        raise InputError(f"Needed dropped in [0, 1) and added >= 0, got dropped={dropped}, added={added}.")
    kept = pairs
    if dropped:
        order = stream(seed, "corrupt", "dropped").permutation(len(pairs))
        wanted = np.ones(len(pairs), np.bool_)
        wanted[order[: round(dropped * len(pairs))]] = False
        kept = pairs.keep(wanted)
    if not len(kept):
        raise PairsError(f"Of {len(pairs)} pairs none is left with a share of {dropped} missing; drop fewer.")
    queries, documents, distances = _wrong(pairs, round(added * len(pairs)), seed)
    return Pairs.from_arrays(
        pairs.query_ids,
        pairs.document_ids,
        np.r_[kept.query_of, queries],
        np.r_[kept.documents, documents],
        np.r_[kept.distances, distances],
        query_texts=pairs.query_texts,
        document_texts=pairs.document_texts,
        notes=pairs.notes,
    )


def against(points: DualEncoder, true: Pairs) -> dict[str, Any]:
    """What vectors that were made from other pairs do for the true ones: `recall` (overall, at |S(q)|, in [0, 1]) and
    the figures of `Separation.to_dict`."""
    found = separation(points.query_vectors(), points.document_vectors(), true)
    return {"recall": evaluate(points, true, bootstrap=0).overall.value, **found.to_dict()}


def _wrong(pairs: Pairs, n: int, seed: int) -> tuple[Rows, Rows, Rows]:
    """n different pairs (query rows, document rows, distances) that are not among the true ones."""
    rng = stream(seed, "corrupt", "added")
    answered = np.flatnonzero(pairs.sizes)
    true = pairs.query_of * pairs.n_documents + pairs.documents
    there, wrong = true, np.empty(0, np.int64)
    room = len(answered) * pairs.n_documents - len(pairs)
    while len(wrong) < min(n, room):
        few = max(64, (n - len(wrong)) * 5 // 4)
        drawn = rng.choice(answered, few) * pairs.n_documents + rng.integers(pairs.n_documents, size=few)
        fresh = np.setdiff1d(drawn, there)
        wrong = np.r_[wrong, rng.permutation(fresh)][:n]
        there = np.r_[true, wrong]
    distances = rng.choice(pairs.distances.astype(np.int64), len(wrong))
    return wrong // pairs.n_documents, wrong % pairs.n_documents, distances
