"""The losses as their formulas read, one query and one target at a time, for autograd to differentiate."""

from __future__ import annotations

import torch
from torch import Tensor


def shares(mask: Tensor) -> Tensor:
    """1/|S(q)| at every target."""
    return mask / mask.sum(1, keepdim=True).clamp(min=1)


def softmax(scores: Tensor, mask: Tensor, weights: Tensor, counts: Tensor | None = None) -> Tensor:
    """sum_d w_d [log sum_n c_n exp s_n - s_d]."""
    counts = torch.ones_like(scores) if counts is None else counts
    total = scores.new_zeros(())
    for b, d in mask.nonzero().tolist():
        total = total + weights[b, d] * (torch.logsumexp(scores[b] + counts[b].log(), 0) - scores[b, d])
    return total


def decoupled(scores: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """sum_d w_d softplus(logsumexp over non-targets - s_d)."""
    total = scores.new_zeros(())
    for b, d in mask.nonzero().tolist():
        others = torch.logsumexp(scores[b][~mask[b]], 0)
        total = total + weights[b, d] * torch.nn.functional.softplus(others - scores[b, d])
    return total


def listwise(scores: Tensor, mask: Tensor, distances: Tensor, weights: Tensor, counts: Tensor | None = None) -> Tensor:
    """sum_d w_d [log(exp s_d + sum of c exp s over farther targets and non-targets) - s_d]."""
    counts = torch.ones_like(scores) if counts is None else counts
    total = scores.new_zeros(())
    for b, d in mask.nonzero().tolist():
        rivals = ~mask[b] | (distances[b] > distances[b, d])
        rivals[d] = True
        counted = counts[b].index_fill(0, torch.tensor([d]), 1.0)  # the target stands for itself
        total = total + weights[b, d] * (torch.logsumexp((scores[b] + counted.log())[rivals], 0) - scores[b, d])
    return total


def value_and_gradient(loss, scores: Tensor, *arguments) -> tuple[Tensor, Tensor]:
    """A loss and its gradient over the scores, by autograd."""
    leaf = scores.detach().clone().requires_grad_()
    value = loss(leaf, *arguments)
    if not value.requires_grad:  # nothing but zeros
        return value.detach(), torch.zeros_like(scores)
    return value.detach(), torch.autograd.grad(value, leaf)[0]
