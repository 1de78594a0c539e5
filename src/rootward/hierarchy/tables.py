"""Files of rows: text columns out, and the row of the file for whatever is wrong with it.

CSV is read by pyarrow, quickly. Only when that fails, or a row must be named, is the file read again by Python's
`csv`, slowly and with the line numbers an editor shows.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NoReturn, cast, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from rootward.errors import InputError, TableError, did_you_mean

Format = Literal["csv", "tsv", "parquet"]
FilePath = str | PathLike[str]

_DELIMITERS = {"csv": ",", "tsv": "\t"}


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
    rename_hint: str = "",
) -> Columns:
    """The needed columns, and those of the optional ones that are there.

    Args:
        source: a file or a pyarrow Table.
        needed, optional: names of columns.
        format: how the file is written; by default its suffix says (.csv, .tsv, .parquet).
        rename_hint: what to do when a column has another name, for the message.

    Raises:
        TableError: no such file, an empty one, a needed column missing, a ragged or undecodable row.
        InputError: a suffix that names no format.
    """
    if isinstance(source, pa.Table):
        return Columns(
            _text_columns(source, needed, optional, "the table", rename_hint), lambda row: f"row {row + 1} of the table"
        )
    path = existing_file(source)
    if format_of(path, format) == "parquet":
        table = _read_parquet(path)
        return Columns(
            _text_columns(table, needed, optional, path.name, rename_hint), lambda row: f"row {row + 1} of {path.name}"
        )
    delimiter = _DELIMITERS[format_of(path, format)]
    header = _header(path, delimiter, needed)
    wanted = _wanted(header, needed, optional, path.name, rename_hint)
    return Columns(
        _read_csv(path, delimiter, wanted), lambda row: f"row {_line_of_record(path, delimiter, row)} of {path.name}"
    )


def existing_file(source: FilePath) -> Path:
    """The path of a file that is there.

    Raises:
        TableError: it is not, or is a folder.
    """
    path = Path(source)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise TableError(f"{path} {what}; needed a file. The working directory is {Path.cwd()}.")
    return path


def format_of(path: Path, format: Format | None) -> Format:
    """The format that was named, else the one the suffix stands for.

    Raises:
        InputError: neither says one of csv, tsv, parquet.
    """
    given = path.suffix[1:].lower() if format is None else format
    for known in get_args(Format):
        if given == known:
            return cast(Format, known)
    raise InputError(
        f"{path.name}: {'the suffix' if format is None else 'format='}{path.suffix if format is None else format!r} "
        "names no known format. Say which it is: format='csv', format='tsv' or format='parquet'."
    )


def text_lines(source: FilePath) -> Iterator[tuple[int, str]]:
    """(row, line) of a UTF-8 text file, rows from 1, line ends left out.

    Raises:
        TableError: no such file, or a row that is not UTF-8.
    """
    path = existing_file(source)
    with path.open("rb") as file:
        for row, line in enumerate(file, 1):
            try:
                yield row, line.decode("utf-8-sig" if row == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise _undecodable(path, row, error) from None


def _undecodable(path: Path, row: int, error: UnicodeDecodeError) -> TableError:
    byte = error.object[error.start]
    return TableError(
        f"Row {row} of {path.name}: byte 0x{byte:02x} at place {error.start + 1} is not UTF-8 text. "
        "Save the file as UTF-8."
    )


# -- columns ---------------------------------------------------------------------------------------------------


def _wanted(names: Sequence[str], needed: Sequence[str], optional: Sequence[str], where: str, hint: str) -> list[str]:
    """The asked names among `names`, needed ones first."""
    for name in needed:
        if name not in names:
            there = ", ".join(map(repr, names)) or "none"
            raise TableError(
                f"{where} has no column {name!r}; its columns are {there}.{did_you_mean(name, names)}{hint}"
            )
    wanted = [*needed, *(name for name in optional if name in names and name not in needed)]
    for name in wanted:
        if list(names).count(name) > 1:
            raise TableError(f"{where} has {list(names).count(name)} columns {name!r}; rename all but one of them.")
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
        return column.cast(pa.list_(pa.string()) if pa.types.is_list(kind) else pa.string())
    except pa.ArrowException as error:
        raise TableError(
            f"Column {name!r} of {where} is of type {kind}; needed text or whole numbers ({error})."
        ) from None


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path.name} cannot be read as Parquet: {error}. Is format= right?") from None


# -- CSV -------------------------------------------------------------------------------------------------------


def _read_csv(path: Path, delimiter: str, wanted: list[str]) -> pa.Table:
    # An odd number of quotes may be one that never closes; pyarrow takes the rest of the file for one field then,
    # without a word. Reading by records refuses it, and names the row.
    if path.read_bytes().count(b'"') % 2:
        for _ in _records(path, delimiter):
            pass
    try:
        with pa.input_stream(str(path), compression=None) as file:
            return pa_csv.read_csv(
                file,
                parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=wanted,
                    column_types=dict.fromkeys(wanted, pa.string()),
                    strings_can_be_null=False,  # the word "NA" is an id like any other
                ),
            )
    except pa.ArrowException as error:
        _name_fault(path, delimiter, error)


def _header(path: Path, delimiter: str, needed: Sequence[str]) -> list[str]:
    if path.stat().st_size:
        for _, record in _records(path, delimiter):
            return record
    columns = " and ".join(map(repr, needed))
    raise TableError(f"{path.name} is empty; needed a header row with the columns {columns}, then one row each.")


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line of its start, fields) of every record, the header first, empty lines left out as pyarrow does."""
    lines = (f"{line}\n" for _, line in text_lines(path))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    start = 1
    try:
        for record in reader:
            if record:
                yield start, record
            start = reader.line_num + 1
    except csv.Error as error:
        raise TableError(
            f"Row {start} of {path.name} cannot be read: {error}. Check the quotation marks from there on; "
            "a quoted text ends with one and doubles those inside."
        ) from None


def _line_of_record(path: Path, delimiter: str, row: int) -> int:
    """The line on which data record `row` (from 0, header not counted) starts."""
    for number, (line, _) in enumerate(_records(path, delimiter)):
        if number == row + 1:
            return line
    return row + 2


def _name_fault(path: Path, delimiter: str, error: Exception) -> NoReturn:
    """Read again, slowly, to say which row is at fault."""
    n_columns = 0
    for line, record in _records(path, delimiter):
        n_columns = n_columns or len(record)
        if len(record) != n_columns:
            raise TableError(
                f"Row {line} of {path.name} has {len(record)} columns, the header has {n_columns}: "
                f"{delimiter.join(record)[:80]!r}. Quote a text that holds {delimiter!r}, or mend the row."
            ) from None
    raise TableError(f"{path.name} cannot be read: {error}.") from None
