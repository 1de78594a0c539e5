"""Atomic writes, locks on folders, reasons why a write failed, and checksums."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rootward.errors import InUseError, WriteError

try:
    import fcntl

    _LOCKS = True
except ImportError:  # Windows: a lock goes by the process that is named in it
    _LOCKS = False

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of the system for no room: of the disk, of a quota, of the limit on a file's size."""


def atomic_write(path: str | os.PathLike[str], write: Callable[[Path], object], *, links: bool = True) -> Path:
    """Let `write` fill a temporary file beside `path`, flush it to the disk and rename it to `path`.

    A reader sees the old file or the new one, never half of one, also after a crash or a power cut. When `write`
    fails, the old file stays as it was and nothing is left behind. Missing folders are made. A link stays one, and
    its target is written. A pipe or a device is written into, not replaced.

    Args:
        path: of the file. Returned as a `Path`.
        write: gets the temporary path and must create a file there. The name keeps the suffix of `path`, because
            some writers (`numpy.save`) add their own when it is missing.
        links: write the target of a link. False refuses a link in the place of the file, as in the folders that
            rootward writes.

    Raises:
        WriteError: no room, no permission, a folder in its place; a link, without `links`.
    """
    path = Path(path)
    if not links:
        refuse_link(path)
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
        fill(temporary, write, like=target)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def fill(path: Path, write: Callable[[Path], object], like: Path | None = None) -> None:
    """Let `write` make this file, which is not there, and flush it to the disk.

    It gets the mode of the file `like`, where there is one, or that of any new file: some libraries let nobody else
    read what they write.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    mode = path.stat().st_mode
    if like is not None:
        with suppress(OSError):
            mode = like.stat().st_mode
    path.unlink()
    write(path)
    with open(path, "rb+") as file:
        status = os.fstat(file.fileno())
        if status.st_mode != mode and status.st_nlink == 1:
            with suppress(OSError):  # a disk without modes
                os.chmod(path, mode & 0o777)
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk: a name belongs to its folder, not to its file."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def refuse_link(path: Path) -> None:
    """Raise a WriteError where a link stands, which would lead to a file of somebody else."""
    if path.is_symlink():
        raise WriteError(f"{path} is a link, and rootward writes through none in its folders. Delete the link.")


def reserve(path: Path, length: int) -> None:
    """Make a file of so many bytes that the disk has room for.

    A file that is only lengthened gets its room when it is written to. Where it is mapped, a full disk then ends the
    process by a signal.

    Raises:
        OSError: no room.
    """
    with open(path, "wb") as file:
        if length and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, length)
        else:
            file.truncate(length)


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


_BLOCK_BYTES = 1 << 22
"""Large blocks leave the interpreter to other threads while they are hashed; larger ones than this miss the cache."""
_SETTLED_NS = 3 * 10**9
_known: dict[tuple[int, ...], str] = {}


def sha256(path: str | os.PathLike[str], *, known: bool = False) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Args:
        path: of the file.
        known: a file of 1 MiB or more that this process has read before is not read again, where the system says that
            it was not written since (device, inode, length, both times).
    """
    with open(path, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        mark = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        if known and (digest := _known.get(mark)):
            return digest
        began = time.time_ns()
        block = memoryview(bytearray(min(_BLOCK_BYTES, status.st_size + 1)))
        digest = sha256_of(block[:n] for n in iter(lambda: file.readinto(block), 0))
    # Times are as coarse as 2 s on some disks: a file that has just been written may be written again unnoticed.
    if status.st_size >= 1 << 20 and began - max(mark[3:]) > _SETTLED_NS:
        if len(_known) >= 1_000:
            _known.clear()
        _known[mark] = digest
    return digest


# -- locks ---------------------------------------------------------------------------------------------------------

_POLL_SECONDS = 0.05
_held: dict[str, tuple[int, int]] = {}  # (process, thread) that holds each lock of this process


@contextmanager
def locked(path: Path, what: str, subject: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold a lock: a file that is locked by the system and names its owner, and is deleted at the end.

    The system lets go of the lock of a process that ends, however it ends, so a file that is left is taken over; also
    that of another container on this machine. Only one of another machine stays, as its processes cannot be seen. The
    same thread may hold a lock more than once.

    Args:
        path: of the lock file.
        what: what the owner does, for others' messages: "rootward train".
        subject: what is locked, for messages.
        wait: seconds to wait for another owner.

    Raises:
        InUseError: another process, or thread, holds it; the message says which.
        WriteError: the file cannot be written.
    """
    key, me = os.path.realpath(path), (os.getpid(), threading.get_ident())
    if _held.get(key) == me:
        yield
        return
    until = time.monotonic() + wait
    while True:
        with writing(path):
            descriptor, owner = _try_lock(path)
        if descriptor is not None:
            break
        if time.monotonic() >= until:
            raise InUseError(_held_by(owner, path, subject))
        time.sleep(_POLL_SECONDS)
    _held[key] = me
    try:
        about = {"host": socket.gethostname(), "boot": _boot(), "pid": me[0]}
        about |= {"since": time.strftime("%Y-%m-%d %H:%M:%S"), "what": what}
        with suppress(OSError):  # a full disk: the lock holds all the same
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(about).encode(), 0)
        yield
    finally:
        del _held[key]
        with suppress(OSError):
            if _LOCKS:
                path.unlink()
        os.close(descriptor)
        if not _LOCKS:  # where no open file can be deleted
            with suppress(OSError):
                path.unlink()


def _try_lock(path: Path) -> tuple[int | None, dict[str, Any]]:
    """(descriptor of the locked file, {}), or (None, what is known of the owner)."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    while True:
        descriptor = os.open(path, flags, 0o666)
        free, certain = True, True
        try:
            if not _LOCKS:
                raise OSError(errno.ENOSYS, "no locks")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            free = False
        except OSError:  # a system or a disk without such locks
            certain = False
        owner = _owner(descriptor)
        here = owner.get("host") == socket.gethostname()
        if owner and not (certain and (here or _is_here(owner))):
            # Of another machine nobody knows whether its process still runs, nor whether the disk tells it of locks.
            free = free and here and not _runs(owner.get("pid"))
        if not free:
            os.close(descriptor)
            return None, owner
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor, {}
        os.close(descriptor)  # the owner before has deleted it meanwhile


def _owner(descriptor: int) -> dict[str, Any]:
    """What a lock file says; empty where it says nothing."""
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(os.pread(descriptor, 4096, 0))
        return found if isinstance(found, dict) else {}
    return {}


def _boot() -> str:
    """The id of the running kernel, one for all containers of a machine and a new one at every start; "" elsewhere."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _is_here(owner: dict[str, Any]) -> bool:
    """Whether the kernel of this machine holds the owner's lock, as of a container that had another host name."""
    return bool(_boot()) and owner.get("boot") == _boot()


def _runs(pid: object) -> bool:
    """Whether a process of this machine runs."""
    if not isinstance(pid, int) or pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _held_by(owner: dict[str, Any], path: Path, subject: Path) -> str:
    """Who writes, and what to do."""
    host, pid = owner.get("host"), owner.get("pid")
    who = f"{owner.get('what')!s} (process {pid} on {host}, since {owner.get('since')})" if owner else "another process"
    then = "Wait until it is done, or choose another folder."
    if owner and host != socket.gethostname() and not _is_here(owner):
        then = (
            f"Wait until it is done, or choose another folder. {host} is another machine, whose processes cannot be "
            f"seen from here. Only if that process has ended (on {host}, `ps -p {pid}` does not show it; or {host} was "
            f"started again since, or is no more), delete its lock: rm {shlex.quote(str(path))}"
        )
    return f"{subject} is being written by {who}. {then}"
