"""The hierarchy behind pairs: what stands directly above what, read back from distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rootward.errors import HierarchyError, PairsError
from rootward.hierarchy import Hierarchy
from rootward.pairs import Pairs
from rootward.pairs.ragged import offsets_of


@dataclass(frozen=True, eq=False)
class Lineage:
    """A hierarchy, and the settings by which it became pairs.

    Attributes:
        hierarchy: as far as pairs tell of it: what stands above a document that is left out of every answer, or below
            it, is not known.
        max_distance: the bound on distances; None where all ancestors are relevant.
        leave_out: ids that are relevant to nothing.
    """

    hierarchy: Hierarchy
    max_distance: int | None
    leave_out: tuple[str, ...]

    def pairs(self, newer: Hierarchy) -> Pairs:
        """The pairs of another version of the hierarchy, by the same settings."""
        leave_out = [node for node in self.leave_out if node in newer.ids]
        return newer.pairs(max_distance=self.max_distance, leave_out=leave_out)


def links(pairs: Pairs) -> Hierarchy:
    """The nodes of the pairs, joined where a document stands one hop above a query.

    Raises:
        PairsError: queries and documents are not the same nodes, or the links run in a circle.
    """
    if pairs.query_ids != pairs.document_ids:
        raise PairsError(
            f"These pairs have {pairs.n_queries:,} queries and {pairs.n_documents:,} documents that are not the same "
            f"nodes, so they have no hierarchy. Give the newer pairs themselves: grow(model, before, after)."
        )
    up = pairs.distances == 1
    degree = np.bincount(pairs.query_of[up], minlength=pairs.n_queries)
    try:
        return Hierarchy(pairs.query_ids, offsets_of(degree), pairs.documents[up], pairs.query_texts)
    except HierarchyError as error:
        raise PairsError(f"What stands at distance 1 in these pairs is no hierarchy: {error}") from error


def lineage(pairs: Pairs) -> Lineage:
    """The hierarchy of the pairs and its settings, proven by making the pairs again.

    Raises:
        PairsError: the pairs are not those of a hierarchy.
    """
    tree = links(pairs)
    unused = np.flatnonzero((pairs.sizes == 0) & (pairs.generality == 0))
    leave_out = tuple(pairs.query_ids[row] for row in unused.tolist())
    farthest = pairs.max_distance
    again = tree.pairs(max_distance=farthest + 1, leave_out=leave_out)
    cut = again.max_distance > farthest
    if cut:
        again = again.near(farthest)
    same = all(np.array_equal(getattr(again, name), getattr(pairs, name)) for name in _ARRAYS)
    if not same:
        raise PairsError(
            f"These {len(pairs):,} pairs are not all ancestors in a hierarchy (their links make {len(again):,}), so a "
            "change of parents cannot be applied to them. Give the newer pairs themselves: grow(model, before, after)."
        )
    return Lineage(tree, farthest if cut else None, leave_out)


_ARRAYS = ("offsets", "documents", "distances")
