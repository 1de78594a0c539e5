"""`rootward train`: a source in, a run folder and its report out."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from rootward.cli.flags import STDOUT, flag, given, put, refuse_files, refuse_run_folder, say, show
from rootward.cli.recipes import RecipeFlags, field_lines, recipe_lines, recipe_of, told
from rootward.cli.sources import SourceFlags, read, stem_of
from rootward.cli.towers import TowerFlags, model_for, pairs_for, refuse
from rootward.errors import InputError

if TYPE_CHECKING:
    from rootward.training import Recipe, Run, Settings

_RUN, _OUTPUT = "Run", "Output"


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


def train(
    source: SourceFlags,
    tower: TowerFlags,
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
      rootward train --pairs clicks.csv --distance label --levels exact=0,substitute=1
      rootward train --obo hp.obo --relations is_a,part_of --minutes 5
      rootward train --obo hp.obo --tower static --word-pairs --out runs/words
      rootward train --obo hp.obo --tower frozen --encoder all-MiniLM-L6-v2
      rootward train --obo hp.obo --tower joint --encoder all-MiniLM-L6-v2 --word-pairs --glosses
      rootward train wordnet --recipe rebalanced --set regular_share=0.03
      rootward train --resume runs/wordnet
    """
    refuse_files(json=json)
    if resume is not None:
        others = given(**vars(source), **vars(recipe), out=out) | tower.all_given
        others.pop("encoder", None)  # where it is now
        if others:
            raise InputError(
                f"--resume goes on with what {resume} was started with; leave out "
                f"{', '.join('--' + name.replace('_', '-') for name in others)}."
            )
        run = _resumed(resume, tower.encoder, machine, quiet)
    else:
        refuse(tower)
        stem = stem_of(source)
        out = Path("runs") / stem if out is None else out
        refuse_run_folder(out)
        run = _trained(source, tower, recipe, recipe_of(recipe), machine, out, quiet)
    if not run.finished or run.report is None:
        raise typer.Exit(130)
    if json != STDOUT:
        show(run.report)
    if json is not None:
        put(run.report.to_json(), json)
    say(_what_next(run), quiet)


def _trained(
    source: SourceFlags,
    tower: TowerFlags,
    flags: RecipeFlags,
    recipe: Recipe,
    machine: MachineFlags,
    out: Path,
    quiet: bool,
) -> Run:
    from rootward.training import train as start_training  # noqa: PLC0415
    from rootward.training.defaults import resolve  # noqa: PLC0415

    settings = _settings(machine, quiet)
    found = read(source)
    pairs = pairs_for(tower, found.pairs)
    for note in pairs.notes:
        say(note, quiet)
    say(f"{found.stem}: {pairs!r}", quiet)
    for stage in recipe.stages:
        timed = flags.minutes is not None and stage.steps is None and stage.epochs is None
        say(told(resolve(stage, pairs, tower.width, tower.costs), None if not timed else flags.minutes), quiet)
    return start_training(
        model_for(tower, pairs, recipe, flags.seed, not quiet),
        pairs,
        recipe,
        out=out,
        minutes=flags.minutes,
        source=found.name,
        settings=settings,
        **given(seed=flags.seed),
    )


def _resumed(folder: Path, encoder: str | None, machine: MachineFlags, quiet: bool) -> Run:
    from rootward.folders import read_config  # noqa: PLC0415
    from rootward.training import resume  # noqa: PLC0415
    from rootward.training.run import About  # noqa: PLC0415

    if machine.threads is None:
        machine = replace(machine, threads=About.read(folder, read_config(folder)).machine.threads)
    return resume(folder, settings=_settings(machine, quiet), encoder=encoder)


def _settings(machine: MachineFlags, quiet: bool) -> Settings:
    """The settings of these flags, to be used here; also tells torch how many threads to take.

    Raises:
        InputError: a device or precision that is not there.
    """
    import torch  # noqa: PLC0415

    from rootward.training.run import Machine, Settings  # noqa: PLC0415

    if machine.threads is not None:
        torch.set_num_threads(machine.threads)
    settings = Settings(progress=not quiet, **given(device=machine.device, precision=machine.precision))
    Machine.here(settings)
    return settings


# -- words -------------------------------------------------------------------------------------------------------


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
