"""Growth of an encoder that reads: texts are encoded, and only documents with vectors of their own are solved for.

Queries are what they are called, so none of them moves. A document of `documents="text"` is what it is called, too; one
of "tied" or "lookup" has a vector of its own, which for a new one is found as for lookup encoders, with every query
held where it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rootward.encoders import DualEncoder, LookupTower
from rootward.encoders.tied import Reader, TiedTower
from rootward.encoders.towers import Tower
from rootward.growth.solve import Effort, Moving, solve, start
from rootward.pairs import Ids, Pairs, Texts
from rootward.pairs.ids import Rows
from rootward.pairs.texts import what_is_read

Named = tuple[Ids, Texts | None]


@dataclass(frozen=True, eq=False)
class Read:
    """An encoder over other texts.

    Attributes:
        model: without thresholds.
        vectors: a lookup encoder of the very vectors that `model` gives.
        renamed: rows of queries that were there under another name, so that they have other vectors (int64).
        renamed_documents: of `documents="text"` the same; documents with vectors of their own keep these.
    """

    model: DualEncoder
    vectors: DualEncoder
    renamed: Rows
    renamed_documents: Rows


def read(
    model: DualEncoder, after: Pairs, was: tuple[Rows, Rows], thresholds: Tensor, effort: Effort, seed: int
) -> Read:
    """The model with the ids and texts of the pairs after, its new documents solved for.

    Args:
        model: its query tower reads.
        after: what is relevant now.
        was: for each query and each document of `after` its row in the model, -1 for new ones.
        thresholds: float32, one a query of `after`; where answer sets end that are not to take in a new document.
        effort, seed: of solving.
    """
    assert isinstance(model.query_tower, Reader)
    texts = what_is_read(after.query_ids, after.query_texts)
    known = torch.from_numpy(np.flatnonzero(after.sizes))
    queries = model.query_tower.reading(texts).knowing(known)
    named = _named(model, queries, known, after)
    said = None if named is None else named.encode().detach().cpu().float()
    vectors = DualEncoder.from_vectors(after, queries.encode(), _start(model, said, after, was[1]))
    vectors.thresholds = thresholds
    new = np.flatnonzero(was[1] < 0)
    if len(new) and not _is_text(model.document_tower):
        if named is None:
            start(vectors, after, np.empty(0, np.int64), new, seed)
        wanting = np.unique(after.query_of[np.isin(after.documents, new)])
        solve(vectors, after, Moving(wanting, new), effort, seed, queries_move=False)
    called = (model.document_ids, model.document_texts), (after.document_ids, after.document_texts)
    renamed = _renamed(*called, was[1])
    tower = _tower(model, named, said, vectors.document_vectors(), renamed, was[1])
    return Read(
        DualEncoder.from_towers(after, queries, tower),
        vectors,
        _renamed((model.query_ids, model.query_texts), (after.query_ids, after.query_texts), was[0]),
        renamed if _is_text(model.document_tower) else np.empty(0, np.int64),
    )


def _is_text(tower: Tower) -> bool:
    return isinstance(tower, Reader)


def _named(model: DualEncoder, queries: Reader, known: Tensor, after: Pairs) -> Reader | None:
    """What reads the documents' names; None where documents are a table."""
    tower, names = model.document_tower, what_is_read(after.document_ids, after.document_texts)
    if isinstance(tower, TiedTower):
        return queries.reading(names)
    return tower.reading(names).knowing(known) if isinstance(tower, Reader) else None


def _start(model: DualEncoder, said: Tensor | None, after: Pairs, was: Rows) -> Tensor:
    """Documents that were there where they were, new ones where their names say, or nowhere."""
    held = torch.zeros(after.n_documents, model.dim) if said is None else said.clone()
    if not _is_text(model.document_tower):
        held[torch.from_numpy(was >= 0)] = model.document_vectors(was[was >= 0]).detach().cpu().float()
    return held


def _tower(
    model: DualEncoder, named: Reader | None, said: Tensor | None, vectors: Tensor, renamed: Rows, was: Rows
) -> Tower:
    """The documents' tower that gives these vectors."""
    if named is None or said is None:
        return LookupTower(vectors)
    before = model.document_tower
    if not isinstance(before, TiedTower):
        return named
    offsets, same = vectors - said, was >= 0
    same[renamed] = False
    offsets[torch.from_numpy(same)] = before.offsets[torch.from_numpy(was[same])].cpu()
    return TiedTower(named, offsets)


def _renamed(before: Named, after: Named, was: Rows) -> Rows:
    """The rows that were there and are called otherwise now."""
    old, new = what_is_read(*before), what_is_read(*after)
    rows = [row for row in np.flatnonzero(was >= 0).tolist() if old[was[row]] != new[row]]
    return np.array(rows, np.int64)
