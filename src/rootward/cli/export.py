"""`rootward export`: a run in, a folder for other libraries and databases out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import rootward as rw
from rootward.cli.flags import EncoderAgain, Quiet, output, provided, refuse_folder, say
from rootward.errors import RunFolderError


def export(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="A run folder; sentence-transformers and onnx need a model that reads texts."
        ),
    ],
    out: Annotated[Path, output("--out FOLDER", "A new folder.")],
    format: Annotated[
        str | None,
        output("--format NAME", "sentence-transformers, onnx or vectors. Default: sentence-transformers."),
    ] = None,
    encoder: EncoderAgain = None,
    report: Annotated[
        Path | None,
        output("--report FILE", "Report for the model card, a file of evaluate --json. Default: the run's own."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write a trained model for other libraries or databases.

    A model for sentence-transformers or ONNX has a model card (README.md) with recall by distance: of the queries
    that the run was trained on, or those of --report. Documents keep their own tower where the run has one, and are a
    table of vectors otherwise.

    --format vectors writes the vectors of any run with ids, names, heights, ancestors and thresholds, as .npy and
    Parquet, and vectors.json, which says how answers are made of them.

    \b
      rootward export runs/words --out words
      rootward export runs/words --format onnx --out words.onnx
      rootward export runs/words --format vectors --out words.vectors
      rootward evaluate runs/words pairs:heldout.csv --json heldout.json
      rootward export runs/words --report heldout.json --out words
    """
    if out.exists():
        raise RunFolderError(f"{out} exists; choose another folder to export to.")
    refuse_folder(out)
    shown = None if report is None else rw.Report.load(report)
    read = rw.Run.load(run, encoder=encoder, progress=not quiet)
    folder = rw.export(read, out, **provided(format=format), report=shown)
    if format == "vectors":
        say(f"The vectors are in {folder}; {folder / 'vectors.json'} says how answers are made of them.", quiet)
    else:
        say(f"The model is in {folder}; {folder / 'README.md'} says how to use it.", quiet)
