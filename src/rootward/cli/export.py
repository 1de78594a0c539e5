"""`rootward export`: a text run in, a folder for other libraries out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rootward.cli.flags import EncoderAgain, flag, given
from rootward.cli.output import refuse_folder, say
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
    quiet: Annotated[bool, flag("--quiet", "-q", panel=_OUTPUT, help="No remarks.")] = False,
) -> None:
    """Write a trained text model for other libraries.

    The folder holds a model card (README.md) with the run's recall by distance. Documents are read by their own tower
    where the run has one, and are a table of vectors else.

    \b
      rootward export runs/words --out words
      rootward export runs/words --format onnx --out words.onnx
    """
    if out.exists():
        raise RunFolderError(f"{out} is there already; choose another folder to export to.")
    refuse_folder(out)
    from rootward.exporting import export as write  # noqa: PLC0415
    from rootward.training import Run  # noqa: PLC0415

    folder = write(Run.load(run, encoder=encoder, progress=not quiet), out, **given(format=format))
    say(f"The model is in {folder}; how it is used stands in {folder / 'README.md'}.", quiet)
