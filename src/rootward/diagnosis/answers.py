"""What some queries are answered with: who takes the answers, and what becomes of recall when frequent documents
are given a handicap or an advantage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.diagnosis.facts import Bias, Hubness
from rootward.evaluation import Ranks
from rootward.pairs import Pairs
from rootward.pairs.ids import Rows

STRENGTHS = (-0.8, -0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 0.8, 1.2)
"""Of the correction by log generality, in standard deviations of the scores a standard deviation of it."""

BLOCK_SCORES = 4_000_000


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of some queries.

    Attributes:
        taken, due: int64, n_documents; how often each document is among the |S(q)| best, and how often it is relevant.
        recalls: float64, n_queries looked at x len(STRENGTHS); recall at |S(q)| with each strength.
    """

    taken: Rows
    due: Rows
    recalls: npt.NDArray[np.float64]


def answers(queries: Tensor, documents: Tensor, pairs: Pairs, rows: Rows, generality: Rows) -> Answers:
    """Score these query rows against all documents, in blocks, once for each strength.

    A tie counts against a document, as everywhere.
    """
    log_generality = torch.from_numpy(np.log(np.maximum(generality, 0.5))).to(documents.dtype)
    spread = float(log_generality.std()) if len(log_generality) > 1 else 0.0
    taken, due = (np.zeros(pairs.n_documents, np.int64) for _ in range(2))
    recalls = np.zeros((len(rows), len(STRENGTHS)))
    size = max(1, BLOCK_SCORES // max(1, pairs.n_documents))
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        scores = queries[torch.from_numpy(part)] @ documents.T
        unit = float(scores.std()) / spread if spread else 0.0
        place, index = pairs.of(part)
        relevant = pairs.documents[index].astype(np.int64)
        np.add.at(due, relevant, 1)
        for column, strength in enumerate(STRENGTHS):
            leaning = scores + strength * unit * log_generality
            best, whose = leaning.topk(min(pairs.n_documents, int(pairs.sizes[part].max()) + 1), dim=1)
            hit = leaning[place, relevant].numpy() > _next_best(best, pairs.sizes[part])[place]
            recalls[start : start + len(part), column] = np.bincount(place, hit, len(part)) / pairs.sizes[part]
            if strength == 0:
                inside = np.arange(best.shape[1]) < pairs.sizes[part][:, None]
                np.add.at(taken, whose.numpy()[inside], 1)
    return Answers(taken, due, recalls)


def _next_best(best: Tensor, sizes: Rows) -> npt.NDArray[np.floating]:
    """The score right behind each query's |S(q)| best; -inf where every document is among them."""
    padded = np.concatenate([best.numpy(), np.full((len(best), 1), -np.inf, best.numpy().dtype)], axis=1)
    return np.asarray(padded[np.arange(len(best)), sizes])


def hubness(found: Answers, generality: Rows) -> Hubness:
    """Skewness and shares of the answers, beside what they should be."""
    n_top = max(1, len(generality) // 100)
    general = np.argsort(-generality, kind="stable")[:n_top]
    total = max(1, int(found.taken.sum()))
    return Hubness(
        skewness=_skewness(found.taken),
        true_skewness=_skewness(found.due),
        top_share=float(found.taken[general].sum() / total),
        true_top_share=float(found.due[general].sum() / max(1, int(found.due.sum()))),
        most_taken=float(np.sort(found.taken)[-n_top:].sum() / total),
    )


def _skewness(counts: Rows) -> float:
    apart = counts - counts.mean()
    spread = float(np.sqrt((apart**2).mean()))
    return float((apart**3).mean() / spread**3) if spread else 0.0


def bias(found: Answers, ranks: Ranks, generality: Rows) -> Bias:
    """The lean of the scores, and the strength that mends most, chosen on every second query and tried on the rest."""
    chosen_on, tried_on = found.recalls[::2].mean(0), found.recalls[1::2]
    tried = tried_on.mean(0) if len(tried_on) else chosen_on
    neutral = STRENGTHS.index(0.0)
    best = int(np.argmax(chosen_on)) if chosen_on.max() > chosen_on[neutral] else neutral
    return Bias(
        lean=lean(ranks, generality), strength=STRENGTHS[best], before=float(tried[neutral]), after=float(tried[best])
    )


def lean(ranks: Ranks, generality: Rows) -> float:
    """Correlation, within each S(q), of score and log generality (one a pair); 0 where one of them does not vary."""
    n = np.maximum(ranks.sizes, 1)
    rows = ranks.query_of

    def within(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(values - (np.bincount(rows, values, len(n)) / n)[rows])

    scores = within(ranks.scores.astype(np.float64))
    general = within(np.log(generality))
    size = float(np.sqrt((scores**2).sum() * (general**2).sum()))
    return float((scores * general).sum() / size) if size > 1e-12 else 0.0
