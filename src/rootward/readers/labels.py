"""Labelled (query, document) tables, such as clicks or ESCI: no graph, only labels that stand for distances."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from rootward.errors import InputError, PairsError, TableError, did_you_mean
from rootward.ids import Ids, Rows, holds_control, spaced
from rootward.readers.drafts import Parts
from rootward.readers.tables import Columns, Format, Source, column_blocks, read_columns, shown

SAVED_KEY = b"rootward.pairs"  # metadata of a Parquet file that Pairs.save wrote
HINT = " Name the columns with query=, document= and distance=."
MOST_HOPS = 2**31 - 1
_WHOLE = re.compile(r"([0-9]+)(\.0*)?")  # Parquet writers make 1.0 of a column of integers with a gap


def read_table(
    source: Source,
    *,
    query: str = "query",
    document: str = "document",
    distance: str = "distance",
    levels: Mapping[str, int] | None = None,
    drop_others: bool = False,
    format: Format | None = None,
    delimiter: str | None = None,
) -> Parts:
    """The parts of `Pairs` out of a table with one row a pair; `Pairs.from_table` says what is read and refused."""
    hops_of = check_levels(levels, drop_others)
    try:
        columns = read_columns(source, (query, document, distance), format=format, delimiter=delimiter, hint=HINT)
    except TableError:
        if is_saved(source):
            raise TableError(f"{source} was written by Pairs.save; open it with Pairs.load.") from None
        raise
    others: Counter[str] = Counter()
    columns, hops, _ = labelled(columns, distance, hops_of, others if drop_others else None)
    if not len(columns):
        raise none_left(columns.source, others)
    query_ids, queries = _id_table(columns, query, "query")
    document_ids, documents = _id_table(columns, document, "document")
    kept, dropped = _once_each(columns, query_ids, document_ids, queries, documents, hops)
    notes = notes_on(dropped, columns.source, others)
    notes += spaced(query_ids, "query id") + spaced(document_ids, "document id")
    return Parts(query_ids, document_ids, queries[kept], documents[kept], hops[kept], notes=notes)


def check_levels(levels: Mapping[str, int] | None, drop_others: bool = False) -> dict[str, int] | None:
    """The levels with their labels as text; None where there are none.

    Raises:
        InputError: empty levels, or a distance that is not a whole number from 0; others than none.
    """
    if levels is None:
        if drop_others:
            raise InputError('drop_others=True leaves out other labels than those of levels={"exact": 0, ...}.')
        return None
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
        TableError: one is empty or holds a control character; the message names file and row.
    """
    labels, codes = _coded(columns[name])
    for code, label in enumerate(labels):
        if not label.strip():
            raise TableError(
                f"{_start(columns, _first(codes, code))}: the {side} id (column {name!r}) is empty; "
                f"fill it in or drop the row."
            )
        if holds_control(label):
            raise TableError(
                f"{_start(columns, _first(codes, code))}: the {side} id {label!r} holds a control character; remove it."
            )
    return labels, codes


def labelled(
    columns: Columns, name: str, levels: Mapping[str, int] | None, others: Counter[str] | None
) -> tuple[Columns, Rows, Rows]:
    """(columns, hops, rows) of the rows with a distance; `rows` says where they stood. Each text is understood once.

    Args:
        columns: the table.
        name: the column of distances or labels.
        levels: the distance of each label; None where the column holds distances.
        others: rows with other labels are left out and counted here; None refuses them.

    Raises:
        TableError: a text that is no distance, or no label of these levels; the message names file and row.
    """
    labels, codes = _coded(columns[name])
    hops = np.full(len(labels), -1, np.int64)
    for code, label in enumerate(labels):
        found = _whole_number(label) if levels is None else levels.get(label)
        if found is None and others is None:
            raise TableError(f"{_start(columns, _first(codes, code))}: {_not_a_distance(name, label, levels)}")
        hops[code] = -1 if found is None else found
    rows = np.flatnonzero(hops[codes] >= 0)
    if others is not None:
        counts = np.bincount(codes, minlength=len(labels)).tolist()
        others.update({labels[code]: counts[code] for code in np.flatnonzero(hops < 0).tolist()})
    return columns if len(rows) == len(columns) else columns.take(rows), hops[codes[rows]], rows


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
        f"Give it a distance in levels, or leave out rows with other labels by drop_others=True."
    )


def _once_each(
    columns: Columns, query_ids: Ids, document_ids: Ids, queries: Rows, documents: Rows, hops: Rows
) -> tuple[Rows, int]:
    """The rows to keep, the first of each pair, and how many are not.

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
    return kept, len(key) - len(kept)


def two_distances(columns: Columns, pair: str, rows: tuple[int, int], hops: tuple[int, int]) -> PairsError:
    """The complaint about a pair with two distances."""
    return PairsError(
        f"{_start(columns, *rows)} give the pair {pair} the distances {hops[0]} and {hops[1]}; keep one of them."
    )


def none_left(source: str, others: Counter[str]) -> TableError:
    """The complaint about a table of other labels alone."""
    return TableError(f"No row of {source} has a label of levels; its labels are {_counted(others)}.")


def notes_on(dropped: int, source: str, others: Counter[str]) -> tuple[str, ...]:
    """Sentences on rows with other labels and rows that repeat a pair, where there are any."""
    notes = []
    if n := others.total():
        notes.append(
            f"Left out {n:,} {'row' if n == 1 else 'rows'} of {source} with other labels than those of levels: "
            f"{_counted(others)}."
        )
    if dropped:
        repeat = "row repeats" if dropped == 1 else "rows repeat"
        notes.append(f"{dropped:,} {repeat} a pair of {source} with the same distance; each pair counts once.")
    return tuple(notes)


def _counted(labels: Counter[str]) -> str:
    """'irrelevant' (3) and 'Exact' (1), the most frequent first, cut where it would not be read."""
    told = ", ".join(f"{label!r} ({n:,})" for label, n in labels.most_common(5))
    return f"{told} and {len(labels) - 5:,} more" if len(labels) > 5 else told


def _start(columns: Columns, *rows: int) -> str:
    """Where these rows stand, as the beginning of a message."""
    where = columns.where(*rows)
    return where[0].upper() + where[1:]


_AT_A_TIME = 250_000  # rows


@dataclass(frozen=True)
class Origin:
    """The column of a file that the ids of queries were read from; nothing of it is kept in memory.

    Attributes:
        path: of the file.
        column: the one with the ids.
        format, delimiter: as `Pairs.from_table` takes them.
    """

    path: Path
    column: str
    format: Format | None = None
    delimiter: str | None = None

    @classmethod
    def of(cls, source: Source, column: str, format: Format | None, delimiter: str | None) -> Origin | None:
        """The origin of what is read from this source; None where it is no file."""
        return cls(Path(source), column, format, delimiter) if isinstance(source, (str, os.PathLike)) else None

    def first_rows(self, labels: Sequence[str]) -> dict[str, int]:
        """The first row of each of these ids, counted as in every complaint about the file.

        Empty where the file is not there any more, or not as it was: a message is better without rows than not told.
        """
        found: dict[str, int] = {}
        try:
            for block in column_blocks(
                self.path, (self.column,), rows=_AT_A_TIME, format=self.format, delimiter=self.delimiter
            ):
                rows = {label: pc.index(block[self.column], label).as_py() for label in labels if label not in found}
                there = {label: row for label, row in rows.items() if row >= 0}
                found.update(zip(there, block.place_of([*there.values()]), strict=True))
                if len(found) == len(labels):
                    break
        except (InputError, OSError, KeyError):
            return {}
        return found


def places_of(origin: Origin | None, labels: Sequence[str]) -> list[str]:
    """Of each id "row 42 of clicks.csv", "" where that is not known."""
    if origin is None:
        return [""] * len(labels)
    rows = origin.first_rows(labels)
    return [f"row {rows[label]} of {origin.path.name}" if label in rows else "" for label in labels]


def is_saved(source: object) -> bool:
    """Whether this is the path of a file that `Pairs.save` wrote, by what the file says of itself."""
    try:
        return isinstance(source, (str, os.PathLike)) and SAVED_KEY in (
            pyarrow.parquet.read_schema(source).metadata or {}
        )
    except (pa.ArrowException, OSError):
        return False
