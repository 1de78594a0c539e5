"""Extreme classification, the baseline that has no document vectors to share: every document a class of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array, eye_array
from torch import Tensor

from rootward.encoders.features import Grams, Vocabulary
from rootward.experiments.scored import Rows, ScoresOf
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.training.optimizers import Adam


@dataclass(eq=False)
class InnerProduct:
    """Two tables of vectors, as ours are, in the form of the baselines.

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

    With a feature of its own for every query each classifier would be the list of its queries, which says nothing. So
    the features are the vectors that another training gave its queries, and what is measured is how well documents that
    know nothing of each other can be read off them.

    Args:
        pairs: what is relevant.
        vectors: features of the queries (n_queries x dim).
        epochs: how often every query is seen.
        batch_size: queries a step; every document is scored for each.
        learning_rate: of Adam, falling to nothing.
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
    """What XR-Linear reads of each query, and what that is called.

    TF-IDF of words and character n-grams of names and synonyms where queries have them; else a feature of its own for
    each query, with which a linear classifier is told the answer.
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
    """1 where a document is relevant to one of these queries (float32, sparse, queries x documents)."""
    place, index = pairs.of(queries)
    shape = (len(queries), pairs.n_documents)
    return csr_array((np.ones(len(index), np.float32), (place, pairs.documents[index])), shape=shape)


def scores_in(matrix: csr_array) -> ScoresOf:
    """Scores kept as a sparse matrix (queries x documents); what it does not hold is below everything."""

    def scores(rows: Rows) -> Tensor:
        part = matrix[rows].tocoo()
        out = torch.full(part.shape, -torch.inf)
        out[torch.from_numpy(part.row.astype(np.int64)), torch.from_numpy(part.col.astype(np.int64))] = (
            torch.from_numpy(part.data)
        )
        return out

    return scores
