"""`rootward export`: a text run in, a folder for other libraries out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rootward.cli.flags import EncoderAgain, flag, given, refuse_folder, say
from rootward.errors import RunFolderError

_OUTPUT = "Output"


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of a model that reads texts.")],
    out: Annotated[Path, flag("--out", metavar="FOLDER", panel=_OUTPUT, help="To be made; it must not be there yet.")],
    format: Annotated[
        str | None,
        flag(
            "--format",
            metavar="NAME",
            panel=_OUTPUT,
            help="sentence-transformers or onnx. Default: sentence-transformers.",
        ),
    ] = None,
    encoder: EncoderAgain = None,
    report: Annotated[
        Path | None,
        flag(
            "--report",
            metavar="FILE",
            panel=_OUTPUT,
            help="For the card, as evaluate --json wrote it, such as of held-out queries. Default: the run's own.",
        ),
    ] = None,
    quiet: Annotated[bool, flag("--quiet", "-q", panel=_OUTPUT, help="No remarks.")] = False,
) -> None:
    """Write a trained text model for other libraries.

    The folder holds a model card (README.md) with recall by distance: of the queries that the run was trained on, or of
    those of a report that is given. Documents are read by their own tower
    where the run has one, and are a table of vectors else.

    \b
      rootward export runs/words --out words
      rootward export runs/words --format onnx --out words.onnx
      rootward evaluate runs/words --pairs heldout.csv --json heldout.json
      rootward export runs/words --report heldout.json --out words
    """
    if out.exists():
        raise RunFolderError(f"{out} is there already; choose another folder to export to.")
    refuse_folder(out)
    from rootward.evaluation import Report  # noqa: PLC0415
    from rootward.integrations.export import export as write  # noqa: PLC0415
    from rootward.training import Run  # noqa: PLC0415

    shown = None if report is None else Report.load(report)
    read = Run.load(run, encoder=encoder, progress=not quiet)
    folder = write(read, out, **given(format=format), report=shown)
    say(f"The model is in {folder}; how it is used stands in {folder / 'README.md'}.", quiet)
