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


def refuse_files(**targets: Path | None) -> None:
    """Refuse files that could not be written once the work is done; each by the name of its flag."""
    for name, path in targets.items():
        if path is not None and path != STDOUT:
            _refuse(name, path, folder=False)


def refuse_folder(out: Path | None) -> None:
    """Refuse an --out in which no folder could be made."""
    if out is not None:
        _refuse("out", out, folder=True)


def refuse_run_folder(out: Path | None) -> None:
    """Refuse an --out that holds something already, or in which no folder could be made."""
    from rootward.training.taken import refuse_taken  # noqa: PLC0415

    refuse_folder(out)
    if out is not None:
        refuse_taken(out)


def _refuse(name: str, path: Path, folder: bool) -> None:
    from rootward.files import obstacle  # noqa: PLC0415

    if (why := obstacle(path, folder)) is not None:
        what = "folder" if folder else "file"
        raise InputError(f"--{name.replace('_', '-')} {path} cannot be written: {why}. Name another {what}.")


def refuse_plot(plot: Path | None) -> None:
    """Refuse a plot that could not be drawn once everything is measured."""
    from importlib.util import find_spec  # noqa: PLC0415

    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise InputError(f"--plot {plot}: a plot is saved as .png or .svg.")
    refuse_files(plot=plot)
    if plot is not None and find_spec("matplotlib") is None:
        raise MissingExtraError("Plotting", "plots")
