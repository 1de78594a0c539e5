"""Figures by matplotlib: made at a path, with plain ticks, saved whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rootward.errors import InputError, MissingExtraError, visible
from rootward.files import atomic_write


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


def _show_as_written(figure: Any) -> None:
    """Texts of a figure are shown as they stand: a dollar is no formula, a control character is written as \\x1b."""
    named = [*figure.texts, *([figure._suptitle] if figure._suptitle else [])]
    for axes in figure.axes:
        legend = axes.get_legend()
        named += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        named += [] if legend is None else [*legend.get_texts(), legend.get_title()]
    for text in named:
        text.set_parse_math(False)
        text.set_text(visible(text.get_text(), lines=True))


def save_figure(figure: Any, path: str | os.PathLike[str]) -> Path:
    """The figure as the file that the suffix names, whole or not at all."""
    suffix = Path(path).suffix.lower().removeprefix(".")
    _show_as_written(figure)
    return atomic_write(path, lambda to: figure.savefig(to, format=suffix, dpi=150))
