"""`train`: a model and pairs in, a `Run` out."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from rootward.encoders import DualEncoder, LookupTower
from rootward.encoders.storage import read_config
from rootward.errors import InputError, RunFolderError
from rootward.evaluation import Report, answer_thresholds, evaluate, recall
from rootward.evaluation.evaluate import ranks_of
from rootward.files import atomic_write
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.training import recipes
from rootward.training.batches import Batches
from rootward.training.console import Display, stoppable
from rootward.training.defaults import resolve
from rootward.training.gradients import BLOCK_BYTES
from rootward.training.loop import Progress, Watcher, device_of, precision_of, run_stage, seconds_per_step
from rootward.training.run import PAIRS, REPORT, Run, append_log, begin_folder, pairs_in, read_log, rewrite_log
from rootward.training.stage import Recipe
from rootward.training.state import State, copy_of

VALIDATED_QUERIES = 1_000  # at most, a validation; enough for half a point
MEASURED_SCORES = 20_000_000_000  # at most, at the end: about 40 s at dim 64 on two cores
MINUTES_SHARE = 0.85  # of a time budget, for the steps themselves; validation and measuring take the rest


@dataclass(frozen=True)
class Settings:
    """How a training is run, as opposed to what it trains: nothing in here is meant to change the result.

    Attributes:
        device: "auto", "cpu", "cuda", ...
        precision: of the matrix products: "auto", "float32" or "bfloat16".
        block_bytes: budget for scores held at a time.
        measure: evaluate at the end, which also finds the thresholds of the answer sets.
        progress: show a bar, or a line a validation where standard error is no terminal.
    """

    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    block_bytes: int = BLOCK_BYTES
    measure: bool = True
    progress: bool = True


def train(
    model: DualEncoder,
    pairs: Pairs,
    recipe: Recipe | None = None,
    *,
    validation: Pairs | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    minutes: float | None = None,
    source: str | None = None,
    settings: Settings | None = None,
) -> Run:
    """Train a lookup encoder in place and measure it.

    The same seed, machine and thread count give the same bits, also when a run is interrupted and resumed.

    Args:
        model: from `DualEncoder.lookup`; its tables are changed.
        pairs: what is relevant, with the model's own ids.
        recipe: from `rootward.recipes`; None takes `recipes.decoupled()`.
        validation: pairs to watch and to choose the best by; None takes some queries of `pairs` themselves, as this
            is memorising and unseen queries have no vector.
        seed: of every random choice.
        out: folder to write the run to, with checkpoints on the way; None writes nothing.
        minutes: time budget for all; sets the steps of each stage that leaves them open, by timing a few.
        source: the named source of the pairs, e.g. "wordnet", kept in the report.
        settings: device, precision, memory, progress.

    Returns:
        The run; `run.report` has the recall by distance. Interrupted by Ctrl-C, it is not `finished`, and `resume`
        goes on.

    Raises:
        InputError: the model is no lookup encoder, or has other ids than the pairs.
        PairsError: there are no pairs to train on, or none of the kind that a stage draws, or none to watch.
        UnknownIdError: validation pairs of ids that the model does not know.
        RunFolderError: `out` holds a run already.
        TrainingError: the loss is no number any more.
    """
    settings = settings or Settings()
    _check(model, pairs)
    state = _state(model, settings)
    chosen = _resolved(recipe or recipes.decoupled(), pairs, model.dim, state, minutes, seed, settings)
    _check_samplers(pairs, chosen, seed)
    if validation is not None:
        recall(ranks_of(model, _some_queries(validation, VALIDATED_QUERIES, seed)))  # refuses what cannot be watched
    run = Run(model, pairs, chosen, seed, folder=None if out is None else Path(out))
    if run.folder is not None:
        begin_folder(run.folder, pairs, _about(run, source))
    model.thresholds = torch.full((len(model.query_ids),), torch.nan)  # those of other vectors
    state.begin(0, chosen.stages[0])
    return _go(run, state, validation, source, settings)


def resume(folder: str | Path, *, validation: Pairs | None = None, settings: Settings | None = None) -> Run:
    """Go on with an interrupted run from its last checkpoint, to the same bits it would have ended with.

    Args:
        folder: of the run.
        validation, settings: as given to `train`.

    Raises:
        RunFolderError: no run, no checkpoint, or one that is damaged.
        InputError: the run is finished already.
    """
    settings, folder = settings or Settings(), Path(folder)
    about = read_config(folder).get("run")
    if about is None:
        raise RunFolderError(f"{folder} holds a model but no run, so there is nothing to resume.")
    if about["finished"]:
        raise InputError(f"{folder} is finished; to train longer, start a run in another folder with more epochs.")
    recipe = Recipe.model_validate(about["recipe"])
    model = DualEncoder.load(folder)
    pairs = pairs_in(folder, model)
    run = Run(model, pairs, recipe, about["seed"], folder=folder)
    state = _state(model, settings)
    state.restore(folder, recipe.stages)
    places = [stage.name for stage in recipe.stages]
    run.history = [
        record for record in read_log(folder) if (places.index(record.stage), record.step) <= (state.place, state.step)
    ]
    rewrite_log(folder, run.history)
    return _go(run, state, validation, about["source"], settings)


# -- pieces ------------------------------------------------------------------------------------------------------


def _check(model: DualEncoder, pairs: Pairs) -> None:
    if not (isinstance(model.query_tower, LookupTower) and isinstance(model.document_tower, LookupTower)):
        raise InputError("train works on lookup encoders; make one with DualEncoder.lookup(pairs, dim).")
    if model.query_ids != pairs.query_ids or model.document_ids != pairs.document_ids:
        raise InputError(
            "The model was made for other ids than these pairs have. Make it from these pairs, "
            "DualEncoder.lookup(pairs, dim), or train on the pairs it was made from."
        )


def _check_samplers(pairs: Pairs, recipe: Recipe, seed: int) -> None:
    """Every stage finds pairs to draw: said now, not when the stages before it are done."""
    for place, stage in enumerate(recipe.stages):
        Batches(pairs, stage, seed, place)[0]


def _state(model: DualEncoder, settings: Settings) -> State:
    device = device_of(settings.device)
    return State(copy_of(model.query_vectors(), device), copy_of(model.document_vectors(), device))


def _resolved(
    recipe: Recipe, pairs: Pairs, dim: int, state: State, minutes: float | None, seed: int, settings: Settings
) -> Recipe:
    """The recipe with every choice filled in from the data, and from the clock where there is a time budget."""
    stages = [resolve(stage, pairs, dim) for stage in recipe.stages]
    if minutes is not None:
        if minutes <= 0:
            raise InputError(f"minutes must be above 0, got {minutes}.")
        open_places = [i for i, stage in enumerate(recipe.stages) if stage.steps is None and stage.epochs is None]
        precision = precision_of(settings.precision, state.queries.device)
        for place in open_places:
            batches = Batches(pairs, stages[place], seed, place)
            took = seconds_per_step(state, batches, settings.block_bytes, precision)
            steps = max(1, round(60 * minutes * MINUTES_SHARE / len(open_places) / took))
            stages[place] = resolve(recipe.stages[place].model_copy(update={"steps": steps}), pairs, dim)
    return recipe.model_copy(update={"stages": tuple(stages)})


def _go(run: Run, state: State, validation: Pairs | None, source: str | None, settings: Settings) -> Run:
    """From wherever the state stands to the end, or to where somebody stops it."""
    precision = precision_of(settings.precision, state.queries.device)
    watched = _some_queries(run.pairs if validation is None else validation, VALIDATED_QUERIES, run.seed)
    with Display(settings.progress) as display, stoppable() as stop:
        if not stop() and run.folder is not None:
            _write(run, state, source)
            state.save(run.folder)
        watcher = Watcher(
            stepped=display.stepped,
            reported=lambda record: _reported(run, display, record),
            validate=lambda at: _validate(run.model, at, watched),
            save=lambda at: _write_checkpoint(run, at, source),
            stop=stop,
        )
        while True:
            batches = Batches(run.pairs, run.recipe.stages[state.place], run.seed, state.place)
            done = run_stage(state, batches, watcher, settings.block_bytes, precision)
            if not done or state.place + 1 == len(run.recipe.stages):
                break
            state.begin(state.place + 1, run.recipe.stages[state.place + 1])
        run.finished, run.seconds = done, state.seconds
        _put_tables(run.model, state)
        if done and settings.measure:
            display.say("measuring ...")
            run.report = _measure(run, source, settings)
        if run.folder is not None:
            _write(run, state, source)
            if not done:
                display.say(f"Stopped. Go on with: rootward train --resume {run.folder}")
    return run


def _some_queries(pairs: Pairs, at_most: int, seed: int) -> Pairs:
    """The pairs of some queries, drawn at random; all of them where there are few."""
    answered = np.flatnonzero(pairs.sizes)
    if len(answered) <= at_most:
        return pairs
    wanted = np.zeros(pairs.n_queries, np.bool_)
    wanted[stream(seed, "validation").choice(answered, at_most, replace=False)] = True
    return pairs.keep(wanted[pairs.query_of])


def _validate(model: DualEncoder, state: State, watched: Pairs) -> tuple[float, list[float | None]]:
    _put_tables(model, state)
    found = recall(ranks_of(model, watched))
    return found.overall, [None if math.isnan(value) else round(value, 5) for value in found.by_distance.tolist()]


def _put_tables(model: DualEncoder, state: State) -> None:
    """Copy what was trained into the model's own tables, wherever training ran."""
    with torch.no_grad():
        model.query_vectors().copy_(state.queries)
        model.document_vectors().copy_(state.documents)


def _measure(run: Run, source: str | None, settings: Settings) -> Report:
    """Recall over all queries, over a sample where there are too many; sets the model's thresholds by the way."""
    n = max(VALIDATED_QUERIES, MEASURED_SCORES // max(1, run.pairs.n_documents))
    measured = _some_queries(run.pairs, n, run.seed)
    sampled = measured is not run.pairs
    report = evaluate(
        run.model,
        measured,
        source=source,
        label=f"{run.recipe.name}, dim {run.model.dim}",
        seed=run.seed,
        extras={"recipe": run.recipe.name, "train_seconds": round(run.seconds, 1), "sampled_queries": sampled},
        progress=settings.progress,
    )
    assert report.ranks is not None
    run.model.thresholds = torch.from_numpy(answer_thresholds(report.ranks))
    return report


# -- effects -----------------------------------------------------------------------------------------------------


def _about(run: Run, source: str | None) -> dict[str, Any]:
    return {
        "recipe": run.recipe.model_dump(mode="json"),
        "seed": run.seed,
        "source": source,
        "dim": run.model.dim,
        "finished": run.finished,
        "seconds": round(run.seconds, 3),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def _write(run: Run, state: State, source: str | None) -> None:
    assert run.folder is not None
    _put_tables(run.model, state)
    files: tuple[str, ...] = (PAIRS,)
    if run.report is not None:
        text = run.report.to_json()
        atomic_write(run.folder / REPORT, lambda path: path.write_text(text, encoding="utf-8"))
        files = (PAIRS, REPORT)
    run.seconds = state.seconds
    run.model.save(run.folder, config={"run": _about(run, source)}, more_files=files)


def _write_checkpoint(run: Run, state: State, source: str | None) -> None:
    if run.folder is not None:
        state.save(run.folder)


def _reported(run: Run, display: Display, record: Progress) -> None:
    run.history.append(record)
    display.reported(record)
    if run.folder is not None:
        append_log(run.folder, record)
