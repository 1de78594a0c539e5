"""The models that the study `baselines` and figure D.1 compare with ours, and how all of them are trained and measured.

Hyperbolic embeddings (Poincare and Lorentz), order embeddings and box embeddings are two tables, of queries and of
documents, as ours are, with another score; one-versus-all is a linear classifier a document. Where their papers leave
it open they are trained alike: pairs drawn regularly, uniform negatives shared by the batch without the query's own
documents (so that none has a popularity bias), Adam, a learning rate that falls to zero.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array, eye_array
from torch import Tensor
from torch.nn.functional import softplus

from rootward.encoders.features import Grams, Vocabulary
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
"""Scores of the sampled pairs (n) and of the negatives (n x k, -inf where a document is relevant) to a scalar."""

BLOCK = 8_000_000
"""How many scores are computed at a time."""


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
        """Take a step of Adam on the rows of the last `leaves`.

        Raises:
            TrainingError: the loss is not finite.
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
        TrainingError: the loss is not finite.
    """

    def score(query: Tensor, document: Tensor) -> Tensor:
        return model.scores(query[None], document[None])[0, 0]

    descent, sampler, query_of = Descent(model), Regular(pairs), pairs.query_of
    for step in range(steps):
        rng = stream(seed, "scored", "draw", step)
        drawn = sampler.draw(rng, batch_size)
        queries, documents = query_of[drawn], pairs.documents[drawn].astype(np.int64)
        against = np.unique(rng.integers(pairs.n_documents, size=negatives))
        used = [np.unique(queries), np.unique(np.concatenate([documents, against]))]
        moved = descent.leaves(*used)
        sampled, wanted, others = (
            part[torch.from_numpy(np.searchsorted(rows, part_rows))]
            for part, rows, part_rows in (
                (moved[0], used[0], queries),
                (moved[1], used[1], documents),
                (moved[1], used[1], against),
            )
        )
        relevant = torch.from_numpy(relevance(pairs, queries, against))
        others_scores = model.scores(sampled, others).masked_fill(relevant, -torch.inf)
        value = loss(torch.vmap(score)(sampled, wanted), others_scores)
        descent.move(value, learning_rate * (1 - step / steps), step)


def relevance(pairs: Pairs, queries: Rows, documents: Rows) -> npt.NDArray[np.bool_]:
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
    # recall needs the ranks alone; scores and order are not filled in
    nan, no = np.full(part.n_queries, np.nan), np.zeros(part.n_queries, np.bool_)
    zero, unknown = np.zeros(part.n_queries, np.int64), np.full(len(part), np.nan)
    fields = (part.offsets, part.distances, ranks, unknown, nan, nan, no, no, zero, zero, part.n_documents)
    return recall(Ranks(*fields, fingerprint=""))


def latency(scores: ScoresOf, pairs: Pairs, n: int, *, times: int, k: int = 10) -> float:
    """Milliseconds a query for the k best of all documents, all of them scored, `n` queries at once.

    Scores are computed in blocks that fit memory. The median of several times, after a first one that is not counted.
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


# -- hyperbolic embeddings ------------------------------------------------------------

Space = Literal["poincare", "lorentz"]
EDGE = 1e-9
"""The least distance of a point from the rim of the ball; float64 tells distances apart up to there."""


@dataclass(eq=False)
class Hyperbolic:
    """Poincare or Lorentz embeddings in float64, reparameterised so that a plain optimiser in flat space trains them.

    A row is free numbers; its point in hyperbolic space is computed from them (Dhingra et al. 2018, section 3): the
    direction of all but the last, and a norm that is a sigmoid of the last. So no point leaves the space, and no
    gradient has to be a Riemannian one. In the Lorentz model the same point is on the hyperboloid, where distances need
    no division by what is nearly zero.

    Score = -hyperbolic distance of query and document.

    Attributes:
        space: how distances are computed; both are the same space.
        queries, documents: float64, n x (dim + 1).
    """

    space: Space
    queries: Tensor
    documents: Tensor

    @classmethod
    def begin(cls, pairs: Pairs, dim: int, space: Space, seed: int) -> Hyperbolic:
        """Random directions at small norms, a tenth of the ball."""
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
        TrainingError: the loss is not finite.
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


# -- order and box embeddings ------------------------------------------------------------

MARGIN = 1.0
"""The margin of order embeddings, their paper's for hypernyms."""

BETA = 0.1
"""The scale of the Gumbel noise of the corners of boxes."""

EULER = 0.5772156649015329


@dataclass(eq=False)
class OrderEmbeddings:
    """Order embeddings (Vendrov, Kiros, Fidler, Urtasun 2016, section 3): a more general document is nearer the origin
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
        """The violation of pairs, plus how far negatives are below a violation of 1 (the paper's equation 4)."""
        return (torch.relu(MARGIN + others).sum(1) - wanted).mean()


@dataclass(eq=False)
class Boxes:
    """Box embeddings (Vilnis et al. 2018) with the Gumbel corners of Dasgupta et al. 2020, sections 4 and 5.

    Score = log P(document | query) = log of the expected volume of the intersection less that of the query's box: near
    0 where the query's box lies inside the document's.

    Attributes:
        queries, documents: float32, n x 2 dim: the lower corner, then the sides before softplus. So a box of `dim`
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
            length = softplus(torch.tensor(side))
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


# -- classifiers ------------------------------------------------------------


@dataclass(eq=False)
class InnerProduct:
    """Two tables of vectors scored by the inner product, as ours are.

    Attributes:
        queries, documents: float32, n x dim.
    """

    queries: Tensor
    documents: Tensor

    def scores(self, queries: Tensor, documents: Tensor) -> Tensor:
        """Inner products (queries x documents)."""
        return queries @ documents.T


def one_versus_all(
    pairs: Pairs, vectors: Tensor, *, epochs: int, batch_size: int, learning_rate: float, seed: int
) -> InnerProduct:
    """One linear classifier a document by logistic loss against *all* queries (DiSMEC, Babbar and Schoelkopf 2017, has
    the squared hinge in its place), on query vectors that stay as they are.

    If every query had a feature of its own, each classifier would memorise the list of its queries. So the features
    are the query vectors of another training, and what is measured is how well independent classifiers separate them.

    Args:
        pairs: what is relevant.
        vectors: features of the queries (n_queries x dim).
        epochs: passes over all queries.
        batch_size: queries a step; every document is scored for each.
        learning_rate: of Adam, falling to zero.
        seed: of the order of queries.
    """
    features = torch.cat([vectors, torch.ones(len(vectors), 1)], 1)
    weights = torch.zeros(pairs.n_documents, features.shape[1])
    optimizer = Adam(weights, 0.9, 0.99, unit=False)
    answered, every = np.flatnonzero(pairs.sizes), torch.arange(pairs.n_documents)
    batches = [
        order[start : start + batch_size]
        for epoch in range(epochs)
        for order in [stream(seed, "one-versus-all", epoch).permutation(answered)]
        for start in range(0, len(order), batch_size)
    ]
    for step, rows in enumerate(batches):
        known = features[torch.from_numpy(rows)]
        wrong = torch.sigmoid(known @ weights.T)  # less 1 where it is relevant: the gradient of the logistic loss
        place, index = pairs.of(rows)
        wrong[torch.from_numpy(place), torch.from_numpy(pairs.documents[index].astype(np.int64))] -= 1
        optimizer.step(every, wrong.T @ known / len(rows), learning_rate * (1 - step / len(batches)))
    return InnerProduct(features, weights)


def query_features(pairs: Pairs) -> tuple[csr_array, str]:
    """Features of each query for XR-Linear, and their name.

    TF-IDF of words and character n-grams of names and synonyms where queries have them; else a feature of its own for
    each query, from which a linear classifier can memorise the answer.
    """
    if pairs.query_texts is None:
        return csr_array(eye_array(pairs.n_queries, format="csr", dtype=np.float32)), "the query itself"
    names = zip(pairs.query_texts.names, pairs.query_texts.synonyms, strict=True)
    texts = [" ".join([name, *synonyms]) for name, synonyms in names]
    return tf_idf(Vocabulary.of(texts, Grams()), texts), "names"


def tf_idf(vocabulary: Vocabulary, texts: Sequence[str]) -> csr_array:
    """TF-IDF of the features of texts, rows of unit length (sparse, texts x features)."""
    bags = vocabulary.bags(texts)  # weighted by the square root of the idf, as the static tower has it
    weights = bags.weights * vocabulary.idf.numpy()[bags.features]
    rows = np.repeat(np.arange(len(bags)), np.diff(bags.offsets))
    lengths = np.sqrt(np.bincount(rows, weights**2, len(bags)))
    shape = (len(bags), len(vocabulary))
    return csr_array((weights / lengths[rows], bags.features, bags.offsets), shape=shape)


def labels_of(pairs: Pairs, queries: Rows) -> csr_array:
    """1 where a document is relevant to a query (float32, sparse, queries x documents)."""
    place, index = pairs.of(queries)
    shape = (len(queries), pairs.n_documents)
    return csr_array((np.ones(len(index), np.float32), (place, pairs.documents[index])), shape=shape)


def scores_in(matrix: csr_array) -> ScoresOf:
    """Scores from a sparse matrix (queries x documents); what it does not hold is -inf."""

    def scores(rows: Rows) -> Tensor:
        part = matrix[rows].tocoo()
        out = torch.full(part.shape, -torch.inf)
        out[torch.from_numpy(part.row.astype(np.int64)), torch.from_numpy(part.col.astype(np.int64))] = (
            torch.from_numpy(part.data)
        )
        return out

    return scores
