"""`resolve`: derives from the data what a stage leaves open, for 200 nodes as for a million.

Rules, with n answered queries, m documents, s = mean |S(q)| and the dimension d of the vectors:

    batch_size   queries: n / 8 within 32 and 512, so that small data still gets several steps an epoch; pairs: 4,096
    negatives    2,048 uniform documents a batch; 2,048 (32/d), at most 8,192, below dim 32, where more documents stand
                 close behind each target; all documents compete when that is half of them or more
    scale        20 at the start, times sqrt(s / 8) for sets larger than 8: with unit vectors a set of size s can be
                 told apart by a gap of about 1/sqrt(s) only (arXiv 2601.20844), and tau has to make up for it
    scale_end    2 at dim 64, 4 at dim 16, 5.7 at dim 8 (2 sqrt(64/d), at least 2) times the start: short vectors
                 have small gaps
    soft         both are 4/3 ln m: pushing ends where a target stands 3/4 above the mass of all documents, at
                 any number of these, and a true document that was not observed stays near
    epochs       20 at dim 64, 40 at dim 16, 57 at dim 8 (20 sqrt(64/d), at least 12), and never fewer than 2,000
                 steps: an epoch moves each query once
    learning_rate  0.2 for lazy_adam (radians, see `LazyAdam`), 0.01 for adam, 20 for sgd; a rate that is said to be
                 `learning_rate_for` so many queries is n / that times as large for fewer
    momentum     0.8 for lazy_adam, whose rows are drawn so seldom that a longer memory is a stale one; else 0.9
    validate_every a twentieth of the stage
    warmup       none
    mine_every   a pass over the queries, so that each is searched for once a pass

Where documents go through an encoder that is trained (a full tower, its documents no table), each one that competes
costs a pass through the network in every step, and its weights, which know something already, move by little. There it
is

    batch_size   queries: n / 8 within 32 and 64; pairs: 64
    negatives    64 uniform documents a batch, corrected by log-Q for how often each is to be expected; all compete when
                 that is half of them or more
    epochs       3, and never fewer than 200 steps
    warmup       a tenth of the stage, as a first step at full rate undoes what the encoder knows
    validate_every a twentieth of the stage or a pass over the queries, whichever is longer: all documents are encoded

and the rest as above: on 366 documents a tenth of the steps, each of half the texts or less.

The figures behind these are in docs/lab-log.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rootward.encoders import DualEncoder
from rootward.encoders.full import FullTower
from rootward.encoders.towers import TiedTower
from rootward.pairs import Pairs
from rootward.training.stage import Stage

RATES = {"lazy_adam": 0.2, "adam": 0.01, "sgd": 20.0}
MOMENTA = {"lazy_adam": 0.8, "adam": 0.9, "sgd": 0.9}
NEGATIVES = 2_048
PAIRS_A_BATCH = 4_096
FEWEST_STEPS = 2_000
SOFT = 4 / 3


@dataclass(frozen=True)
class Costs:
    """What is derived otherwise where every document that competes costs a pass through a network.

    Attributes:
        largest_batch: queries.
        pairs_a_batch: where pairs are drawn.
        negatives: uniform documents a batch; None for what the dimension asks for.
        epochs: None for what the dimension asks for.
        fewest_steps: whatever the epochs come to.
        warmup: share of the stage.
        once_a_pass: validate no more often.
    """

    largest_batch: int = 512
    pairs_a_batch: int = PAIRS_A_BATCH
    negatives: int | None = None
    epochs: float | None = None
    fewest_steps: int = FEWEST_STEPS
    warmup: float = 0.0
    once_a_pass: bool = False


CHEAP = Costs()
ENCODED = Costs(64, 64, negatives=64, epochs=3.0, fewest_steps=200, warmup=0.1, once_a_pass=True)


def costs_of(model: DualEncoder) -> Costs:
    """What a document costs in a step of this model's training."""
    tower = model.document_tower
    reader = tower.text if isinstance(tower, TiedTower) else tower
    return ENCODED if isinstance(reader, FullTower) else CHEAP


def resolve(stage: Stage, pairs: Pairs, dim: int, costs: Costs = CHEAP) -> Stage:
    """The stage with every `None` that matters filled in, and `steps` in place of `epochs`.

    Args:
        stage: what is given is kept.
        pairs: what is trained on.
        dim: of the vectors.
        costs: see `costs_of`; by default those of tables and of texts that are no matter of a network.
    """
    rate = stage.learning_rate or RATES[stage.optimizer]
    rate *= min(1.0, int(np.count_nonzero(pairs.sizes)) / stage.learning_rate_for)
    filled = stage.model_copy(
        update={
            "batch_size": stage.batch_size or _batch_size(stage, pairs, costs),
            "warmup": costs.warmup if stage.warmup is None else stage.warmup,
            "learning_rate": rate,
            "learning_rate_for": 1,
            "momentum": MOMENTA[stage.optimizer] if stage.momentum is None else stage.momentum,
        }
    )
    filled = filled.model_copy(update=_candidates(filled, pairs, dim, costs) | _scales(filled, pairs, dim))
    steps = filled.steps or _steps(filled, pairs, dim, costs)
    every = max(1, -(-steps // 20))
    if costs.once_a_pass:
        every = min(steps, max(every, _pass(filled, pairs)))
    mining: dict[str, object] = {}
    if filled.candidates == "all":  # nothing is left to be mined
        mining = {"hard_negatives": 0, "mine_every": None}
    elif filled.hard_negatives:
        mining = {"mine_every": filled.mine_every or _pass(filled, pairs)}
    return filled.model_copy(
        update={"steps": steps, "epochs": None, "validate_every": filled.validate_every or every, **mining}
    )


def _batch_size(stage: Stage, pairs: Pairs, costs: Costs) -> int:
    if stage.sampler != "all_targets":
        return costs.pairs_a_batch
    return int(np.clip(np.count_nonzero(pairs.sizes) // 8, 32, costs.largest_batch))


def _candidates(stage: Stage, pairs: Pairs, dim: int, costs: Costs) -> dict[str, object]:
    if stage.candidates != "sampled":
        return {}
    negatives = stage.negatives or costs.negatives or round(NEGATIVES * min(4.0, max(1.0, 32 / dim)))
    if 2 * negatives >= pairs.n_documents:
        return {"candidates": "all", "negatives": None}
    return {"negatives": negatives}


def _scales(stage: Stage, pairs: Pairs, dim: int) -> dict[str, float]:
    if stage.soft:
        tau = stage.scale or SOFT * math.log(max(2, pairs.n_documents))
        return {"scale": tau, "scale_end": stage.scale_end or tau}
    answered = pairs.sizes[pairs.sizes > 0]
    size = float(answered.mean()) if len(answered) else 1.0
    start = stage.scale or 20.0 * math.sqrt(max(1.0, size / 8))
    growth = max(2.0, 2.0 * math.sqrt(64 / dim))
    return {"scale": start, "scale_end": stage.scale_end or start * growth}


def _steps(stage: Stage, pairs: Pairs, dim: int, costs: Costs) -> int:
    per_epoch = _pass(stage, pairs)
    if stage.epochs is not None:
        return max(1, round(stage.epochs * per_epoch))
    epochs = costs.epochs or max(12.0, 20 * math.sqrt(64 / dim))
    return max(costs.fewest_steps, round(per_epoch * epochs))


def _pass(stage: Stage, pairs: Pairs) -> int:
    """Steps of one pass over the queries, or over as many pairs as there are."""
    assert stage.batch_size is not None
    n = np.count_nonzero(pairs.sizes) if stage.sampler == "all_targets" else len(pairs)
    return max(1, -(-int(n) // stage.batch_size))
