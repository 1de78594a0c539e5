"""Documents into an engine, in batches, so that a load can be watched and goes on where it was cut off."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from rootward.retrieval.demand import Demand
from rootward.retrieval.engine import Engine, Shared
from rootward.retrieval.engines import check_options, engine_class, prepared
from rootward.retrieval.lineage import Lineage
from rootward.retrieval.storage import read_loading, write_loading

BATCH = 50_000
"""Documents a batch."""

SNAPSHOT_SECONDS = 60.0
"""Between two snapshots of an engine in files, while it is loaded into a folder; a server needs none."""

_LINE_SECONDS = 2.0


def load_all(
    name: str,
    documents: Tensor,
    lineage: Lineage | None,
    options: dict[str, Any],
    *,
    demand: Demand | None,
    fingerprint: str,
    folder: Path | None,
    progress: bool,
) -> Engine:
    """An engine that holds documents[i] as row i, committed.

    Args:
        name: of the engine.
        documents: n x dim.
        lineage: of all of them, for engines that keep facts.
        options: of the engine.
        demand: which queries want which documents, for engines that have a use for it.
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
    about |= {} if demand is None else {"pairs": _digest_of_pairs(demand), "target": demand.target}
    state = {} if folder is None else read_loading(folder)
    if state.get("about") == about and folder is not None:
        engine: Engine = engine_class(name).load(folder, tuple(state["files"]), {**options, **state["settings"]})
        done = state["done"]
    else:
        engine, done = prepared(name, documents, options if demand is None else {**options, "demand": demand}), 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            write_loading(folder, engine, about, done)
    if isinstance(engine, Shared):
        done = engine.ledger.begin(fingerprint, len(documents), lineage)
        engine.facts = engine.ledger.knows(lineage)
    saved = time.monotonic()
    with _bar(f"{name}: documents", len(documents), done, progress) as moved:
        for start in range(done, len(documents), BATCH):
            rows = np.arange(start, min(start + BATCH, len(documents)))
            engine.upsert(rows, documents[start : start + BATCH], None if lineage is None else lineage.take(rows))
            moved(len(rows))
            if isinstance(engine, Shared):
                engine.ledger.acknowledge(start + len(rows))
            if folder is not None and (engine.durable or time.monotonic() - saved >= SNAPSHOT_SECONDS):
                write_loading(folder, engine, about, start + len(rows))
                saved = time.monotonic()
    engine.commit()
    if isinstance(engine, Shared):
        _mend(engine, documents, lineage)
    return engine


def _mend(engine: Engine, documents: Tensor, lineage: Lineage | None) -> None:
    """Put in again what a server acknowledged and yet does not hold, until it holds all."""
    assert isinstance(engine, Shared)
    while lacking := engine.ledger.lacking(len(documents), BATCH):
        for part in lacking:
            rows = np.arange(part.start, part.stop)
            engine.upsert(rows, documents[part.start : part.stop], None if lineage is None else lineage.take(rows))
        engine.commit()


def _digest(options: dict[str, Any]) -> str:
    """Options may hold a password, so that only their digest is written down."""
    return hashlib.sha256(json.dumps(options, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _digest_of_pairs(demand: Demand) -> str:
    """Lists stand where these pairs say, so a load goes on with the same ones only."""
    digest = hashlib.sha256(demand.query_of.tobytes())
    digest.update(demand.documents.tobytes())
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
