"""`rootward calibrate`: a run in, the end of its answer sets out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rootward.cli.flags import (
    STDOUT,
    EncoderAgain,
    Quiet,
    RunFolder,
    flag,
    given,
    put,
    refuse_files,
    refuse_plot,
    say,
    show,
)
from rootward.cli.sources import SourceFlags, read
from rootward.errors import InputError

if TYPE_CHECKING:
    from rootward.calibration.calibrate import Calibration
    from rootward.pairs import Pairs

_CALIBRATION, _OUTPUT = "Calibration", "Output"


def calibrate(
    run: RunFolder,
    source: SourceFlags,
    by: Annotated[
        str | None,
        flag(
            "--by",
            metavar="f1|precision=P",
            panel=_CALIBRATION,
            help="The highest F1 there is, or with a precision of at least P, such as 0.95. Default: f1.",
        ),
    ] = None,
    rule: Annotated[
        str | None,
        flag(
            "--rule",
            metavar="NAME",
            panel=_CALIBRATION,
            help="universal: one threshold; predicted: one a query, from its vector; size: an expected number. "
            "Default: best, the best of them.",
        ),
    ] = None,
    max_queries: Annotated[
        int | None,
        flag("--max-queries", metavar="N", panel=_CALIBRATION, help="Draw at most so many. Default: 10,000."),
    ] = None,
    abstain: Annotated[
        bool, flag("--abstain", panel=_CALIBRATION, help="Write it also where every query would abstain.")
    ] = False,
    seed: Annotated[
        int | None, flag("--seed", metavar="N", panel=_CALIBRATION, help="Of what is drawn and dealt. Default: 0.")
    ] = None,
    encoder: EncoderAgain = None,
    json: Annotated[
        Path | None, flag("--json", metavar="FILE", panel=_OUTPUT, help="Write the report as JSON; - is stdout.")
    ] = None,
    plot: Annotated[
        Path | None, flag("--plot", metavar="FILE", panel=_OUTPUT, help="Draw the calibration curve: .png or .svg.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Find where answer sets end for queries whose number of answers nobody knows.

    Half of the queries are fitted to, a quarter decides, a quarter is measured on: over the pairs that the run was
    trained on, or over other pairs of the same ids, given as for train; of a run with a text tower queries may be any
    texts. The result goes into the run's folder, where search --threshold auto finds it for queries without a threshold
    of their own. A precision out of reach is an error, and leaves the run's calibration as it was.

    \b
      rootward calibrate runs/wordnet
      rootward calibrate runs/wordnet --by precision=0.95 --plot curve.svg
      rootward calibrate runs/shop --pairs heldout.csv --json -
    """
    aim = _aim(by)
    refuse_plot(plot)
    refuse_files(json=json)
    from rootward.calibration.calibrate import calibrate as calibrated  # noqa: PLC0415
    from rootward.encoders import DualEncoder  # noqa: PLC0415
    from rootward.training.run import pairs_in  # noqa: PLC0415

    model = DualEncoder.load(run, encoder=encoder, progress=not quiet)
    pairs = read(source).pairs if source.is_given else pairs_in(run, model)
    options = given(rule=rule, max_queries=max_queries, seed=seed)
    calibration = calibrated(model, pairs, above=_graph(pairs), progress=not quiet, **aim, **options)
    if json != STDOUT:
        show(calibration.report)
    if json is not None:
        put(calibration.report.to_json(), json)
    if plot is not None:
        calibration.plot(plot)
        say(f"Drew {plot}.", quiet)
    if not (calibration.report.met or abstain):
        raise InputError(_out_of_reach(calibration, run))
    say(f"Wrote {calibration.save(run)}; search --threshold auto uses it.", quiet)


def _out_of_reach(calibration: Calibration, run: Path) -> str:
    from rootward.calibration.calibrate import NAME  # noqa: PLC0415

    left = "The calibration that it had stays." if (run / NAME).is_file() else "Nothing was written."
    return (
        f"No answer sets keep a precision of {calibration.report.floor:g}: every query would abstain. {left} Give more "
        "pairs or a lower floor, or --abstain to have it so."
    )


def _aim(by: str | None) -> dict[str, Any]:
    """`by` and `floor` as `rootward.calibrate` takes them."""
    name, _, number = (by or "").partition("=")
    if name in ("", "f1") and not number:
        return given(by=by)
    try:
        if name == "precision":
            return {"by": name, **given(floor=float(number) if number else None)}
    except ValueError:
        pass
    raise InputError(f"--by is f1 or precision=P with a share P such as 0.95; got {by!r}.")


def _graph(pairs: Pairs) -> Pairs | None:
    """The pairs as a graph for upward repair, where queries and documents are the same nodes."""
    return pairs if pairs.query_ids == pairs.document_ids else None
