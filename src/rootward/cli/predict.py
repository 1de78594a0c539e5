"""`rootward predict`: a file of texts in, the node of each and everything above it out."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rootward.cli.flags import EncoderAgain, Quiet, output, panel, refuse_files, say
from rootward.cli.sources import told_of_table
from rootward.errors import InputError, as_json
from rootward.files import atomic_write
from rootward.progress import Progress

if TYPE_CHECKING:
    from rootward.classification import Answer

_AT_A_TIME = 4_096  # rows
_SUFFIXES = (".jsonl", ".csv", ".parquet")


def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of labelled texts.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Texts: .csv, .tsv or .parquet.")],
    text: Annotated[str, panel("Input")("--text COLUMN", "The column of texts. Default: text.")] = "text",
    out: Annotated[
        Path | None, output("--out FILE", "A .jsonl, .csv or .parquet file. Default: JSON lines to standard output.")
    ] = None,
    encoder: EncoderAgain = None,
    quiet: Quiet = False,
) -> None:
    """Name the node of each text, and everything above it.

    One line a row, in the order of the file: the likeliest node and its probability, the answer set, and up to ten
    candidates, best first. The node is empty (null) where nothing fits. Needs a run that was trained with --labels.

    \b
      rootward predict runs/shop titles.csv --text title --out predictions.jsonl
      rootward predict runs/shop titles.csv --text title --out predictions.csv
      rootward predict runs/shop titles.csv | head -3
    """
    from rootward.classification import Classifier  # noqa: PLC0415
    from rootward.readers.tables import column_blocks  # noqa: PLC0415

    refuse_files(out=out)
    if out is not None and out.suffix not in _SUFFIXES:
        raise InputError(f"--out {out}: predictions are written as {', '.join(_SUFFIXES)}; give one of these suffixes.")
    blocks = column_blocks(file, [text], rows=_AT_A_TIME, hint=" Name the column with --text.")
    try:
        first = next(blocks)  # a table that cannot be read is refused before the model is loaded
    except InputError as error:
        error.args = (told_of_table(str(error)), *error.args[1:])
        raise
    classifier = Classifier.load(run, encoder=encoder)

    def answers() -> Iterator[Answer]:
        with Progress(not quiet) as progress:
            progress.begin(f"texts of {file.name}", None)
            for block in chain([first], blocks):
                for answer in classifier.answers(block[text].to_pylist()):
                    yield answer
                    progress.advance(1)

    if out is None:
        for answer in answers():
            sys.stdout.write(_line(answer, sys.stdout.encoding or "utf-8"))
    else:
        write = {".jsonl": _write_lines, ".csv": _write_csv, ".parquet": _write_parquet}[out.suffix]
        atomic_write(out, lambda path: write(path, answers()))
        say(f"Predictions are in {out}.", quiet)


def _line(answer: Answer, encoding: str = "utf-8") -> str:
    """One JSON object and a line end."""
    found = {"node": answer.node, "answers": answer.answers, "ranked": answer.ranked}
    return as_json({**found, "probability": round(answer.probability, 6)}, encoding=encoding) + "\n"


def _write_lines(path: Path, answers: Iterator[Answer]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(map(_line, answers))


def _write_csv(path: Path, answers: Iterator[Answer]) -> None:
    """The text, its node, and lists of ids as JSON, so that any id can be read back."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "node", "probability", "answers", "ranked"])
        for each in answers:
            lists = (json.dumps(ids, ensure_ascii=False) for ids in (each.answers, each.ranked))
            rows.writerow([each.text, each.node or "", f"{each.probability:.6f}", *lists])


def _write_parquet(path: Path, answers: Iterator[Answer]) -> None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    ids = pa.list_(pa.string())
    columns = {"text": pa.string(), "node": pa.string(), "probability": pa.float64(), "answers": ids, "ranked": ids}
    with pq.ParquetWriter(path, pa.schema(list(columns.items())), compression="zstd") as writer:
        while some := list(islice(answers, _AT_A_TIME)):
            arrays = {name: pa.array([getattr(each, name) for each in some], kind) for name, kind in columns.items()}
            writer.write_table(pa.table(arrays))
