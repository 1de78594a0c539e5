"""`reproduce`: a study by name, measured, saved and drawn."""

from __future__ import annotations

import os
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from rootward.errors import InputError, MissingExtraError, RunFolderError, did_you_mean
from rootward.experiments.baselines import BASELINES
from rootward.experiments.best import BEST
from rootward.experiments.cost import COST
from rootward.experiments.figure2 import FIGURE2
from rootward.experiments.figure3 import FIGURE3
from rootward.experiments.figure4 import FIGURE4
from rootward.experiments.figure5 import FIGURE5
from rootward.experiments.figurec1 import FIGUREC1
from rootward.experiments.figured1 import FIGURED1
from rootward.experiments.figuree1 import FIGUREE1
from rootward.experiments.incomplete import INCOMPLETE
from rootward.experiments.irregular import IRREGULAR
from rootward.experiments.kept import MEASURED, Kept, Row
from rootward.experiments.losses import LOSS_GRID
from rootward.experiments.margins import MARGINS
from rootward.experiments.noise import NOISE
from rootward.experiments.order import ORDER
from rootward.experiments.scarce import SCARCE
from rootward.experiments.study import RESULTS, Experiment, Study, named, run_study
from rootward.experiments.table1 import TABLE1
from rootward.experiments.table2 import TABLE2
from rootward.experiments.tablec1 import TABLEC1

EXPERIMENTS: dict[str, Experiment] = {
    "figure2": FIGURE2,
    "figure3": FIGURE3,
    "figureC1": FIGUREC1,
    "table1": TABLE1,
    "figure4": FIGURE4,
    "tableC1": TABLEC1,
    "figureE1": FIGUREE1,
    "figure5": FIGURE5,
    "table2": TABLE2,
    "figureD1": FIGURED1,
    "best": BEST,
    "losses": LOSS_GRID,
    "scarce": SCARCE,
    "irregular": IRREGULAR,
    "incomplete": INCOMPLETE,
    "order": ORDER,
    "baselines": BASELINES,
    "cost": COST,
    "noise": NOISE,
    "margins": MARGINS,
}
SCALES = ("tiny", "cpu", "paper")
TINY = """At the scale tiny data and trainings are cut down until a study takes a minute. It shows that the study works;
its figures say nothing about the published ones. --scale cpu measures."""


def reproduce(
    name: str,
    scale: str = "tiny",
    seeds: int = 3,
    *,
    source: str | None = None,
    data: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    told: Callable[[Row], object] | None = None,
    began: Callable[[Row, int, int], object] | None = None,
) -> Study:
    """Measure one of the studies, and keep its raw results and its figure.

    A study that was cut off goes on where it was when it is asked for again with the same folder, and one that is
    done when it is asked for more seeds: what was measured is in `measured.jsonl` there.

    Args:
        name: of the study; `EXPERIMENTS` says what there is, and `rootward reproduce --help`.
        scale: "tiny" (under a minute), "cpu" (two cores, minutes to an hour a seed) or "paper" (the published setting,
            but for "figure5", where the static tower takes the place of a transformer trained from scratch).
        seeds: 0..seeds - 1 are measured.
        source: what to train on, of the studies that leave a choice: "tree", "dag", "animal" or "wordnet".
        data: path of what does not come with the package: the file of HyperLex for "table2", the folder of ESCI for
            "figure5", a Python interpreter that has libpecos for "baselines", which does without.
        out: folder for `results.json`, `NAME.png` and `NAME.svg`; None keeps nothing.
        told: called with the last row of each part as it is measured.
        began: called before each part with its key, how many are done and how many there are.

    Raises:
        InputError: an unknown name, scale or source, no seeds, a source or data that the study has no use for, or data
            that it needs and are not there.
        RunFolderError: `out` holds the results of as many seeds already, or another study.
        MissingExtraError: "margins" without faiss, or `out` without matplotlib.
    """
    if name not in EXPERIMENTS:
        raise InputError(f"No study {name!r}; there are {', '.join(EXPERIMENTS)}.{did_you_mean(name, EXPERIMENTS)}")
    if scale not in SCALES:
        raise InputError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}.")
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, got {seeds}.")
    options = _options(name, {"source": source, "data": None if data is None else os.fspath(data)})
    kept = None
    if out is not None:
        _refuse_taken(Path(out), seeds)
        kept = Kept.begin(Path(out), {"study": name, "scale": scale, **named(options)})
    study = run_study(name, EXPERIMENTS[name], scale, range(seeds), told, began=began, kept=kept, options=options)
    if out is not None:
        study.save(out)
        draw_study(study, out)
    return study


def study_table(study: Study) -> str:
    """What a study says, as text: drawn from its raw rows, nothing is measured again."""
    said = EXPERIMENTS[study.name].table(study)
    return f"{said}\n\n{TINY}" if study.scale == "tiny" else said


def draw_study(study: Study, folder: str | os.PathLike[str]) -> list[Path]:
    """The figure of a study as .png and .svg in a folder; drawn from its raw rows."""
    draw = EXPERIMENTS[study.name].draw
    return [draw(study, Path(folder) / f"{study.name}.{suffix}") for suffix in ("png", "svg")]


def _options(name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, none of them one that the study does not take."""
    takes = signature(EXPERIMENTS[name].measure).parameters
    asked = {option: value for option, value in given.items() if value is not None}
    for option in asked:
        if option not in takes:
            able = [other for other, each in EXPERIMENTS.items() if option in signature(each.measure).parameters]
            raise InputError(f"{name} takes no {option}; {' and '.join(able) or 'no study'} would. Leave it out.")
    return asked


def _refuse_taken(folder: Path, seeds: int) -> None:
    from importlib.util import find_spec  # noqa: PLC0415

    if (folder / RESULTS).exists():
        there = Study.load(folder).seeds
        if there >= seeds or not (folder / MEASURED).exists():
            raise RunFolderError(
                f"{folder} holds results already, of {there} seed{'s' if there > 1 else ''}; choose another folder"
                + (", or ask for more seeds: only these will be measured." if there >= seeds else ".")
            )
    if find_spec("matplotlib") is None:
        raise MissingExtraError("Drawing a study", "plots")
