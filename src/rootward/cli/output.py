"""Where results and remarks go: results to standard output or a file, everything else to standard error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rootward.errors import InputError, MissingExtraError

STDOUT = Path("-")
FAILURE, INPUT, INTERRUPTED = 1, 2, 130  # exit statuses; 0 is all well


def say(text: str, quiet: bool) -> None:
    """A remark for the person, on standard error, unless they want quiet."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


def show(value: Any) -> None:
    """A result: with colours on a terminal, as plain text elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415

        Console().print(value)
    else:
        print(value)


def put(text: str, target: Path) -> None:
    """Text to a file, whole or not at all; to standard output for "-"."""
    if target == STDOUT:
        sys.stdout.write(text)
        return
    from rootward.files import write_text  # noqa: PLC0415

    write_text(target, text)


def refuse_plot(plot: Path | None) -> None:
    """Refuse a plot that could not be drawn once everything is measured."""
    from importlib.util import find_spec  # noqa: PLC0415

    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"--plot {plot}: a plot is saved as .png or .svg.")
    if plot is not None and find_spec("matplotlib") is None:
        raise MissingExtraError("Plotting", "plots")
