"""`rootward diagnose`: any vectors with pairs in, the reason for their recall out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rootward.cli.flags import STDOUT, Quiet, flag, given, put, refuse_files, refuse_plot, say, show
from rootward.cli.sources import SourceFlags, read
from rootward.cli.towers import ON_ENCODER
from rootward.errors import InputError

if TYPE_CHECKING:
    from rootward.diagnosis.facts import Known
    from rootward.pairs import Pairs

_VECTORS, _OUTPUT = "Vectors", "Output"


@dataclass(frozen=True)
class VectorFlags:
    """Where vectors come from: a run, files, or an encoder."""

    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN",
            show_default=False,
            help="A folder that train wrote; left out where vectors are given by the flags below.",
        ),
    ] = None
    queries: Annotated[
        Path | None,
        flag("--queries", metavar="FILE", panel=_VECTORS, help="Query vectors, a row an id: .npy or .safetensors."),
    ] = None
    documents: Annotated[
        Path | None, flag("--documents", metavar="FILE", panel=_VECTORS, help="Document vectors, the same.")
    ] = None
    query_ids: Annotated[
        Path | None,
        flag(
            "--query-ids",
            metavar="FILE",
            panel=_VECTORS,
            help="Whose row is whose: .txt with an id a line, or the column id of .csv, .tsv or .parquet. Default: the "
            "ids of the pairs, in their order; of a table, the order of first appearance.",
        ),
    ] = None
    document_ids: Annotated[
        Path | None, flag("--document-ids", metavar="FILE", panel=_VECTORS, help="The same for documents.")
    ] = None
    query_tensor: Annotated[
        str | None, flag("--query-tensor", metavar="NAME", panel=_VECTORS, help="Its name in a .safetensors file.")
    ] = None
    document_tensor: Annotated[
        str | None, flag("--document-tensor", metavar="NAME", panel=_VECTORS, help="The same for documents.")
    ] = None
    encoder: Annotated[
        str | None,
        flag(
            "--encoder",
            metavar="NAME",
            panel=_VECTORS,
            help="Instead of files: a sentence-transformers model, by name or folder, that encodes names or ids. With "
            "RUN: its own, where that is not found by its name.",
        ),
    ] = None

    @property
    def flags(self) -> dict[str, Any]:
        """The flags that were given, the run not among them."""
        return given(**{**vars(self), "run": None})


@dataclass(frozen=True, eq=False)
class _Subject:
    """What is diagnosed: both tables, their pairs, what it is called, what is known of its training."""

    queries: Any
    documents: Any
    pairs: Pairs
    label: str
    known: Known | None = None


def diagnose(
    vectors: VectorFlags,
    source: SourceFlags,
    quick: Annotated[bool, flag("--quick", panel=_OUTPUT, help="No training probes: signs alone, in seconds.")] = False,
    seed: Annotated[
        int | None, flag("--seed", metavar="N", panel=_OUTPUT, help="Of every random choice. Default: 0.")
    ] = None,
    json: Annotated[
        Path | None, flag("--json", metavar="FILE", panel=_OUTPUT, help="Write everything as JSON; - is stdout.")
    ] = None,
    plot: Annotated[
        Path | None, flag("--plot", metavar="FILE", panel=_OUTPUT, help="Draw recall by its slices: .png or .svg.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Say why recall is poor: sampling bias, capacity, under-training or wrong pairs, and what to try next.

    For a run, or for any vectors of any library with their pairs. Copies of the vectors are trained a little where
    that is the only way to tell; nothing that was given is changed.

    \b
      rootward diagnose runs/wordnet
      rootward diagnose --queries q.npy --documents d.npy --pairs pairs.parquet
      rootward diagnose --queries v.safetensors --documents v.safetensors --pairs clicks.csv --document-ids shop.txt
      rootward diagnose wordnet --encoder all-MiniLM-L6-v2 --quick
    """
    refuse_plot(plot)
    refuse_files(json=json)
    run = vectors.run
    if run is not None and vectors.flags:  # `diagnose wordnet --queries ...`: the one word names pairs, not a run
        is_run = source.source is not None or (run / "config.json").is_file()
        if is_run and list(vectors.flags) != ["encoder"]:
            raise InputError(f"The vectors are those of {run}; leave out the flags for vectors, or the run.")
        run, source = (run, source) if is_run else (None, replace(source, source=str(run)))
    subject = _of_run(run, source, vectors.encoder, not quiet) if run is not None else _of_vectors(source, vectors)
    from rootward.diagnosis import diagnose as find_out  # noqa: PLC0415

    found = find_out(
        subject.queries,
        subject.documents,
        subject.pairs,
        probes=not quick,
        known=subject.known,
        label=subject.label,
        progress=not quiet,
        **given(seed=seed),
    )
    if json != STDOUT:
        show(found)
    if json is not None:
        put(found.to_json(), json)
    if plot is not None:
        found.plot(plot)
        say(f"Drew {plot}.", quiet)


def _of_run(run: Path, source: SourceFlags, encoder: str | None, progress: bool) -> _Subject:
    """A run's vectors with its own pairs, or with others of the same ids."""
    from rootward.diagnosis.diagnose import known_of  # noqa: PLC0415
    from rootward.diagnosis.vectors import with_rows_of  # noqa: PLC0415
    from rootward.encoders import DualEncoder  # noqa: PLC0415
    from rootward.training.run import pairs_in  # noqa: PLC0415

    model = DualEncoder.load(run, encoder=encoder, progress=progress)
    if encoder is not None and model.settings()["query"]["kind"] not in ON_ENCODER:
        raise InputError(f"The vectors are those of {run}, which has no encoder; leave out --encoder, or the run.")
    pairs = read(source).pairs if source.is_given else pairs_in(run, model)
    pairs = with_rows_of(pairs, model.query_ids, model.document_ids)
    return _Subject(model.queries().vectors, model.document_vectors(), pairs, str(run), known_of(run))


def _of_vectors(source: SourceFlags, vectors: VectorFlags) -> _Subject:
    """Vectors of files or of an encoder, with the pairs of a source."""
    from rootward.diagnosis.vectors import check_count, encoded, read_ids, read_vectors, with_rows_of  # noqa: PLC0415

    if vectors.encoder is not None:
        if len(vectors.flags) > 1:
            raise InputError("--encoder makes the vectors of both sides; leave out the flags for files of vectors.")
        pairs = read(source).pairs
        return _Subject(*encoded(vectors.encoder, pairs), pairs, vectors.encoder)
    if vectors.queries is None or vectors.documents is None:
        raise InputError("Give a run (rootward diagnose RUN), --queries and --documents with --pairs, or --encoder.")
    pairs = read(source).pairs
    q = read_vectors(vectors.queries, "query", vectors.query_tensor)
    d = read_vectors(vectors.documents, "document", vectors.document_tensor)
    query_ids = None if vectors.query_ids is None else read_ids(vectors.query_ids)
    document_ids = None if vectors.document_ids is None else read_ids(vectors.document_ids)
    check_count(q, query_ids or pairs.query_ids, "query", query_ids is not None)
    check_count(d, document_ids or pairs.document_ids, "document", document_ids is not None)
    return _Subject(q, d, with_rows_of(pairs, query_ids, document_ids), vectors.queries.stem)
