"""Finds vectors for new rows; all other rows keep theirs.

What moves: the new queries, those whose relevant set has changed, and the new documents. What is minimised:

    queries      the decoupled loss of training: each relevant document above all others
    documents    the same loss, as far as it depends on them; and for every query that stays, whose answer set ends at
                 its threshold m and has no new document in it, softplus(tau (score - m)), over the queries that
                 each new document comes closest to, searched for among all of them every few epochs

Documents that were there before never move, so an index has only rows to add.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from rootward.encoders import DualEncoder
from rootward.evaluation import extend_documents, extend_queries
from rootward.ids import Rows
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.scoring import above, best
from rootward.training.batches import Batch
from rootward.training.defaults import resolve
from rootward.training.loop import gradients
from rootward.training.losses import LOSSES, Targets
from rootward.training.optimizers import LazyAdam
from rootward.training.recipes import decoupled


@dataclass(frozen=True)
class Effort:
    """How much work is done for new rows.

    Attributes:
        epochs: passes over the queries that move.
        fewest_steps: no fewer steps than this, however few queries move.
        batch_size: queries a step.
        negatives: uniform documents a step, beside the relevant and the new ones.
        rate: the typical length of a row's first step on the unit sphere; it falls to 0.
        rivals: how many of the queries that stay each new document is kept away from.
        searches: how often these are searched for.
        rival_weight: of a query that stays, beside 1 for one that moves. At 1 a seventh of the new leaves on WordNet do
            not find themselves, as each has one query of its own against 64; queries still hurt may move afterwards.
    """

    epochs: int = 10
    fewest_steps: int = 100
    batch_size: int = 512
    negatives: int = 2_048
    rate: float = 0.1
    rivals: int = 64
    searches: int = 3
    rival_weight: float = 0.2


def start(model: DualEncoder, pairs: Pairs, new_queries: Rows, new_documents: Rows, seed: int) -> None:
    """Set the new rows of both tables to their starting vectors, in place.

    A document: half way between the mean of the known queries it is relevant to and a direction of its own that depends
    on the seed and its id alone. A query: the normalised sum of its documents (arXiv 2509.16411, Algorithm 1).
    """
    queries, documents = model.query_vectors(), model.document_vectors()
    own = [stream(seed, "growth", "start", model.document_ids[row]) for row in new_documents.tolist()]
    drawn = np.array([rng.standard_normal(model.dim, np.float32) for rng in own], np.float32)
    documents[new_documents] = normalize(torch.from_numpy(drawn.reshape(len(own), model.dim)))
    wanted = np.flatnonzero(np.isin(pairs.documents, new_documents) & ~np.isin(pairs.query_of, new_queries))
    middle = torch.zeros_like(documents).index_add_(
        0, torch.from_numpy(pairs.documents[wanted]).long(), queries[torch.from_numpy(pairs.query_of[wanted])]
    )
    documents[new_documents] = normalize(documents[new_documents] + normalize(middle[new_documents]))
    place, index = pairs.of(new_queries)
    sums = torch.zeros(len(new_queries), model.dim).index_add_(
        0, torch.from_numpy(place), documents[torch.from_numpy(pairs.documents[index]).long()]
    )
    lost = ~sums.any(1)
    sums[lost] = torch.from_numpy(
        stream(seed, "growth", "no documents").standard_normal((int(lost.sum()), model.dim), np.float32)
    )
    queries[new_queries] = normalize(sums)


def solve(
    model: DualEncoder,
    pairs: Pairs,
    moving: Rows,
    new_documents: Rows,
    effort: Effort,
    seed: int,
    *,
    queries_move: bool = True,
) -> None:
    """Move the vectors of some queries and of the new documents, in place; all others stay as they are, to the bit.

    Args:
        model: a lookup encoder with the ids of `pairs` and the thresholds of the queries that stay.
        pairs: what is relevant.
        moving: rows of queries whose relevant set is new or has changed (int64, ascending); those without pairs stay.
        new_documents: rows (int64, ascending).
        effort: how much work.
        seed: of batches and negatives.
        queries_move: False where queries are read from texts; then only documents move.
    """
    queries, documents = model.query_vectors(), model.document_vectors()
    moved = moving[pairs.sizes[moving] > 0]
    if not len(moved):
        return
    per_epoch = -(-len(moved) // effort.batch_size)
    n_steps = max(effort.epochs * per_epoch, effort.fewest_steps)
    stage = resolve(decoupled().stages[0], pairs, model.dim)
    assert stage.scale is not None and stage.scale_end is not None and stage.momentum is not None
    movers = [LazyAdam(table, stage.momentum, stage.second_moment) for table in (queries, documents)]
    new = torch.from_numpy(new_documents)
    rivals, every = None, -(-n_steps // effort.searches)
    _, index = pairs.of(moved)
    uses = np.bincount(pairs.documents[index], minlength=pairs.n_documents)
    for step in range(n_steps):
        epoch, part = divmod(step, per_epoch)
        if part == 0:
            order = stream(seed, "growth", "order", epoch).permutation(moved)
        rows = np.sort(order[part::per_epoch])
        batch = _batch(pairs, rows, len(rows) / len(moved), new_documents, uses, effort.negatives, seed, step)
        share = step / n_steps
        scale, rate = stage.scale * (stage.scale_end / stage.scale) ** share, effort.rate * (1 - share)
        if len(new) and step % every == 0:
            rivals = _Rivals.of(model, documents[new], _staying(pairs, moving), effort.rivals)
        _, by_query, by_document = gradients(
            LOSSES["decoupled"], queries[batch.queries], documents[batch.documents], batch, scale
        )
        if queries_move:
            movers[0].step(batch.queries, by_query, rate)
        if len(new):
            pull = by_document[torch.searchsorted(batch.documents, new)]
            if rivals is not None:  # none, where every query moves: a new root
                pull = rivals.gradient(documents[new], scale).mul_(effort.rival_weight / len(moved)).add_(pull)
            movers[1].step(new, pull, rate)


def _staying(pairs: Pairs, moving: Rows) -> Rows:
    """The rows of the queries that have pairs and do not move."""
    stays = pairs.sizes > 0
    stays[moving] = False
    return np.flatnonzero(stays)


def _batch(
    pairs: Pairs, queries: Rows, share: float, documents: Rows, uses: Rows, negatives: int, seed: int, step: int
) -> Batch:
    """A step over `queries`, a share of those that move; all new `documents` are among its columns."""
    n = pairs.n_documents
    rows, index = pairs.of(queries)
    relevant = pairs.documents[index].astype(np.int64)
    columns, log_counts = np.arange(n), None
    if 2 * negatives < n:
        uniform = stream(seed, "growth", "negatives", step).integers(n, size=negatives)
        columns = np.unique(np.concatenate([relevant, documents, uniform]))
        # each column stands for one over its chance to be there, which is 1 for new documents
        missed = negatives * np.log1p(-1.0 / n) + uses[columns] * np.log1p(-min(share, 1 - 1e-9))
        chance = -np.expm1(missed)
        chance[np.searchsorted(columns, documents)] = 1.0
        log_counts = torch.from_numpy(-np.log(chance)).float()
    weights = 1.0 / (pairs.sizes[queries][rows] * len(queries))
    arrays = (rows, np.searchsorted(columns, relevant), weights.astype(np.float32), pairs.distances[index])
    targets = Targets(*map(torch.from_numpy, arrays))
    return Batch(torch.from_numpy(queries), torch.from_numpy(columns), log_counts, True, targets, len(index))


@dataclass(frozen=True, eq=False)
class _Rivals:
    """For each new document the queries that it is not relevant to and scores highest for, less their threshold.

    Attributes:
        vectors: float32, n_new x rivals x dim.
        limits: float32, n_new x rivals; where their answer sets end.
    """

    vectors: Tensor
    limits: Tensor

    @classmethod
    def of(cls, model: DualEncoder, documents: Tensor, staying: Rows, n: int) -> _Rivals | None:
        """The n queries with the highest score less their threshold, for each document; None where none stays."""
        rows = torch.from_numpy(staying)
        rows = rows[torch.isfinite(model.thresholds[rows])]
        if not len(rows):
            return None
        vectors, limits = model.query_vectors(rows), model.thresholds[rows]
        wanted = np.full(len(documents), min(n, len(rows)))
        _, found, _ = best(extend_documents(documents), extend_queries(vectors, limits), wanted)  # score - limit
        who = torch.from_numpy(found).view(len(documents), -1)
        return cls(vectors[who], limits[who])

    def gradient(self, documents: Tensor, scale: float) -> Tensor:
        """Of the sum of softplus(scale (score - limit)), with respect to the documents."""
        scores = torch.bmm(self.vectors, documents[:, :, None])[:, :, 0]
        pull = torch.sigmoid(scale * (scores - self.limits)) * scale
        return torch.bmm(pull[:, None], self.vectors)[:, 0]


def intruded(model: DualEncoder, pairs: Pairs, moving: Rows, new_documents: Rows) -> Rows:
    """The rows of queries that stay, for which a new document, not relevant to them, reaches their threshold."""
    staying = _staying(pairs, moving)
    queries, documents = model.query_vectors(staying), model.document_vectors(new_documents)
    offsets, _, _ = above(queries, documents, model.thresholds[staying].numpy())
    return staying[np.diff(offsets) > 0]
