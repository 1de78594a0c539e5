"""What is wrong with a CSV or TSV file, and in which line: read again with the csv module, slowly, once it matters."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv

from rootward.errors import TableError, did_you_mean

DELIMITERS = {"csv": ",", "tsv": "\t"}
_AT_A_TIME = 2**24  # bytes


@dataclass(frozen=True)
class Delimited:
    """A CSV or TSV file, in memory or on disk.

    Attributes:
        name: for messages.
        kind: "csv" or "tsv".
        opened: its bytes from the start, each time it is called; at most a few megabytes of them are held.
    """

    name: str
    kind: str
    opened: Callable[[], BinaryIO]

    @property
    def delimiter(self) -> str:
        """Between two fields."""
        return DELIMITERS[self.kind]

    @property
    def parse_options(self) -> Any:
        """How pyarrow shall take it apart."""
        return pyarrow.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True)

    def check(self, names: Sequence[str]) -> None:
        """Refuse what pyarrow would take without a word.

        Raises:
            TableError: no header, no column of one of these names or two of them, a quote that does not close.
        """
        header = next((fields for _, fields in self.records()), None)
        if header is None:
            raise TableError(f"{self.name} is empty; a header line with {listed(names)} is needed, then one row each.")
        if any("\N{REPLACEMENT CHARACTER}" in field for field in header):  # UTF-16 or a packed file: no typo
            self._refuse_undecodable()
        check_columns(header, names, self.name)
        # An odd number of quotes may be one that never closes. pyarrow takes the rest of the file for one long field
        # then, without a word when that field is the last of its row.
        if self._count(b'"') % 2:
            self._refuse_open_quote()

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
                    byte = error.object[error.start]
                    raise TableError(
                        f"Row {row} of {self.name} is not UTF-8 (byte 0x{byte:02x}); save the file as UTF-8."
                    ) from error


def check_columns(there: Sequence[str], names: Sequence[str], source: str) -> None:
    """Every name is there exactly once.

    Raises:
        TableError: it is not.
    """
    for name in names:
        if name not in there:
            raise TableError(
                f"{source} has no column {name!r}; its columns are {listed(there)}.{did_you_mean(name, there)}"
            )
        if list(there).count(name) > 1:
            raise TableError(f"{source} has {list(there).count(name)} columns named {name!r}; rename all but one.")


def listed(names: Sequence[str]) -> str:
    """'a', 'b' and 9 more: names for a message, cut where it would not be read."""
    shown = ", ".join(map(repr, names[:20]))
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown
