"""`Report`: how a model answers its pairs, as a value that prints, saves and compares."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import Field
from rich.console import Group
from rich.table import Table
from rich.text import Text

from rootward.errors import InputError, visible
from rootward.evaluation.intervals import Comparison, bootstrap, compare_ranks, interval
from rootward.evaluation.metrics import LISTED, AnswerOrder, Shares, answer_order, query_sums, recall
from rootward.evaluation.naming import NodeReport, TextsOf, compare_nodes, texts_in_words
from rootward.evaluation.ranks import Ranks
from rootward.evaluation.results import Figure, Scalar, TableResult, Value, percent
from rootward.plots import figure_at, save_figure

VERSION = 4


class Slice(Value):
    """The pairs at one distance: how many, their weight under regular sampling, their recall."""

    distance: int
    n_pairs: int
    share: float
    recall: Figure


class BesideRow(Value):
    """Recall of something else, known from elsewhere, to show beside a report's own.

    Attributes:
        label: heading of its column, such as "published".
        by_distance: recall at distance 0, 1, ..., from 0 to 1; None where it is not known.
        overall: its overall recall.
        note: what it is and where it is from.
    """

    label: str
    by_distance: tuple[float | None, ...]
    overall: float
    note: str = ""

    @property
    def minimum(self) -> float | None:
        """The lowest recall of a distance."""
        return min((value for value in self.by_distance if value is not None), default=None)


class Report(TableResult):
    """Recall at |S(q)| (R-precision) by distance, and the order of answers; prints as a table in percent.

    Attributes:
        label: what was measured, for headings.
        source: the named source of the pairs, such as "wordnet"; None for the user's own.
        dim: width of the vectors.
        n_queries: how many queries have pairs; the others are in no average.
        n_unseen: how many of them were read, for training did not know their answers; 0 where queries are looked up.
        texts: whether training knew the answers of the queries' texts; None where queries are looked up, or unknown.
        n_documents: how many documents competed.
        n_pairs: how many pairs were measured.
        slices: one a distance that has pairs.
        minimum: the lowest slice.
        overall: the mean over queries of each query's recall.
        order: of the answers, by score and as shown.
        seed, bootstrap: of the intervals: seed and number of draws of queries.
        wall_seconds: how long measuring took; None where nobody looked at the clock.
        extras: whatever else a reader should know, such as the recipe.
        beside: rows known from elsewhere, shown in columns of their own; see `with_beside`.
        nodes: which node each text names, by the measures of hierarchical classification; None where nobody asked.
        ranks: the raw results; not saved with the report (`ranks.save`), None after `load`.
    """

    noun = "report"
    format: int = VERSION
    label: str
    source: str | None
    dim: int
    n_queries: int
    n_unseen: int = 0
    texts: TextsOf | None = None
    n_documents: int
    n_pairs: int
    slices: tuple[Slice, ...]
    minimum: Figure
    overall: Figure
    order: AnswerOrder
    seed: int = 0
    bootstrap: int = 0
    wall_seconds: float | None = None
    extras: dict[str, Scalar] = Field(default_factory=dict)
    beside: tuple[BesideRow, ...] = ()
    nodes: NodeReport | None = None
    ranks: Ranks | None = Field(default=None, exclude=True, repr=False)

    def __eq__(self, other: object) -> bool:
        """The same figures; raw ranks, which a saved report has not, are not looked at."""
        return isinstance(other, Report) and self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def from_ranks(
        cls,
        ranks: Ranks,
        *,
        dim: int,
        label: str = "",
        source: str | None = None,
        bootstrap_draws: int = 1_000,
        seed: int = 0,
        wall_seconds: float | None = None,
        extras: dict[str, Scalar] | None = None,
        n_unseen: int = 0,
        texts: TextsOf | None = None,
    ) -> Report:
        """Every figure, derived from ranks. `bootstrap_draws=0`, or more than 1,000 distances, leaves intervals out.

        Raises:
            PairsError: there are no pairs.
            InputError: a negative number of draws.
        """
        if bootstrap_draws < 0:
            raise InputError(f"bootstrap is a number of draws, 0 for no intervals, got {bootstrap_draws}.")
        found = recall(ranks)
        bootstrap_draws = bootstrap_draws if len(found.distances) <= LISTED else 0
        drawn = bootstrap((query_sums(ranks),), n=bootstrap_draws, seed=seed)[0] if bootstrap_draws else None

        def figure(value: float, draws: Shares | None) -> Figure:
            if draws is None:
                return Figure(value=value)
            low, high = interval(draws)
            return Figure(value=value, low=low, high=high)

        slices = tuple(
            Slice(
                distance=distance,
                n_pairs=int(found.n_pairs[i]),
                share=float(found.shares[i]),
                recall=figure(float(found.slices[i]), None if drawn is None else drawn.by_distance[:, i]),
            )
            for i, distance in enumerate(found.distances.tolist())
        )
        return cls(
            label=label,
            source=source,
            dim=dim,
            n_queries=len(ranks.answered),
            n_unseen=n_unseen,
            texts=texts,
            n_documents=ranks.n_documents,
            n_pairs=len(ranks),
            slices=slices,
            minimum=figure(found.minimum, None if drawn is None else drawn.minimum),
            overall=figure(found.overall, None if drawn is None else drawn.overall),
            order=answer_order(ranks),
            seed=seed,
            bootstrap=bootstrap_draws,
            wall_seconds=wall_seconds,
            extras=extras or {},
            ranks=ranks,
        )

    def with_beside(self, *rows: BesideRow) -> Report:
        """The same report with these rows beside its own, after those that it has."""
        return self.model_copy(update={"beside": (*self.beside, *rows)})

    # -- reading ---------------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """'wordnet, dim 64: 82,114 queries, 82,115 documents, 593,042 pairs'."""
        name = visible(self.label or self.source or "report")
        return (
            f"{name}, dim {self.dim}: {self.n_queries:,} queries, {self.n_documents:,} documents, "
            f"{self.n_pairs:,} pairs"
        )

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows) of the table: a row a distance, then min and overall; empty columns are omitted."""
        header = ["distance", "pairs", "share %", "recall %"]
        rows = [
            [str(each.distance), f"{each.n_pairs:,}", f"{100 * each.share:.1f}", percent(each.recall.value)]
            for each in self.slices
        ]
        rows += [["min", "", "", percent(self.minimum.value)], ["overall", "", "", percent(self.overall.value)]]
        figures = [*(each.recall for each in self.slices), self.minimum, self.overall]
        if self.bootstrap:
            header.append("95 % interval")
            for row, figure in zip(rows, figures, strict=True):
                row.append(f"{percent(figure.low)} to {percent(figure.high)}")
        for other in self.beside:
            header.append(f"{visible(other.label)} %")
            known = dict(enumerate(other.by_distance))
            values = [*(known.get(each.distance) for each in self.slices), other.minimum, other.overall]
            for row, value in zip(rows, values, strict=True):
                row.append("" if value is None else f"{100 * value:.1f}")
        return header, rows

    def remarks(self) -> list[str]:
        """The lines below the table: unseen queries, order of answers, notes of the rows beside, extras."""
        o = self.order
        lines = [f"recall: at |S(q)|, or R-precision; answer sets that are exactly S(q): {percent(o.whole)} %"]
        for name, by_score, shown in (
            ("exact match first", o.exact_first_by_score, o.exact_first_shown),
            ("relevant pairs in order of distance", o.in_order_by_score, o.in_order_shown),
        ):
            if by_score is not None:
                lines.append(f"{name}: {percent(shown)} % as shown, {percent(by_score)} % by score alone")
        if self.n_unseen:
            lines.insert(0, f"unseen queries, read as a search reads them: {self.n_unseen:,}")
        if self.texts is not None:
            lines.insert(0, f"recall of {texts_in_words(self.texts)}")
        lines += [visible(f"{other.label}: {other.note}") for other in self.beside if other.note]
        if told := [_in_words(key, value) for key, value in self.extras.items()]:
            lines.append(visible(", ".join(filter(None, told))))
        if self.wall_seconds is not None:
            lines.append(f"measured in {self.wall_seconds:.1f} s")
        return lines

    def __repr__(self) -> str:
        return f"Report({self.title}, min {percent(self.minimum.value)} %, overall {percent(self.overall.value)} %)"

    def __str__(self) -> str:
        return super().__str__() + ("" if self.nodes is None else f"\n\n{self.nodes}")

    def __rich__(self) -> Group:
        header, rows = self.cells()
        caption = Text("\n".join(self.remarks()))
        table = Table(title=Text(self.title), caption=caption, caption_justify="left", title_style="bold")
        for name in header:
            style = {"recall %": "bold green", "95 % interval": "dim"}.get(name)
            style = "cyan" if name in {f"{visible(other.label)} %" for other in self.beside} else style
            table.add_column(Text(name), justify="right", style=style)
        for row in rows:
            table.add_row(*row, end_section=row[0] == str(self.slices[-1].distance))
        return Group(table, *([] if self.nodes is None else [self.nodes]))

    def to_markdown(self) -> str:
        """The table and what stands below it, for a README or an issue; that of named nodes follows."""
        return super().to_markdown() + ("" if self.nodes is None else f"\n{self.nodes.to_markdown()}")

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw recall against distance; see `plot_recall`, which draws several reports in one figure."""
        return plot_recall([self], path)


def compare(a: Report | Ranks, b: Report | Ranks, *, bootstrap: int = 1_000, seed: int = 0) -> Comparison:
    """Two runs measured on the same pairs, slice by slice: b - a with a 95 % interval and a p-value.

    Of reports that both know which node each text names, these figures too.

    Args:
        a, b: reports just made, or ranks, also loaded ones.
        bootstrap: how many draws of queries, the same ones for both.
        seed: of the draws.

    Raises:
        InputError: measured on different pairs, or a report without its ranks.
    """
    labels, ranks = [], []
    for each, name in ((a, "a"), (b, "b")):
        labels.append((each.label if isinstance(each, Report) else "") or name)
        found = each.ranks if isinstance(each, Report) else each
        if found is None:
            raise InputError(
                "A loaded report has no ranks, and comparing needs them query by query; keep them with "
                "report.ranks.save(path) and compare Ranks.load(path)."
            )
        ranks.append(found)
    compared = compare_ranks(*ranks, labels=(labels[0], labels[1]), bootstrap_draws=bootstrap, seed=seed)
    named = [each.nodes for each in (a, b) if isinstance(each, Report) and each.nodes is not None]
    if len(named) < 2 or any(each.sums is None for each in named):
        return compared
    nodes = compare_nodes(named[0], named[1], bootstrap=bootstrap, seed=seed)
    return replace(compared, nodes=tuple(replace(nodes[name], slice=told) for name, told in _NAMED.items()))


_NAMED = {
    "accuracy": "named node right",
    "macro": "the same, mean over nodes",
    "mrr": "MRR",
    "precision": "hP",
    "recall": "hR",
    "f1": "hF",
    "exact": "answer set exact",
}
"""What is compared of named nodes, in words."""


def _in_words(key: str, value: Scalar) -> str:
    """An extra for a person: 'trained for 432.4 s'."""
    if key == "train_seconds":
        return f"trained for {value} s"
    if key == "sampled_queries":
        return "measured on some of the queries" if value else ""
    return f"{key.replace('_', ' ')} {value}"


def plot_recall(reports: Report | Sequence[Report], path: str | os.PathLike[str]) -> Path:
    """Recall at |S(q)| against distance: a line a report, its 95 % interval as a band, rows beside it dashed.

    Args:
        reports: one or several.
        path: where to draw, with the suffix .png or .svg.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: no report, or another suffix.
    """
    drawn = [reports] if isinstance(reports, Report) else list(reports)
    if not drawn:
        raise InputError("There is no report to draw; give at least one.")
    figure, axes = figure_at(path)
    for report in drawn:
        distances = [each.distance for each in report.slices]
        recalls = [each.recall for each in report.slices]
        name = (
            f"{report.label or report.source or 'recall'}, dim {report.dim} (overall {percent(report.overall.value)})"
        )
        (line,) = axes.plot(distances, [100 * each.value for each in recalls], marker="o", markersize=4, label=name)
        if report.bootstrap:
            low, high = ([100 * (getattr(each, end) or 0.0) for each in recalls] for end in ("low", "high"))
            axes.fill_between(distances, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    for row in dict.fromkeys(row for report in drawn for row in report.beside):
        values = [float("nan") if value is None else 100 * value for value in row.by_distance]
        axes.plot(range(len(values)), values, "--", color="0.5", label=row.label)
    axes.set(xlabel="distance (hops)", ylabel="recall at |S(q)| (%)", ylim=(-2, 102))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return save_figure(figure, path)
