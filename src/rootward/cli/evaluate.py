"""`rootward evaluate`: a run in, its report out."""

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
from rootward.cli.sources import Source, SourceFlags, read
from rootward.errors import InputError

if TYPE_CHECKING:
    from rootward.encoders import DualEncoder
    from rootward.evaluation import Report
    from rootward.evaluation.intervals import Comparison

_MEASURING, _OUTPUT = "Measuring", "Output"


def evaluate(
    run: RunFolder,
    source: SourceFlags,
    against: Annotated[
        Path | None, flag("--against", metavar="RUN", panel=_MEASURING, help="Compare with this run, query by query.")
    ] = None,
    seed: Annotated[
        int | None, flag("--seed", metavar="N", panel=_MEASURING, help="Of the draws for the intervals. Default: 0.")
    ] = None,
    bootstrap: Annotated[
        int | None,
        flag(
            "--bootstrap",
            metavar="N",
            min=0,
            panel=_MEASURING,
            help="Draws for the intervals, 0 for none. Default: 1,000.",
        ),
    ] = None,
    encoder: EncoderAgain = None,
    json: Annotated[
        Path | None,
        flag(
            "--json",
            metavar="FILE",
            panel=_OUTPUT,
            help="Write the report as JSON; - is stdout. With --against: both reports and the comparison.",
        ),
    ] = None,
    markdown: Annotated[
        Path | None, flag("--markdown", metavar="FILE", panel=_OUTPUT, help="Write a Markdown table; - is stdout.")
    ] = None,
    plot: Annotated[
        Path | None, flag("--plot", metavar="FILE", panel=_OUTPUT, help="Draw recall by distance: .png or .svg.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Measure a run: recall at |S(q)| by distance, with 95 % intervals.

    Exact and over all pairs that the run was trained on, or over other pairs of the same ids, given as for train.
    Documents that the model knows and the pairs do not still compete. Of a run with a text tower the queries may be any
    texts; those that training did not know are read as search reads them, and the report says how many.

    \b
      rootward evaluate runs/wordnet
      rootward evaluate runs/wordnet --json - | jq .overall.value
      rootward evaluate runs/wordnet --plot recall.svg --markdown report.md
      rootward evaluate runs/a --against runs/b
      rootward evaluate runs/shop --pairs heldout.csv
    """
    _refuse_early(plot, json, markdown, against, bootstrap)
    from rootward.encoders import DualEncoder  # noqa: PLC0415
    from rootward.evaluation import compare, plot_recall  # noqa: PLC0415

    model = DualEncoder.load(run, encoder=encoder, progress=not quiet)
    pairs = read(source) if source.is_given else _own_pairs(run, model, quiet)
    for note in pairs.pairs.notes if source.is_given else ():
        say(note, quiet)
    options = given(seed=seed, bootstrap=bootstrap)
    report = _measured(model, run, pairs, quiet, options)
    other = None
    if against is not None:
        beside = DualEncoder.load(against, encoder=encoder, progress=not quiet)
        other = _measured(beside, against, pairs, quiet, options)
    comparison = None if other is None else compare(other, report, **options)
    if STDOUT not in (json, markdown):
        for result in (report, comparison):
            if result is not None:
                show(result)
    if json is not None:
        put(report.to_json() if other is None or comparison is None else _both(report, other, comparison), json)
    if markdown is not None:
        put("\n".join(each.to_markdown() for each in (report, other) if each is not None), markdown)
    if plot is not None:
        plot_recall([each for each in (report, other) if each is not None], plot)
        say(f"Drew {plot}.", quiet)


def _refuse_early(
    plot: Path | None, json: Path | None, markdown: Path | None, against: Path | None, bootstrap: int | None
) -> None:
    """Refuse what would fail only after measuring."""
    refuse_plot(plot)
    refuse_files(json=json, markdown=markdown)
    if json == markdown == STDOUT:
        raise InputError("--json - and --markdown - both want standard output; write one of them to a file.")
    if against is not None and bootstrap == 0:
        raise InputError("--against compares by drawing queries again; give --bootstrap at least 1 or leave it out.")


def _own_pairs(run: Path, model: DualEncoder, quiet: bool) -> Source:
    """The pairs that a run was trained on."""
    from rootward.folders import read_config  # noqa: PLC0415
    from rootward.training.run import REPORT, no_report, pairs_in  # noqa: PLC0415

    about = read_config(run).get("run", {})
    if about.get("measured") and not (run / REPORT).is_file():
        say(no_report(run), quiet)
    return Source(pairs_in(run, model), run.name, about.get("source"))


def _measured(model: DualEncoder, run: Path, pairs: Source, quiet: bool, options: dict[str, Any]) -> Report:
    from rootward.evaluation import evaluate as measure  # noqa: PLC0415

    return measure(model, pairs.pairs, source=pairs.name, label=str(run), progress=not quiet, **options)


def _both(report: Report, other: Report, comparison: Comparison) -> str:
    import json  # noqa: PLC0415
    from dataclasses import asdict  # noqa: PLC0415

    told = {
        "report": report.model_dump(mode="json"),
        "against": other.model_dump(mode="json"),
        "comparison": {**asdict(comparison), "difference": "report minus against"},
    }
    return json.dumps(told, indent=2) + "\n"
