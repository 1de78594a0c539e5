"""`rootward construct`: embeddings without training, and how far their scores stand apart."""

from __future__ import annotations

import json as json_format
import shlex
from pathlib import Path
from typing import Annotated, Any

from rootward.cli.flags import STDOUT, Json, Quiet, output, panel, provided, put, refuse_files, refuse_run_folder, say
from rootward.cli.sources import SourceFlags, read_source
from rootward.errors import InputError

_construction = panel("Construction")


def construct(
    source: SourceFlags,
    dim: Annotated[
        int | None, _construction("--dim N", "Width of vectors; gaussian needs it, the others have their own.", min=1)
    ] = None,
    method: Annotated[
        str | None,
        _construction("--method NAME", "gaussian, one_hot, moment_curve or arcs (forests). Default: gaussian."),
    ] = None,
    drop: Annotated[float | None, _construction("--drop SHARE", "Leave out a share of the pairs first.")] = None,
    add: Annotated[float | None, _construction("--add SHARE", "Add a share of wrong pairs first.")] = None,
    seed: Annotated[int | None, _construction("--seed N", "Of every random choice. Default: 0.")] = None,
    out: Annotated[Path | None, output("--out FOLDER", "Write the model, to search and evaluate.")] = None,
    json: Json = None,
    quiet: Quiet = False,
) -> None:
    """Make vectors by geometry alone, without training, and measure their margin over all scores.

    gaussian is the paper's Algorithm 1: random documents, each query the normalised sum of its relevant ones. --drop
    and --add make it from pairs with gaps and errors, and measure it against the true ones too.

    \b
      rootward construct wordnet --dim 512
      rootward construct edges:tree.csv --method arcs --out runs/arcs
      rootward construct edges:tree.csv --dim 400 --drop 0.1 --json -
    """
    refuse_run_folder(out)
    refuse_files(json=json)
    if dim is None and method in (None, "gaussian"):
        raise InputError(
            "gaussian needs a width, such as --dim 512; rootward plan with the same source finds the smallest that "
            "separates. one_hot, moment_curve and arcs have one of their own: --method NAME."
        )
    from rootward.geometry import construct as make  # noqa: PLC0415
    from rootward.geometry.constructions import against, corrupt  # noqa: PLC0415
    from rootward.pairs.storage import PAIRS  # noqa: PLC0415
    from rootward.progress import bar  # noqa: PLC0415

    true = read_source(source).pairs
    for note in true.notes:
        say(note, quiet)
    seeds = provided(seed=seed)
    noise = provided(dropped=drop, added=add)
    pairs = corrupt(true, **noise, **seeds) if noise else true
    with bar("Measuring", int((pairs.sizes > 0).sum()), not quiet) as progress:
        points = make(pairs, dim, **provided(method=method and method.replace("-", "_")), **seeds, progress=progress)
    result = points.to_dict()
    if noise:
        result |= {**noise, "against_true": against(points, true)}
    if json != STDOUT:
        print(points)
        if noise:
            print(_noise_in_words(result["against_true"]))
    if json is not None:
        put(json_format.dumps(result, indent=2) + "\n", json)
    if out is not None:
        true.save(out / PAIRS)
        points.save(out, more_files=(PAIRS,))
        say(f"\nThe model is in {out}. Next:\n  rootward evaluate {shlex.quote(str(out))}", quiet)


def _noise_in_words(result: dict[str, Any]) -> str:
    return (
        f"against the true pairs: recall at |S(q)| {100 * result['recall']:.2f} %, margin {result['margin']:.3g}, "
        f"{100 * result['separated']:.2f} % of the queries separated"
    )
