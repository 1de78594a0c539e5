"""`rootward calibrate`: a run in, the end of its answer sets out."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import rootward as rw
from rootward.cli.flags import EncoderAgain, PlotFlags, RunFolder, panel, provided
from rootward.cli.sources import LabelFlags, read_for_run
from rootward.errors import InputError

_calibration = panel("Calibration")


def calibrate(
    run: RunFolder,
    source: LabelFlags,
    *,
    by: Annotated[
        str | None,
        _calibration("--by f1|precision=P", "Aim: the highest F1, or precision P or more. Default: f1."),
    ] = None,
    rule: Annotated[
        str | None, _calibration("--rule NAME", "universal, predicted or size, see below. Default: the best of them.")
    ] = None,
    max_queries: Annotated[
        int | None, _calibration("--max-queries N", "Use at most N, drawn at random. Default: 10,000.")
    ] = None,
    abstain: Annotated[bool, _calibration("--abstain", "Save even if no query gets answers.")] = False,
    seed: Annotated[int | None, _calibration("--seed N", "Of every random choice. Default: 0.")] = None,
    encoder: EncoderAgain = None,
    results: PlotFlags,
) -> None:
    """Find where answer sets end for queries whose number of answers nobody knows.

    Half of the queries are fitted to, a quarter decides between rules, a quarter is measured on. The queries are those
    of the pairs that the run was trained on, or of SOURCE, or texts labelled with the run's nodes. The result goes into
    the run's folder, where search --threshold auto finds it for queries without a threshold of their own. A precision
    out of reach is an error and changes nothing. Rules: universal, one threshold; predicted, one for each query; size,
    how many answers to expect.

    \b
      rootward calibrate runs/wordnet
      rootward calibrate runs/shop pairs:heldout.csv --json -
      rootward calibrate runs/shop --labels heldout.csv --text title --node category
      rootward calibrate runs/wordnet --by precision=0.95 --plot curve.svg
    """
    aim = _aim(by)
    results.check()
    from rootward.calibration.calibrate import NAME  # noqa: PLC0415
    from rootward.training.run import pairs_in  # noqa: PLC0415

    model = rw.DualEncoder.load(run, encoder=encoder, progress=not results.quiet)
    found = read_for_run(source, lambda: pairs_in(run, model))
    pairs = pairs_in(run, model) if found is None else found.pairs
    results.say(*(() if found is None else found.pairs.notes))
    options = provided(rule=rule, max_queries=max_queries, seed=seed)
    graph = pairs if pairs.query_ids == pairs.document_ids else None  # for upward repair
    calibration = rw.calibrate(model, pairs, above=graph, progress=not results.quiet, **aim, **options)
    report = calibration.report
    results.deliver(report)
    results.draw(calibration.plot)
    if not (report.met or abstain):
        left = "The calibration that it had stays." if (run / NAME).is_file() else "Nothing was written."
        raise InputError(
            f"No answer sets keep a precision of {report.floor:g}: every query would abstain. {left} Give "
            "more pairs or a lower floor, or --abstain to have it so."
        )
    results.say(f"Wrote {calibration.save(run)}; search --threshold auto uses it.")


def _aim(by: str | None) -> dict[str, Any]:
    """`by` and `floor` as `rootward.calibrate` takes them."""
    name, _, number = (by or "").partition("=")
    with suppress(ValueError):
        if name == "precision":
            return {"by": name, **provided(floor=float(number) if number else None)}
        if name in ("", "f1") and not number:
            return provided(by=by)
    raise InputError(f"--by is f1 or precision=P with a share P such as 0.95; got {by!r}.")
