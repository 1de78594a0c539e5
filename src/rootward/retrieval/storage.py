"""An index as a folder: files of one generation, and the `config.json` that names them and is written last.

    config.json              "index": engine, settings, generation, fingerprint of the model, what was tuned;
                             "files": checksums
    documents-0001.parquet   row, id, height, gone; name, synonyms, definition where there are names
    ancestors-0001.safetensors depth; offsets, ancestors, hops; where the index knows its hierarchy
    calibration-0001.safetensors   where answer sets end, where that is calibrated
    ...-0001.*               what the engine keeps; nothing for a server
    loading.json             only while the index is built: how far it is

A change writes files of the next number and then `config.json`, so that a folder is the old index or the new one.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from rootward.calibration.calibrate import Calibration
from rootward.encoders.storage import CONFIG, check_files, read_config, write_config
from rootward.errors import RunFolderError
from rootward.files import sha256, write_text
from rootward.retrieval.catalogue import Ancestors, Catalogue
from rootward.retrieval.engines.engine import Engine, Shared, check_options, engine_class
from rootward.retrieval.engines.lists import Relevance

LOADING = "loading.json"
_REMEDY = "Restore it or build the index again"


def write_index(
    folder: Path, engine: Engine, catalogue: Catalogue, about: dict[str, Any], calibration: Calibration | None = None
) -> None:
    """Write the next generation of an index; the files of the one before go when it is whole.

    Args:
        folder: made if it is not there.
        engine: saves itself.
        catalogue: what the rows are called.
        about: more for the section "index" of `config.json`, JSON values.
        calibration: where answer sets end.

    Raises:
        RunFolderError: the folder holds something else.
    """
    before = existing_config(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generation = before.get("index", {}).get("generation", 0) + 1
    mark = f"{generation:04}"
    parts = {"catalogue": catalogue.save(folder, mark), "engine": engine.save(folder, mark)}
    if calibration is not None:
        parts["calibration"] = (calibration.save(folder / f"calibration-{mark}.safetensors").name,)
    section = {**about, "generation": generation, "name": engine.name, "settings": engine.settings, **parts}
    names = [name for part in parts.values() for name in part]
    write_config(folder, {"index": section, "files": {name: sha256(folder / name) for name in names}})
    drop(folder, set(before.get("files", {})) - set(names))


def existing_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of an index that stands there already, {} where there is none.

    Raises:
        RunFolderError: the folder holds something else.
    """
    if not (folder / CONFIG).is_file():
        return {}
    config = _config(folder)
    if "index" not in config:
        what = "a trained model" if "towers" in config else f"a {CONFIG} that is of no index"
        raise RunFolderError(f"{folder} holds {what}; an index needs a folder of its own. Choose another.")
    return config


def read_index(folder: Path, **settings: Any) -> tuple[Engine, Catalogue, Calibration | None, dict[str, Any]]:
    """(engine, catalogue, calibration, section "index" of `config.json`), every checksum checked.

    Args:
        folder: as `write_index` wrote it.
        settings: in place of those that were stored, such as the uri of a server that has moved.

    Raises:
        RunFolderError: no such folder, no index in it, damaged, cut off while it was built, or of a newer version.
    """
    if (folder / LOADING).is_file() and not (folder / CONFIG).is_file():
        raise RunFolderError(
            f"{folder} was cut off while it was built. Build it again into the same folder: it goes on where it was."
        )
    config = _config(folder)
    if "index" not in config:
        raise RunFolderError(
            f"{folder} holds a trained model and no index. Make one: rootward index {folder} --out FOLDER"
        )
    check_files(folder, config, remedy=_REMEDY)
    about = config["index"]
    catalogue = Catalogue.load(folder, tuple(about["catalogue"]))
    engine: Engine = engine_class(about["name"]).load(folder, tuple(about["engine"]), {**about["settings"], **settings})
    if isinstance(engine, Shared):
        engine.check_complete(about["fingerprint"])
    calibrations = [Calibration.load(folder / name) for name in about.get("calibration", ())]
    return engine, catalogue, calibrations[0] if calibrations else None, about


def _config(folder: Path) -> dict[str, Any]:
    return read_config(folder, what="index", writer="rootward index RUN", remedy="build the index again")


def drop(folder: Path, names: Iterable[str]) -> None:
    """Delete files of an earlier generation."""
    for name in names:
        (folder / name).unlink(missing_ok=True)


# -- while it is built -------------------------------------------------------------------------------------------


def write_loading(folder: Path, engine: Engine, about: dict[str, Any], done: int) -> None:
    """Write down that the first `done` documents are safe; a snapshot of an engine in files comes with it."""
    before = _loading(folder).get("files", {})
    files = engine.save(folder, f"loading{done}")
    state = {"about": about, "done": done, "settings": engine.settings, "files": {f: sha256(folder / f) for f in files}}
    write_text(folder / LOADING, json.dumps(state))
    drop(folder, set(before) - set(files))


def read_loading(folder: Path) -> dict[str, Any]:
    """What `write_loading` wrote, {} where nothing is being built or a file of it is not whole."""
    state = _loading(folder)
    try:
        check_files(folder, state)
    except RunFolderError:
        return {}
    return state


def end_loading(folder: Path) -> None:
    """The index is whole: forget how far it was."""
    drop(folder, [*_loading(folder).get("files", {}), LOADING])


def _loading(folder: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads((folder / LOADING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state


BATCH = 50_000
"""Documents a batch."""

SNAPSHOT_SECONDS = 60.0
"""Between two snapshots of an engine in files, while it is loaded into a folder; a server needs none."""

_LINE_SECONDS = 2.0


def load_all(
    name: str,
    documents: Tensor,
    ancestors: Ancestors | None,
    options: dict[str, Any],
    *,
    relevance: Relevance | None,
    fingerprint: str,
    folder: Path | None,
    progress: bool,
) -> Engine:
    """An engine that holds documents[i] as row i, committed.

    Args:
        name: of the engine.
        documents: n x dim.
        ancestors: of all of them, for engines that keep facts.
        options: of the engine.
        relevance: which queries want which documents, for engines that have a use for it.
        fingerprint: of the model: a load that was cut off goes on only with the same vectors, engine and options.
        folder: where to write down how far it is; None keeps nothing.
        progress: show a bar, or a line every few seconds where standard error is no terminal.
    """
    check_options(name, options)
    about: dict[str, Any] = {
        "engine": name,
        "fingerprint": fingerprint,
        "n": len(documents),
        "options": _digest(options),
    }
    about |= {} if relevance is None else {"pairs": _digest_of_pairs(relevance), "target": relevance.target}
    state = {} if folder is None else read_loading(folder)
    if state.get("about") == about and folder is not None:
        engine: Engine = engine_class(name).load(folder, tuple(state["files"]), {**options, **state["settings"]})
        done = state["done"]
    else:
        known = {} if relevance is None else {"relevance": relevance}
        engine, done = engine_class(name).prepared(documents, **options, **known), 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            write_loading(folder, engine, about, done)
    if isinstance(engine, Shared):
        done = engine.begin_load(fingerprint, len(documents), ancestors)
    saved = time.monotonic()
    with _bar(f"{name}: documents", len(documents), done, progress) as moved:
        for start in range(done, len(documents), BATCH):
            rows = np.arange(start, min(start + BATCH, len(documents)))
            engine.upsert(rows, documents[start : start + BATCH], None if ancestors is None else ancestors.take(rows))
            moved(len(rows))
            if isinstance(engine, Shared):
                engine.acknowledge(start + len(rows))
            if folder is not None and (engine.durable or time.monotonic() - saved >= SNAPSHOT_SECONDS):
                write_loading(folder, engine, about, start + len(rows))
                saved = time.monotonic()
    engine.commit()
    if isinstance(engine, Shared):
        _mend(engine, documents, ancestors)
    return engine


def _mend(engine: Engine, documents: Tensor, ancestors: Ancestors | None) -> None:
    """Put in again what a server acknowledged and yet does not hold, until it holds all."""
    assert isinstance(engine, Shared)
    while missing := engine.missing(len(documents), BATCH):
        for part in missing:
            rows = np.arange(part.start, part.stop)
            engine.upsert(rows, documents[part.start : part.stop], None if ancestors is None else ancestors.take(rows))
        engine.commit()


def _digest(options: dict[str, Any]) -> str:
    """Options may hold a password, so that only their digest is written down."""
    return hashlib.sha256(json.dumps(options, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _digest_of_pairs(relevance: Relevance) -> str:
    """Lists stand where these pairs say, so a load goes on with the same ones only."""
    digest = hashlib.sha256(relevance.query_of.tobytes())
    digest.update(relevance.documents.tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def _bar(what: str, total: int, done: int, shown: bool) -> Iterator[Any]:
    """A function that moves a bar on by so many."""
    terminal = shown and sys.stderr.isatty()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=not terminal) as bar:
        task = bar.add_task(what, total=total, completed=done)
        at, said = done, time.monotonic()

        def moved(n: int) -> None:
            nonlocal at, said
            at += n
            bar.advance(task, n)
            if shown and not terminal and (time.monotonic() - said >= _LINE_SECONDS or at == total):
                said = time.monotonic()
                print(f"{what} {at:,}/{total:,}", file=sys.stderr, flush=True)

        yield moved
