"""Labelled (query, document) tables, such as clicks: one row a pair, its distance a number or a label.

Reading a column of ids (`check_ids`), of distances (`with_distances`), and finding the row of an id again (`Origin`)
are of use to every table of labels.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet

from rootward.errors import InputError, PairsError, TableError, did_you_mean
from rootward.ids import Ids, Rows, folded, holds_control, spaced
from rootward.readers.edges import whole_numbers
from rootward.readers.limits import BROKEN
from rootward.readers.tables import MISSING, Columns, Format, Source, column_blocks, read_columns, shown
from rootward.texts import Texts

SAVED_KEY = b"rootward.pairs"  # metadata of a Parquet file that Pairs.save wrote
MOST_HOPS = 2**31 - 1
_WHOLE = re.compile(r"([0-9]+)(\.0*)?")  # some writers make 1.0 of an integer
_ROWS_AT_A_TIME = 250_000


class LabelledPairs(NamedTuple):
    """Both id tables and one (query row, document row, distance) a pair, in any order."""

    query_ids: Ids
    document_ids: Ids
    queries: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int64]
    distances: npt.NDArray[np.int64]
    query_texts: Texts | None = None
    document_texts: Texts | None = None
    notes: tuple[str, ...] = ()
    query_weights: npt.NDArray[np.float64] | None = None


class PairTable(NamedTuple):
    """A table with one row a pair, and how to read it; fields as the arguments of `Pairs.from_table`."""

    source: Source
    query: str = "query"
    document: str = "document"
    distance: str = "distance"
    levels: Mapping[str, int] | None = None
    drop_others: bool = False
    format: Format | None = None
    delimiter: str | None = None

    @property
    def columns(self) -> tuple[str, str, str]:
        """The names of the three columns."""
        return self.query, self.document, self.distance

    @property
    def options(self) -> dict[str, Any]:
        """How the table is read, for `read_columns` and `column_blocks`."""
        hint = " Name the columns with query=, document= and distance=."
        return {"format": self.format, "delimiter": self.delimiter, "hint": hint, "prefix": "pairs"}

    @property
    def origin(self) -> Origin | None:
        """Where the query ids are from; None where the source is no file."""
        if not isinstance(self.source, (str, os.PathLike)):
            return None
        return Origin(Path(self.source), self.query, self.format, self.delimiter)

    def read(self) -> LabelledPairs:
        """The pairs of the table; `Pairs.from_table` says what is read and refused."""
        hops_of = check_levels(self.levels, self.drop_others)
        try:
            columns = read_columns(self.source, self.columns, **self.options)
        except TableError:
            if is_saved(self.source):
                raise TableError(f"{self.source} was written by Pairs.save; open it with Pairs.load.") from None
            raise
        ends, told = whole_numbers([columns[self.query], columns[self.document]])
        columns = replace(columns, texts=columns.texts | dict(zip((self.query, self.document), ends, strict=True)))
        others: Counter[str] = Counter()
        columns, hops = with_distances(columns, self.distance, hops_of, others if self.drop_others else None)
        if not len(columns):
            raise no_label_known(columns.source, others)
        query_labels, queries = check_ids(columns, self.query, "query id")
        document_labels, documents = check_ids(columns, self.document, "document id")
        query_ids, document_ids = Ids(query_labels, what="query id"), Ids(document_labels, what="document id")
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
        notes = told + notes_on(len(key) - len(kept), columns.source, others)
        for ids, rows, what in ((query_ids, queries, "query id"), (document_ids, documents, "document id")):
            counts = np.bincount(rows, minlength=len(ids))
            notes += note_on_words({word: int(counts[ids.row(word)]) for word in MISSING if word in ids}, what)
        notes += spaced(query_ids, "query id") + spaced(document_ids, "document id")
        return LabelledPairs(query_ids, document_ids, queries[kept], documents[kept], hops[kept], notes=notes)


def check_levels(levels: Mapping[str, int] | None, drop_others: bool = False) -> dict[str, int] | None:
    """The levels with their labels as text; None where there are none.

    Raises:
        InputError: empty levels, or a distance that is not a whole number from 0; `drop_others` without levels.
    """
    if levels is None:
        if drop_others:
            raise InputError('drop_others=True leaves out other labels than those of levels={"exact": 0, ...}.')
        return None
    if not isinstance(levels, Mapping):
        raise InputError(f'levels={levels!r:.60} is no dict; give each label its distance, such as {{"exact": 0}}.')
    if not levels:
        raise InputError('levels is empty; give each label its distance, such as {"exact": 0, "substitute": 1}.')
    for label, hops in levels.items():
        if isinstance(hops, bool) or not isinstance(hops, (int, np.integer)) or not 0 <= hops <= MOST_HOPS:
            raise InputError(f"levels gives {label!r} the distance {hops!r}; a whole number from 0 is needed.")
    return {str(label): int(hops) for label, hops in levels.items()}


def check_ids(columns: Columns, name: str, what: str) -> tuple[list[str], Rows]:
    """The different ids of one column in order of first appearance, and which of them each row holds.

    Args:
        columns: the table.
        name: of the column.
        what: the ids are, for messages: "query id".

    Raises:
        TableError: one is empty or holds a control character; the message names file and row.
    """
    labels, codes = _coded(columns[name])
    for code, label in enumerate(labels):
        if not folded(label):
            where = columns.heading(_first(codes, code))
            raise TableError(f"{where}: the {what} (column {name!r}) is empty; fill it in or drop the row.")
        if holds_control(label):
            where = columns.heading(_first(codes, code))
            raise TableError(f"{where}: the {what} {label!r} holds a control character; remove it.")
    return labels, codes


def with_distances(
    columns: Columns, name: str, levels: Mapping[str, int] | None, others: Counter[str] | None
) -> tuple[Columns, Rows]:
    """The rows that have a distance, and their hops. Each different text is parsed once.

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
        if levels is not None:
            found = levels.get(label, -1)
        else:
            match = _WHOLE.fullmatch(label.strip())
            found = int(match[1]) if match and len(match[1]) <= 10 and int(match[1]) <= MOST_HOPS else -1
        if found < 0 and others is None:
            where = columns.heading(_first(codes, code))
            if levels is None:
                raise TableError(
                    f"{where}: the distance (column {name!r}) is {shown(label)}; a whole number of hops from 0 is "
                    'needed. If the column holds labels, give levels={"exact": 0, ...}.'
                )
            raise TableError(
                f"{where}: the label {shown(label)} (column {name!r}) is not among the levels "
                f"{', '.join(map(repr, levels))}.{did_you_mean(label, levels)} Give it a distance in levels, or leave "
                "out rows with other labels by drop_others=True."
            )
        hops[code] = found
    rows = np.flatnonzero(hops[codes] >= 0)
    if others is not None:
        counts = np.bincount(codes, minlength=len(labels)).tolist()
        others.update({labels[code]: counts[code] for code in np.flatnonzero(hops < 0).tolist()})
    return columns if len(rows) == len(columns) else columns.take(rows), hops[codes[rows]]


def _coded(column: Any) -> tuple[list[str], Rows]:
    """The different texts of a column in order of first appearance, and which of them each row holds."""
    coded = column.dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _first(codes: Rows, code: int) -> int:
    """The first row that holds this code."""
    return int(np.argmax(codes == code))


def two_distances(columns: Columns, pair: str, rows: tuple[int, int], hops: tuple[int, int]) -> PairsError:
    """The error for a pair with two distances."""
    where = columns.heading(*rows)
    return PairsError(f"{where} give the pair {pair} the distances {hops[0]} and {hops[1]}; keep one of them.")


def no_label_known(source: str, others: Counter[str]) -> TableError:
    """The error for a table in which no row has a label of the levels."""
    return TableError(f"No row of {source} has a label of levels; its labels are {_counted(others)}.")


def note_on_words(rows: Mapping[str, int], what: str) -> tuple[str, ...]:
    """A note on ids that may say that there is none, such as NULL, by the number of rows that have them."""
    found = {word: rows[word] for word in MISSING if rows.get(word)}
    n = sum(found.values())
    shown = ", ".join(map(repr, found))
    has = "row has" if n == 1 else "rows have"
    return (
        (f"{n:,} {has} {shown} as the {what}, kept as an id. If it says that there is none, leave these rows out.",)
        if n
        else ()
    )


def notes_on(dropped: int, source: str, others: Counter[str]) -> tuple[str, ...]:
    """Notes on rows with other labels and rows that repeat a pair, where there are any."""
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
    """'irrelevant' (3) and 'Exact' (1), the most frequent first, at most five of them."""
    most = ", ".join(f"{label!r} ({n:,})" for label, n in labels.most_common(5))
    return f"{most} and {len(labels) - 5:,} more" if len(labels) > 5 else most


@dataclass(frozen=True)
class Origin:
    """The column of a file that the ids of queries were read from, to name their rows in messages.

    Attributes:
        path: of the file.
        column: the one with the ids.
        format, delimiter: as `Pairs.from_table` takes them.
    """

    path: Path
    column: str
    format: Format | None = None
    delimiter: str | None = None

    def places(self, labels: Sequence[str]) -> list[str]:
        """For each id "row 42 of clicks.csv", its first row, read from the file; "" where the file has changed."""
        rows: dict[str, int] = {}
        options: Any = {"format": self.format, "delimiter": self.delimiter}
        try:
            for block in column_blocks(self.path, (self.column,), rows=_ROWS_AT_A_TIME, **options):
                found = {label: pc.index(block[self.column], label).as_py() for label in labels if label not in rows}
                found = {label: row for label, row in found.items() if row >= 0}
                rows.update(zip(found, block.places([*found.values()]), strict=True))
                if len(rows) == len(labels):
                    break
        except (InputError, OSError, KeyError):
            return [""] * len(labels)
        return [f"row {rows[label]} of {self.path.name}" if label in rows else "" for label in labels]


def is_saved(source: object) -> bool:
    """Whether this is the path of a file that `Pairs.save` wrote, by its metadata."""
    try:
        return isinstance(source, (str, os.PathLike)) and SAVED_KEY in (
            pyarrow.parquet.read_schema(source).metadata or {}
        )
    except BROKEN:
        return False
