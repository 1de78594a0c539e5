"""Files that are whole or not there: how every room writes, and how a file is recognised again."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def atomic_write(path: str | os.PathLike[str], write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, flush it to the disk and rename it to `path`.

    A reader sees the old file or the new one, never half of one, also after a crash or a power cut. When `write`
    fails, the old file stays as it was and nothing is left behind. Folders on the way are made.

    Args:
        path: where the file shall stand. Returned as a `Path`.
        write: gets the temporary path and must create a file there. The name keeps the suffix of `path`, because
            some writers (`numpy.save`) add their own when it is missing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(6)}.{path.name}")
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush_folder(path.parent)
    return path


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Text as UTF-8, whole or not at all; see `atomic_write`."""
    return atomic_write(path, lambda to: to.write_text(text, encoding="utf-8"))


def _flush_folder(folder: Path) -> None:
    """Make a rename last: on POSIX the name belongs to the folder, which has to be flushed by itself."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
