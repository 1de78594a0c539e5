"""Folders: the `config.json` that is written last over the files beside it, so a folder that has one is whole.

    format, made_by      version of this layout, and of rootward
    generation           how many times the folder was written; see below
    files                name to [bytes, SHA-256] of every file that belongs to the folder
    run, index, pairs, towers ...   a section of each room that writes here; they say what the folder holds
    sha256               of this file, with 64 zeros in its place

**Reading.** Every name is one of a plain file in the folder itself, never a path or a link. Lengths and checksums are
checked before a file is opened. A reader takes no lock: `read_whole` reads again where the folder was written
meanwhile.

**Writing.** `writing_to` locks the folder and removes what a killed writer has left. A `Generation` writes each file
under a name of its own, `.0002.model.safetensors`; then `config.json`, with which the new files are the folder's; and
then renames them. Killed before `config.json`, the folder is the old one; killed after it, readers find the new files
under either name, and the next writer renames the rest.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rootward.errors import InputError, RunFolderError, TableError, did_you_mean
from rootward.files import atomic_write, fill, locked, refuse_link, sha256, sha256_of, sync_folder, writing

FORMAT = 3
CONFIG, REPORT, LOG = "config.json", "report.json", "log.jsonl"
CHECKPOINTS = "checkpoints"
"""The folder in that of a run which holds the state of its training."""
CLASSIFIER = "classifier"
"""The folder in that of a run which holds its classifier."""

SUMS, SEAL = "SHA256SUMS", "SHA256SUMS.sha256"
"""The list of checksums of an exported folder, and the file with the checksum of this list."""

LOCK = ".rootward-lock"
"""The file that the writer of a folder holds locked; see `rootward.files.locked`."""

Found = TypeVar("Found")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder, as error messages speak of it.

    Attributes:
        what: its name.
        writer: the command or call that writes one.
        remedy: what to do when it is broken; `{folder}` stands for its path.
        error: what is raised.
        derived: files that follow from the others; the folder is whole without them.
    """

    what: str
    writer: str
    remedy: str
    error: type[InputError] = RunFolderError
    derived: tuple[str, ...] = ()


RUN_FOLDER = FolderKind(
    what="run",
    writer="rootward train",
    remedy="Restore it or train again; a run that was interrupted while it was written goes on with rootward train "
    "--resume {folder}",
    derived=(REPORT, LOG),
)
INDEX_FOLDER = FolderKind("index", "rootward index RUN", "Restore it or build the index again")
CLASSIFIER_FOLDER = FolderKind("classifier", "rootward train", RUN_FOLDER.remedy)
PAIRS_FOLDER = FolderKind("pairs", "Pairs.from_table", "Delete the folder and make it again from its table", TableError)


# -- names -------------------------------------------------------------------------------------------------------

_OWN = re.compile(
    r"(config|loading|pairs|report|diff)\.json|log\.jsonl|"
    r"(model|evidence|encoder|held_out|calibration|last)\.safetensors|"
    r"(ids|texts|pairs)\.parquet|(query_ids|document_ids)\.(arrow|npy)|"
    r"(offsets|documents|distances|generality|heights)\.npy|"
    r"[\w-]{1,64}-(\d{4,9}|loading\d{1,12})\.(parquet|safetensors|faiss|npy)"
)
"""The files that rootward writes into its folders."""
_TEMPORARY = re.compile(
    r"\.(?:[0-9a-f]{12}|(\d{4,9}))\.(?:\.\d{4,9}\.)?(.+)"
)  # as `rootward.files` and `Generation` name them


def is_plain(name: object) -> bool:
    """Whether this is the name of a file in a folder: no path, no hidden file, nothing that a terminal acts on."""
    if not isinstance(name, str) or not 0 < len(name) <= 255 or not name.isprintable():
        return False
    return name[0] != "." and not set(name) & set("/\\:")


def left_over(name: str) -> bool:
    """Whether a file is one that a killed writer leaves: a temporary one, or the lock."""
    found = _TEMPORARY.fullmatch(name)
    return name == LOCK or (found is not None and _OWN.fullmatch(found[2]) is not None)


def _pending(generation: int, name: str) -> str:
    """What a file is called until its generation is the folder's."""
    return f".{generation:04}.{name}"


# -- JSON --------------------------------------------------------------------------------------------------------

_DEEPEST, _LONGEST = 50, 1 << 28  # levels of nesting; bytes
_ZEROS = "0" * 64


def parse_json(data: bytes) -> Any:
    """A JSON value.

    Raises:
        ValueError: no JSON in UTF-8, nested deeper than 50 levels, or with half a character in a text.
    """
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level = [found]
    for _ in range(_DEEPEST):
        level = [
            each
            for some in level
            if isinstance(some, (dict, list))
            for each in (some.values() if isinstance(some, dict) else some)
        ]
        if not level:
            break
    else:
        raise ValueError("it is nested too deeply")
    if b"\\u" in data:
        json.dumps(found, ensure_ascii=False).encode()
    return found


def seal(values: Mapping[str, Any]) -> str:
    """The text of a JSON object with its own checksum as "sha256"."""
    text = json.dumps({**values, "sha256": _ZEROS}, indent=2, sort_keys=True) + "\n"
    place = '\n  "sha256": "'  # with this indentation there is one
    return text.replace(place + _ZEROS, place + sha256_of([text.encode()]), 1)


def unseal(data: bytes) -> dict[str, Any]:
    """The object that `seal` made this text of, with "sha256".

    Raises:
        ValueError: it is none, or was changed since.
    """
    if len(data) > _LONGEST:
        raise ValueError("it is longer than 256 MiB")
    found = parse_json(data)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    digest = found.get("sha256")
    if not isinstance(digest, str) or len(digest) != 64:
        raise ValueError("it has no checksum of its own")
    if data.count(digest.encode()) != 1 or sha256_of([data.replace(digest.encode(), _ZEROS.encode())]) != digest:
        raise ValueError("its checksum is not that of its text: it was damaged, or changed by hand")
    return found


def checked_as(model: type[Model], values: Any, where: str, then: str, error: type[InputError]) -> Model:
    """These JSON values as a model.

    Args:
        model, values: the type, and what should fit it.
        where: the file, and the section of it, for the message.
        then: what to do.
        error: what is raised, where they do not fit.
    """
    try:
        return model.model_validate(values)
    except (ValidationError, RecursionError) as fault:
        raise error(f"{where} does not hold what it should: {faults(fault)}. {then}") from fault


def faults(error: ValidationError | RecursionError) -> str:
    """The fields that do not fit, and why, in a line."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    found = [f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors()]
    return "; ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


class _Head(BaseModel):
    """What every `config.json` holds, whatever the folder is."""

    model_config = ConfigDict(extra="allow", strict=True)
    format: int
    made_by: str
    generation: int = Field(ge=1, lt=10**9)
    files: dict[str, list[int | str]]


def write_config(
    folder: Path, sections: Mapping[str, Any], files: Mapping[str, tuple[int, str]], generation: int = 1
) -> None:
    """Write `config.json`: these sections, the `checksums` of the folder's files, the format and our version."""
    head = {"format": FORMAT, "made_by": f"rootward {version('rootward')}", "generation": generation, "files": files}
    write_sealed(folder / CONFIG, {**sections, **head})


def write_sealed(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON object with its own checksum, whole or not at all."""
    atomic_write(path, lambda to: to.write_text(seal(values), encoding="utf-8"), links=False)


# -- reading -----------------------------------------------------------------------------------------------------


def checksums(folder: Path, names: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Length in bytes and SHA-256 of each of these files, by name."""
    return {name: ((folder / name).stat().st_size, sha256(folder / name)) for name in names}


def sections_in(folder: Path) -> Container[str]:
    """The sections of a folder's `config.json`, to see what it holds; none where there is nothing that can be read."""
    with suppress(OSError, ValueError):
        found = parse_json((folder / CONFIG).read_bytes())
        if isinstance(found, dict) and str(found.get("made_by", "")).startswith("rootward"):
            return set(found)
    return ()


def is_foreign(folder: Path) -> bool:
    """Whether a folder has a `config.json` of another program."""
    try:
        found = parse_json((folder / CONFIG).read_bytes())
    except (OSError, ValueError):
        return False
    return not (isinstance(found, dict) and str(found.get("made_by", "")).startswith("rootward"))


def read_config(folder: Path, kind: FolderKind = RUN_FOLDER) -> dict[str, Any]:
    """The `config.json` of a folder.

    Raises:
        RunFolderError: no such folder, no config in it, one that is damaged or was changed by hand, names in it that
            are of no files in the folder, or another version's format; of pairs a TableError.
    """
    path = folder / CONFIG
    if folder.is_file():
        raise kind.error(f"{folder} is a file; needed is the folder of a {kind.what}, as {kind.writer} writes it.")
    if not path.is_file():
        lacks = "has no config.json" if folder.is_dir() else "does not exist"
        beside = [str(other) for other in folder.parent.glob("*") if (other / CONFIG).is_file()]
        raise kind.error(
            f"{folder} {lacks}, so it is no {kind.what} of rootward.{did_you_mean(str(folder), beside)} Make one: "
            f"{kind.writer} ... --out {folder}"
        )
    _refuse_link(path, kind)
    remedy = kind.remedy.format(folder=folder)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise kind.error(f"{path} cannot be read: {error.strerror}.") from error
    try:
        config = unseal(data)
    except ValueError as error:
        _refuse_other_format(folder, data, kind)
        raise kind.error(
            f"{path} cannot be relied on: {error}. So the {kind.what} cannot be read. {remedy}."
        ) from error
    _check_format(folder, config, kind)
    head = checked_as(_Head, config, str(path), f"{remedy}.", kind.error)
    for name, entry in head.files.items():
        if not is_plain(name):
            raise kind.error(f"{path} lists {name!r}, which is no name of a file in the folder. {remedy}.")
        length, digest = (*entry, None, None)[:2]
        sound = type(length) is int and length >= 0 and isinstance(digest, str) and len(entry) == 2
        if not sound:
            raise kind.error(f"{path}: files.{name} must be [bytes, SHA-256], got {entry!r}. {remedy}.")
    return config


def _refuse_other_format(folder: Path, data: bytes, kind: FolderKind) -> None:
    """Raise the error for another version's format, where a text that is not sealed is of one."""
    found = None
    with suppress(ValueError):
        found = parse_json(data[:_LONGEST])
    if isinstance(found, dict) and "sha256" not in found:
        _check_format(folder, found, kind)


def _check_format(folder: Path, config: Mapping[str, Any], kind: FolderKind) -> None:
    written, by = config.get("format"), config.get("made_by", "another version of rootward")
    if type(written) is int and written != FORMAT:
        upgrade = "Upgrade with: pip install --upgrade rootward"
        raise kind.error(
            f"{folder} was written by {by} in format {written}; this version reads format {FORMAT}. "
            f"{upgrade if written > FORMAT else 'Make it again, or read it with that version.'}"
        )


def section(
    folder: Path, config: Mapping[str, Any], name: str, model: type[Model], kind: FolderKind = RUN_FOLDER
) -> Model:
    """A section of a `config.json` as a model; {} where there is none.

    Raises:
        RunFolderError: it does not fit; the message names the fields. Of pairs a TableError.
    """
    then = f"It was changed by hand or by another version. {kind.remedy.format(folder=folder)}."
    return checked_as(model, config.get(name, {}), f"{folder / CONFIG}, section {name!r},", then, kind.error)


def file_of(folder: Path, config: Mapping[str, Any], name: str, kind: FolderKind = RUN_FOLDER) -> Path:
    """Where a file of the folder is: under its name, or the one that a killed writer had no time to change.

    Raises:
        RunFolderError: it is a link, which may lead anywhere; of pairs a TableError.
    """
    path = folder / _pending(config.get("generation", 0), name)
    path = path if name in config.get("files", {}) and os.path.lexists(path) else folder / name
    _refuse_link(path, kind)
    return path


def _refuse_link(path: Path, kind: FolderKind) -> None:
    if path.is_symlink():
        raise kind.error(f"{path} is a link; a {kind.what} has files of its own only. Put the file itself there.")


def check_files(
    folder: Path,
    config: Mapping[str, Any],
    kind: FolderKind = RUN_FOLDER,
    *,
    only: Container[str] | None = None,
    lengths_only: Container[str] = (),
    known: bool = True,
) -> None:
    """Check that the files that `config.json` lists are there and unchanged.

    Args:
        folder, config, kind: as for, and from, `read_config`.
        only: names to check; None is all but the derived ones. Derived ones may be missing.
        lengths_only: names whose lengths are compared and whose checksums, which read all of a file, are not.
        known: as for `rootward.files.sha256`.

    Raises:
        RunFolderError: one is missing, or its bytes are not those that were written; of pairs a TableError.
    """
    remedy = kind.remedy.format(folder=folder)
    for name, (length, digest) in config["files"].items():
        if name in kind.derived if only is None else name not in only:
            continue
        path = file_of(folder, config, name, kind)
        if not path.is_file():
            if name in kind.derived:
                continue
            raise kind.error(f"{path} is missing, though {CONFIG} lists it. {remedy}.")
        then = f"{remedy}."
        if name in kind.derived:
            again = {REPORT: f"Measure again: rootward evaluate {folder} --json {path}"}
            then = f"{again.get(name, 'Restore it')}; or delete the file, as the model is whole without it."
        if path.stat().st_size != length:
            raise kind.error(f"{path} is damaged: it has another length than it was written with. {then}")
        if name not in lengths_only and sha256(path, known=known) != digest:
            raise kind.error(f"{path} is damaged: its checksum is not the one in {CONFIG}. {then}")


_LARGE = 1 << 22
"""Bytes of a file from which comparing its checksum in a thread is worth its while."""


@contextmanager
def checking(folder: Path, config: Mapping[str, Any], kind: FolderKind = RUN_FOLDER) -> Iterator[None]:
    """`check_files` around what reads them: large files of vectors are compared in a thread meanwhile.

    These are tables of numbers, which are safe to open whatever is in them; everything else is compared before. What
    the block reads is to be relied on only after it.

    Raises:
        RunFolderError: as `check_files`; it takes the place of what went wrong in the block.
    """
    large = {
        name
        for name, (length, _) in config["files"].items()
        if length >= _LARGE and name.endswith((".safetensors", ".npy")) and name not in kind.derived
    }
    if not large:
        check_files(folder, config, kind)
        yield
        return
    with ThreadPoolExecutor(1) as thread:
        tables = thread.submit(check_files, folder, config, kind, only=large)
        check_files(folder, config, kind, only=config["files"].keys() - large - set(kind.derived))
        try:
            yield
        except Exception:
            tables.result()
            raise
        tables.result()


READS = 10
"""How often a folder is read again that is written while it is read."""


def read_whole(folder: Path, kind: FolderKind, read: Callable[[dict[str, Any]], Found]) -> Found:
    """What `read` makes of a folder by its config, all of it of one generation.

    A writer does not wait for readers: where `config.json` is another one afterwards, whatever was read or went wrong
    is forgotten, and the folder is read again.

    Raises:
        RunFolderError: as `read_config`; it is written faster than it can be read. Of pairs a TableError.
    """
    for _ in range(READS):
        config = read_config(folder, kind)
        try:
            found = read(config)
        except Exception:
            if read_state(folder) == config["sha256"]:
                raise
            continue
        if read_state(folder) == config["sha256"]:
            return found
    raise kind.error(f"{folder} is written faster than it can be read; try again when its writer is done.")


def read_state(folder: Path) -> str | None:
    """The checksum that a folder's config has of itself: another one in every generation."""
    with suppress(OSError, ValueError):
        return str(unseal((folder / CONFIG).read_bytes())["sha256"])
    return None


# -- writing -----------------------------------------------------------------------------------------------------


@contextmanager
def writing_to(folder: Path, what: str, *, wait: float = 0.0) -> Iterator[None]:
    """Be the one writer of a folder, which is made if it is not there; what a killed writer has left is removed.

    Args:
        folder: of any kind.
        what: what is done, for the messages of others: "rootward train".
        wait: seconds to wait for another writer.

    Raises:
        InUseError: somebody else writes it; the message says who.
        RunFolderError: it is a file.
        WriteError: it cannot be made or written into.
    """
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; needed is the name of a folder.")
    made = not folder.exists()
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder / LOCK, what, folder, wait):
            remove_left_over(folder)
            yield
    finally:
        if made:
            with suppress(OSError):  # not empty: something was written
                folder.rmdir()


def remove_left_over(folder: Path) -> None:
    """Remove temporary files of killed writers, and finish the generation that one of them had no time to rename."""
    config: dict[str, Any] | None = {}
    if (folder / CONFIG).exists():
        config = None  # of a folder that cannot be read every generation stays
        with suppress(InputError):
            config = read_config(folder)
    for name in os.listdir(folder):
        if _OWN.fullmatch(name):
            refuse_link(folder / name)
        path, found = folder / name, _TEMPORARY.fullmatch(name)
        if found is None or not _OWN.fullmatch(found[2]) or path.is_symlink() or not path.is_file():
            continue
        if found[1] is not None and config is None:
            continue
        with writing(path):
            if (
                config
                and found[1] is not None
                and int(found[1]) == config["generation"]
                and found[2] in config["files"]
            ):
                os.replace(path, folder / found[2])
            path.unlink(missing_ok=True)
    if (folder / CHECKPOINTS).is_dir() and not (folder / CHECKPOINTS).is_symlink():
        remove_left_over(folder / CHECKPOINTS)


class Generation:
    """Writes the next generation of a folder, within `writing_to`; a context manager that cleans up after an error.

    Args:
        folder: that exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before: dict[str, Any] = {}
        with suppress(InputError):
            self._before = read_config(folder)
        self.number = self._before.get("generation", 0) + 1
        self._files: dict[str, tuple[int, str]] = {}
        self._written: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._written:
            with suppress(OSError):
                (self.folder / _pending(self.number, name)).unlink(missing_ok=True)

    def write(self, name: str, write: Callable[[Path], object]) -> None:
        """Let `write` make a file of the new generation, at the path that it gets."""
        assert _OWN.fullmatch(name), f"{name} would not be known for a file of a killed writer"
        path = self.folder / _pending(self.number, name)
        self._written.append(name)
        with writing(self.folder / name):
            path.unlink(missing_ok=True)
            fill(path, write)
            self._files[name] = path.stat().st_size, sha256(path)

    def keep(self, name: str) -> None:
        """Take over a file of the generation before, or one that stands in the folder."""
        before = self._before.get("files", {}).get(name)
        self._files[name] = checksums(self.folder, [name])[name] if before is None else before

    def commit(self, sections: Mapping[str, Any]) -> None:
        """Write `config.json` over these files, with which they are the folder's, and give them their names."""
        write_config(self.folder, sections, self._files, self.number)
        written, self._written = self._written, []
        for name in written:
            path = self.folder / _pending(self.number, name)
            with writing(self.folder / name):
                os.replace(path, self.folder / name)
                path.unlink(missing_ok=True)  # a hard link to the same file is not renamed
        with writing(self.folder):
            sync_folder(self.folder)


def add_file(folder: Path, name: str, write: Callable[[Path], object], what: str) -> None:
    """Write one more file into a folder, or another one in its place, with everything else as it is.

    Raises:
        InUseError, RunFolderError, WriteError: as `writing_to` and `read_config`.
    """
    with writing_to(folder, what), Generation(folder) as new:
        config = read_config(folder)
        for other in config["files"]:
            if other != name:
                new.keep(other)
        new.write(name, write)
        new.commit({key: value for key, value in config.items() if key not in _Head.model_fields and key != "sha256"})


def check_unused(folder: Path, first: str, own: Container[str]) -> None:
    """Refuse a folder in which a new run would overwrite something.

    What an interrupted start has left may be written over: it has the file that is written first, and nothing else but
    files of a run; or temporary files alone.

    Args:
        folder: where to write.
        first, own: names of the file that is written first, and of all that are written.

    Raises:
        InUseError: somebody writes it.
        RunFolderError: it holds a run, an index or other files, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; --out needs the name of a folder.")
    named = folder if folder.name else folder.absolute()
    free = next(name for i in count(2) if not (name := named.with_name(f"{named.name}-{i}")).exists())
    if (folder / CONFIG).exists():
        config = sections_in(folder)
        if not config:
            reason = f"a {CONFIG} that rootward has not written; choose an empty or new folder, --out {free}"
        elif "run" in config:
            reason = (
                f"a run already. Choose another folder, --out {free}; or go on with it, if it was interrupted: "
                f"rootward train --resume {folder}"
            )
        else:
            what = "an index" if "index" in config else "pairs" if "pairs" in config else "a model"
            reason = f"{what} already; choose another folder, --out {free}"
        raise RunFolderError(f"{folder} holds {reason}")
    if (folder / LOCK).exists():
        with locked(folder / LOCK, "rootward", folder):
            pass
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    started = first in names
    others = sorted(name for name in names if not (left_over(name) or (started and name in own)))
    if others:
        shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        raise RunFolderError(f"{folder} holds other files ({shown}); choose an empty or new folder, --out {free}")
