"""Every study by name, and `reproduce`, which measures one, saves its results and draws its figure."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any, get_args

from rootward.errors import InputError, MissingExtraError, RunFolderError, did_you_mean
from rootward.plots import save_figure
from rootward_paper import STUDIES
from rootward_paper.baselines import BASELINES
from rootward_paper.best import BEST
from rootward_paper.cost import COST
from rootward_paper.figure2 import FIGURE2
from rootward_paper.figure3 import FIGURE3, FIGUREC1
from rootward_paper.figure4 import FIGURE4, FIGUREE1
from rootward_paper.figure5 import FIGURE5
from rootward_paper.figured1 import FIGURED1
from rootward_paper.incomplete import INCOMPLETE
from rootward_paper.losses import LOSS_GRID
from rootward_paper.margins import MARGINS
from rootward_paper.noise import NOISE
from rootward_paper.order import ORDER
from rootward_paper.stages import IRREGULAR, SCARCE
from rootward_paper.study import (
    MEASURED,
    PARTS,
    RESULTS,
    Checkpoint,
    Experiment,
    Row,
    Scale,
    Study,
    in_words,
    run_study,
    saved_options,
)
from rootward_paper.table1 import TABLE1
from rootward_paper.table2 import TABLE2
from rootward_paper.tablec1 import TABLEC1

EXPERIMENTS: dict[str, Experiment] = {
    "table1": TABLE1,
    "table2": TABLE2,
    "tableC1": TABLEC1,
    "figure2": FIGURE2,
    "figure3": FIGURE3,
    "figure4": FIGURE4,
    "figure5": FIGURE5,
    "figureC1": FIGUREC1,
    "figureD1": FIGURED1,
    "figureE1": FIGUREE1,
    "best": BEST,
    "baselines": BASELINES,
    "losses": LOSS_GRID,
    "scarce": SCARCE,
    "irregular": IRREGULAR,
    "incomplete": INCOMPLETE,
    "order": ORDER,
    "cost": COST,
    "noise": NOISE,
    "margins": MARGINS,
}
SCALES: tuple[str, ...] = get_args(Scale)
TINY = """At the scale tiny data and trainings are cut down until a study takes a minute. It shows that the study works;
its figures say nothing about the published ones. --scale cpu measures."""


def reproduce(
    name: str,
    scale: str = "tiny",
    seeds: int = 3,
    *,
    dims: Sequence[int] = (),
    methods: Sequence[str] = (),
    source: str | None = None,
    data: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    on_start: Callable[[Row, int, int], object] | None = None,
    on_row: Callable[[Row], object] | None = None,
) -> Study:
    """Measure one of the studies, save its raw results and draw its figure.

    An interrupted study resumes when it is called again with the same folder, and a finished one when it is called with
    more seeds: what was measured is in `measured.jsonl` there.

    Args:
        name: of the study, one of `STUDIES`.
        scale: "tiny" (under a minute), "cpu" (two cores, minutes to an hour a seed) or "paper" (the published setting,
            except "figure5", where the static tower takes the place of a transformer trained from scratch).
        seeds: 0..seeds - 1 are measured.
        dims: measure only these dimensions, for the studies that have several.
        methods: measure only these methods (in "losses" the losses, in "figure2" and "margins" the ways), for the
            studies that have several.
        source: what to train on, for the studies with a choice: "tree", "dag", "animal" or "wordnet".
        data: path of what does not come with the package: the file of HyperLex for "table2", the folder of ESCI for
            "figure5", a Python interpreter that has libpecos for "baselines", which does without.
        out: folder for `results.json`, `NAME.png` and `NAME.svg`; None keeps nothing.
        on_start: called before each job with its key, how many are done and how many there are.
        on_row: called after each job with the last of its rows.

    Raises:
        InputError: an unknown name, scale, source, dim or method, no seeds, an option that the study does not have, or
            data that it needs and are not there.
        RunFolderError: `out` holds the results of as many seeds already, of another study, or of another part of it.
        MissingExtraError: "margins" without faiss, or `out` without matplotlib.
    """
    if name not in EXPERIMENTS:
        raise InputError(f"No study {name!r}; there are {', '.join(STUDIES)}.{did_you_mean(name, STUDIES)}")
    if scale not in SCALES:
        raise InputError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}.")
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, got {seeds}.")
    options: dict[str, Any] = {"source": source, "data": None if data is None else os.fspath(data)}
    options |= {"dim": sorted(set(dims)) or None, "method": sorted(set(methods)) or None}
    options = {option: value for option, value in options.items() if value is not None}
    for option in options:
        if option not in PARTS and option not in _options_of(name):
            able = [other for other in EXPERIMENTS if option in _options_of(other)]
            raise InputError(f"{name} takes no {option}: leave it out. Studies that take one: {', '.join(able)}.")
    checkpoint = None
    if out is not None:
        request = {"study": name, "scale": scale, **saved_options(options)}
        _refuse_finished(Path(out), request, seeds)
        checkpoint = Checkpoint.open(Path(out), request)
    study = run_study(
        name,
        EXPERIMENTS[name],
        scale,
        range(seeds),
        on_start=on_start,
        on_row=on_row,
        checkpoint=checkpoint,
        options=options,
    )
    if out is not None:
        study.save(out)
        draw_study(Study.load(out), out)
    return study


def _options_of(name: str) -> set[str]:
    return set(signature(EXPERIMENTS[name].measure).parameters) & {"source", "data"}


def _refuse_finished(folder: Path, request: Row, seeds: int) -> None:
    """Refuse a folder with results that this study would replace, and to draw without matplotlib."""
    if (folder / RESULTS).exists():
        there = Study.load(folder)
        holds = {"study": there.name, "scale": there.scale, **there.options}
        if holds != request:
            raise RunFolderError(f"{folder} holds results of {in_words(holds)}; choose another folder.")
        if there.seeds >= seeds or not (folder / MEASURED).exists():
            more = ", or more seeds: only the new ones will be measured" if there.seeds >= seeds else ""
            held = f"{there.seeds} seed{'s' if there.seeds > 1 else ''}"
            raise RunFolderError(f"{folder} holds results already, of {held}; choose another folder{more}.")
    if find_spec("matplotlib") is None:
        raise MissingExtraError("Drawing a study", "plots")


def study_table(study: Study) -> str:
    """The results of a study as text, made from its raw rows; nothing is measured again."""
    lines = [f"Measured in part: {study.part}."] if study.part else []
    lines.append(EXPERIMENTS[study.name].table(study))
    return "\n".join([*lines, "", TINY] if study.scale == "tiny" else lines)


def draw_study(study: Study, folder: str | os.PathLike[str]) -> list[Path]:
    """The figure of a study as .svg and .png in a folder, made from its raw rows."""
    figure = EXPERIMENTS[study.name].draw(study)
    svg = save_figure(figure, Path(folder) / f"{study.name}.svg")
    figure.set_layout_engine("none")  # it is laid out now; doing so again takes most of the time of drawing
    return [svg, save_figure(figure, Path(folder) / f"{study.name}.png")]
