"""Upward repair of what was found: what stands above an accepted document comes into the answer set, and is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rootward.evaluation.blocks import Ints
from rootward.evaluation.upward import Above, missing_above
from rootward.pairs import Ids
from rootward.pairs.ragged import offsets_of
from rootward.retrieval.engine import Found

_ACCEPTED, _ADDED, _OTHER = range(3)


def with_above(
    found: Found,
    accepted: npt.NDArray[np.bool_],
    document_ids: Ids,
    above: Above,
    max_distance: int | None,
    allowed: Ints | None = None,
) -> tuple[Found, npt.NDArray[np.bool_]]:
    """What was found with all that stands above accepted documents, and a truth value an entry: it was added.

    Accepted ones come first, then those added, then the others, otherwise in the order they were in. Those added that
    had been found below the threshold keep their score; the others have none, NaN. Only `allowed` rows are added.

    Raises:
        InputError: see `missing_above`.
    """
    n = len(document_ids)
    place, rows = missing_above(
        above, document_ids, found.place[accepted], found.rows[accepted], max_distance=max_distance
    )
    if allowed is not None:
        kept = np.isin(rows, allowed)
        place, rows = place[kept], rows[kept]
    keys, known = place * n + rows, found.place * n + found.rows
    scores = np.full(len(keys), np.nan, found.scores.dtype)
    _, new, old = np.intersect1d(keys, known, assume_unique=True, return_indices=True)
    scores[new] = found.scores[old]
    stays = np.ones(len(known), np.bool_)
    stays[old] = False
    places = np.r_[found.place[stays], place]
    group = np.r_[np.where(accepted, _ACCEPTED, _OTHER)[stays], np.full(len(place), _ADDED)]
    order = np.lexsort((np.arange(len(places)), group, places))
    repaired = replace(
        found,
        offsets=offsets_of(np.bincount(places, minlength=len(found))),
        rows=np.r_[found.rows[stays], rows][order],
        scores=np.r_[found.scores[stays], scores][order],
    )
    return repaired, (group == _ADDED)[order]
