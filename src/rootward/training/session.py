"""`train`: a model and pairs in, a `Run` out; and `resume`. Either is a session, one process's share of a run."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rootward.csr import offsets_of
from rootward.encoders import DualEncoder
from rootward.encoders.storage import CONFIG, TEXTS, Again, check_files, read_config, read_texts, towers_from, towers_in
from rootward.errors import InputError, RunFolderError, WriteError
from rootward.evaluation import Report, answer_thresholds, evaluate, recall
from rootward.evaluation.evaluate import ranks_of
from rootward.evaluation.ranks import fingerprint_of
from rootward.files import write_text
from rootward.ids import Rows
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.training import recipes
from rootward.training.batches import Batches
from rootward.training.console import Display, stoppable
from rootward.training.defaults import costs_of, resolve
from rootward.training.loop import Progress, Watcher, run_stage, seconds_per_step
from rootward.training.run import (
    PAIRS,
    REPORT,
    About,
    Run,
    append_log,
    begin_folder,
    files_of_pairs,
    pairs_in,
    read_log,
    rewrite_log,
)
from rootward.training.settings import Machine, Settings
from rootward.training.stage import Recipe
from rootward.training.state import CHECKPOINT, Checkpoint, State

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
) -> Run:
    """Train an encoder in place and measure it.

    The same seed, machine and thread count give the same bits, also when a run is interrupted and resumed.

    Args:
        model: from `DualEncoder.lookup` or `DualEncoder.text`; its tables are changed. Vectors of one's own
            (`from_vectors`) are put on the unit sphere first, where training keeps them.
        pairs: what is relevant, with the model's own ids.
        recipe: from `rootward.recipes`, or the name of one that needs no arguments; None takes `recipes.decoupled()`.
        validation: pairs to watch and to choose the best by; None takes some queries of `pairs` themselves, as
            unseen queries have no vector in a lookup table.
        seed: of every random choice.
        out: folder to write the run to, with checkpoints on the way; None writes nothing.
        minutes: time budget for all; sets the steps of the stages that leave them open, by timing a few.
        source: the named source of the pairs, e.g. "wordnet", kept in the report.
        settings: device, precision, memory, progress.

    Returns:
        The run; `run.report` has the recall by distance. Interrupted by Ctrl-C, it is not `finished`, and `resume`
        goes on. Ctrl-C while measuring leaves a finished run without a report, and `resume` measures it.

    Raises:
        InputError: the model has other ids than the pairs; no recipe is called so; a device or precision that is not
            there; minutes for a recipe whose stages all have a length of their own.
        PairsError: there are no pairs to train on, or none of the kind that a stage draws, or none to watch.
        UnknownIdError: validation pairs of ids that the model does not know.
        RunFolderError: `out` holds a run already.
        WriteError: there is no room for the run; what is left can be resumed, or trained into again.
        TrainingError: the loss is no number any more.
    """
    settings, recipe = settings or Settings(), _recipe(recipe)
    machine = Machine.here(settings)
    _check(model, pairs)
    state = State.of(model, torch.device(machine.device))
    costs = costs_of(model)
    stages = tuple(resolve(stage, pairs, model.dim, costs) for stage in recipe.stages)
    chosen = recipe.model_copy(update={"stages": stages})
    if minutes is not None:
        chosen = _within(minutes, recipe, chosen, pairs, state, seed, machine)
    for place, stage in enumerate(chosen.stages):
        Batches(pairs, stage, seed, place)[0]  # refuses what a stage cannot draw now, not when those before are done
    if validation is not None:
        validate(model, watched(validation, seed))  # refuses what cannot be watched
    run = Run(model, pairs, chosen, seed, folder=None if out is None else Path(out))
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
    """Go on with an interrupted run from its last checkpoint, to the same bits it would have ended with.

    All it needs is in `config.json`, the pairs, their texts and the checkpoint; the model is written anew. A run that
    was stopped while it was measured is measured.

    Args:
        folder: of the run.
        validation: as given to `train`.
        settings: what they leave open is as the run was started. Where something else that bits depend on has
            changed, threads say, a line tells.
        encoder, cache: of a tower on an encoder; see `DualEncoder.load`.

    Raises:
        RunFolderError: no run, no checkpoint, or one that is damaged.
        InputError: the run is finished already, or has watched other validation pairs.
    """
    settings, folder = settings or Settings(), Path(folder)
    config = read_config(folder)
    about = About.read(folder, config)
    if about.finished and (about.measured or not settings.measure):
        raise InputError(f"{folder} is finished; to train longer, start a run in another folder with more epochs.")
    _check_validation(folder, about, validation)
    check_files(folder, config, only=(PAIRS, TEXTS))
    pairs = pairs_in(folder)
    if pairs.folder is None:
        texts = read_texts(folder, config, {"query": pairs.query_ids, "document": pairs.document_ids})
        pairs = replace(pairs, query_texts=texts["query"], document_texts=texts["document"])
    saved = Checkpoint.read(folder)
    model = _model_in(saved, towers_in(config), pairs, about.dim, Again(encoder, cache, settings.progress))
    machine = Machine.here(settings, about.machine)
    state = State.of(model, torch.device(machine.device))
    state.restore(saved, about.recipe.stages)
    run = Run(model, pairs, about.recipe, about.seed, folder=folder)
    places = [stage.name for stage in about.recipe.stages]
    run.history = [
        record for record in read_log(folder) if (places.index(record.stage), record.step) <= (state.place, state.step)
    ]
    rewrite_log(folder, run.history)
    return _Session(run, state, machine, settings, about.source, validation).go(machine.unlike(about.machine))


def _model_in(
    saved: Checkpoint, towers: Mapping[str, Mapping[str, Any]], pairs: Pairs, dim: int, again: Again
) -> DualEncoder:
    """The model as a checkpoint has it.

    Raises:
        RunFolderError: its tensors do not fit the pairs.
    """
    ids = {"query": pairs.query_ids, "document": pairs.document_ids}
    texts = {"query": pairs.query_texts, "document": pairs.document_texts}
    query, document = towers_from(towers, saved.tensors, ids, texts, again)
    try:
        model = DualEncoder.from_towers(pairs, query, document)
    except InputError as error:
        raise RunFolderError(
            f"{saved.path} holds tables of another size than the model's. Train without --resume."
        ) from error
    if model.dim != dim:
        raise RunFolderError(f"{saved.path} holds tables of another size than the model's. Train without --resume.")
    model.generality, model.heights = (saved.tensors[name].numpy() for name in ("generality", "heights"))
    return model


# -- before it starts --------------------------------------------------------------------------------------------


def _recipe(given: Any) -> Recipe:
    """A recipe, or the one of a name; the default for None."""
    if given is None or isinstance(given, str):
        return recipes.by_name(given or "decoupled")
    if not isinstance(given, Recipe):
        raise InputError(f"recipe is one of rootward.recipes, or its name, such as 'decoupled'; got {given!r}.")
    return given


def _check(model: Any, pairs: Any) -> None:
    if not (isinstance(model, DualEncoder) and isinstance(pairs, Pairs)):
        got = f"a {type(model).__name__} and a {type(pairs).__name__}"
        raise InputError(f"train takes a model, then pairs: rootward.train(model, pairs); got {got}.")
    if model.query_ids != pairs.query_ids or model.document_ids != pairs.document_ids:
        raise InputError(
            "The model was made for other ids than these pairs have. Make it from these pairs, "
            "DualEncoder.lookup(pairs, dim), or train on the pairs it was made from."
        )


def _check_validation(folder: Path, about: About, validation: Pairs | None) -> None:
    given = None if validation is None else fingerprint_of(validation)
    if given == about.validation:
        return
    if about.validation is None:
        raise InputError(f"{folder} was started without validation pairs; resume it without.")
    what = "others" if given is not None else "none"
    raise InputError(
        f"{folder} was started with validation pairs (fingerprint {about.validation}) and got {what} to go on with. "
        f"Give the same ones: rootward.resume({str(folder)!r}, validation=...)."
    )


def _within(
    minutes: float, asked: Recipe, filled: Recipe, pairs: Pairs, state: State, seed: int, machine: Machine
) -> Recipe:
    """The recipe with as many steps as there is time for, where it leaves them open; timed by taking a few."""
    if not 0 < minutes < math.inf:
        raise InputError(f"minutes must be above 0, got {minutes}.")
    is_open = [stage.steps is None and stage.epochs is None for stage in asked.stages]
    if not any(is_open):
        lengths = ", ".join(f"{stage.name} {stage.steps:,} steps" for stage in filled.stages)
        raise InputError(
            f"minutes sets the steps of stages that leave them open, and recipe {asked.name!r} leaves none "
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
            timed = asked.stages[place].model_copy(update={"steps": steps})
            stages[place] = resolve(timed, pairs, state.model.dim, costs_of(state.model))
    return filled.model_copy(update={"stages": tuple(stages)})


# -- from wherever the state stands to the end, or to where somebody stops it ------------------------------------


@dataclass(eq=False)
class _Session:
    run: Run
    state: State
    machine: Machine
    settings: Settings
    source: str | None
    validation: Pairs | None

    def go(self, changed: list[str] | None = None) -> Run:
        """Train and measure; `changed` is what is unlike an earlier session of the run."""
        try:
            return self._go(changed)
        except WriteError as error:
            raise WriteError(f"{error} {self._what_is_left()}", error.errno) from error

    def _go(self, changed: list[str] | None) -> Run:
        with Display(self.settings.progress) as display:
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
        return self.run

    def _steps(self, display: Display, stop: Callable[[], bool]) -> bool:
        """Every stage from where it stands; False when somebody asked to stop before the last step."""
        run, state = self.run, self.state
        seen = watched(run.pairs if self.validation is None else self.validation, run.seed)
        watcher = Watcher(
            stepped=display.stepped,
            reported=lambda record: self._reported(display, record),
            validate=lambda _: validate(self._model(), seen),
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
        """Measure what was trained, unless somebody asked to stop; what is trained is safe already."""
        try:
            if stopped:
                raise KeyboardInterrupt
            display.ended()
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

    def _what_is_left(self) -> str:
        """What to do after the disk refused a file."""
        folder = self.run.folder
        if folder is not None and (folder / CONFIG).is_file() and (folder / CHECKPOINT).is_file():
            return f"Then go on with: rootward train --resume {shlex.quote(str(folder))}"
        return f"Nothing is trained yet; then start again, also into {folder}."

    def _reported(self, display: Display, record: Progress) -> None:
        self.run.history.append(record)
        display.reported(record)
        if self.run.folder is not None:
            append_log(self.run.folder, record)

    # -- effects ---------------------------------------------------------------------------------------------

    def _model(self) -> DualEncoder:
        """The model with what was trained copied into its own tables, wherever training ran."""
        self.state.write_to(self.run.model)
        return self.run.model

    def _save(self) -> None:
        """Write a checkpoint."""
        if self.run.folder is not None:
            self.state.save(self.run.folder)

    def _write(self) -> None:
        """Bring the model up to date and write it with the report and, last, the config."""
        run, model = self.run, self._model()
        run.seconds = self.state.seconds
        if run.folder is None:
            return
        files = [*files_of_pairs(run.folder)]
        if run.report is not None:
            text = run.report.to_json()
            write_text(run.folder / REPORT, text)
            files.append(REPORT)
        model.save(run.folder, config={"run": self._about().model_dump(mode="json")}, more_files=tuple(files))

    def _about(self) -> About:
        run = self.run
        return About(
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
        )


VALIDATED_QUERIES = 1_000  # at most, a validation; enough for half a point
MEASURED_SCORES = 20_000_000_000  # at most, at the end: about 40 s at dim 64 on two cores


def watched(pairs: Pairs, seed: int) -> Pairs:
    """The pairs that validations look at."""
    rows = _some_queries(pairs, VALIDATED_QUERIES, seed)
    return pairs if rows is None else _asked(pairs, rows)


def validate(model: DualEncoder, pairs: Pairs) -> tuple[float, list[float | None]]:
    """Overall recall and recall by distance, None at a distance without pairs.

    Queries that training does not know are measured by their own vectors, where `evaluate` lets them lean on the
    nearest that it does, as a search would: all of those would have to be encoded anew for every validation.

    Raises:
        PairsError: there are no pairs.
        UnknownIdError: pairs of ids that the model does not know.
    """
    found = recall(ranks_of(model, pairs, as_searched=False, exact=False))
    return found.overall, [None if math.isnan(value) else round(value, 5) for value in found.by_distance.tolist()]


def measure(run: Run, source: str | None, progress: bool) -> Report:
    """Recall over all queries, over a sample where there are too many; sets the model's thresholds by the way."""
    n = max(VALIDATED_QUERIES, MEASURED_SCORES // max(1, run.pairs.n_documents))
    rows = _some_queries(run.pairs, n, run.seed)
    pairs = run.pairs if rows is None else _asked(run.pairs, rows)
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


def _asked(pairs: Pairs, rows: Rows) -> Pairs:
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
