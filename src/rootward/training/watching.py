"""How well a training does: some queries on the way, all of them, or as many as there is time for, at the end."""

from __future__ import annotations

import math

import numpy as np
import torch

from rootward.encoders import DualEncoder
from rootward.evaluation import Report, answer_thresholds, evaluate, recall
from rootward.evaluation.evaluate import ranks_of
from rootward.pairs import Pairs
from rootward.pairs.ids import Rows
from rootward.pairs.ragged import offsets_of
from rootward.rng import stream
from rootward.training.run import Run

VALIDATED_QUERIES = 1_000  # at most, a validation; enough for half a point
MEASURED_SCORES = 20_000_000_000  # at most, at the end: about 40 s at dim 64 on two cores


def watched(pairs: Pairs, seed: int) -> Pairs:
    """The pairs that validations look at."""
    rows = _some_queries(pairs, VALIDATED_QUERIES, seed)
    return pairs if rows is None else _asked(pairs, rows)


def validate(model: DualEncoder, pairs: Pairs) -> tuple[float, list[float | None]]:
    """Overall recall and recall by distance, None at a distance without pairs.

    Queries that training does not know are measured by their own vectors, where `evaluate` lets them lean on the
    nearest that it does, as a search would: all of those would have to be encoded anew for every validation.

    Raises:
        PairsError: there are no pairs.
        UnknownIdError: pairs of ids that the model does not know.
    """
    found = recall(ranks_of(model, pairs, as_searched=False))
    return found.overall, [None if math.isnan(value) else round(value, 5) for value in found.by_distance.tolist()]


def measure(run: Run, source: str | None, progress: bool) -> Report:
    """Recall over all queries, over a sample where there are too many; sets the model's thresholds by the way."""
    n = max(VALIDATED_QUERIES, MEASURED_SCORES // max(1, run.pairs.n_documents))
    rows = _some_queries(run.pairs, n, run.seed)
    pairs = run.pairs if rows is None else _asked(run.pairs, rows)
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
    thresholds = torch.from_numpy(answer_thresholds(report.ranks))
    if len(thresholds) == len(run.model.thresholds):
        run.model.thresholds = thresholds
    else:
        assert rows is not None
        run.model.thresholds[torch.from_numpy(rows)] = thresholds
    return report


def _some_queries(pairs: Pairs, at_most: int, seed: int) -> Rows | None:
    """The rows of some queries, drawn at random, ascending; None for all of them where there are few."""
    answered = np.flatnonzero(pairs.sizes)
    if len(answered) <= at_most:
        return None
    return np.sort(stream(seed, "validation").choice(answered, at_most, replace=False))


def _asked(pairs: Pairs, rows: Rows) -> Pairs:
    """The pairs of these queries. Of pairs on disk the other queries are left out, as measuring has arrays of all."""
    if pairs.folder is None:
        return pairs.of_queries(rows)
    _, index = pairs.of(rows)
    return Pairs(
        pairs.query_ids.take(rows),
        pairs.document_ids,
        offsets_of(pairs.sizes[rows]),
        pairs.documents[index],
        pairs.distances[index],
    )
