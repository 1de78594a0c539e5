"""`export`: a trained text model as a folder that other libraries load."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors.torch import save_file

from rootward.encoders import DualEncoder
from rootward.errors import InputError, RunFolderError
from rootward.exporting.card import card
from rootward.exporting.graph import write_graph
from rootward.exporting.modules import write_modules
from rootward.training import Run

Format = Literal["sentence-transformers", "onnx"]


def export(trained: Run | DualEncoder, folder: str | Path, format: Format = "sentence-transformers") -> Path:
    """Write a text model for other libraries, with a model card (README.md) that shows its recall by distance.

    sentence-transformers: `SentenceTransformer(folder)` gives the vectors of `encode_queries(texts, lean=0)` by
    `encode_query` and the documents' by `encode_document`: documents="text" are read by their own tower, others are a
    table, asked for by their ids or, where it is theirs alone, by their names. Frozen encoders become standard modules;
    a static tower hashes its features, for which there is no standard module: its folder needs rootward installed and
    `SentenceTransformer(folder, trust_remote_code=True)`.

    onnx: `query.onnx`, from tokens (frozen), or weighted features (static: `rootward.exporting.graph.features_of`), to
    vectors; beside it `documents.safetensors` (tensor `documents`) and `documents.json` (their ids, row by row).

    Args:
        trained: a run, whose report goes into the card, or a model.
        folder: to be made; it must not be there yet, and is whole or not there.
        format: see above.

    Returns:
        The folder.

    Raises:
        InputError: no such format, or a model that reads no texts, has a joint tower or one of one's own, or
            reads with an encoder that cannot be written.
        RunFolderError: the folder is there already.
        MissingExtraError: sentence-transformers or onnx is needed and not installed.
    """
    model, report = (trained.model, trained.report) if isinstance(trained, Run) else (trained, None)
    if format not in get_args(Format):
        raise InputError(f"format must be one of {', '.join(map(repr, get_args(Format)))}, got {format!r}.")
    if not model.reads_texts:
        raise InputError(
            "This model looks its queries up and reads no texts, so there is nothing to export but its tables; "
            "model.query_vectors() and model.document_vectors() are these."
        )
    folder = Path(folder)
    if folder.exists():
        raise RunFolderError(f"{folder} is there already; choose another folder to export to.")

    def fill(to: Path) -> None:
        write_modules(model, to) if format == "sentence-transformers" else _write_onnx(model, to)
        (to / "README.md").write_text(card(model, report, format), encoding="utf-8")

    return _whole(folder, fill)


def _write_onnx(model: DualEncoder, folder: Path) -> None:
    write_graph(model.query_tower, folder)
    documents = model.document_vectors().detach().to("cpu", torch.float32).contiguous()
    save_file({"documents": documents}, folder / "documents.safetensors")
    (folder / "documents.json").write_text(json.dumps(list(model.document_ids), ensure_ascii=False), encoding="utf-8")


def _whole(folder: Path, fill: Callable[[Path], None]) -> Path:
    """A folder that is filled under another name and gets its own when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{secrets.token_hex(6)}.{folder.name}")
    temporary.mkdir()
    try:
        fill(temporary)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
