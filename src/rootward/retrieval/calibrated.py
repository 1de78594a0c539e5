"""Thresholds for queries that have none of their own, from a calibration."""

from __future__ import annotations

import numpy as np
import torch

from rootward.errors import InputError
from rootward.evaluation import Calibration
from rootward.evaluation.blocks import Floats, Ints
from rootward.retrieval.asked import Asked
from rootward.retrieval.engine import Engine


def with_thresholds(asked: Asked, calibration: Calibration | None, engine: Engine) -> Asked:
    """The queries with calibrated thresholds where theirs are unknown (NaN); as they are without a calibration.

    Raises:
        InputError: vectors of another width, or that are NaN or infinite.
    """
    if calibration is None or not (unknown := np.isnan(asked.thresholds)).any():
        return asked

    def best(vectors: torch.Tensor, k: int) -> tuple[Ints, Floats]:
        found = engine.search(vectors, k)
        return found.offsets, found.scores

    vectors = asked.vectors[torch.from_numpy(unknown).to(asked.vectors.device)]
    if not torch.isfinite(vectors).all():
        raise InputError("Query vectors have entries that are NaN or infinite; scores need finite numbers.")
    thresholds = asked.thresholds.astype(np.float32)
    thresholds[unknown] = calibration.thresholds(vectors, best)
    return asked._replace(thresholds=thresholds, known=not np.isnan(thresholds).all())
