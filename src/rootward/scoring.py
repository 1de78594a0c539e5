"""Scores of a block of queries against every document, and counting in them.

The matrix of all queries against all documents is never there: blocks of query rows are scored into one buffer, one
after the other. Matrix products go to torch, passes over single rows to NumPy, whose comparisons are several times
faster than torch's (2.9 against 0.6 billion entries a second and core when this was written).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.csr import offsets_of
from rootward.errors import InputError
from rootward.pairs import Pairs

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Ints: TypeAlias = npt.NDArray[np.int64]

RUN, WORTH = 64, 8
"""How `top` cuts long rows: entries a run, and how many runs there have to be for each entry wanted."""

BLOCK_BYTES = 24 * 2**20
"""Size of the score buffer: 76 rows of WordNet. Larger ones leave the cache, smaller ones slow the product down."""

PAIR_BYTES = 64
"""A block holds no more pairs than fit its size with so many bytes each."""

SORT_ABOVE = 16
"""With more thresholds than this in one row, sorting the row once is quicker than one pass for each."""

_SHARED_FROM = 100_000  # entries: smaller blocks are counted before a second thread has woken up


@dataclass(frozen=True, eq=False)
class Block:
    """Some queries against all documents.

    Attributes:
        rows: int64, the query rows, ascending.
        scores: len(rows) x n_documents; a view of a buffer that the next block overwrites.
    """

    rows: Ints
    scores: Floats


def checked(queries: Tensor, documents: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides as matrices on the CPU that can be scored: float64 where both are, float32 otherwise.

    Raises:
        InputError: not two matrices of one width, entries that are NaN or infinite, or so large that scores overflow.
    """
    if queries.ndim != 2 or documents.ndim != 2 or queries.shape[1] != documents.shape[1]:
        raise InputError(
            f"Queries and documents must be two matrices of one width, got shapes {tuple(queries.shape)} and "
            f"{tuple(documents.shape)}."
        )
    dtype = torch.float64 if queries.dtype == documents.dtype == torch.float64 else torch.float32
    sides = [side.detach().to("cpu", dtype).contiguous() for side in (queries, documents)]
    longest = 1.0
    for vectors, name in zip(sides, ("query", "document"), strict=True):
        norms = torch.linalg.vector_norm(vectors, dim=1, dtype=torch.float64)
        wrong = torch.nonzero(~torch.isfinite(norms))
        if len(wrong):
            raise InputError(
                f"{len(wrong):,} {name} vectors have entries that are NaN or infinite, the first in row "
                f"{int(wrong[0])}; scores need finite numbers."
            )
        longest *= float(norms.max()) if len(norms) else 0.0
    if longest >= torch.finfo(dtype).max:
        raise InputError(f"Scores up to {longest:.1e} overflow {dtype}; make the vectors shorter.")
    return sides[0], sides[1]


def fitting(queries: Tensor, documents: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Both sides as `checked` gives them, a row for every id of the pairs.

    Raises:
        InputError: as `checked`, or rows that are not those of the pairs.
    """
    sides = checked(queries, documents)
    for side, ids, name in zip(sides, (pairs.query_ids, pairs.document_ids), ("query", "document"), strict=True):
        if len(side) != len(ids):
            raise InputError(f"The pairs have {len(ids):,} {name} ids and need as many vectors, got {len(side):,}.")
    return sides


def score_blocks(queries: Tensor, documents: Tensor, sizes: Ints, block_bytes: int) -> Iterator[Block]:
    """The queries with pairs against all documents, as many at a time as fit `block_bytes` (at least one).

    Args:
        queries, documents: as `checked` gives them.
        sizes: |S(q)| of every query. Where sets are large, blocks hold fewer queries, so that arrays with an
            entry for each pair stay small too.
        block_bytes: size of the buffer of scores.

    Raises:
        InputError: block_bytes below 1.
    """
    if block_bytes < 1:
        raise InputError(f"block_bytes must be at least 1, got {block_bytes}.")
    rows = np.flatnonzero(sizes)
    n_rows = min(max(2, block_bytes // max(1, documents.element_size() * len(documents))), max(2, len(rows)))
    buffer = torch.empty(n_rows, len(documents), dtype=documents.dtype)
    pairs_before = offsets_of(sizes[rows])
    start = 0
    with torch.inference_mode():
        while start < len(rows):
            fit = np.searchsorted(pairs_before, pairs_before[start] + block_bytes // PAIR_BYTES, side="right") - 1
            part = rows[start : max(start + 1, min(start + n_rows, int(fit)))]
            start += len(part)
            # A matrix times one vector takes another path in BLAS, where equal documents can score a bit apart. Ties
            # must stay ties, so a single query is scored twice.
            at_least_two = np.resize(part, max(2, len(part)))
            scores = buffer[: len(at_least_two)]
            torch.mm(queries[torch.from_numpy(at_least_two)], documents.T, out=scores)
            yield Block(part, scores[: len(part)].numpy())


def highest(scores: Floats) -> Floats:
    """The highest entry of every row; -inf where there are no columns. torch's `amax` uses every core."""
    if not scores.shape[1]:
        return np.full(len(scores), -np.inf, scores.dtype)
    return torch.from_numpy(scores).amax(1).numpy()


def top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """(values, columns) of k of the highest entries of every row, highest first, as `torch.topk` gives them.

    Of equal entries it is left open which are taken, and which comes first. On long rows several times as fast as
    torch: the k highest values stand in the k runs of entries whose own highest values are highest.

    Args:
        scores: n x n_columns, contiguous.
        k: at most n_columns.
    """
    n, n_columns = scores.shape
    n_runs = n_columns // RUN
    if n_runs < WORTH * k:
        return scores.topk(k, dim=1)
    runs = scores[:, : n_runs * RUN].view(n, n_runs, RUN)
    chosen = runs.amax(2).topk(k, dim=1, sorted=False).indices
    columns = (chosen[:, :, None] * RUN + torch.arange(RUN)).flatten(1)
    held = runs.gather(1, chosen[:, :, None].expand(-1, -1, RUN)).flatten(1)
    rest = torch.arange(n_runs * RUN, n_columns)  # fewer than a run
    held = torch.cat([held, scores[:, n_runs * RUN :]], dim=1)
    values, place = held.topk(k, dim=1)
    return values, torch.cat([columns, rest.expand(n, -1)], dim=1).gather(1, place)


class Counter:
    """Counts entries that are at least a threshold, rows shared out among as many threads as torch uses."""

    def __init__(self) -> None:
        self._n_threads = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self._n_threads) if self._n_threads > 1 else None

    def __enter__(self) -> Counter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def at_least(self, scores: Floats, place: Ints, thresholds: Floats) -> Ints:
        """For every threshold i, how many entries of row `place[i]` of `scores` reach it (int64).

        Args:
            scores: rows x columns.
            place: ascending; rows with no threshold or with several are both fine.
            thresholds: one for each place, of the type of the scores.
        """
        rows, starts = np.unique(place, return_index=True)
        bounds = [*starts.tolist(), len(place)]
        out = np.empty(len(place), np.int64)
        n_workers = self._n_threads if scores.size >= _SHARED_FROM else 1

        def count(worker: int) -> None:
            mask = np.empty(scores.shape[1], np.bool_)
            for i in range(worker, len(rows), n_workers):
                part = slice(bounds[i], bounds[i + 1])
                out[part] = _at_least(scores[rows[i]], thresholds[part], mask)

        if self._pool is None or n_workers == 1:
            count(0)
        else:
            list(self._pool.map(count, range(n_workers)))
        return out


def _at_least(row: Floats, thresholds: Floats, mask: npt.NDArray[np.bool_]) -> Ints:
    """How many entries of `row` reach each threshold."""
    if len(thresholds) > SORT_ABOVE:
        return len(row) - np.searchsorted(np.sort(row), thresholds, side="left")
    counts = np.empty(len(thresholds), np.int64)
    for i, threshold in enumerate(thresholds):
        np.greater_equal(row, threshold, out=mask)
        counts[i] = np.count_nonzero(mask)
    return counts
