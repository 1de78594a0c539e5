"""Where each query's answer set ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
