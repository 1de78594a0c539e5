"""`Lists`: the best-scoring documents of some queries with the relevant ones marked; calibration works on these alone.

A list is as long as any sensible answer set, four times |S(q)| and 64 more, so that a block of scores is looked at once
and thrown away, and every threshold after that costs a few comparisons a query.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.csr import offsets_of
from rootward.pairs import Pairs
from rootward.scoring import BLOCK_BYTES, Block, Floats, Ints, checked, score_blocks, top

SURPLUS = 64
"""How many documents a list holds beyond its share of |S(q)|."""

SHARE = 4
"""A list holds this many times |S(q)|: an answer set that is longer has a precision below a quarter."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lists:
    """The best documents of some queries as CSR: those of `rows[i]` are entries offsets[i]:offsets[i + 1], best first.

    Of equal scores the lower document row comes first, and is the one listed.

    Attributes:
        rows: int64 query rows, ascending.
        offsets: int64, one longer than rows.
        documents: int64 document rows, one an entry.
        scores: float64, one an entry.
        pairs: int64, one an entry: the index of its pair where the document is relevant, -1 where not.
        sizes: int64, |S(q)| of each query.
        whole: bool, one a query: every document there is stands in its list.
    """

    rows: Ints
    offsets: Ints
    documents: Ints
    scores: npt.NDArray[np.float64]
    pairs: Ints
    sizes: Ints
    whole: Flags

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Lists({len(self):,} queries, {len(self.documents):,} documents)"

    @cached_property
    def place(self) -> Ints:
        """Which query each entry belongs to (int64, from 0)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @cached_property
    def ranks(self) -> Ints:
        """The place of each entry in its list, from 0 (int64)."""
        return np.arange(len(self.documents)) - self.offsets[self.place]

    @cached_property
    def relevant(self) -> Flags:
        """Whether each entry is relevant."""
        return self.pairs >= 0

    @cached_property
    def hits(self) -> Ints:
        """How many relevant documents there are down to each entry, itself included (int64)."""
        total = np.cumsum(self.relevant)
        before: Ints = np.r_[0, total][self.offsets[self.place]]
        return total - before

    @cached_property
    def last(self) -> Ints:
        """The index of the last entry of each list (int64)."""
        return self.offsets[1:] - 1

    def of(self, pairs: Pairs) -> Lists:
        """The lists of the queries that have pairs in `pairs`, which is a part of what they were made with or all."""
        wanted = pairs.sizes[self.rows] > 0
        kept = wanted[self.place]
        documents = self.documents[kept]
        return Lists(
            self.rows[wanted],
            offsets_of(np.diff(self.offsets)[wanted]),
            documents,
            self.scores[kept],
            pair_index(pairs, self.rows[self.place[kept]], documents),
            self.sizes[wanted],
            self.whole[wanted],
        )


def best_lists(
    queries: Tensor,
    documents: Tensor,
    pairs: Pairs,
    *,
    share: int = SHARE,
    block_bytes: int = BLOCK_BYTES,
    progress: Callable[[int], object] | None = None,
) -> Lists:
    """The `share` times |S(q)| + 64 best documents of each query that has pairs, all of them where there are fewer.

    Args:
        queries, documents, pairs, block_bytes, progress: as for `rank_pairs`.
        share: how many times |S(q)|.

    Raises:
        InputError: vectors that cannot be scored.
    """
    queries, documents = checked(queries, documents)
    parts = []
    for block in score_blocks(queries, documents, pairs.sizes, block_bytes):
        parts.append(_listed(block, pairs, share))
        if progress is not None:
            progress(len(block.rows))
    rows = np.flatnonzero(pairs.sizes)
    lengths = _lengths(pairs.sizes[rows], share, len(documents))
    columns = [np.concatenate(each) for each in zip(*parts, strict=True)] if parts else [np.empty(0)] * 3
    return Lists(
        rows,
        offsets_of(lengths),
        columns[0].astype(np.int64),
        columns[1].astype(np.float64),
        columns[2].astype(np.int64),
        pairs.sizes[rows],
        lengths == len(documents),
    )


def _lengths(sizes: Ints, share: int, n_documents: int) -> Ints:
    return np.minimum(share * sizes + SURPLUS, n_documents)


def _listed(block: Block, pairs: Pairs, share: int) -> tuple[Ints, Floats, Ints]:
    """(documents, scores, pairs) of a block's lists, flat."""
    n = block.scores.shape[1]
    lengths = _lengths(pairs.sizes[block.rows], share, n)
    longest = int(lengths.max())
    values, columns = (part.numpy() for part in top(torch.from_numpy(block.scores), min(longest + 1, n)))
    order = np.lexsort((columns, -values), axis=1)
    columns = np.take_along_axis(columns, order, 1)
    # a top-k leaves open which of several equal entries it takes; that matters where a list ends among them
    row = np.arange(len(lengths))
    following = np.minimum(lengths, n - 1)
    for tied in np.flatnonzero((lengths < n) & (values[row, lengths - 1] == values[row, following])).tolist():
        columns[tied, : lengths[tied]] = np.argsort(-block.scores[tied], kind="stable")[: lengths[tied]]
    kept = np.arange(columns.shape[1]) < lengths[:, None]
    documents, rows = columns[kept], np.repeat(block.rows, lengths)
    return documents, values[kept], pair_index(pairs, rows, documents)


def pair_index(pairs: Pairs, rows: Ints, documents: Ints) -> Ints:
    """The index of the pair of each (query row, document row), -1 where it is no pair (int64)."""
    n = pairs.n_documents
    some = np.unique(rows)
    place, index = pairs.of(some)
    if not len(index):
        return np.full(len(rows), -1)
    known = some[place] * n + pairs.documents[index]
    order = np.argsort(known)
    keys = rows * n + documents
    found = order[np.minimum(np.searchsorted(known[order], keys), len(known) - 1)]
    return np.where(known[found] == keys, index[found], -1)
