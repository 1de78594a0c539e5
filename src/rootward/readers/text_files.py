"""Reading text files, plain or packed by gzip: errors name the file, and the row that is not UTF-8."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from rootward.errors import InputError, TableError, did_you_mean
from rootward.readers.limits import LINE, check_line, open_unpacked

FilePath: TypeAlias = str | os.PathLike[str]

PACKED = ".gz"


def existing_file(source: FilePath) -> Path:
    """The path of a file that exists.

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
    """Open a file for reading bytes; one whose name ends in .gz is unpacked."""
    return open_unpacked(path) if path.suffix.lower() == PACKED else path.open("rb")


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """Turn errors of gzip into one that names the file.

    Raises:
        TableError: the bytes are not gzip, or end too early.
    """
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TableError(f"{name} cannot be unpacked as gzip: {error}.") from error


def undecodable(name: str, row: int, error: UnicodeDecodeError) -> TableError:
    """The error for a row that is not UTF-8."""
    if row == 1 and error.object[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return TableError(f"{name} is UTF-16; save it as UTF-8, which spreadsheets call 'CSV UTF-8'.")
    if b"\0" in error.object:
        return TableError(f"{name} is no text: row {row} holds a zero byte. A text file in UTF-8 is needed.")
    byte = error.object[error.start]
    return TableError(
        f"Row {row} of {name} is not UTF-8 (byte 0x{byte:02x} at place {error.start + 1}); save the file as UTF-8."
    )


def text_lines(source: FilePath, *, whole: bool = False) -> Iterator[tuple[int, str]]:
    """(row, line) of a UTF-8 text file, rows from 1, without line ends.

    Args:
        source: the file.
        whole: it is one text, as JSON is, and its lines may have any length.

    Raises:
        TableError: no such file, or a row that is not UTF-8, or longer than any text (`rootward.readers.limits`).
    """
    path = existing_file(source)
    with unpacking(path.name), open_bytes(path) as file:
        for row, line in enumerate(file, 1):
            if len(line) > LINE and not whole:
                check_line(line, row, path.name)
            try:
                yield row, line.decode("utf-8-sig" if row == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise undecodable(path.name, row, error) from None


def read_json(source: FilePath) -> Any:
    """The content of a JSON file.

    Raises:
        TableError: no such file, or one that is not JSON; the message names the row.
    """
    name = existing_file(source).name
    try:
        return json.loads("\n".join(line for _, line in text_lines(source, whole=True)))
    except json.JSONDecodeError as error:
        raise TableError(f"Row {error.lineno} of {name} is not JSON: {error.msg}.") from None
    except ValueError as error:  # a number of thousands of digits
        if isinstance(error, InputError):
            raise
        raise TableError(f"{name} cannot be read as JSON: {error}.") from None
    except RecursionError:
        raise TableError(f"{name} is nested too deeply for JSON; write it as an edge list.") from None
