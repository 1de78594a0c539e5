"""The calibration curve, drawn."""

from __future__ import annotations

import os
from pathlib import Path

from rootward.calibration.calibrate import Calibration
from rootward.calibration.set_report import SetReport
from rootward.plots import figure_at, save_figure


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
