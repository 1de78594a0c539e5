"""Poincare and Lorentz embeddings in float64, the baselines of figure D.1, reparameterised, so that a plain optimiser
in flat space trains them.

A row is free numbers; its point in hyperbolic space is made of them (Dhingra et al. 2018, section 3): a direction,
the numbers divided by their length, and a norm, a sigmoid of a number of its own. So no point leaves the space, and
no gradient has to be a Riemannian one. In the Lorentz model the same point stands on the hyperboloid, where distances
need no division by what is nearly zero.

Score = -hyperbolic distance of query and document, softmax over the batch's documents as everywhere in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rootward.experiments.scored import Descent
from rootward.pairs import Pairs, Regular
from rootward.rng import stream

Space = Literal["poincare", "lorentz"]
EDGE = 1e-9
"""How near to the rim of the ball a point may come; float64 tells distances apart up to there."""


@dataclass(eq=False)
class Hyperbolic:
    """Two tables of points, one a query and one a document.

    Attributes:
        space: how distances are computed; both are the same space.
        queries, documents: float64, n x (dim + 1); the last number makes the norm.
    """

    space: Space
    queries: Tensor
    documents: Tensor

    @classmethod
    def begin(cls, pairs: Pairs, dim: int, space: Space, seed: int) -> Hyperbolic:
        """Random directions at small norms (a tenth of the ball), as such embeddings are begun."""
        made = []
        for name, n in (("queries", pairs.n_queries), ("documents", pairs.n_documents)):
            numbers = stream(seed, "hyperbolic", name).standard_normal((n, dim + 1))
            numbers[:, -1] = 0.1 * numbers[:, -1] - 2.2  # sigmoid(-2.2) = 0.1
            made.append(torch.from_numpy(numbers))
        return cls(space, *made)

    def scores(self, queries: Tensor, documents: Tensor) -> Tensor:
        """-distance of these rows of numbers (float64, queries x documents)."""
        return -(poincare if self.space == "poincare" else lorentz)(points(queries), points(documents))


def points(rows: Tensor) -> Tensor:
    """Points of the unit ball (n x dim) from free numbers (n x dim + 1)."""
    direction = torch.nn.functional.normalize(rows[:, :-1])
    return direction * (torch.sigmoid(rows[:, -1:]) * (1 - EDGE))


def poincare(one: Tensor, other: Tensor) -> Tensor:
    """Distances in the Poincare ball: arcosh(1 + 2 |x - y|^2 / ((1 - |x|^2)(1 - |y|^2)))."""
    x, y = one.square().sum(1, keepdim=True), other.square().sum(1)
    apart = (x + y - 2 * one @ other.T).clamp(min=0)
    return _arcosh_above_one(2 * apart / ((1 - x) * (1 - y)))


def lorentz(one: Tensor, other: Tensor) -> Tensor:
    """The same distances on the hyperboloid: arcosh of minus the Lorentz product."""

    def lifted(ball: Tensor) -> tuple[Tensor, Tensor]:
        square = ball.square().sum(1, keepdim=True)
        return (1 + square) / (1 - square), 2 * ball / (1 - square)

    (time_x, space_x), (time_y, space_y) = lifted(one), lifted(other)
    return _arcosh_above_one((time_x @ time_y.T - space_x @ space_y.T - 1).clamp(min=0))


def _arcosh_above_one(above: Tensor) -> Tensor:
    """arcosh(1 + above), exact for small values, its gradient finite at 0."""
    return torch.log1p(above + torch.sqrt(above * (above + 2) + 1e-15))


def train_hyperbolic(
    model: Hyperbolic, pairs: Pairs, *, steps: int, batch_size: int, learning_rate: float, scale: float, seed: int
) -> None:
    """Adam on the in-batch softmax of regularly sampled pairs, in place.

    Raises:
        TrainingError: the loss is no number.
    """
    descent, sampler, query_of = Descent(model), Regular(pairs), pairs.query_of
    for step in range(steps):
        drawn = sampler.draw(stream(seed, "hyperbolic", "draw", step), batch_size)
        queries, place = np.unique(query_of[drawn], return_inverse=True)
        documents, column, counts = np.unique(pairs.documents[drawn], return_inverse=True, return_counts=True)
        scores = scale * model.scores(*descent.leaves(queries.astype(np.int64), documents.astype(np.int64)))
        against = torch.logsumexp(scores + torch.from_numpy(counts).log(), 1)
        loss = (against[place] - scores[place, column]).mean()
        descent.move(loss, learning_rate, step)
