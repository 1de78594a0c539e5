"""Atomic writes, reasons why a write failed, and checksums."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rootward.errors import WriteError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of the system for no room: of the disk, of a quota, of the limit on a file's size."""


def atomic_write(path: str | os.PathLike[str], write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, flush it to the disk and rename it to `path`.

    A reader sees the old file or the new one, never half of one, also after a crash or a power cut. When `write`
    fails, the old file stays as it was and nothing is left behind. Missing folders are made. A link stays one, and
    its target is written. A pipe or a device is written into, not replaced.

    Args:
        path: of the file. Returned as a `Path`.
        write: gets the temporary path and must create a file there. The name keeps the suffix of `path`, because
            some writers (`numpy.save`) add their own when it is missing.

    Raises:
        WriteError: no room, no permission, a folder in its place.
    """
    path = Path(path)
    with writing(path):
        target = Path(os.path.realpath(path))
        if target.exists() and not (target.is_file() or target.is_dir()):
            with tempfile.TemporaryDirectory() as folder:  # some writers seek, which a pipe or a device cannot
                temporary = Path(folder) / target.name
                write(temporary)
                with open(temporary, "rb") as source, open(target, "wb") as special:
                    shutil.copyfileobj(source, special)
        else:
            _replace(target, write)
    return path


def _replace(target: Path, write: Callable[[Path], object]) -> None:
    """Fill a temporary file, flush it and rename it to `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{secrets.token_hex(6)}.{target.name}")
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":  # the name belongs to the folder, which has to be flushed by itself
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def obstacle(path: Path, folder: bool = False) -> str | None:
    """Why no file (or folder) can be written at `path`, as far as can be known beforehand; None where it can."""
    try:
        if path.exists() and path.is_dir() != folder:
            return f"a {'folder' if path.is_dir() else 'file'} stands there"
        is_special = path.exists() and not (path.is_file() or path.is_dir())
        nearest = path if path.is_dir() or is_special else next(p for p in path.parents if p.exists())
    except OSError as error:
        return error.strerror
    if not (nearest.is_dir() or is_special):
        return f"{nearest} is no folder"
    return None if os.access(nearest, os.W_OK) else f"you may not write to {nearest}"


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn errors of the system, or of a library that writes, into one that names `path`.

    Raises:
        WriteError: in place of such an error.
    """
    try:
        yield
    except WriteError:
        raise
    except Exception as error:
        # Libraries in other languages wrap it: "I/O error: No space left on device (os error 28)".
        text = str(error)
        wrapped = re.search(r"(?:os error |\[errno )(\d+)", text, flags=re.IGNORECASE)
        number = getattr(error, "errno", None) or (int(wrapped[1]) if wrapped else None)
        number = number or next((full for full in FULL if os.strerror(full) in text), None)
        if number is None and not isinstance(error, OSError):
            raise
        reason, remedy = text if number is None else os.strerror(number), "Choose another place."
        if number in FULL:
            remedy = "Make room there, raise the limit on it, or choose another place."
        elif number in (errno.EACCES, errno.EPERM, errno.EROFS):
            remedy = "Choose a place that you may write to."
        elif number in (errno.EEXIST, errno.ENOTDIR):
            remedy = "A file stands where a folder is needed; choose another place."
        raise WriteError(f"{os.fspath(path)} could not be written: {reason}. {remedy}", number) from error


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Text as UTF-8, whole or not at all; see `atomic_write`."""
    return atomic_write(path, lambda to: to.write_text(text, encoding="utf-8"))


def sha256_of(chunks: Iterable[bytes | memoryview]) -> str:
    """The SHA-256 of these bytes one after the other, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
