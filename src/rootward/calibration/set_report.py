"""`SetReport`: how good calibrated answer sets are on queries that calibration has not seen."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from torch import Tensor

from rootward.calibration.repair import Graph, missing_above
from rootward.calibration.rules import AnyRule, Array, to_float64
from rootward.calibration.top_documents import SHARE, Flags, TopDocuments, pair_index, top_documents
from rootward.csr import levels_of
from rootward.evaluation.metrics import AnswerSets
from rootward.evaluation.naming import TextsOf, texts_in_words
from rootward.evaluation.results import Result, Value, percent, plain_table
from rootward.pairs import Pairs
from rootward.plots import figure_at, save_figure

VERSION = 1


class SetFigures(Value):
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


class SetSlice(Value):
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


class Reliability(Value):
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


class OtherRule(Value):
    """Another rule on the same queries."""

    name: str
    figures: SetFigures


class SetReport(Result):
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
        rivals: the other rules, the best fixed k, and an upper bound: each query's best cut, known from its answers.
        repaired: after upward repair, where a graph was given.
        repaired_slices: the same by distance.
        texts: whether training knew the queries' texts; None where that is unknown, or the model reads none.
        note: what else a reader should know, such as that the run was grown since.
    """

    noun = "report of answer sets"
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
    rivals: tuple[OtherRule, ...]
    repaired: SetFigures | None = None
    repaired_slices: tuple[SetSlice, ...] = ()
    texts: TextsOf | None = None
    note: str = ""

    @property
    def queries(self) -> str:
        """'2,500 held-out texts', '2,500 texts it was trained on', or '2,500 queries'."""
        return f"{self.n_queries:,} {texts_in_words(self.texts) if self.texts else 'queries'}"

    @property
    def title(self) -> str:
        """'predicted threshold, by F1: 2,500 queries that were not calibrated on (5,000 + 2,500 were)'."""
        rule = {"universal": "universal threshold", "predicted": "predicted threshold", "size": "expected size"}
        aim = "F1" if self.by == "f1" else f"precision of at least {100 * self.floor:g} %"
        return (
            f"{rule[self.rule]}, by {aim}: {self.queries} that were not calibrated on "
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
        return header, [[each if isinstance(each, str) else percent(each) for each in row] for row in rows]

    def rule_cells(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows): this rule, upward repair, and the others."""
        header = ["rule", "precision %", "recall %", "F1 %", "exact %", "abstained %", "documents"]
        named = [(f"{self.rule} (chosen)", self.figures)]
        named += [] if self.repaired is None else [("... repaired upward", self.repaired)]
        named += [(each.name, each.figures) for each in self.rivals]
        return header, [
            [name, *map(percent, (f.precision, f.recall, f.f1, f.exact, f.abstained)), f"{f.size:.1f}"]
            for name, f in named
        ]

    def curve_cells(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows): the calibration curve."""
        header = [f"margin ({self.unit})", "documents", "predicted %", "relevant %"]
        return header, [
            [f"{b.low:+.3f} to {b.high:+.3f}", f"{b.n:,}", percent(b.predicted), percent(b.observed)] for b in self.bins
        ]

    def __repr__(self) -> str:
        f = self.figures
        return (
            f"SetReport({self.title}; precision {percent(f.precision) or '-'} %, recall {percent(f.recall)} %, "
            f"F1 {percent(f.f1)} %, abstained {percent(f.abstained)} %)"
        )

    def __str__(self) -> str:
        lines = [self.title]
        if not self.met:
            lines.append(
                f"No end of the sets gives a precision of {100 * self.floor:g} % with 95 % confidence on "
                f"{self.n_chosen:,} queries: every query abstains. Give more pairs, or a lower floor."
            )
        tables = [self.cells(), self.rule_cells(), self.curve_cells()]
        lines += ["\n\n".join(plain_table(*table) for table in tables)]
        lines.append(f"expected calibration error {percent(self.error)} %")
        return "\n".join([*lines, *([self.note] if self.note else [])])

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the share of relevant documents against their margin: observed, and as calibrated.

        Raises:
            MissingExtraError: matplotlib is not installed.
            InputError: a suffix other than .png and .svg.
        """
        figure, axes = figure_at(path)
        margins = [(each.low + each.high) / 2 for each in self.bins]
        axes.plot(margins, [100 * each.predicted for each in self.bins], color="0.5", label="as calibrated")
        axes.plot(margins, [100 * each.observed for each in self.bins], "o", markersize=5, label="observed")
        axes.axvline(0, linestyle="--", color="0.3", linewidth=1, label="answer sets end here")
        f = self.figures
        axes.set(
            xlabel=f"margin above the end of the answer set ({self.unit})",
            ylabel="relevant documents (%)",
            ylim=(-2, 102),
            title=f"precision {percent(f.precision) or 'none'}, recall {percent(f.recall)}, F1 {percent(f.f1)}; "
            f"calibration error {percent(self.error)} %",
        )
        axes.title.set_fontsize("medium")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
        return save_figure(figure, path)


def set_slices(pairs: Pairs, sets: AnswerSets, accepted: Flags) -> tuple[SetSlice, ...]:
    """Recall by distance, and the sets of the queries that reach just so far."""
    distances, levels = levels_of(pairs.distances)
    there, found = (np.bincount(levels, each, len(distances)) for each in (pairs.weights, pairs.weights * accepted))
    n_pairs = np.bincount(levels)
    farthest = pairs.depths[sets.rows]
    out = []
    for i, distance in enumerate(distances.tolist()):
        some = farthest == distance
        figures = SetFigures.of(sets, some) if some.any() else None
        out.append(
            SetSlice(
                distance=distance,
                n_pairs=int(n_pairs[i]),
                recall=float(min(1.0, found[i] / there[i])),
                n_queries=int(some.sum()),
                precision=None if figures is None else figures.precision,
                f1=None if figures is None else figures.f1,
            )
        )
    return tuple(out)


@dataclass(frozen=True, eq=False)
class SetCounts:
    """The answer sets that a rule gives, counted.

    Attributes:
        sets: sizes and hits of each set.
        accepted: bool, one a pair: its document is in its query's set.
        repaired: sets and accepted pairs after upward repair; None where no graph was given.
    """

    sets: AnswerSets
    accepted: Flags
    repaired: tuple[AnswerSets, Flags] | None = None


def measure(
    top: TopDocuments,
    queries: Tensor,
    documents: Tensor,
    pairs: Pairs,
    rule: AnyRule,
    above: Graph | None = None,
) -> SetCounts:
    """The rule's answer sets for all queries that have pairs.

    Args:
        top: of these queries, as `top_documents` gives them; the few whose set goes beyond its documents get four times
            as many until it does not.
        queries, documents: the vectors, row by row of `pairs`.
        pairs: what is relevant.
        rule: gives the margins.
        above: a graph for upward repair.
    """
    sizes, hits = np.zeros((2, 2, pairs.n_queries), np.int64)  # before and after repair
    accepted = np.zeros((2, len(pairs)), np.bool_)
    share = SHARE
    while True:
        inside = rule.margins(top, to_float64(queries[top.rows])) >= 0
        over = inside[top.last] & ~top.whole
        rows, entries = top.rows[~over], np.flatnonzero(inside & ~over[top.place])
        place, hit = top.place[entries], top.relevant[entries]
        sizes[:, rows] = np.bincount(place, minlength=len(top))[~over]
        hits[:, rows] = np.bincount(place[hit], minlength=len(top))[~over]
        accepted[:, top.pairs[entries[hit]]] = True
        if above is not None:
            more, added = missing_above(above, pairs.document_ids, place, top.documents[entries])
            pair = pair_index(pairs, top.rows[more], added)
            np.add.at(sizes[1], top.rows[more], 1)
            np.add.at(hits[1], top.rows[more[pair >= 0]], 1)
            accepted[1, pair[pair >= 0]] = True
        if not over.any():
            break
        wanted = np.zeros(pairs.n_queries, np.bool_)
        wanted[top.rows[over]] = True
        share *= 4
        longer = top_documents(queries, documents, pairs.keep(wanted[pairs.query_of]), share=share)
        top = replace(longer, pairs=pair_index(pairs, longer.rows[longer.place], longer.documents))
    rows = np.flatnonzero(pairs.sizes)
    before, after = (AnswerSets(rows, sizes[i, rows], hits[i, rows], pairs.sizes[rows]) for i in (0, 1))
    return SetCounts(before, accepted[0], None if above is None else (after, accepted[1]))


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
    def fit(cls, top: TopDocuments, margins: Array) -> Chances:
        """The share of relevant documents in bins of equally many, made to rise by isotonic regression.

        Over the 2 |S(q)| best documents of each query, of which about half are relevant.
        """
        bins = _bins(top, margins, KNOTS)
        if not bins:
            return cls(np.empty(0), np.empty(0))
        rising = isotonic_regression([hits.mean() for _, hits in bins], weights=[len(hits) for _, hits in bins]).x
        return cls(np.array([values.mean() for values, _ in bins]), np.asarray(rising, np.float64))

    def reliability(self, top: TopDocuments, margins: Array) -> tuple[Reliability, ...]:
        """Predicted chance beside observed share, in bins of margin with equally many documents.

        Args:
            top: of queries that these chances were not fitted to.
            margins: of their entries.
        """
        return tuple(
            Reliability(
                low=float(values[0]),
                high=float(values[-1]),
                n=len(values),
                predicted=float(self(values).mean()),
                observed=float(hits.mean()),
            )
            for values, hits in _bins(top, margins, BINS)
        )


def _bins(top: TopDocuments, margins: Array, most: int) -> list[tuple[Array, Flags]]:
    """(margins, whether relevant) of the 2 |S(q)| best documents of each query that have a finite margin, ascending.

    Cut into `most` bins of equally many documents, fewer where there are fewer documents.
    """
    near = np.flatnonzero((top.ranks < 2 * top.sizes[top.place]) & np.isfinite(margins))
    near = near[np.argsort(margins[near], kind="stable")]
    n_bins = min(most, len(near))
    return [(margins[each], top.relevant[each]) for each in np.array_split(near, n_bins)] if n_bins else []
