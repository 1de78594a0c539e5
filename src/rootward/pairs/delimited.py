"""What is wrong with a CSV or TSV file, and in which line: read again with the csv module, slowly, once it matters."""

from __future__ import annotations

import csv
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.csv

from rootward.errors import InputError, TableError, did_you_mean

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
