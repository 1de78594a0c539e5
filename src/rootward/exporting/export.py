"""`export`: a trained text model as a folder that other libraries load."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import torch
from safetensors.torch import save_file

from rootward.encoders import DualEncoder
from rootward.errors import InputError, RunFolderError
from rootward.evaluation import Report
from rootward.exporting.card import Format, card
from rootward.exporting.graph import write_graph
from rootward.exporting.modules import write_modules
from rootward.pairs.texts import what_is_read
from rootward.training import Run


def export(
    trained: Run | DualEncoder,
    folder: str | Path,
    format: Format = "sentence-transformers",
    *,
    report: Report | None = None,
) -> Path:
    """Write a text model for other libraries, with a model card (README.md) that shows its recall by distance.

    sentence-transformers: `SentenceTransformer(folder)` gives the vectors of `encode_queries(texts, lean=0)` by
    `encode_query` and the documents' by `encode_document`: documents="text" are read by their own tower, others are a
    table, asked for by their ids or, where it is theirs alone, by their names. Frozen and full towers become standard
    modules. A static tower, and the static half of a joint one, hashes its features, for which there is no standard
    module: its folder needs rootward installed and `SentenceTransformer(folder, trust_remote_code=True)`.

    onnx: `query.onnx`, from tokens (frozen, full), weighted features (static) or both (joint; for these two
    `rootward.exporting.graph.features_of` makes them of texts), to vectors; beside it `documents.safetensors` (tensor
    `documents`) and `documents.json` (their ids, row by row), and of an encoder `tokenizer.json`.

    Args:
        trained: a run, whose report goes into the card, or a model.
        folder: to be made; it must not be there yet, and is whole or not there.
        format: see above.
        report: for the card in place of the run's own, which is of the queries that it was trained on: such as
            `rw.evaluate(run.model, split.test)`.

    Returns:
        The folder.

    Raises:
        InputError: neither run nor model, no such format, a model that reads no texts or has a tower of one's own, a
            report that is none or of another model, or an encoder that cannot be written or gives other vectors than
            its modules.
        RunFolderError: the folder is there already, or cannot be made.
        MissingExtraError: sentence-transformers or onnx is needed and not installed.
    """
    if not isinstance(trained, Run | DualEncoder):
        raise InputError(
            f"export takes a run or a model, got {trained!r}; rw.Run.load(folder) and rw.DualEncoder.load(folder) read "
            "them."
        )
    model, own = (trained.model, trained.report) if isinstance(trained, Run) else (trained, None)
    if format not in get_args(Format):
        raise InputError(f"format must be one of {', '.join(map(repr, get_args(Format)))}, got {format!r}.")
    if not model.reads_texts:
        raise InputError(
            "This model looks its queries up and reads no texts, so there is nothing to export but its tables; "
            "model.query_vectors() and model.document_vectors() are these."
        )
    if report is not None:
        _check_report(report, model)
    shown = own if report is None else report
    folder = Path(folder)
    if folder.exists():
        raise RunFolderError(f"{folder} is there already; choose another folder to export to.")

    def fill(to: Path) -> None:
        write_modules(model, to) if format == "sentence-transformers" else _write_onnx(model, to)
        (to / "README.md").write_text(card(model, shown, format), encoding="utf-8")

    return _whole(folder, fill)


def _check_report(report: Report, model: DualEncoder) -> None:
    """Refuse what is no report, or one that cannot be of this model.

    Raises:
        InputError: see above.
    """
    if not isinstance(report, Report):
        raise InputError(
            f"report is what rw.evaluate gives or rw.Report.load reads; got {report!r}, a {type(report).__name__}."
        )
    measured, here = (report.dim, report.n_documents), (model.dim, len(model.document_ids))
    if measured != here:
        raise InputError(
            f"The report is of {measured[1]:,} documents at dim {measured[0]}, the model has {here[1]:,} at dim "
            f"{here[0]}. Measure this model: rw.evaluate(model, pairs)."
        )


def _write_onnx(model: DualEncoder, folder: Path) -> None:
    write_graph(model.query_tower, what_is_read(model.query_ids, model.query_texts), folder)
    documents = model.document_vectors().detach().to("cpu", torch.float32).contiguous()
    save_file({"documents": documents}, folder / "documents.safetensors")
    (folder / "documents.json").write_text(json.dumps(list(model.document_ids), ensure_ascii=False), encoding="utf-8")


def _whole(folder: Path, fill: Callable[[Path], None]) -> Path:
    """A folder that is filled under another name and gets its own when it is whole."""
    temporary = folder.with_name(f".{secrets.token_hex(6)}.{folder.name}")
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be made ({error.strerror}); choose another folder.") from error
    try:
        fill(temporary)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
