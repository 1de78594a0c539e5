"""Scores of queries and documents, the same on every processor; the k best, all above a threshold, counting.

A score is the inner product of two vectors. BLAS adds its terms in an order that depends on the processor, the number
of threads, and where in the matrix an entry stands, so that two equal documents can score a bit apart. Every score that
an answer depends on is therefore computed without rounding: each vector is first rounded to multiples of 2^-26 of its
length (the next power of two), which changes less than BLAS does; products and sums of such numbers are exact in
float64, in any order; and the sum is rounded once, to the type of the vectors. float64 vectors are split into two such
parts, see `_halves`. So a tie is what it says: two scores are equal numbers. Documents with equal vectors always tie;
ranks, thresholds, calibration and the exact engine see the same scores, and none of them depends on the processor, the
block, the threads or the order of the documents. A tie counts against a relevant document in ranks; a document that
scores exactly a threshold is in the answer set; of equal documents the one with the lower row is found first.

The k best and all above a threshold are looked for with the quick product of BLAS, whose error is bounded
(`_tolerances`); only documents within that bound of the end are scored exactly.

The matrix of all queries against all documents is never there: blocks of query rows are scored into one buffer, one
after the other. Matrix products go to torch, passes over single rows to NumPy, whose comparisons are several times
faster than torch's (2.9 against 0.6 billion entries a second and core when this was written).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

COLUMNS = 8_192
"""How many documents are multiplied at a time in float64."""

PRODUCTS = 1 << 20
"""How many products single scores are added up from at a time: 8 MB a matrix."""

SPARE = 8
"""So many documents more than wanted are taken from the product of BLAS before whole rows are looked at again."""

PAIR_BYTES = 64
"""A block holds no more pairs than fit its size with so many bytes each."""

SORT_ABOVE = 16
"""With more thresholds than this in one row, sorting the row once is quicker than one pass for each."""

_SHARED_FROM = 100_000  # entries: smaller blocks are counted before a second thread has woken up


def unit_rows(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The vectors at length 1 (float32, n x dim); a row of zeros stays as it is."""
    rows = np.asarray(vectors, np.float32)
    found: npt.NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return found


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
        norms = torch.linalg.vector_norm(vectors, dim=1)
        if not torch.isfinite(norms).all():  # or only their squares overflow; float64 takes twice as long
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


def score_blocks(
    queries: Tensor, documents: Tensor, sizes: Ints, block_bytes: int, *, exact: bool = True
) -> Iterator[Block]:
    """The queries with pairs against all documents, as many at a time as fit `block_bytes` (at least one).

    Args:
        queries, documents: as `checked` gives them.
        sizes: |S(q)| of every query, or how many documents of it are wanted; those with 0 are not scored. Where sets
            are large, blocks hold fewer queries, so that arrays with an entry for each pair stay small too.
        block_bytes: size of the buffer of scores.
        exact: False takes the product as BLAS rounds it, which is quicker; its last bits depend on the processor.

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
        halves = _halves(documents) if exact else ()
        while start < len(rows):
            fit = np.searchsorted(pairs_before, pairs_before[start] + block_bytes // PAIR_BYTES, side="right") - 1
            part = rows[start : max(start + 1, min(start + n_rows, int(fit)))]
            start += len(part)
            scores = buffer[: max(2, len(part))]
            if exact:
                _exact_product(queries[torch.from_numpy(part)], halves, scores[: len(part)])
            else:  # a single query twice: BLAS multiplies a matrix by one vector in yet another order
                torch.mm(queries[torch.from_numpy(np.resize(part, len(scores)))], documents.T, out=scores)
            yield Block(part, scores[: len(part)].numpy())


def _halves(vectors: Tensor) -> tuple[Tensor, ...]:
    """Vectors rounded so that their inner products are exact in float64: one matrix of float32, two of float64.

    Entries become multiples of 2^-26 of the row's length, rounded up to a power of two: the sum of any products of two
    such rows is a multiple of 2^-52 of both lengths and no larger than they are, a number that float64 holds. Of
    float64 vectors the rest is the second matrix, in multiples of 2^-46; products of one rest with the other matrix are
    exact likewise, up to 16,384 columns, and those of two rests are too small to count.
    """
    lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True, dtype=torch.float64)
    unit = torch.ldexp(torch.ones_like(lengths), torch.frexp(lengths).exponent.clamp(min=-400) - 26)
    first = torch.empty_like(vectors)
    for start in range(0, len(vectors), COLUMNS):  # float64 for a few rows at a time
        part = slice(start, start + COLUMNS)
        first[part] = (vectors[part] / unit[part]).round_().mul_(unit[part])
    if vectors.dtype != torch.float64:
        return (first,)
    unit *= 2.0**-20
    return first, ((vectors - first) / unit).round_() * unit


def _exact_product(queries: Tensor, documents: tuple[Tensor, ...], out: Tensor) -> None:
    """Every query against every document, exactly; `documents` as `_halves` gives them."""
    sides = [half.double() for half in _halves(queries)]
    for start in range(0, len(documents[0]), COLUMNS):
        tile = [half[start : start + COLUMNS].double() for half in documents]
        scores = torch.mm(sides[0], tile[0].T)
        if len(sides) > 1:
            scores += torch.mm(torch.cat(sides, 1), torch.cat(tile[::-1], 1).T)
        out[:, start : start + COLUMNS] = scores


def exact_scores(queries: Tensor, documents: Tensor, place: Ints, columns: Ints) -> Floats:
    """The score of query place[i] and document columns[i], for every i: the number that `score_blocks` has there."""
    scores = np.empty(len(place), documents.numpy().dtype)
    sides = [half.double() for half in _halves(queries)]
    step = max(1, PRODUCTS // max(1, documents.shape[1]))
    for start in range(0, len(place), step):
        part = slice(start, start + step)
        left = [half[torch.from_numpy(place[part])] for half in sides]
        right = [half.double() for half in _halves(documents[torch.from_numpy(columns[part])])]
        found = (left[0] * right[0]).sum(1)
        if len(sides) > 1:
            found += (torch.cat(left, 1) * torch.cat(right[::-1], 1)).sum(1)
        scores[part] = found.numpy()
    return scores


# -- the k best, and all above a threshold -----------------------------------------------------------------------


def longest(vectors: Tensor) -> float:
    """The length of the longest of these vectors; 0 where there are none."""
    return float(torch.linalg.vector_norm(vectors, dim=1).max()) if len(vectors) else 0.0


def _tolerances(queries: Tensor, documents: Tensor, length: float | None) -> Floats:
    """How far the product of BLAS can be from the exact score, for each query: dim roundings of either, and some."""
    unit = 2.0**-23 if documents.dtype == torch.float32 else 2.0**-44
    lengths = torch.linalg.vector_norm(queries, dim=1, keepdim=True).numpy()
    bounds: Floats = lengths * ((documents.shape[1] + 8) * unit * (longest(documents) if length is None else length))
    return bounds


def best(
    queries: Tensor,
    documents: Tensor,
    wanted: Ints,
    *,
    block_bytes: int = BLOCK_BYTES,
    length: float | None = None,
    progress: Callable[[int], object] | None = None,
) -> tuple[Ints, Ints, Floats]:
    """The best documents of each query, best first, as CSR; of equal scores the lower column first.

    Args:
        queries, documents: n_queries x dim and n_documents x dim, of one type, finite.
        wanted: int64, how many of each query; at most n_documents. Queries that want none are not scored.
        block_bytes: size of the buffer of scores.
        length: of the longest document, where it is known.
        progress: called after every block with the number of queries it held.

    Returns:
        (offsets, columns, scores): those of query i are entries offsets[i]:offsets[i + 1].
    """
    found = [(np.empty(0, np.int64), np.empty(0, documents.numpy().dtype))]
    tolerances = _tolerances(queries, documents, length)
    for block in score_blocks(queries, documents, wanted, block_bytes, exact=False):
        sizes = wanted[block.rows]
        n_listed = min(int(sizes.max()) + SPARE, len(documents))
        values, columns = (part.numpy() for part in top(torch.from_numpy(block.scores), n_listed))
        # whatever may be among the best exactly is within two tolerances of the last of the best by BLAS
        bounds = values[np.arange(len(sizes)), sizes - 1][:, None] - 2 * tolerances[block.rows]
        within = values >= bounds
        more = np.flatnonzero(within[:, -1]) if n_listed < len(documents) else np.empty(0, np.int64)
        within[more] = False
        place, at = np.nonzero(within)
        others, other_columns = np.nonzero(block.scores[more] >= bounds[more])
        place, column = np.r_[place, more[others]], np.r_[columns[place, at], other_columns]
        place, column, scores = _ordered(queries, documents, block.rows, place, column)
        kept = np.arange(len(place)) - np.searchsorted(place, np.arange(len(sizes)))[place] < sizes[place]
        found.append((column[kept], scores[kept]))
        if progress is not None:
            progress(len(block.rows))
    return offsets_of(wanted), np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])


def above(
    queries: Tensor,
    documents: Tensor,
    thresholds: Floats,
    *,
    block_bytes: int = BLOCK_BYTES,
    length: float | None = None,
) -> tuple[Ints, Ints, Floats]:
    """All documents that score at least the threshold of their query, as `best` gives them; none above NaN."""
    sizes = np.zeros(len(queries), np.int64)
    found = [(np.empty(0, np.int64), np.empty(0, documents.numpy().dtype))]
    bounds = thresholds[:, None] - _tolerances(queries, documents, length)
    for block in score_blocks(queries, documents, np.ones_like(sizes), block_bytes, exact=False):
        place, column = np.nonzero(block.scores >= bounds[block.rows])
        place, column, scores = _ordered(queries, documents, block.rows, place, column)
        kept = scores >= thresholds[block.rows[place]]
        sizes[block.rows] = np.bincount(place[kept], minlength=len(block.rows))
        found.append((column[kept], scores[kept]))
    return offsets_of(sizes), np.concatenate([each[0] for each in found]), np.concatenate([each[1] for each in found])


def _ordered(queries: Tensor, documents: Tensor, rows: Ints, place: Ints, columns: Ints) -> tuple[Ints, Ints, Floats]:
    """(place in `rows`, column, exact score) of these entries, by place, best first, lower columns first."""
    scores = exact_scores(queries[torch.from_numpy(rows)], documents, place, columns)
    order = np.lexsort((columns, -scores, place))
    return place[order], columns[order], scores[order]


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
                row, part = scores[rows[i]], range(bounds[i], bounds[i + 1])
                if len(part) > SORT_ABOVE:
                    below = np.searchsorted(np.sort(row), thresholds[part.start : part.stop], side="left")
                    out[part.start : part.stop] = len(row) - below
                    continue
                for threshold in part:
                    np.greater_equal(row, thresholds[threshold], out=mask)
                    out[threshold] = np.count_nonzero(mask)

        if self._pool is None or n_workers == 1:
            count(0)
        else:
            list(self._pool.map(count, range(n_workers)))
        return out
