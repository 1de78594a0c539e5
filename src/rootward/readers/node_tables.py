"""Files of rows: text columns out, and the row of the file for whatever is wrong with it.

CSV is read as labelled tables are (`rootward.readers.tables`). A node table has columns that may be missing, or hold
lists, and ids are no fractions; that is what stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rootward.errors import TableError
from rootward.readers.tables import (
    TEXT,
    Format,
    check_columns,
    delimited,
    existing_file,
    format_of,
    no_parquet,
    open_bytes,
    undecodable,
    unpacking,
)

__all__ = ["Columns", "FilePath", "Format", "existing_file", "read_columns", "text_lines"]

FilePath = str | PathLike[str]


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of text from one file or table; `None` and "" both mean that nothing stood there.

    Attributes:
        table: the asked columns that are there, strings (or lists of strings).
        name_row: from a row's index to 'row 42 of edges.csv'.
    """

    table: pa.Table
    name_row: Callable[[int], str]


def read_columns(
    source: FilePath | pa.Table,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    *,
    format: Format | None = None,
    delimiter: str | None = None,
    hint: str = "",
) -> Columns:
    """The needed columns, and those of the optional ones that are there.

    Args:
        source: a file or a pyarrow Table.
        needed, optional: names of columns.
        format: how the file is written; by default its suffix says (.csv, .tsv, .parquet; also .csv.gz).
        delimiter: between two fields of a CSV; None goes by the format.
        hint: what to do when a column has another name, for the message.

    Raises:
        TableError: no such file, an empty one, a needed column missing, a ragged or undecodable row.
        InputError: a suffix that names no format, a delimiter that cannot be one.
    """
    if isinstance(source, pa.Table):
        return _numbered(_text_columns(source, needed, optional, "the table", hint), "the table")
    path = existing_file(source)
    kind = format_of(path, format, delimiter)
    if kind == "parquet":
        return _numbered(_text_columns(_read_parquet(path), needed, optional, path.name, hint), path.name)
    file = delimited(path, kind, delimiter)
    wanted = _wanted(file.check(needed, hint), needed, optional, path.name, hint)
    return Columns(file.read(wanted), lambda row: f"row {file.lines([row])[0]} of {path.name}")


def _numbered(table: pa.Table, where: str) -> Columns:
    return Columns(table, lambda row: f"row {row + 1} of {where}")


def text_lines(source: FilePath) -> Iterator[tuple[int, str]]:
    """(row, line) of a UTF-8 text file, rows from 1, line ends left out.

    Raises:
        TableError: no such file, or a row that is not UTF-8.
    """
    path = existing_file(source)
    with unpacking(path.name), open_bytes(path) as file:
        for row, line in enumerate(file, 1):
            try:
                yield row, line.decode("utf-8-sig" if row == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise undecodable(path.name, row, error) from None


# -- columns ---------------------------------------------------------------------------------------------------


def _wanted(names: Sequence[str], needed: Sequence[str], optional: Sequence[str], where: str, hint: str) -> list[str]:
    """The asked names among `names`, needed ones first."""
    wanted = [*needed, *(name for name in optional if name in names and name not in needed)]
    check_columns(names, wanted, where, hint)
    return wanted


def _text_columns(table: pa.Table, needed: Sequence[str], optional: Sequence[str], where: str, hint: str) -> pa.Table:
    names = _wanted(table.column_names, needed, optional, where, hint)
    return pa.table({name: _as_text(table.column(name), name, where) for name in names})


def _as_text(column: Any, name: str, where: str) -> Any:
    """A column as strings; whole numbers that an empty cell has turned into floats become whole again."""
    kind = column.type
    try:
        if pa.types.is_dictionary(kind):
            return _as_text(column.cast(kind.value_type), name, where)
        if pa.types.is_floating(kind):
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column).cast(pa.int64())
        return column.cast(pa.list_(TEXT) if pa.types.is_list(kind) else TEXT)
    except pa.ArrowException as error:
        raise TableError(
            f"Column {name!r} of {where} is of type {kind}; needed text or whole numbers ({error})."
        ) from None


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise no_parquet(path.name, error) from None
