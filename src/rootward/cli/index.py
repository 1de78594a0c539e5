"""`rootward index`: a run in, an index folder out."""

from __future__ import annotations

import json as json_format
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rootward.cli.flags import EncoderAgain, Quiet, RunFolder, flag, given, refuse_folder, say
from rootward.errors import InputError, RunFolderError

if TYPE_CHECKING:
    from rootward.pairs import Pairs
    from rootward.retrieval import Index

_INDEX, _OUTPUT = "Index", "Output"


def index(
    run: RunFolder,
    out: Annotated[
        Path | None,
        flag("--out", metavar="FOLDER", panel=_OUTPUT, help="Where the index is written; may be left out with --uri."),
    ] = None,
    engine: Annotated[
        str | None,
        flag("--engine", metavar="NAME", panel=_INDEX, help="exact, ivf, ivf-sq8 or hnsw. Default: exact."),
    ] = None,
    recall: Annotated[
        float | None,
        flag(
            "--recall",
            metavar="SHARE",
            panel=_INDEX,
            help="How much of exact search's answers an approximate engine has to find. Default: 0.99.",
        ),
    ] = None,
    k: Annotated[
        int | None,
        flag(
            "--k",
            "-k",
            metavar="N",
            min=1,
            panel=_INDEX,
            help="Measure that at N documents. Default: at each query's own number of right answers; 10 without pairs.",
        ),
    ] = None,
    uri: Annotated[
        str | None,
        flag("--uri", metavar="URL", panel=_INDEX, help="Put the documents on this Milvus server: http://host:19530."),
    ] = None,
    collection: Annotated[
        str | None, flag("--collection", metavar="NAME", panel=_INDEX, help="What they are called there.")
    ] = None,
    replace: Annotated[
        bool, flag("--replace", panel=_OUTPUT, help="Put it in the place of an index that --out holds already.")
    ] = False,
    changes: Annotated[
        list[str] | None,
        flag("--set", metavar="NAME=VALUE", panel=_INDEX, help="An option of the engine: lists=4096; may be repeated."),
    ] = None,
    encoder: EncoderAgain = None,
    json: Annotated[bool, flag("--json", panel=_OUTPUT, help="What was built, as JSON on standard output.")] = False,
    quiet: Quiet = False,
) -> None:
    """Index a run's documents, so that searching starts at once and stays quick when there are many.

    exact scores every document and is right up to about 200,000. Above that: ivf looks at a few lists of documents,
    ivf-sq8 does in a quarter of the memory, hnsw walks a graph for the plain best (answer sets and filters are then
    scanned). These need pip install 'rootward\\[index]'. How much they look at is found on the run's own queries, and
    the recall that was measured is told. With --uri, exact, ivf and ivf-sq8 are kept by a Milvus server, for more than
    one machine (pip install 'rootward\\[cluster]').

    Where documents stand in the hierarchy is stored too, for the filters of rootward search. A build that was cut off
    goes on from there when the same command is given again; an index that is whole is kept, unless --replace is given.

    \b
      rootward index runs/wordnet --out wordnet.index
      rootward index runs/large --engine ivf --recall 0.995 --out large.index
      rootward index runs/large --engine ivf --uri http://localhost:19530 --collection large --out large.index
      rootward search runs/large --index large.index "a query" --below "an id"
    """
    _refuse(out, uri, collection, replace)
    _refuse_tuning(engine, recall, k)
    options = given(uri=uri, collection=collection) | _options(changes)
    from rootward.encoders import DualEncoder  # noqa: PLC0415
    from rootward.retrieval import Index  # noqa: PLC0415
    from rootward.retrieval.searcher import run_calibration, run_pairs  # noqa: PLC0415

    began = time.monotonic()
    model = DualEncoder.load(run, encoder=encoder, progress=not quiet)
    pairs = run_pairs(run, model)
    built = Index.build(
        model,
        pairs=pairs if k is None else None,
        hierarchy=_hierarchy(pairs, quiet),
        out=out,
        progress=not quiet,
        **given(engine=engine, recall=recall, k=k),
        **options,
    )
    calibration, note = run_calibration(run, model)
    if note is not None:
        say(note, quiet)
    if calibration is not None:
        built = built.calibrated(calibration)
        built.commit()
    about = _about(built, out, collection, time.monotonic() - began)
    if json:
        print(json_format.dumps(about))
        return
    places = [f"{about['bytes'] / 2**20:.1f} MiB in {out}"] if out else []
    places += [f"{collection!r} at {uri}"] if uri else []
    say(f"{built!r}, {', '.join(places)}, {about['seconds']:.1f} s", quiet)
    if built.tuned is not None:
        say(f"{built.tuned}", quiet)
    there = f"Search it: rootward search {run} --index {out} TEXT"
    say(there if out else f"Search it from Python: Index.connect(model, {uri!r}, {collection!r})", quiet)


def _refuse(out: Path | None, uri: str | None, collection: str | None, replace: bool) -> None:
    """Refuse an index that would be nowhere, half told where, or in place of something that nobody wants to lose."""
    if out is None and uri is None:
        raise InputError("Where shall the index be? Give a folder, --out FOLDER, or a server, --uri http://host:19530.")
    if (uri is None) != (collection is None):
        raise InputError("--uri and --collection go together: where the Milvus server is, and the name there.")
    refuse_folder(out)
    from rootward.retrieval.storage import existing_config  # noqa: PLC0415

    if out is not None and existing_config(out) and not replace:
        raise RunFolderError(f"{out} holds an index already; choose another folder, or give --replace too.")


def _refuse_tuning(engine: str | None, recall: float | None, k: int | None) -> None:
    """Refuse to tune an engine that has nothing to tune."""
    if engine in (None, "exact") and given(recall=recall, k=k):
        name = "--recall" if recall is not None else "-k"
        raise InputError(
            f"{name} tunes an engine that is approximate, and exact finds everything; leave out {name}, or name one: "
            "--engine ivf, ivf-sq8 or hnsw."
        )


def _about(built: Index, out: Path | None, collection: str | None, seconds: float) -> dict[str, Any]:
    """What was built, as JSON values."""
    return {
        "index": None if out is None else str(out),
        "collection": collection,
        "documents": len(built),
        "engine": built.engine.name,
        "tuned": None if built.tuned is None else built.tuned.to_dict(),
        "calibrated": built.calibration is not None,
        "seconds": round(seconds, 2),
        "bytes": 0 if out is None else sum(path.stat().st_size for path in out.iterdir()),
    }


def _options(changes: list[str] | None) -> dict[str, Any]:
    """'lists=4096' as {"lists": 4096}; what is no number stays text."""
    options: dict[str, Any] = {}
    for change in changes or ():
        name, equals, value = change.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--set holds {change!r}; needed NAME=VALUE, such as lists=4096.")
        options[name.strip()] = int(value) if value.strip().lstrip("-").isdecimal() else value.strip()
    return options


def _hierarchy(pairs: Pairs | None, quiet: bool) -> Pairs | None:
    """The pairs where they say how documents stand to each other; labelled pairs do not."""
    if pairs is None or not any(query in pairs.document_ids for query in pairs.query_ids):
        say("The queries are no documents: this index cannot be filtered by the hierarchy.", quiet)
        return None
    return pairs
