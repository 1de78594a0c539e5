"""Baselines whose score is no inner product: what they share, how all of them are trained, their recall and latency.

Where their papers leave it open they are trained alike: pairs drawn regularly, uniform negatives shared by the batch
with the query's own documents left out (so that no popularity bias is theirs), Adam, a rate that falls to nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.errors import TrainingError
from rootward.evaluation import recall
from rootward.evaluation.metrics import Recall
from rootward.evaluation.ranks import Ranks
from rootward.pairs import Pairs, Regular
from rootward.rng import stream
from rootward.training.optimizers import Adam

Rows = npt.NDArray[np.int64]
ScoresOf = Callable[[Rows], Tensor]
"""Query rows to their scores of all documents."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Scores of the pairs drawn (n) and of the negatives (n x k, -inf where a document is relevant) to a scalar."""

BLOCK = 8_000_000  # scores at a time


class Scored(Protocol):
    """Two tables of numbers, and a score between their rows; higher is better."""

    queries: Tensor
    documents: Tensor

    def scores(self, queries: Tensor, documents: Tensor) -> Tensor:
        """Scores of these rows of the tables (queries x documents)."""
        ...


def softmax_loss(tau: float) -> Loss:
    """Each pair against the negatives, temperatures as 1 / tau."""

    def loss(wanted: Tensor, others: Tensor) -> Tensor:
        every = torch.cat([wanted[:, None], others], 1) * tau
        return (torch.logsumexp(every, 1) - tau * wanted).mean()

    return loss


class Descent:
    """Adam on the rows of both tables that a step touches, in place."""

    def __init__(self, model: Scored) -> None:
        self._tables = (model.queries, model.documents)
        self._optimizers = [Adam(table, 0.9, 0.99, unit=False) for table in self._tables]

    def leaves(self, queries: Rows, documents: Rows) -> list[Tensor]:
        """These rows of each table, to be differentiated by; each row once."""
        self._used = [torch.from_numpy(rows) for rows in (queries, documents)]
        self._leaves = [table[rows].requires_grad_() for table, rows in zip(self._tables, self._used, strict=True)]
        return self._leaves

    def move(self, loss: Tensor, learning_rate: float, step: int) -> None:
        """Move the rows of the last `leaves` down this loss.

        Raises:
            TrainingError: the loss is no number.
        """
        if not torch.isfinite(loss):
            raise TrainingError(f"The loss became {loss.item()} at step {step}. Lower the learning rate.")
        gradients = torch.autograd.grad(loss, self._leaves)
        for optimizer, rows, gradient in zip(self._optimizers, self._used, gradients, strict=True):
            optimizer.step(rows, gradient, learning_rate)


def train_scored(
    model: Scored,
    pairs: Pairs,
    loss: Loss,
    *,
    steps: int,
    batch_size: int,
    negatives: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Train both tables in place.

    Raises:
        TrainingError: the loss is no number.
    """
    descent, sampler, query_of = Descent(model), Regular(pairs), pairs.query_of
    for step in range(steps):
        rng = stream(seed, "scored", "draw", step)
        drawn = sampler.draw(rng, batch_size)
        queries, documents = query_of[drawn], pairs.documents[drawn].astype(np.int64)
        against = np.unique(rng.integers(pairs.n_documents, size=negatives))
        used = [np.unique(queries), np.unique(np.concatenate([documents, against]))]
        moved = descent.leaves(*used)
        asked, wanted, others = (
            part[torch.from_numpy(np.searchsorted(rows, part_rows))]
            for part, rows, part_rows in (
                (moved[0], used[0], queries),
                (moved[1], used[1], documents),
                (moved[1], used[1], against),
            )
        )
        relevant = torch.from_numpy(_relevant(pairs, queries, against))
        value = loss(_each(model, asked, wanted), model.scores(asked, others).masked_fill(relevant, -torch.inf))
        descent.move(value, learning_rate * (1 - step / steps), step)


def _each(model: Scored, queries: Tensor, documents: Tensor) -> Tensor:
    """Score i is that of query i and document i."""

    def one(query: Tensor, document: Tensor) -> Tensor:
        return model.scores(query[None], document[None])[0, 0]

    scores: Tensor = torch.vmap(one)(queries, documents)
    return scores


def _relevant(pairs: Pairs, queries: Rows, documents: Rows) -> npt.NDArray[np.bool_]:
    """Whether each document (sorted rows) is relevant to each query (queries x documents)."""
    place, index = pairs.of(queries)
    found = pairs.documents[index].astype(np.int64)
    column = np.minimum(np.searchsorted(documents, found), len(documents) - 1)
    there = documents[column] == found
    out = np.zeros((len(queries), len(documents)), np.bool_)
    out[place[there], column[there]] = True
    return out


def scores_of(model: Scored) -> ScoresOf:
    """The scores that a model gives to all documents."""

    @torch.no_grad()
    def scores(rows: Rows) -> Tensor:
        return model.scores(model.queries[torch.from_numpy(rows)], model.documents)

    return scores


def scored_recall(scores: ScoresOf, pairs: Pairs, rows: Rows) -> Recall:
    """Recall at |S(q)| over the pairs of these queries, ties counted against us as everywhere."""
    part = pairs.of_queries(rows)
    ranks = np.empty(len(part), np.int32)
    every = np.flatnonzero(part.sizes)
    step = max(1, BLOCK // pairs.n_documents)
    for start in range(0, len(every), step):
        block = every[start : start + step]
        place, index = part.of(block)
        found = scores(block)
        aimed = found[torch.from_numpy(place), torch.from_numpy(part.documents[index].astype(np.int64))]
        ordered = torch.sort(found, dim=1).values
        for one in range(len(block)):
            mine = place == one
            below = torch.searchsorted(ordered[one], aimed[torch.from_numpy(mine)])
            ranks[index[mine]] = (len(ordered[one]) - below - 1).numpy()
    return recall(_as_ranks(part, ranks))


def _as_ranks(pairs: Pairs, ranks: npt.NDArray[np.int32]) -> Ranks:
    """Ranks that hold what recall asks for; scores and order are not filled in."""
    none, no = np.full(pairs.n_queries, np.nan), np.zeros(pairs.n_queries, np.bool_)
    zero = np.zeros(pairs.n_queries, np.int64)
    scores = np.full(len(pairs), np.nan)
    return Ranks(
        pairs.offsets, pairs.distances, ranks, scores, none, none, no, no, zero, zero, pairs.n_documents, fingerprint=""
    )


def latency(scores: ScoresOf, pairs: Pairs, n: int, *, times: int, k: int = 10) -> float:
    """Milliseconds a query for the k best of all documents, all of them scored, `n` queries asked at once.

    Scores are computed in blocks that fit memory. The median of several times, after one that does not count.
    """
    answered = np.flatnonzero(pairs.sizes)
    rows = np.resize(answered, n)
    step, k = max(1, BLOCK // pairs.n_documents), min(k, pairs.n_documents)
    took = []
    for _ in range(times + 1):
        began = time.perf_counter()
        for start in range(0, n, step):
            torch.topk(scores(rows[start : start + step]), k, dim=1)
        took.append(time.perf_counter() - began)
    return 1000 * median(took[1:]) / n
