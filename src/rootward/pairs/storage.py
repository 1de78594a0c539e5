"""`Pairs` as one Parquet file that any Parquet reader opens.

One row a query, then one row a document; where both sides are the same nodes, one row a node with side "both":

    side        "query", "document" or "both"
    row         the integer by which `documents` names it, counted from 0 on each side
    id          the user's label
    documents   of a query: the rows of its relevant set S(q), nearest first
    distances   of a query: their hops, in the same order
    weight      of a query, how much it counts in training; only where some count more than others
    name, synonyms, definition     the texts, where there are any
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet
from pydantic import BaseModel, ConfigDict

from rootward.csr import check_offsets
from rootward.errors import InputError, TableError
from rootward.files import atomic_write, sha256_of
from rootward.folders import (
    CONFIG,
    PAIRS_FOLDER,
    check_files,
    checked_as,
    checksums,
    file_of,
    is_foreign,
    parse_json,
    read_config,
    read_whole,
    section,
    sections_in,
    write_config,
)
from rootward.ids import Ids, MappedIds, check_rows, load_npy
from rootward.pairs.arrays import PairArrays
from rootward.readers.labels import SAVED_KEY, LabelledPairs
from rootward.readers.limits import check_parquet, reading_arrow
from rootward.texts import Texts

VERSION = 1
PAIRS = "pairs.parquet"
"""The file name of the pairs in a run folder."""


def write_pairs(path: str | os.PathLike[str], pairs: PairArrays) -> Path:
    """Write `pairs` to one Parquet file, whole or not at all."""
    # Sources with one kind of node share their tables; so does what is read back.
    one_table = pairs.query_ids == pairs.document_ids and pairs.query_texts == pairs.document_texts
    sets: dict[str, Any] = {
        "documents": _ragged(pairs.offsets, pairs.documents),
        "distances": _ragged(pairs.offsets, pairs.distances),
    }
    if pairs.query_weights is not None:
        sets["weight"] = pa.array(pairs.query_weights)
    if one_table:
        table = _nodes("both", pairs.query_ids, pairs.query_texts, sets)
    else:
        none = np.zeros(pairs.n_documents + 1, np.int64)
        no_sets: dict[str, Any] = dict.fromkeys(sets, _ragged(none, np.empty(0, np.int32)))
        if "weight" in sets:
            no_sets["weight"] = pa.nulls(pairs.n_documents, pa.float64())
        queries = _nodes("query", pairs.query_ids, pairs.query_texts, sets)
        documents = _nodes("document", pairs.document_ids, pairs.document_texts, no_sets)
        table = pa.concat_tables([queries, documents])
    about = {
        "version": VERSION,
        "one_table": one_table,
        "query_texts": pairs.query_texts is not None,
        "document_texts": pairs.document_texts is not None,
        "notes": pairs.notes,
    }
    if pairs.query_ids.old or pairs.document_ids.old:
        about["old_ids"] = [dict(pairs.query_ids.old), dict(pairs.document_ids.old)]
    table = table.replace_schema_metadata({SAVED_KEY: json.dumps(about)})
    return atomic_write(path, lambda to: pyarrow.parquet.write_table(table, to, compression="zstd"))


def read_pairs(path: str | os.PathLike[str]) -> LabelledPairs:
    """Read what `write_pairs` wrote.

    Raises:
        TableError: no such file, not a file of pairs, damaged, or written by a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise TableError(f"There is no file {path} to load pairs from.")
    with reading_arrow(path.name):
        with pyarrow.parquet.ParquetFile(path) as parquet:
            check_parquet(parquet.metadata, path.stat().st_size, path.name)
            table = parquet.read()
        table.validate(full=True)
    with reading_arrow(path.name, "saved pairs", " Save the pairs again."):
        return _pairs_of(path, table)


def _pairs_of(path: Path, table: Any) -> LabelledPairs:
    """The pairs of a table that `write_pairs` made."""
    found = (table.schema.metadata or {}).get(SAVED_KEY)
    if found is None:
        raise TableError(
            f"{path.name} was not written by Pairs.save; read a table of labelled pairs with Pairs.from_table."
        )
    then = "It is damaged, or was not written by Pairs.save."
    try:
        values = parse_json(found)
    except ValueError as error:
        raise TableError(f"{path.name} cannot be read: {error}. {then}") from error
    version = values.get("version") if isinstance(values, dict) else None
    if type(version) is int and version > VERSION:
        raise TableError(
            f"{path.name} was written by a newer rootward (format {version}, this one reads up to {VERSION}); "
            f"update rootward to open it."
        )
    about = checked_as(Saved, values, path.name, then, TableError)
    old = about.old_ids
    try:
        if about.one_table:
            ids, texts = _side(path, table, "both", about.query_texts, old[0])
            both = LabelledPairs(ids, ids, *_triples(table), texts, texts)
        else:
            query_ids, query_texts = _side(path, table, "query", about.query_texts, old[0])
            document_ids, document_texts = _side(path, table, "document", about.document_texts, old[1])
            both = LabelledPairs(query_ids, document_ids, *_triples(table), query_texts, document_texts)
    except TableError:
        raise
    except (pa.ArrowException, InputError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise TableError(f"{path.name} cannot be read: {error}. {then}") from error
    weights = None
    if "weight" in table.column_names:
        weights = table["weight"].slice(0, len(both.query_ids)).to_numpy()
    return both._replace(notes=about.notes, query_weights=weights)


class Saved(BaseModel):
    """What a file of pairs says of itself; `old_ids` has what `Ids.old` has, by side."""

    model_config = ConfigDict(frozen=True)
    version: int
    one_table: bool
    query_texts: bool
    document_texts: bool
    notes: tuple[str, ...]
    old_ids: tuple[dict[str, str] | None, dict[str, str] | None] = (None, None)


# -- arrays and columns ------------------------------------------------------------------------------------------


def _nodes(side: str, ids: Ids, texts: Texts | None, sets: dict[str, Any]) -> Any:
    """One row a node of one side."""
    empty = pa.nulls(len(ids), pa.string())
    synonyms = pa.list_(pa.string())
    return pa.table(
        {
            "side": pa.repeat(pa.scalar(side), len(ids)),
            "row": pa.array(np.arange(len(ids), dtype=np.int32)),
            "id": pa.array(list(ids), pa.string()),
            **sets,
            "name": empty if texts is None else pa.array(texts.names, pa.string()),
            "synonyms": pa.nulls(len(ids), synonyms) if texts is None else pa.array(texts.synonyms, synonyms),
            "definition": empty if texts is None else pa.array(texts.definitions, pa.string()),
        }
    )


def _ragged(offsets: npt.NDArray[np.int64], values: npt.NDArray[np.int32]) -> Any:
    """CSR rows as a column of lists."""
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))


def _side(path: Path, table: Any, side: str, has_texts: bool, old: Any) -> tuple[Ids, Texts | None]:
    """The ids of one side, and its texts if it has any."""
    rows = table.filter(pa.compute.equal(table["side"], side))
    if not np.array_equal(rows["row"].to_numpy(), np.arange(rows.num_rows)):
        raise TableError(
            f"The rows of {path.name} are not in the order in which they were saved; save the pairs again."
        )
    return Ids(rows["id"].to_pylist(), old=old), Texts.from_table(rows) if has_texts else None


def _triples(table: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(query row, document row, distance) of every pair; queries stand before documents, so rows are query rows."""
    sizes = pa.compute.list_value_length(table["documents"]).to_numpy()
    queries = np.repeat(np.arange(len(sizes)), sizes)
    documents, distances = (
        pa.compute.list_flatten(table[name]).to_numpy().astype(np.int64) for name in ("documents", "distances")
    )
    return queries, documents, distances


MAPPED, IN_MEMORY = ("offsets", "documents", "distances"), ("generality", "heights")
SIDES = ("query_ids", "document_ids")
FILES = (*(f"{name}.npy" for name in (*MAPPED, *IN_MEMORY, *SIDES)), *(f"{name}.arrow" for name in SIDES))


KINDS: dict[str, npt.DTypeLike] = {
    "offsets": np.int64,
    "documents": np.int32,
    "distances": np.int32,
    "generality": np.int64,
    "heights": np.float32,
}

CHECKED_WHOLE = 1 << 30
"""Bytes of pairs up to which opening a folder reads all of it to compare checksums: half a second."""


class Mapped(NamedTuple):
    """The contents of a folder of pairs, mapped but for the two arrays with an entry a document."""

    query_ids: MappedIds
    document_ids: MappedIds
    offsets: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int32]
    distances: npt.NDArray[np.int32]
    generality: npt.NDArray[np.int64]
    heights: npt.NDArray[np.float32]
    notes: tuple[str, ...]


class PairsFolder(BaseModel):
    """The section "pairs" of `config.json`.

    Attributes:
        source: the file and options that the folder was made from; None where the source was no file.
        notes: on what was left out.
        fingerprint: of the contents of all files.
    """

    model_config = ConfigDict(frozen=True)
    source: dict[str, Any] | None
    notes: tuple[str, ...]
    fingerprint: str


def is_folder(path: object) -> bool:
    """Whether this is the path of a complete folder of pairs, by its `config.json`."""
    return isinstance(path, (str, os.PathLike)) and "pairs" in sections_in(Path(path))


def read_folder(folder: Path, verify: bool | None = None) -> Mapped:
    """Open a folder of pairs.

    Ids are always verified: checksums are compared, and every entry is in range. So are the arrays of pairs up to
    `CHECKED_WHOLE` bytes; of larger ones the lengths are compared, as that alone would read all of them.

    Args:
        folder: of the pairs.
        verify: True verifies everything, whatever its size; False the arrays of pairs only by their lengths.

    Raises:
        TableError: it is none, incomplete, damaged, or from a newer version.
    """
    read_about(folder)
    return read_whole(folder, PAIRS_FOLDER, lambda config: _read_folder(folder, config, verify))


def _read_folder(folder: Path, config: dict[str, Any], verify: bool | None) -> Mapped:
    about = section(folder, config, "pairs", PairsFolder, PAIRS_FOLDER)
    if lacking := sorted(set(FILES) - set(config["files"])):
        raise TableError(f"{folder / CONFIG} does not list {lacking[0]}. {PAIRS_FOLDER.remedy}.")
    arrays = [f"{name}.npy" for name in MAPPED]
    known = verify is None
    if verify is None:
        verify = sum(config["files"][name][0] for name in arrays) <= CHECKED_WHOLE
    check_files(folder, config, PAIRS_FOLDER, lengths_only=() if verify else arrays, known=known)

    def there(name: str) -> Path:
        return file_of(folder, config, name, PAIRS_FOLDER)

    try:
        sides = [MappedIds(there(f"{name}.arrow"), there(f"{name}.npy")) for name in SIDES]
        n_queries, n_documents = map(len, sides)
        lengths = {"offsets": n_queries + 1, "generality": n_documents, "heights": n_documents}
        loaded = {
            name: load_npy(there(f"{name}.npy"), KINDS[name], lengths.get(name), mapped=name in MAPPED)
            for name in (*MAPPED, *IN_MEMORY)
        }
        if len(loaded["documents"]) != len(loaded["distances"]):
            raise InputError(f"{folder} has {len(loaded['documents']):,} documents for another number of distances.")
        if verify:
            check_offsets(loaded["offsets"], len(loaded["documents"]), str(there("offsets.npy")))
            check_rows(there("documents.npy"), loaded["documents"], n_documents)
            if len(loaded["distances"]) and loaded["distances"].min() < 0:
                raise InputError(f"{there('distances.npy')} has a distance below 0.")
        if not np.isfinite(loaded["heights"]).all() or loaded["generality"].min(initial=0) < 0:
            raise InputError(f"{folder} has heights or generalities that are no such numbers.")
    except InputError as error:
        remedy = PAIRS_FOLDER.remedy
        raise TableError(f"{folder} is damaged: {error} {remedy}.") from error
    return Mapped._make([*sides, *loaded.values(), about.notes])


def verify_large(folder: Path) -> None:
    """Verify a folder of pairs that was too large to be verified when it was opened.

    Raises:
        TableError: it is damaged.
    """
    files = read_config(folder, PAIRS_FOLDER)["files"]
    if sum(files[f"{name}.npy"][0] for name in MAPPED) > CHECKED_WHOLE:
        read_folder(folder, verify=True)


def read_about(folder: Path) -> PairsFolder:
    """What the `config.json` of a folder of pairs says of it.

    Raises:
        TableError: it is no folder of pairs, incomplete, or from another version.
    """
    if not is_folder(folder):
        inside = folder / PAIRS
        if inside.is_file():
            raise TableError(
                f"{folder} is a folder; that of a run is {inside}. A whole run is loaded by rootward.Run.load."
            )
        if (folder / CONFIG).exists() and not is_foreign(folder) and not sections_in(folder):
            read_config(folder, PAIRS_FOLDER)  # says what is wrong with it
        state = "holds something else" if (folder / CONFIG).exists() else "is not whole"
        what = state if folder.is_dir() else "is no folder"
        raise TableError(
            f"{folder} {what}; needed are pairs as Pairs.from_table(table, on_disk={str(folder)!r}) writes them."
        )
    return section(folder, read_config(folder, PAIRS_FOLDER), "pairs", PairsFolder, PAIRS_FOLDER)


def finish(scratch: Path, folder: Path, source: dict[str, Any] | None, notes: tuple[str, ...]) -> None:
    """Move all files from another folder of the same disk, and write `config.json`, which makes the folder complete."""
    files = checksums(scratch, FILES)
    for name in FILES:
        atomic_write(folder / name, lambda to, name=name: os.replace(scratch / name, to), links=False)  # type: ignore[misc]
    fingerprint = sha256_of([json.dumps(files, sort_keys=True).encode()])[:16]
    write_config(folder, {"pairs": {"source": source, "notes": notes, "fingerprint": fingerprint}}, files)
