"""Named columns of text out of a table, with the place of every row for messages.

One reader for CSV, TSV, Parquet, Arrow tables and rows of Python values. Everything comes back as text: what a cell
means is for the caller, who can say in which row it went wrong:

    columns = read_columns("clicks.csv", ("query", "document"))
    columns["query"]       # pyarrow large_string array, "" for a missing value
    columns.where(40)      # "row 42 of clicks.csv", as an editor counts
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from rootward.errors import InputError, TableError, did_you_mean

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


DELIMITERS = {"csv": ",", "tsv": "\t"}
PACKED = ".gz"
TEXT = pa.large_string()
_OTHERS = (";", "\t", "|", ",")
_AT_A_TIME = 2**24  # bytes


@dataclass(frozen=True)
class Delimited:
    """A CSV or TSV file, in memory or on disk.

    Attributes:
        name: for messages.
        kind: "csv" or "tsv".
        opened: its bytes from the start, each time it is called; at most a few megabytes of them are held.
        given: what stands between two fields; None where the kind says it.
    """

    name: str
    kind: str
    opened: Callable[[], BinaryIO]
    given: str | None = None

    @property
    def delimiter(self) -> str:
        """Between two fields."""
        return DELIMITERS[self.kind] if self.given is None else self.given

    @property
    def parse_options(self) -> Any:
        """How pyarrow shall take it apart."""
        return pyarrow.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True)

    def check(self, names: Sequence[str], hint: str = "") -> list[str]:
        """The header; refuses what pyarrow would take without a word.

        Args:
            names: the columns that must be there.
            hint: what to do when a column has another name, for the message.

        Raises:
            TableError: no header, no column of one of these names or two of them, a quote that does not close.
        """
        with unpacking(self.name):
            return self._check(names, hint)

    def _check(self, names: Sequence[str], hint: str) -> list[str]:
        header = next((fields for _, fields in self.records()), None)
        if header is None:
            raise TableError(f"{self.name} is empty; a header row with {listed(names)} is needed, then one row each.")
        if any("\N{REPLACEMENT CHARACTER}" in field for field in header):  # UTF-16 or a packed file: no typo
            self._refuse_undecodable()
        check_columns(header, names, self.name, _advice(header, names, hint))
        # An odd number of quotes may be one that never closes. pyarrow takes the rest of the file for one long field
        # then, without a word when that field is the last of its row.
        if self._count(b'"') % 2:
            self._refuse_open_quote()
        return header

    def read(self, names: Sequence[str]) -> pa.Table:
        """These columns as text, by pyarrow; what it trips over is read again with the csv module, which says where.

        Raises:
            TableError: a row with too many or too few fields, bytes that are not UTF-8.
        """
        try:
            with self.opened() as file:
                return pyarrow.csv.read_csv(
                    file, parse_options=self.parse_options, convert_options=self.convert_options(names)
                )
        except pa.ArrowInvalid as error:
            raise self.refusal(error) from error

    @staticmethod
    def convert_options(names: Sequence[str]) -> Any:
        """How pyarrow shall read these columns: as text, also the word "NA"."""
        return pyarrow.csv.ConvertOptions(
            include_columns=list(names), column_types=dict.fromkeys(names, TEXT), strings_can_be_null=False
        )

    def refusal(self, error: pa.ArrowInvalid) -> TableError:
        """What pyarrow tripped over, as an error that names the row."""
        try:
            self._refuse_open_quote()
            self._refuse_ragged()
            self._refuse_undecodable()
        except TableError as found:
            return found
        return TableError(f"{self.name} cannot be read as {self.kind.upper()}: {error}")

    def lines(self, rows: Sequence[int]) -> list[int]:
        """The lines on which these rows of data (from 0, the header not counted) begin."""
        wanted, found = set(rows), {}
        for row, (line, _) in enumerate(self.records(), start=-1):
            if row in wanted:
                found[row] = line
                if len(found) == len(wanted):
                    break
        return [found[row] for row in rows]

    def records(self, *, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
        """(the line it begins on, from 1; its fields) of every record that is not empty, the header among them.

        Raises:
            csv.Error: a record that breaks the rules of quoting (strict only); its args are the line and the reason.
        """
        begin = 1
        limit = csv.field_size_limit(2**31 - 1)  # a long description is no error
        try:
            with io.TextIOWrapper(self.opened(), encoding="utf-8-sig", errors="replace", newline="") as lines:
                reader = csv.reader(lines, delimiter=self.delimiter, strict=strict)
                for fields in reader:
                    if fields:
                        yield begin, fields
                    begin = reader.line_num + 1
        except csv.Error as error:
            raise csv.Error(begin, str(error)) from None
        finally:
            csv.field_size_limit(limit)

    def _count(self, byte: bytes) -> int:
        with self.opened() as file:
            return sum(part.count(byte) for part in iter(lambda: file.read(_AT_A_TIME), b""))

    def _refuse_open_quote(self) -> None:
        try:
            for _ in self.records(strict=True):
                pass
        except csv.Error as error:
            line, reason = error.args
            raise TableError(
                f"Row {line} of {self.name} has a field in double quotes that does not end as it should ({reason}). "
                f"Close the quotes, and write a quote inside them twice."
            ) from error

    def _refuse_ragged(self) -> None:
        records = self.records()
        _, header = next(records)
        for line, fields in records:
            if len(fields) != len(header):
                raise TableError(
                    f"Row {line} of {self.name} has {len(fields)} fields, the header has {len(header)} "
                    f"({listed(header)}). Put fields that hold a {self.delimiter!r} in double quotes."
                )

    def _refuse_undecodable(self) -> None:
        with io.TextIOWrapper(self.opened(), encoding="latin-1", newline="") as lines:  # a character a byte
            for row, line in enumerate(lines, start=1):
                try:
                    line.encode("latin-1").decode()
                except UnicodeDecodeError as error:
                    raise undecodable(self.name, row, error) from error


# -- bytes -------------------------------------------------------------------------------------------------------


def existing_file(source: str | os.PathLike[str]) -> Path:
    """The path of a file that is there.

    Raises:
        TableError: a folder, or nothing at all.
        InputError: no path.
    """
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"The path of a file is needed, got {source!r:.80}.")
    path = Path(source)
    if path.is_dir():
        raise TableError(f"{path} is a folder; a file is needed.")
    if not path.is_file():
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        near = did_you_mean(path.name, beside) or f" The working directory is {Path.cwd()}."
        raise TableError(f"{path} does not exist; a file is needed.{near}")
    return path


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file, of one whose name ends in .gz those packed in it."""
    return cast(BinaryIO, gzip.open(path)) if path.suffix.lower() == PACKED else path.open("rb")


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """While the bytes of a file are read that may be packed.

    Raises:
        TableError: they are no gzip, or not all of it.
    """
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TableError(f"{name} cannot be unpacked as gzip: {error}.") from error


def undecodable(name: str, row: int, error: UnicodeDecodeError) -> TableError:
    """The complaint about a row that is not UTF-8."""
    if row == 1 and error.object[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return TableError(f"{name} is UTF-16; save it as UTF-8, which spreadsheets call 'CSV UTF-8'.")
    if b"\0" in error.object:
        return TableError(f"{name} is no text: row {row} holds a zero byte. A text file in UTF-8 is needed.")
    byte = error.object[error.start]
    return TableError(
        f"Row {row} of {name} is not UTF-8 (byte 0x{byte:02x} at place {error.start + 1}); save the file as UTF-8."
    )


# -- columns and words -------------------------------------------------------------------------------------------


def check_delimiter(delimiter: str) -> str:
    """What stands between two fields, as one character; "tab" and a written backslash-t are one as well.

    Raises:
        InputError: anything else.
    """
    found = "\t" if delimiter in ("tab", "\\t") else delimiter
    if len(found) != 1 or not found.isascii() or found in '"\r\n':
        raise InputError(f"delimiter={delimiter!r} cannot stand between two fields; needed one, such as ';' or 'tab'.")
    return found


def check_columns(there: Sequence[str], names: Sequence[str], source: str, hint: str = "") -> None:
    """Every name is there exactly once.

    Args:
        there: the columns.
        names: of those needed.
        source: what has them, for messages.
        hint: what to do where one has another name.

    Raises:
        TableError: it is not.
    """
    for name in names:
        if name not in there:
            raise TableError(
                f"{source} has no column {name!r}; its columns are {listed(there)}.{did_you_mean(name, there)}{hint}"
            )
        if list(there).count(name) > 1:
            raise TableError(f"{source} has {list(there).count(name)} columns named {name!r}; rename all but one.")


def _advice(header: Sequence[str], names: Sequence[str], hint: str) -> str:
    """What to do about a header that lacks one of these names."""
    for other in _OTHERS:
        if len(header) == 1 and other in header[0]:
            return f" It looks separated by {other!r}: say so with delimiter={other!r}."
    near = any(did_you_mean(name, header) or name in header for name in names)
    return hint if near else f" The first row must be a header, with the names of the columns.{hint}"


def listed(names: Sequence[str]) -> str:
    """'a', 'b' and 9 more: names for a message, cut where it would not be read."""
    shown = ", ".join(map(repr, names[:20]))
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown
