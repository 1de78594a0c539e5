"""The gradient of one batch with respect to its vectors, in blocks of queries that fit a memory budget."""

from __future__ import annotations

import torch
from torch import Tensor

from rootward.training.batches import Batch
from rootward.training.losses import InPlaceLoss

# Scores held at a time. Small enough for a processor's cache, where the passes over them are several times
# faster than in memory; a batch x documents matrix larger than this never exists.
BLOCK_BYTES = 8 << 20


def gradients(
    loss: InPlaceLoss,
    queries: Tensor,
    documents: Tensor,
    batch: Batch,
    scale: float,
    block_bytes: int = BLOCK_BYTES,
    precision: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of a batch, and its gradients with respect to the query and document vectors.

    Args:
        loss: from `rootward.training.losses.LOSSES`.
        queries: float32, B x dim; vectors of `batch.queries`.
        documents: float32, N x dim; vectors of `batch.documents`.
        scale: tau.
        block_bytes: budget of the score matrix; at least one row of N scores is held.
        precision: what the products are computed in; scores, losses and sums are float32 in any case.

    Returns:
        value (scalar), gradient of queries (B x dim), gradient of documents (N x dim).
    """
    n_rows = max(1, block_bytes // (4 * max(1, len(documents))))
    multiply = _in_float32 if precision == torch.float32 else _in_bfloat16
    scaled = queries * scale
    across = documents.T.contiguous()
    by_query = torch.empty_like(queries)
    by_document = torch.zeros_like(across)
    value = queries.new_zeros(())
    starts = range(0, len(queries), n_rows)
    edges = torch.searchsorted(
        batch.targets.rows, torch.tensor([*starts, len(queries)], device=queries.device)
    ).tolist()
    scores = queries.new_empty(min(n_rows, len(queries)), len(documents))
    for place, start in enumerate(starts):
        block = scaled[start : start + n_rows]
        held = multiply(block, across, scores[: len(block)])
        targets = batch.targets.part(edges[place], edges[place + 1], start)
        _alone_(held, batch, start)
        value += loss(held, targets, batch.log_counts, batch.own_counts)
        multiply(held, documents, by_query[start : start + n_rows])
        _add_product(by_document, block.T, held, precision)
    return value, by_query.mul_(scale), by_document.T.contiguous()


def _alone_(held: Tensor, batch: Batch, start: int) -> None:
    """Takes back beforehand what the loss will add where a column stands for itself alone."""
    if batch.alone is None or batch.log_counts is None:
        return
    rows, columns = batch.alone
    first, last = torch.searchsorted(rows, rows.new_tensor([start, start + len(held)])).tolist()
    columns = columns[first:last]
    held[rows[first:last] - start, columns] -= batch.log_counts[columns]


def _in_float32(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    return torch.mm(left, right, out=out)


def _in_bfloat16(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
    return out.copy_(torch.mm(left.bfloat16(), right.bfloat16()))


def _add_product(total: Tensor, left: Tensor, right: Tensor, precision: torch.dtype) -> None:
    if precision == torch.float32:
        total.addmm_(left, right)
    else:
        total += torch.mm(left.bfloat16(), right.bfloat16())
