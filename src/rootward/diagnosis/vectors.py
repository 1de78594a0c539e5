"""Vectors from files and encoders, and the pairs in the order of their rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from rootward.csr import load_array
from rootward.encoders.pretrained import opened_by_name
from rootward.errors import InputError, TableError, UnknownIdError, did_you_mean
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.readers.tables import read_columns
from rootward.texts import Texts, what_is_read

Side = Literal["query", "document"]
Vectors = npt.NDArray[np.floating[Any]]


def read_vectors(path: str | os.PathLike[str], side: Side, tensor: str | None = None) -> Vectors:
    """A matrix of vectors from an .npy or .safetensors file.

    Args:
        path: of the file.
        side: which side they are of.
        tensor: its name in a .safetensors file; None takes the only tensor, or the one called "queries" or
            "documents", by the side.

    Raises:
        TableError: no such file, or one that holds no matrix of numbers.
        InputError: another suffix, or no such tensor.
    """
    path = Path(path)
    if path.suffix not in (".npy", ".safetensors"):
        raise InputError(f"Vectors are read from .npy or .safetensors, got {os.fspath(path)!r}.")
    if not path.is_file():
        raise TableError(f"There is no file {path} to read {side} vectors from.")
    try:
        found = load_array(path) if path.suffix == ".npy" else _tensor(path, side, tensor)
    except (SafetensorError, ValueError, TypeError, LookupError, MemoryError, EOFError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise TableError(f"{path.name} cannot be read as {path.suffix.removeprefix('.')}: {error}") from error
    if found.ndim != 2 or found.dtype.kind not in "fiu":
        raise TableError(f"{path.name} must hold a matrix of numbers, one row an id, got {found.dtype} {found.shape}.")
    return np.asarray(found, np.float64 if found.dtype == np.float64 else np.float32)


def _tensor(path: Path, side: Side, name: str | None) -> npt.NDArray[Any]:
    with safe_open(path, "pt") as file:  # torch knows bfloat16, numpy does not
        there = list(file.keys())
        wanted = name or (there[0] if len(there) == 1 else {"query": "queries", "document": "documents"}[side])
        if wanted not in there:
            raise InputError(
                f"{path.name} has no tensor {wanted!r}; it holds {', '.join(map(repr, there))}."
                f"{did_you_mean(wanted, there)} Name the one that holds the {side} vectors."
            )
        return np.asarray(file.get_tensor(wanted).float().numpy())


def read_ids(path: str | os.PathLike[str]) -> Ids:
    """The ids of a table of vectors: a .txt file with one a line, or the column `id` of a .csv, .tsv or .parquet.

    Raises:
        TableError: no such file, or no ids in it.
        InputError: an id that is empty or there twice.
    """
    path = Path(path)
    if path.suffix != ".txt":
        return Ids(read_columns(path, ("id",))["id"].to_pylist())
    if not path.is_file():
        raise TableError(f"There is no file {path} to read ids from.")
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    if not lines:
        raise TableError(f"{path.name} is empty; one id a line is needed.")
    return Ids(lines)


def with_rows_of(pairs: Pairs, query_ids: Ids | None, document_ids: Ids | None) -> Pairs:
    """The same pairs over tables of vectors with these ids, row by row; None keeps a side's own.

    Ids that only the tables have stay: their documents compete.

    Raises:
        UnknownIdError: a pair of an id that the table has no vector for.
    """
    queries, documents = query_ids or pairs.query_ids, document_ids or pairs.document_ids
    return Pairs.from_arrays(
        queries,
        documents,
        _rows(pairs.query_ids, queries, pairs.query_of, "query"),
        _rows(pairs.document_ids, documents, pairs.documents, "document"),
        pairs.distances,
    )


def _rows(ids: Ids, table: Ids, used: npt.NDArray[np.integer], side: Side) -> npt.NDArray[np.int64]:
    rows = table.find(ids)
    missing = np.unique(used[rows[used] < 0])
    if len(missing):
        named = ", ".join(repr(ids[row]) for row in missing[:3].tolist())
        raise UnknownIdError(
            f"The pairs need {len(missing):,} {side} ids that the {side} vectors do not have: {named}"
            f"{', ...' if len(missing) > 3 else '.'}{did_you_mean(ids[int(missing[0])], table)} "
            f"Give the ids of the vectors, row by row, or pairs of the same ids."
        )
    return np.asarray(rows[used], np.int64)


def check_count(vectors: Vectors, ids: Ids, side: Side, given: bool) -> None:
    """Refuse a table with another number of rows than there are ids.

    Raises:
        InputError: the numbers differ.
    """
    if len(vectors) != len(ids):
        whose = "the id file" if given else "the pairs"
        what = "" if given else f" Name the id of each row in a file: --{side}-ids FILE."
        raise InputError(f"There are {len(vectors):,} {side} vectors and {len(ids):,} {side} ids in {whose}.{what}")


def encoded(encoder: str, pairs: Pairs) -> tuple[Vectors, Vectors]:
    """Query and document vectors of a sentence-transformers model: of each id's name, or of the id itself.

    Args:
        encoder: name or folder of the model.
        pairs: their texts where they have some.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
        InputError: the model cannot be loaded.
    """
    model = opened_by_name(encoder)

    def encode(ids: Ids, texts: Texts | None) -> Vectors:
        names = list(what_is_read(ids, texts))
        return np.asarray(model.encode(names, convert_to_numpy=True, normalize_embeddings=True), np.float32)

    queries = encode(pairs.query_ids, pairs.query_texts)
    if pairs.query_ids == pairs.document_ids and pairs.query_texts == pairs.document_texts:
        return queries, queries
    return queries, encode(pairs.document_ids, pairs.document_texts)
