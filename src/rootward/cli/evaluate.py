"""`rootward evaluate`: a run in, its report out."""

from __future__ import annotations

import json as json_format
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rootward.cli.flags import (
    STDOUT,
    EncoderAgain,
    Json,
    Plot,
    Quiet,
    RunFolder,
    output,
    panel,
    provided,
    put,
    refuse_files,
    refuse_plot,
    say,
    show,
)
from rootward.cli.sources import Source, SourceFlags, read_source
from rootward.errors import InputError

if TYPE_CHECKING:
    from rootward.encoders import DualEncoder
    from rootward.evaluation import Report
    from rootward.evaluation.intervals import Comparison

_measuring = panel("Measuring")


def evaluate(
    run: RunFolder,
    source: SourceFlags,
    against: Annotated[
        Path | None, _measuring("--against RUN", "A second run to compare with, on the same pairs.")
    ] = None,
    seed: Annotated[int | None, _measuring("--seed N", "Of the draws for the intervals. Default: 0.")] = None,
    bootstrap: Annotated[
        int | None, _measuring("--bootstrap N", "Draws for the intervals, 0 for none. Default: 1,000.", min=0)
    ] = None,
    encoder: EncoderAgain = None,
    json: Json = None,
    markdown: Annotated[
        Path | None, output("--markdown FILE", "Write the report as a Markdown table; - is stdout.")
    ] = None,
    plot: Plot = None,
    quiet: Quiet = False,
) -> None:
    """Measure a run: recall at |S(q)| by distance, with 95 % intervals.

    Exact and over all pairs that the run was trained on, or over those of SOURCE, such as held-out queries. Documents
    that the model knows and the pairs do not still compete. Text towers read queries that training did not know, and
    the report says how many those are.

    \b
      rootward evaluate runs/wordnet
      rootward evaluate runs/shop pairs:heldout.csv
      rootward evaluate runs/a --against runs/b
      rootward evaluate runs/wordnet --plot recall.svg --markdown report.md
      rootward evaluate runs/wordnet --json - | jq .overall.value
    """
    refuse_plot(plot)
    refuse_files(json=json, markdown=markdown)
    if json == markdown == STDOUT:
        raise InputError("--json - and --markdown - both want standard output; write one of them to a file.")
    if against is not None and bootstrap == 0:
        raise InputError("--against compares by drawing queries again; give --bootstrap at least 1 or leave it out.")
    from rootward.encoders import DualEncoder  # noqa: PLC0415
    from rootward.evaluation import compare, plot_recall  # noqa: PLC0415
    from rootward.evaluation import evaluate as measure  # noqa: PLC0415

    model = DualEncoder.load(run, encoder=encoder, progress=not quiet)
    pairs = read_source(source) if source.is_given else _own_pairs(run, model, quiet)
    for note in pairs.pairs.notes if source.is_given else ():
        say(note, quiet)
    options = provided(seed=seed, bootstrap=bootstrap)

    def measured(folder: Path, model: DualEncoder) -> Report:
        return measure(model, pairs.pairs, source=pairs.name, label=str(folder), progress=not quiet, **options)

    reports = [measured(run, model)]
    comparison = None
    if against is not None:
        reports.append(measured(against, DualEncoder.load(against, encoder=encoder, progress=not quiet)))
        comparison = compare(*reports, **options)
    if STDOUT not in (json, markdown):
        show(reports[0])
        if comparison is not None:
            show(comparison)
            show(_verdict(comparison))
    if json is not None:
        put(reports[0].to_json() if comparison is None else _both(reports, comparison), json)
    if markdown is not None:
        put("\n".join(report.to_markdown() for report in reports), markdown)
    if plot is not None:
        plot_recall(reports, plot)
        say(f"Drew {plot}.", quiet)


def _own_pairs(run: Path, model: DualEncoder, quiet: bool) -> Source:
    """The pairs that a run was trained on."""
    from rootward.folders import read_config  # noqa: PLC0415
    from rootward.training.run import REPORT, no_report, pairs_in  # noqa: PLC0415

    about = read_config(run).get("run", {})
    if about.get("measured") and not (run / REPORT).is_file():
        say(no_report(run), quiet)
    return Source(pairs_in(run, model), about.get("source"))


def _verdict(comparison: Comparison) -> str:
    """Which run is the better one, in words."""
    overall = comparison.overall
    better = comparison.label_b if overall.value > 0 else comparison.label_a
    if overall.low <= 0 <= overall.high:
        return "overall: no difference that could not be chance; b - a above 0 would favour b"
    return f"overall: {better} is better, by {abs(100 * overall.value):.2f} points"


def _both(reports: list[Report], comparison: Comparison) -> str:
    values = {
        "report": reports[0].model_dump(mode="json"),
        "against": reports[1].model_dump(mode="json"),
        "comparison": {**asdict(comparison), "difference": "against minus report: above 0 favours against"},
    }
    return json_format.dumps(values, indent=2) + "\n"
