"""A study: jobs that are measured one by one, their raw rows, and the checkpoint from which an interrupted one resumes.

Tables and figures are made from the rows alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any, Literal

from safetensors.numpy import save_file

from rootward.errors import InputError, RunFolderError, TrainingError, did_you_mean
from rootward.evaluation import Ranks
from rootward.files import atomic_write, write_text
from rootward_paper.machine import machine

Row = dict[str, Any]
Scale = Literal["tiny", "cpu", "paper"]
RESULTS, MEASURED = "results.json", "measured.jsonl"
RANKS, TRAININGS = "ranks", "trainings"

FAILED = "failed"
"""The column with the error of a training that diverged; other rows do not have it."""

NO_RECALL: Row = {"overall": None, "minimum": None, "by_distance": [None], "curve": []}
"""Recall columns of a training that diverged."""


@dataclass(frozen=True)
class Study:
    """The results of one study.

    Attributes:
        name: of the study.
        scale: "tiny" (seconds, for tests), "cpu" (two cores) or "paper" (the published setting).
        seeds: how many there are in the rows.
        rows: one a measurement, JSON values by column.
        about: date, commit, versions, processor, threads, seconds.
        options: other arguments, such as the source, or the dims and methods of a study measured in part. Of a path
            only its name.
    """

    name: str
    scale: str
    seeds: int
    rows: tuple[Row, ...]
    about: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def part(self) -> str:
        """The dims and methods measured, as "dim 16; method regular"; "" for the whole study."""
        return "; ".join(f"{name} {', '.join(map(str, self.options[name]))}" for name in PARTS if name in self.options)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write `results.json` into a folder, which is made if it is not there."""
        return write_text(Path(folder) / RESULTS, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Study:
        """Read what `save` wrote.

        Raises:
            RunFolderError: no such file, or one that is not a study's.
        """
        path = Path(folder) / RESULTS
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            options = saved.get("options", {})
            return cls(saved["name"], saved["scale"], saved["seeds"], tuple(saved["rows"]), saved["about"], options)
        except FileNotFoundError:
            raise RunFolderError(f"{path} does not exist; rootward-paper writes it.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise RunFolderError(f"{path} holds no results of a study ({error}); run it again.") from error

    def where(self, **columns: Any) -> list[Row]:
        """The rows that have these values."""
        return [row for row in self.rows if all(row.get(name) == value for name, value in columns.items())]

    def with_rows(self, rows: Iterable[Row]) -> Study:
        """The same study with other rows."""
        return Study(self.name, self.scale, self.seeds, tuple(rows), self.about, self.options)


@dataclass(frozen=True)
class Job:
    """A part of a study that is measured once, also when the study is interrupted and resumed.

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
        measure: (scale, seeds) to jobs. Its other keywords are options of the study, except `trainings`: the folder
            where trainings of an hour are saved, so that an interrupted one is resumed.
        table: the results as text, beside the published figures.
        draw: a matplotlib figure of the results.
        method: the column of the jobs' keys that `--method` selects by.
    """

    measure: Callable[..., Iterator[Job]]
    table: Callable[[Study], str]
    draw: Callable[[Study], Any]
    method: str = "method"


# -- running -----------------------------------------------------------------------------------------------------

PARTS = ("dim", "method")
"""Options that select some of the jobs of a study."""


def run_study(
    name: str,
    experiment: Experiment,
    scale: str,
    seeds: Sequence[int],
    *,
    on_start: Callable[[Row, int, int], object] | None = None,
    on_row: Callable[[Row], object] | None = None,
    checkpoint: Checkpoint | None = None,
    options: Mapping[str, Any] | None = None,
) -> Study:
    """Measure every job that the checkpoint does not hold already. A training that diverges becomes a row that says so.

    Args:
        name, experiment, scale, seeds: what to measure.
        on_start: called before each job with its key, how many are done and how many there are.
        on_row: called after each job with the last of its rows.
        checkpoint: of an earlier process; None keeps nothing on disk.
        options: keywords for `experiment.measure`; "dim" and "method" select some of its jobs.

    Raises:
        InputError: a dim or method that the study does not have.
    """
    options = dict(options or {})
    checkpoint = checkpoint or Checkpoint()
    given = {option: value for option, value in options.items() if option not in PARTS}
    if "trainings" in signature(experiment.measure).parameters:
        given["trainings"] = checkpoint.trainings
    jobs = list(experiment.measure(scale, seeds, **given))
    jobs = selected(name, jobs, {option: options[option] for option in PARTS if option in options}, experiment.method)
    rows: list[Row] = []
    for done, job in enumerate(jobs):
        if on_start is not None:
            on_start(job.key, done, len(jobs))
        measured = checkpoint.rows_of(job.key, partial(rows_or_failure, job.measure))
        rows += measured
        if on_row is not None and measured:
            on_row(measured[-1])
    checkpoint.finish()
    n_seeds = max(1, len({row["seed"] for row in rows if row.get("seed") is not None}))  # examples are of one training
    about = {**machine(), "made_by": f"rootward {version('rootward')}", "seconds": round(checkpoint.seconds, 1)}
    return Study(name, scale, n_seeds, tuple(rows), about, saved_options(options))


def saved_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as a study keeps them: of a path its name, as the file may be moved."""
    return {option: Path(value).name if option == "data" else value for option, value in options.items()}


def selected(name: str, jobs: list[Job], wanted: Mapping[str, Sequence[Any]], method: str = "method") -> list[Job]:
    """The jobs of these dims and methods.

    Args:
        name: of the study, for errors.
        jobs: all of them.
        wanted: "dim" or "method" to the values wanted.
        method: the column that methods are in.

    Raises:
        InputError: a value that no job has, or jobs without dims or methods to select.
    """
    chosen = ""
    for option, values in wanted.items():
        column = method if option == "method" else option
        known = list(dict.fromkeys(job.key[column] for job in jobs if job.key.get(column) is not None))
        if not known:
            axes = ", ".join(dict.fromkeys(key for job in jobs for key in job.key))
            raise InputError(f"{name} cannot be measured by {option}: its measurements differ by {axes}.")
        for value in values:
            if value not in known:
                hint = did_you_mean(value, known) if option == "method" else ""
                listed = ", ".join(map(repr, known)) if option == "method" else ", ".join(map(str, known))
                raise InputError(f"{name} has no {option} {value!r}{chosen}; there are {listed}.{hint}")
        jobs = [job for job in jobs if job.key.get(column) in values]
        chosen += f" with {option} {' or '.join(map(str, values))}"
    return jobs


def rows_or_failure(measure: Callable[[], Iterable[Row]]) -> Iterator[Row]:
    """The rows of `measure`; if its training diverges, one last row without recall that holds the error."""
    try:
        yield from measure()
    except TrainingError as error:
        yield {**NO_RECALL, FAILED: str(error)}


def converged(rows: Iterable[Row]) -> list[Row]:
    """The rows whose training did not diverge."""
    return [row for row in rows if FAILED not in row]


# -- interrupted studies -----------------------------------------------------------------------------------------


@dataclass
class Checkpoint:
    """The jobs of a study that are done, in memory or in a folder as well.

    Attributes:
        folder: where `measured.jsonl` grows by a line a job, and `ranks/` by a file; `trainings/` holds the longest
            trainings until the study is done. None keeps nothing.
        request: study, scale and options, the first line there.
        done: (key, rows) of each job done.
        seconds: that all jobs took, in this process and those before.
    """

    folder: Path | None = None
    request: Row = field(default_factory=dict)
    done: list[tuple[Row, list[Row]]] = field(default_factory=list)
    seconds: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    @classmethod
    def open(cls, folder: Path, request: Mapping[str, Any]) -> Checkpoint:
        """Start in a folder, or resume what an earlier process with the same request left there.

        Raises:
            RunFolderError: its request was another one.
        """
        path, wanted = folder / MEASURED, json.loads(json.dumps(dict(request)))
        if not path.exists():
            return cls(folder, wanted)
        lines = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:  # the last line, cut off
                break
        if not lines or lines[0] != wanted:
            other = in_words(lines[0]) if lines else "unreadable"
            raise RunFolderError(
                f"{path} is of another study ({other}); to go on, ask for the same; to start anew, choose another "
                "folder."
            )
        write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
        done = [(line["key"], line["rows"]) for line in lines[1:]]
        return cls(folder, wanted, done, sum(line["seconds"] for line in lines[1:]))

    def rows_of(self, key: Row, measure: Callable[[], Iterable[Row]]) -> list[Row]:
        """The rows of this job: those kept, or measured now and kept."""
        wanted = json.loads(json.dumps(key))
        for done, rows in self.done:
            if done == wanted:
                return rows
        rows = [{**key, **self._without_ranks(key, row)} for row in measure()]
        now = time.perf_counter()
        took, self.started = now - self.started, now
        self.seconds += took
        if self.folder is not None:
            self.done.append((wanted, rows))
            path = self.folder / MEASURED
            if not path.exists():
                write_text(path, json.dumps(self.request) + "\n")
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": wanted, "rows": rows, "seconds": round(took, 2)}) + "\n")
        return rows

    @property
    def trainings(self) -> Path | None:
        """The folder for trainings that are not done; None keeps nothing."""
        return None if self.folder is None else self.folder / TRAININGS

    def finish(self) -> None:
        """Delete the trainings: every job is measured."""
        if self.trainings is not None:
            shutil.rmtree(self.trainings, ignore_errors=True)

    def _without_ranks(self, key: Row, row: Row) -> Row:
        """The row with `Ranks` written to a file and replaced by its name; left out where nothing is kept."""
        ranks = row.pop("ranks", None)
        if isinstance(ranks, Ranks) and self.folder is not None:
            path = self.folder / RANKS / f"{file_name(key.values())}.safetensors"
            about = {"fingerprint": ranks.fingerprint, "n_documents": str(ranks.n_documents)}
            atomic_write(path, lambda to: save_file({"ranks": ranks.ranks}, to, about))
            row["ranks"] = f"{RANKS}/{path.name}"
        return row


def in_words(request: Mapping[str, Any]) -> str:
    """A request as "study table1, scale cpu, dim [16]"."""
    return ", ".join(f"{name} {value}" for name, value in request.items())


def file_name(values: Iterable[object]) -> str:
    """The name of a file or folder that belongs to these values."""
    return re.sub(r"[^\w.=]+", "-", "-".join(map(str, values)))


def training_folder(trainings: Path | None, *values: object) -> Path | None:
    """The folder of one training among those of a study; None where nothing is kept."""
    return None if trainings is None else trainings / file_name(values)
