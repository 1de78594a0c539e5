"""`Filter`: conditions on the documents of a search, in terms of the hierarchy."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from rootward.errors import InputError, whole_number
from rootward.hierarchy import Hierarchy
from rootward.hierarchy.closure import within
from rootward.ids import Ids, id_text, refuse_text
from rootward.retrieval.catalogue import Ancestors, levels
from rootward.retrieval.engines.engine import Condition, Where

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Near:
    """At or below, or at or above, a node, at most `within` hops."""

    side: Literal["below", "above"]
    node: str
    within: int | None
    of: Hierarchy | None

    def rows(self, ids: Ids, ancestors: Ancestors | None) -> Rows:
        if self.of is None:
            stored = _stored(ancestors)
            return (stored.below if self.side == "below" else stored.above)(ids.row(self.node), self.within)
        tree, start = self.of, self.of.ids.rows([self.node])
        below = self.side == "below"
        edges = (tree.child_offsets, tree.children) if below else (tree.parent_offsets, tree.parents)
        return _among(tree.ids, within(*edges, start, len(tree) if self.within is None else self.within), ids)

    def conditions(self, ids: Ids, rows: Rows) -> tuple[Condition, ...] | None:
        if self.of is None and self.side == "below" and self.within is None:
            return (Condition("ancestors", (ids.row(self.node),)),)
        return (Condition("row", tuple(rows.tolist())),) if self.side == "above" else None


@dataclass(frozen=True)
class _Levels:
    """At these depths, both ends included."""

    first: int
    last: int | None
    of: Hierarchy | None

    def rows(self, ids: Ids, ancestors: Ancestors | None) -> Rows:
        if self.of is None:
            return _stored(ancestors).levels(self.first, self.last)
        return _among(self.of.ids, levels(self.of.depth, self.first, self.last), ids)

    def conditions(self, ids: Ids, rows: Rows) -> tuple[Condition, ...] | None:
        if self.of is not None:
            return None
        last = np.iinfo(np.int32).max if self.last is None else self.last
        return (Condition("depth", range(max(self.first, 0), int(last) + 1)),)


@dataclass(frozen=True)
class _Only:
    """These documents."""

    ids: tuple[str, ...]

    def rows(self, ids: Ids, ancestors: Ancestors | None) -> Rows:
        return np.unique(ids.rows(self.ids))

    def conditions(self, ids: Ids, rows: Rows) -> tuple[Condition, ...] | None:
        return (Condition("row", tuple(rows.tolist())),)


_Test: TypeAlias = _Near | _Levels | _Only


@dataclass(frozen=True)
class Filter:
    """A condition on the documents of a search. Make one with a classmethod, join several with `&`:

        index.search(queries, k=9, where=Filter.below("footwear") & Filter.levels(2, 4))
        index.search(queries, k=9, where=Filter.above("flip-flops", of=tree))

    With `of` it is about that hierarchy, whose ids are the documents'; without, about the one that the index was built
    with (`hierarchy=`).
    """

    tests: tuple[_Test, ...]

    @classmethod
    def below(cls, node: Hashable, *, within: int | None = None, of: Hierarchy | None = None) -> Filter:
        """Only this node and its descendants, at most `within` hops away.

        Raises:
            InputError: within below 0. An unknown node is an error of the search.
        """
        return cls((_Near("below", id_text(node), _hops(within), of),))

    @classmethod
    def above(cls, node: Hashable, *, within: int | None = None, of: Hierarchy | None = None) -> Filter:
        """Only this node and its ancestors, at most `within` hops away.

        Raises:
            InputError: within below 0. An unknown node is an error of the search.
        """
        return cls((_Near("above", id_text(node), _hops(within), of),))

    @classmethod
    def levels(cls, first: int = 0, last: int | None = None, *, of: Hierarchy | None = None) -> Filter:
        """Only documents `first` to `last` hops from their nearest root, both included; roots are level 0.

        Raises:
            InputError: levels that end before they begin.
        """
        first = whole_number(first, "Levels are numbers of hops from a root, 0 for the root")
        last = None if last is None else whole_number(last, "Levels are numbers of hops from a root, 0 for the root")
        if last is not None and last < first:
            raise InputError(f"Levels run from the first to the last, such as levels(1, 3); got {first} to {last}.")
        return cls((_Levels(first, last, of),))

    @classmethod
    def only(cls, ids: Iterable[Hashable]) -> Filter:
        """Only these documents.

        Raises:
            InputError: one text in place of a list. An unknown id is an error of the search.
        """
        refuse_text(ids)
        if not isinstance(ids, Iterable):
            raise InputError(f"only takes a list of ids, got {ids!r:.80}.")
        return cls((_Only(tuple(map(id_text, ids))),))

    @classmethod
    def joined(
        cls,
        *,
        below: Hashable | None = None,
        above: Hashable | None = None,
        levels: tuple[int, int | None] | None = None,
        within: int | None = None,
    ) -> Filter | None:
        """All of these conditions that are given as one filter; None without any.

        Args:
            below, above: as for the classmethods of these names, with `within` hops.
            levels: (first, last) for `levels`.
            within: with below or above; without them it says nothing.

        Raises:
            InputError: as the classmethods.
        """
        parts = [] if below is None else [cls.below(below, within=within)]
        parts += [] if above is None else [cls.above(above, within=within)]
        parts += [] if levels is None else [cls.levels(*levels)]
        return reduce(and_, parts) if parts else None

    def __and__(self, other: Filter) -> Filter:
        """Only documents that match both."""
        return Filter(self.tests + other.tests)

    @property
    def needs_ancestors(self) -> bool:
        """Whether it is about the hierarchy that the index was built with."""
        return any(not isinstance(test, _Only) and test.of is None for test in self.tests)

    def where(self, document_ids: Ids, ancestors: Ancestors | None = None) -> Where:
        """For an engine: rows, and equivalent conditions where there are any.

        Raises:
            UnknownIdError: a node that is not there.
            InputError: it has no hierarchy, and the index was built without.
        """
        rows = [test.rows(document_ids, ancestors) for test in self.tests]
        conditions = [test.conditions(document_ids, found) for test, found in zip(self.tests, rows, strict=True)]
        allowed = reduce(lambda a, b: np.intersect1d(a, b, assume_unique=True), rows)
        known = tuple(each for some in conditions if some is not None for each in some)
        return Where(allowed, None if None in conditions else known)


def check_filter(where: object) -> None:
    """Raise an InputError for a `where` that is neither a filter nor None."""
    if where is not None and not isinstance(where, Filter):
        raise InputError(f"where is a Filter, such as Filter.below('footwear'), got {where!r:.80}.")


def _hops(within: int | None) -> int | None:
    return None if within is None else whole_number(within, "within is a number of hops from 0 up")


def _stored(ancestors: Ancestors | None) -> Ancestors:
    if ancestors is None:
        raise InputError(
            "This index does not know where its documents stand. Build it with Index.build(model, hierarchy=tree), or "
            "give the hierarchy to the filter: Filter.below('an id', of=tree)."
        )
    return ancestors


def _among(of: Ids, rows: Rows, ids: Ids) -> Rows:
    """Rows of `of` as rows of `ids`, ascending; nodes that are no documents are left out."""
    if of is ids:
        return np.sort(rows)
    found = ids.find(of[row] for row in rows.tolist())
    return np.sort(found[found >= 0])
