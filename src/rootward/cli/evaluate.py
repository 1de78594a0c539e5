"""`rootward evaluate`: a run in, its report out."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import rootward as rw
from rootward.cli.flags import STDOUT, EncoderAgain, PlotFlags, RunFolder, output, panel, provided, put, show
from rootward.cli.sources import LabelFlags, Source, read_for_run
from rootward.errors import InputError
from rootward.folders import CLASSIFIER, REPORT, add_file, read_config

if TYPE_CHECKING:
    from rootward.classification import Classifier
    from rootward.evaluation import Baselines
    from rootward.evaluation.intervals import Comparison

_measuring = panel("Measuring")


def evaluate(
    run: RunFolder,
    source: LabelFlags,
    *,
    against: Annotated[
        Path | None, _measuring("--against RUN", "A second run to compare with, on the same pairs.")
    ] = None,
    seed: Annotated[int | None, _measuring("--seed N", "Of the draws for the intervals. Default: 0.")] = None,
    bootstrap: Annotated[
        int | None, _measuring("--bootstrap N", "Draws for the intervals, 0 for none. Default: 1,000.", min=0)
    ] = None,
    baselines: Annotated[
        bool, _measuring("--baselines", "Simple methods on the same texts, which must be held out; with intervals.")
    ] = False,
    encoder: EncoderAgain = None,
    markdown: Annotated[
        Path | None, output("--markdown FILE", "Write the report as a Markdown table; - is stdout.")
    ] = None,
    html: Annotated[
        Path | None,
        output("--html FILE", "Write the report as a page, with the worst mistakes; - is stdout."),
    ] = None,
    results: PlotFlags,
) -> None:
    """Measure a run: recall at |S(q)| by distance, with 95 % intervals.

    Of a run that reads texts also which node each text names: accuracy, MRR, hierarchical F1, hops. --baselines learns
    TF-IDF, a linear SVM and, with a sentence encoder (that of the run, or --encoder), two methods on it from the run's
    texts, and measures them on the texts of SOURCE or --labels.

    Exact and over all pairs that the run was trained on, or over those of SOURCE, such as held-out queries; over texts
    labelled with the run's nodes by --labels without SOURCE. What a run with a classifier names is then measured of the
    texts that it held out. Documents that the model knows and the pairs do not still
    compete. Text towers read queries that training did not know, and the report says how many those are.

    \b
      rootward evaluate runs/wordnet
      rootward evaluate runs/shop pairs:heldout.csv
      rootward evaluate runs/shop --labels heldout.csv --text title --node category
      rootward evaluate runs/shop pairs:heldout.csv --baselines
      rootward evaluate runs/shop --labels heldout.csv --text title --node category --baselines
      rootward evaluate runs/a --against runs/b
      rootward evaluate runs/wordnet --plot recall.svg --markdown report.md
      rootward evaluate runs/shop --labels heldout.csv --text title --node category --html report.html
      rootward evaluate runs/wordnet --json - | jq .overall.value
    """
    results.check(markdown=markdown, html=html)
    printed = [name for name, to in (("json", results.json), ("markdown", markdown), ("html", html)) if to == STDOUT]
    if len(printed) > 1:
        both = " and ".join(f"--{name} -" for name in printed)
        raise InputError(f"{both} both want standard output; write one of them to a file.")
    if against is not None and bootstrap == 0:
        raise InputError("--against compares by drawing queries again; give --bootstrap at least 1 or leave it out.")
    if baselines and (against is not None or bootstrap == 0):
        raise InputError("--baselines compares one run by drawing texts again; leave out --against and --bootstrap 0.")
    from rootward.encoders.towers import BaseTextTower  # noqa: PLC0415
    from rootward.evaluation import NodeReport, named_queries, plot_recall  # noqa: PLC0415
    from rootward.evaluation import baselines as measure_baselines  # noqa: PLC0415
    from rootward.evaluation.evaluate import texts_known  # noqa: PLC0415
    from rootward.retrieval.searcher import run_calibration, run_pairs  # noqa: PLC0415
    from rootward.training.run import About, no_report, pairs_in  # noqa: PLC0415

    progress = not results.quiet
    alone = source.source is None and source.labels is None
    model, classifier = _opened(run, encoder, progress, alone)
    others = read_for_run(source, lambda: pairs_in(run, model))
    if others is not None:
        pairs = others
        results.say(*pairs.pairs.notes)
        results.say(*_named_alone(pairs.pairs, run_pairs(run, model), run, source))
    else:
        config = read_config(run)
        about = About.read(run, config) if "run" in config else None
        if about is not None and about.measured and not (run / REPORT).is_file():
            results.say(no_report(run))
        pairs = Source(pairs_in(run, model), None if about is None else about.source)
        if model.reads_texts:
            results.say(_whose(run, pairs.pairs))
    options = provided(seed=seed, bootstrap=bootstrap)
    has_nodes = len(named_queries(pairs.pairs)) > 0

    def measured(folder: Path, model: rw.DualEncoder, classifier: Classifier | None) -> rw.Report:
        calibration, note = run_calibration(folder, model)
        results.say(*filter(None, [note]))
        named = (folder / CLASSIFIER).is_dir() and has_nodes
        report = rw.evaluate(
            model,
            pairs.pairs,
            source=pairs.name,
            label=str(folder),
            nodes=model.reads_texts and not named,
            trained=run_pairs(folder, model) if model.reads_texts and not named else None,
            thresholds=None if calibration is None else calibration.thresholds_among,
            progress=progress,
            **options,
        )
        nodes = None
        if named and classifier is not None:
            texts = texts_known(model, pairs.pairs, named_queries(pairs.pairs))
            nodes = classifier.measure(pairs.pairs, label=str(folder), texts=texts, **options)
            results.say(_TWO)
        elif named and (folder / CLASSIFIER / REPORT).is_file():
            nodes = NodeReport.load(folder / CLASSIFIER / REPORT)
            nodes = nodes.model_copy(update={"label": str(folder), "note": _BEFORE})
        return report if nodes is None else report.model_copy(update={"nodes": nodes})

    trained = run_pairs(run, model) if baselines else None
    if baselines and (trained is None or others is None or not len(named_queries(pairs.pairs))):
        raise InputError(
            "--baselines learns from the pairs of the run and measures other texts: give a run with its pairs, and "
            "--labels or a SOURCE of held-out texts with a document at distance 0, such as: rootward evaluate "
            f"{run} pairs:heldout.csv --baselines"
        )
    reports = [measured(run, model, classifier)]
    shown: list[object] = [*reports]
    text = reports[0].to_json
    if trained is not None:
        part = model.query_tower.encoder_part if isinstance(model.query_tower, BaseTextTower) else None
        own = None if part is None else part.encoder
        if classifier is not None:
            own = classifier.evidence.encoder if classifier.tuned is None else classifier.tuned.base
        table = measure_baselines(
            trained, pairs.pairs, encoder=encoder or own, ours=reports[0].nodes, progress=progress, **options
        )
        shown.append(table)
        text = partial(_with_baselines, reports[0], table)
    if against is not None:
        reports.append(measured(against, *_opened(against, encoder, progress, alone)))
        comparison = rw.compare(*reports, **options)
        shown += [comparison, _verdict(comparison)]
        text = partial(_both, reports, comparison)
    if _is_own_report(run, results.json) and len(shown) == 1:  # the run's own, which its config has a checksum of
        for each in [] if STDOUT in (markdown, html) else shown:
            show(each)
        add_file(run, REPORT, lambda path: path.write_text(text(), encoding="utf-8"), "rootward evaluate")
    else:
        results.deliver(*([] if STDOUT in (markdown, html) else shown), text=text)
    if markdown is not None:
        tables = [table] if trained is not None else []
        put("\n".join(each.to_markdown() for each in (*reports, *tables)), markdown)
    if html is not None:
        put(_page(run, model, classifier, reports[0], pairs.pairs, alone), html)
    results.draw(partial(plot_recall, reports))


def _page(
    run: Path, model: rw.DualEncoder, classifier: Classifier | None, report: rw.Report, pairs: rw.Pairs, alone: bool
) -> str:
    """The report as HTML, with paths from what the run was trained on."""
    from rootward.evaluation.evaluate import in_rows_of  # noqa: PLC0415
    from rootward.evaluation.naming import closure_in  # noqa: PLC0415
    from rootward.evaluation.page import Measured, report_page  # noqa: PLC0415
    from rootward.retrieval.searcher import run_pairs  # noqa: PLC0415

    trained = run_pairs(run, model) if classifier is None else classifier.pairs
    closure = None if trained is None else closure_in(in_rows_of(model, trained))
    remarks = [_whose(run, pairs)] if alone and model.reads_texts else []
    remarks += [_TWO] if classifier is not None else []
    return report_page(report, Measured.of(in_rows_of(model, pairs), closure, model.document_texts), remarks)


_TWO = "Named nodes are those of the run's classifier; recall by distance is that of its tower."
_BEFORE = "measured before the run was trained again on all texts, these among them"


def _opened(folder: Path, encoder: str | None, progress: bool, alone: bool) -> tuple[rw.DualEncoder, Classifier | None]:
    """The model of a run, and its classifier where it has one and other texts than its own are measured."""
    if alone or not (folder / CLASSIFIER).is_dir():
        return rw.DualEncoder.load(folder, encoder=encoder, progress=progress), None
    from rootward.classification import Classifier  # noqa: PLC0415

    run = rw.Run.load(folder, encoder=encoder, progress=progress)
    return run.model, Classifier.load(run, encoder=encoder)


def _whose(run: Path, pairs: rw.Pairs) -> str:
    """Whose figures those without test texts are."""
    n = f"{(pairs.sizes > 0).sum():,} texts"
    others = f"for others: rootward evaluate {run} --labels FILE"
    if (run / CLASSIFIER / REPORT).is_file():
        return (
            f"Recall by distance is of the {n} that {run} was trained on, which says little of other texts. Named "
            f"nodes are of texts that were held out, {_BEFORE}; {others}"
        )
    return f"These are figures of the {n} that {run} was trained on, which say little of other texts; {others}"


def _is_own_report(run: Path, json: Path | None) -> bool:
    """Whether a report is to be written in the place of a run's own."""
    return json is not None and json.name == REPORT and json.absolute().parent.resolve() == run.absolute().resolve()


def _named_alone(pairs: rw.Pairs, trained: rw.Pairs | None, run: Path, source: LabelFlags) -> list[str]:
    """A note on pairs that name nodes alone, where the run's pairs have what is above these, too."""
    if trained is None or pairs.max_distance or not trained.max_distance or source.labels is not None:
        return []
    above = trained.keep(trained.distances > 0)
    known = above.query_ids.find([pairs.document_ids[row] for row in set(pairs.documents.tolist())])
    if not any(above.sizes[row] for row in known.tolist() if row >= 0):
        return []
    file = (source.source or "").removeprefix("pairs:")
    columns = dict(setting.partition("=")[::2] for setting in source.read or [])
    query, document = columns.get("query", "query"), columns.get("document", "document")
    return [
        "These pairs name nodes alone, and nothing above them, which the model finds too, as it learnt: what it finds "
        "above them counts as wrong. To measure these texts with everything above their nodes: "
        f"rootward evaluate {run} --labels {file} --text {query} --node {document}"
    ]


def _verdict(comparison: Comparison) -> str:
    """Which run is the better one, in words, by recall and by what texts name."""
    rows = {"overall": comparison.overall}
    rows |= {each.slice: each for each in comparison.nodes if each.slice in ("named node right", "hF")}
    said = []
    for name, row in rows.items():
        better = comparison.label_b if row.value > 0 else comparison.label_a
        if row.low <= 0 <= row.high:
            said.append(f"{name}: no difference that could not be chance; b - a above 0 would favour b")
        else:
            said.append(f"{name}: {better} is better, by {abs(100 * row.value):.2f} points")
    return "\n".join(said)


def _with_baselines(report: rw.Report, table: Baselines) -> str:
    values = {"report": report.model_dump(mode="json"), "baselines": table.model_dump(mode="json", exclude={"ours"})}
    return json.dumps(values, indent=2) + "\n"


def _both(reports: list[rw.Report], comparison: Comparison) -> str:
    values = {
        "report": reports[0].model_dump(mode="json"),
        "against": reports[1].model_dump(mode="json"),
        "comparison": {**asdict(comparison), "difference": "against minus report: above 0 favours against"},
    }
    return json.dumps(values, indent=2) + "\n"
