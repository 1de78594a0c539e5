"""The built-in losses as functions of a mask that leave their arguments alone."""

import torch

from rootward.training import losses
from rootward.training.losses import LossGradient, Targets


def softmax(scores, mask, *, weights=None, log_counts=None, own_counts=True) -> LossGradient:
    return _pure("softmax", scores, Targets.of_mask(mask, weights), log_counts, own_counts)


def decoupled(scores, mask, *, weights=None, log_counts=None) -> LossGradient:
    return _pure("decoupled", scores, Targets.of_mask(mask, weights), log_counts, True)


def listwise(scores, mask, distances, *, weights=None, log_counts=None, own_counts=True) -> LossGradient:
    return _pure("listwise", scores, Targets.of_mask(mask, weights, distances), log_counts, own_counts)


def _pure(name: str, scores: torch.Tensor, targets: Targets, log_counts, own_counts: bool) -> LossGradient:
    gradient = scores.detach().clone()
    value = losses.LOSSES[name](gradient, targets, log_counts, own_counts)
    return LossGradient(value, gradient)
