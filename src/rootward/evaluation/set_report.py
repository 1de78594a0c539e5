"""`SetReport`: how good calibrated answer sets are on queries that calibration has not seen."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from rootward.errors import InputError
from rootward.evaluation.answer_sets import AnswerSets
from rootward.evaluation.measured import Measured
from rootward.evaluation.table import plain_table
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
