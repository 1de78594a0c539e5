"""`Settings` of a training, and its result: `Run`, in memory and as a folder.

config.json         how it was made, and the checksums of the files beside it
model.safetensors   see `rootward.encoders.storage`, with ids.parquet and texts.parquet
pairs.parquet       what was trained on, so that a run can be measured and resumed without its source;
                    pairs.json instead where pairs are on disk: the path and the fingerprint of their folder
report.json         recall by distance, written when training is done
log.jsonl           one line a validation
diff.json           of a grown run: what changed
checkpoints/        what `resume` starts from
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict

from rootward.encoders import DualEncoder
from rootward.encoders.storage import IDS, MAPPED, MODEL, TEXTS
from rootward.errors import InputError, RunFolderError, TableError, did_you_mean
from rootward.evaluation import Report
from rootward.files import atomic_write, refuse_link
from rootward.folders import (
    CONFIG,
    LOG,
    REPORT,
    RUN_FOLDER,
    check_files,
    check_unused,
    checked_as,
    file_of,
    parse_json,
    read_whole,
    section,
    unseal,
)
from rootward.pairs import Pairs
from rootward.pairs.storage import PAIRS, read_about
from rootward.training.log import LogRecord, read_log, rewrite_log
from rootward.training.loop import BLOCK_BYTES
from rootward.training.stage import Recipe
from rootward.training.state import CHECKPOINT

__all__ = ["LOG", "PAIRS", "REPORT", "WHERE", "About", "Run"]


PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Settings:
    """How a training is run: device, memory, display. Only roundings of the result depend on it.

    `resume` takes what is left open, "auto" or None, from the run itself.

    Attributes:
        device: "auto", "cpu", "cuda", ...
        precision: of the matrix products: "auto", "float32" or "bfloat16".
        block_bytes: budget for scores held at a time; None for what suits a processor's cache.
        measure: evaluate at the end, which also finds the thresholds of the answer sets.
        progress: show a bar; where standard error is no terminal a line for a validation, at most every two seconds,
            and for a step where half a minute has passed without one.
    """

    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    block_bytes: int | None = None
    measure: bool = True
    progress: bool = True


@dataclass(frozen=True)
class Machine:
    """What the bits of a run depend on besides its recipe, pairs and seed; saved in `config.json`.

    Attributes:
        device, precision, block_bytes: as in `Settings`, nothing left open.
        threads: that torch takes.
        torch_version: of it.
    """

    device: str
    precision: str
    block_bytes: int
    threads: int
    torch_version: str

    @classmethod
    def here(cls, settings: Settings, before: Machine | None = None) -> Machine:
        """Resolve settings for this machine; what they leave open is as `before`, if that device is here.

        Raises:
            InputError: a device that cannot be used here, or no such precision.
        """
        if before is not None and settings.device == "auto" and not _is_here(before.device):
            before = None
        device = before.device if before is not None and settings.device == "auto" else settings.device
        device = str(device_of(device))
        precision = before.precision if before is not None and settings.precision == "auto" else settings.precision
        if precision == "auto":
            precision = "bfloat16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "float32"
        if precision not in PRECISIONS:
            there = f"auto, {', '.join(PRECISIONS)}"
            raise InputError(f"No precision {precision!r}; there are {there}.{did_you_mean(precision, PRECISIONS)}")
        block_bytes = BLOCK_BYTES if before is None else before.block_bytes
        return cls(
            device,
            precision,
            block_bytes if settings.block_bytes is None else settings.block_bytes,
            torch.get_num_threads(),
            str(torch.__version__),
        )

    @property
    def products(self) -> torch.dtype:
        """What matrix products are computed in."""
        return PRECISIONS[self.precision]

    def unlike(self, before: Machine) -> list[str]:
        """What differs from another machine: 'threads 2 instead of 1'."""
        pairs = [(field.name, getattr(self, field.name), getattr(before, field.name)) for field in fields(self)]
        return [f"{name.replace('_', ' ')} {now} instead of {then}" for name, now, then in pairs if now != then]


def device_of(name: str) -> torch.device:
    """The device to train on: "auto" takes a CUDA device where there is one.

    Raises:
        InputError: it cannot be used here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not _is_here(name):
        gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        there = ", ".join(["auto", "cpu", *(["cuda"] if gpus else []), *gpus])
        raise InputError(f"Device {name!r} cannot be used here; there are {there}.")
    return torch.device(name)


def _is_here(name: str) -> bool:
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError):
        return False
    return name != "meta"  # torch's device without memory


class About(BaseModel):
    """The section "run" of `config.json`.

    Attributes:
        recipe: with everything derived filled in.
        seed, source, dim: as given to `train`.
        finished: every step is done.
        measured: it has a report.
        seconds: spent training.
        validation: fingerprint of the validation pairs; None where the run validates on some of its own.
        machine: what the bits depend on besides, of the last process that worked on it.
        date: of that.
        classifier: what the classifier that is made of the run is begun with; None where none is made.
    """

    model_config = ConfigDict(frozen=True)

    recipe: Recipe
    seed: int
    source: str | None
    dim: int
    finished: bool
    measured: bool
    seconds: float
    validation: str | None
    machine: Machine
    date: str
    classifier: dict[str, Any] | None = None

    @classmethod
    def read(cls, folder: Path, config: dict[str, Any]) -> About:
        """The section of a run in its config.

        Raises:
            RunFolderError: there is none, or none that this version understands.
        """
        if "run" not in config:
            raise RunFolderError(f"{folder} holds a model but no run: it was not written by train.")
        return section(folder, config, "run", cls)


@dataclass(eq=False)
class Run:
    """A training, finished or interrupted.

    Attributes:
        model: as it was trained.
        pairs: what it was trained on.
        recipe: with everything derived filled in.
        seed: of every random choice.
        history: one record a validation, as in `log.jsonl`.
        report: recall by distance at the end; None when training was interrupted or not measured, or the file is gone.
        finished: False when it was interrupted.
        seconds: spent training, validation and measuring left out.
        folder: where it was written, None when it was not.
        classifier: what the classifier that is made of it is begun with; None where none is made.
    """

    model: DualEncoder
    pairs: Pairs
    recipe: Recipe
    seed: int
    history: list[LogRecord] = field(default_factory=list)
    report: Report | None = None
    finished: bool = False
    seconds: float = 0.0
    folder: Path | None = None
    classifier: dict[str, Any] | None = field(default=None, repr=False)

    def __str__(self) -> str:
        where = f" in {self.folder}" if self.folder else ""
        state = "done" if self.finished else "interrupted"
        head = f"Run of {self.recipe.name!r}{where}: {state} after {self.seconds:.0f} s of training, seed {self.seed}"
        if self.report is None:
            return f"{head}\n{no_report(self.folder)}" if self.finished and self.folder else head
        return f"{head}\n{self.report}"

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        encoder: Any = None,
        cache: str | Path | None = None,
        progress: bool = False,
        online: bool = False,
    ) -> Run:
        """Read a run folder; every file's checksum is checked. The rest as `DualEncoder.load` takes it.

        Raises:
            RunFolderError: the folder is missing, damaged, from a newer version, or holds a model but no run.
        """
        folder = Path(folder)

        def read(config: dict[str, Any]) -> Run:
            about = About.read(folder, config)
            check_files(folder, config, only=(REPORT, LOG))
            model = DualEncoder.load(folder, encoder=encoder, cache=cache, progress=progress, online=online)
            report = file_of(folder, config, REPORT)
            return cls(
                model=model,
                pairs=pairs_in(folder, model, config),
                recipe=about.recipe,
                seed=about.seed,
                history=read_log(folder),
                report=Report.load(report) if report.is_file() and about.measured else None,
                finished=about.finished,
                seconds=about.seconds,
                folder=folder,
                classifier=about.classifier,
            )

        return read_whole(folder, RUN_FOLDER, read)


def no_report(folder: Path) -> str:
    """Says that a finished run has no report, and how to measure it again."""
    return (
        f"{folder / REPORT} is not there; it is measured again by: rootward evaluate {folder} --json {folder / REPORT}"
    )


def begin_folder(folder: Path, pairs: Pairs) -> None:
    """Make a run folder with its pairs and an empty log; it is a run once `config.json` is written, the last file.

    Raises:
        RunFolderError: there is a run in it already, or other files.
    """
    check_run_folder(folder)
    rewrite_log(folder, [])  # first: a folder that holds it was begun by us
    save_pairs(folder, pairs)


def save_pairs(folder: Path, pairs: Pairs) -> None:
    """Write `pairs.parquet`; the texts are left to the model's own files. Of pairs on disk only where they are."""
    for name in (PAIRS, WHERE):  # of a training into this folder that was cut off before it was a run
        (folder / name).unlink(missing_ok=True)
    if pairs.folder is None:
        refuse_link(folder / PAIRS)
        replace(pairs, query_texts=None, document_texts=None).save(folder / PAIRS)
        return
    where = pairs.folder.absolute()
    text = Reference(folder=str(where), fingerprint=read_about(where).fingerprint).model_dump_json()
    atomic_write(folder / WHERE, lambda to: to.write_text(text, encoding="utf-8"), links=False)


class Reference(BaseModel):
    """`pairs.json`: the folder of the pairs on disk that a run was trained on, and their fingerprint."""

    model_config = ConfigDict(frozen=True, strict=True)
    folder: str
    fingerprint: str

    @classmethod
    def read(cls, path: Path) -> Reference:
        """What the file says.

        Raises:
            RunFolderError: it is a link, or says something else.
        """
        refuse_link(path)
        then = "Write the folder of the pairs and their fingerprint there, as the run had them."
        try:
            values = parse_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path} cannot be read: {error}. {then}") from error
        return checked_as(cls, values, str(path), then, RunFolderError)


def files_of_pairs(folder: Path) -> dict[str, Callable[[Path], object] | None]:
    """The files of a run's pairs that `config.json` has checksums of; none of pairs on disk, which have their own."""
    return {} if (folder / WHERE).is_file() else {PAIRS: None}


def pairs_in(folder: Path, model: DualEncoder | None = None, config: Mapping[str, Any] | None = None) -> Pairs:
    """The pairs that a run was trained on; `check_files` comes before.

    Args:
        folder: of the run.
        model: whose texts the pairs take; None for none.
        config: of the folder, where it was read already.

    Raises:
        RunFolderError: `pairs.parquet` is missing; pairs on disk are not where they were, or not the same.
    """
    reference = folder / WHERE
    if reference.is_file():
        saved = Reference.read(reference)
        try:
            found = read_about(Path(saved.folder)).fingerprint
            pairs = Pairs.load(saved.folder)
        except TableError as error:
            raise RunFolderError(
                f"The run in {folder} was trained on pairs on disk, in {saved.folder}: {error} Put them back, or "
                f"write where they are now into {reference}."
            ) from error
        if found != saved.fingerprint:
            raise RunFolderError(
                f"{saved.folder} holds other pairs (fingerprint {found}) than the run in {folder} was trained on "
                f"({saved.fingerprint}). Make them again from the same table."
            )
        return pairs
    path = folder / PAIRS
    if config is None and (folder / CONFIG).is_file():
        with suppress(OSError, ValueError):
            config = unseal((folder / CONFIG).read_bytes())
    if config is not None:
        path = file_of(folder, config, PAIRS)
    if not path.is_file():
        raise RunFolderError(f"{folder / PAIRS} is missing; give the pairs themselves, or train again.")
    pairs = Pairs.load(path)
    if model is None:
        return pairs
    return replace(pairs, query_texts=model.query_texts, document_texts=model.document_texts)


WHERE, DIFF = "pairs.json", "diff.json"
_LINKED = {f"{name}{suffix}" for name in MAPPED.values() for suffix in (".arrow", ".npy")}
_OURS = frozenset({CONFIG, MODEL, IDS, TEXTS, PAIRS, WHERE, REPORT, LOG, DIFF, CHECKPOINT.parts[0], *_LINKED})


def check_run_folder(folder: Path) -> None:
    """Refuse a folder in which a run would overwrite something.

    Raises:
        RunFolderError: see `rootward.folders.check_unused`.
    """
    check_unused(folder, LOG, _OURS)
