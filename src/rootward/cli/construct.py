"""`rootward construct`: embeddings without training, and how far their scores stand apart."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import rootward as rw
from rootward.cli.flags import ResultFlags, output, panel, provided, refuse_run_folder
from rootward.cli.sources import SourceFlags, read_source
from rootward.errors import InputError

_construction = panel("Construction")


def construct(
    source: SourceFlags,
    *,
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
    results: ResultFlags,
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
    results.check()
    if dim is None and method in (None, "gaussian"):
        raise InputError(
            "gaussian needs a width, such as --dim 512; rootward plan with the same source finds the smallest that "
            "separates. one_hot, moment_curve and arcs have one of their own: --method NAME."
        )
    from rootward.geometry.constructions import against, corrupt  # noqa: PLC0415
    from rootward.pairs.storage import PAIRS  # noqa: PLC0415
    from rootward.progress import bar  # noqa: PLC0415

    true = read_source(source).pairs
    results.say(*true.notes)
    seeds = provided(seed=seed)
    noise = provided(dropped=drop, added=add)
    pairs = corrupt(true, **noise, **seeds) if noise else true
    method = method and method.replace("-", "_")
    with bar("Measuring", int((pairs.sizes > 0).sum()), not results.quiet) as progress:
        points = rw.construct(pairs, dim, **provided(method=method), **seeds, progress=progress)
    shown, result = [str(points)], points.to_dict()
    if noise:
        true_recall = against(points, true)
        shown.append(
            f"against the true pairs: recall at |S(q)| {100 * true_recall['recall']:.2f} %, margin "
            f"{true_recall['margin']:.3g}, {100 * true_recall['separated']:.2f} % of the queries separated"
        )
        result |= {**noise, "against_true": true_recall}
    results.deliver(*shown, text=lambda: json.dumps(result, indent=2) + "\n")
    if out is not None:
        points.save(out, more_files={PAIRS: true.save})
        results.say(f"\nThe model is in {out}. Next:\n  rootward evaluate {shlex.quote(str(out))}")
