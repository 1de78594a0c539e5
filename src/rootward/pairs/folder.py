"""Pairs as a folder of files that are mapped and never read whole, for tables larger than memory.

offsets.npy, documents.npy, distances.npy      the arrays of `Pairs`
generality.npy, heights.npy                    what else every training asks for, worked out once
query_ids.arrow, query_ids.npy                 the ids of either side, see `rootward.pairs.mapped`
document_ids.arrow, document_ids.npy
config.json                                    written last: source, notes, the length and checksum of every file
"""

from __future__ import annotations

import hashlib
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rootward.errors import TableError
from rootward.files import atomic_write, sha256, write_text
from rootward.pairs.mapped import MappedIds
from rootward.pairs.storage import PAIRS

VERSION = 1
CONFIG = "config.json"
MAPPED, HELD = ("offsets", "documents", "distances"), ("generality", "heights")
SIDES = ("query_ids", "document_ids")
FILES = (*(f"{name}.npy" for name in (*MAPPED, *HELD, *SIDES)), *(f"{name}.arrow" for name in SIDES))
_KIND = "pairs"


class Mapped(NamedTuple):
    """What such a folder holds: all of it mapped but the two arrays with an entry a document."""

    query_ids: MappedIds
    document_ids: MappedIds
    offsets: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int32]
    distances: npt.NDArray[np.int32]
    generality: npt.NDArray[np.int64]
    heights: npt.NDArray[np.float32]
    notes: tuple[str, ...]


def is_folder(path: object) -> bool:
    """Whether this is the path of a whole folder of pairs, by what it says of itself."""
    return isinstance(path, (str, os.PathLike)) and _config(Path(path)).get("kind") == _KIND


def read_folder(folder: Path) -> Mapped:
    """Open a folder of pairs. Lengths of files are checked, their checksums are not: that would read all of them.

    Raises:
        TableError: it is none, not whole, damaged, or from a newer version.
    """
    about = read_about(folder)
    for name, (length, _) in about["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != length:
            state = "has another length than it was written with" if path.is_file() else "is missing"
            raise TableError(f"{path} {state}. Delete the folder and make it again from its table.")
    sides = [MappedIds(folder, name) for name in SIDES]
    mapped = [np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in MAPPED]
    held = [np.load(folder / f"{name}.npy") for name in HELD]
    return Mapped._make([*sides, *mapped, *held, tuple(about["notes"])])


def read_about(folder: Path) -> dict[str, Any]:
    """What the folder says of itself: "source", "notes", "files" and the "fingerprint" of these.

    Raises:
        TableError: it is no folder of pairs, not whole, or from a newer version.
    """
    about = _config(folder)
    if about.get("kind") != _KIND:
        inside = folder / PAIRS
        if inside.is_file():
            raise TableError(
                f"{folder} is a folder; that of a run is {inside}. A whole run is loaded by rootward.Run.load."
            )
        what = "is no folder" if not folder.is_dir() else "is not whole" if not about else "holds something else"
        raise TableError(
            f"{folder} {what}; needed are pairs as Pairs.from_table(table, on_disk={str(folder)!r}) writes them."
        )
    if about["version"] > VERSION:
        raise TableError(
            f"{folder} was written by {about['made_by']} (format {about['version']}, this one reads up to {VERSION}); "
            f"update rootward to open it."
        )
    return about


def finish(scratch: Path, folder: Path, source: dict[str, Any] | None, notes: tuple[str, ...]) -> None:
    """Take all files over from another folder of the same disk, and write `config.json`: the folder is whole."""
    files = {name: (os.path.getsize(scratch / name), sha256(scratch / name)) for name in FILES}
    for name in FILES:
        atomic_write(folder / name, lambda to, name=name: os.replace(scratch / name, to))  # type: ignore[misc]
    about = {
        "kind": _KIND,
        "version": VERSION,
        "made_by": f"rootward {version('rootward')}",
        "source": source,
        "notes": notes,
        "files": files,
        "fingerprint": hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16],
    }
    write_text(folder / CONFIG, json.dumps(about, indent=2) + "\n")


def _config(folder: Path) -> dict[str, Any]:
    """What `config.json` says, nothing where there is none or it is none of ours."""
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
