"""How far matching scores stand above all others: over every pair of a query and a document, in tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.errors import InputError
from rootward.evaluation.blocks import Floats, Ints, fitting, highest
from rootward.pairs import Pairs
from rootward.pairs.ragged import expand

ROWS, COLUMNS = 1_024, 4_096
"""Queries and documents of a tile: 16 MB of float32 scores stay in the cache, and the product is wide enough."""


@dataclass(frozen=True)
class Separation:
    """What scores say about the sets they were made for.

    Attributes:
        smallest_match: the lowest score of any relevant document with its query.
        largest_other: the highest score of any other document with any query.
        threshold: the one score that ends the answer sets of most queries exactly: half way between the two where all
            are separated.
        separated: share of the queries whose own relevant documents all outscore all others.
        at_threshold: share of the queries whose documents at or above `threshold` are S(q) exactly.
        dtype: of the scores, "float32" or "float64".
        n_queries: those with relevant documents; the others are not looked at.
        n_scores: how many scores were looked at.
    """

    smallest_match: float
    largest_other: float
    threshold: float
    separated: float
    at_threshold: float
    dtype: str
    n_queries: int
    n_scores: int

    @property
    def margin(self) -> float:
        """Smallest match minus largest other score: above 0, one threshold retrieves every relevant set exactly."""
        return self.smallest_match - self.largest_other

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values, the margin among them."""
        return {"margin": self.margin, **asdict(self)}

    def __str__(self) -> str:
        return (
            f"margin {self.margin:.3g} in {self.dtype} (smallest match {self.smallest_match:.6g}, largest other "
            f"{self.largest_other:.6g}), over {self.n_scores:,} scores\n"
            f"{_percent(self.separated)} of {self.n_queries:,} queries separated from all other documents; "
            f"{_percent(self.at_threshold)} at the universal threshold {self.threshold:.6g}"
        )


def separation(
    queries: Tensor, documents: Tensor, pairs: Pairs, *, progress: Callable[[int], object] | None = None
) -> Separation:
    """Measure these vectors against these pairs, exactly: every score is computed once, none is kept.

    Time is that of the matrix product, n_queries x n_documents x dim; memory the vectors and a tile of 16 MB.

    Args:
        queries: n_queries x dim, float32 or float64; row i belongs to query row i of `pairs`.
        documents: n_documents x dim. Scores are float64 where both sides are.
        pairs: what is relevant.
        progress: called with the number of queries done since the last call.

    Raises:
        InputError: rows that are not those of `pairs`, widths that differ, entries that are not finite.
    """
    queries, documents = _fitting(queries, documents, pairs)
    rows = np.flatnonzero(pairs.sizes)
    floor, ceiling = (np.empty(len(rows), queries.numpy().dtype) for _ in range(2))
    for part, lowest, others in _extremes(queries, documents, pairs, rows):
        floor[part], ceiling[part] = lowest, others
        if progress is not None:
            progress(len(lowest))
    return _concluded(floor.astype(np.float64), ceiling.astype(np.float64), str(floor.dtype), len(documents))


def separates(
    queries: Tensor, documents: Tensor, pairs: Pairs, *, progress: Callable[[int], object] | None = None
) -> float:
    """The margin where one threshold serves all queries, else a number that is not above 0: stops once that is clear.

    Args, raises: as `separation`.
    """
    queries, documents = _fitting(queries, documents, pairs)
    rows = np.flatnonzero(pairs.sizes)
    smallest, largest = smallest_match(queries, documents, pairs), -np.inf
    for _, lowest, others in _extremes(queries, documents, pairs, rows):
        smallest = min(smallest, float(lowest.min()))
        largest = max(largest, float(others.max()))
        if progress is not None:
            progress(len(lowest))
        if largest >= smallest:
            break
    return smallest - largest


def smallest_match(queries: Tensor, documents: Tensor, pairs: Pairs) -> float:
    """The lowest score of any relevant pair: looks at these alone, dim x n_pairs work."""
    lowest, size = np.inf, max(1, (64 << 20) // (queries.element_size() * max(1, queries.shape[1])))
    places, columns = torch.from_numpy(pairs.query_of), torch.from_numpy(pairs.documents).long()
    for start in range(0, len(pairs), size):
        part = slice(start, start + size)
        scores = torch.linalg.vecdot(queries[places[part]], documents[columns[part]])
        lowest = min(lowest, float(scores.min()))
    return lowest


def _fitting(queries: Tensor, documents: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
    if not len(pairs):
        raise InputError("There are no pairs, so there is nothing to separate.")
    return fitting(queries, documents, pairs)


def _extremes(queries: Tensor, documents: Tensor, pairs: Pairs, rows: Ints) -> Iterator[tuple[slice, Floats, Floats]]:
    """Block by block of `rows`: which of them, the lowest relevant score of each, the highest other score of each."""
    buffer = torch.empty(ROWS * COLUMNS, dtype=queries.dtype)
    with torch.inference_mode():
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            place, index = expand(pairs.offsets, part)
            columns = pairs.documents[index]
            order = np.argsort(columns, kind="stable")
            place, columns = place[order], columns[order]
            vectors = queries[torch.from_numpy(part)]
            lowest = np.full(len(part), np.inf, queries.numpy().dtype)
            others = np.full(len(part), -np.inf, lowest.dtype)
            for begin in range(0, len(documents), COLUMNS):
                tile = documents[begin : begin + COLUMNS]
                held = buffer[: len(part) * len(tile)].view(len(part), len(tile))
                scores = torch.mm(vectors, tile.T, out=held).numpy()
                here = slice(*np.searchsorted(columns, [begin, begin + COLUMNS]))
                np.minimum.at(lowest, place[here], scores[place[here], columns[here] - begin])
                scores[place[here], columns[here] - begin] = -np.inf
                np.maximum(others, highest(scores), out=others)
            yield slice(start, start + len(part)), lowest, others


def _concluded(floor: Floats, ceiling: Floats, dtype: str, n_documents: int) -> Separation:
    smallest, largest = float(floor.min()), float(ceiling.max())
    threshold = universal_threshold(floor, ceiling)
    return Separation(
        smallest_match=smallest,
        largest_other=largest,
        threshold=threshold,
        separated=float(np.mean(floor > ceiling)),
        at_threshold=float(np.mean((ceiling < threshold) & (threshold <= floor))),
        dtype=dtype,
        n_queries=len(floor),
        n_scores=len(floor) * n_documents,
    )


def universal_threshold(floor: npt.ArrayLike, ceiling: npt.ArrayLike) -> float:
    """The score that lies above `ceiling` and at or below `floor` for most queries, half way within its interval.

    Args:
        floor: of each query, its lowest relevant score.
        ceiling: of each query, its highest other score; -inf where there is none.
    """
    low, high = (np.asarray(side, np.float64) for side in (ceiling, floor))
    apart = low < high
    if not apart.any():
        return float(high.max())
    starts, ends = np.sort(low[apart]), np.sort(high[apart])
    # Just above where an interval (ceiling, floor] begins lie those that have begun and not yet ended.
    held = np.arange(1, len(starts) + 1) - np.searchsorted(ends, starts, side="right")
    best = int(held.argmax())
    below = float(starts[best])
    above = float(ends[np.searchsorted(ends, below, side="right")])
    return above if not np.isfinite(below) else _between(below, above)


def _between(below: float, above: float) -> float:
    """Half way, and above `below` even where no number lies between the two."""
    middle = below + (above - below) / 2
    return middle if below < middle else above


def _percent(share: float) -> str:
    return "100 %" if share == 1 else f"{min(100 * share, 99.999):.3f} %"
