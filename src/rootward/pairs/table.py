"""Labelled (query, document) tables, such as clicks or ESCI: no graph, only labels that stand for distances."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rootward.errors import InputError, PairsError, TableError, did_you_mean
from rootward.pairs.columns import Columns, Format, Source, read_columns, shown
from rootward.pairs.ids import Ids, Rows
from rootward.pairs.parts import Parts
from rootward.pairs.storage import is_saved

MOST_HOPS = 2**31 - 1
_WHOLE = re.compile(r"([0-9]+)(\.0*)?")  # Parquet writers make 1.0 of a column of integers with a gap


def read_table(
    source: Source,
    *,
    query: str = "query",
    document: str = "document",
    distance: str = "distance",
    levels: Mapping[str, int] | None = None,
    format: Format | None = None,
) -> Parts:
    """The parts of `Pairs` out of a table with one row a pair; `Pairs.from_table` says what is read and refused."""
    hops_of = None if levels is None else check_levels(levels)
    try:
        columns = read_columns(source, (query, document, distance), format=format)
    except TableError:
        if is_saved(source):
            raise TableError(f"{source} was written by Pairs.save; open it with Pairs.load.") from None
        raise
    query_ids, queries = _id_table(columns, query, "query")
    document_ids, documents = _id_table(columns, document, "document")
    hops = hops_in(columns, distance, hops_of)
    kept, notes = _once_each(columns, query_ids, document_ids, queries, documents, hops)
    return Parts(query_ids, document_ids, queries[kept], documents[kept], hops[kept], notes=notes)


def check_levels(levels: Mapping[str, int]) -> dict[str, int]:
    """The levels with their labels as text.

    Raises:
        InputError: no levels, or a distance that is not a whole number from 0.
    """
    if not levels:
        raise InputError('levels is empty; give each label its distance, such as {"exact": 0, "substitute": 1}.')
    for label, hops in levels.items():
        if isinstance(hops, bool) or not isinstance(hops, (int, np.integer)) or not 0 <= hops <= MOST_HOPS:
            raise InputError(f"levels gives {label!r} the distance {hops!r}; a whole number from 0 is needed.")
    return {str(label): int(hops) for label, hops in levels.items()}


def _coded(column: Any) -> tuple[list[str], Rows]:
    """The different texts of a column in order of first appearance, and which of them each row holds."""
    coded = column.dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _first(codes: Rows, code: int) -> int:
    """The first row that holds this code."""
    return int(np.argmax(codes == code))


def _id_table(columns: Columns, name: str, side: str) -> tuple[Ids, Rows]:
    """The ids of one column in order of first appearance, and the id of each row."""
    labels, codes = check_ids(columns, name, side)
    return Ids(labels, what=f"{side} id"), codes


def check_ids(columns: Columns, name: str, side: str) -> tuple[list[str], Rows]:
    """The different ids of one column in order of first appearance, and which of them each row holds.

    Raises:
        TableError: one is empty; the message names file and row.
    """
    labels, codes = _coded(columns[name])
    for code, label in enumerate(labels):
        if not label.strip():
            raise TableError(
                f"{_start(columns, _first(codes, code))}: the {side} id (column {name!r}) is empty; "
                f"fill it in or drop the row."
            )
    return labels, codes


def hops_in(columns: Columns, name: str, levels: Mapping[str, int] | None) -> npt.NDArray[np.int64]:
    """The distance of each row: each different text is understood once.

    Raises:
        TableError: a text that is no distance, or no label of these levels; the message names file and row.
    """
    labels, codes = _coded(columns[name])
    hops = np.empty(len(labels), np.int64)
    for code, label in enumerate(labels):
        found = _whole_number(label) if levels is None else levels.get(label)
        if found is None:
            raise TableError(f"{_start(columns, _first(codes, code))}: {_not_a_distance(name, label, levels)}")
        hops[code] = found
    return hops[codes]


def _whole_number(text: str) -> int | None:
    """'2' and '2.0' as 2; None for anything that is no distance."""
    match = _WHOLE.fullmatch(text.strip())
    hops = int(match[1]) if match and len(match[1]) <= 10 else None
    return hops if hops is not None and hops <= MOST_HOPS else None


def _not_a_distance(name: str, label: str, levels: Mapping[str, int] | None) -> str:
    if levels is None:
        return (
            f"the distance (column {name!r}) is {shown(label)}; a whole number of hops from 0 is needed. "
            f'If the column holds labels, give levels={{"exact": 0, ...}}.'
        )
    known = ", ".join(map(repr, levels))
    return (
        f"the label {shown(label)} (column {name!r}) is not among the levels {known}.{did_you_mean(label, levels)} "
        f"Give it a distance in levels, or drop its rows."
    )


def _once_each(
    columns: Columns, query_ids: Ids, document_ids: Ids, queries: Rows, documents: Rows, hops: Rows
) -> tuple[Rows, tuple[str, ...]]:
    """The rows to keep, the first of each pair, and a note on those that are not.

    Raises:
        PairsError: a pair stands twice with different distances.
    """
    key = queries * len(document_ids) + documents
    order = np.argsort(key, kind="stable")
    begins = np.r_[True, key[order[1:]] != key[order[:-1]]]
    first = np.empty(len(key), np.int64)  # of each row: the first row with the same pair
    first[order] = order[begins][np.cumsum(begins) - 1]
    contrary = np.flatnonzero(hops != hops[first])
    if len(contrary):
        row = int(contrary[0])
        pair = f"({query_ids[queries[row]]!r}, {document_ids[documents[row]]!r})"
        raise two_distances(columns, pair, (int(first[row]), row), (int(hops[first[row]]), int(hops[row])))
    kept = np.flatnonzero(first == np.arange(len(key)))
    return kept, notes_on(len(key) - len(kept), columns.source)


def two_distances(columns: Columns, pair: str, rows: tuple[int, int], hops: tuple[int, int]) -> PairsError:
    """The complaint about a pair with two distances."""
    return PairsError(
        f"{_start(columns, *rows)} give the pair {pair} the distances {hops[0]} and {hops[1]}; keep one of them."
    )


def notes_on(dropped: int, source: str) -> tuple[str, ...]:
    """A sentence on rows that repeat a pair, if there are any."""
    repeat = "row repeats" if dropped == 1 else "rows repeat"
    note = f"{dropped:,} {repeat} a pair of {source} with the same distance; each pair counts once."
    return (note,) if dropped else ()


def _start(columns: Columns, *rows: int) -> str:
    """Where these rows stand, as the beginning of a message."""
    where = columns.where(*rows)
    return where[0].upper() + where[1:]
