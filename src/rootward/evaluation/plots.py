"""Recall against distance, and the calibration curve, drawn."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rootward.errors import InputError, MissingExtraError
from rootward.evaluation.calibration import Calibration
from rootward.evaluation.report import Report
from rootward.evaluation.set_report import SetReport
from rootward.files import atomic_write


def plot_recall(reports: Report | Sequence[Report], path: str | os.PathLike[str]) -> Path:
    """Recall at |S(q)| against distance: a line a report, its 95 % interval as a band, published rows dashed.

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
        _draw(axes, report)
    for row in {report.published: None for report in drawn if report.published is not None}:
        axes.plot(range(len(row.by_distance)), row.by_distance, "--", color="0.5", label=f"published: {row.method}")
    axes.set(xlabel="distance (hops)", ylabel="recall at |S(q)| (%)", ylim=(-2, 102))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return save_figure(figure, path)


def plot_calibration(calibration: Calibration | SetReport, path: str | os.PathLike[str]) -> Path:
    """The share of relevant documents against their margin: observed, as calibrated, and where answer sets end.

    Args:
        calibration: or its report.
        path: where to draw, with the suffix .png or .svg.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: another suffix.
    """
    report = calibration.report if isinstance(calibration, Calibration) else calibration
    figure, axes = figure_at(path)
    margins = [(each.low + each.high) / 2 for each in report.bins]
    axes.plot(margins, [100 * each.predicted for each in report.bins], color="0.5", label="as calibrated")
    axes.plot(margins, [100 * each.observed for each in report.bins], "o", markersize=5, label="observed")
    axes.axvline(0, linestyle="--", color="0.3", linewidth=1, label="answer sets end here")
    figures = report.figures
    precision = "none" if figures.precision is None else f"{100 * figures.precision:.1f}"
    axes.set(
        xlabel=f"margin above the end of the answer set ({report.unit})",
        ylabel="relevant documents (%)",
        ylim=(-2, 102),
        title=f"precision {precision}, recall {100 * figures.recall:.1f}, F1 {100 * figures.f1:.1f}; "
        f"calibration error {100 * report.error:.2f} %",
    )
    axes.title.set_fontsize("medium")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return save_figure(figure, path)


def figure_at(
    path: str | os.PathLike[str],
    columns: int | None = None,
    *,
    size: tuple[float, float] | None = None,
    sharey: bool = False,
) -> tuple[Any, Any]:
    """A figure that can be saved at `path`, and its axes: one, or an array of them side by side.

    Args:
        path: with the suffix .png or .svg.
        columns: how many axes; an array of so many, also of one. None is one that is no array.
        size: width and height in inches.
        sharey: one scale for all of them.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: a suffix other than .png and .svg.
    """
    if Path(path).suffix.lower() not in (".png", ".svg"):
        raise InputError(f"A plot is saved as .png or .svg, got {os.fspath(path)!r}.")
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("Plotting", "plots") from error
    figure = Figure(figsize=size or (6.4 if columns in (None, 1) else 4.8 * columns, 4.0), layout="constrained")
    axes = figure.subplots(1, columns or 1, sharey=sharey, squeeze=False)[0]
    return figure, axes[0] if columns is None else axes


def plain_ticks(axis: Any, values: Sequence[int] | None = None) -> None:
    """Ticks of a logarithmic axis as plain numbers: at these values, or at 1, 2 and 5 of every decade."""
    from matplotlib.ticker import LogLocator, NullLocator  # noqa: PLC0415

    axis.set_minor_locator(NullLocator())
    if values is not None:
        axis.set_ticks(values, [f"{value:,}" for value in values])
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:,g}")


def save_figure(figure: Any, path: str | os.PathLike[str]) -> Path:
    """The figure as the file that the suffix names, whole or not at all."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    return atomic_write(path, lambda to: figure.savefig(to, format=suffix, dpi=150))


def _draw(axes: Any, report: Report) -> None:
    """One line, and its band where there are intervals."""
    distances = [each.distance for each in report.slices]
    recalls = [each.recall for each in report.slices]
    name = f"{report.label or report.source or 'recall'}, dim {report.dim} (overall {100 * report.overall.value:.1f})"
    (line,) = axes.plot(distances, [100 * each.value for each in recalls], marker="o", markersize=4, label=name)
    low, high = ([_or_nan(each.low) for each in recalls], [_or_nan(each.high) for each in recalls])
    axes.fill_between(distances, low, high, color=line.get_color(), alpha=0.2, linewidth=0)


def _or_nan(share: float | None) -> float:
    return float("nan") if share is None else 100 * share
