"""A study: raw rows as they were measured, kept with where and how, from which tables and figures are drawn."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any, Literal

from rootward.errors import RunFolderError
from rootward.experiments.diverged import or_diverged
from rootward.experiments.kept import Kept, Row
from rootward.experiments.machine import machine
from rootward.files import write_text

Scale = Literal["tiny", "cpu", "paper"]
RESULTS = "results.json"


@dataclass(frozen=True)
class Study:
    """What one study measured.

    Attributes:
        name: of the study.
        scale: "tiny" (seconds, for tests), "cpu" (two cores) or "paper" (the published setting).
        seeds: how many there are in the rows.
        rows: one a measurement, JSON values by column.
        about: date, commit, versions, processor, threads, seconds.
        options: what was asked for besides, such as the source; of a file its name.
    """

    name: str
    scale: str
    seeds: int
    rows: tuple[Row, ...]
    about: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write `results.json` into a folder, which is made if it is not there."""
        text = json.dumps(asdict(self), indent=1) + "\n"
        return write_text(Path(folder) / RESULTS, text)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Study:
        """Read what `save` wrote.

        Raises:
            RunFolderError: no such file, or one that is not a study's.
        """
        path = Path(folder) / RESULTS
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            options = told.get("options", {})
            return cls(told["name"], told["scale"], told["seeds"], tuple(told["rows"]), told["about"], options)
        except FileNotFoundError:
            raise RunFolderError(f"{path} does not exist; rootward reproduce writes it.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise RunFolderError(f"{path} holds no results of a study ({error}); run it again.") from error

    def __str__(self) -> str:
        """What it says, as `study_table` has it."""
        from rootward.experiments.reproduce import study_table  # noqa: PLC0415, it knows every study

        return study_table(self)

    def where(self, **columns: Any) -> list[Row]:
        """The rows that have these values."""
        return [row for row in self.rows if all(row.get(name) == value for name, value in columns.items())]


@dataclass(frozen=True)
class Job:
    """A part of a study: measured once, also when the study is cut off and begun again.

    Attributes:
        key: columns that name it, the first of its rows.
        measure: the other columns of each of its rows. A column "ranks" may hold `Ranks`, which go to a file of
            their own.
    """

    key: Row
    measure: Callable[[], Iterable[Row]]


@dataclass(frozen=True)
class Experiment:
    """How a study is run and shown.

    Attributes:
        about: one line, for lists.
        measure: (scale, seeds) to jobs. Keywords that it takes besides are options of the study; but `trainings` is
            where trainings of an hour are kept, so that one that is cut off goes on where it was.
        table: what it says, as text with ours beside the published figures.
        draw: a figure into a file, .png or .svg.
    """

    about: str
    measure: Callable[..., Iterator[Job]]
    table: Callable[[Study], str]
    draw: Callable[[Study, Path], Path]


def run_study(
    name: str,
    experiment: Experiment,
    scale: str,
    seeds: Sequence[int],
    told: Callable[[Row], object] | None = None,
    *,
    began: Callable[[Row, int, int], object] | None = None,
    kept: Kept | None = None,
    options: Mapping[str, Any] | None = None,
) -> Study:
    """Measure everything that is not kept already.

    `began` is called before each part with its key, how many are done and how many there are; `told` after it with the
    last of its rows.

    `options` are what `measure` is given.

    A part whose training diverged is a row that says so, see `rootward.experiments.diverged`.
    """
    given = dict(options or {})
    kept = kept or Kept()
    rows: list[Row] = []
    parts = list(experiment.measure(scale, seeds, **given, **_kept_trainings(experiment, kept)))
    for place, part in enumerate(parts):
        if began is not None:
            began(part.key, place, len(parts))
        measured = kept.rows_of(part.key, partial(or_diverged, part.measure))
        rows += measured
        if told is not None and measured:
            told(measured[-1])
    kept.done()
    return Study(name, scale, _seeds_of(rows), tuple(rows), _about(kept.seconds), named(given))


def named(options: Mapping[str, Any]) -> dict[str, Any]:
    """What a study keeps of its options: of a path its name, as it may be moved."""
    return {option: Path(value).name if option == "data" else value for option, value in options.items()}


def _seeds_of(rows: Sequence[Row]) -> int:
    """How many seeds were measured, which may be fewer than were asked for: examples are of one training."""
    return max(1, len({row["seed"] for row in rows if row.get("seed") is not None}))


def _kept_trainings(experiment: Experiment, kept: Kept) -> dict[str, Path | None]:
    return {"trainings": kept.trainings} if "trainings" in signature(experiment.measure).parameters else {}


def _about(seconds: float) -> dict[str, Any]:
    return {**machine(), "made_by": f"rootward {version('rootward')}", "seconds": round(seconds, 1)}
