"""`rootward index`: a run in, an index folder out."""

from __future__ import annotations

import json as json_format
import time
from pathlib import Path
from typing import Annotated, Any

import rootward as rw
from rootward.cli.flags import EncoderAgain, Quiet, RunFolder, output, panel, provided, refuse_folder, say
from rootward.errors import InputError, RunFolderError

_index = panel("Index")


def index(
    run: RunFolder,
    out: Annotated[Path | None, output("--out FOLDER", "Write the index here; optional with --uri.")] = None,
    engine: Annotated[str | None, _index("--engine NAME", "exact, ivf, ivf-sq8 or hnsw. Default: exact.")] = None,
    recall: Annotated[
        float | None, _index("--recall SHARE", "Recall of an approximate engine against exact. Default: 0.99.")
    ] = None,
    k: Annotated[
        int | None,
        _index(
            "--k -k N",
            "Measure recall at N documents. Default: each query's number of right answers; 10 without pairs.",
            min=1,
        ),
    ] = None,
    uri: Annotated[
        str | None, _index("--uri URL", "Put the documents on this Milvus server: http://host:19530.")
    ] = None,
    collection: Annotated[str | None, _index("--collection NAME", "Name of the collection on the server.")] = None,
    replace: Annotated[bool, output("--replace", "Replace an index that --out holds already.")] = False,
    changes: Annotated[
        list[str] | None, _index("--set NAME=VALUE", "An option of the engine: lists=4096; may be repeated.")
    ] = None,
    wait: Annotated[
        float, output("--wait SECONDS", "Wait so long for another process that writes --out. Default: 0.", min=0)
    ] = 0.0,
    encoder: EncoderAgain = None,
    json: Annotated[bool, output("--json", "Print what was built as JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Build an index of a run's documents, so that searches start at once and stay fast when documents are many.

    exact scores every document: for up to about 200,000. Above that, ivf searches a few lists of documents, ivf-sq8
    does in a quarter of the memory, and hnsw searches a graph for the k best (answer sets and filters score every
    document). These need pip install 'rootward\\[index]'. They are tuned to a recall on the run's own queries, and the
    measured recall is printed. With --uri, exact, ivf and ivf-sq8 are kept on a Milvus server, for more than one
    machine (pip install 'rootward\\[cluster]').

    The hierarchy is stored too, for the filters of rootward search. A build that was cut off continues when the same
    command is run again; a complete index is kept, unless --replace is given.

    \b
      rootward index runs/wordnet --out wordnet.index
      rootward index runs/large --engine ivf --recall 0.995 --out large.index
      rootward index runs/large --engine ivf --uri http://localhost:19530 --collection large --out large.index
      rootward search runs/large --index large.index "a query" --below "an id"
    """
    if out is None and uri is None:
        raise InputError("Where shall the index be? Give a folder, --out FOLDER, or a server, --uri http://host:19530.")
    if (uri is None) != (collection is None):
        raise InputError("--uri and --collection go together: where the Milvus server is, and the name there.")
    refuse_folder(out)
    from rootward.retrieval.storage import existing_config  # noqa: PLC0415

    if out is not None and existing_config(out) and not replace:
        raise RunFolderError(f"{out} holds an index already; choose another folder, or give --replace too.")
    if engine in (None, "exact") and provided(recall=recall, k=k):
        name = "--recall" if recall is not None else "-k"
        raise InputError(
            f"{name} tunes an engine that is approximate, and exact finds everything; leave out {name}, or name one: "
            "--engine ivf, ivf-sq8 or hnsw."
        )
    options = provided(uri=uri, collection=collection)
    for change in changes or ():
        name, equals, value = (text.strip() for text in change.partition("="))
        if not equals or not name:
            raise InputError(f"--set holds {change!r}; needed NAME=VALUE, such as lists=4096.")
        options[name] = int(value) if value.lstrip("-").isdecimal() else value
    from rootward.retrieval.searcher import run_calibration, run_pairs  # noqa: PLC0415

    began = time.monotonic()
    model = rw.DualEncoder.load(run, encoder=encoder, progress=not quiet)
    pairs = hierarchy = run_pairs(run, model)
    if pairs is None or not any(query in pairs.document_ids for query in pairs.query_ids):
        say("The queries are no documents: this index cannot be filtered by the hierarchy.", quiet)
        hierarchy = None
    built = rw.Index.build(
        model,
        pairs=pairs if k is None else None,
        hierarchy=hierarchy,
        out=out,
        progress=not quiet,
        wait=wait,
        **provided(engine=engine, recall=recall, k=k),
        **options,
    )
    calibration, note = run_calibration(run, model)
    if note is not None:
        say(note, quiet)
    if calibration is not None:
        built = built.calibrated(calibration)
        built.commit(wait=wait)
    about: dict[str, Any] = {
        "index": None if out is None else str(out),
        "collection": collection,
        "documents": len(built),
        "engine": built.engine.name,
        "tuned": None if built.tuned is None else built.tuned.to_dict(),
        "calibrated": built.calibration is not None,
        "seconds": round(time.monotonic() - began, 2),
        "bytes": 0 if out is None else sum(path.stat().st_size for path in out.iterdir()),
    }
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
