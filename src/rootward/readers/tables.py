"""The table reader: named columns of CSV, TSV, Parquet, Arrow tables, data frames and rows of Python values, as text.

What a cell means is for the caller, who can say in which row it is wrong:

    columns = read_columns("clicks.csv", ("query", "document"))
    columns["query"]       # pyarrow large_string array, "" for a missing value
    columns.where(40)      # "row 42 of clicks.csv", as an editor counts
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from rootward.errors import InputError, TableError, did_you_mean
from rootward.ids import id_text, refuse_surrogates
from rootward.readers.limits import BROKEN, check_parquet, reason_of
from rootward.readers.text_files import PACKED, existing_file, open_bytes, undecodable, unpacking, what_else

Format: TypeAlias = Literal["csv", "tsv", "parquet"]
Source: TypeAlias = "str | os.PathLike[str] | pa.Table | Iterable[Sequence[object]]"

TEXT = pa.large_string()
_TABLE, _ROWS = "the given table", "the given rows"
_FORMATS: tuple[str, ...] = get_args(Format)
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_COMMON_DELIMITERS = (";", "\t", "|", ",")
_ROW_BYTES = 64  # of a CSV, about: how much of it is read for a block of so many rows
_BYTES_AT_A_TIME = 2**24
_WHOLE_BELOW = {pa.float64(): 2**53, pa.float32(): 2**24, pa.float16(): 2**11}  # where these hold every whole number

_WORDS = (
    "NULL Null null (null) <null> <NULL> [null] [NULL] #NULL! \\N NaN nan NAN None none NONE (none) NA na N/A n/a N.A. "
    "n.a. #N/A <NA> NaT nil NIL undefined (blank) #REF! #VALUE! #NAME? - -- \u2013 \u2014 ? [] {} ''"
)
MISSING = tuple(_WORDS.split())
"""How tables write that there is nothing, besides an empty field."""

Places = Callable[[Sequence[int]], list[int]]


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of one length, as text.

    Attributes:
        source: its name in messages: "clicks.csv", "the given table".
        texts: name to large_string array; a missing value is "". A column of lists is an array of lists.
        place_of: rows of the source (from 0) to their numbers there, as a person counts them.
        rows: the row of the source (from 0) of each row here.
    """

    source: str
    texts: dict[str, Any]
    place_of: Places
    rows: Sequence[int] | npt.NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: object) -> bool:
        return name in self.texts

    def __getitem__(self, name: str) -> Any:
        return self.texts[name]

    def take(self, rows: npt.NDArray[np.integer]) -> Columns:
        """Some of the rows."""
        texts = {name: text.take(pa.array(rows)) for name, text in self.texts.items()}
        return replace(self, texts=texts, rows=np.asarray(self.rows)[rows])

    def places(self, rows: Sequence[int]) -> list[int]:
        """The numbers of these rows in the source, as a person counts them."""
        return self.place_of([int(self.rows[row]) for row in rows])

    def where(self, *rows: int) -> str:
        """'row 42 of clicks.csv', or 'rows 3 and 42 of clicks.csv' for several (rows counted from 0)."""
        places = " and ".join(map(str, self.places(rows)))
        return f"row{'s' if len(rows) > 1 else ''} {places} of {self.source}"

    def heading(self, *rows: int) -> str:
        """The same with a capital letter, to begin a message."""
        return f"R{self.where(*rows)[1:]}"


def read_columns(source: Source, names: Sequence[str], **options: Any) -> Columns:
    """The named columns of a whole table; arguments and errors as `column_blocks`."""
    (columns,) = column_blocks(source, names, rows=None, **options)
    return columns


def read_ids(source: Any, names: list[str], format: Format | None, delimiter: str | None, **options: Any) -> Columns:
    """Columns of ids; the format and the delimiter are of files, and `nodes` may be one where the edges are none."""
    if isinstance(source, str | os.PathLike):
        options |= {"format": format, "delimiter": delimiter}
    return read_columns(source, names, whole=True, allow_empty=True, **options)


def column_blocks(
    source: Source,
    names: Sequence[str],
    *,
    rows: int | None,
    optional: Sequence[str] = (),
    whole: bool = False,
    allow_empty: bool = False,
    format: Format | None = None,
    delimiter: str | None = None,
    hint: str = "",
    prefix: str = "",
    lists: Sequence[str] = (),
) -> Iterator[Columns]:
    """The named columns of a table, about so many rows at a time and never all of them in memory.

    Args:
        source: path of a CSV, TSV or Parquet file; a pyarrow Table; or an iterable of rows, each with one value for
            each of `names`, in their order. A DataFrame that speaks Arrow is as good as a Table.
        names: the columns wanted; others are not read.
        rows: in each block; None gives all in one.
        optional: further columns, read where they are there. They may hold lists of texts.
        whole: refuse fractions, as in columns of ids.
        allow_empty: a table without rows is no error.
        format: "csv", "tsv" or "parquet". None goes by the suffix .csv, .tsv or .parquet of the path. CSV and TSV are
            UTF-8 with a header line; a field in double quotes may hold delimiters and line breaks; empty lines are
            skipped. Packed by gzip, they have a second suffix .gz.
        delimiter: between two fields of a CSV, such as ";" or "tab". None: "," in CSV, a tab in TSV.
        hint: what to do when a column has another name, for the message.
        prefix: of the reader on the command line, "edges"; an error names the reader of another kind of file.
        lists: columns that may hold lists of texts, besides the optional ones.

    Raises:
        InputError: a `format` that is not known or cannot be inferred, two equal names, a source of another type.
        TableError: no such file, no rows, a column that is missing or there twice, a row with too many or too few
            fields, bytes that are not UTF-8. Rows are counted from 1: lines as an editor shows them in CSV and TSV
            (the header is line 1), rows of data elsewhere. Some are raised only when their block is reached.
    """
    if len(set(names)) < len(names):
        raise InputError(f"Each column needs a name of its own, got {listed(names)}.")
    begin, name = 0, ""
    for name, place_of, batch in _batches(source, names, optional, rows, format, delimiter, (hint, prefix)):
        block = Columns(name, {}, place_of, range(begin, begin + batch.num_rows))
        begin += batch.num_rows
        if len(block) or (allow_empty and rows is None):
            for column in batch.schema.names:
                may_be_list = column in optional or column in lists
                block.texts[column] = _as_text(block, column, batch.column(column), may_be_list, whole)
            yield block
    if not begin and not allow_empty:
        raise TableError(f"There are no rows in {name}; at least one with {listed(names)} is needed.")


def _batches(
    source: Any,
    names: Sequence[str],
    optional: Sequence[str],
    rows: int | None,
    format: str | None,
    delimiter: str | None,
    hints: tuple[str, str],
) -> Iterator[tuple[str, Places, Any]]:
    """(name of the source, places of its rows, Arrow table or batch of the wanted columns); one batch for rows=None."""
    hint = hints[0]
    if isinstance(source, (str, os.PathLike)):
        path = existing_file(source)
        if file := delimited(path, format, delimiter, names):
            yield from file.batches(names, optional, rows, hints)
            return
        try:
            with pyarrow.parquet.ParquetFile(path) as parquet:
                check_parquet(parquet.metadata, path.stat().st_size, path.name)
                wanted = _wanted(parquet.schema_arrow.names, names, optional, path.name, hint)
                at_once = rows is None or not parquet.metadata.num_rows
                batches = [parquet.read(wanted)] if at_once else parquet.iter_batches(rows, columns=wanted)
                for batch in batches:
                    batch.validate(full=True)  # texts are UTF-8, offsets rise
                    yield path.name, _from_one, batch
        except BROKEN as error:
            if isinstance(error, InputError):
                raise
            reason, other = reason_of(error), what_else(path, hints[1])
            raise TableError(f"{path.name} cannot be read as Parquet: {reason}. Is format= right?{other}") from error
        return
    source = as_arrow(source)
    for option, value in (("format", format), ("delimiter", delimiter)):
        if value is not None:
            raise InputError(f"{option}={value!r} is for files; the source given is a {type(source).__name__}.")
    if isinstance(source, pa.Table):
        table = source.select(_wanted(source.column_names, names, optional, _TABLE, hint))
        for batch in [table] if rows is None else table.to_batches(max_chunksize=rows) or [table]:
            yield _TABLE, _from_one, batch
    elif not isinstance(source, Iterable):
        raise InputError(f"A path, a pyarrow Table or an iterable of rows is needed, got {shown(source)}.")
    else:
        begin, rest = 1, iter(source)
        while (values := list(islice(rest, rows))) or begin == 1:
            yield _ROWS, _from_one, _table_of(values, names, begin)
            begin += max(len(values), 1)


def as_arrow(source: Any) -> Any:
    """The pyarrow Table of a table that speaks Arrow, such as a DataFrame of pandas or polars; else the source itself.

    Raises:
        InputError: a data frame that does not speak Arrow, a dict, a single column.
    """
    if isinstance(source, Mapping):
        raise InputError(
            f"A {type(source).__name__} is no table; needed rows. Give its items(), or of columns pyarrow.table(...)."
        )
    if hasattr(source, "__arrow_c_stream__"):
        try:
            return pa.table(source)
        except pa.ArrowException as error:
            if hasattr(source, "columns") and hasattr(source, "to_dict"):  # pandas, with values of several types
                return table_of_records(source.to_dict("records"))
            kind = type(source).__name__
            raise InputError(f"A {kind} is one column; needed a table, or rows such as its items().") from error
    if hasattr(source, "columns") and not isinstance(source, pa.Table):
        kind = type(source).__name__
        raise InputError(f"A {kind} is not read as it is; give a pyarrow Table: pyarrow.Table.from_pandas(frame).")
    return source


def _table_of(values: Iterable[Any], names: Sequence[str], begin: int) -> pa.Table:
    """The table of rows of Python values, counted from `begin`; None, NaN, NA and NaT are missing values.

    A row may also be a dict or a named tuple with these names, as `DataFrame.to_dict("records")` and `itertuples` give
    them. Everything else is kept as its `str`, but that a column whose floats are all whole holds whole numbers.
    """
    columns: list[list[Any]] = [[] for _ in names]
    several: Any = (list, set, frozenset, np.ndarray)
    for place, row in enumerate(values, begin):
        if isinstance(row, Mapping) and all(name in row for name in names):
            row = [row[name] for name in names]
        elif isinstance(row, tuple) and set(names) <= set(getattr(row, "_fields", ())):
            row = [getattr(row, name) for name in names]
        if not isinstance(row, (tuple, list, np.ndarray)) or len(row) != len(names):
            raise TableError(
                f"Row {place} of {_ROWS} must be a tuple ({', '.join(names)}), got {shown(row)}. A dict or named tuple "
                "is read where it has these names."
            )
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    arrays = []
    if not any(isinstance(each, tuple) for each in columns[0]):  # else they are ids, as anything hashable may be
        several = (*several, tuple)
    for column in columns:
        if any(isinstance(each, several) for each in column):
            lists = [list(map(id_text, each)) if isinstance(each, several) else [id_text(each)] for each in column]
            refuse_surrogates((word for words in lists for word in words if isinstance(word, str)), "text")
            arrays.append(pa.array(lists, pa.list_(TEXT)))
        else:
            texts = _texts_of(column)
            refuse_surrogates(texts, "text")
            arrays.append(pa.array(texts, TEXT))
    return pa.table(dict(zip(names, arrays, strict=True)))


def table_of_records(records: Sequence[Mapping[Any, Any]]) -> pa.Table:
    """The table of dicts such as `DataFrame.to_dict("records")` gives, ids and numbers as text; lists stay lists."""
    columns = dict.fromkeys(str(name) for record in records for name in record)
    several = (list, tuple, set, frozenset, np.ndarray)
    arrays = {}
    for name in columns:
        values = [record.get(name) for record in records]
        if any(isinstance(value, several) for value in values):
            lists = [list(map(id_text, value if isinstance(value, several) else [value])) for value in values]
            arrays[name] = pa.array([[word for word in words if word] for words in lists], pa.list_(TEXT))
        else:
            arrays[name] = pa.array(list(map(id_text, values)), TEXT)
    return pa.table(arrays)


def _texts_of(values: Sequence[object]) -> list[str]:
    floats = [value for value in values if isinstance(value, float | np.floating) and value == value]
    whole = all(value.is_integer() for value in floats)
    return [
        id_text(value) if whole or not isinstance(value, float | np.floating) or value != value else str(value)
        for value in values
    ]


def _from_one(rows: Sequence[int]) -> list[int]:
    return [row + 1 for row in rows]


def _as_text(block: Columns, name: str, column: Any, lists: bool, whole: bool) -> Any:
    """One column of a block as text, in one chunk; whole numbers that a gap has made floats become whole again."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    try:
        if pa.types.is_decimal(kind):
            whole_part = column.cast(pa.decimal128(38, 0), safe=False)
            column = whole_part if pc.all(pc.equal(whole_part.cast(kind), column)).as_py() else column
        if pa.types.is_floating(kind):
            column = column.cast(pa.float64())
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
            is_whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), _WHOLE_BELOW[kind]))
            fraction = pc.index(is_whole, False).as_py()
            if fraction < 0:
                column = column.cast(pa.int64())
            elif whole:
                value = column[fraction]
                raise TableError(
                    f"{block.heading(fraction)}: column {name!r} is {value} ({kind}); text or whole numbers are needed."
                )
        is_list = lists and (pa.types.is_list(kind) or pa.types.is_large_list(kind))
        text = column.cast(pa.list_(TEXT)) if is_list else column.cast(TEXT).fill_null("")
    except pa.ArrowException as error:
        raise TableError(f"Column {name!r} of {block.source} is {kind}; text or numbers are needed.") from error
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text


def format_of(path: Path, format: str | None, delimiter: str | None) -> Format:
    """The named format, or the one that the suffix stands for; a delimiter alone says that it is a CSV.

    Raises:
        InputError: neither is a known one; a delimiter for Parquet, or one that cannot be.
    """
    packed = path.suffix.lower() == PACKED
    suffix = (path.with_suffix("") if packed else path).suffix.lower().removeprefix(".")
    found = suffix if format is None else format
    if format is None and delimiter is not None and found not in _FORMATS:
        found = "csv"
    if found not in _FORMATS:
        known = ", ".join(map(repr, _FORMATS))
        if format is None:
            raise InputError(
                f"The suffix of {path.name!r} does not tell its format; say format= one of {known}.{what_else(path)}"
            )
        raise InputError(f"format={format!r} is not known; it must be one of {known}.")
    if found == "parquet" and (packed or delimiter is not None):
        what = "packed by gzip" if packed else f"separated by delimiter={delimiter!r}"
        raise InputError(f"{path.name} cannot be Parquet and {what}; say what it is.")
    return cast(Format, found)


def check_delimiter(delimiter: str) -> str:
    """The delimiter as one character; "tab" and a written backslash-t are one as well.

    Raises:
        InputError: anything else.
    """
    found = "\t" if delimiter in ("tab", "\\t") else delimiter
    if len(found) != 1 or not found.isascii() or found in '"\r\n':
        raise InputError(f"delimiter={delimiter!r} cannot stand between two fields; needed one, such as ';' or 'tab'.")
    return found


def _wanted(there: Sequence[str], names: Sequence[str], optional: Sequence[str], source: str, hint: str) -> list[str]:
    """The names, and the optional ones among the columns that are there.

    Raises:
        TableError: one of the names is missing, or one of all is there twice.
    """
    wanted = [*names, *(name for name in optional if name in there and name not in names)]
    for name in wanted:
        if name not in there:
            raise TableError(
                f"{source} has no column {name!r}; its columns are {listed(there)}.{did_you_mean(name, there)}{hint}"
            )
        if list(there).count(name) > 1:
            raise TableError(f"{source} has {list(there).count(name)} columns named {name!r}; rename all but one.")
    return wanted


def shown(value: object) -> str:
    """A value for a message, cut to a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def listed(names: Sequence[str]) -> str:
    """'a', 'b' and 9 more: names for a message, of many the first 20."""
    shown = ", ".join(map(repr, names[:20]))
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown


def column_names(source: Any, format: str | None, delimiter: str | None, known: Sequence[str] = ()) -> list[str]:
    """The names of all columns of a file or pyarrow Table; none for other sources and unreadable files.

    `known` are columns whose names find the header below a title.
    """
    if isinstance(source, pa.Table):
        return list(source.column_names)
    if file := delimited(source, format, delimiter, known):
        with unpacking(file.name):
            return next((fields for _, fields in file.records()), [])
    try:
        return list(pyarrow.parquet.read_schema(source).names)
    except BROKEN:
        return []


_TITLE_ROWS = 5
_OF_TABLES = ("edges", "pairs", "labels")


def delimited(source: Any, format: str | None, delimiter: str | None, names: Sequence[str] = ()) -> Delimited | None:
    """The CSV or TSV file that a source is; None for everything else.

    Its header is the first row; one of the next five, if that has all of these names and the first has not.
    """
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = existing_file(source)
    kind = format_of(path, format, delimiter)
    if kind == "parquet":
        return None
    between = _DELIMITERS[kind] if delimiter is None else check_delimiter(delimiter)
    told = _told_by_excel(path)
    file = Delimited(path, kind, told or between, int(bool(told)))
    with unpacking(path.name), suppress(csv.Error):
        for line, fields in islice(file.records(), _TITLE_ROWS + 1):
            if names and all(name in fields for name in names):
                return replace(file, skipped=line - 1)
    return file


def _told_by_excel(path: Path) -> str:
    """The delimiter that a first line 'sep=;' names, as Excel writes and reads it; else ""."""
    with unpacking(path.name), open_bytes(path) as file:
        line = file.readline(32).removeprefix(b"\xef\xbb\xbf").strip(b' "\r\n')
    return line[4:].decode() if line[:4].lower() == b"sep=" and line[4:] in (b";", b",", b"\t", b"|", b":") else ""


# -- CSV and TSV -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Delimited:
    """A CSV or TSV file, packed or not; at most a few megabytes of it are in memory beside the result.

    Attributes:
        path: of the file.
        kind: "csv" or "tsv", for messages.
        delimiter: the character between two fields.
        skipped: how many lines stand above the header.
    """

    path: Path
    kind: str
    delimiter: str
    skipped: int = 0

    @property
    def name(self) -> str:
        """The name of the file, for messages."""
        return self.path.name

    def batches(
        self, names: Sequence[str], optional: Sequence[str], rows: int | None, hints: tuple[str, str]
    ) -> Iterator[tuple[str, Places, Any]]:
        """These columns as text, read by pyarrow; what it refuses is read again by the csv module to name the row.

        Raises:
            TableError: a missing column, a row with too many or too few fields, bytes that are not UTF-8.
        """
        with unpacking(self.name):
            wanted = self.check(names, optional, hints)
            options = {
                "parse_options": pyarrow.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                "convert_options": pyarrow.csv.ConvertOptions(  # the word "NA" is text, too
                    include_columns=wanted, column_types=dict.fromkeys(wanted, TEXT), strings_can_be_null=False
                ),
            }
            try:
                with open_bytes(self.path) as file:
                    for _ in range(self.skipped):
                        file.readline()
                    if rows is None:
                        yield self.name, self.lines, pyarrow.csv.read_csv(file, **options)
                        return
                    size = pyarrow.csv.ReadOptions(block_size=rows * _ROW_BYTES)
                    with pyarrow.csv.open_csv(file, read_options=size, **options) as reader:
                        for batch in chain([reader.schema.empty_table()], reader):
                            yield self.name, self.lines, batch
            except pa.ArrowInvalid as error:
                raise self.refusal(error) from error
            except pa.ArrowKeyError as error:  # a header that the csv module and pyarrow split otherwise
                raise TableError(
                    f"The header of {self.name} is not plain: a quote or a control character stands in it. Write it as "
                    f"the names of the columns with {self.delimiter!r} between them."
                ) from error

    def check(self, names: Sequence[str], optional: Sequence[str], hints: tuple[str, str]) -> list[str]:
        """The columns to read; refuses files that pyarrow would misread without an error.

        Raises:
            TableError: no header, no column of one of these names or two of them, a quote that does not close.
        """
        header = next((fields for _, fields in self.records()), None)
        if header is None:
            raise TableError(f"{self.name} is empty; a header row with {listed(names)} is needed, then one row each.")
        if any("\N{REPLACEMENT CHARACTER}" in field for field in header):  # UTF-16 or a packed file: no typo
            if other := what_else(self.path, hints[1]):
                raise TableError(other.strip())
            self._refuse_undecodable()
        hint, own = hints[0], [hints[1]]
        if not any(did_you_mean(name, header) or name in header for name in names):
            hint = f" The first row must be a header, with the names of the columns.{hint}"
        if len(header) == 1 and (between := next((each for each in _COMMON_DELIMITERS if each in header[0]), None)):
            hint, own = f" It looks separated by {between!r}: say so with delimiter={between!r}.", [*_OF_TABLES]
        if not all(name in header for name in names) and (other := what_else(self.path, *own)):
            hint = other
        wanted = _wanted(header, names, optional, self.name, hint)
        # An odd number of quotes may be one that never closes. pyarrow takes the rest of the file for one long field
        # then, without a word when that field is the last of its row.
        with open_bytes(self.path) as file:
            blocks = iter(lambda: file.read(_BYTES_AT_A_TIME), b"")
            n_quotes = n_escaped = 0
            for block in blocks:
                n_quotes += block.count(b'"')
                n_escaped += block.count(b'\\"')
            if n_quotes % 2 or n_escaped:  # a quote within quotes may be written \", which is not how a CSV does it
                self._refuse_open_quote()
        return wanted

    def refusal(self, error: pa.ArrowInvalid) -> TableError:
        """An error that names the row that pyarrow refused."""
        try:
            self._refuse_open_quote()
            records = self.records()
            _, header = next(records)
            for line, fields in records:
                if len(fields) != len(header):
                    return TableError(
                        f"Row {line} of {self.name} has {len(fields)} fields, the header has {len(header)} "
                        f"({listed(header)}). Put fields that hold a {self.delimiter!r} in double quotes."
                    )
            self._refuse_undecodable()
        except TableError as found:
            return found
        return TableError(f"{self.name} cannot be read as {self.kind.upper()}: {error}")

    def unquoted(self, name: str, words: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Of every row: whether its field in this column is one of the words, without quotes around it."""
        options = pyarrow.csv.ConvertOptions(
            include_columns=[name],
            column_types={name: TEXT},
            null_values=list(words),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        parse = pyarrow.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True)
        with open_bytes(self.path) as file:
            for _ in range(self.skipped):
                file.readline()
            column = pyarrow.csv.read_csv(file, parse_options=parse, convert_options=options).column(0)
        return np.asarray(column.is_null().to_numpy())

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
        begin = self.skipped + 1
        limit = csv.field_size_limit(2**31 - 1)  # a long description is no error
        try:
            with io.TextIOWrapper(open_bytes(self.path), encoding="utf-8-sig", errors="replace", newline="") as lines:
                for _ in range(self.skipped):
                    lines.readline()
                reader = csv.reader(lines, delimiter=self.delimiter, strict=strict)
                for fields in reader:
                    if fields:
                        yield begin, fields
                    begin = reader.line_num + 1 + self.skipped
        except csv.Error as error:
            raise csv.Error(begin, str(error)) from None
        finally:
            csv.field_size_limit(limit)

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

    def _refuse_undecodable(self) -> None:
        with io.TextIOWrapper(open_bytes(self.path), encoding="latin-1", newline="") as lines:  # a character a byte
            for row, line in enumerate(lines, start=1):
                try:
                    line.encode("latin-1").decode()
                except UnicodeDecodeError as error:
                    raise undecodable(self.name, row, error) from error
