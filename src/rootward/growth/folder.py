"""A run folder that was grown: the new one is whole or not there, the old one stays as it was."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from rootward.errors import RunFolderError
from rootward.evaluation import Report, evaluate
from rootward.files import write_text
from rootward.folders import CONFIG, REPORT, read_config
from rootward.growth.diff import Diff
from rootward.growth.drift import Drift, drift
from rootward.growth.grow import Grown, grow
from rootward.pairs import Pairs
from rootward.training.run import About, Run, begin_folder, files_of_pairs, read_log, rewrite_log
from rootward.training.session import MEASURED_SCORES

GROWTH = "growth"
"""The section of `config.json` that holds the drift since the last training."""


@dataclass(frozen=True, eq=False)
class GrownRun:
    """A run that was grown: what was done, what it has cost, and how good it is now.

    Attributes:
        folder: of the new run.
        grown: the new model and pairs.
        drift: since the last training.
        report: recall of the new run, over all queries or as many as there is time for.
    """

    folder: Path
    grown: Grown
    drift: Drift
    report: Report


def grow_run(
    run: Run,
    after: Pairs | Diff,
    out: str | Path,
    *,
    seed: int = 0,
    source: str | None = None,
    progress: bool = True,
) -> GrownRun:
    """Grow a run into a new folder, as one transaction: `config.json` comes last, and makes it a run.

    Args:
        run: as `Run.load` read it; nothing in its folder changes.
        after: as for `grow`.
        out: the new folder; it must hold no run.
        seed: of every random choice.
        source: the named source of the new pairs, kept in the report.
        progress: show a bar while measuring.

    Raises:
        RunFolderError: no run, one that is not finished, or `out` holds one.
        InputError: as `grow`.
    """
    assert run.folder is not None
    folder, out = run.folder, Path(out)
    config = read_config(folder)
    about = About.read(folder, config)
    if not run.finished:
        raise RunFolderError(f"{folder} is not trained to its end. First: rootward train --resume {folder}")
    history = history_of(folder, config)
    if (out / CONFIG).exists():
        raise RunFolderError(f"{out} holds a run already; choose another folder for the grown one.")
    grown = grow(run.model, run.pairs, after, seed=seed)
    told = drift(run.model, run.pairs, grown, history=history, seed=seed)
    report = _measure(grown, about, source, seed, progress)
    begin_folder(out, grown.pairs)
    rewrite_log(out, read_log(folder))
    write_text(out / REPORT, report.to_json())
    now = about.model_copy(update={"measured": True, "source": source, "date": time.strftime("%Y-%m-%d")})
    sections = {"run": now.model_dump(mode="json"), GROWTH: told.model_dump(mode="json")}
    grown.model.save(out, config=sections, more_files=(*files_of_pairs(out), REPORT))
    return GrownRun(out, grown, told, report)


def history_of(folder: Path, config: dict[str, Any]) -> Drift | None:
    """The drift of a run since its training; None of one that was never grown.

    Raises:
        RunFolderError: a section that this version does not understand.
    """
    if GROWTH not in config:
        return None
    try:
        return Drift.model_validate(config[GROWTH])
    except ValidationError as error:
        raise RunFolderError(
            f"{folder}: the section {GROWTH!r} of config.json was changed by hand or by another version: {error}"
        ) from error


def _measure(grown: Grown, about: About, source: str | None, seed: int, progress: bool) -> Report:
    """Recall of all queries, or of as many as a training would measure at its end."""
    pairs = grown.pairs
    which = np.flatnonzero(pairs.sizes)[: max(1_000, MEASURED_SCORES // max(1, pairs.n_documents))]
    looked_at = np.zeros(pairs.n_queries, np.bool_)
    looked_at[which] = True
    return evaluate(
        grown.model,
        pairs.keep(looked_at[pairs.query_of]),
        source=source,
        label=f"{about.recipe.name}, grown",
        seed=seed,
        extras={"recipe": about.recipe.name, "sampled_queries": len(which) < int(np.count_nonzero(pairs.sizes))},
        progress=progress,
    )
