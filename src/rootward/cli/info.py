"""`rootward info`: what a folder holds that rootward wrote: a run, another model, an index, saved pairs."""

from __future__ import annotations

import json as json_format
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel

import rootward as rw
from rootward.cli.flags import output, show
from rootward.errors import InputError, RunFolderError
from rootward.folders import CLASSIFIER, LOG, is_foreign, read_config, section

if TYPE_CHECKING:
    from rootward.growth.drift import Drift


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
    if not (folder / "config.json").is_file():
        if (folder / "loading.json").is_file():
            raise RunFolderError(f"{folder} is an index that was cut off while it was built; build it again there.")
        if (folder / LOG).is_file():
            raise RunFolderError(f"{folder} is a training that was cut off before its first checkpoint; train again.")
    if is_foreign(folder):
        raise RunFolderError(f"{folder} holds a config.json that is of no run, model or index of rootward.")
    config = read_config(folder)
    made_by = config.get("made_by")
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    if (folder / "checkpoints").is_dir():
        files["checkpoints/"] = sum(path.stat().st_size for path in (folder / "checkpoints").iterdir())
    here = shlex.quote(str(folder))
    if "index" in config:
        from rootward.retrieval.storage import IndexFolder  # noqa: PLC0415

        index = IndexFolder.read(folder, config)
        return {
            "is": f"an index of a run's documents; {made_by}",
            "engine": index.name,
            "sizes": {"documents": _rows(folder / index.catalogue[0])},
            "settings": index.settings,
            "tuned": None if index.tuned is None else index.tuned.to_dict(),
            "model": f"fingerprint {index.fingerprint}",
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
        from rootward.training.run import About  # noqa: PLC0415

        known = About.read(folder, config)
        if not known.finished or (known.classifier and not (folder / CLASSIFIER).is_dir()):
            commands = [f"rootward train --resume {here}"]
    elif "construction" in config:
        made = section(folder, config, "construction", _Constructed)
        margin, separated = made.separation.margin, 100 * made.separation.separated
        about["is"] = f"a constructed model, made without training; {made_by}"
        about["recipe"] = f"construction {made.method}: margin {margin:.3g}, {separated:.3g} % of queries separated"
        about["dim"] = made.dim
    if (folder / CLASSIFIER).is_dir():
        commands.insert(0, f"rootward predict {here} FILE --text COLUMN")
    from rootward.encoders.storage import Towers  # noqa: PLC0415

    towers = {side: _tower(settings) for side, settings in Towers.read(folder, config).items()}
    figures = _figures(folder, _growth(folder, config)) if "run" in config else {}
    return about | {"sizes": sizes, "tower": towers, "figures": figures, "files": files, "next": commands}


def _run(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """A run: trained, interrupted or grown."""
    from rootward.training.run import About  # noqa: PLC0415

    about = About.read(folder, config)
    state = "a finished run" if about.finished else "an unfinished run, interrupted"
    if growth := _growth(folder, config):
        state = f"a grown run ({len(growth.steps)} step(s) since it was trained; drift: {growth.verdict})"
    lengths = ", then ".join(f"{stage.name} ({stage.steps:,} steps)" for stage in about.recipe.stages if stage.steps)
    return {
        "is": f"{state}; {config.get('made_by')}, {about.date}",
        "source": about.source,
        "recipe": f"{about.recipe.name}: {lengths}; seed {about.seed}, {about.seconds:.0f} s on {about.machine.device}",
        "dim": about.dim,
    }


class _Separation(BaseModel):
    margin: float
    separated: float


class _Constructed(BaseModel):
    """The section "construction" of a config, as far as it is told."""

    method: str
    dim: int
    separation: _Separation


def _tower(settings: dict[str, Any]) -> str:
    """'lookup', or 'frozen on all-MiniLM-L6-v2'."""
    frozen = settings.get("frozen")
    encoder = settings.get("encoder") or (frozen.get("encoder") if isinstance(frozen, dict) else None)
    return f"{settings['kind']} on {encoder}" if encoder else str(settings["kind"])


def _rows(table: Path) -> int:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        rows: int = pq.read_metadata(table).num_rows
    except (pa.ArrowException, OSError) as error:
        raise RunFolderError(f"{table} cannot be read: {error}") from error
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


def _growth(folder: Path, config: dict[str, Any]) -> Drift | None:
    """The drift of a grown run since it was trained; None of another."""
    from rootward.growth.drift import Drift  # noqa: PLC0415

    return section(folder, config, "growth", Drift) if "growth" in config else None


def _figures(folder: Path, growth: Drift | None) -> dict[str, Any]:
    """What was measured, each with the queries that it is of."""
    from rootward.calibration.calibrate import NAME  # noqa: PLC0415
    from rootward.evaluation.naming import NodeReport  # noqa: PLC0415
    from rootward.training.run import REPORT  # noqa: PLC0415

    figures: dict[str, Any] = {}
    if (folder / REPORT).is_file():
        report = rw.Report.load(folder / REPORT)
        whose = f"the {report.n_queries:,} queries that it was trained on; none were held out"
        if growth:
            whose = f"the {report.n_queries:,} queries of the grown run, {len(growth.added):,} of them added since"
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
        whose = f"{sets.queries} that were not calibrated on" + (f"; {sets.note}" if sets.note else "")
        figures["answer sets"] = {"f1": sets.figures.f1, "of": whose}
    return figures


def _text(value: Any) -> str:
    """A value in a line: figures as percent, sizes of files as bytes."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    if isinstance(value, float):
        return f"{100 * value:.2f} %"
    return f"{value:,}" if isinstance(value, int) else "not recorded" if value is None else str(value)
