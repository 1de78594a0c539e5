"""`rootward-paper`: a command a study, and `report`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from rootward.cli.app import Guarded
from rootward.cli.flags import flag, refuse_files, refuse_folder, say
from rootward_paper import AROUND_IT, OF_THE_PAPER

_Row = dict[str, Any]
_STUDY, _OUTPUT = "Study", "Output"
Quiet = Annotated[bool, flag("--quiet", "-q", panel=_OUTPUT, help="No progress and remarks.")]

app = typer.Typer(
    cls=Guarded,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@app.callback()
def _rootward_paper() -> None:
    """Measure the tables and figures of arXiv 2509.16411, and studies around it, with rootward.

    Each command measures one study: raw results, a table beside the published numbers, a figure.
    An interrupted study resumes with the same command, a finished one with more seeds.

    \b
      rootward-paper table1 --scale cpu --seeds 3
      rootward-paper table1 --scale cpu --dim 16 --method regular
      rootward-paper losses --scale cpu --source animal
      rootward-paper figure5 --data esci-data/shopping_queries_dataset --scale cpu
      rootward-paper report reports -o report.html
    """


def _command(name: str) -> Callable[..., None]:
    """The command that measures one study."""

    def command(
        scale: Annotated[
            str,
            flag(
                "--scale", metavar="NAME", panel=_STUDY, help="tiny (a minute), cpu (two cores), paper. Default: tiny."
            ),
        ] = "tiny",
        seeds: Annotated[
            int, flag("--seeds", metavar="N", min=1, panel=_STUDY, help="Measure seeds 0..N-1. Default: 3.")
        ] = 3,
        dim: Annotated[
            list[int] | None,
            flag("--dim", metavar="D", panel=_STUDY, help="Measure only this dimension. May be repeated."),
        ] = None,
        method: Annotated[
            list[str] | None,
            flag("--method", metavar="NAME", panel=_STUDY, help="Measure only this method. May be repeated."),
        ] = None,
        source: Annotated[
            str | None,
            flag("--source", metavar="NAME", panel=_STUDY, help="tree, dag, animal or wordnet, if there is a choice."),
        ] = None,
        data: Annotated[
            Path | None,
            flag(
                "--data",
                metavar="PATH",
                panel=_STUDY,
                help="What does not come with the package: for table2 the file of HyperLex, for figure5 the folder of "
                "ESCI, for baselines a Python that has libpecos, if there is one.",
            ),
        ] = None,
        out: Annotated[
            Path | None,
            flag(
                "--out",
                metavar="FOLDER",
                panel=_OUTPUT,
                help="Results and figures. Default: reports/ and the name, with the dims and methods of a part.",
            ),
        ] = None,
        quiet: Quiet = False,
    ) -> None:
        from rootward_paper.registry import reproduce, study_table  # noqa: PLC0415
        from rootward_paper.study import file_name  # noqa: PLC0415

        dims, methods = dim or [], method or []
        folder = Path("reports") / file_name([name, *sorted(dims), *sorted(methods)]) if out is None else out
        refuse_folder(folder)
        with _progress(quiet) as (on_start, on_row):
            study = reproduce(
                name,
                scale,
                seeds,
                dims=dims,
                methods=methods,
                source=source,
                data=data,
                out=folder,
                on_start=on_start,
                on_row=on_row,
            )
        print(study_table(study))
        say(f"\nResults and figures are in {folder}.", quiet)

    return command


for _title, _studies in (("Tables and figures of the paper", OF_THE_PAPER), ("Studies around it", AROUND_IT)):
    for _name, _about in _studies.items():
        app.command(_name, help=_about[0].upper() + _about[1:] + ".", short_help=_about, rich_help_panel=_title)(
            _command(_name)
        )


@app.command(rich_help_panel="Report", short_help="one HTML page of measured studies")
def report(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS...", help="Folders of results, or folders of such folders.")
    ],
    out: Annotated[
        Path, flag("--out", "-o", metavar="FILE", panel=_OUTPUT, help="The page. Default: report.html.")
    ] = Path("report.html"),
    quiet: Annotated[bool, flag("--quiet", "-q", panel=_OUTPUT, help="No remarks.")] = False,
) -> None:
    """Make one self-contained HTML page of measured studies, without measuring anything again.

    \b
      rootward-paper report reports -o report.html
    """
    refuse_files(out=out)
    from rootward_paper.page import report as write  # noqa: PLC0415

    say(f"The report is {write(results, out)}.", quiet)


@contextmanager
def _progress(quiet: bool) -> Iterator[tuple[Callable[[_Row, int, int], None], Callable[[_Row], None]]]:
    """(on_start, on_row) for `reproduce`: rows as they are measured, and on a terminal a bar of the jobs below them."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = quiet or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None)

        def on_start(key: _Row, done: int, total: int) -> None:
            bar.update(task, description=_in_a_line(key), completed=done, total=total)

        def on_row(row: _Row) -> None:
            if hidden:
                say(_in_a_line(row), quiet)
            else:
                bar.console.print(_in_a_line(row), highlight=False, markup=False)

        yield on_start, on_row


def _in_a_line(row: _Row) -> str:
    """A row as "dim 16  method regular  overall 0.43": short figures, no lists and no file of ranks."""
    shown = {
        name: value for name, value in row.items() if name != "ranks" and not isinstance(value, list | tuple | dict)
    }
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in shown.items()
    )


def main() -> None:
    """Entry point of the `rootward-paper` command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app(prog_name="rootward-paper")


if __name__ == "__main__":
    main()
