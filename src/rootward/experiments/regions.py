"""Order embeddings and box embeddings, the baselines that read "is an ancestor of" off regions of space.

Both hold a query table and a document table, as everything here does, so a document need not be a query.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from rootward.pairs import Pairs
from rootward.rng import stream

MARGIN = 1.0
"""Of order embeddings, the paper's for hypernyms."""

BETA = 0.1
"""How soft the corners of boxes are: the scale of their Gumbel noise."""

EULER = 0.5772156649015329


@dataclass(eq=False)
class OrderEmbeddings:
    """Order embeddings (Vendrov, Kiros, Fidler, Urtasun 2016, section 3): what is more general stands nearer the origin
    of the positive orthant in every coordinate.

    Score = -violation, the sum of max(0, document - query)^2 over coordinates: 0 for an ancestor, less for others.

    Attributes:
        queries, documents: float32, n x dim; a point is the absolute value of its row.
    """

    queries: Tensor
    documents: Tensor

    @classmethod
    def begin(cls, pairs: Pairs, dim: int, seed: int) -> OrderEmbeddings:
        """Random points, as near to the origin as unit vectors are on average."""
        sides = (("queries", pairs.n_queries), ("documents", pairs.n_documents))
        drawn = (stream(seed, "order embeddings", name).standard_normal((n, dim)) for name, n in sides)
        return cls(*(torch.from_numpy(rows).float() / dim**0.5 for rows in drawn))

    def scores(self, queries: Tensor, documents: Tensor) -> Tensor:
        """Minus the violation of these rows (queries x documents)."""
        low, high = queries.abs(), documents.abs()
        total = torch.zeros(())
        for i in range(low.shape[1]):  # no array of queries x documents x dim
            total = total + torch.relu(high[:, i] - low[:, i, None]).square()
        return -total

    @staticmethod
    def loss(wanted: Tensor, others: Tensor) -> Tensor:
        """The violation of pairs, and what negatives lack to a violation of 1 (the paper's equation 4)."""
        return (torch.relu(MARGIN + others).sum(1) - wanted).mean()


@dataclass(eq=False)
class Boxes:
    """Box embeddings (Vilnis et al. 2018) with the Gumbel corners of Dasgupta et al. 2020, sections 4 and 5.

    Score = log P(document | query) = log of the expected volume of the intersection less that of the query's box: near
    0 where the query's box lies inside the document's.

    Attributes:
        queries, documents: float32, n x 2 dim: the lower corner, then what softplus makes the sides. So a box of `dim`
            dimensions has twice as many numbers as a vector.
    """

    queries: Tensor
    documents: Tensor

    @classmethod
    def begin(cls, pairs: Pairs, dim: int, seed: int) -> Boxes:
        """Small query boxes and large document boxes around the centre of the unit cube."""
        made = []
        for name, n, side in (("queries", pairs.n_queries, -1.0), ("documents", pairs.n_documents, 0.5)):
            rng = stream(seed, "boxes", name)
            length = torch.nn.functional.softplus(torch.tensor(side))
            corner = torch.from_numpy(0.5 + 0.1 * rng.standard_normal((n, dim))).float() - length / 2
            sides = torch.from_numpy(side + 0.1 * rng.standard_normal((n, dim))).float()
            made.append(torch.cat([corner, sides], 1))
        return cls(*made)

    def scores(self, queries: Tensor, documents: Tensor) -> Tensor:
        """log P(document | query) of these rows (queries x documents)."""
        (low, high), (other_low, other_high) = _corners(queries), _corners(documents)
        total = -_log_side(high - low).sum(1)[:, None]
        for i in range(low.shape[1]):  # no array of queries x documents x dim
            bottom = BETA * torch.logaddexp(low[:, i, None] / BETA, other_low[:, i] / BETA)
            top = -BETA * torch.logaddexp(-high[:, i, None] / BETA, -other_high[:, i] / BETA)
            total = total + _log_side(top - bottom)
        return total

    @staticmethod
    def loss(wanted: Tensor, others: Tensor) -> Tensor:
        """Binary cross-entropy of the conditional probabilities: 1 for pairs, 0 for negatives."""
        apart = torch.log(-torch.expm1(others.clamp(max=-1e-6)))
        return -(wanted + apart.sum(1)).mean()


def _corners(rows: Tensor) -> tuple[Tensor, Tensor]:
    low, sides = rows.chunk(2, dim=1)
    return low, low + softplus(sides)


def _log_side(length: Tensor) -> Tensor:
    """log of the expected side between two Gumbel corners: BETA softplus(length / BETA - 2 gamma), for any length."""
    x = length / BETA - 2 * EULER
    soft = torch.where(x < -15, x, softplus(x.clamp(min=-15)).log())
    return soft + torch.tensor(BETA).log()
