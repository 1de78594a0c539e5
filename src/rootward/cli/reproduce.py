"""`rootward reproduce`: a figure of the paper, or a study around it, measured here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rootward.cli.flags import Quiet, flag, given, refuse_folder, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_STUDY, _OUTPUT = "Study", "Output"


def reproduce(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A table, figure or study, see above.")],
    scale: Annotated[
        str | None,
        flag("--scale", metavar="NAME", panel=_STUDY, help="tiny (a minute), cpu (two cores), paper. Default: tiny."),
    ] = None,
    source: Annotated[
        str | None,
        flag("--source", metavar="NAME", panel=_STUDY, help="tree, dag, animal or wordnet, where there is a choice."),
    ] = None,
    data: Annotated[
        Path | None,
        flag(
            "--data",
            metavar="PATH",
            panel=_STUDY,
            help="What does not come with the package: table2 the file of HyperLex, figure5 the folder of ESCI, "
            "baselines a Python that has libpecos, if there is one.",
        ),
    ] = None,
    seeds: Annotated[
        int | None, flag("--seeds", metavar="N", min=1, panel=_STUDY, help="Seeds 0..N-1 are measured. Default: 3.")
    ] = None,
    out: Annotated[
        Path | None,
        flag("--out", metavar="FOLDER", panel=_OUTPUT, help="Results and figures. Default: reports/ and the name."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Measure a table or figure of the paper, or a study around it: raw results, ours beside the published, a figure.

    What was cut off goes on where it was with the same command, and what is done with more seeds. rootward report
    makes a page of the results.

    \b
      table1     recall by distance on WordNet: the paper's trainings and ours
      table2     HyperLex: rank correlation with people's ratings (--data)
      tableC1    what is retrieved for cat, recliner and motorist
      figure2    the dimension that retrieval needs, against height and width of a tree
      figure3    recall against steps on the (4, 5)-tree: three trainings
      figure4    recall against steps on WordNet, through both stages
      figure5    recall at k on ESCI, joint training against pretrain-finetune (--data)
      figureC1   rebalanced training at every share of regular pairs
      figureD1   hyperbolic baselines
      figureE1   learning rate and temperature of finetuning

    \b
      best       our best recipe against the best published row, by distance
      baselines  other embeddings and classifiers: recall, time, memory, latency
      losses     why long distances are lost: losses, optimisers, dimensions
      scarce     few near pairs: two stages against mixed training
      irregular  hierarchies of many shapes
      incomplete recall on far pairs that training has not seen
      order      the set right against the nearest first
      cost       training time and memory against nodes, depth and dimension
      noise      missing and wrong pairs under the construction
      margins    what a margin buys after rounding, quantisation and under a graph index

    \b
      rootward reproduce figure2 --scale cpu --seeds 3
      rootward reproduce table1 --scale cpu --seeds 3
      rootward reproduce losses --scale cpu --source animal
      rootward reproduce figure5 --data esci-data/shopping_queries_dataset --scale cpu
    """
    folder = Path("reports") / name if out is None else out
    refuse_folder(folder)
    from rootward.experiments import reproduce as measure  # noqa: PLC0415
    from rootward.experiments import study_table  # noqa: PLC0415

    with _watching(quiet) as watch:
        asked = given(scale=scale, seeds=seeds, source=source, data=data)
        study = measure(name, **asked, out=folder, told=watch.told, began=watch.began)
    print(study_table(study))
    say(f"\nResults and figures are in {folder}.", quiet)


@dataclass(frozen=True)
class _Watch:
    """Rows as they are measured; on a terminal, below them, what is being measured now and how much of it is done."""

    bar: Progress
    task: TaskID
    quiet: bool

    def began(self, key: dict[str, Any], done: int, total: int) -> None:
        self.bar.update(self.task, description=_in_a_line(key), completed=done, total=total)

    def told(self, row: dict[str, Any]) -> None:
        if self.bar.disable:
            say(_in_a_line(row), self.quiet)
        else:
            self.bar.console.print(_in_a_line(row), highlight=False, markup=False)


@contextmanager
def _watching(quiet: bool) -> Iterator[_Watch]:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = quiet or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
        yield _Watch(bar, bar.add_task("", total=None), quiet)


def _in_a_line(row: dict[str, Any]) -> str:
    """A measured row as people want to see it pass by: figures short, without lists and where its ranks are kept."""
    shown = {
        name: value for name, value in row.items() if name != "ranks" and not isinstance(value, list | tuple | dict)
    }
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in shown.items()
    )
