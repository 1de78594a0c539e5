"""Thresholds for queries that have none of their own, from a calibration."""

from __future__ import annotations

from dataclasses import replace

import torch

from rootward.encoders import Queries
from rootward.errors import InputError
from rootward.evaluation import Calibration
from rootward.evaluation.blocks import Floats, Ints
from rootward.retrieval.engine import Engine


def with_thresholds(asked: Queries, calibration: Calibration | None, engine: Engine) -> Queries:
    """The queries with calibrated thresholds where theirs are unknown (NaN); as they are without a calibration.

    Raises:
        InputError: vectors of another width, or that are NaN or infinite.
    """
    if calibration is None or not bool((unknown := torch.isnan(asked.thresholds)).any()):
        return asked

    def best(vectors: torch.Tensor, k: int) -> tuple[Ints, Floats]:
        found = engine.search(vectors, k)
        return found.offsets, found.scores

    vectors = asked.vectors[unknown.to(asked.vectors.device)]
    if not torch.isfinite(vectors).all():
        raise InputError("Query vectors have entries that are NaN or infinite; scores need finite numbers.")
    thresholds = asked.thresholds.detach().cpu().to(torch.float32, copy=True)
    thresholds[unknown.cpu()] = torch.from_numpy(calibration.thresholds(vectors, best))
    return replace(asked, thresholds=thresholds)
