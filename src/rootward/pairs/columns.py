"""Named columns of text out of a table, with the place of every row for messages.

One reader for CSV, TSV, Parquet, Arrow tables and rows of Python values. Everything comes back as text: what a cell
means is for the caller, who can say in which row it went wrong:

    columns = read_columns("clicks.csv", ("query", "document"))
    columns["query"]       # pyarrow large_string array, "" for a missing value
    columns.where(40)      # "row 42 of clicks.csv", as an editor counts
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from rootward.errors import InputError, TableError
from rootward.pairs.delimited import (
    PACKED,
    TEXT,
    Delimited,
    check_columns,
    check_delimiter,
    existing_file,
    listed,
    open_bytes,
    unpacking,
)

Format: TypeAlias = Literal["csv", "tsv", "parquet"]
Source: TypeAlias = "str | os.PathLike[str] | pa.Table | Iterable[Sequence[object]]"

NO_FRAME = "A {} is not read as it is; give a pyarrow Table: pyarrow.Table.from_pandas(frame)."
_TABLE, _ROWS = "the given table", "the given rows"
_FORMATS: tuple[str, ...] = get_args(Format)
_ROW_BYTES = 64  # of a CSV, about: how much of it is read for a block of so many rows


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

    def take(self, rows: npt.NDArray[np.integer]) -> Columns:
        """Some of the rows, which still know where they stand in the source."""
        texts = {name: text.take(pa.array(rows)) for name, text in self.texts.items()}
        return Columns(self.source, texts, lambda wanted: self.place_of([int(rows[row]) for row in wanted]))

    def where(self, *rows: int) -> str:
        """'row 42 of clicks.csv', or 'rows 3 and 42 of clicks.csv' for several (rows counted from 0)."""
        places = " and ".join(map(str, self.place_of(rows)))
        return f"row{'s' if len(rows) > 1 else ''} {places} of {self.source}"


def read_columns(
    source: Source,
    names: Sequence[str],
    *,
    format: Format | None = None,
    delimiter: str | None = None,
    hint: str = "",
) -> Columns:
    """The named columns of a table, as text.

    Args:
        source: path of a CSV, TSV or Parquet file; a pyarrow Table; or an iterable of rows, each with one value for
            each of `names`, in their order. A DataFrame that speaks Arrow is as good as a Table.
        names: the columns wanted; others are not read.
        format: "csv", "tsv" or "parquet". None goes by the suffix .csv, .tsv or .parquet of the path. CSV and TSV are
            UTF-8 with a header line; a field in double quotes may hold delimiters and line breaks; empty lines are
            skipped. Packed by gzip, they have a second suffix .gz.
        delimiter: between two fields of a CSV, such as ";" or "tab". None: "," in CSV, a tab in TSV.
        hint: what to do when a column has another name, for the message.

    Raises:
        InputError: a `format` that is not known or cannot be told, names that are not different, no kind of source.
        TableError: no such file, no rows, a column that is missing or there twice, a row with too many or too few
            fields, bytes that are not UTF-8. Rows are counted from 1: lines as an editor shows them in CSV and TSV
            (the header is line 1), rows of data elsewhere.
    """
    source = as_arrow(source)
    kind = _kind_of(source, names, format, delimiter, hint)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if kind == "parquet":
            return _read_parquet(path, names, hint)
        file = delimited(path, kind, delimiter)
        file.check(names, hint)
        return _whole(path.name, names, file.read(names), file.lines)
    return _from_arrow(source, names, _TABLE) if isinstance(source, pa.Table) else _from_rows(source, names)


def column_blocks(
    source: Source,
    names: Sequence[str],
    *,
    rows: int,
    format: Format | None = None,
    delimiter: str | None = None,
    hint: str = "",
) -> Iterator[Columns]:
    """What `read_columns` gives, about so many rows at a time and never all of them in memory.

    Each block numbers its rows from 0 and knows where they stand in the source.

    Raises:
        InputError, TableError: as `read_columns`, some of them only when their block is reached.
    """
    source = as_arrow(source)
    kind = _kind_of(source, names, format, delimiter, hint)
    base = 0
    for block in _blocks(source, names, kind, rows, delimiter, hint):
        if len(block):
            yield _from_row(base, block)
            base += len(block)
    if not base:
        raise _no_rows(_name_of(source), names)


def _from_row(base: int, block: Columns) -> Columns:
    """A block whose first row is this row of the source."""
    return Columns(block.source, block.texts, lambda rows: block.place_of([base + row for row in rows]))


def _blocks(
    source: Any, names: Sequence[str], kind: str, rows: int, delimiter: str | None, hint: str
) -> Iterator[Columns]:
    """Blocks whose `place_of` takes rows of the whole source."""
    if kind == "parquet":
        yield from _parquet_blocks(Path(source), names, rows, hint)
    elif kind == "rows":
        given, begin = iter(source), 1
        while part := list(islice(given, rows)):
            yield _from_rows(part, names, begin)
            begin += len(part)
    elif kind == "table":
        for batch in source.select(list(names)).to_batches(max_chunksize=rows):
            yield _from_batch(batch, names, _TABLE)
    else:
        file = delimited(Path(source), kind, delimiter)
        file.check(names, hint)
        yield from _delimited_blocks(file, names, rows)


def _kind_of(source: object, names: Sequence[str], format: str | None, delimiter: str | None, hint: str) -> str:
    """ "csv", "tsv", "parquet", "table" or "rows"; refuses what is none of them."""
    if len(set(names)) < len(names):
        raise InputError(f"Each column needs a name of its own, got {listed(names)}.")
    if isinstance(source, (str, os.PathLike)):
        return format_of(existing_file(source), format, delimiter)
    for name, value in (("format", format), ("delimiter", delimiter)):
        if value is not None:
            raise InputError(f"{name}={value!r} is for files; the source given is a {type(source).__name__}.")
    if isinstance(source, pa.Table):
        check_columns(source.column_names, names, _TABLE, hint)
        return "table"
    if not isinstance(source, Iterable):
        raise InputError(f"A path, a pyarrow Table or an iterable of rows is needed, got {shown(source)}.")
    if hasattr(source, "columns"):
        raise InputError(NO_FRAME.format(type(source).__name__))
    return "rows"


def as_arrow(source: Any) -> Any:
    """The pyarrow Table of a table that speaks Arrow, such as a DataFrame of pandas or polars; else what was given."""
    return pa.table(source) if hasattr(source, "__arrow_c_stream__") else source


def _name_of(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return Path(source).name
    return _TABLE if isinstance(source, pa.Table) else _ROWS


# -- files -------------------------------------------------------------------------------------------------------


def format_of(path: Path, format: str | None, delimiter: str | None) -> Format:
    """The format asked for, or the one the suffix stands for; a delimiter alone says that it is a CSV.

    Raises:
        InputError: neither says one of those known; a delimiter for Parquet, or one that cannot be.
    """
    packed = path.suffix.lower() == PACKED
    suffix = (path.with_suffix("") if packed else path).suffix.lower().removeprefix(".")
    found = suffix if format is None else format
    if format is None and delimiter is not None and found not in _FORMATS:
        found = "csv"
    if found not in _FORMATS:
        known = ", ".join(map(repr, _FORMATS))
        if format is None:
            raise InputError(f"The suffix of {path.name!r} does not tell its format; say format= one of {known}.")
        raise InputError(f"format={format!r} is not known; it must be one of {known}.")
    if found == "parquet" and (packed or delimiter is not None):
        what = "packed by gzip" if packed else f"separated by delimiter={delimiter!r}"
        raise InputError(f"{path.name} cannot be Parquet and {what}; say what it is.")
    return cast(Format, found)


def delimited(path: Path, kind: str, delimiter: str | None) -> Delimited:
    """A CSV or TSV file on disk, packed or not."""
    given = None if delimiter is None else check_delimiter(delimiter)
    return Delimited(path.name, kind, lambda: open_bytes(path), given)


def _read_parquet(path: Path, names: Sequence[str], hint: str) -> Columns:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            check_columns(file.schema_arrow.names, names, path.name, hint)
            table = file.read(columns=list(names))
    except (pa.ArrowException, OSError) as error:
        raise no_parquet(path.name, error) from error
    return _from_arrow(table, names, path.name)


def _parquet_blocks(path: Path, names: Sequence[str], rows: int, hint: str) -> Iterator[Columns]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            check_columns(file.schema_arrow.names, names, path.name, hint)
            for batch in file.iter_batches(rows, columns=list(names)):
                yield _from_batch(batch, names, path.name)
    except (pa.ArrowException, OSError) as error:
        raise no_parquet(path.name, error) from error


def _delimited_blocks(file: Delimited, names: Sequence[str], rows: int) -> Iterator[Columns]:
    try:
        with (
            unpacking(file.name),
            pyarrow.csv.open_csv(
                file.opened(),
                read_options=pyarrow.csv.ReadOptions(block_size=rows * _ROW_BYTES),
                parse_options=file.parse_options,
                convert_options=file.convert_options(names),
            ) as reader,
        ):
            for batch in reader:
                yield Columns(file.name, _texts_of(batch, names, file.name), file.lines)
    except pa.ArrowInvalid as error:
        raise file.refusal(error) from error


# -- values in memory --------------------------------------------------------------------------------------------


def _from_arrow(table: Any, names: Sequence[str], source: str) -> Columns:
    """Columns of an Arrow table with any types that have a text."""
    return _whole(source, names, pa.table(_texts_of(table, names, source)), _from_one)


def _from_batch(batch: Any, names: Sequence[str], source: str) -> Columns:
    return Columns(source, _texts_of(batch, names, source), _from_one)


def _texts_of(table: Any, names: Sequence[str], source: str) -> dict[str, Any]:
    texts = {}
    for name in names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        try:
            texts[name] = column.cast(TEXT).fill_null("")
        except pa.ArrowException as error:
            raise TableError(f"Column {name!r} of {source} is {column.type}; text or numbers are needed.") from error
    return texts


def _from_rows(rows: Iterable[Sequence[object]], names: Sequence[str], begin: int = 1) -> Columns:
    """Columns of rows of Python values, counted from `begin`; None is a missing value, everything else its `str`."""
    source = _ROWS
    columns: list[list[str]] = [[] for _ in names]
    for place, row in enumerate(rows, start=begin):
        if not isinstance(row, (tuple, list)) or len(row) != len(names):
            raise TableError(f"Row {place} of {source} must be a tuple ({', '.join(names)}), got {shown(row)}.")
        for column, value in zip(columns, row, strict=True):
            column.append("" if value is None else str(value))
    table = pa.table({name: pa.array(column, TEXT) for name, column in zip(names, columns, strict=True)})
    return _whole(source, names, table, _from_one)


def _whole(source: str, names: Sequence[str], table: Any, place_of: Callable[[Sequence[int]], list[int]]) -> Columns:
    """Columns with each array in one piece, so that the caller need not know of chunks."""
    if not table.num_rows:
        raise _no_rows(source, names)
    texts = {name: pa.concat_arrays(table.column(name).chunks) for name in names}
    return Columns(source, texts, place_of)


def _from_one(rows: Sequence[int]) -> list[int]:
    return [row + 1 for row in rows]


def no_parquet(name: str, error: Exception) -> TableError:
    """The complaint about a file that pyarrow cannot read."""
    return TableError(f"{name} cannot be read as Parquet: {str(error).rstrip('. ')}. Is format= right?")


# -- words -------------------------------------------------------------------------------------------------------


def _no_rows(source: str, names: Sequence[str]) -> TableError:
    return TableError(f"There are no rows in {source}; at least one with {listed(names)} is needed.")


def shown(value: object) -> str:
    """A value for a message, cut to a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
