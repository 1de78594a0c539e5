"""How well a training does: some queries on the way, all of them, or as many as there is time for, at the end."""

from __future__ import annotations

import math

import numpy as np
import torch

from rootward.encoders import DualEncoder
from rootward.evaluation import Report, answer_thresholds, evaluate, recall
from rootward.evaluation.evaluate import ranks_of
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.training.run import Run

VALIDATED_QUERIES = 1_000  # at most, a validation; enough for half a point
MEASURED_SCORES = 20_000_000_000  # at most, at the end: about 40 s at dim 64 on two cores


def watched(pairs: Pairs, seed: int) -> Pairs:
    """The pairs that validations look at."""
    return _some_queries(pairs, VALIDATED_QUERIES, seed)


def validate(model: DualEncoder, pairs: Pairs) -> tuple[float, list[float | None]]:
    """Overall recall and recall by distance, None at a distance without pairs.

    Raises:
        PairsError: there are no pairs.
        UnknownIdError: pairs of ids that the model does not know.
    """
    found = recall(ranks_of(model, pairs))
    return found.overall, [None if math.isnan(value) else round(value, 5) for value in found.by_distance.tolist()]


def measure(run: Run, source: str | None, progress: bool) -> Report:
    """Recall over all queries, over a sample where there are too many; sets the model's thresholds by the way."""
    n = max(VALIDATED_QUERIES, MEASURED_SCORES // max(1, run.pairs.n_documents))
    pairs = _some_queries(run.pairs, n, run.seed)
    report = evaluate(
        run.model,
        pairs,
        source=source,
        label=run.recipe.name,
        seed=run.seed,
        extras={
            "recipe": run.recipe.name,
            "train_seconds": round(run.seconds, 1),
            "sampled_queries": pairs is not run.pairs,
        },
        progress=progress,
    )
    assert report.ranks is not None
    run.model.thresholds = torch.from_numpy(answer_thresholds(report.ranks))
    return report


def _some_queries(pairs: Pairs, at_most: int, seed: int) -> Pairs:
    """The pairs of some queries, drawn at random; all of them where there are few."""
    answered = np.flatnonzero(pairs.sizes)
    if len(answered) <= at_most:
        return pairs
    wanted = np.zeros(pairs.n_queries, np.bool_)
    wanted[stream(seed, "validation").choice(answered, at_most, replace=False)] = True
    return pairs.keep(wanted[pairs.query_of])
