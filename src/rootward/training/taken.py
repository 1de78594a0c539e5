"""Into which folders a run may be written: new ones, empty ones, and what a start of ours left that was cut off."""

from __future__ import annotations

import json
import re
from itertools import count
from pathlib import Path
from typing import Any

from rootward.encoders.storage import CONFIG, IDS, MAPPED, MODEL, REPORT, TEXTS
from rootward.errors import RunFolderError
from rootward.pairs.storage import PAIRS
from rootward.training.checkpoint import CHECKPOINT

WHERE, LOG = "pairs.json", "log.jsonl"
_LINKED = {f"{name}{suffix}" for name in MAPPED.values() for suffix in (".arrow", ".npy")}
_OURS = frozenset({CONFIG, MODEL, IDS, TEXTS, PAIRS, WHERE, REPORT, LOG, CHECKPOINT.parts[0], *_LINKED})
_TEMPORARY = re.compile(r"\.[0-9a-f]{12}\.")  # as `rootward.files` names them
_SHOWN = 3


def refuse_taken(folder: Path) -> None:
    """Refuse a folder that a run would overwrite something in.

    A start of ours that was cut off has a log, for that is written first, and nothing that is not a run's.

    Raises:
        RunFolderError: it holds a run, an index or files of somebody else, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file; --out needs the name of a folder.")
    if (folder / CONFIG).exists():
        raise RunFolderError(f"{folder} {_held(folder)}")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    others = sorted(names if LOG not in names else {n for n in names - _OURS if not _TEMPORARY.match(n)})
    if others:
        shown = ", ".join(others[:_SHOWN]) + (f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else "")
        raise RunFolderError(
            f"{folder} holds other files ({shown}); choose an empty or new folder, --out {_free(folder)}"
        )


def _held(folder: Path) -> str:
    """What a folder with a config.json holds, and what to do."""
    config = _config(folder / CONFIG)
    if not str(config.get("made_by", "")).startswith("rootward"):
        return f"holds a {CONFIG} that rootward has not written; choose an empty or new folder, --out {_free(folder)}"
    if "run" in config:
        return (
            f"holds a run already. Choose another folder, --out {_free(folder)}; or go on with it, if it was "
            f"interrupted: rootward train --resume {folder}"
        )
    what = "an index" if "index" in config else "a model"
    return f"holds {what} already; choose another folder, --out {_free(folder)}"


def _config(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _free(folder: Path) -> Path:
    """A folder beside it that is not there yet."""
    folder = folder if folder.name else folder.absolute()
    return next(free for free in (folder.with_name(f"{folder.name}-{i}") for i in count(2)) if not free.exists())
