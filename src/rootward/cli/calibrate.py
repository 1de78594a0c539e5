"""`rootward calibrate`: a run in, the end of its answer sets out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

import rootward as rw
from rootward.cli.flags import EncoderAgain, PlotFlags, RunFolder, panel, provided
from rootward.cli.sources import LabelFlags, read_for_run
from rootward.errors import InputError
from rootward.folders import CLASSIFIER

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
    of SOURCE, or texts labelled with the run's nodes; without either the texts that the run held out, as its tower saw
    them before it was trained on them too, where it held some out, else what it was trained on. The result goes into
    the run's folder, where search --threshold auto finds it for queries without a threshold of their own (of a run with
    a classifier, search --index). A precision out of reach is an error and changes nothing. Rules: universal, one
    threshold; predicted, one for each query; size, how many answers to expect.

    \b
      rootward calibrate runs/wordnet
      rootward calibrate runs/shop pairs:heldout.csv --json -
      rootward calibrate runs/shop --labels heldout.csv --text title --node category
      rootward calibrate runs/wordnet --by precision=0.95 --plot curve.svg
    """
    aim = _aim(by)
    results.check()
    import numpy as np  # noqa: PLC0415

    from rootward.calibration.calibrate import NAME  # noqa: PLC0415
    from rootward.classification import HeldOut  # noqa: PLC0415
    from rootward.retrieval.searcher import run_pairs  # noqa: PLC0415
    from rootward.training.run import pairs_in  # noqa: PLC0415

    model = rw.DualEncoder.load(run, encoder=encoder, progress=not results.quiet)
    found = read_for_run(source, lambda: pairs_in(run, model))
    pairs = pairs_in(run, model) if found is None else found.pairs
    graph = next((each for each in (pairs, run_pairs(run, model)) if each is not None and each.is_graph), None)
    results.say(*(() if found is None else found.pairs.notes))
    options = provided(rule=rule, max_queries=max_queries, seed=seed)
    options |= {"above": graph, "progress": not results.quiet, **aim}  # for upward repair
    seen = HeldOut.load(run) if found is None else None
    if seen is None:
        calibration = rw.calibrate(model, pairs, **options)
        if calibration.report.texts == "trained on":
            results.say(_TRAINED.format(run=run))
    else:
        if rule not in (None, "universal"):
            raise InputError(
                f"--rule {rule} is of a tower's own vectors, and the texts that {run} held out are known as an earlier "
                "tower saw them: only --rule universal can be taken over. Leave out --rule, or give texts by --labels."
            )
        vectors = np.zeros((pairs.n_queries, model.dim), np.float32)
        vectors[seen.rows] = seen.queries
        before = rw.DualEncoder.from_vectors(pairs, vectors, seen.documents)
        calibration = rw.calibrate(before, pairs.of_queries(seen.rows), **{**options, "rule": "universal"})
        report = calibration.report.model_copy(update={"texts": "held-out", "note": _BEFORE})
        calibration = replace(calibration, report=report, fingerprint=model.fingerprint())
    report = calibration.report
    results.deliver(report)
    results.draw(calibration.plot)
    if not (report.met or abstain):
        left = "The calibration that it had stays." if (run / NAME).is_file() else "Nothing was written."
        raise InputError(
            f"No answer sets keep a precision of {report.floor:g}: every query would abstain. {left} Give "
            "more pairs or a lower floor, or --abstain to have it so."
        )
    uses = "search --threshold auto uses it"
    if (run / CLASSIFIER).is_dir():
        uses = "search --index uses it with --threshold auto. Without an index the classifier answers, which needs none"
    results.say(f"Wrote {calibration.save(run)}; {uses}.")


_TRAINED = (
    "These are texts that {run} was trained on: the answer sets of other texts are worse than that, and may end "
    "elsewhere. For these: rootward calibrate {run} --labels FILE"
)
_BEFORE = "measured with the tower as it was before it was trained on these texts too"


def _aim(by: str | None) -> dict[str, Any]:
    """`by` and `floor` as `rootward.calibrate` takes them."""
    name, _, number = (by or "").partition("=")
    with suppress(ValueError):
        if name == "precision":
            return {"by": name, **provided(floor=float(number) if number else None)}
        if name in ("", "f1") and not number:
            return provided(by=by)
    raise InputError(f"--by is f1 or precision=P with a share P such as 0.95; got {by!r}.")
