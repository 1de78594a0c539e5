"""A dual encoder as a folder: `model.safetensors`, `ids.parquet`, `texts.parquet` and the `config.json` over them.

model.safetensors  `queries` (n_queries x dim) and `documents` (n_documents x dim), exactly as scored: float32, or
                   float64 for constructions that need it;
                   of a text tower instead `queries.tokens` (float32, features x dim), `queries.hashes` (int64),
                   `queries.idf` (float32) and `queries.anchors` (int64 rows), of documents tied to it
                   `documents.offsets` (float32, n_documents x dim); on an encoder `queries.head` (float32, width x
                   dim, or with `queries.head2` two matrices), of a joint tower all of these;
                   int64 `generality` and float32 `heights` (n_documents);
                   `thresholds` of the same type (n_queries, NaN where unknown)
ids.parquet        side ("query" or "document"), row, id; where ids are on disk instead `query_ids.arrow`,
                   `query_ids.npy` and the same of documents, see `rootward.ids`; its metadata has `Ids.old` by side
texts.parquet      side, row, name, synonyms, definition; only where the source had names
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rootward.errors import InputError, RunFolderError
from rootward.folders import (
    CONFIG,
    RUN_FOLDER,
    Generation,
    checking,
    file_of,
    read_whole,
    section,
    sections_in,
    writing_to,
)
from rootward.ids import Ids, MappedIds
from rootward.texts import Texts

MODEL, IDS, TEXTS = "model.safetensors", "ids.parquet", "texts.parquet"
_OLD_IDS = b"rootward.old_ids"
MAPPED = {"query": "query_ids", "document": "document_ids"}


@dataclass(frozen=True)
class Stored:
    """What a model folder holds: tensors by name; ids, texts and tower settings by side, "query" or "document"."""

    tensors: dict[str, Tensor]
    ids: dict[str, Ids]
    texts: dict[str, Texts | None]
    towers: Mapping[str, Mapping[str, Any]]


class TowerSettings(BaseModel):
    """Settings of a tower in `config.json`; each kind of tower has more of its own."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: str


class Towers(BaseModel):
    """The section "towers" of `config.json`."""

    model_config = ConfigDict(frozen=True)
    query: TowerSettings
    document: TowerSettings

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The settings of both towers by side.

        Raises:
            RunFolderError: there are none, or none of towers.
        """
        found: dict[str, dict[str, Any]] = section(folder, config, "towers", cls).model_dump()
        return found


def write_model(
    folder: Path,
    stored: Stored,
    config: Mapping[str, Any],
    more_files: Mapping[str, Callable[[Path], object] | None],
) -> None:
    """Write the next generation of a model folder, as `DualEncoder.save` does.

    Raises:
        InUseError: another process writes it.
        RunFolderError: it holds an index, pairs or a classifier.
    """
    with writing_to(folder, "DualEncoder.save"), Generation(folder) as new:
        held = sections_in(folder)
        for what in ("index", "pairs", "classifier"):
            if what in held:
                raise RunFolderError(f"{folder} holds the {what} of a model; a model needs a folder of its own.")
        new.write(MODEL, lambda path: save_file(stored.tensors, path))
        mapped = {side: labels for side, labels in stored.ids.items() if isinstance(labels, MappedIds)}
        if len(mapped) == len(stored.ids):
            for side, labels in mapped.items():
                labels.copy(MAPPED[side], new.write)
        else:
            table = _ids_table(stored.ids)
            new.write(IDS, lambda path: pq.write_table(table, path, compression="zstd"))
        if any(texts is not None for texts in stored.texts.values()):
            texts_table = _texts_table(stored.texts)
            new.write(TEXTS, lambda path: pq.write_table(texts_table, path, compression="zstd"))
        for name, write in more_files.items():
            if write is None:
                new.keep(name)
            else:
                new.write(name, write)
        new.commit({**config, "towers": stored.towers})


def read_model(folder: Path) -> Stored:
    """Read a model folder, every checksum checked.

    Raises:
        RunFolderError: see `read_config` and `check_files`; or tensors and ids that do not belong together.
    """

    def read(config: dict[str, Any]) -> Stored:
        with checking(folder, config):
            return _read_model(folder, config)

    return read_whole(folder, RUN_FOLDER, read)


def _read_model(folder: Path, config: Mapping[str, Any]) -> Stored:
    files = config["files"]
    mapped = all(f"{name}{suffix}" in files for name in MAPPED.values() for suffix in (".arrow", ".npy"))
    for name in (MODEL,) if mapped else (MODEL, IDS):
        if name not in files or "towers" not in config:
            raise RunFolderError(f"{folder} holds no trained model yet ({name} is not listed in {CONFIG}).")
    towers = Towers.read(folder, config)

    def there(name: str) -> Path:
        return file_of(folder, config, name)

    try:
        tensors = load_file(there(MODEL))
        if mapped:
            ids: dict[str, Ids] = {
                side: MappedIds(there(f"{name}.arrow"), there(f"{name}.npy")) for side, name in MAPPED.items()
            }
        else:
            table = pq.read_table(there(IDS))
            old = json.loads((table.schema.metadata or {}).get(_OLD_IDS, b"{}"))
            ids = {side: Ids(_rows_of(table, side)["id"].to_pylist(), old=old.get(side)) for side in MAPPED}
    except (SafetensorError, pa.ArrowException, OSError, InputError, *_UNFIT) as error:
        raise RunFolderError(f"{folder} cannot be read: {error}") from error
    for side, name in (("query", "queries"), ("document", "documents")):
        if towers[side]["kind"] == "lookup" and (
            name not in tensors or tensors[name].ndim != 2 or len(tensors[name]) != len(ids[side])
        ):
            raise RunFolderError(
                f"{folder}: {MODEL} has no {name!r} with one row for each of the {len(ids[side])} ids."
            )
    needed = {"generality": ("document", torch.int64), "heights": ("document", torch.float32)}
    for name, (side, kind) in needed.items():
        if name not in tensors or tensors[name].shape != (len(ids[side]),) or tensors[name].dtype != kind:
            raise RunFolderError(f"{folder}: {MODEL} has no {name!r} ({kind}) with a number for each {side}.")
    thresholds = tensors.get("thresholds")
    if thresholds is None or thresholds.shape != (len(ids["query"]),) or not thresholds.is_floating_point():
        raise RunFolderError(f"{folder}: {MODEL} has no 'thresholds' with a number for each query.")
    return Stored(tensors, ids, read_texts(folder, config, ids), towers)


_UNFIT = (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, OverflowError)
"""What Python raises where values of a file are not what code expects: names, types, sizes."""


def read_texts(folder: Path, config: Mapping[str, Any], ids: Mapping[str, Ids]) -> dict[str, Texts | None]:
    """The texts of a model folder by side, None where it has none; `check_files` comes before.

    Raises:
        RunFolderError: no texts, or texts of other ids.
    """
    found: dict[str, Texts | None] = dict.fromkeys(MAPPED)
    if TEXTS not in config["files"]:
        return found
    path = file_of(folder, config, TEXTS)
    try:
        table = pq.read_table(path)
        present = set(table["side"].unique().to_pylist())
        for side in MAPPED:
            if "both" in present and side == "document":
                found[side] = found["query"]
            elif present & {side, "both"}:
                found[side] = Texts.from_table(_rows_of(table, "both" if "both" in present else side))
    except (pa.ArrowException, OSError, *_UNFIT) as error:
        raise RunFolderError(f"{path} cannot be read: {error}") from error
    for side, texts in found.items():
        if texts is not None and len(texts) != len(ids[side]):
            raise RunFolderError(f"{path} has {len(texts)} {side} texts for {len(ids[side])} ids.")
    return found


def _rows_of(table: pa.Table, side: str) -> pa.Table:
    return table.filter(pa.compute.equal(table["side"], side)).sort_by("row")


def _ids_table(ids: Mapping[str, Ids]) -> pa.Table:
    sides = [side for side, labels in ids.items() for _ in range(len(labels))]
    rows = np.concatenate([np.arange(len(labels)) for labels in ids.values()])
    table = pa.table({"side": sides, "row": rows, "id": [label for labels in ids.values() for label in labels]})
    old = {side: dict(labels.old) for side, labels in ids.items() if labels.old}
    return table.replace_schema_metadata({_OLD_IDS: json.dumps(old)}) if old else table


def _texts_table(texts: Mapping[str, Texts | None]) -> pa.Table:
    """One row a text. Where both sides are one and the same they are written once, as side "both"."""
    if texts["query"] is not None and texts["query"] == texts["document"]:
        texts = {"both": texts["query"]}
    return pa.concat_tables(
        pa.table({"side": pa.repeat(side, len(each)), "row": np.arange(len(each)), **each.columns()})
        for side, each in texts.items()
        if each is not None
    )
