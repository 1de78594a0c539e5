"""Folders: the `config.json` that is written last over the files beside it, so a folder that has one is whole.

    format, made_by      version of this layout, and of rootward
    files                name to [bytes, SHA-256] of every file that belongs to the folder
    run, index, pairs, towers ...   a section of each room that writes here; they say what the folder holds

`write_config`, `read_config` and `check_files` do this for every kind of folder; `check_unused` says where a new run
may be written. Whatever else guards a folder as a whole (a lock, generations of files) belongs beside them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

from rootward.errors import InputError, RunFolderError, TableError, did_you_mean
from rootward.files import sha256, write_text

FORMAT = 2
CONFIG, REPORT = "config.json", "report.json"
CLASSIFIER = "classifier"
"""The folder in that of a run which holds its classifier."""


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder, as error messages speak of it.

    Attributes:
        what: its name.
        writer: the command or call that writes one.
        remedy: what to do when it is broken; `{folder}` stands for its path.
        error: what is raised.
        derived: files that follow from the others; the folder is whole without them, or with newer ones.
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
    derived=(REPORT,),
)
INDEX_FOLDER = FolderKind("index", "rootward index RUN", "Restore it or build the index again")
CLASSIFIER_FOLDER = FolderKind("classifier", "rootward train", RUN_FOLDER.remedy)
PAIRS_FOLDER = FolderKind("pairs", "Pairs.from_table", "Delete the folder and make it again from its table", TableError)


def checksums(folder: Path, names: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Length in bytes and SHA-256 of each of these files, by name."""
    return {name: ((folder / name).stat().st_size, sha256(folder / name)) for name in names}


def write_config(folder: Path, sections: Mapping[str, Any], files: Mapping[str, tuple[int, str]]) -> None:
    """Write `config.json`: these sections, the `checksums` of the folder's files, the format and our version."""
    head = {"format": FORMAT, "made_by": f"rootward {version('rootward')}", "files": files}
    write_text(folder / CONFIG, json.dumps({**sections, **head}, indent=2, sort_keys=True) + "\n")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is no such file or it holds something else."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def read_config(folder: Path, kind: FolderKind = RUN_FOLDER) -> dict[str, Any]:
    """The `config.json` of a folder.

    Raises:
        RunFolderError: no such folder, no config in it, no JSON in that, or another version's format; of pairs a
            TableError.
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
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        config = None
    if not isinstance(config, dict):
        remedy = kind.remedy.format(folder=folder)
        raise kind.error(f"{path} is no JSON object, so the {kind.what} cannot be read. {remedy}.")
    written, by = config.get("format", FORMAT), config.get("made_by", "another version of rootward")
    if written != FORMAT:
        upgrade = "Upgrade with: pip install --upgrade rootward"
        raise kind.error(
            f"{folder} was written by {by} in format {written}; this version reads format {FORMAT}. "
            f"{upgrade if written > FORMAT else 'Make it again, or read it with that version.'}"
        )
    return config


def check_files(
    folder: Path,
    config: Mapping[str, Any],
    kind: FolderKind = RUN_FOLDER,
    *,
    only: Container[str] | None = None,
    lengths_only: bool = False,
) -> None:
    """Check that the files that `config.json` lists are there and unchanged; derived ones are left out.

    Args:
        folder, config, kind: as for, and from, `read_config`.
        only: names to check; None is all.
        lengths_only: compare lengths and compute no checksum, which reads all of a file.

    Raises:
        RunFolderError: one is missing, or its bytes are not those that were written; of pairs a TableError.
    """
    remedy = kind.remedy.format(folder=folder)
    for name, (length, digest) in config.get("files", {}).items():
        path = folder / name
        if name in kind.derived or (only is not None and name not in only):
            continue
        if not path.is_file():
            raise kind.error(f"{path} is missing, though {CONFIG} lists it. {remedy}.")
        if lengths_only and path.stat().st_size != length:
            raise kind.error(f"{path} has another length than it was written with. {remedy}.")
        if not lengths_only and sha256(path) != digest:
            raise kind.error(f"{path} is damaged: its checksum is not the one in {CONFIG}. {remedy}.")


_TEMPORARY = re.compile(r"\.[0-9a-f]{12}\.")  # as `rootward.files` names them


def check_unused(folder: Path, first: str, own: Container[str]) -> None:
    """Refuse a folder in which a new run would overwrite something.

    What an interrupted start has left may be written over: it has the file that is written first, and nothing else but
    files of a run.

    Args:
        folder: where to write.
        first, own: names of the file that is written first, and of all that are written.

    Raises:
        RunFolderError: it holds a run, an index or other files, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; --out needs the name of a folder.")
    named = folder if folder.name else folder.absolute()
    free = next(name for i in count(2) if not (name := named.with_name(f"{named.name}-{i}")).exists())
    if (folder / CONFIG).exists():
        config = read_object(folder / CONFIG)
        if not str(config.get("made_by", "")).startswith("rootward"):
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
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    started = first in names
    others = sorted(name for name in names if not (started and (name in own or _TEMPORARY.match(name))))
    if others:
        shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        raise RunFolderError(f"{folder} holds other files ({shown}); choose an empty or new folder, --out {free}")
