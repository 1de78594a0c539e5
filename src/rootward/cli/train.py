"""`rootward train`: a source in, a run folder and its report out."""

from __future__ import annotations

import json as json_format
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer
from typer.core import TyperCommand

from rootward.cli.flags import flag, given
from rootward.cli.output import STDOUT, put, say, show
from rootward.cli.sources import SourceFlags, read, stem_of
from rootward.errors import InputError, RunFolderError, did_you_mean

if TYPE_CHECKING:
    from rootward.training import Recipe, Run, Settings, Stage

DIM, TEXT_DIM = 64, 128
TOWERS = ("lookup", "static", "frozen", "full")

_TRAINING, _RUN, _OUTPUT = "Training", "Run", "Output"


@dataclass(frozen=True)
class RecipeFlags:
    """What is trained, and for how long; None for what was not given."""

    tower: Annotated[
        str | None,
        flag(
            "--tower",
            metavar="NAME",
            panel=_TRAINING,
            help="lookup: a vector for every query. static: vectors of words and n-grams, so that every name and "
            "synonym is a query, and words never seen are understood too. frozen: the same by a sentence encoder that "
            "stays as it is, with a head that is trained. full: the encoder is trained too. Default: lookup.",
        ),
    ] = None
    encoder: Annotated[
        str | None,
        flag(
            "--encoder",
            metavar="NAME",
            panel=_TRAINING,
            help="Of a frozen or full tower: a sentence-transformers model, by name or folder.",
        ),
    ] = None
    dim: Annotated[
        int | None,
        flag(
            "--dim",
            metavar="N",
            min=1,
            panel=_TRAINING,
            help=f"Width of the vectors. Default: {DIM}; {TEXT_DIM} for towers that read.",
        ),
    ] = None
    recipe: Annotated[
        str | None,
        flag(
            "--recipe",
            metavar="NAME",
            panel=_TRAINING,
            help="One of those listed below. Default: the first.",
        ),
    ] = None
    epochs: Annotated[
        float | None, flag("--epochs", metavar="N", panel=_TRAINING, help="Passes over the queries; else derived.")
    ] = None
    steps: Annotated[int | None, flag("--steps", metavar="N", panel=_TRAINING, help="Steps, instead of epochs.")] = None
    minutes: Annotated[
        float | None,
        flag(
            "--minutes",
            metavar="N",
            panel=_TRAINING,
            help="Time for all of it, instead of epochs and of steps that the recipe brings along.",
        ),
    ] = None
    changes: Annotated[
        list[str] | None,
        flag("--set", metavar="FIELD=VALUE", panel=_TRAINING, help="A field listed below; may be repeated."),
    ] = None
    seed: Annotated[
        int | None,
        flag(
            "--seed",
            metavar="N",
            panel=_TRAINING,
            help="Of every random choice. Default: 0.",
        ),
    ] = None


@dataclass(frozen=True)
class MachineFlags:
    """How a training is run; None for what was not given."""

    threads: Annotated[
        int | None, flag("--threads", metavar="N", min=1, panel=_RUN, help="CPU threads; else what torch takes.")
    ] = None
    device: Annotated[
        str | None, flag("--device", metavar="NAME", panel=_RUN, help="cpu, cuda, ...; else a GPU where there is one.")
    ] = None
    precision: Annotated[
        str | None, flag("--precision", metavar="NAME", panel=_RUN, help="Of matrix products: float32 or bfloat16.")
    ] = None


class TrainCommand(TyperCommand):
    """Adds the recipes and the fields of a stage to the help, from where they are defined."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The usual help, then two tables."""
        from rich.console import Console  # noqa: PLC0415
        from rich.panel import Panel  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        super().format_help(ctx, formatter)
        for title, rows in (("Recipes", recipe_lines()), ("Fields of --set", field_lines())):
            table = Table.grid(padding=(0, 2))
            for cells in rows:
                table.add_row(*cells)
            Console(markup=False).print(Panel(table, title=title, title_align="left", border_style="dim"))


def recipe_lines() -> list[tuple[str, str]]:
    """Every recipe and the first line of its docstring."""
    from rootward.training.recipes import RECIPES  # noqa: PLC0415

    return [(name, (recipe.__doc__ or "").partition("\n")[0]) for name, recipe in RECIPES.items()]


def field_lines() -> list[tuple[str, str]]:
    """Every field of a stage that can be set, with its values, its default and what it does."""
    from rootward.training import Stage  # noqa: PLC0415

    lines = []
    for name, field in Stage.model_fields.items():
        if name == "name":
            continue
        choices = [str(value) for value in get_args(field.annotation) if isinstance(value, str)]
        default = "derived" if field.default is None else str(field.default)
        values = f" ({', '.join(choices)})" if choices else ""
        lines.append((name, f"{field.description}{values}. Default: {default}"))
    return lines


def train(
    source: SourceFlags,
    recipe: RecipeFlags,
    machine: MachineFlags,
    out: Annotated[
        Path | None,
        flag("--out", metavar="FOLDER", panel=_OUTPUT, help="The run's folder. Default: runs/ and the source's name."),
    ] = None,
    resume: Annotated[
        Path | None, flag("--resume", metavar="FOLDER", panel=_RUN, help="Go on with an interrupted run instead.")
    ] = None,
    json: Annotated[
        Path | None, flag("--json", metavar="FILE", panel=_OUTPUT, help="Write the report as JSON; - is stdout.")
    ] = None,
    quiet: Annotated[bool, flag("--quiet", "-q", panel=_OUTPUT, help="No progress and remarks, the report alone.")] = (
        False
    ),
) -> None:
    """Train a dual encoder and measure it.

    Every node of a hierarchy becomes a query; it and everything above it are its answers. Your own hierarchy keeps its
    roots and all ancestors unless told; the named source wordnet follows the paper. The report goes to standard
    output, everything else to standard error. Ctrl-C stops at the next step, and --resume goes on from there.

    \b
      rootward train wordnet --dim 64 --out runs/wordnet
      rootward train --edges taxonomy.csv --child category --parent parent
      rootward train --pairs esci.parquet --levels exact=0,substitute=1
      rootward train --obo hp.obo --relations is_a,part_of --minutes 5
      rootward train --obo hp.obo --tower static --out runs/words
      rootward train --obo hp.obo --tower frozen --encoder all-MiniLM-L6-v2
      rootward train wordnet --recipe rebalanced --set regular_share=0.03
      rootward train --resume runs/wordnet
    """
    if resume is not None:
        others = given(**vars(source), **vars(recipe), out=out)
        if others:
            raise InputError(
                f"--resume goes on with what {resume} was started with; leave out "
                f"{', '.join('--' + name.replace('_', '-') for name in others)}."
            )
        run = _resumed(resume, machine, quiet)
    else:
        if recipe.tower is not None and recipe.tower not in TOWERS:
            near = did_you_mean(recipe.tower, TOWERS)
            raise InputError(f"No tower {recipe.tower!r}; there are {', '.join(TOWERS)}.{near}")
        _check_encoder(recipe)
        stem = stem_of(source)
        out = Path("runs") / stem if out is None else out
        _refuse_taken(out)
        run = _trained(source, recipe, _recipe(recipe), machine, out, quiet)
    if not run.finished or run.report is None:
        raise typer.Exit(130)
    if json != STDOUT:
        show(run.report)
    if json is not None:
        put(run.report.to_json(), json)
    say(_what_next(run), quiet)


def _check_encoder(flags: RecipeFlags) -> None:
    if (flags.tower in ("frozen", "full")) != (flags.encoder is not None):
        raise InputError("--encoder NAME belongs to --tower frozen or full, and these need it; give both or neither.")


def _refuse_taken(out: Path) -> None:
    """Refuse a folder that holds a run, or a file, before anything is computed."""
    if (out / "config.json").exists():
        numbered = (out.with_name(f"{out.name}-{i}") for i in count(2))
        free = next(folder for folder in numbered if not folder.exists())
        raise RunFolderError(
            f"{out} holds a run already. Choose another folder, --out {free}; or go on with it, if it was interrupted: "
            f"rootward train --resume {out}"
        )
    if out.exists() and not out.is_dir():
        raise RunFolderError(f"{out} is a file; --out needs the name of a folder.")


def _trained(
    source: SourceFlags, flags: RecipeFlags, recipe: Recipe, machine: MachineFlags, out: Path, quiet: bool
) -> Run:
    from rootward.encoders import DualEncoder  # noqa: PLC0415
    from rootward.training import train as start_training  # noqa: PLC0415
    from rootward.training.defaults import resolve  # noqa: PLC0415

    settings = _settings(machine, quiet)
    found = read(source)
    reads_texts = flags.tower not in (None, "lookup")
    pairs = found.pairs.by_name() if reads_texts else found.pairs
    for note in pairs.notes:
        say(note, quiet)
    dim = (TEXT_DIM if reads_texts else DIM) if flags.dim is None else flags.dim
    say(f"{found.stem}: {pairs!r}", quiet)
    for stage in recipe.stages:
        timed = flags.minutes is not None and stage.steps is None and stage.epochs is None
        say(told(resolve(stage, pairs, dim), None if not timed else flags.minutes), quiet)
    seed = given(seed=flags.seed)
    if reads_texts:
        tower = {**given(tower=flags.tower, encoder=flags.encoder), **seed}
        model = DualEncoder.text(pairs, dim=dim, progress=not quiet, **tower)
    else:
        model = DualEncoder.lookup(pairs, dim, start=recipe.start, **seed)
    return start_training(
        model,
        pairs,
        recipe,
        out=out,
        minutes=flags.minutes,
        source=found.name,
        settings=settings,
        **seed,
    )


def _resumed(folder: Path, machine: MachineFlags, quiet: bool) -> Run:
    from rootward.encoders.storage import read_config  # noqa: PLC0415
    from rootward.training import resume  # noqa: PLC0415
    from rootward.training.run import About  # noqa: PLC0415

    if machine.threads is None:
        machine = replace(machine, threads=About.read(folder, read_config(folder)).machine.threads)
    return resume(folder, settings=_settings(machine, quiet))


def _settings(machine: MachineFlags, quiet: bool) -> Settings:
    """The settings of these flags, to be used here; also tells torch how many threads to take.

    Raises:
        InputError: a device or precision that is not there.
    """
    import torch  # noqa: PLC0415

    from rootward.training.settings import Machine, Settings  # noqa: PLC0415

    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    settings = Settings(progress=not quiet, **given(device=machine.device, precision=machine.precision))
    Machine.here(settings)
    return settings


# -- recipes -----------------------------------------------------------------------------------------------------


def _recipe(flags: RecipeFlags) -> Recipe:
    """The recipe of these flags.

    Raises:
        InputError: no such recipe or field, a value out of range, a field twice, several lengths.
    """
    from rootward.training.recipes import RECIPES, by_name, decoupled  # noqa: PLC0415

    name = decoupled.__name__ if flags.recipe is None else flags.recipe
    changes = _changes(flags.changes or [], RECIPES.get(name))
    if flags.minutes is not None and not flags.minutes > 0:
        raise InputError(f"--minutes must be above 0, got {flags.minutes:g}.")
    lengths = given(epochs=flags.epochs, steps=flags.steps)
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
    recipe = by_name(name, **changes)
    if flags.minutes is not None:
        lengths = {"epochs": None, "steps": None}
    return recipe.with_(**lengths)


def _changes(settings: list[str], recipe: Callable[..., Recipe] | None) -> dict[str, Any]:
    """Every FIELD=VALUE of --set: fields of `Stage`, and arguments that the recipe has besides them."""
    from inspect import signature  # noqa: PLC0415

    from rootward.training import Stage  # noqa: PLC0415

    of_recipe = (
        [] if recipe is None else [p.name for p in signature(recipe).parameters.values() if p.kind is p.KEYWORD_ONLY]
    )
    known = [*(field for field in Stage.model_fields if field != "name"), *of_recipe]
    changes: dict[str, Any] = {}
    for setting in settings:
        field, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting}: needed FIELD=VALUE, such as --set scale=30.")
        if field not in known:
            raise InputError(
                f"--set {setting}: there is no field {field!r}.{did_you_mean(field, known)} The fields stand at the "
                "end of: rootward train --help"
            )
        if field in changes:
            raise InputError(f"--set {field} is given twice; keep one.")
        changes[field] = _value(text)
    return changes


def _value(text: str) -> Any:
    """Numbers, true, false and none as what they mean; other words as they are."""
    if text.lower() in ("none", "derived"):
        return None
    try:
        return json_format.loads(text.lower() if text.lower() in ("true", "false") else text)
    except ValueError:
        return text


# -- words -------------------------------------------------------------------------------------------------------


def told(stage: Stage, minutes: float | None) -> str:
    """What was chosen or derived for a stage, in one line."""
    assert stage.batch_size is not None and stage.scale is not None and stage.scale_end is not None
    length = f"{stage.steps:,} steps" if minutes is None else f"as many steps as {minutes:g} minutes allow"
    against = {
        "all": "all documents",
        "batch": "the batch's targets",
        "sampled": f"{stage.negatives} uniform documents",
    }
    what = "queries" if stage.sampler == "all_targets" else "pairs"
    tau = f"{stage.scale:.3g}" + (f" to {stage.scale_end:.3g}" if stage.scale_end != stage.scale else "")
    return (
        f"{stage.name}: {stage.loss} loss, {length} of {stage.batch_size:,} {what} against "
        f"{against[stage.candidates]}, tau {tau}, {stage.optimizer} at {stage.learning_rate:.3g}"
    )


def _what_next(run: Run) -> str:
    """Two commands to go on with; the search is for the query with the most answers."""
    row = int(run.pairs.sizes.argmax())
    name = run.pairs.query_texts.names[row] if run.pairs.query_texts is not None else ""
    folder = shlex.quote(str(run.folder))
    return (
        f"\nThe run is in {run.folder}. Next:\n"
        f"  rootward search {folder} {_quoted(name or run.pairs.query_ids[row])}\n"
        f"  rootward evaluate {folder} --markdown report.md"
    )


def _quoted(text: str) -> str:
    """As a shell takes it, in the quotes that read best."""
    return f'"{text}"' if "'" in text and not set(text) & set('"$`\\!') else shlex.quote(text)
