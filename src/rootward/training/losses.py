r"""Losses over a matrix of scores and a mask of relevant documents: a scalar and its gradient out.

Rows are queries, columns are candidate documents; `targets[b, n]` says that document n is relevant to query b.
With scores s, weights w over a query's targets (1/|S(q)| each unless given) and \bar S(q) the non-targets, what
each loss wants:

    softmax     sum_d w_d [ log sum_n exp s_n - s_d ]: every target above *everything* else, the query's other
                targets included; with one target a query this is cross-entropy
    decoupled   sum_d w_d log(1 + sum_{n in \bar S} exp(s_n - s_d)): every target above every non-target; two
                targets are never set against each other. The same as softmax with the query's other targets masked
    listwise    sum_d w_d [ log(exp s_d + sum_{k farther than d} exp s_k + sum_{n in \bar S} exp s_n) - s_d ]:
                besides, every target above its farther ones (ListMLE, Xia et al. 2008), so that score alone shows
                the nearest first

Which documents are columns is the caller's choice, and makes the rest of the family:

    all documents          every document a column
    in-batch               the batch's targets are the columns; a document that was drawn c times stands for c
                           columns: log_counts = log c
    in-batch, log-Q        ... corrected for how often it was to be expected: log_counts = log(c / E[c])
    sampled, log-Q         some documents drawn with a known chance p of being drawn: log_counts = -log p

`log_counts[n]` is the log of the number of documents that column n stands for; it is added to the score wherever
column n competes, never where it is the target; a farther target of `listwise` competes. Under log-Q correction a
query's own targets are there by construction and stand for themselves only (`own_counts=False`).

The built-in losses take scores already scaled by tau, B x N, and write the gradient over them, for callers that hold a
block of scores and want no second one. A row without targets adds nothing.

`Loss` says what a loss of your own has to be; docs/custom-loss.md has an example.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from rootward.errors import InputError
from rootward.training.stage import import_path, imported


class LossGradient(NamedTuple):
    """A loss summed over its queries, and its gradient with respect to the scores (same shape as these)."""

    value: Tensor
    gradient: Tensor


@dataclass(frozen=True)
class Targets:
    """The relevant entries of a score matrix in coordinates, sorted by row, nearest first within a row.

    Attributes:
        rows, columns: int64, one entry a relevant (query, document) in the matrix.
        weights: float32; how much each entry is trained on, 0 for relevant documents that are not this time's targets.
        distances: int, hops; only `listwise` asks.
    """

    rows: Tensor
    columns: Tensor
    weights: Tensor
    distances: Tensor

    def to(self, device: torch.device) -> Targets:
        """The same entries on this device."""
        fields = (self.rows, self.columns, self.weights, self.distances)
        return Targets(*(field.to(device) for field in fields))

    def between(self, first: int, last: int, start: int) -> Targets:
        """Entries first..last, their rows counted from `start`: the targets of a block of rows."""
        cut = slice(first, last)
        return Targets(self.rows[cut] - start, self.columns[cut], self.weights[cut], self.distances[cut])


class Loss(Protocol):
    """A loss of one's own, for `Stage(loss=...)`."""

    def __call__(
        self, scores: Tensor, targets: Targets, log_counts: Tensor | None, own_counts: bool
    ) -> LossGradient | tuple[Tensor, Tensor]:
        """The loss of some queries of a batch, and its gradient with respect to the scores.

        A batch is worked through in blocks of rows whose values add up: no row may depend on another one.

        Args:
            scores: float32, B x N, inner products times tau, on the device that trains; may be overwritten.
            targets: the relevant entries; their weights add up to 1 over the whole batch, so that a sum weighted by
                them is a mean over its queries. `targets.distances` are hops.
            log_counts: float32, N; see the module docstring. None where every column stands for itself.
            own_counts: False where a query's own targets stand for themselves only.

        Returns:
            value: a tensor without dimensions.
            gradient: B x N; may be `scores` itself, overwritten. Gradients are off; for automatic differentiation take
                `scores.detach().requires_grad_()` inside `torch.enable_grad()`.
        """
        ...


InPlaceLoss = Callable[[Tensor, Targets, Tensor | None, bool], Tensor]


# -- in place: scores become their gradient --------------------------------------------------------------------


def softmax_(scores: Tensor, targets: Targets, log_counts: Tensor | None = None, own_counts: bool = True) -> Tensor:
    """Cross-entropy of each target against every column (see above); returns the value."""
    rows, columns, weights = targets.rows, targets.columns, targets.weights
    aimed = scores[rows, columns]
    if log_counts is not None:
        scores += log_counts
        if not own_counts:
            own = weights > 0
            scores[rows[own], columns[own]] = aimed[own]
    log_sum, total = _exponentials_(scores)
    per_row = _sum_rows(weights, rows, len(scores))
    scores *= _without_faint(per_row / total)[:, None]
    scores[rows, columns] -= weights
    return (weights * (log_sum[rows] - aimed)).sum()


def decoupled_(scores: Tensor, targets: Targets, log_counts: Tensor | None = None, own_counts: bool = True) -> Tensor:
    """Each target against the non-targets only (see above); returns the value."""
    rows, columns, weights = targets.rows, targets.columns, targets.weights
    aimed = scores[rows, columns]
    log_sum, total = _non_targets_(scores, targets, log_counts)
    lead = log_sum[rows] - aimed  # how far the non-targets together are ahead of this target
    pull = torch.sigmoid(lead) * weights
    scores *= _without_faint(_sum_rows(pull, rows, len(scores)) / total)[:, None]
    scores[rows, columns] = -pull
    return (weights * torch.nn.functional.softplus(lead)).sum()


def listwise_(scores: Tensor, targets: Targets, log_counts: Tensor | None = None, own_counts: bool = True) -> Tensor:
    """Each target against the non-targets and the farther targets (see above); returns the value.

    The competition among targets is worked out on a small padded matrix (B x largest |S(q)|) by automatic
    differentiation; the non-targets enter it through their log-sum only.
    """
    rows, columns, weights = targets.rows, targets.columns, targets.weights
    aimed = scores[rows, columns]
    counts = None if log_counts is None else log_counts[columns]
    if counts is not None and not own_counts:
        counts = counts.masked_fill(weights > 0, 0.0)
    log_sum, total = _non_targets_(scores, targets, log_counts)
    with torch.enable_grad():
        aimed_ = aimed.detach().requires_grad_()
        log_sum_ = log_sum.detach().requires_grad_()
        competing = aimed_ if counts is None else aimed_ + counts
        rivals = torch.logaddexp(_farther(competing, targets, len(scores)), log_sum_[rows])
        value = (weights * torch.nn.functional.softplus(rivals - aimed_)).sum()
        by_aimed, by_log_sum = torch.autograd.grad(value, (aimed_, log_sum_))
    scores *= _without_faint(by_log_sum / total)[:, None]
    scores[rows, columns] = by_aimed
    return value.detach()


# -- helpers -----------------------------------------------------------------------------------------------------

_NEVER = -1e30  # a score that competes with nobody; finite, so that a row of nothing else gives no NaN

# Processors take a hundred times longer over denormal numbers, and the exponential of a far-off score is one. So no
# exponent goes below e^-50, 1e15 times less than what float32 sees beside 1, and factors below 1e-10 count as none.
_LOWEST = -50.0
_FAINT = 1e-10


def _exponentials_(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Turn scores into exp(score - the row's best); returns each row's log-sum-exp and sum of the new entries."""
    best = scores.amax(1)
    scores.sub_(best[:, None]).clamp_(min=_LOWEST).exp_()
    total = scores.sum(1)
    return best + total.log(), total


def _non_targets_(scores: Tensor, targets: Targets, log_counts: Tensor | None) -> tuple[Tensor, Tensor]:
    """As `_exponentials_`, with the targets taken out of the competition (their entries are left to overwrite)."""
    if log_counts is not None:
        scores += log_counts
    scores[targets.rows, targets.columns] = _NEVER
    log_sum, total = _exponentials_(scores)
    return log_sum, total


def _without_faint(factors: Tensor) -> Tensor:
    return torch.where(factors < _FAINT, 0.0, factors)


def _sum_rows(values: Tensor, rows: Tensor, n_rows: int) -> Tensor:
    return torch.zeros(n_rows, dtype=values.dtype, device=values.device).index_add_(0, rows, values)


def _farther(aimed: Tensor, targets: Targets, n_rows: int) -> Tensor:
    """Log-sum-exp of the strictly farther targets of the same query, one a target; hardly anything where none is.

    Works on targets sorted by row and distance. With distances 0 1 1 3 and scores a b c e the answers are
    log(e^b + e^c + e^e), e, e and the never-score.
    """
    rows, distances = targets.rows, targets.distances
    if not len(rows):
        return aimed
    sizes = torch.bincount(rows, minlength=n_rows)
    ends = sizes.cumsum(0)
    place = torch.arange(len(rows), device=rows.device) - (ends - sizes)[rows]
    padded = torch.full((n_rows, int(sizes.max()) + 1), _NEVER, dtype=aimed.dtype, device=aimed.device)
    padded = padded.index_put((rows, place), aimed)
    suffix = padded.flip(1).logcumsumexp(1).flip(1)
    # the first entry of the same row with a greater distance: where the run of equal (row, distance) ends
    run = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
    run[1:] = (rows[1:] != rows[:-1]) | (distances[1:] != distances[:-1])
    starts = torch.cat([run.nonzero()[:, 0], torch.tensor([len(rows)], device=rows.device)])
    next_run = starts[run.cumsum(0)]  # index into the entries, one past this entry's run
    beyond = next_run - (ends - sizes)[rows]  # as a place in the same row; its padding when the run is the last
    return suffix[rows, beyond]


LOSSES: dict[str, InPlaceLoss] = {"softmax": softmax_, "decoupled": decoupled_, "listwise": listwise_}


def loss_of(loss: str | Callable[..., object]) -> InPlaceLoss:
    """The loss of a stage: a built-in one by its name, or one of one's own, its results checked.

    Raises:
        InputError: an import path that cannot be imported.
    """
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]
    own = imported(loss, "loss")

    def in_place(scores: Tensor, targets: Targets, log_counts: Tensor | None, own_counts: bool) -> Tensor:
        shape, found = scores.shape, own(scores, targets, log_counts, own_counts)
        value, gradient = found if isinstance(found, tuple) and len(found) == 2 else (None, None)
        if not (
            isinstance(value, Tensor) and value.shape == () and isinstance(gradient, Tensor) and gradient.shape == shape
        ):
            raise InputError(
                f"The loss {import_path(own)} has to return (value, gradient): a tensor without dimensions and one of "
                f"the shape of the scores, {tuple(shape)}; got {_kinds(found)}."
            )
        scores.copy_(gradient.detach())
        return value.detach()

    return in_place


def _kinds(found: object) -> str:
    """What something is, for an error message: '(a tensor of shape (3,), a float)'."""
    if isinstance(found, tuple):
        return f"({', '.join(map(_kinds, found))})"
    return f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
