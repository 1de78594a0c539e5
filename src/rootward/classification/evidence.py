"""Evidence: how well each node fits a text, by several measures that a `Classifier` weighs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array

from rootward.classification.linear import FEWER_STEPS, STEPS, fit_linear, principal_directions
from rootward.encoders import DualEncoder
from rootward.encoders.features import Bags
from rootward.encoders.pretrained import Encoder
from rootward.encoders.static import StaticTower
from rootward.errors import InputError
from rootward.hierarchy.closure import Closure
from rootward.scoring import unit_rows
from rootward.texts import normal_form

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

MEASURES = {
    "trained": "nearest training text by the trained vectors",
    "document": "the trained vector of the node itself",
    "words": "nearest training text by words and n-grams",
    "encoder": "nearest training text by the sentence encoder",
    "linear": "linear classifier over n-grams and the sentence encoder",
}
"""The measures of a node, in order."""

_GUESS = {"trained": 20.0, "document": 2.0, "words": 2.0, "encoder": 5.0, "linear": 0.5}  # picks the candidates
CANDIDATES = 128
BLOCK = 256
"""Texts at a time."""

_DIRECTIONS = 800
_WORDS_SHARE = 0.7  # of the n-grams' directions beside the encoder's outputs
_MOST_WORK = 1.8e13  # multiplications and additions of a linear classifier: some minutes on two cores
_LOWEST = -30.0  # log-probability


class Candidates(NamedTuple):
    """The likeliest nodes of some texts.

    Attributes:
        classes: int64, n x k: rows of `Evidence.classes`.
        values: float32, n x k x measures: the evidence, in the order of `Evidence.measures`.
        familiar: float32, n: the mean of the nearest-text measures; how much a text is like any training text.
    """

    classes: Ints
    values: Floats
    familiar: Floats


@dataclass(frozen=True, eq=False)
class Evidence:
    """Training texts with their nodes, as vectors.

    Attributes:
        model: a trained static tower.
        rows: int64, the query row of each training text, ascending by class.
        owners: int64, its class.
        classes: int64, the document row of each class: the nodes that have a training text.
        outputs: float16 of the sentence encoder, n x width, on the unit sphere; None without one.
        encoder: reads other texts; None without one.
        directions: float16, features x dim: projects n-grams for the linear classifier; None without one.
        linear: float32, classes x (width + 1): that classifier; None without one.
    """

    model: DualEncoder
    rows: Ints
    owners: Ints
    classes: Ints
    outputs: npt.NDArray[np.float16] | None = None
    encoder: Encoder | None = None
    directions: npt.NDArray[np.float16] | None = None
    linear: Floats | None = None

    @classmethod
    def learn(
        cls,
        model: DualEncoder,
        rows: Ints,
        nodes: Ints,
        closure: Closure,
        *,
        outputs: Floats | None = None,
        encoder: Encoder | None = None,
        weights: npt.NDArray[np.float64] | None = None,
        seed: int = 0,
        start: Evidence | None = None,
    ) -> Evidence:
        """Training texts become vectors, and a linear classifier is fitted where that takes minutes at most.

        Args:
            model: with a static query tower, trained.
            rows: query rows of the training texts; a text with several nodes stands several times.
            nodes: the document row of each.
            closure: the ancestors of every document.
            outputs: of the sentence encoder, one row a text; with it `encoder`.
            weights: float64, how much each text counts for the linear classifier; None for all alike.
            seed: of the linear classifier's directions.
            start: learnt from most of these texts; the linear classifier goes on from that one, for fewer steps.
        """
        order = np.lexsort((rows, nodes))
        classes, owners = np.unique(nodes[order], return_inverse=True)
        kept = None if outputs is None else outputs[order].astype(np.float16)
        found = cls(model, rows[order], owners, classes, kept, encoder)
        grams, n = found.grams, len(rows)
        dim = min(_DIRECTIONS, n, grams.shape[1])
        width = dim + (0 if outputs is None else outputs.shape[1])
        if len(classes) < 2 or dim < 2 or 6 * STEPS * n * len(classes) * width > _MOST_WORK:
            return found
        rarer = found._rarer(grams)
        found = replace(found, directions=principal_directions(rarer, dim, seed).astype(np.float16))
        how: dict[str, Any] = {"weights": None if weights is None else weights[order]}
        if start is not None and start.linear is not None:
            how |= {"start": start._linear_in(found), "steps": FEWER_STEPS}
        linear = fit_linear(found._features(rarer, kept), owners, nodes_above(closure, classes), **how)
        return replace(found, linear=linear)

    def _linear_in(self, other: Evidence) -> Floats:
        """The linear classifier over the classes and directions of another one; zeros for a class that is new."""
        assert self.linear is not None
        mine, theirs = (each.tower.vocabulary.hashes.numpy() for each in (self, other))
        _, own, new = np.intersect1d(mine, theirs, assume_unique=True, return_indices=True)
        turn = self._projection[own].T @ other._projection[new]
        n = 0 if self.outputs is None else self.outputs.shape[1]
        moved = np.hstack([self.linear[:, :n], self.linear[:, n:-1] @ turn, self.linear[:, -1:]])
        _, own, new = np.intersect1d(self.classes, other.classes, assume_unique=True, return_indices=True)
        found = np.zeros((len(other.classes), moved.shape[1]), np.float32)
        found[new] = moved[own]
        return found

    @property
    def tower(self) -> StaticTower:
        """The query tower."""
        tower = self.model.query_tower
        if not isinstance(tower, StaticTower):
            raise InputError("A classifier learns from a static tower.")
        return tower

    @property
    def measures(self) -> tuple[str, ...]:
        """Which measures there are."""
        there = {"encoder": self.outputs is not None, "linear": self.linear is not None}
        return tuple(name for name in MEASURES if there.get(name, True))

    @cached_property
    def grams(self) -> csr_array:
        """The weighted n-grams of the training texts."""
        bags, rows = self.tower.bags.holding(self.rows)
        return csr_array(_sparse(bags, len(self.tower.vocabulary))[rows])

    @cached_property
    def vectors(self) -> Floats:
        """The trained vectors of the training texts."""
        return unit_rows(self.tower.encode(self.rows).numpy())

    @cached_property
    def documents(self) -> Floats:
        """The trained vectors of the classes."""
        found: Floats = self.model.document_tower.encode(self.classes).numpy()
        return found

    @cached_property
    def _starts(self) -> Ints:
        return np.flatnonzero(np.r_[True, self.owners[1:] != self.owners[:-1]])

    @cached_property
    def _texts_of_grams(self) -> csr_array:
        return csr_array(self.grams.T)

    @cached_property
    def _projection(self) -> Floats:
        assert self.directions is not None
        return self.directions.astype(np.float32)

    @cached_property
    def _outputs(self) -> Floats | None:
        return None if self.outputs is None else self.outputs.astype(np.float32)

    def _rarer(self, grams: csr_array) -> csr_array:
        """N-grams, rare ones weighted more: the linear classifier learns by itself what words have in common."""
        found = csr_array(grams, copy=True)
        found.data = found.data * self.tower.vocabulary.idf.numpy()[found.indices]
        lengths = np.sqrt(found.multiply(found).sum(1))
        found.data /= np.repeat(lengths, np.diff(found.indptr)).astype(np.float32)
        return found

    def _features(self, rarer: csr_array, outputs: npt.NDArray[np.floating] | None) -> Floats:
        """What the linear classifier reads, of n-grams as `_rarer` weighs them."""
        projected = unit_rows(rarer @ self._projection)
        if outputs is None:
            return projected
        return np.hstack([outputs.astype(np.float32), _WORDS_SHARE * projected])

    def candidates(self, texts: Sequence[str], outputs: Floats | None = None) -> Candidates:
        """The likeliest nodes of texts, with the evidence for each.

        Args:
            texts: any.
            outputs: of the sentence encoder for these texts, where known.
        """
        blocks = list(self._blocks(texts, outputs))
        return Candidates(*(np.concatenate(column) for column in zip(*blocks, strict=True)))

    def _blocks(self, texts: Sequence[str], outputs: Floats | None) -> Iterator[Candidates]:
        k = min(CANDIDATES, len(self.classes))
        guess = np.array([_GUESS[name] for name in self.measures], np.float32)
        near = [place for place, name in enumerate(self.measures) if name in ("trained", "words", "encoder")]
        for start in range(0, max(1, len(texts)), BLOCK):
            some = texts[start : start + BLOCK]
            values = self._values(some, None if outputs is None else outputs[start : start + BLOCK])
            familiar = values[:, :, near].max(1).mean(1) if some else np.zeros(0, np.float32)
            found = np.argpartition(-(values @ guess), k - 1, axis=1)[:, :k]
            yield Candidates(found, np.take_along_axis(values, found[:, :, None], 1), familiar)

    def _values(self, texts: Sequence[str], outputs: Floats | None) -> Floats:
        """The evidence for every class: float32, n x classes x measures."""
        queries = unit_rows(self.tower.encode_texts(texts).numpy())
        grams = _sparse(self.tower.vocabulary.bags(texts), len(self.tower.vocabulary))
        found = [
            self._best(_product(queries, self.vectors)),
            _product(queries, self.documents),
            self._best(grams @ self._texts_of_grams),
        ]
        if self._outputs is not None:
            outputs = self.encode(texts) if outputs is None else outputs
            found.append(self._best(_product(outputs, self._outputs)))
        if self.linear is not None:
            linear = _product(self._features(self._rarer(grams), outputs), self.linear[:, :-1]) + self.linear[:, -1]
            found.append(np.maximum(torch.from_numpy(linear).log_softmax(1).numpy(), _LOWEST))
        return np.stack(found, -1).astype(np.float32, copy=False)

    def encode(self, texts: Sequence[str]) -> Floats:
        """The sentence encoder's outputs on the unit sphere, zeros for a text without a letter or digit."""
        assert self.encoder is not None and self.outputs is not None
        readable = [text for text in texts if normal_form(text)]
        out = np.zeros((len(texts), self.outputs.shape[1]), np.float32)
        if readable:
            out[[bool(normal_form(text)) for text in texts]] = unit_rows(self.encoder.encode(readable))
        return out

    def _best(self, scores: npt.NDArray[np.float32] | csr_array) -> Floats:
        """The best training text of each class, from the scores of all training texts (n x texts)."""
        dense = scores.toarray() if isinstance(scores, csr_array) else scores
        return np.maximum.reduceat(dense, self._starts, axis=1)


def _product(left: Floats, right: Floats) -> Floats:
    """The inner products of rows, by torch: NumPy's threads would stand in the way of those that the encoder has."""
    found: Floats = (torch.from_numpy(left) @ torch.from_numpy(right).T).numpy()
    return found


def _sparse(bags: Bags, width: int) -> csr_array:
    return csr_array((bags.weights, bags.features, bags.offsets), shape=(len(bags), width))


def nodes_above(closure: Closure, classes: Ints) -> csr_array:
    """Classes x nodes (float32): 1 for the node itself and each that stands above it; no other entries."""
    n, ones = len(closure.rows), np.ones(len(closure.ancestors), np.float32)
    return csr_array(csr_array((ones, closure.ancestors, closure.offsets), shape=(n, n))[classes])
