"""`rootward reproduce`: a figure of the paper, or a study around it, measured here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rootward.cli.flags import Quiet, flag, given
from rootward.cli.output import say

_STUDY, _OUTPUT = "Study", "Output"


def reproduce(
    name: Annotated[str, typer.Argument(metavar="NAME", help="figure2, figure5, noise or margins.")],
    scale: Annotated[
        str | None,
        flag("--scale", metavar="NAME", panel=_STUDY, help="tiny (a minute), cpu (two cores), paper. Default: tiny."),
    ] = None,
    data: Annotated[
        Path | None,
        flag("--data", metavar="FOLDER", panel=_STUDY, help="figure5: the folder of ESCI's two Parquet files."),
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
    """Measure a study: raw results, a table beside the published figures, and a figure.

    \b
      figure2   the dimension that retrieval needs, against height and width of a tree
      figure5   recall at k on ESCI, joint training against pretrain-finetune (--data)
      noise     missing and wrong pairs under the construction
      margins   what a margin buys after rounding, quantisation and under a graph index

    \b
      rootward reproduce figure2 --scale cpu --seeds 3
      rootward reproduce noise --out reports/noise
      rootward reproduce figure5 --data esci-data/shopping_queries_dataset --scale cpu
    """
    from rootward.experiments import reproduce as measure  # noqa: PLC0415
    from rootward.experiments import study_table  # noqa: PLC0415

    folder = Path("reports") / name if out is None else out
    study = measure(
        name,
        **given(scale=scale, seeds=seeds, data=data),
        out=folder,
        told=lambda row: say("  ".join(f"{key} {value}" for key, value in row.items() if key != "by_margin"), quiet),
    )
    print(study_table(study))
    say(f"\nResults and figures are in {folder}.", quiet)
