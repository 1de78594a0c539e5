"""`reproduce`: a study by name, measured, saved and drawn."""

from __future__ import annotations

import os
from collections.abc import Callable
from inspect import signature
from pathlib import Path

from rootward.errors import InputError, MissingExtraError, RunFolderError, did_you_mean
from rootward.experiments.figure2 import FIGURE2
from rootward.experiments.figure5 import FIGURE5
from rootward.experiments.margins import MARGINS
from rootward.experiments.noise import NOISE
from rootward.experiments.study import RESULTS, Experiment, Row, Study, run_study

EXPERIMENTS: dict[str, Experiment] = {"figure2": FIGURE2, "figure5": FIGURE5, "noise": NOISE, "margins": MARGINS}
SCALES = ("tiny", "cpu", "paper")


def reproduce(
    name: str,
    scale: str = "tiny",
    seeds: int = 3,
    *,
    data: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    told: Callable[[Row], object] | None = None,
) -> Study:
    """Measure one of the studies, and keep its raw results and its figure.

    Args:
        name: "figure2" (dimension against height and width), "figure5" (ESCI: joint training against
            pretrain-finetune), "noise" (missing and wrong pairs under the construction) or "margins" (what a margin
            buys).
        scale: "tiny" (under a minute), "cpu" (two cores, up to two hours) or "paper" (the published setting).
        seeds: 0..seeds - 1 are measured.
        data: what the study needs and the package does not have: the folder of ESCI for "figure5".
        out: folder for `results.json`, `NAME.png` and `NAME.svg`; None keeps nothing.
        told: called with each row as it is measured.

    Raises:
        InputError: an unknown name or scale, no seeds, data that are missing or that the study has no use for.
        RunFolderError: `out` holds results already.
        MissingExtraError: "margins" without faiss, or `out` without matplotlib.
    """
    if name not in EXPERIMENTS:
        raise InputError(f"No study {name!r}; there are {', '.join(EXPERIMENTS)}.{did_you_mean(name, EXPERIMENTS)}")
    if scale not in SCALES:
        raise InputError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}.")
    if seeds < 1:
        raise InputError(f"seeds must be at least 1, got {seeds}.")
    options = {} if data is None else {"data": os.fspath(data)}
    if options and "data" not in signature(EXPERIMENTS[name].measure).parameters:
        raise InputError(f"{name} takes no data; leave out data={options['data']!r}.")
    if out is not None:
        _refuse_taken(Path(out))
    study = run_study(name, EXPERIMENTS[name], scale, range(seeds), told, **options)
    if out is not None:
        study.save(out)
        draw_study(study, out)
    return study


def study_table(study: Study) -> str:
    """What a study says, as text: drawn from its raw rows, nothing is measured again."""
    return EXPERIMENTS[study.name].table(study)


def draw_study(study: Study, folder: str | os.PathLike[str]) -> list[Path]:
    """The figure of a study as .png and .svg in a folder; drawn from its raw rows."""
    draw = EXPERIMENTS[study.name].draw
    return [draw(study, Path(folder) / f"{study.name}.{suffix}") for suffix in ("png", "svg")]


def _refuse_taken(folder: Path) -> None:
    from importlib.util import find_spec  # noqa: PLC0415

    if (folder / RESULTS).exists():
        raise RunFolderError(f"{folder} holds results already; choose another folder.")
    if find_spec("matplotlib") is None:
        raise MissingExtraError("Drawing a study", "plots")
