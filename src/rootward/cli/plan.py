"""`rootward plan`: which dimension does this hierarchy need?"""

from __future__ import annotations

from typing import Annotated

import rootward as rw
from rootward.cli.flags import PlotFlags, panel, provided
from rootward.cli.sources import SourceFlags, read_source
from rootward.errors import InputError

_search = panel("Search")


def plan(
    source: SourceFlags,
    *,
    target: Annotated[float | None, _search("--target SHARE", "Recall to reach by training. Default: 0.95.")] = None,
    seeds: Annotated[
        int | None, _search("--seeds N", "Seeds that a construction must work with. Default: 3.", min=1)
    ] = None,
    no_learned: Annotated[bool, _search("--no-learned", "Skip training.")] = False,
    no_gaussian: Annotated[bool, _search("--no-gaussian", "Skip the construction.")] = False,
    results: PlotFlags,
) -> None:
    """Find the dimensions that a hierarchy needs, and what each of them guarantees.

    Three answers: the width that a theorem guarantees; the smallest at which a construction separates every query by
    one threshold; the smallest at which training reaches the target. Takes seconds for a thousand nodes, a quarter of
    an hour and more for a hundred thousand.

    \b
      rootward plan wordnet --no-gaussian --target 0.99
      rootward plan edges:taxonomy.csv --plot plan.svg
      rootward plan hp.obo --json - | jq .learned.dim
    """
    if no_learned and no_gaussian and results.plot is not None:
        raise InputError("--plot draws what was tried; leave out --no-learned or --no-gaussian.")
    results.check()
    pairs = read_source(source).pairs
    results.say(*pairs.notes)
    options = provided(target=target, seeds=None if seeds is None else tuple(range(seeds)))
    progress = not results.quiet
    result = rw.plan(pairs, **options, gaussian=not no_gaussian, learned=not no_learned, progress=progress)
    results.deliver(result)
    results.draw(result.plot)
