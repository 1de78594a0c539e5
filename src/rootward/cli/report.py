"""`rootward report`: one page of everything that was reproduced."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rootward.cli.flags import flag, refuse_files, say


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUNS...", help="Folders that rootward reproduce wrote.")],
    out: Annotated[
        Path | None, flag("--out", "-o", metavar="FILE", panel="Output", help="The page. Default: report.html.")
    ] = None,
    quiet: Annotated[bool, flag("--quiet", "-q", panel="Output", help="No remarks.")] = False,
) -> None:
    """Make one self-contained HTML page of measured studies, without measuring anything again.

    \b
      rootward report reports/* -o report.html
    """
    out = Path("report.html") if out is None else out
    refuse_files(out=out)
    from rootward.experiments.page import report as write  # noqa: PLC0415

    say(f"The report is {write(runs, out)}.", quiet)
