"""A linear classifier over text features whose classes share what stands above them, and a low-rank view of n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.sparse import csr_array, eye_array, hstack

from rootward.rng import stream

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SHARED = 0.7
"""What a class takes over of the weights that it shares with all others below a node."""

SCALE = 20.0
PENALTY = 6e-4
_ROUNDING = 1e-6  # of the largest eigenvalue of a float32 Gram matrix
STEPS = 40
FEWER_STEPS = 12
"""From a similar start."""


def principal_directions(features: csr_array, dim: int, seed: int) -> Floats:
    """The leading right singular vectors of sparse features, by a randomised range finder with two power iterations.

    Source: Halko, Martinsson and Tropp 2011 (arXiv 0909.4061), algorithm 4.4, with bases by the eigenvectors of Gram
    matrices, which take a fifth of the time of a QR decomposition.

    Args:
        features: n x m.
        dim: how many; fewer where n or m is smaller, or the features' rank.
        seed: of the random start.

    Returns:
        float32, m x dim.
    """
    width = min(dim + 10, *features.shape)
    across = csr_array(features.T)
    found = stream(seed, "directions").standard_normal((features.shape[1], width)).astype(np.float32)
    for _ in range(3):
        found = _orthonormal(across @ _orthonormal(features @ found))
    return np.ascontiguousarray(found[:, :dim], np.float32)


def _orthonormal(columns: Floats) -> Floats:
    """A basis of what columns span: their left singular vectors, the leading first, without those that are rounding."""
    squares, turned = np.linalg.eigh((columns.T @ columns).astype(np.float64))
    some = squares > squares[-1] * _ROUNDING
    found: Floats = columns @ (turned[:, some] / np.sqrt(squares[some])).astype(np.float32)[:, ::-1]
    return found


def fit_linear(
    features: Floats,
    classes: Ints,
    closure: csr_array,
    *,
    weights: npt.NDArray[np.float64] | None = None,
    steps: int = STEPS,
    penalty: float = PENALTY,
    start: Floats | None = None,
) -> Floats:
    """Multinomial logistic regression in which a class's weights are its own and 0.7 times those that it shares.

    It shares weights with all classes below each node that is above it or the class itself, so that their texts teach
    it too, which helps where labels are few. Minimised by L-BFGS on all texts at once.

    Args:
        features: float32, n x width.
        classes: int64, the class of each text: a row of `closure`.
        closure: classes x nodes; stored entries are the nodes above a class and its own.
        weights: float64, how much each text counts; None for all alike.
        steps: of L-BFGS, at most.
        penalty: of the squared weights.
        start: a result for similar features, from which fewer steps are needed; None for zeros.

    Returns:
        float32, classes x (width + 1): weights, scaled to be multiplied with features, and a bias.
    """
    below: Any = csr_array((np.ones_like(closure.data, np.float32), closure.indices, closure.indptr), closure.shape)
    several = np.flatnonzero(np.bincount(closure.indices, minlength=closure.shape[1]) > 1)
    shared: Any = hstack([eye_array(closure.shape[0], dtype=np.float32), SHARED * below[:, several]], format="csr")
    n, width = len(features), features.shape[1] + 1
    shape = (shared.shape[1], width)
    inputs = torch.from_numpy(np.hstack([SCALE * features, np.ones((n, 1), np.float32)]))
    targets = torch.from_numpy(classes)
    place = torch.arange(n)
    counts = None if weights is None else torch.from_numpy((weights / weights.mean()).astype(np.float32))

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        table = flat.reshape(shape).astype(np.float32)
        scores = inputs @ torch.from_numpy(shared @ table).T
        scores -= scores.logsumexp(1, keepdim=True)
        picked = scores[place, targets]
        value = -float((picked if counts is None else picked * counts).mean())
        scores.exp_()
        scores[place, targets] -= 1
        if counts is not None:
            scores *= counts[:, None]
        gradient = shared.T @ ((scores.T @ inputs) / n).numpy()
        own = table.copy()
        own[:, -1] = 0
        gradient += penalty * own
        return value + penalty / 2 * float((own.astype(np.float64) ** 2).sum()), gradient.astype(np.float64).ravel()

    first = np.zeros(shape)
    if start is not None:  # the smallest table that gives it
        scaled = np.hstack([start[:, :-1] / SCALE, start[:, -1:]]).astype(np.float64)
        first = shared.T @ np.linalg.solve((shared @ shared.T).toarray().astype(np.float64), scaled)
    best = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 8})
    found = shared @ best.x.reshape(shape).astype(np.float32)
    found[:, :-1] *= SCALE
    return np.ascontiguousarray(found, np.float32)
