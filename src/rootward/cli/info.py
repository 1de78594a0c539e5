"""`rootward info`: what a folder holds that rootward wrote: a run, another model, an index, saved pairs."""

from __future__ import annotations

import json as json_format
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

import rootward as rw
from rootward.cli.flags import output, show
from rootward.errors import InputError, RunFolderError
from rootward.folders import CLASSIFIER, read_config


def info(
    run: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a run, a model or an index.")],
    json: Annotated[bool, output("--json", "As JSON on standard output.")] = False,
) -> None:
    """Say what a folder is: source, sizes, tower, recipe, figures and on which queries, files, what to do next.

    Reads no vectors, so it is quick and needs no sentence encoder.

    \b
      rootward info runs/wordnet
      rootward info wordnet.index
      rootward info runs/wordnet --json | jq .figures
    """
    from rootward.pairs.storage import is_folder  # noqa: PLC0415

    if is_folder(run):
        raise InputError(f"{run} holds pairs and no model. It is a source: rootward train {run}")
    about = _about(run)
    if json:
        print(json_format.dumps(about, indent=2))
        return
    show(f"{run}: {about.pop('is')}")
    following = about.pop("next")
    for title, value in about.items():
        if isinstance(value, dict):
            value = "\n".join(f"{name}: {_text(each)}" for name, each in value.items())
        head, *more = _text(value).splitlines() or ["none"]
        show("\n".join([f"  {title:10} {head}", *(f"  {'':10} {line}" for line in more)]))
    show("\n".join(["Next:", *(f"  {command}" for command in following)]))


def _about(folder: Path) -> dict[str, Any]:
    """What is told of a folder, as JSON values, in the order in which it is told."""
    from rootward.training.run import LOG  # noqa: PLC0415

    if not (folder / "config.json").is_file():
        if (folder / "loading.json").is_file():
            raise RunFolderError(f"{folder} is an index that was cut off while it was built; build it again there.")
        if (folder / LOG).is_file():
            raise RunFolderError(f"{folder} is a training that was cut off before its first checkpoint; train again.")
    config = read_config(folder)
    made_by = config.get("made_by")
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    if (folder / "checkpoints").is_dir():
        files["checkpoints/"] = sum(path.stat().st_size for path in (folder / "checkpoints").iterdir())
    here = shlex.quote(str(folder))
    if "index" in config:
        index = config["index"]
        return {
            "is": f"an index of a run's documents; {made_by}",
            "engine": index["name"],
            "sizes": {"documents": _rows(folder / index["catalogue"][0])},
            "settings": index["settings"],
            "tuned": index.get("tuned"),
            "model": f"fingerprint {index['fingerprint']}",
            "files": files,
            "next": [f"rootward search RUN --index {here} TEXT"],
        }
    if "towers" not in config:
        raise RunFolderError(f"{folder} holds a config.json that is of no run, model or index of rootward.")
    sizes = _sizes(folder)
    commands = [f"rootward search {here} TEXT"] + [f"rootward evaluate {here}"] * ("pairs" in sizes)
    about: dict[str, Any] = {"is": f"a model without a run, saved from Python; {made_by}"}
    if "run" in config:
        about = _run(folder, config)
        commands += [f"rootward calibrate {here}", f"rootward grow {here} SOURCE --out {here}-2"]
        commands = commands if config["run"]["finished"] else [f"rootward train --resume {here}"]
    elif made := config.get("construction"):
        margin, separated = made["separation"]["margin"], 100 * made["separation"]["separated"]
        about["is"] = f"a constructed model, made without training; {made_by}"
        about["recipe"] = f"construction {made['method']}: margin {margin:.3g}, {separated:.3g} % of queries separated"
        about["dim"] = made["dim"]
    if (folder / CLASSIFIER).is_dir():
        commands.insert(0, f"rootward predict {here} FILE --text COLUMN")
    towers = {side: _tower(config["towers"][side]) for side in ("query", "document")}
    figures = _figures(folder, config.get("growth")) if "run" in config else {}
    return about | {"sizes": sizes, "tower": towers, "figures": figures, "files": files, "next": commands}


def _run(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """A run: trained, interrupted or grown."""
    from rootward.training.run import About  # noqa: PLC0415

    about = About.read(folder, config)
    state = "a finished run" if about.finished else "an unfinished run, interrupted"
    growth = config.get("growth")
    if growth:
        state = f"a grown run ({len(growth['steps'])} step(s) since it was trained; drift: {growth['verdict']})"
    lengths = ", then ".join(f"{stage.name} ({stage.steps:,} steps)" for stage in about.recipe.stages if stage.steps)
    return {
        "is": f"{state}; {config.get('made_by')}, {about.date}",
        "source": about.source,
        "recipe": f"{about.recipe.name}: {lengths}; seed {about.seed}, {about.seconds:.0f} s on {about.machine.device}",
        "dim": about.dim,
    }


def _tower(settings: dict[str, Any]) -> str:
    """'lookup', or 'frozen on all-MiniLM-L6-v2'."""
    encoder = settings.get("encoder") or settings.get("frozen", {}).get("encoder")
    return f"{settings['kind']} on {encoder}" if encoder else str(settings["kind"])


def _rows(table: Path) -> int:
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows: int = pq.read_metadata(table).num_rows
    return rows


def _sizes(folder: Path) -> dict[str, Any]:
    """Queries, documents and pairs; of a model without pairs the ids of both sides together."""
    from rootward.training.run import PAIRS, WHERE, pairs_in  # noqa: PLC0415

    if not any((folder / name).is_file() for name in (PAIRS, WHERE)):
        return {"queries and documents": _rows(folder / "ids.parquet")} if (folder / "ids.parquet").is_file() else {}
    try:
        pairs = pairs_in(folder)
    except RunFolderError as error:
        return {"missing": str(error)}
    return {"queries": pairs.n_queries, "documents": pairs.n_documents, "pairs": len(pairs)}


def _figures(folder: Path, growth: dict[str, Any] | None) -> dict[str, Any]:
    """What was measured, each with the queries that it is of."""
    from rootward.calibration.calibrate import NAME  # noqa: PLC0415
    from rootward.evaluation.naming import NodeReport  # noqa: PLC0415
    from rootward.training.run import REPORT  # noqa: PLC0415

    figures: dict[str, Any] = {}
    if (folder / REPORT).is_file():
        report = rw.Report.load(folder / REPORT)
        whose = f"the {report.n_queries:,} queries that it was trained on; none were held out"
        if growth:
            whose = f"the {report.n_queries:,} queries of the grown run, {len(growth['added']):,} of them added since"
        elif report.n_unseen:
            whose = f"{report.n_queries:,} queries, {report.n_unseen:,} of them unknown to training"
        whose += " (a sample of all)" if report.extras.get("sampled_queries") else ""
        figures["recall"] = {"overall": report.overall.value, "lowest": report.minimum.value, "of": whose}
    if (folder / CLASSIFIER / REPORT).is_file():
        named = NodeReport.load(folder / CLASSIFIER / REPORT)
        whose = f"{named.n_queries:,} held-out texts; then everything was trained again on all texts"
        figures["named node"] = {"right": named.accuracy.value, "hierarchical F1": named.f1.value, "of": whose}
    if (folder / NAME).is_file():
        sets = rw.Calibration.load(folder).report
        whose = f"{sets.n_queries:,} held-out queries that were not calibrated on"
        figures["answer sets"] = {"f1": sets.figures.f1, "of": whose}
    return figures


def _text(value: Any) -> str:
    """A value in a line: figures as percent, sizes of files as bytes."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    if isinstance(value, float):
        return f"{100 * value:.2f} %"
    return f"{value:,}" if isinstance(value, int) else "not recorded" if value is None else str(value)
