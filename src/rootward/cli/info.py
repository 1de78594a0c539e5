"""`rootward info`: what a folder holds that rootward wrote: a run, another model, an index, saved pairs."""

from __future__ import annotations

import json as json_format
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from rootward.cli.flags import output
from rootward.errors import InputError, RunFolderError


def info(
    run: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of a run, a model or an index.")],
    json: Annotated[bool, output("--json", "As JSON on standard output.")] = False,
) -> None:
    """Say what a folder is: source, sizes, tower, recipe, figures and on which queries, files, what to do next.

    Reads no vectors, so it is quick, and works where the run's sentence encoder is missing.

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
    print(f"{run}: {about.pop('is')}")
    following = about.pop("next")
    for title, value in about.items():
        if isinstance(value, dict):
            value = "\n".join(f"{name}: {_text(each)}" for name, each in value.items())
        head, *more = _text(value).splitlines() or ["none"]
        print(f"  {title:10} {head}", *(f"  {'':10} {line}" for line in more), sep="\n")
    print("Next:", *(f"  {command}" for command in following), sep="\n")


def _about(folder: Path) -> dict[str, Any]:
    """What is told of a folder, as JSON values, in the order in which it is told.

    Raises:
        RunFolderError: nothing that rootward wrote stands there, or it is not whole.
    """
    from rootward.encoders.storage import read_config  # noqa: PLC0415
    from rootward.training.run import LOG, PAIRS, WHERE  # noqa: PLC0415

    if not (folder / "config.json").is_file():
        if (folder / "loading.json").is_file():
            raise RunFolderError(f"{folder} is an index that was cut off while it was built; build it again there.")
        if (folder / LOG).is_file():
            raise RunFolderError(
                f"{folder} is a training that was cut off before its first checkpoint; train again into it."
            )
    config = read_config(folder)
    size = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    checkpoints = sum(path.stat().st_size for path in (folder / "checkpoints").rglob("*") if path.is_file())
    files = size | ({"checkpoints/": checkpoints} if checkpoints else {})
    if "index" in config:
        return _index(folder, config["index"]) | {
            "files": files,
            "next": [f"rootward search RUN --index {folder} TEXT"],
        }
    if "towers" not in config:
        raise RunFolderError(f"{folder} holds a config.json that is of no run, model or index of rootward.")
    has_pairs = any((folder / name).is_file() for name in (PAIRS, WHERE))
    about = _run(folder, config) if "run" in config else _model(config)
    towers = config["towers"]
    told = {
        **about,
        "sizes": _sizes(folder, has_pairs),
        "tower": {side: _tower(towers[side]) for side in ("query", "document")},
        "figures": _figures(folder, config.get("growth", {})) if "run" in config else {},
        "files": files,
    }
    here = shlex.quote(str(folder))
    if config.get("run", {}).get("finished") is False:
        return told | {"next": [f"rootward train --resume {here}"]}
    following = [f"rootward search {here} TEXT"] + [f"rootward evaluate {here}"] * has_pairs
    if "run" in config:
        following += [f"rootward calibrate {here}", f"rootward grow {here} SOURCE --out {here}-2"]
    return told | {"next": following}


def _run(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """A run: trained, interrupted or grown."""
    from rootward.training.run import About  # noqa: PLC0415

    about = About.read(folder, config)
    growth = config.get("growth", {})
    state = "a finished run" if about.finished else "an unfinished run, interrupted"
    if growth:
        steps = growth.get("steps", [])
        state = f"a grown run ({len(steps)} step(s) since it was trained)"
    lengths = ", then ".join(f"{stage.name} ({stage.steps:,} steps)" for stage in about.recipe.stages if stage.steps)
    return {
        "is": f"{state}; {config.get('made_by')}, {about.date}",
        "source": about.source,
        "recipe": f"{about.recipe.name}: {lengths}; seed {about.seed}, {about.seconds:.0f} s on {about.machine.device}",
        "dim": about.dim,
    } | ({"verdict": growth["verdict"]} if growth.get("verdict") else {})


def _model(config: dict[str, Any]) -> dict[str, Any]:
    """A model without a run: constructed, or saved from Python."""
    made = config.get("construction")
    if made is None:
        return {"is": f"a model without a run, saved from Python; {config.get('made_by')}"}
    margin = made["separation"]["margin"]
    separated = 100 * made["separation"]["separated"]
    return {
        "is": f"a constructed model, made without training; {config.get('made_by')}",
        "recipe": f"construction {made['method']}: margin {margin:.3g}, {separated:.3g} % of queries separated",
        "dim": made["dim"],
    }


def _index(folder: Path, index: dict[str, Any]) -> dict[str, Any]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    documents = next(name for name in index["catalogue"] if name.endswith(".parquet"))
    return {
        "is": "an index of a run's documents; search it with the run",
        "engine": index["name"],
        "sizes": {"documents": pq.read_metadata(folder / documents).num_rows},
        "settings": index["settings"],
        "tuned": index.get("tuned"),
        "model": f"fingerprint {index['fingerprint']}",
    }


def _tower(settings: dict[str, Any]) -> str:
    encoder = settings.get("encoder")
    name = encoder.get("name") if isinstance(encoder, dict) else encoder
    return str(settings["kind"]) + (f" on {name}" if name else "")


def _sizes(folder: Path, has_pairs: bool) -> dict[str, Any]:
    """Queries, documents and pairs."""
    from rootward.training.run import pairs_in  # noqa: PLC0415

    if has_pairs:
        try:
            pairs = pairs_in(folder)
        except RunFolderError as error:
            return {"missing": str(error)}
        return {"queries": pairs.n_queries, "documents": pairs.n_documents, "pairs": len(pairs)}
    import pyarrow.parquet as pq  # noqa: PLC0415

    sides = pq.read_table(folder / "ids.parquet", columns=["side"])["side"].value_counts().to_pylist()
    plural = {"query": "queries", "document": "documents"}
    return {plural[each["values"]]: each["counts"] for each in sides}


def _figures(folder: Path, growth: dict[str, Any]) -> dict[str, Any]:
    """What was measured, each with the queries that it is of."""
    from rootward.calibration.calibrate import NAME, Calibration  # noqa: PLC0415
    from rootward.evaluation import Report  # noqa: PLC0415
    from rootward.training.run import REPORT  # noqa: PLC0415

    figures: dict[str, Any] = {}
    if (folder / REPORT).is_file():
        report = Report.load(folder / REPORT)
        n = f"{report.n_queries:,}"
        if growth:
            whose = f"the {n} queries of the grown run, {len(growth.get('added', ())):,} of them added since training"
        elif report.n_unseen:
            whose = f"{n} queries, {report.n_unseen:,} of them unknown to training"
        else:
            whose = f"the {n} queries that it was trained on; none were held out"
        whose += ", of which it has more" if report.extras.get("sampled_queries") else ""
        figures["recall"] = {"overall": report.overall.value, "lowest": report.minimum.value, "of": whose}
    if (folder / NAME).is_file():
        sets = Calibration.load(folder).report
        figures["answer sets"] = {
            "f1": sets.figures.f1,
            "of": f"{sets.n_queries:,} held-out queries that were not calibrated on",
        }
    return figures


def _text(value: Any) -> str:
    """A value in a line: figures as percent, sizes of files as bytes."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(each)}" for name, each in value.items())
    if isinstance(value, float):
        return f"{100 * value:.2f} %"
    return f"{value:,}" if isinstance(value, int) else "not recorded" if value is None else str(value)
