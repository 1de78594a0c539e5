"""Named columns of text out of a table, with the place of every row for messages.

One reader for CSV, TSV, Parquet, Arrow tables and rows of Python values. Everything comes back as text: what a cell
means is for the caller, who can say in which row it went wrong:

    columns = read_columns("clicks.csv", ("query", "document"))
    columns["query"]       # pyarrow large_string array, "" for a missing value
    columns.where(40)      # "row 42 of clicks.csv", as an editor counts
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from rootward.errors import InputError, TableError, did_you_mean

Format: TypeAlias = Literal["csv", "tsv", "parquet"]
Source: TypeAlias = "str | os.PathLike[str] | pa.Table | Iterable[Sequence[object]]"

TEXT = pa.large_string()
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_FORMATS: tuple[str, ...] = get_args(Format)


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of text of one length.

    Attributes:
        source: what the user gave, for messages: "clicks.csv", "the given table".
        texts: name to large_string array; a missing value is "".
        place_of: rows (from 0) to where they stand in the source, as a person counts them.
    """

    source: str
    texts: dict[str, Any]
    place_of: Callable[[Sequence[int]], list[int]]

    def __len__(self) -> int:
        return len(next(iter(self.texts.values())))

    def __getitem__(self, name: str) -> Any:
        return self.texts[name]

    def where(self, *rows: int) -> str:
        """'row 42 of clicks.csv', or 'rows 3 and 42 of clicks.csv' for several (rows counted from 0)."""
        places = " and ".join(map(str, self.place_of(rows)))
        return f"row{'s' if len(rows) > 1 else ''} {places} of {self.source}"


def read_columns(source: Source, names: Sequence[str], *, format: Format | None = None) -> Columns:
    """The named columns of a table, as text.

    Args:
        source: path of a CSV, TSV or Parquet file; a pyarrow Table; or an iterable of rows, each with one value for
            each of `names`, in their order.
        names: the columns wanted; others are not read.
        format: "csv", "tsv" or "parquet". None goes by the suffix .csv, .tsv or .parquet of the path. CSV and TSV are
            UTF-8 with a header line; a field in double quotes may hold delimiters and line breaks; empty lines are
            skipped.

    Raises:
        InputError: a `format` that is not known or cannot be told, names that are not different, no kind of source.
        TableError: no such file, no rows, a column that is missing or there twice, a row with too many or too few
            fields, bytes that are not UTF-8. Rows are counted from 1: lines as an editor shows them in CSV and TSV
            (the header is line 1), rows of data elsewhere.
    """
    if len(set(names)) < len(names):
        raise InputError(f"Each column needs a name of its own, got {_listed(names)}.")
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        kind = _format_of(path, format)
        _check_is_file(path)
        return _read_parquet(path, names) if kind == "parquet" else _read_delimited(path, names, kind)
    if format is not None:
        raise InputError(f"format={format!r} is for files; the source given is a {type(source).__name__}.")
    if isinstance(source, pa.Table):
        _check_columns(source.column_names, names, "the given table")
        return _from_arrow(source, names, "the given table")
    if not isinstance(source, Iterable):
        raise InputError(f"A path, a pyarrow Table or an iterable of rows is needed, got {shown(source)}.")
    return _from_rows(source, names)


# -- files -------------------------------------------------------------------------------------------------------


def _format_of(path: Path, format: str | None) -> str:
    """The format asked for, or the one the suffix stands for."""
    found = path.suffix.lower().removeprefix(".") if format is None else format
    if found in _FORMATS:
        return found
    known = ", ".join(map(repr, _FORMATS))
    if format is None:
        raise InputError(f"The suffix of {path.name!r} does not tell its format; say format= one of {known}.")
    raise InputError(f"format={format!r} is not known; it must be one of {known}.")


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise TableError(f"{path} is a folder; a file is needed.")
    if not path.is_file():
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise TableError(f"There is no file {path}.{did_you_mean(path.name, beside)}")


def _check_columns(there: Sequence[str], names: Sequence[str], source: str) -> None:
    """Every name is there exactly once."""
    for name in names:
        if name not in there:
            raise TableError(
                f"{source} has no column {name!r}; its columns are {_listed(there)}.{did_you_mean(name, there)}"
            )
        if list(there).count(name) > 1:
            raise TableError(f"{source} has {list(there).count(name)} columns named {name!r}; rename all but one.")


def _read_parquet(path: Path, names: Sequence[str]) -> Columns:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, names, path.name)
            table = file.read(columns=list(names))
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path.name} cannot be read as Parquet: {error}") from error
    return _from_arrow(table, names, path.name)


def _read_delimited(path: Path, names: Sequence[str], kind: str) -> Columns:
    """CSV or TSV by pyarrow; what it trips over is read again with the csv module, which can say where."""
    data, delimiter = path.read_bytes(), _DELIMITERS[kind]
    header = next((fields for _, fields in _records(data, delimiter)), None)
    if header is None:
        raise TableError(f"{path.name} is empty; a header line with {_listed(names)} is needed, then one row each.")
    if any("\N{REPLACEMENT CHARACTER}" in field for field in header):  # UTF-16 or a packed file: no typo
        _refuse_undecodable(data, path.name)
    _check_columns(header, names, path.name)
    # An odd number of quotes may be one that never closes. pyarrow takes the rest of the file for one long field then,
    # without a word when that field is the last of its row.
    if data.count(b'"') % 2:
        _refuse_open_quote(data, delimiter, path.name)
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(data),
            parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=list(names), column_types=dict.fromkeys(names, TEXT), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        _refuse_open_quote(data, delimiter, path.name)
        _refuse_ragged(data, delimiter, path.name)
        _refuse_undecodable(data, path.name)
        raise TableError(f"{path.name} cannot be read as {kind.upper()}: {error}") from error
    return _whole(path.name, names, table, lambda rows: _lines(data, delimiter, rows))


def _records(data: bytes, delimiter: str, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """(the line it begins on, from 1; its fields) of every record that is not empty, the header among them.

    Raises:
        csv.Error: a record that breaks the rules of quoting (strict only); its args are the line and the reason.
    """
    begin = 1
    limit = csv.field_size_limit(2**31 - 1)  # a long description is no error
    try:
        lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", errors="replace", newline="")
        reader = csv.reader(lines, delimiter=delimiter, strict=strict)
        for fields in reader:
            if fields:
                yield begin, fields
            begin = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(begin, str(error)) from None
    finally:
        csv.field_size_limit(limit)


def _lines(data: bytes, delimiter: str, rows: Sequence[int]) -> list[int]:
    """The lines on which these rows of data (from 0, the header not counted) begin."""
    wanted, found = set(rows), {}
    for row, (line, _) in enumerate(_records(data, delimiter), start=-1):
        if row in wanted:
            found[row] = line
            if len(found) == len(wanted):
                break
    return [found[row] for row in rows]


def _refuse_open_quote(data: bytes, delimiter: str, source: str) -> None:
    try:
        for _ in _records(data, delimiter, strict=True):
            pass
    except csv.Error as error:
        line, reason = error.args
        raise TableError(
            f"Row {line} of {source} has a field in double quotes that does not end as it should ({reason}). "
            f"Close the quotes, and write a quote inside them twice."
        ) from error


def _refuse_ragged(data: bytes, delimiter: str, source: str) -> None:
    records = _records(data, delimiter)
    _, header = next(records)
    for line, fields in records:
        if len(fields) != len(header):
            raise TableError(
                f"Row {line} of {source} has {len(fields)} fields, the header has {len(header)} ({_listed(header)}). "
                f"Put fields that hold a {delimiter!r} in double quotes."
            )


def _refuse_undecodable(data: bytes, source: str) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = len((data[: error.start] + b".").splitlines())
        byte = data[error.start]
        raise TableError(f"Row {line} of {source} is not UTF-8 (byte 0x{byte:02x}); save the file as UTF-8.") from error


# -- values in memory --------------------------------------------------------------------------------------------


def _from_arrow(table: Any, names: Sequence[str], source: str) -> Columns:
    """Columns of an Arrow table with any types that have a text."""
    texts = {}
    for name in names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        try:
            texts[name] = column.cast(TEXT).fill_null("")
        except pa.ArrowException as error:
            raise TableError(f"Column {name!r} of {source} is {column.type}; text or numbers are needed.") from error
    return _whole(source, names, pa.table(texts), _from_one)


def _from_rows(rows: Iterable[Sequence[object]], names: Sequence[str]) -> Columns:
    """Columns of rows of Python values; None is a missing value, everything else its `str`."""
    source = "the given rows"
    columns: list[list[str]] = [[] for _ in names]
    for place, row in enumerate(rows, start=1):
        if not isinstance(row, (tuple, list)) or len(row) != len(names):
            raise TableError(f"Row {place} of {source} must be a tuple ({', '.join(names)}), got {shown(row)}.")
        for column, value in zip(columns, row, strict=True):
            column.append("" if value is None else str(value))
    table = pa.table({name: pa.array(column, TEXT) for name, column in zip(names, columns, strict=True)})
    return _whole(source, names, table, _from_one)


def _whole(source: str, names: Sequence[str], table: Any, place_of: Callable[[Sequence[int]], list[int]]) -> Columns:
    """Columns with each array in one piece, so that the caller need not know of chunks."""
    if not table.num_rows:
        raise TableError(f"There are no rows in {source}; at least one with {_listed(names)} is needed.")
    texts = {name: pa.concat_arrays(table.column(name).chunks) for name in names}
    return Columns(source, texts, place_of)


def _from_one(rows: Sequence[int]) -> list[int]:
    return [row + 1 for row in rows]


# -- words -------------------------------------------------------------------------------------------------------


def _listed(names: Sequence[str]) -> str:
    """'a', 'b' and 9 more: names for a message, cut where it would not be read."""
    shown = ", ".join(map(repr, names[:20]))
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown


def shown(value: object) -> str:
    """A value for a message, cut to a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
