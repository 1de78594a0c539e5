"""`rootward diagnose`: any vectors with pairs in, the reason for their recall out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

import rootward as rw
from rootward.cli.flags import PlotFlags, panel, provided
from rootward.cli.sources import LabelFlags, read_for_run, read_source
from rootward.cli.towers import ON_ENCODER
from rootward.errors import InputError

_vectors, _probes = panel("Vectors"), panel("Probes")


@dataclass(frozen=True)
class VectorFlags:
    """Where vectors come from: a run, files, or an encoder."""

    run: Annotated[
        Path | None,
        typer.Argument(metavar="RUN", show_default=False, help="A run folder, unless flags name vectors."),
    ] = None
    queries: Annotated[
        str | None, _vectors("--queries FILE", "Query vectors: .npy, .safetensors or .safetensors:TENSOR.")
    ] = None
    documents: Annotated[str | None, _vectors("--documents FILE", "Document vectors, the same.")] = None
    query_ids: Annotated[
        Path | None, _vectors("--query-ids FILE", "Row-to-id mapping: an id a line, or a table's column id.")
    ] = None
    document_ids: Annotated[Path | None, _vectors("--document-ids FILE", "The same for documents.")] = None
    encoder: Annotated[
        str | None, _vectors("--encoder NAME", "Encode by this model instead. With RUN: path of its encoder, if moved.")
    ] = None

    @property
    def flags(self) -> dict[str, Any]:
        """The flags that were given, the run not among them."""
        return provided(**{**vars(self), "run": None})


def diagnose(
    vectors: VectorFlags,
    source: LabelFlags,
    *,
    quick: Annotated[bool, _probes("--quick", "Seconds, no short trainings; says less.")] = False,
    seed: Annotated[int | None, _probes("--seed N", "Of every random choice. Default: 0.")] = None,
    results: PlotFlags,
) -> None:
    """Say why recall is poor, and what to try: sampling bias, generalisation, capacity, under-training, wrong pairs.

    For a run, or for vectors of any library with their pairs. Where there is no other way to tell, copies of the
    vectors are trained for a short while; inputs are not modified. A run with a classifier is judged by the texts that
    it held out; texts that a run was trained on are never called healthy. Rows are in the order of the pairs' ids (of a
    table, of first appearance) unless --query-ids and --document-ids say otherwise.

    \b
      rootward diagnose runs/wordnet
      rootward diagnose --queries q.npy --documents d.npy pairs:pairs.parquet
      rootward diagnose --queries v.safetensors --documents v.safetensors pairs:clicks.csv --document-ids shop.txt
      rootward diagnose wordnet --encoder all-MiniLM-L6-v2 --quick
    """
    results.check()
    from rootward.pairs.storage import is_folder  # noqa: PLC0415

    run = vectors.run
    if run is not None and vectors.flags:  # `diagnose wordnet --queries ...`: the one word is a source
        is_run = source.source is not None or ((run / "config.json").is_file() and not is_folder(run))
        if is_run and list(vectors.flags) != ["encoder"]:
            raise InputError(f"The vectors are those of {run}; leave out the flags for vectors, or the run.")
        run, source = (run, source) if is_run else (None, replace(source, source=str(run)))
    progress = not results.quiet
    subject = _of_run(run, source, vectors.encoder, progress) if run is not None else _of_vectors(source, vectors)
    found = rw.diagnose(**subject, probes=not quick, progress=progress, **provided(seed=seed))
    results.deliver(found)
    results.draw(found.plot)


def _of_run(run: Path, source: LabelFlags, encoder: str | None, progress: bool) -> dict[str, Any]:
    """Arguments of `rootward.diagnose`: a run's vectors with its own pairs, or with others of the same ids.

    Of a run that held texts out, these, as its tower saw them before it was trained on them.
    """
    from rootward.classification import HeldOut  # noqa: PLC0415
    from rootward.diagnosis.diagnose import known_of  # noqa: PLC0415
    from rootward.diagnosis.vectors import with_rows_of  # noqa: PLC0415
    from rootward.evaluation.evaluate import queries_of, texts_known  # noqa: PLC0415
    from rootward.ids import Ids  # noqa: PLC0415
    from rootward.training.run import pairs_in  # noqa: PLC0415

    model = rw.DualEncoder.load(run, encoder=encoder, progress=progress)
    if encoder is not None and model.settings()["query"]["kind"] not in ON_ENCODER:
        raise InputError(f"The vectors are those of {run}, which has no encoder; leave out --encoder, or the run.")
    found = read_for_run(source, lambda: pairs_in(run, model))
    pairs = pairs_in(run, model) if found is None else found.pairs
    about: dict[str, Any] = {"label": str(run), "known": known_of(run)}
    if found is None and (seen := HeldOut.load(run)) is not None:
        held = Ids([pairs.query_ids[row] for row in seen.rows.tolist()])
        return {
            **about,
            "queries": seen.queries,
            "documents": seen.documents,
            "pairs": with_rows_of(pairs.of_queries(seen.rows), held, None),
            "label": f"{run}, its tower before it was trained on these texts too",
            "texts": "held-out",
        }
    about["texts"] = texts_known(model, pairs)
    if found is not None and model.reads_texts:  # other texts than those that training knew
        queries = queries_of(model, pairs)
        pairs = with_rows_of(pairs, pairs.query_ids, model.document_ids)
    else:
        queries = model.queries().vectors
        pairs = with_rows_of(pairs, model.query_ids, model.document_ids)
    return {**about, "queries": queries, "documents": model.document_vectors(), "pairs": pairs}


def _of_vectors(source: LabelFlags, vectors: VectorFlags) -> dict[str, Any]:
    """The same arguments: vectors of files or of an encoder, with the pairs of a source."""
    from rootward.diagnosis.vectors import check_count, encoded, read_ids, read_vectors, with_rows_of  # noqa: PLC0415

    if vectors.encoder is not None:
        if len(vectors.flags) > 1:
            raise InputError("--encoder makes the vectors of both sides; leave out the flags for files of vectors.")
        pairs = read_source(source).pairs
        q, d = encoded(vectors.encoder, pairs)
        return {"queries": q, "documents": d, "pairs": pairs, "label": vectors.encoder}
    if vectors.queries is None or vectors.documents is None:
        raise InputError(
            "Give a run (rootward diagnose RUN), --queries and --documents with a SOURCE of pairs, or --encoder."
        )
    pairs = read_source(source).pairs
    (queries, of_queries), (documents, of_documents) = _of_file(vectors.queries), _of_file(vectors.documents)
    q = read_vectors(queries, "query", of_queries)
    d = read_vectors(documents, "document", of_documents)
    query_ids = None if vectors.query_ids is None else read_ids(vectors.query_ids)
    document_ids = None if vectors.document_ids is None else read_ids(vectors.document_ids)
    check_count(q, query_ids or pairs.query_ids, "query", query_ids is not None)
    check_count(d, document_ids or pairs.document_ids, "document", document_ids is not None)
    pairs = with_rows_of(pairs, query_ids, document_ids)
    return {"queries": q, "documents": d, "pairs": pairs, "label": queries.stem}


def _of_file(text: str) -> tuple[Path, str | None]:
    """(file, name of a tensor in it) of 'v.safetensors:queries'; None where no tensor is named."""
    file, _, tensor = text.rpartition(":")
    return (Path(file), tensor) if file.endswith(".safetensors") else (Path(text), None)
