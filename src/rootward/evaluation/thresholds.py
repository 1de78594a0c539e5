"""Where each query's answer set ends, and the one more coordinate that makes its end an inner product of 0."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.errors import InputError
from rootward.evaluation.ranks import Ranks


def answer_thresholds(ranks: Ranks) -> npt.NDArray[np.float32]:
    """The score at which each query's answer set ends (float32, n_queries; NaN for queries without pairs).

    Half way between the lowest relevant document that is a hit and whatever stands below it: the highest document
    that is not relevant, or the highest relevant one that is missed. Where every relevant document outscores every
    other, documents at or above the threshold are S(q) exactly. A query without a hit accepts nothing.
    """
    thresholds = np.full(len(ranks.sizes), np.nan, np.float32)
    rows, hits = ranks.query_of, ranks.hits
    lowest_hit = np.full(len(ranks.sizes), np.inf)
    np.minimum.at(lowest_hit, rows[hits], ranks.scores[hits])
    below = np.full(len(ranks.sizes), -np.inf)
    np.maximum.at(below, rows[~hits], ranks.scores[~hits])
    answered = ranks.answered
    clear = ranks.ceiling[answered] < lowest_hit[answered]
    under = np.where(clear, np.maximum(below[answered], ranks.ceiling[answered]), below[answered])
    hit = np.isfinite(lowest_hit[answered])
    under = np.where(np.isfinite(under), under, lowest_hit[answered] - 1.0)  # everything relevant and hit
    middle = (np.where(hit, lowest_hit[answered], 0.0) + np.where(hit, under, 0.0)) / 2
    thresholds[answered] = np.where(hit, middle, np.inf)
    return thresholds


def extend_queries(vectors: Tensor, thresholds: npt.ArrayLike | Tensor) -> Tensor:
    """Query vectors with minus their threshold as one more coordinate (n x (dim + 1)).

    The inner product with a document from `extend_documents` is score - threshold, so that any engine that can search
    above one score for all queries finds each query's own answer set above 0.

    Raises:
        InputError: not one finite threshold a query; queries that abstain have no answers to look for.
    """
    column = torch.as_tensor(thresholds, dtype=vectors.dtype, device=vectors.device)
    if column.shape != (len(vectors),):
        raise InputError(f"{len(vectors):,} queries need as many thresholds, got shape {tuple(column.shape)}.")
    wrong = torch.nonzero(~torch.isfinite(column))
    if len(wrong):
        raise InputError(
            f"{len(wrong):,} thresholds are NaN (unknown) or infinite (the query abstains), the first in row "
            f"{int(wrong[0])}; leave these queries out."
        )
    return torch.cat([vectors, -column[:, None]], dim=1)


def extend_documents(vectors: Tensor) -> Tensor:
    """Document vectors with 1 as one more coordinate (n x (dim + 1)); see `extend_queries`."""
    return torch.cat([vectors, vectors.new_ones(len(vectors), 1)], dim=1)
