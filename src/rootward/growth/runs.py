"""`grow_run`: grows a run into a new folder, and measures what that has cost."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rootward.calibration.calibrate import NAME, Calibration
from rootward.encoders import DualEncoder
from rootward.errors import PairsError, RunFolderError
from rootward.evaluation import Report, evaluate
from rootward.folders import CONFIG, LOG, REPORT, read_config, section, writing_to
from rootward.growth.diff import Diff, diff
from rootward.growth.drift import VERDICTS, Drift, drift
from rootward.growth.grow import Grown, grow
from rootward.pairs import Pairs
from rootward.training.log import read_log, rewrite_log
from rootward.training.run import DIFF, About, Run, begin_folder, files_of_pairs
from rootward.training.session import MEASURED_SCORES

GROWTH = "growth"
"""The section of `config.json` that holds the drift since the last training."""


@dataclass(frozen=True, eq=False)
class GrownRun:
    """A grown run: its model, its drift since training and its recall.

    Attributes:
        folder: of the new run.
        grown: the new model and pairs.
        drift: since the last training.
        report: recall of the new run, over all queries or as many as there is time for.
        change: of the hierarchy and the labelled texts, also in the folder as diff.json; None for other pairs.
        calibration: what became of that of the old run, in words; "" where it had none.
    """

    folder: Path
    grown: Grown
    drift: Drift
    report: Report
    change: Diff | None = None
    calibration: str = ""


def grow_run(
    run: Run,
    after: Pairs | Diff,
    out: str | Path,
    *,
    seed: int = 0,
    source: str | None = None,
    progress: bool = True,
) -> GrownRun:
    """Grow a run into a new folder. It is a run once `config.json`, its last file, is written; the old run stays.

    Args:
        run: from `Run.load`.
        after: as for `grow`.
        out: the new folder; it must hold no run.
        seed: of every random choice.
        source: the named source of the new pairs, kept in the report.
        progress: show a bar while measuring.

    Raises:
        InUseError: another process writes `out`.
        RunFolderError: no run, one that is not finished or was changed by hand, or `out` holds one.
        InputError: as `grow`.
    """
    assert run.folder is not None
    folder, out = run.folder, Path(out)
    config = read_config(folder)
    about = About.read(folder, config)
    if not run.finished:
        raise RunFolderError(f"{folder} is not trained to its end. First: rootward train --resume {folder}")
    history = section(folder, config, GROWTH, Drift) if GROWTH in config else None
    if (out / CONFIG).exists():
        raise RunFolderError(f"{out} holds a run already; choose another folder for the grown one.")
    grown = grow(run.model, run.pairs, after, seed=seed)
    found = drift(run.model, run.pairs, grown, history=history, seed=seed)
    rows = np.flatnonzero(grown.pairs.sizes)  # all, or as many as a training would measure at its end
    n = max(1_000, MEASURED_SCORES // max(1, grown.pairs.n_documents))
    measured = np.isin(np.arange(grown.pairs.n_queries), rows[:n])
    report = evaluate(
        grown.model,
        grown.pairs.keep(measured[grown.pairs.query_of]),
        source=source,
        label=f"{about.recipe.name}, grown",
        seed=seed,
        extras={"recipe": about.recipe.name, "sampled_queries": int(measured.sum()) < len(rows)},
        progress=progress,
    )
    now = about.model_copy(update={"measured": True, "source": source, "date": time.strftime("%Y-%m-%d")})
    sections = {"run": now.model_dump(mode="json"), GROWTH: found.model_dump(mode="json")}
    change = change_of(run.pairs, grown.pairs)
    with writing_to(out, "rootward grow"):
        begin_folder(out, grown.pairs)
        rewrite_log(out, read_log(folder))
        files = {
            **files_of_pairs(out),
            LOG: None,
            REPORT: lambda path: path.write_text(report.to_json(), encoding="utf-8"),
        }
        if change is not None:
            files[DIFF] = change.save
        carried = _carried(folder, run.model, out, grown.model, found)  # before there is a run that would lack it
        grown.model.save(out, config=sections, more_files=files)
    return GrownRun(out, grown, found, report, change, carried)


def change_of(before: Pairs, after: Pairs) -> Diff | None:
    """What changed between two versions of a hierarchy's pairs; None for other pairs."""
    with suppress(PairsError):
        return diff(before, after)
    return None


def _carried(old: Path, model: DualEncoder, new: Path, grown: DualEncoder, found: Drift) -> str:
    """Take the calibration over where vectors still stand where they stood when it was made; what became of it.

    Its rule is of query vectors, and those that were there before stay or are read by the same tower.
    """
    if not (old / NAME).is_file():
        return ""
    known, again = Calibration.load(old), f"rootward calibrate {new}"
    if known.fingerprint != model.fingerprint():
        return f"The calibration in {old} is of another model and dropped; calibrate again: {again}"
    if found.verdict == VERDICTS[-1]:
        return f"The calibration of {old} is dropped, as too much has changed; train again, then: {again}"
    report = known.report.model_copy(update={"note": f"measured before the run was grown, in {old}"})
    replace(known, report=report, fingerprint=grown.fingerprint()).write(new / NAME)
    return f"The calibration of {old} is carried over; its figures are of before. To measure it again: {again}"
