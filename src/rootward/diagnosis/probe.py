"""What more training, or more dimensions, would do: the only way to tell too little training from too few dimensions.

Both leave the same traces in a table of vectors: frequent documents are found, rare ones are not. So the vectors are
trained on for a little while (the decoupled loss, a copy), once as they are and once with more coordinates. The length
is set by work, not by the clock, so that the same seed gives the same verdict on any machine.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rootward.diagnosis.facts import Probe
from rootward.encoders import DualEncoder, LookupTower
from rootward.evaluation import rank_pairs, recall
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.training.batches import Batches
from rootward.training.defaults import resolve
from rootward.training.loop import BLOCK_BYTES, train_step
from rootward.training.stage import Stage
from rootward.training.state import State

RATE = 0.15  # radians; a fresh start of the optimiser at the default's 0.2 shakes up what a short probe must rebuild
EPOCHS = 12.0  # at most
FEWEST_STEPS = 100
WORK = 1.5e11  # queries x candidates x (dim + 32), at most unless FEWEST_STEPS are more
_ENTRY = 32  # what an entry's exponential costs, in multiplications
NOISE = 0.3  # length of the new coordinates beside the old ones

Progress = Callable[[int, int], object]


def probe(
    queries: Tensor,
    documents: Tensor,
    pairs: Pairs,
    measured: Pairs,
    dim: int,
    seed: int,
    progress: Progress | None = None,
) -> Probe:
    """Train a copy of the vectors on `pairs` a little, at `dim` coordinates, and measure it on `measured`.

    Args:
        queries, documents: float32, rows as in `pairs`, of any length; they are put on the unit sphere first, so
            `before` is the recall of the directions.
        dim: that of the vectors, or more: new coordinates are small and random.
        progress: called with (steps done, steps in all).
    """
    sides = [torch.nn.functional.normalize(side.detach().to(torch.float32).clone()) for side in (queries, documents)]
    before = recall(rank_pairs(sides[0], sides[1], measured)).overall
    if (more := dim - queries.shape[1]) > 0:
        for which, side in enumerate(sides):
            drawn = stream(seed, "probe", which, more).standard_normal((len(side), more), dtype=np.float32)
            longer = torch.cat([side, torch.from_numpy(drawn) * (NOISE / more**0.5)], dim=1)
            sides[which] = torch.nn.functional.normalize(longer)
    state = State(DualEncoder.from_towers(pairs, *map(LookupTower, sides)))
    fields = {"name": "probe", "learning_rate": RATE}  # of a short decoupled stage; the rest is derived from the data
    whole = resolve(Stage.model_validate({**fields, "epochs": EPOCHS}), pairs, dim)
    assert whole.steps is not None and whole.batch_size is not None
    size = float(pairs.sizes[pairs.sizes > 0].mean())
    candidates = min(pairs.n_documents, (whole.negatives or pairs.n_documents) + whole.batch_size * size / 2)
    steps = min(whole.steps, int(WORK / (whole.batch_size * candidates * (dim + _ENTRY))))
    short = Stage.model_validate({**fields, "steps": max(FEWEST_STEPS, steps)})
    batches = Batches(pairs, resolve(short, pairs, dim), seed, 0)
    stage = batches.stage
    assert stage.steps is not None
    state.begin(0, stage)
    while state.step < stage.steps:
        train_step(state, stage, batches[state.step], BLOCK_BYTES, torch.float32)
        state.step += 1
        if progress is not None:
            progress(state.step, stage.steps)
    epochs = round(stage.steps / batches.steps_per_epoch, 2)
    after = recall(rank_pairs(sides[0], sides[1], measured)).overall
    return Probe(dim=dim, epochs=epochs, before=before, after=after)
