"""What stands above each document, as a list: enough to filter by the hierarchy without the graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rootward.errors import InputError
from rootward.hierarchy import Hierarchy
from rootward.pairs import Ids, Pairs
from rootward.pairs.ragged import expand, offsets_of

Rows = npt.NDArray[np.int64]
Rows32 = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Lineage:
    """The ancestors of some documents as CSR: those of document i are ancestors[offsets[i]:offsets[i + 1]].

    A document is its own ancestor at 0 hops; the nearest come first.

    Attributes:
        depth: int32, one a document: hops from the nearest root, 0 for roots; -1 where the document stands in no
            hierarchy (its list is then empty).
        offsets: int64, one longer.
        ancestors: int32 document rows.
        hops: int32, one an ancestor.
    """

    depth: Rows32
    offsets: Rows
    ancestors: Rows32
    hops: Rows32

    def __len__(self) -> int:
        return len(self.depth)

    @classmethod
    def of(cls, source: Hierarchy | Pairs, document_ids: Ids) -> Lineage:
        """Where each of these documents stands.

        Args:
            source: a hierarchy whose ids are (some of) the documents' and others; or the pairs that one made, in
                which a document at distance 1 is a parent. What was left out of the pairs is missing here too.
            document_ids: row by row. Ancestors that are no documents are left out.

        Raises:
            InputError: pairs whose queries are no documents.
        """
        tree = source if isinstance(source, Hierarchy) else _graph_of(source)
        if tree.ids == document_ids:
            above = tree.ancestors()
            return cls(tree.depth, above.offsets, above.ancestors, above.distances)
        in_tree = np.array([tree.ids.row(label) if label in tree.ids else -1 for label in document_ids], np.int64)
        there = np.flatnonzero(in_tree >= 0)
        row_of = np.full(len(tree), -1, np.int32)
        row_of[in_tree[there]] = there
        above = tree.ancestors([tree.ids[row] for row in in_tree[there].tolist()])
        ancestors = row_of[above.ancestors]
        kept = ancestors >= 0
        sizes = np.zeros(len(document_ids), np.int64)
        sizes[there] = np.diff(offsets_of(kept)[above.offsets])
        depth = np.full(len(document_ids), -1, np.int32)
        depth[there] = tree.depth[in_tree[there]]
        return cls(depth, offsets_of(sizes), ancestors[kept], above.distances[kept])

    @classmethod
    def unknown(cls, n: int) -> Lineage:
        """Of n documents that stand in no hierarchy."""
        nothing = np.empty(0, np.int32)
        return cls(np.full(n, -1, np.int32), np.zeros(n + 1, np.int64), nothing, nothing)

    def take(self, rows: npt.ArrayLike) -> Lineage:
        """The lists of these documents, in their order."""
        wanted = np.asarray(rows, np.int64)
        _, entry = expand(self.offsets, wanted)
        sizes = np.diff(self.offsets)[wanted]
        return Lineage(self.depth[wanted], offsets_of(sizes), self.ancestors[entry], self.hops[entry])

    def put(self, rows: Rows, new: Lineage) -> Lineage:
        """With other lists for these rows; they may lie beyond the last one, without a gap."""
        source = np.arange(max(len(self), int(rows.max(initial=-1)) + 1))
        source[rows] = len(self) + np.arange(len(rows))
        both = Lineage(
            np.concatenate([self.depth, new.depth]),
            np.concatenate([self.offsets, self.offsets[-1] + new.offsets[1:]]),
            np.concatenate([self.ancestors, new.ancestors]),
            np.concatenate([self.hops, new.hops]),
        )
        return both.take(source)

    # -- asking --------------------------------------------------------------------------------------------------

    @cached_property
    def _document(self) -> Rows32:
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.offsets))

    def below(self, row: int, within: int | None = None) -> Rows:
        """Rows of the documents at or below this one, at most `within` hops, ascending."""
        entries = np.flatnonzero(self.ancestors == row)
        if within is not None:
            entries = entries[self.hops[entries] <= within]
        return self._document[entries].astype(np.int64)

    def above(self, row: int, within: int | None = None) -> Rows:
        """Rows of the documents at or above this one, at most `within` hops, ascending."""
        part = slice(self.offsets[row], self.offsets[row + 1])
        kept = slice(None) if within is None else self.hops[part] <= within
        return np.sort(self.ancestors[part][kept]).astype(np.int64)

    def levels(self, first: int, last: int | None = None) -> Rows:
        """Rows of the documents with this depth, first and last included, ascending."""
        return levels(self.depth, first, last)


def levels(depth: Rows32, first: int, last: int | None) -> Rows:
    """Places with a depth from first to last, both included; None is open."""
    kept = depth >= max(first, 0)
    return np.flatnonzero(kept if last is None else kept & (depth <= last))


def _graph_of(pairs: Pairs) -> Hierarchy:
    """The hierarchy that these pairs were made of: each query that is a document, under those at distance 1."""
    own = np.array([pairs.document_ids.row(q) if q in pairs.document_ids else -1 for q in pairs.query_ids], np.int64)
    if len(own) and own.max() < 0:
        raise InputError(
            f"{pairs!r} do not say how documents stand to each other: no query is a document. Give a Hierarchy."
        )
    child = own[pairs.query_of]
    edge = np.flatnonzero((pairs.distances == 1) & (child >= 0))
    edge = edge[np.lexsort((pairs.documents[edge], child[edge]))]
    n_parents = np.bincount(child[edge], minlength=len(pairs.document_ids))
    return Hierarchy(pairs.document_ids, offsets_of(n_parents), pairs.documents[edge].astype(np.int32))
