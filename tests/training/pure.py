"""The built-in losses as functions of a mask that leave their arguments alone."""

import torch

from rootward.training import losses
from rootward.training.losses import LossGradient, Targets


def targets_of(mask: torch.Tensor, weights=None, distances=None) -> Targets:
    """The entries where `mask` (bool, B x N) holds; weights default to 1/|S(q)|, distances to 0 for all."""
    rows, columns = mask.nonzero(as_tuple=True)
    near = torch.zeros_like(rows) if distances is None else distances[rows, columns]
    if distances is not None:
        order = torch.argsort(rows * (near.max() + 1 if len(near) else 1) + near, stable=True)
        rows, columns, near = rows[order], columns[order], near[order]
    if weights is None:
        weights = mask / mask.sum(1, keepdim=True).clamp(min=1)
    return Targets(rows, columns, weights[rows, columns].float(), near)


def softmax(scores, mask, *, weights=None, log_counts=None, own_counts=True) -> LossGradient:
    return _pure("softmax", scores, targets_of(mask, weights), log_counts, own_counts)


def decoupled(scores, mask, *, weights=None, log_counts=None) -> LossGradient:
    return _pure("decoupled", scores, targets_of(mask, weights), log_counts, True)


def listwise(scores, mask, distances, *, weights=None, log_counts=None, own_counts=True) -> LossGradient:
    return _pure("listwise", scores, targets_of(mask, weights, distances), log_counts, own_counts)


def _pure(name: str, scores: torch.Tensor, targets: Targets, log_counts, own_counts: bool) -> LossGradient:
    gradient = scores.detach().clone()
    value = losses.LOSSES[name](gradient, targets, log_counts, own_counts)
    return LossGradient(value, gradient)
