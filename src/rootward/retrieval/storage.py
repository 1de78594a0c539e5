"""Index folders: files of one generation, and the `config.json` that names them and is written last.

    config.json              "index": engine, settings, generation, fingerprint of the model, what was tuned;
                             "files": checksums
    documents-0001.parquet   row, id, height, gone; name, synonyms, definition where there are names
    owners-0001.safetensors        document row of each row of the engine; where documents may have several vectors
    ancestors-0001.safetensors     depth; offsets, rows, hops; where the hierarchy is known
    calibration-0001.safetensors   where answer sets end, where that is calibrated
    ...-0001.*               files of the engine; none for a server
    loading.json             only while the index is built: how far it is

A change writes files of the next generation and then `config.json`, so a folder is the old index or the new one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from rootward.calibration.calibrate import Calibration
from rootward.errors import RunFolderError
from rootward.files import sha256_of, write_text
from rootward.folders import CONFIG, INDEX_FOLDER, check_files, checksums, read_config, read_object, write_config
from rootward.progress import bar
from rootward.retrieval.catalogue import Ancestors, Catalogue
from rootward.retrieval.engines.engine import Engine, Shared, check_options, engine_class
from rootward.retrieval.engines.lists import Relevance

LOADING = "loading.json"

BATCH = 50_000
"""Documents a batch."""

SNAPSHOT_SECONDS = 60.0
"""Between two snapshots of an engine in files, while it is loaded into a folder; a server needs none."""


def write_index(
    folder: Path, engine: Engine, catalogue: Catalogue, about: dict[str, Any], calibration: Calibration | None = None
) -> None:
    """Write the next generation of an index, then delete the files of the one before.

    The folder is made if it is not there; `about` is more for the section "index" of `config.json`, JSON values.

    Raises:
        RunFolderError: the folder holds something else.
    """
    before = existing_config(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generation = before.get("index", {}).get("generation", 0) + 1
    mark = f"{generation:04}"
    files = {"catalogue": catalogue.save(folder, mark), "engine": engine.save(folder, mark)}
    if calibration is not None:
        files["calibration"] = (calibration.save(folder / f"calibration-{mark}.safetensors").name,)
    section = {**about, "generation": generation, "name": engine.name, "settings": engine.settings, **files}
    names = [name for some in files.values() for name in some]
    write_config(folder, {"index": section}, checksums(folder, names))
    _delete(folder, set(before.get("files", {})) - set(names))


def existing_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of an index in this folder, {} where there is none.

    Raises:
        RunFolderError: the folder holds something else.
    """
    if not (folder / CONFIG).is_file():
        return {}
    config = read_config(folder, INDEX_FOLDER)
    if "index" not in config:
        what = "a trained model" if "towers" in config else f"a {CONFIG} that is of no index"
        raise RunFolderError(f"{folder} holds {what}; an index needs a folder of its own. Choose another.")
    return config


def read_index(folder: Path, **settings: Any) -> tuple[Engine, Catalogue, Calibration | None, dict[str, Any]]:
    """(engine, catalogue, calibration, section "index" of `config.json`), every checksum checked.

    `settings` take the place of stored ones, such as the uri of a server that has moved.

    Raises:
        RunFolderError: no such folder, no index in it, damaged, cut off while it was built, or of a newer version.
    """
    if (folder / LOADING).is_file() and not (folder / CONFIG).is_file():
        raise RunFolderError(
            f"{folder} was cut off while it was built. Build it again into the same folder: it goes on where it was."
        )
    config = read_config(folder, INDEX_FOLDER)
    if "index" not in config:
        raise RunFolderError(
            f"{folder} holds a trained model and no index. Make one: rootward index {folder} --out FOLDER"
        )
    check_files(folder, config, INDEX_FOLDER)
    about = config["index"]
    catalogue = Catalogue.load(folder, tuple(about["catalogue"]))
    engine: Engine = engine_class(about["name"]).load(folder, tuple(about["engine"]), {**about["settings"], **settings})
    if isinstance(engine, Shared):
        engine.check_complete(about["fingerprint"])
    calibrations = [Calibration.load(folder / name) for name in about.get("calibration", ())]
    return engine, catalogue, calibrations[0] if calibrations else None, about


def _delete(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)


# -- while it is built -------------------------------------------------------------------------------------------


def load_documents(
    name: str,
    documents: Tensor,
    ancestors: Ancestors | None,
    options: dict[str, Any],
    relevance: Relevance | None,
    fingerprint: str,
    folder: Path | None,
    progress: bool,
) -> Engine:
    """An engine that holds documents[i] as row i, committed.

    Args:
        name, options: of the engine.
        documents: n x dim.
        ancestors: of all documents, for engines that store them.
        relevance: relevant documents of queries, for engines that use them.
        fingerprint: of the model: a load that was cut off continues only with the same vectors, engine and options.
        folder: where to store how far it is; None stores nothing.
        progress: show a bar, or a line every few seconds where standard error is no terminal.
    """
    check_options(name, options)
    digest = sha256_of([json.dumps(options, sort_keys=True, default=str).encode()])[:16]  # they may hold a password
    about: dict[str, Any] = {"engine": name, "fingerprint": fingerprint, "n": len(documents), "options": digest}
    if relevance is not None:
        pairs = sha256_of([relevance.query_of.data, relevance.documents.data])[:16]
        about |= {"pairs": pairs, "target": relevance.target}
    state = {} if folder is None else _loading(folder, check=True)
    if state.get("about") == about and folder is not None:
        engine: Engine = engine_class(name).load(folder, tuple(state["files"]), {**options, **state["settings"]})
        done = state["done"]
    else:
        known = {} if relevance is None else {"relevance": relevance}
        engine, done = engine_class(name).prepared(documents, **options, **known), 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            _write_loading(folder, engine, about, done)
    if isinstance(engine, Shared):
        done = engine.begin_load(fingerprint, len(documents), ancestors)

    def upsert(start: int, stop: int) -> None:
        rows = np.arange(start, stop)
        engine.upsert(rows, documents[start:stop], None if ancestors is None else ancestors.take(rows))

    saved = time.monotonic()
    with bar(f"{name}: documents", len(documents), progress, done=done, lines=True, keep=True) as advance:
        for start in range(done, len(documents), BATCH):
            stop = min(start + BATCH, len(documents))
            upsert(start, stop)
            advance(stop - start)
            if isinstance(engine, Shared):
                engine.acknowledge(stop)
            if folder is not None and (engine.durable or time.monotonic() - saved >= SNAPSHOT_SECONDS):
                _write_loading(folder, engine, about, stop)
                saved = time.monotonic()
    engine.commit()
    while isinstance(engine, Shared) and (missing := engine.missing(len(documents), BATCH)):
        for rows in missing:  # a server may lose what it has acknowledged
            upsert(rows.start, rows.stop)
        engine.commit()
    return engine


def end_loading(folder: Path) -> None:
    """Forget how far the load was: the index is complete."""
    _delete(folder, [*_loading(folder).get("files", {}), LOADING])


def _write_loading(folder: Path, engine: Engine, about: dict[str, Any], done: int) -> None:
    """Store that the first `done` documents are loaded, with a snapshot of an engine in files."""
    before = _loading(folder).get("files", {})
    files = engine.save(folder, f"loading{done}")
    state = {"about": about, "done": done, "settings": engine.settings, "files": checksums(folder, files)}
    write_text(folder / LOADING, json.dumps(state))
    _delete(folder, set(before) - set(files))


def _loading(folder: Path, *, check: bool = False) -> dict[str, Any]:
    """What `_write_loading` wrote; {} where there is nothing, or with `check` a file of it is damaged."""
    state = read_object(folder / LOADING)
    if check:
        try:
            check_files(folder, state, INDEX_FOLDER)
        except (RunFolderError, ValueError):  # ValueError: written by another version
            return {}
    return state
