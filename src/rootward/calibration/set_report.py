"""`SetReport`: how good calibrated answer sets are on queries that calibration has not seen."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from rootward.calibration.above import Above, missing_above
from rootward.calibration.lists import SHARE, Flags, Lists, best_lists, pair_index
from rootward.calibration.rules import FixedSize, Own, Rule, as_array
from rootward.errors import InputError
from rootward.evaluation.metrics import AnswerSets
from rootward.evaluation.report import plain_table
from rootward.files import write_text
from rootward.pairs import Pairs

VERSION = 1


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SetFigures(_Value):
    """Answer sets of many queries, averaged; shares from 0 to 1, every query the same weight.

    Attributes:
        precision: mean share of a set that is relevant, over the queries that have a set; None where none has.
        recall, f1: means over all queries, 0 for those that abstain.
        exact: share of sets that are S(q).
        abstained: share of queries with an empty set.
        size: mean number of documents, over all queries.
    """

    precision: float | None
    recall: float
    f1: float
    exact: float
    abstained: float
    size: float

    @classmethod
    def of(cls, sets: AnswerSets, some: npt.NDArray[np.bool_] | None = None) -> SetFigures:
        """The figures of these sets, or of those of `some` queries."""
        if some is not None:
            sets = AnswerSets(sets.rows[some], sets.sizes[some], sets.hits[some], sets.relevant[some])
        answered = sets.sizes > 0
        precision = (sets.hits[answered] / sets.sizes[answered]).mean() if answered.any() else None
        return cls(
            precision=None if precision is None else float(precision),
            recall=sets.recall,
            f1=sets.f1,
            exact=sets.exact,
            abstained=float(1 - answered.mean()),
            size=float(sets.sizes.mean()),
        )


class SetSlice(_Value):
    """What belongs to one distance.

    Attributes:
        distance: hops.
        n_pairs: relevant pairs this far apart.
        recall: the share of them that is in its query's set, pairs weighing 1 / |S(q)| as everywhere.
        n_queries: queries whose farthest relevant document is this far; a wrong document has no distance, so sets
            are sliced by this.
        precision, f1: of these queries' sets; None where there are none.
    """

    distance: int
    n_pairs: int
    recall: float
    n_queries: int
    precision: float | None
    f1: float | None


class Reliability(_Value):
    """Documents with about the same margin: what was expected of them, and what came.

    Attributes:
        low, high: their margins.
        n: how many.
        predicted: mean probability of being relevant, as calibrated.
        observed: the share that is.
    """

    low: float
    high: float
    n: int
    predicted: float
    observed: float


class Rival(_Value):
    """Another rule on the same queries."""

    name: str
    figures: SetFigures


class SetReport(_Value):
    """Set precision, recall and F1 of a calibrated rule, over queries that were not calibrated on; prints as a table.

    Attributes:
        rule: "universal", "predicted" or "size".
        by, floor: what was aimed at: "f1", or "precision" of at least `floor`.
        met: whether the aim could be met; False when no query gets a set because the floor is out of reach.
        n_fitted, n_chosen, n_queries: how many queries the rule was fitted to, its end chosen on, measured on.
        n_documents: how many documents competed.
        figures: over all measured queries.
        slices: by distance.
        bins: the calibration curve, over the 2 |S(q)| best documents of each query, equally many in each.
        error: expected calibration error: the mean of |predicted - observed|, bins weighing as many documents as they
            have.
        unit: of margins: "score" or "rank".
        rivals: the other rules, the best fixed k, and each query's own best cut, which knows the answers.
        repaired: after upward repair, where a graph was given.
        repaired_slices: the same by distance.
    """

    format: int = VERSION
    rule: str
    by: str
    floor: float
    met: bool
    n_fitted: int
    n_chosen: int
    n_queries: int
    n_documents: int
    figures: SetFigures
    slices: tuple[SetSlice, ...]
    bins: tuple[Reliability, ...]
    error: float
    unit: str
    rivals: tuple[Rival, ...]
    repaired: SetFigures | None = None
    repaired_slices: tuple[SetSlice, ...] = ()

    # -- reading ---------------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """'predicted threshold, by F1: 2,500 queries that were not calibrated on (5,000 + 2,500 were)'."""
        rule = {"universal": "universal threshold", "predicted": "predicted threshold", "size": "expected size"}
        aim = "F1" if self.by == "f1" else f"precision of at least {100 * self.floor:g} %"
        return (
            f"{rule[self.rule]}, by {aim}: {self.n_queries:,} queries that were not calibrated on "
            f"({self.n_fitted:,} + {self.n_chosen:,} were)"
        )

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows): a row a distance, then overall."""
        header = ["distance", "pairs", "recall %", "queries up to it", "precision %", "F1 %"]
        rows: list[tuple[str | float | None, ...]] = [
            (str(s.distance), f"{s.n_pairs:,}", s.recall, f"{s.n_queries:,}", s.precision, s.f1) for s in self.slices
        ]
        f = self.figures
        rows.append(("overall", "", f.recall, f"{self.n_queries:,}", f.precision, f.f1))
        return header, [[each if isinstance(each, str) else _percent(each) for each in row] for row in rows]

    def rival_cells(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows): this rule, upward repair, and its rivals."""
        header = ["rule", "precision %", "recall %", "F1 %", "exact %", "abstained %", "documents"]
        named = [(f"{self.rule} (chosen)", self.figures)]
        named += [] if self.repaired is None else [("... repaired upward", self.repaired)]
        named += [(each.name, each.figures) for each in self.rivals]
        return header, [
            [name, *map(_percent, (f.precision, f.recall, f.f1, f.exact, f.abstained)), f"{f.size:.1f}"]
            for name, f in named
        ]

    def curve_cells(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows): the calibration curve."""
        header = [f"margin ({self.unit})", "documents", "predicted %", "relevant %"]
        return header, [
            [f"{b.low:+.3f} to {b.high:+.3f}", f"{b.n:,}", _percent(b.predicted), _percent(b.observed)]
            for b in self.bins
        ]

    def __repr__(self) -> str:
        f = self.figures
        return (
            f"SetReport({self.title}; precision {_percent(f.precision) or '-'} %, recall {_percent(f.recall)} %, "
            f"F1 {_percent(f.f1)} %, abstained {_percent(f.abstained)} %)"
        )

    def __str__(self) -> str:
        lines = [self.title]
        if not self.met:
            lines.append(
                f"No end of the sets gives a precision of {100 * self.floor:g} % with 95 % confidence on "
                f"{self.n_chosen:,} queries: every query abstains. Give more pairs, or a lower floor."
            )
        tables = [self.cells(), self.rival_cells(), self.curve_cells()]
        lines += ["\n\n".join(plain_table(*table) for table in tables)]
        return "\n".join([*lines, f"expected calibration error {_percent(self.error)} %"])

    # -- on disk ---------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """All figures as JSON."""
        return self.model_dump_json(indent=2) + "\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write `to_json`; whole or not at all."""
        return write_text(path, self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SetReport:
        """The report that `save` wrote.

        Raises:
            InputError: no such file, not a report, damaged, or from a newer version.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"There is no file {path} to load a report of answer sets from.")
        try:
            return cls.from_json(path.read_text("utf-8"))
        except (ValidationError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(f"{path.name} is not a report that SetReport.save wrote: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> SetReport:
        """The report of `to_json`.

        Raises:
            InputError: from a newer version.
        """
        version = json.loads(text)["format"]
        if version > VERSION:
            raise InputError(
                f"The report was written by a newer rootward (format {version}, this one reads up to {VERSION}); "
                f"update rootward to open it."
            )
        return cls.model_validate_json(text)


def set_slices(measured: Measured, accepted: npt.NDArray[np.bool_], sets: AnswerSets) -> tuple[SetSlice, ...]:
    """Recall by distance, and the sets of the queries that reach just so far."""
    pairs: Pairs = measured.pairs
    weights = pairs.weights
    found = np.bincount(pairs.distances, weights * accepted, pairs.max_distance + 1)
    there = np.bincount(pairs.distances, weights, pairs.max_distance + 1)
    n_pairs = np.bincount(pairs.distances, minlength=pairs.max_distance + 1)
    farthest = pairs.distances[pairs.offsets[sets.rows + 1] - 1]  # nearest first, so the last is the farthest
    out = []
    for distance in n_pairs.nonzero()[0].tolist():
        some = farthest == distance
        figures = SetFigures.of(sets, some) if some.any() else None
        out.append(
            SetSlice(
                distance=distance,
                n_pairs=int(n_pairs[distance]),
                recall=float(min(1.0, found[distance] / there[distance])),
                n_queries=int(some.sum()),
                precision=None if figures is None else figures.precision,
                f1=None if figures is None else figures.f1,
            )
        )
    return tuple(out)


def _percent(share: float | None) -> str:
    """'99.98'; 100.00 only for all of them, 0.00 only for none; nothing for None."""
    if share is None:
        return ""
    rounded = round(100 * share, 2)
    if rounded == 100 and share < 1:
        rounded = 99.99
    if rounded == 0 and share > 0:
        rounded = 0.01
    return f"{rounded:.2f}"


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


Array = npt.NDArray[np.float64]

BINS = 12
"""Of the calibration curve, with equally many documents each."""

KNOTS = 40
"""At most, of the function from margin to chance."""


@dataclass(frozen=True, eq=False)
class Chances:
    """A rising function from margin to the chance of being relevant, linear between its knots.

    Attributes:
        margins: where the knots stand, ascending.
        shares: the chance there, ascending, from 0 to 1.
    """

    margins: Array
    shares: Array

    def __call__(self, margins: npt.ArrayLike) -> Array:
        """The chance at these margins."""
        if not len(self.margins):
            return np.zeros(np.shape(margins))
        return np.interp(np.asarray(margins, np.float64), self.margins, self.shares)

    @classmethod
    def fit(cls, lists: Lists, margins: Array) -> Chances:
        """The share of relevant documents in bins of equally many, made to rise by pooling neighbours that fall.

        Over the 2 |S(q)| best documents of each query, of which about half are relevant.
        """
        near = _near(lists) & np.isfinite(margins)
        given, relevant = margins[near], lists.relevant[near].astype(np.float64)
        if not len(given):
            return cls(np.empty(0), np.empty(0))
        parts = [part for part in np.array_split(np.argsort(given, kind="stable"), min(KNOTS, len(given))) if len(part)]
        at = np.array([given[part].mean() for part in parts])
        shares = pooled(np.array([relevant[part].mean() for part in parts]), np.array([len(part) for part in parts]))
        return cls(at, shares)


def pooled(values: Array, weights: npt.NDArray[np.int64]) -> Array:
    """The rising values nearest to these by weighted squares: neighbours that fall share their mean.

    [0.1, 0.4, 0.2, 0.9] with equal weights gives [0.1, 0.3, 0.3, 0.9].
    """
    means: list[float] = []
    heft: list[float] = []
    widths: list[int] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        means, heft, widths = [*means, value], [*heft, weight], [*widths, 1]
        while len(means) > 1 and means[-2] >= means[-1]:
            total = heft[-2] + heft[-1]
            means[-2:] = [(means[-2] * heft[-2] + means[-1] * heft[-1]) / total]
            heft[-2:] = [total]
            widths[-2:] = [widths[-2] + widths[-1]]
    return np.repeat(means, widths)


def reliability(lists: Lists, margins: Array, chances: Chances) -> tuple[Reliability, ...]:
    """Predicted chance beside observed share, in bins of margin with equally many documents.

    Args:
        lists: of queries that `chances` were not fitted to.
        margins: of their entries.
        chances: what is put to the test.
    """
    near = _near(lists) & np.isfinite(margins)
    given, relevant = margins[near], lists.relevant[near]
    out = []
    for part in np.array_split(np.argsort(given, kind="stable"), min(BINS, max(1, len(given)))):
        if len(part):
            out.append(
                Reliability(
                    low=float(given[part[0]]),
                    high=float(given[part[-1]]),
                    n=len(part),
                    predicted=float(chances(given[part]).mean()),
                    observed=float(relevant[part].mean()),
                )
            )
    return tuple(out)


def calibration_error(bins: tuple[Reliability, ...]) -> float:
    """The mean of |predicted - observed| over documents; 0 where there are none."""
    total = sum(each.n for each in bins)
    return sum(each.n * abs(each.predicted - each.observed) for each in bins) / total if total else 0.0


def _near(lists: Lists) -> npt.NDArray[np.bool_]:
    """The 2 |S(q)| best entries of each query."""
    return lists.ranks < 2 * lists.sizes[lists.place]
