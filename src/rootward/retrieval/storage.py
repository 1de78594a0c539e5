"""An index as a folder: files of one generation, and the `config.json` that names them and is written last.

    config.json              "index": engine, settings, generation, fingerprint of the model, what was tuned;
                             "files": checksums
    documents-0001.parquet   row, id, height, gone; name, synonyms, definition where there are names
    lineage-0001.safetensors depth; offsets, ancestors, hops; where the index knows its hierarchy
    calibration-0001.safetensors   where answer sets end, where that is calibrated
    ...-0001.*               what the engine keeps; nothing for a server
    loading.json             only while the index is built: how far it is

A change writes files of the next number and then `config.json`, so that a folder is the old index or the new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rootward.encoders.storage import CONFIG, check_files, read_config, write_config
from rootward.errors import RunFolderError
from rootward.evaluation import Calibration
from rootward.files import sha256, write_text
from rootward.retrieval.catalogue import Catalogue
from rootward.retrieval.engine import Engine, Shared
from rootward.retrieval.engines import engine_class

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
    before = before_in(folder)
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


def before_in(folder: Path) -> dict[str, Any]:
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
        engine.ledger.check(about["fingerprint"])
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
