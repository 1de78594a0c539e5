"""Losses and samplers as somebody brings them."""

import torch

from rootward.training.losses import LOSSES


def as_built_in(name, scores, targets, log_counts, own_counts):
    gradient = scores.clone()
    return LOSSES[name](gradient, targets, log_counts, own_counts), gradient


def doubled(scores, targets, log_counts, own_counts):
    value, gradient = as_built_in("decoupled", scores, targets, log_counts, own_counts)
    return 2 * value, 2 * gradient


def softmax_by_autograd(scores, targets, log_counts, own_counts):
    with torch.enable_grad():
        scores = scores.detach().requires_grad_()
        likelihood = scores.log_softmax(1)[targets.rows, targets.columns]
        value = -(targets.weights * likelihood).sum()
        return value, torch.autograd.grad(value, scores)[0]


class NearFirst:
    """Pairs by how near they are: half as often for every hop."""

    def __init__(self, pairs):
        self.weights = 0.5**pairs.distances
        self.weights /= self.weights.sum()

    def draw(self, rng, size):
        return rng.choice(len(self.weights), size, p=self.weights)
