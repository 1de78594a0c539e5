"""Files that are whole or not there: how every room writes, and how a file is recognised again."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rootward.errors import WriteError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where there is no room: of the disk, of a quota, of the limit on a file's size."""


def atomic_write(path: str | os.PathLike[str], write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, flush it to the disk and rename it to `path`.

    A reader sees the old file or the new one, never half of one, also after a crash or a power cut. When `write`
    fails, the old file stays as it was and nothing is left behind. Folders on the way are made. A link stays one, and
    what it points to is written. A pipe or a device is written into, not replaced.

    Args:
        path: where the file shall stand. Returned as a `Path`.
        write: gets the temporary path and must create a file there. The name keeps the suffix of `path`, because
            some writers (`numpy.save`) add their own when it is missing.

    Raises:
        WriteError: the system refuses: no room, no right, a folder in its place.
    """
    path = Path(path)
    with writing(path):
        target = Path(os.path.realpath(path))
        if target.exists() and not (target.is_file() or target.is_dir()):
            _pour(target, write)
        else:
            _replace(target, write)
    return path


def obstacle(path: Path, folder: bool = False) -> str | None:
    """Why no file, or no folder, can be written at `path`, as far as that can be told beforehand; None where it can."""
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


def _replace(path: Path, write: Callable[[Path], object]) -> None:
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


def _pour(path: Path, write: Callable[[Path], object]) -> None:
    """Into a pipe or a device, in one go: some writers seek, which neither can."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / path.name
        write(temporary)
        with open(temporary, "rb") as source, open(path, "wb") as target:
            shutil.copyfileobj(source, target)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the system, or a library over it, says of a write that failed into one error that names `path`.

    Raises:
        WriteError: in place of it.
    """
    try:
        yield
    except WriteError:
        raise
    except Exception as error:
        number, reason = _refusal(error)
        if reason is None:
            raise
        raise WriteError(f"{os.fspath(path)} could not be written: {reason}. {_remedy(number)}", number) from error


def _refusal(error: Exception) -> tuple[int | None, str | None]:
    """The system's number and words behind an error; no words where it is about something else.

    Libraries in other languages wrap it in errors of their own: "I/O error: No space left on device (os error 28)".
    """
    text = str(error)
    told = re.search(r"(?:os error |\[errno )(\d+)", text, flags=re.IGNORECASE)
    number = getattr(error, "errno", None) or (int(told[1]) if told else None)
    number = number or next((full for full in FULL if os.strerror(full) in text), None)
    if number is None:
        return None, text if isinstance(error, OSError) else None
    return number, os.strerror(number)


def _remedy(number: int | None) -> str:
    if number in FULL:
        return "Make room there, raise the limit on it, or choose another place."
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Choose a place that you may write to."
    if number in (errno.EEXIST, errno.ENOTDIR):
        return "A file stands where a folder is needed; choose another place."
    return "Choose another place."


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
