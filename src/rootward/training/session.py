"""`train` and `resume`: a model and pairs in, a `Run` out, with progress, checkpoints and Ctrl-C on the way."""

from __future__ import annotations

import math
import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from rootward.csr import offsets_of
from rootward.encoders import DualEncoder
from rootward.encoders.registry import towers_from
from rootward.encoders.storage import TEXTS, Towers, read_texts
from rootward.encoders.towers import LoadOptions
from rootward.errors import InputError, RunFolderError, WriteError
from rootward.evaluation import Report, answer_thresholds, evaluate, recall
from rootward.evaluation.evaluate import ranks_of, texts_known
from rootward.evaluation.naming import texts_in_words
from rootward.evaluation.ranks import fingerprint_of
from rootward.files import sha256, sha256_of
from rootward.folders import CONFIG, LOG, REPORT, check_files, read_config, writing_to
from rootward.ids import Rows
from rootward.pairs import Pairs
from rootward.pairs.storage import verify_large
from rootward.progress import Progress
from rootward.rng import stream
from rootward.training import recipes
from rootward.training.batches import Batches
from rootward.training.defaults import costs_of, resolve
from rootward.training.log import LogRecord, append_log, rewrite_log
from rootward.training.loop import Watcher, gradients, run_stage, seconds_per_step
from rootward.training.losses import LOSSES, loss_of
from rootward.training.run import (
    PAIRS,
    WHERE,
    About,
    Machine,
    Run,
    Settings,
    begin_folder,
    files_of_pairs,
    pairs_in,
)
from rootward.training.stage import Recipe, Stage, refuse_unimportable
from rootward.training.state import CHECKPOINT, Checkpoint, State

SILENT_SECONDS = 30.0  # without a line, after which a step is shown where there is no terminal
MINUTES_SHARE = 0.85  # of a time budget, for the steps themselves; validation and measuring take the rest


def train(
    model: DualEncoder,
    pairs: Pairs,
    recipe: Recipe | str | None = None,
    *,
    validation: Pairs | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    minutes: float | None = None,
    source: str | None = None,
    settings: Settings | None = None,
    classifier: dict[str, Any] | None = None,
) -> Run:
    """Train an encoder in place and measure it.

    The same seed, machine and thread count give the same bits, also when a run is interrupted and resumed.

    Args:
        model: from `DualEncoder.lookup` or `DualEncoder.text`; its tables are changed. Vectors of one's own
            (`from_vectors`) are put on the unit sphere first, where training keeps them.
        pairs: what is relevant, with the model's own ids.
        recipe: from `rootward.recipes`, or the name of one that needs no arguments; None takes `recipes.decoupled()`.
        validation: pairs to measure on the way and to choose the best vectors by; None takes some queries of `pairs`,
            as other queries have no vector in a lookup table.
        seed: of every random choice.
        out: folder to write the run to, with checkpoints on the way; None writes nothing.
        minutes: time budget for all; sets the steps of the stages that leave them open, by timing a few.
        source: the named source of the pairs, e.g. "wordnet", kept in the report.
        settings: device, precision, memory, progress.
        classifier: kept in the run, for `Classifier.resume`.

    Returns:
        The run; `run.report` has the recall by distance. Interrupted by Ctrl-C, it is not `finished`, and `resume`
        goes on. Ctrl-C while measuring leaves a finished run without a report, and `resume` measures it.

    Raises:
        InputError: the model has other ids than the pairs; no recipe is called so; a device or precision that is not
            there; minutes for a recipe whose stages all have a length of their own; a loss or sampler that does not do
            what its protocol says, or that a run in `out` could not import again.
        PairsError: there are no pairs to train on, or none of the kind that a stage draws, or none to validate with.
        UnknownIdError: validation pairs of ids that the model does not know.
        InUseError: another process writes `out`.
        RunFolderError: `out` holds a run already.
        WriteError: there is no room for the run; what is left can be resumed, or trained into again.
        TrainingError: the loss is no number any more.
    """
    recipe, settings = _checked(model, pairs, recipe), settings or Settings()
    machine = Machine.here(settings)
    state = State.of(model, torch.device(machine.device))
    costs = costs_of(model)
    stages = tuple(resolve(stage, pairs, model.dim, costs) for stage in recipe.stages)
    chosen = recipe.model_copy(update={"stages": stages})
    if minutes is not None:
        chosen = _within(minutes, recipe, chosen, pairs, state, seed, machine)
    if out is not None:
        refuse_unimportable(chosen)
    for place, stage in enumerate(chosen.stages):
        batch = Batches(pairs, stage, seed, place)[0]  # refuses now what a stage cannot draw
        if stage.loss not in LOSSES:  # and a loss of one's own that does not work
            batch = batch.to(state.device)
            queries, documents = (rows.new_zeros(len(rows), 1).float() for rows in (batch.queries, batch.documents))
            gradients(loss_of(stage.loss), queries, documents, batch, 1.0, machine.block_bytes)
    if validation is not None:
        validate(model, validated_pairs(validation, seed))  # refuses pairs that it cannot measure
    run = Run(model, pairs, chosen, seed, folder=None if out is None else Path(out), classifier=classifier)
    if pairs.folder is not None:
        verify_large(pairs.folder)
    with nullcontext() if run.folder is None else writing_to(run.folder, "rootward train"):
        if run.folder is not None:
            begin_folder(run.folder, pairs)
        model.thresholds = torch.full((len(model.query_ids),), torch.nan)  # those of other vectors
        state.begin(0, chosen.stages[0])
        return _Session(run, state, machine, settings, source, validation).go()


def resume(
    folder: str | Path,
    *,
    validation: Pairs | None = None,
    settings: Settings | None = None,
    encoder: Any = None,
    cache: str | Path | None = None,
) -> Run:
    """Resume an interrupted run from its last checkpoint, to bit-identical results.

    Reads `config.json`, the pairs, their texts and the checkpoint; the model is written anew. A run that was stopped
    while it was measured is measured.

    Args:
        folder: of the run.
        validation: the same pairs as given to `train`.
        settings: what they leave open is as the run was started. A line says what else has changed that bits depend
            on, such as threads.
        encoder, cache: of a tower on an encoder; see `DualEncoder.load`.

    Raises:
        InUseError: another process goes on with it, or writes the folder.
        RunFolderError: no run, no checkpoint, or one that is damaged.
        InputError: the run is finished already, was started with other validation pairs, or with a loss or sampler
            that cannot be imported.
    """
    settings, folder = settings or Settings(), Path(folder)
    read_config(folder)  # refuses a folder that is none of ours before a lock is put there
    with writing_to(folder, "rootward train --resume"):
        return _resume(folder, validation, settings, LoadOptions(encoder, cache, settings.progress))


def _resume(folder: Path, validation: Pairs | None, settings: Settings, options: LoadOptions) -> Run:
    config = read_config(folder)
    about = About.read(folder, config)
    if not about.finished:
        refuse_unimportable(about.recipe)
    if about.finished and (about.measured or not settings.measure):
        raise InputError(f"{folder} is finished; to train longer, start a run in another folder with more epochs.")
    if (None if validation is None else fingerprint_of(validation)) != about.validation:
        if about.validation is None:
            raise InputError(f"{folder} was started without validation pairs; resume it without.")
        what = "none" if validation is None else "others"
        raise InputError(
            f"{folder} was started with validation pairs (fingerprint {about.validation}) and got {what} to go on "
            f"with. Give the same ones: rootward.resume({str(folder)!r}, validation=...)."
        )
    check_files(folder, config, only=(PAIRS, TEXTS))
    pairs = pairs_in(folder, config=config)
    if pairs.folder is not None:
        verify_large(pairs.folder)
    if pairs.folder is None:
        texts = read_texts(folder, config, {"query": pairs.query_ids, "document": pairs.document_ids})
        pairs = replace(pairs, query_texts=texts["query"], document_texts=texts["document"])
    saved = Checkpoint.read(folder)
    model = _model_in(saved, Towers.read(folder, config), pairs, about.dim, options)
    machine = Machine.here(settings, about.machine)
    state = State.of(model, torch.device(machine.device))
    state.restore(saved, about.recipe.stages)
    run = Run(model, pairs, about.recipe, about.seed, folder=folder, classifier=about.classifier)
    run.history = list(saved.numbers.history)
    if saved.numbers.run != identity_of(run):
        raise RunFolderError(f"{saved.path} is of another run. Restore this run's own, or train without --resume.")
    rewrite_log(folder, run.history)
    return _Session(run, state, machine, settings, about.source, validation).go(machine.unlike(about.machine))


def _model_in(
    saved: Checkpoint, towers: Mapping[str, Mapping[str, Any]], pairs: Pairs, dim: int, options: LoadOptions
) -> DualEncoder:
    """The model as a checkpoint has it.

    Raises:
        RunFolderError: its tensors do not fit the pairs.
    """
    ids = {"query": pairs.query_ids, "document": pairs.document_ids}
    texts = {"query": pairs.query_texts, "document": pairs.document_texts}
    try:
        query, document = towers_from(towers, saved.tensors, ids, texts, options, saved.path.parent.parent)
        model = DualEncoder.from_towers(pairs, query, document)
        if model.dim != dim:
            raise InputError(f"The model has {dim} dimensions.")
    except InputError as error:
        raise RunFolderError(
            f"{saved.path} holds tables of another size than the model's. Train without --resume."
        ) from error
    for name, own in (("generality", model.generality), ("heights", model.heights)):
        held = saved.tensors.get(name)
        if held is None or held.numpy().shape != own.shape or held.numpy().dtype != own.dtype:
            raise RunFolderError(f"{saved.path} has no {name!r} with a number for each document.")
    model.generality, model.heights = (saved.tensors[name].numpy() for name in ("generality", "heights"))
    return model


def identity_of(run: Run) -> str:
    """Sixteen hex digits of what a run is: seed, recipe and pairs. Its checkpoint has them too."""
    assert run.folder is not None
    pairs = sha256(run.folder / (WHERE if (run.folder / WHERE).is_file() else PAIRS))
    return sha256_of([f"{run.seed} {run.recipe.model_dump_json()} {pairs}".encode()])[:16]


def _checked(model: Any, pairs: Any, recipe: Any) -> Recipe:
    """The recipe, by its name or the default one too; refuses arguments that do not fit each other."""
    if recipe is None or isinstance(recipe, str):
        recipe = recipes.by_name(recipe or "decoupled")
    if not isinstance(recipe, Recipe):
        raise InputError(f"recipe is one of rootward.recipes, or its name, such as 'decoupled'; got {recipe!r}.")
    if not (isinstance(model, DualEncoder) and isinstance(pairs, Pairs)):
        got = f"a {type(model).__name__} and a {type(pairs).__name__}"
        raise InputError(f"train takes a model, then pairs: rootward.train(model, pairs); got {got}.")
    if model.query_ids != pairs.query_ids or model.document_ids != pairs.document_ids:
        raise InputError(
            "The model was made for other ids than these pairs have. Make it from these pairs, "
            "DualEncoder.lookup(pairs, dim), or train on the pairs it was made from."
        )
    return recipe


def _within(
    minutes: float, recipe: Recipe, filled: Recipe, pairs: Pairs, state: State, seed: int, machine: Machine
) -> Recipe:
    """`filled` with as many steps as there is time for in the stages where `recipe` leaves them open."""
    if not 0 < minutes < math.inf:
        raise InputError(f"minutes must be above 0, got {minutes}.")
    is_open = [stage.steps is None and stage.epochs is None for stage in recipe.stages]
    if not any(is_open):
        lengths = ", ".join(f"{stage.name} {stage.steps:,} steps" for stage in filled.stages)
        raise InputError(
            f"minutes sets the steps of stages that leave them open, and recipe {recipe.name!r} leaves none "
            f"({lengths}). Open the first with recipe.with_(steps=None, epochs=None), or leave minutes out."
        )
    took = [
        seconds_per_step(state, Batches(pairs, stage, seed, place), machine.block_bytes, machine.products)
        for place, stage in enumerate(filled.stages)
    ]
    left = 60 * minutes * MINUTES_SHARE
    left -= sum(t * (s.steps or 0) for t, s, free in zip(took, filled.stages, is_open, strict=True) if not free)
    stages = list(filled.stages)
    for place, free in enumerate(is_open):
        if free:
            steps = max(1, round(left / sum(is_open) / took[place]))
            timed = recipe.stages[place].model_copy(update={"steps": steps})
            stages[place] = resolve(timed, pairs, state.model.dim, costs_of(state.model))
    return filled.model_copy(update={"stages": tuple(stages)})


@dataclass(eq=False)
class _Session:
    """One process's share of a run: trains from where the state stands to the end, or until it is stopped."""

    run: Run
    state: State
    machine: Machine
    settings: Settings
    source: str | None
    validation: Pairs | None

    def go(self, changed: list[str] | None = None) -> Run:
        """Train and measure; `changed` is what differs from an earlier session of the run."""
        try:
            self._go(changed)
        except WriteError as error:
            folder = self.run.folder
            if folder is not None and (folder / CONFIG).is_file() and (folder / CHECKPOINT).is_file():
                what_next = f"Then go on with: rootward train --resume {shlex.quote(str(folder))}"
            else:
                what_next = f"Nothing is trained yet; then start again, also into {folder}."
            raise WriteError(f"{error} {what_next}", error.errno) from error
        return self.run

    def _go(self, changed: list[str] | None) -> None:
        with Display(self.settings.progress, lines=True, keep=True) as display:
            if changed:
                display.say(f"Bits may differ from those of a run that was never stopped: {', '.join(changed)}.")
            for note in self.run.model.notes:
                display.say(note)
            with stoppable() as stop:
                self._save()
                self._write()
                self.run.finished = self._steps(display, stop)
                if self.run.finished:
                    self._save()
                self._write()
                stopped = stop()
            if not self.run.finished:
                self._say_how_to_go_on(display, "Stopped.", "Go on")
            elif self.settings.measure:
                self._measure(display, stopped)

    def _steps(self, display: Display, stop: Callable[[], bool]) -> bool:
        """Train every stage from where it stands; False where a stop was asked for before the last step."""
        run, state = self.run, self.state
        sample = validated_pairs(run.pairs if self.validation is None else self.validation, run.seed)
        watcher = Watcher(
            stepped=display.stepped,
            reported=lambda record: self._reported(display, record),
            validate=lambda _: validate(self._model(), sample),
            save=lambda _: self._save(),
            stop=stop,
        )
        while True:
            stage = run.recipe.stages[state.place]
            recalls = [record.recall for record in run.history if record.stage == stage.name]
            display.began(stage, state.step, recalls[-1] if recalls else None)
            batches = Batches(run.pairs, stage, run.seed, state.place)
            if not run_stage(state, batches, watcher, self.machine.block_bytes, self.machine.products):
                return False
            if state.place + 1 == len(run.recipe.stages):
                return True
            state.begin(state.place + 1, run.recipe.stages[state.place + 1])

    def _measure(self, display: Display, stopped: bool) -> None:
        """Measure the model, unless a stop was asked for; it is saved already."""
        try:
            if stopped:
                raise KeyboardInterrupt
            display.stop()
            display.say("measuring ...")
            self.run.report = measure(self.run, self.source, self.settings.progress)
        except KeyboardInterrupt:
            self._say_how_to_go_on(display, "Training is done, measuring was stopped.", "Measure")
            return
        with stoppable():
            self._write()

    def _say_how_to_go_on(self, display: Display, what: str, verb: str) -> None:
        folder = self.run.folder
        how = f" {verb} with: rootward train --resume {shlex.quote(str(folder))}" if folder is not None else ""
        display.say(what + how)

    def _reported(self, display: Display, record: LogRecord) -> None:
        if self.run.model.reads_texts and record.recall is not None:
            known = None if self.validation is None else texts_known(self.run.model, self.validation)
            record = replace(record, texts=known or "trained on")
        self.run.history.append(record)
        display.reported(record)
        if self.run.folder is not None:
            append_log(self.run.folder, record, len(self.run.history) - 1)

    @cached_property
    def identity(self) -> str:
        """See `identity_of`."""
        return identity_of(self.run)

    def _model(self) -> DualEncoder:
        """The model with what was trained copied into its own tables, wherever training ran."""
        self.state.write_to(self.run.model)
        return self.run.model

    def _save(self) -> None:
        if self.run.folder is not None:
            self.state.save(self.run.folder, self.identity, self.run.history)

    def _write(self) -> None:
        """Write the model with the report and, last, the config."""
        run, model = self.run, self._model()
        run.seconds = self.state.seconds
        if run.folder is None:
            return
        files = files_of_pairs(run.folder)
        if run.finished:
            files[LOG] = None
        if run.report is not None:
            text = run.report.to_json()
            files[REPORT] = lambda path: path.write_text(text, encoding="utf-8")
        about = About(
            recipe=run.recipe,
            seed=run.seed,
            source=self.source,
            dim=run.model.dim,
            finished=run.finished,
            measured=run.report is not None,
            seconds=round(run.seconds, 3),
            validation=None if self.validation is None else fingerprint_of(self.validation),
            machine=self.machine,
            date=time.strftime("%Y-%m-%d"),
            classifier=run.classifier,
        )
        model.save(run.folder, config={"run": about.model_dump(mode="json")}, more_files=files)


VALIDATED_QUERIES = 1_000  # at most, a validation; enough for half a point
MEASURED_SCORES = 20_000_000_000  # at most, at the end: about 40 s at dim 64 on two cores


def validated_pairs(pairs: Pairs, seed: int) -> Pairs:
    """The pairs of the queries that validations measure: all, or some drawn at random."""
    rows = _some_queries(pairs, VALIDATED_QUERIES, seed)
    return pairs if rows is None else _pairs_of(pairs, rows)


def validate(model: DualEncoder, pairs: Pairs) -> tuple[float, list[float | None]]:
    """Overall recall and recall at distance 0, 1, ... up to 1,000, None at a distance without pairs.

    Queries that training does not know are measured by their own vectors, where `evaluate` lets them lean on the
    nearest that it does, as a search would: all of those would have to be encoded anew for every validation.

    Raises:
        PairsError: there are no pairs.
        UnknownIdError: pairs of ids that the model does not know.
    """
    found = recall(ranks_of(model, pairs, as_searched=False, exact=False))
    return found.overall, [None if math.isnan(value) else round(value, 5) for value in found.by_distance.tolist()]


def measure(run: Run, source: str | None, progress: bool) -> Report:
    """Recall over all queries, or over a sample of many; also sets the model's thresholds."""
    n = max(VALIDATED_QUERIES, MEASURED_SCORES // max(1, run.pairs.n_documents))
    rows = _some_queries(run.pairs, n, run.seed)
    pairs = run.pairs if rows is None else _pairs_of(run.pairs, rows)
    report = evaluate(
        run.model,
        pairs,
        source=source,
        label=run.recipe.name,
        seed=run.seed,
        exact=False,
        extras={
            "recipe": run.recipe.name,
            "train_seconds": round(run.seconds, 1),
            "sampled_queries": pairs is not run.pairs,
        },
        progress=progress,
    )
    assert report.ranks is not None
    thresholds = torch.from_numpy(answer_thresholds(report.ranks))
    if len(thresholds) == len(run.model.thresholds):
        run.model.thresholds = thresholds
    else:
        assert rows is not None
        run.model.thresholds[torch.from_numpy(rows)] = thresholds
    return report


def _some_queries(pairs: Pairs, at_most: int, seed: int) -> Rows | None:
    """The rows of some queries, drawn at random, ascending; None for all of them where there are few."""
    answered = np.flatnonzero(pairs.sizes)
    if len(answered) <= at_most:
        return None
    return np.sort(stream(seed, "validation").choice(answered, at_most, replace=False))


def _pairs_of(pairs: Pairs, rows: Rows) -> Pairs:
    """The pairs of these queries. Of pairs on disk the other queries are left out, as measuring has arrays of all."""
    if pairs.folder is None:
        return pairs.of_queries(rows)
    _, index = pairs.of(rows)
    return Pairs(
        pairs.query_ids.take(rows),
        pairs.document_ids,
        offsets_of(pairs.sizes[rows]),
        pairs.documents[index],
        pairs.distances[index],
    )


# -- progress and Ctrl-C -----------------------------------------------------------------------------------------


class Display(Progress):
    """The progress of a training: for each stage how many steps are done, with loss, recall and speed."""

    def began(self, stage: Stage, step: int, recall: float | None) -> None:
        """A stage starts, or goes on after this step, where its last validation gave this recall."""
        self.validated = "" if recall is None else f"recall {100 * recall:.1f} %"
        self.begin(stage.name, stage.steps, step, self.validated)

    def stepped(self, stage: Stage, step: int, loss: float) -> None:
        """Move the bar; where there is none, print a line after a long silence, as validations may be an hour apart."""
        self.update(step, text=f"loss {loss:.3f}  {self.validated}".rstrip(), pause=SILENT_SECONDS)

    def reported(self, record: LogRecord) -> None:
        """Show a validation."""
        recall = "..." if record.recall is None else f"{100 * record.recall:.1f} %"
        whose = "" if record.texts is None else f" of {texts_in_words(record.texts)}"
        self.validated = f"recall{whose} {recall}  {record.pairs_per_second:,.0f} pairs/s"
        self.update(record.step, text=f"loss {record.loss:.3f}  {self.validated}")


STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that stop a training."""


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C, SIGTERM or SIGHUP stop a training at the end of a step; a second one interrupts at once.

    A signal that is ignored stays so, as SIGHUP is behind `nohup`. Yields a function that says whether a stop was asked
    for. Outside the main thread, where signals cannot be caught, they work as before.
    """
    wanted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield wanted.is_set
        return

    def want(number: int, frame: FrameType | None) -> None:
        if wanted.is_set():
            raise KeyboardInterrupt
        wanted.set()

    before = {each: signal.getsignal(each) for each in STOPPING}
    for each, handler in before.items():
        if each == signal.SIGINT or handler != signal.SIG_IGN:
            signal.signal(each, want)
    try:
        yield wanted.is_set
    finally:
        for each, handler in before.items():
            if handler is not None:  # one that Python did not set
                signal.signal(each, handler)
