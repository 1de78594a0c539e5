"""The answer sets that a rule gives to queries whose answers are known, counted exactly, however large they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rootward.evaluation.answer_sets import AnswerSets
from rootward.evaluation.lists import SHARE, Flags, Lists, best_lists, pair_index
from rootward.evaluation.rules import FixedSize, Own, Rule, as_array
from rootward.evaluation.upward import Above, missing_above
from rootward.pairs import Pairs


@dataclass(frozen=True, eq=False)
class Measured:
    """What became of every query and pair.

    Attributes:
        pairs: what is relevant.
        sets: sizes and hits of each set.
        accepted: bool, one a pair of `pairs`: its document is in its query's set.
        repaired: sets and accepted pairs after upward repair; None where no graph was given.
    """

    pairs: Pairs
    sets: AnswerSets
    accepted: Flags
    repaired: tuple[AnswerSets, Flags] | None = None


def measure(
    lists: Lists,
    queries: Tensor,
    documents: Tensor,
    pairs: Pairs,
    rule: Rule | FixedSize | Own,
    above: Above | None = None,
) -> Measured:
    """The rule's answer sets for all queries that have pairs.

    Args:
        lists: of these queries, as `best_lists` gives them; the few whose set runs over the end of its list are listed
            again, at four times the length until it does not.
        queries, documents: the vectors, row by row of `pairs`.
        pairs: what is relevant.
        rule: gives the margins.
        above: a graph for upward repair.
    """
    counts = _Counts.of(pairs)
    share = SHARE
    while True:
        accepted = rule.margins(lists, as_array(queries[lists.rows])) >= 0
        over = accepted[lists.last] & ~lists.whole
        counts.add(lists, accepted & ~over[lists.place], ~over, above)
        if not over.any():
            return counts.measured(above is not None)
        wanted = np.zeros(pairs.n_queries, np.bool_)
        wanted[lists.rows[over]] = True
        share *= 4
        longer = best_lists(queries, documents, pairs.keep(wanted[pairs.query_of]), share=share)
        lists = replace(longer, pairs=pair_index(pairs, longer.rows[longer.place], longer.documents))


@dataclass(frozen=True, eq=False)
class _Counts:
    """Sizes and hits of every query row, before and after repair, filled list by list."""

    pairs: Pairs
    sizes: npt.NDArray[np.int64]
    hits: npt.NDArray[np.int64]
    accepted: Flags

    @classmethod
    def of(cls, pairs: Pairs) -> _Counts:
        sizes, hits = np.zeros((2, 2, pairs.n_queries), np.int64)
        return cls(pairs, sizes, hits, np.zeros((2, len(pairs)), np.bool_))

    def add(self, lists: Lists, accepted: Flags, counted: Flags, above: Above | None) -> None:
        """Count the sets of the queries `counted`."""
        rows, entries = lists.rows[counted], np.flatnonzero(accepted)
        place = lists.place[entries]
        hit = lists.relevant[entries]
        self.sizes[:, rows] = np.bincount(place, minlength=len(lists))[counted]
        self.hits[:, rows] = np.bincount(place[hit], minlength=len(lists))[counted]
        self.accepted[:, lists.pairs[entries[hit]]] = True
        if above is None:
            return
        more, documents = missing_above(above, self.pairs.document_ids, place, lists.documents[entries])
        pair = pair_index(self.pairs, lists.rows[more], documents)
        np.add.at(self.sizes[1], lists.rows[more], 1)
        np.add.at(self.hits[1], lists.rows[more[pair >= 0]], 1)
        self.accepted[1, pair[pair >= 0]] = True

    def measured(self, repaired: bool) -> Measured:
        """What was counted."""
        before, after = ((self._sets(i), self.accepted[i]) for i in (0, 1))
        return Measured(self.pairs, *before, after if repaired else None)

    def _sets(self, i: int) -> AnswerSets:
        rows = np.flatnonzero(self.pairs.sizes)
        return AnswerSets(rows, self.sizes[i, rows], self.hits[i, rows], self.pairs.sizes[rows])
