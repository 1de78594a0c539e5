"""A dual encoder as a folder: `model.safetensors`, `ids.parquet`, `texts.parquet` and the `config.json` over them.

`config.json` is written last and holds every other file's checksum, so a folder with a `config.json` is whole.

    model.safetensors  `queries` (n_queries x dim) and `documents` (n_documents x dim), exactly as scored: float32, or
                       float64 for constructions that need it;
                       of a text tower instead `queries.tokens` (float32, features x dim), `queries.hashes` (int64),
                       `queries.idf` (float32) and `queries.anchors` (int64 rows), of documents tied to it
                       `documents.offsets` (float32, n_documents x dim); on an encoder `queries.head` (float32, width x
                       dim, or with `queries.head2` two matrices), of a joint tower all of these;
                       int64 `generality` and float32 `heights` (n_documents);
                       `thresholds` of the same type (n_queries, NaN where unknown)
    ids.parquet        side ("query" or "document"), row, id; where ids are on disk instead `query_ids.arrow`,
                       `query_ids.npy` and the same of documents, see `rootward.ids`
    texts.parquet      side, row, name, synonyms, definition; only where the source had names
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rootward.encoders.features import Grams, Vocabulary
from rootward.encoders.frozen import FrozenTower
from rootward.encoders.full import FullTower, weights_of
from rootward.encoders.joint import JointTower
from rootward.encoders.pretrained import Encoder, cache_folder, kept_before, outputs_of
from rootward.encoders.static import Reader, StaticTower, TiedTower
from rootward.encoders.towers import LookupTower, Table, Tower
from rootward.errors import RunFolderError
from rootward.files import atomic_write
from rootward.folders import CONFIG, check_files, checksums, read_config, write_config
from rootward.ids import Ids, MappedIds
from rootward.texts import Texts, what_is_read

MODEL, IDS, TEXTS = "model.safetensors", "ids.parquet", "texts.parquet"
MAPPED = {"query": "query_ids", "document": "document_ids"}


@dataclass(frozen=True)
class Stored:
    """What a model folder holds: tensors by name; ids, texts and tower settings by side, "query" or "document"."""

    tensors: dict[str, Tensor]
    ids: dict[str, Ids]
    texts: dict[str, Texts | None]
    towers: Mapping[str, Mapping[str, Any]]


def write_model(folder: Path, stored: Stored, config: Mapping[str, Any], more_files: tuple[str, ...] = ()) -> None:
    """Write a model folder; every file to a temporary name first, `config.json` last.

    Args:
        folder: made if it is not there. Files of the same names are replaced.
        stored: what to write.
        config: sections of `config.json` of the caller's own, JSON values only.
        more_files: names of files that stand in the folder already and get a checksum too.
    """
    atomic_write(folder / MODEL, lambda path: save_file(stored.tensors, path))
    names = [MODEL, *_write_ids(folder, stored.ids)]
    if any(texts is not None for texts in stored.texts.values()):
        table = _texts_table(stored.texts)
        atomic_write(folder / TEXTS, lambda path: pq.write_table(table, path, compression="zstd"))
        names.append(TEXTS)
    write_config(folder, {**config, "towers": stored.towers}, checksums(folder, (*names, *more_files)))


def read_model(folder: Path) -> Stored:
    """Read a model folder, every checksum checked.

    Raises:
        RunFolderError: see `read_config` and `check_files`; or tensors and ids that do not belong together.
    """
    config = read_config(folder)
    check_files(folder, config)
    files = config.get("files", {})
    mapped = all(f"{name}.arrow" in files for name in MAPPED.values())
    for name in (MODEL,) if mapped else (MODEL, IDS):
        if name not in files:
            raise RunFolderError(f"{folder} holds no trained model yet ({name} is not listed in {CONFIG}).")
    try:
        tensors = load_file(folder / MODEL)
        ids = _mapped_ids(folder) if mapped else _read_ids(folder)
    except (SafetensorError, pa.ArrowInvalid, OSError) as error:
        raise RunFolderError(f"{folder} cannot be read: {error}") from error
    towers = towers_in(config)
    for side, name in (("query", "queries"), ("document", "documents")):
        fits = towers[side]["kind"] != "lookup" or (name in tensors and len(tensors[name]) == len(ids[side]))
        if not fits:
            raise RunFolderError(
                f"{folder}: {MODEL} has no {name!r} with one row for each of the {len(ids[side])} ids."
            )
    return Stored(tensors, ids, read_texts(folder, config, ids), towers)


def towers_in(config: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The settings of both towers."""
    found: Mapping[str, Mapping[str, Any]] = config["towers"]
    return found


def read_texts(folder: Path, config: Mapping[str, Any], ids: Mapping[str, Ids]) -> dict[str, Texts | None]:
    """The texts of a model folder by side, None where it has none; `check_files` comes before.

    Raises:
        RunFolderError: texts of other ids.
    """
    if TEXTS not in config["files"]:
        return {"query": None, "document": None}
    return _texts_of(folder / TEXTS, ids)


# -- tables ------------------------------------------------------------------------------------------------------


def _write_ids(folder: Path, ids: Mapping[str, Ids]) -> list[str]:
    """Write the ids of both sides; the names of the files."""
    mapped = {side: labels for side, labels in ids.items() if isinstance(labels, MappedIds)}
    if len(mapped) == len(ids):
        return [name for side, labels in mapped.items() for name in labels.copy_to(folder, MAPPED[side])]
    atomic_write(folder / IDS, lambda path: pq.write_table(_ids_table(ids), path, compression="zstd"))
    return [IDS]


def _mapped_ids(folder: Path) -> dict[str, Ids]:
    return {side: MappedIds(folder, name) for side, name in MAPPED.items()}


def _read_ids(folder: Path) -> dict[str, Ids]:
    rows = pq.read_table(folder / IDS)
    return {side: _ids_of(rows, side) for side in ("query", "document")}


def _ids_table(ids: Mapping[str, Ids]) -> pa.Table:
    sides = [side for side, labels in ids.items() for _ in range(len(labels))]
    rows = np.concatenate([np.arange(len(labels)) for labels in ids.values()])
    return pa.table({"side": sides, "row": rows, "id": [label for labels in ids.values() for label in labels]})


def _ids_of(table: pa.Table, side: str) -> Ids:
    part = table.filter(pa.compute.equal(table["side"], side)).sort_by("row")
    return Ids(part["id"].to_pylist())


def _texts_table(texts: Mapping[str, Texts | None]) -> pa.Table:
    """One row a text. Where both sides are one and the same they are written once, as side "both"."""
    if texts["query"] is not None and texts["query"] == texts["document"]:
        texts = {"both": texts["query"]}
    parts = [(side, part) for side, part in texts.items() if part is not None]
    return pa.table(
        {
            "side": pa.array([side for side, part in parts for _ in range(len(part))], pa.string()),
            "row": np.concatenate([np.arange(len(part)) for _, part in parts]),
            "name": pa.array([x for _, part in parts for x in part.names], pa.string()),
            "synonyms": pa.array([x for _, part in parts for x in part.synonyms], pa.list_(pa.string())),
            "definition": pa.array([x for _, part in parts for x in part.definitions], pa.string()),
        }
    )


def _texts_of(path: Path, ids: Mapping[str, Ids]) -> dict[str, Texts | None]:
    table = pq.read_table(path)
    present = set(table["side"].unique().to_pylist())
    found: dict[str, Texts | None] = {}
    for side in ("query", "document"):
        written = "both" if "both" in present else side
        if written not in present:
            found[side] = None
        elif written == "both" and side == "document":
            found[side] = found["query"]
        else:
            part = table.filter(pa.compute.equal(table["side"], written)).sort_by("row")
            synonyms = tuple(tuple(names) for names in part["synonyms"].to_pylist())
            found[side] = Texts(tuple(part["name"].to_pylist()), synonyms, tuple(part["definition"].to_pylist()))
        texts = found[side]
        if texts is not None and len(texts) != len(ids[side]):
            raise RunFolderError(f"{path} has {len(texts)} {side} texts for {len(ids[side])} ids.")
    return found


@dataclass(frozen=True)
class Again:
    """How the texts of a tower on an encoder are read again.

    Attributes:
        encoder: in place of the one that the settings name.
        cache: folder of the outputs, in place of the one that the settings name; that one where it is still there,
            else as `cache_folder` has it.
        progress: show how far a frozen encoder has read.
    """

    encoder: Any = None
    cache: str | Path | None = None
    progress: bool = False


def tensors_of(query_tower: Tower, document_tower: Tower) -> dict[str, Tensor]:
    """Every tensor of both towers; "queries" and "documents" are tables of vectors, exactly as scored.

    What both towers share is there once, under the query tower's name.
    """
    found: dict[str, Tensor] = {}
    for side, tower in (("queries", query_tower), ("documents", document_tower)):
        for name, tensor in tower.tensors().items():
            if not any(tensor is other for other in found.values()):
                found[side if name == "vectors" else f"{side}.{name}"] = tensor
    return found


def tables_of(query_tower: Tower, document_tower: Tower) -> dict[str, Table]:
    """Those of the tensors that training changes."""
    tables = [*query_tower.tables(), *document_tower.tables()]
    return {
        name: next(table for table in tables if table.rows is tensor)
        for name, tensor in tensors_of(query_tower, document_tower).items()
        if any(table.rows is tensor for table in tables)
    }


def towers_from(
    settings: Mapping[str, Mapping[str, Any]],
    tensors: Mapping[str, Tensor],
    ids: Mapping[str, Ids],
    texts: Mapping[str, Texts | None],
    again: Again = Again(),
) -> tuple[Tower, Tower]:
    """Query tower and document tower from what `tensors_of` and `Tower.settings` gave, rows in the order of `ids`.

    Args:
        settings, tensors, ids, texts: of both sides.
        again: of a tower on an encoder.

    Raises:
        RunFolderError: a tensor is missing or has other rows, or a kind of tower that this version does not know.
        InputError, MissingExtraError: an encoder that is needed and cannot be used.
    """
    encoded = {side: what_is_read(ids[side], texts[side]) for side in ("query", "document")}
    of_query, of_document = settings["query"], settings["document"]
    query = _tower(of_query, tensors, "queries", encoded["query"], again)
    if of_document["kind"] not in ("tied", of_query["kind"]) or not isinstance(query, Reader):
        return query, _tower(of_document, tensors, "documents", encoded["document"], again)
    named = query.reading(encoded["document"])
    if of_document["kind"] == "tied":
        return query, TiedTower(named, _tensor(tensors, "documents.offsets", len(ids["document"])))
    own = {id(rows): tensors.get(f"documents.{name}", rows) for name, rows in _tables(query).items()}
    return query, named.mapped(lambda rows: own[id(rows)])


def _tables(tower: Tower) -> dict[str, Tensor]:
    tables = [table.rows for table in tower.tables()]
    return {name: tensor for name, tensor in tower.tensors().items() if any(tensor is rows for rows in tables)}


def _tower(
    settings: Mapping[str, Any], tensors: Mapping[str, Tensor], side: str, texts: Sequence[str], again: Again
) -> Tower:
    if settings["kind"] == "lookup":
        return LookupTower(_tensor(tensors, side, len(texts)), settings.get("unit", True))
    if settings["kind"] == "static":
        return _static(settings, tensors, side, texts)
    if settings["kind"] == "frozen":
        return _frozen(settings, tensors, side, texts, again)
    if settings["kind"] == "joint":
        frozen = _frozen(settings["frozen"], tensors, side, texts, again)
        return JointTower(_static(settings["static"], tensors, side, texts), frozen)
    if settings["kind"] == "full":
        return _full(settings, tensors, side, texts, again)
    raise RunFolderError(
        f"A tower of kind {settings['kind']!r} is not known here: it is of a newer rootward, or one's own. Put the "
        "model together from its towers: DualEncoder(query_tower, document_tower, ...)."
    )


def _static(settings: Mapping[str, Any], tensors: Mapping[str, Tensor], side: str, texts: Sequence[str]) -> StaticTower:
    hashes = _tensor(tensors, f"{side}.hashes")
    vocabulary = Vocabulary(Grams(**settings["grams"]), hashes, _tensor(tensors, f"{side}.idf", len(hashes)))
    tokens = _tensor(tensors, f"{side}.tokens", len(hashes))
    anchors = _tensor(tensors, f"{side}.anchors")
    return StaticTower(vocabulary, tokens, vocabulary.bags_of_rows(texts), anchors, settings["drop"])


def _frozen(
    settings: Mapping[str, Any], tensors: Mapping[str, Tensor], side: str, texts: Sequence[str], again: Again
) -> FrozenTower:
    opened = Encoder.again(settings, again.encoder)
    cache = kept_before(settings.get("cache")) if again.cache is None else cache_folder(again.cache)
    read, anchors = outputs_of(opened, texts, cache, again.progress), _tensor(tensors, f"{side}.anchors")
    return FrozenTower(opened, _head(tensors, side), read, anchors, settings["drop"], cache)


def _full(
    settings: Mapping[str, Any], tensors: Mapping[str, Tensor], side: str, texts: Sequence[str], again: Again
) -> FullTower:
    opened = Encoder.again(settings, again.encoder)
    weights = {name: _tensor(tensors, f"{side}.weights.{name}", len(rows)) for name, rows in weights_of(opened).items()}
    head, anchors = _head(tensors, side), _tensor(tensors, f"{side}.anchors")
    return FullTower(opened, weights, head, texts, anchors, settings["drop"], settings["chunk"], settings["pace"])


def _head(tensors: Mapping[str, Tensor], side: str) -> tuple[Tensor, ...]:
    second = (tensors[f"{side}.head2"],) if f"{side}.head2" in tensors else ()
    return (_tensor(tensors, f"{side}.head"), *second)


def _tensor(tensors: Mapping[str, Tensor], name: str, rows: int | None = None) -> Tensor:
    if name not in tensors or rows not in (None, len(tensors[name])):
        fitting = "" if rows is None else f" with one row for each of the {rows} {'features' if '.' in name else 'ids'}"
        raise RunFolderError(f"The model has no {name!r}{fitting}. Restore the run's files or train again.")
    return tensors[name]
