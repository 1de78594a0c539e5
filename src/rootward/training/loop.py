"""The training loop: `run_stage` trains a stage, `train_step` takes a step, `gradients` are those of a batch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rootward.encoders.towers import sum_by_table
from rootward.errors import TrainingError
from rootward.rng import stream
from rootward.training.batches import Batch, Batches, mine
from rootward.training.log import LogRecord
from rootward.training.losses import InPlaceLoss, loss_of
from rootward.training.stage import Stage
from rootward.training.state import State

CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True)
class Watcher:
    """Functions that the loop calls for display, validation and checkpoints; none of them changes what is trained.

    Attributes:
        stepped: after every step, with the stage, the steps done and the running loss.
        reported: with each `LogRecord`.
        validate: overall recall and recall by distance of the model as it stands.
        save: write a checkpoint.
        stop: whether to stop.
    """

    stepped: Callable[[Stage, int, float], object]
    reported: Callable[[LogRecord], object]
    validate: Callable[[State], tuple[float, list[float | None]]]
    save: Callable[[State], object]
    stop: Callable[[], bool]


def run_stage(state: State, batches: Batches, watch: Watcher, block_bytes: int, precision: torch.dtype) -> bool:
    """Train one stage from `state.step` to its end, in place. False where it was stopped before.

    Raises:
        TrainingError: the loss is no number any more.
    """
    stage = batches.stage
    assert stage.steps is not None and stage.validate_every is not None
    saved = time.monotonic()
    losses, n_pairs, seconds = [], 0, 0.0  # since the last report
    while state.step < stage.steps:
        if watch.stop():
            watch.save(state)
            return False
        began = time.perf_counter()
        mine_ahead(state, batches)
        batch = batches[state.step]
        value = train_step(state, stage, batch, block_bytes, precision)
        state.step += 1
        took = time.perf_counter() - began
        state.seconds += took
        losses.append(value)
        n_pairs, seconds = n_pairs + batch.n_pairs, seconds + took
        watch.stepped(stage, state.step, value)
        if state.step % stage.validate_every == 0 or state.step == stage.steps:
            overall, by_distance = watch.validate(state)
            if stage.keep == "best":
                state.remember_best(overall)
            record = LogRecord(
                stage=stage.name,
                step=state.step,
                steps=stage.steps,
                loss=sum(losses) / len(losses),
                learning_rate=rate_at(stage, state.step),
                scale=scale_at(stage, state.step),
                pairs_per_second=n_pairs / max(seconds, 1e-9),
                recall=overall,
                by_distance=by_distance,
                seconds=round(state.seconds, 3),
            )
            watch.reported(record)
            losses, n_pairs, seconds = [], 0, 0.0
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            watch.save(state)
            saved = time.monotonic()
    if stage.keep == "best":
        state.take_best()
    return True


def mine_ahead(state: State, batches: Batches) -> None:
    """Search for the hard negatives of the next `mine_every` steps, where it is time for it."""
    stage = batches.stage
    if stage.hard_negatives:
        assert stage.mine_every is not None and stage.steps is not None
        if state.step % stage.mine_every == 0:
            rows = batches.queries_of(range(state.step, min(state.step + stage.mine_every, stage.steps)))
            vectors = state.model.query_vectors(rows), state.model.document_vectors()
            state.mined = mine(*vectors, rows, batches.pairs, stage.hard_negatives)
        batches.mined = state.mined


def train_step(state: State, stage: Stage, batch: Batch, block_bytes: int, precision: torch.dtype) -> float:
    """One step of both towers, in place; returns the mean loss of the batch's queries.

    The gradient with respect to the batch's vectors is worked out by hand, whatever made them; each tower brings it
    back to the rows of its tables, and each table has an optimiser that moves these rows.

    Raises:
        TrainingError: the loss is no number.
    """
    batch = batch.to(state.device)
    scale, rate = scale_at(stage, state.step), rate_at(stage, state.step)
    seed, *names = batch.noise
    query_noise, document_noise = (stream(int(seed), *names, side) for side in ("queries", "documents"))
    mixed = torch.autocast(  # its cache would hold another copy of an encoder's weights for every chunk
        state.device.type, dtype=precision, enabled=precision != torch.float32, cache_enabled=False
    )
    with mixed:
        queries, pull_queries = state.model.query_tower.forward(batch.queries, query_noise)
        documents, pull_documents = state.model.document_tower.forward(batch.documents, document_noise)
    value, by_query, by_document = gradients(
        loss_of(stage.loss), queries, documents, batch, scale, block_bytes, precision
    )
    loss = float(value)
    if not math.isfinite(loss):
        raise TrainingError(
            f"The loss became {loss} at step {state.step} of stage {stage.name!r} (learning rate {rate:.3g}, tau "
            f"{scale:.3g}). Lower the learning rate or tau."
        )
    with mixed:
        found = [*pull_queries(by_query), *pull_documents(by_document)]
    for pulled in sum_by_table(found):
        state.move(pulled, rate)
    return loss


def scale_at(stage: Stage, step: int) -> float:
    """Tau at a step: from `scale` geometrically towards `scale_end`."""
    assert stage.scale is not None and stage.scale_end is not None and stage.steps is not None
    return float(stage.scale * (stage.scale_end / stage.scale) ** (step / stage.steps))


def rate_at(stage: Stage, step: int) -> float:
    """The learning rate at a step."""
    assert stage.learning_rate is not None and stage.steps is not None
    rising = round((stage.warmup or 0.0) * stage.steps)
    if step < rising:
        return stage.learning_rate * (step + 1) / (rising + 1)
    falling = 1 - (step - rising) / (stage.steps - rising)
    return stage.learning_rate * (falling if stage.decay == "linear" else 1.0)


def seconds_per_step(state: State, batches: Batches, block_bytes: int, precision: torch.dtype, n: int = 12) -> float:
    """Median time of a step on this machine, mining included; measured on copies of the tables."""
    scratch = State.of(state.model, state.device)
    scratch.begin(batches.place, batches.stage)
    mining, stage = 0.0, batches.stage
    if stage.hard_negatives:  # documents are encoded once for all steps until the next mining
        assert stage.mine_every is not None
        began = time.perf_counter()
        documents = scratch.model.document_vectors()
        encoded = time.perf_counter()
        rows = batches.queries_of(range(n))
        batches.mined = mine(scratch.model.query_vectors(rows), documents, rows, batches.pairs, stage.hard_negatives)
        mining = (encoded - began) / stage.mine_every + (time.perf_counter() - encoded) / n
    took: list[float] = []
    for step in range(n):
        began = time.perf_counter()
        train_step(scratch, batches.stage, batches[step], block_bytes, precision)
        took.append(time.perf_counter() - began)
        scratch.step += 1
    return sorted(took)[len(took) // 2] + mining


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
        loss: from `rootward.training.losses.loss_of`.
        queries: float32, B x dim; vectors of `batch.queries`.
        documents: float32, N x dim; vectors of `batch.documents`.
        scale: tau.
        block_bytes: budget of the score matrix; at least one row of N scores is held.
        precision: what the products are computed in; scores, losses and sums are float32 in any case.

    Returns:
        value (scalar), gradient of queries (B x dim), gradient of documents (N x dim).
    """
    n_rows = max(1, block_bytes // (4 * max(1, len(documents))))

    def multiply(left: Tensor, right: Tensor, out: Tensor) -> Tensor:
        if precision == torch.float32:
            return torch.mm(left, right, out=out)
        return out.copy_(torch.mm(left.bfloat16(), right.bfloat16()))

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
        targets = batch.targets.between(edges[place], edges[place + 1], start)
        if batch.alone is not None and batch.log_counts is not None:  # take back what the loss will add to them
            rows, columns = batch.alone
            first, last = torch.searchsorted(rows, rows.new_tensor([start, start + len(held)])).tolist()
            held[rows[first:last] - start, columns[first:last]] -= batch.log_counts[columns[first:last]]
        value += loss(held, targets, batch.log_counts, batch.own_counts)
        multiply(held, documents, by_query[start : start + n_rows])
        if precision == torch.float32:
            by_document.addmm_(block.T, held)
        else:
            by_document += torch.mm(block.T.bfloat16(), held.bfloat16())
    return value, by_query.mul_(scale), by_document.T.contiguous()
