"""`Diagnosis`: facts and verdict as a value that prints, saves and loads."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from rootward.diagnosis.facts import Fact, Facts, Part
from rootward.diagnosis.verdict import Cause, Verdict, percent
from rootward.errors import InputError
from rootward.evaluation.report import plain_table
from rootward.files import write_text
from rootward.plots import figure_at, save_figure

VERSION = 1


class Diagnosis(Fact):
    """Why recall is what it is.

    Attributes:
        label: what was looked at, for headings.
        facts: everything measured.
        verdict: cause, finding, evidence, what else was found, advice.
        seed: of every random choice.
        seconds: how long it took.
    """

    format: int = VERSION
    label: str
    facts: Facts
    verdict: Verdict
    seed: int
    seconds: float

    @property
    def cause(self) -> Cause:
        """ "healthy", "data", "sampling bias", "under-training", "capacity" or "unclear"."""
        return self.verdict.cause

    def __repr__(self) -> str:
        return f"Diagnosis({self.cause}: recall {percent(self.facts.overall)}, dim {self.facts.dim})"

    def __str__(self) -> str:
        return "\n".join([*self._head(), "", *self._tables(), "", *self._geometry(), "", *self._words()])

    def _head(self) -> list[str]:
        f = self.facts
        name = f"{self.label}: " if self.label else ""
        measured = "" if f.n_measured == f.n_queries else f", measured on {f.n_measured:,} of them"
        return [
            f"{name}{f.n_queries:,} queries{measured}, {f.n_documents:,} documents, {f.n_pairs:,} pairs, dim {f.dim}",
            f"recall at |S(q)|: {percent(f.overall)}",
        ]

    def _tables(self) -> list[str]:
        f = self.facts
        tables = (("distance", f.by_distance), ("depth of query", f.by_depth), ("generality", f.by_generality))
        return "\n\n".join(_table(name, parts) for name, parts in tables).splitlines()

    def _geometry(self) -> list[str]:
        f = self.facts
        header = ["", "norm", "copies %", "collapsed %", "effective rank", "participation"]
        rows = [
            [
                name,
                f"{side.norm_mean:.2f} ± {side.norm_mean * side.norm_spread:.2f}",
                f"{100 * side.duplicates:.1f}",
                f"{100 * side.collapsed:.1f}",
                f"{side.effective_rank:.1f} of {f.dim}",
                f"{side.participation:.1f}",
            ]
            for name, side in (("queries", f.queries), ("documents", f.documents))
        ]
        m, h = f.margin, f.hubness
        return [
            *plain_table(header, rows).splitlines(),
            f"margin: median {m.median:+.3f}, middle half {m.lower:+.3f} to {m.upper:+.3f}, above 0 for "
            f"{100 * m.positive:.1f} % of queries",
            f"hubness: skewness {h.skewness:.1f} (true sets: {h.true_skewness:.1f}); the most general 1 % of documents "
            f"take {100 * h.top_share:.1f} % of the answers (true sets: {100 * h.true_top_share:.1f} %)",
        ]

    def _words(self) -> list[str]:
        also = [f"Also: {', '.join(self.verdict.also)}."] if self.verdict.also else []
        evidence = [f"  - {line}" for line in self.verdict.evidence]
        return [self.verdict.finding, *evidence, *also, "Next:", *(f"  - {line}" for line in self.verdict.advice)]

    # -- on disk ---------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """Everything as JSON."""
        return self.model_dump_json(indent=2) + "\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write `to_json`; whole or not at all.

        Raises:
            InputError: a suffix that is not .json.
        """
        if Path(path).suffix.lower() != ".json":
            raise InputError(f"A diagnosis is saved as .json, got {os.fspath(path)!r}.")
        return write_text(path, self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Diagnosis:
        """The diagnosis that `save` wrote.

        Raises:
            InputError: no such file, not a diagnosis, damaged, or from another version.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"There is no file {path} to load a diagnosis from.")
        try:
            return cls.model_validate_json(path.read_text("utf-8"))
        except ValidationError as error:
            raise InputError(
                f"{path.name} is not a diagnosis that this version's Diagnosis.save wrote: {error}"
            ) from error


def _table(name: str, parts: tuple[Part, ...]) -> str:
    rows = [[part.name, f"{part.n_pairs:,}", percent(part.recall).removesuffix(" %")] for part in parts]
    return plain_table([name, "pairs", "recall %"], rows)


def plot_diagnosis(diagnosis: Diagnosis, path: str | os.PathLike[str]) -> Path:
    """Three panels, recall by distance, by depth of the query and by generality; the finding is the title.

    Args:
        diagnosis: from `diagnose`.
        path: where to draw, with the suffix .png or .svg.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: another suffix.
    """
    facts = diagnosis.facts
    panels = (
        ("distance (hops)", facts.by_distance),
        ("depth of the query (hops)", facts.by_depth),
        ("generality (queries a document)", facts.by_generality),
    )
    figure, columns = figure_at(path, len(panels), size=(10, 3.6), sharey=True)
    for axes, (name, parts) in zip(columns, panels, strict=True):
        axes.bar([part.name for part in parts], [100 * part.recall for part in parts], color="tab:blue")
        axes.set(xlabel=name, ylim=(0, 102))
        axes.tick_params(axis="x", labelrotation=45 if len(parts) > 6 else 0)
        axes.grid(axis="y", alpha=0.3)
    figure.axes[0].set_ylabel("recall at |S(q)| (%)")
    figure.suptitle(diagnosis.verdict.finding, fontsize="medium")
    return save_figure(figure, path)
