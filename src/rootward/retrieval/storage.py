"""Index folders: files of one generation, and the `config.json` that names them and is written last.

    config.json              "index": engine, settings, fingerprint of the model, what was tuned;
                             "files": checksums
    documents-0001.parquet   row, id, height, gone; name, synonyms, definition where there are names
    owners-0001.safetensors        document row of each row of the engine; where documents may have several vectors
    ancestors-0001.safetensors     depth; offsets, rows, hops; where the hierarchy is known
    calibration-0001.safetensors   where answer sets end, where that is calibrated
    ...-0001.*               files of the engine; none for a server
    loading.json             only while the index is built: how far it is

A change writes files of the next generation and then `config.json`, so a folder is the old index or the new one. Only
one process writes at a time, and a change to another state of the folder than the one that was read is refused.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from torch import Tensor

from rootward.calibration.calibrate import Calibration
from rootward.errors import ChangedError, RootwardError, RunFolderError
from rootward.files import sha256_of
from rootward.folders import (
    CONFIG,
    INDEX_FOLDER,
    check_files,
    checking,
    checksums,
    is_foreign,
    read_config,
    read_state,
    read_whole,
    section,
    unseal,
    write_config,
    write_sealed,
    writing_to,
)
from rootward.progress import bar
from rootward.retrieval.catalogue import Ancestors, Catalogue
from rootward.retrieval.engines.engine import Engine, Shared, check_options, engine_class
from rootward.retrieval.engines.lists import Relevance
from rootward.retrieval.tuning import Tuned

LOADING = "loading.json"

BATCH = 50_000
"""Documents a batch."""

SNAPSHOT_SECONDS = 60.0
"""Between two snapshots of an engine in files, while it is loaded into a folder; a server needs none."""


class IndexFolder(BaseModel):
    """The section "index" of `config.json`.

    Attributes:
        fingerprint: of the model.
        tuned: fields of `Tuned`; None for an engine that is exact.
        name, settings: of the engine.
        catalogue, engine, calibration: names of the files of each.
    """

    model_config = ConfigDict(frozen=True)
    fingerprint: str
    tuned: Tuned | None
    name: str
    settings: dict[str, Any]
    catalogue: tuple[str, ...] = Field(min_length=1)
    engine: tuple[str, ...]
    calibration: tuple[str, ...] = Field(default=(), max_length=1)

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any]) -> IndexFolder:
        """The section in a folder's config.

        Raises:
            RunFolderError: it does not say what it should, or names files that `config.json` does not list.
        """
        about = section(folder, config, "index", cls, INDEX_FOLDER)
        for name in (*about.catalogue, *about.engine, *about.calibration):
            if name not in config["files"]:
                remedy = INDEX_FOLDER.remedy
                raise RunFolderError(f"{folder / CONFIG} names {name!r} and has no checksum of it. {remedy}.")
        return about


def write_index(
    folder: Path,
    engine: Engine,
    catalogue: Catalogue,
    about: dict[str, Any],
    calibration: Calibration | None = None,
    *,
    opened: str | None = None,
    wait: float = 0.0,
) -> str:
    """Write the next generation of an index, then delete the files of the one before.

    Args:
        folder: made if it is not there.
        engine, catalogue, calibration: what is written.
        about: more for the section "index" of `config.json`, JSON values.
        opened: the state of the folder that the index was read from or last written to; None replaces any state.
        wait: seconds to wait for another writer.

    Returns:
        The state of the folder now.

    Raises:
        InUseError: another process writes the folder.
        ChangedError: the folder was changed since it was opened.
        RunFolderError: the folder holds something else.
    """
    with writing_to(folder, "Index.commit", wait=wait):
        before = existing_config(folder)
        if opened is not None and before.get("sha256") != opened:
            raise ChangedError(
                f"{folder} was changed since it was opened: somebody else has committed to it, or built it again. "
                "Nothing was written. Load it again, make the changes once more and commit; or save this index to "
                "another folder."
            )
        generation = before.get("generation", 0) + 1
        mark = f"{generation:04}"
        _remove_unlisted(folder, before, generation)
        names: list[str] = []
        try:
            files = {"catalogue": catalogue.save(folder, mark)}
            names += files["catalogue"]
            files["engine"] = engine.save(folder, mark)
            names += files["engine"]
            if calibration is not None:
                files["calibration"] = (calibration.write(folder / f"calibration-{mark}.safetensors").name,)
                names += files["calibration"]
            found = {**about, "name": engine.name, "settings": engine.settings, **files}
            write_config(folder, {"index": found}, checksums(folder, names), generation)
        except BaseException:
            if read_state(folder) == before.get("sha256"):
                _delete(folder, names)
            raise
        _delete(folder, set(before.get("files", {})) - set(names))
        state = read_state(folder)
    if state is None:
        raise RunFolderError(f"{folder} was deleted while it was written.")
    return state


def existing_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of an index in this folder, {} where there is none.

    Raises:
        RunFolderError: the folder holds something else, or an index that cannot be read.
    """
    if not (folder / CONFIG).is_file():
        return {}
    config: dict[str, Any] = {} if is_foreign(folder) else read_config(folder, INDEX_FOLDER)
    if "index" not in config:
        what = "a trained model" if "towers" in config else f"a {CONFIG} that is of no index"
        raise RunFolderError(f"{folder} holds {what}; an index needs a folder of its own. Choose another.")
    return config


def read_index(folder: Path, **settings: Any) -> tuple[Engine, Catalogue, Calibration | None, IndexFolder, str]:
    """(engine, catalogue, calibration, section "index" of `config.json`, state of the folder), every checksum checked.

    `settings` take the place of stored ones, such as the uri of a server that has moved.

    Raises:
        RunFolderError: no such folder, no index in it, damaged, cut off while it was built, or of a newer version.
    """
    if (folder / LOADING).is_file() and not (folder / CONFIG).is_file():
        raise RunFolderError(
            f"{folder} was cut off while it was built. Build it again into the same folder: it goes on where it was."
        )
    return read_whole(folder, INDEX_FOLDER, lambda config: _read_index(folder, config, settings))


def _read_index(
    folder: Path, config: dict[str, Any], settings: dict[str, Any]
) -> tuple[Engine, Catalogue, Calibration | None, IndexFolder, str]:
    if "index" not in config:
        raise RunFolderError(
            f"{folder} holds a trained model and no index. Make one: rootward index {folder} --out FOLDER"
        )
    about = IndexFolder.read(folder, config)
    try:
        with checking(folder, config, INDEX_FOLDER):
            catalogue = Catalogue.load(folder, about.catalogue)
            engine: Engine = engine_class(about.name).load(folder, about.engine, {**about.settings, **settings})
            calibrations = [Calibration.load(folder / name) for name in about.calibration]
            rows = getattr(engine, "rows", None)
            n = len(catalogue.ids if catalogue.owners is None else catalogue.owners)
            if isinstance(rows, np.ndarray) and len(rows) and (rows.min() < 0 or rows.max() >= n):
                raise ValueError(f"the engine has rows that are not among the {n:,} of the catalogue")
    except RootwardError:
        raise
    except (SafetensorError, pa.ArrowException, OSError, *_UNFIT) as error:
        raise RunFolderError(f"{folder} cannot be read: {error}. {INDEX_FOLDER.remedy}.") from error
    if isinstance(engine, Shared):
        engine.check_complete(about.fingerprint)
    return engine, catalogue, calibrations[0] if calibrations else None, about, config["sha256"]


_UNFIT = (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, OverflowError, MemoryError)
"""What Python raises where values of a file are not what code expects: names, types, sizes."""

_MARKED = re.compile(r"[\w-]{1,64}-(\d{4,9}|loading\d{1,12})\.\w{1,16}")
_SHARED_NAMES = re.compile(
    r"(documents|owners|ancestors|calibration|exact|ivf|ivf-sq8|hnsw)-(\d{4,9}|loading\d{1,12})\."
    r"(parquet|safetensors|faiss|npy)"
)


def _delete(folder: Path, names: Iterable[str]) -> None:
    """Delete files of an index: only what has the mark of a generation in its name, and is no path."""
    for name in names:
        if _MARKED.fullmatch(name):
            (folder / name).unlink(missing_ok=True)


def _remove_unlisted(folder: Path, config: Mapping[str, Any], generation: int) -> None:
    """Delete what killed writers have left: files of generations up to this one that nothing lists."""
    listed = set(config.get("files", {})) | set(_loading(folder).files)
    for name in os.listdir(folder):
        found = _SHARED_NAMES.fullmatch(name)
        if found and name not in listed and (not found[2].isdecimal() or int(found[2]) <= generation):
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
    state = Loading() if folder is None else _loading(folder, check=True)
    if state.about == about and folder is not None:
        engine: Engine = engine_class(name).load(folder, state.engine, {**options, **state.settings})
        done = state.done
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
    _delete(folder, _loading(folder).files)
    (folder / LOADING).unlink(missing_ok=True)


class Loading(BaseModel):
    """`loading.json`: how far a load is.

    Attributes:
        about: what is loaded; another load starts anew.
        done: how many documents are.
        settings: of the engine.
        engine: names of the files of its snapshot.
        files: these with their checksums, as in `config.json`.
    """

    model_config = ConfigDict(frozen=True)
    about: dict[str, Any] = Field(default_factory=dict)
    done: int = Field(default=0, ge=0)
    settings: dict[str, Any] = Field(default_factory=dict)
    engine: tuple[str, ...] = ()
    files: dict[str, tuple[int, str]] = Field(default_factory=dict)


def _write_loading(folder: Path, engine: Engine, about: dict[str, Any], done: int) -> None:
    """Store that the first `done` documents are loaded, with a snapshot of an engine in files."""
    before = _loading(folder).files
    files = engine.save(folder, f"loading{done}")
    state = {"about": about, "done": done, "settings": engine.settings, "engine": files}
    state["files"] = checksums(folder, files)
    write_sealed(folder / LOADING, state)
    _delete(folder, set(before) - set(files))


def _loading(folder: Path, *, check: bool = False) -> Loading:
    """What `_write_loading` wrote; an empty one where there is nothing, or nothing that can be relied on.

    With `check` also where a file of it is damaged.
    """
    path = folder / LOADING
    if path.is_symlink() or not path.is_file():
        return Loading()
    with suppress(OSError, ValueError, RecursionError):
        values = unseal(path.read_bytes())
        state = Loading.model_validate(values)
        if set(state.engine) == set(state.files) and all(map(_MARKED.fullmatch, state.files)):
            if check:
                check_files(folder, values, INDEX_FOLDER)
            return state
    return Loading()
