"""Limits on what one file may ask of a reader: no real file comes near them, a hostile one is refused at once.

    UNPACKED, RATIO      of a file packed by gzip: bytes, and how many times its own size beyond these
    LINE                 bytes of one line of a text file; those of JSON and tables are not limited
    PATH, LEVELS         characters and categories of one path; levels of nested JSON
    ENTITIES, ENTITY     entities that an XML file declares; characters that one of them stands for
    LOOKED_AT            steps on the way up, to find which edges of definitions a file tells already
    ROWS, ROWS_A_BYTE    rows of a Parquet file, and how many for each of its bytes beyond these
    LINES_A_BYTE         the same for lines of a file packed by gzip

A distance may be any whole number up to 2^31 - 1 (`rootward.readers.labels`). Nothing but the file itself is read: no
external entity, no import, no JSON-LD context elsewhere.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast
from xml.parsers import expat

import pyarrow as pa

from rootward.errors import InputError, TableError, quoted

UNPACKED, RATIO = 1 << 26, 200
LINE = 1 << 24
PATH, LEVELS = 10_000, 500
ENTITIES, ENTITY = 1_000, 10_000
LOOKED_AT = 50_000_000
ROWS, ROWS_A_BYTE, LINES_A_BYTE = 1 << 22, 16, 4

BROKEN: tuple[type[Exception], ...] = (
    pa.ArrowException,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    OverflowError,
    MemoryError,
    NotImplementedError,
)
"""What Arrow raises for bytes that are no such file; an InputError is a ValueError, too, and passes."""


class _Unpacked(io.RawIOBase):
    """A file packed by gzip, unpacked as it is read; refuses one that is mostly air."""

    def __init__(self, path: Path) -> None:
        self._file = gzip.GzipFile(path)
        size = path.stat().st_size
        self._name, self._left, self._lines = path.name, max(UNPACKED, RATIO * size), ROWS + LINES_A_BYTE * size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        n = len(data)
        buffer[:n] = data
        self._left -= n
        self._lines -= data.count(b"\n")
        if self._left < 0 or self._lines < 0:
            what = f"{LINES_A_BYTE} lines for each of its bytes" if self._left >= 0 else f"{RATIO} times its size"
            raise TableError(
                f"{self._name} unpacks to more than {what}. If it is a real file, unpack it first: gunzip {self._name}"
            )
        return n

    def close(self) -> None:
        self._file.close()
        super().close()


def open_unpacked(path: Path) -> BinaryIO:
    """Open a file packed by gzip for reading its bytes.

    Raises:
        TableError: while it is read, of one that unpacks to more than `UNPACKED` bytes and `RATIO` times its size.
    """
    return cast(BinaryIO, io.BufferedReader(_Unpacked(path), 1 << 15))


def check_line(line: bytes, row: int, name: str) -> None:
    """Refuse a line longer than `LINE` bytes."""
    if len(line) > LINE:
        raise TableError(f"Row {row} of {name} has {len(line):,} bytes; a line may have {LINE:,}. Is it a text file?")


def check_levels(n: int, where: str) -> None:
    """Refuse a path, or nested nodes, of more than `LEVELS` levels; `where` says which."""
    if n > LEVELS:
        raise TableError(
            f"{where} has more than {LEVELS} levels, the most that are read. Write a hierarchy that deep as edges."
        )


def check_path(path: str, separator: str, row: int, where: str) -> None:
    """Refuse a path of more than `LEVELS` categories or `PATH` characters."""
    if path.count(separator) >= LEVELS:
        check_levels(path.count(separator) + 1, f"Row {row}{where}: the path {quoted(path, 40)}")
    if len(path) > PATH:
        raise TableError(f"Row {row}{where}: the path {quoted(path, 40)} has more than {PATH:,} characters.")


# -- XML and JSON-LD -----------------------------------------------------------------------------------------------


class _EndOfHeadError(Exception):
    pass


_REFERENCE = re.compile(r"&([^;&#\s]+);")


def check_entities(file: BinaryIO, name: str) -> None:
    """Refuse an XML file whose DTD declares entities that stand for much, or so many, as a bomb does.

    Entities for namespaces, as ontologies have them, are far below the limits. Only the head of the file is read.

    Raises:
        TableError: a parameter entity, too many entities, or one that stands for too much.
    """
    values: dict[str, tuple[int, list[str]]] = {}
    total = 0

    def refuse(entity: str, why: str) -> None:
        raise TableError(f"{name} declares the entity {quoted(entity, 40)}, {why}. Write out in the file what it is.")

    def declared(entity: str, is_parameter: int, value: str | None, *_: object) -> None:
        nonlocal total
        if is_parameter:
            refuse(entity, "a parameter entity, and these are not read")
        if value is None:  # stands elsewhere, and nothing else is opened
            return
        total += len(value)
        if len(values) >= ENTITIES or total > 10 * ENTITY:
            refuse(entity, f"and more than {ENTITIES:,} entities or {10 * ENTITY:,} characters of them are not read")
        values.setdefault(entity, (len(value), _REFERENCE.findall(value)))
        sizes: dict[str, int] = {}
        for each in values:
            if _size(each, values, sizes) > ENTITY:
                refuse(each, f"which stands for more than {ENTITY:,} characters or entities")

    def started(*_: object) -> None:
        raise _EndOfHeadError

    parser = expat.ParserCreate()
    parser.EntityDeclHandler, parser.StartElementHandler = declared, started
    try:
        while block := file.read(1 << 16):
            parser.Parse(block)
    except (
        _EndOfHeadError,
        expat.ExpatError,
        ValueError,
        LookupError,
    ) as error:  # the reader says what is wrong with it
        if isinstance(error, TableError):
            raise


def _size(entity: str, values: dict[str, tuple[int, list[str]]], known: dict[str, int]) -> int:
    """Characters and entities that an entity stands for; more than `ENTITY` where it holds itself or is nested deep."""
    todo, path = [(entity, False)], set[str]()
    while todo:
        name, done = todo.pop()
        length, inner = values.get(name, (1, []))
        if done:
            path.discard(name)
            known[name] = length + sum(1 + known.get(each, ENTITY) for each in inner)
        elif name not in known and name not in path:
            path.add(name)
            todo.append((name, True))
            todo += [(each, False) for each in inner if each in values]
            for each in inner:
                if each not in values:
                    known[each] = 1
    return known[entity]


def check_contexts(content: Any, name: str) -> None:
    """Refuse JSON-LD that names a context elsewhere, by address or file; contexts written in it are read.

    Raises:
        TableError: it does.
    """
    todo = [content]
    while todo:
        here = todo.pop()
        if isinstance(here, list):
            todo += here
        elif isinstance(here, dict):
            contexts = here.get("@context")
            for context in [*(contexts if isinstance(contexts, list) else [contexts]), here.get("@import")]:
                if isinstance(context, str):
                    raise TableError(
                        f"{name} names the context {quoted(context)}, which is not fetched: nothing but the file is "
                        'read. Put the context itself there: "@context": {...}.'
                    )
            todo += here.values()


# -- Parquet ---------------------------------------------------------------------------------------------------------


@contextmanager
def reading_arrow(name: str, what: str = "Parquet", hint: str = "") -> Iterator[None]:
    """Turn whatever Arrow raises for a damaged file into one error that names it.

    Raises:
        TableError: in place of such an error.
    """
    try:
        yield
    except BROKEN as error:
        if isinstance(error, InputError):
            raise
        raise TableError(f"{name} cannot be read as {what}: {reason_of(error)}.{hint}") from error


def reason_of(error: Exception) -> str:
    """What an error of Arrow or the system says, in a line and without its last full stop."""
    first = str(error).strip().partition("\n")[0].rstrip(". ")
    return first or type(error).__name__


def check_parquet(metadata: Any, size: int, name: str) -> None:
    """Refuse a Parquet file of `size` bytes that claims more rows than such a file can hold.

    Raises:
        TableError: it does.
    """
    n, most = metadata.num_rows, ROWS + ROWS_A_BYTE * size
    if not 0 <= n <= most:
        raise TableError(
            f"{name} has {size:,} bytes and claims {n:,} rows; up to {most:,} are read from a file of that size. "
            "If it is a real file, split it."
        )
    unpacked = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if unpacked > max(UNPACKED, RATIO * size):
        raise TableError(
            f"{name} unpacks to more than {RATIO} times its size. If it is a real file, write it without compression."
        )
