"""A linear classifier over text features whose classes share what stands above them, and a low-rank view of n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.sparse import csr_array

from rootward.rng import stream

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SHARED = 0.7
"""What a node takes over of each of its ancestors' weights."""

SCALE = 20.0
PENALTY = 6e-4
STEPS = 40


def principal_directions(features: csr_array, dim: int, seed: int) -> Floats:
    """The leading right singular vectors of sparse features, by a randomised range finder with two power iterations.

    Source: Halko, Martinsson and Tropp 2011 (arXiv 0909.4061), algorithm 4.4.

    Args:
        features: n x m.
        dim: how many; fewer where n or m is smaller.
        seed: of the random start.

    Returns:
        float32, m x dim.
    """
    dim = min(dim, *features.shape)
    width = min(dim + 10, *features.shape)
    found = stream(seed, "directions").standard_normal((features.shape[1], width)).astype(np.float32)
    for _ in range(2):
        found = np.linalg.qr(features @ found)[0]
        found = np.linalg.qr(features.T @ found)[0]
    basis = np.linalg.qr(features @ found)[0]
    turned = np.linalg.svd(features.T @ basis, full_matrices=False)[0]
    return np.ascontiguousarray(turned[:, :dim], np.float32)


def fit_linear(
    features: Floats,
    classes: Ints,
    closure: csr_array,
    *,
    weights: npt.NDArray[np.float64] | None = None,
    steps: int = STEPS,
    penalty: float = PENALTY,
) -> Floats:
    """Multinomial logistic regression in which a class's weights are its own and 0.7 times each of its ancestors'.

    So the texts of all that stands below a node teach the node, which helps where labels are few. Minimised by L-BFGS
    on all texts at once.

    Args:
        features: float32, n x width.
        classes: int64, the class of each text: a row of `closure`.
        closure: classes x nodes, the hops to each ancestor plus one; only stored entries count.
        weights: float64, how much each text counts; None for all alike.
        steps: of L-BFGS, at most.
        penalty: of the squared weights.

    Returns:
        float32, classes x (width + 1): weights, scaled to be multiplied with features, and a bias.
    """
    shared: Any = closure.astype(np.float32)
    shared.data = np.where(closure.data == 1, 1.0, SHARED).astype(np.float32)
    shared = shared[:, np.unique(shared.indices)]
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

    best = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 8})
    found = shared @ best.x.reshape(shape).astype(np.float32)
    found[:, :-1] *= SCALE
    return np.ascontiguousarray(found, np.float32)
