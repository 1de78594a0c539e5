"""`rootward plan`: which dimension does this hierarchy need?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rootward.cli.flags import STDOUT, Quiet, flag, given, put, refuse_files, refuse_plot, say
from rootward.cli.sources import SourceFlags, read
from rootward.errors import InputError

_SEARCH, _OUTPUT = "Search", "Output"


def plan(
    source: SourceFlags,
    target: Annotated[
        float | None,
        flag(
            "--target",
            metavar="SHARE",
            panel=_SEARCH,
            help="Recall that training shall reach. Default: 0.95.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        flag(
            "--seeds",
            metavar="N",
            min=1,
            panel=_SEARCH,
            help="The construction must work with each of N. Default: 3.",
        ),
    ] = None,
    no_learned: Annotated[bool, flag("--no-learned", panel=_SEARCH, help="Do not train.")] = False,
    no_gaussian: Annotated[bool, flag("--no-gaussian", panel=_SEARCH, help="Do not try the construction.")] = False,
    json: Annotated[
        Path | None, flag("--json", metavar="FILE", panel=_OUTPUT, help="Write the plan as JSON; - is stdout.")
    ] = None,
    plot: Annotated[
        Path | None, flag("--plot", metavar="FILE", panel=_OUTPUT, help="Draw recall by dimension: .png or .svg.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Find the dimensions that a hierarchy needs, and what each of them guarantees.

    What is guaranteed comes from a theorem; what the construction needs is found by trying dimensions until one
    threshold serves every query; what training needs by training at a few dimensions. For a thousand nodes that takes
    seconds, for a hundred thousand a quarter of an hour and more.

    \b
      rootward plan wordnet --no-gaussian --target 0.99
      rootward plan --edges taxonomy.csv --plot plan.svg
      rootward plan --obo hp.obo --json - | jq .learned.dim
    """
    from rootward.geometry.planner import plan as search  # noqa: PLC0415

    if no_learned and no_gaussian and plot is not None:
        raise InputError("--plot draws what was tried; leave out --no-learned or --no-gaussian.")
    refuse_plot(plot)
    refuse_files(json=json)
    found = read(source)
    for note in found.pairs.notes:
        say(note, quiet)
    options = given(target=target, seeds=None if seeds is None else tuple(range(seeds)))
    result = search(found.pairs, **options, gaussian=not no_gaussian, learned=not no_learned, progress=not quiet)
    if json != STDOUT:
        print(result)
    if json is not None:
        put(result.to_json(), json)
    if plot is not None:
        result.plot(plot)
        say(f"Drew {plot}.", quiet)
