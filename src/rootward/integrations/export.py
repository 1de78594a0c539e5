"""`export`: a trained model as a folder that other libraries and databases load."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors.torch import save_file

from rootward.encoders import DualEncoder, Tower
from rootward.encoders.dual_encoder import usual_lean
from rootward.encoders.towers import BaseTextTower, TiedTower
from rootward.errors import InputError, RunFolderError, visible
from rootward.evaluation import Report
from rootward.files import locked, sha256, sync_folder, writing
from rootward.folders import SEAL, SUMS
from rootward.integrations.onnx import write_graph
from rootward.integrations.sentence_transformers import reads_documents, write_modules
from rootward.integrations.vectors import write_vectors
from rootward.texts import LONGEST, what_is_read
from rootward.training import Run


def export(
    trained: Run | DualEncoder,
    folder: str | Path,
    format: Format = "sentence-transformers",
    *,
    report: Report | None = None,
) -> Path:
    """Write a model for other libraries or databases.

    The first two formats are of models that read texts, with a model card (README.md) that shows recall by distance.

    sentence-transformers: `SentenceTransformer(folder)` gives the vectors of `encode_queries(texts, lean=0)` by
    `encode_query` and the documents' by `encode_document`: documents="text" are read by their own tower, others are a
    table, found by their ids or, where no other has it, by their names. Frozen and full towers become standard
    modules. A static tower, and the static half of a joint one, hashes its features, for which there is no standard
    module: its folder needs rootward installed and `SentenceTransformer(folder, trust_remote_code=True)`.

    onnx: `query.onnx`, from tokens (frozen, full), weighted features (static) or both (joint; for these two
    `rootward.integrations.onnx.features_of` makes them of texts), to vectors; beside it `documents.safetensors` (tensor
    `documents`) and `documents.json` (their ids, row by row), and of an encoder `tokenizer.json`.

    vectors: of any model, `documents` and `queries`, each as .npy (float32, n x dim) and Parquet: ids, names, heights,
    ancestors, thresholds of answer sets, vectors; `vectors.json` says how they make answers. docs/databases.md loads
    them into Qdrant, pgvector, Elasticsearch and Milvus.

    `SHA256SUMS` has the checksum of every file, and `SHA256SUMS.sha256` that of this list, as other libraries check
    none. `check_export(folder)`, `rootward info FOLDER` or `sha256sum --check SHA256SUMS.sha256 SHA256SUMS` compare.

    Args:
        trained: a run, whose report goes into the card, or a model.
        folder: to be made and returned; it must not be there yet, and is whole or not there.
        format: see above.
        report: for the card in place of the run's own, which is of the queries that it was trained on: such as
            `rw.evaluate(run.model, split.test)`.

    Raises:
        InputError: neither run nor model, no such format, a report that is none or of another model, or one for
            vectors. For the first two formats: a model that reads no texts or has a tower of one's own, an encoder that
            cannot be written or gives other vectors than its modules.
        RunFolderError: the folder is there already, or cannot be made.
        InUseError: another process exports to it.
        WriteError: no room, or no permission. Nothing is left.
        MissingExtraError: sentence-transformers or onnx is needed and not installed.
    """
    if not isinstance(trained, Run | DualEncoder):
        raise InputError(
            f"export takes a run or a model, got {trained!r}; rw.Run.load(folder) and rw.DualEncoder.load(folder) read "
            "them."
        )
    model, own = (trained.model, trained.report) if isinstance(trained, Run) else (trained, None)
    if format not in get_args(Format):
        raise InputError(f"format must be one of {', '.join(map(repr, get_args(Format)))}, got {format!r}.")
    if format != "vectors" and not model.reads_texts:
        raise InputError(
            "This model looks its queries up and reads no texts, so there is nothing to export but its tables: "
            "format='vectors' writes these."
        )
    if report is not None and format == "vectors":
        raise InputError("A report goes into a model card, and format='vectors' writes none; leave it out.")
    if report is not None:
        _check_report(report, model)
    folder = Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be made ({error.strerror}); choose another folder.") from error
    # One writer at a time; what a killed one has left is removed, as everything until the folder is whole has one name.
    with locked(folder.with_name(f".{folder.name}.rootward-lock"), "rootward export", folder), writing(folder):
        if folder.exists():  # looked for here, so that the lock of a writer that was killed at its end goes, too
            raise RunFolderError(f"{folder} is there already; choose another folder to export to.")
        _write(model, folder, format, own if report is None else report, trained)
    return folder


def _write(model: DualEncoder, folder: Path, format: Format, report: Report | None, trained: Run | DualEncoder) -> None:
    """Write the folder, whole or not at all."""
    temporary = folder.with_name(f".{folder.name}.rootward-export")
    if temporary.exists() and not temporary.is_symlink():
        shutil.rmtree(temporary)
    try:
        temporary.mkdir()
        if format == "vectors":
            pairs, run = (trained.pairs, trained.folder) if isinstance(trained, Run) else (None, None)
            write_vectors(model, pairs, run, temporary)
        elif format == "sentence-transformers":
            write_modules(model, temporary)
        else:
            write_graph(model.query_tower, what_is_read(model.query_ids, model.query_texts), temporary)
            documents = model.document_vectors().detach().to("cpu", torch.float32).contiguous()
            save_file({"documents": documents}, temporary / "documents.safetensors")
            ids = json.dumps(list(model.document_ids), ensure_ascii=False)
            (temporary / "documents.json").write_text(ids, encoding="utf-8")
        if format != "vectors":
            (temporary / "README.md").write_text(card(model, report, format), encoding="utf-8")
        files = sorted(path.relative_to(temporary).as_posix() for path in temporary.rglob("*") if path.is_file())
        (temporary / SUMS).write_text(_sums(temporary, files), encoding="utf-8")
        (temporary / SEAL).write_text(_sums(temporary, [SUMS]), encoding="utf-8")
        _flush(temporary)
        os.replace(temporary, folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sums(folder: Path, names: Iterable[str]) -> str:
    """The lines of these files, as `sha256sum` writes and reads them."""
    return "".join(f"{sha256(folder / name)}  {name}\n" for name in names)


def check_export(folder: str | Path) -> tuple[str, ...]:
    """Check that an exported folder holds the files that were written, unchanged, and no others.

    All of it is read. Without rootward, `sha256sum --check SHA256SUMS.sha256 SHA256SUMS` in the folder does the same,
    but for files that were added.

    Args:
        folder: as `export` wrote it, or a copy.

    Returns:
        The names of its files, without the lists of checksums.

    Raises:
        RunFolderError: no export, or a damaged one: a file or a list of checksums is missing, changed or cut short, or
            a file is there that was not written. The message names it.
    """
    folder, remedy = Path(folder), "Export the model again, into another folder"
    if not any((folder / name).is_file() for name in (SUMS, SEAL)):
        raise RunFolderError(f"{folder} has no {SUMS}, so it is no folder that rootward export wrote. {remedy}.")
    try:
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        for name in (SUMS, SEAL):
            if name not in found:
                raise RunFolderError(f"{folder / name} is missing, so the export cannot be checked. {remedy}.")
        if (folder / SEAL).read_bytes() != _sums(folder, [SUMS]).encode():
            raise RunFolderError(f"{folder / SUMS} is not the list that {SEAL} has the checksum of. {remedy}.")
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        listed = {line[66:]: line[:64] for line in lines}
        if missing := sorted(listed.keys() - found):
            raise RunFolderError(f"{folder / missing[0]} is missing, though {SUMS} lists it. {remedy}.")
        if more := sorted(found - listed.keys() - {SUMS, SEAL}):
            raise RunFolderError(f"{folder / more[0]} was added: {SUMS} does not list it. Delete it, or leave it out.")
        for name, digest in listed.items():
            if sha256(folder / name) != digest:
                raise RunFolderError(f"{folder / name} is damaged: its checksum is not the one in {SUMS}. {remedy}.")
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{folder} cannot be read: {error}. {remedy}.") from error
    return tuple(listed)


def _flush(folder: Path) -> None:
    """Give all files below a folder the mode of any new file, and flush them to the disk."""
    mode = (folder / SUMS).stat().st_mode & 0o777
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.chmod(path, mode)
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)


def _check_report(report: Report, model: DualEncoder) -> None:
    if not isinstance(report, Report):
        raise InputError(
            f"report is what rw.evaluate gives or rw.Report.load reads; got {report!r}, a {type(report).__name__}."
        )
    measured, here = (report.dim, report.n_documents), (model.dim, len(model.document_ids))
    if measured != here:
        raise InputError(
            f"The report is of {measured[1]:,} documents at dim {measured[0]}, the model has {here[1]:,} at dim "
            f"{here[0]}. Measure this model: rw.evaluate(model, pairs)."
        )


Format = Literal["sentence-transformers", "onnx", "vectors"]

_HEAD = """---
library_name: {library}
pipeline_tag: sentence-similarity
tags:
- hierarchical-retrieval
- dual-encoder
- rootward
---

# Hierarchical retrieval

A dual encoder for hierarchical retrieval: a query's exact match and everything above it, by one inner product.
{n_queries:,} queries and {n_documents:,} documents were known to its training; vectors have {dim} dimensions, those of
queries lie on the unit sphere. Query tower: {query}. Documents: {documents}. Made with rootward.
"""

_MODULES = """
## Use

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder"{trust})
queries = model.encode_query(["a text"])
documents = model.encode_document([{example}])
scores = queries @ documents.T
```
{remark}"""

_GRAPH = """
## Use

`query.onnx` gives `vectors` of {inputs}. `documents.safetensors` holds the documents' vectors, `documents.json` their
ids, row by row; the score of a pair is the inner product.
{remark}"""

_MADE = "as `rootward.integrations.onnx.features_of` makes them of the run's query tower and some texts"
_FEATURES = f"`features`, `weights`, `texts` and `n_texts`, {_MADE}"
_TOKENS = "token ids and masks, as `tokenizer.json` makes them"
_BOTH = f"an encoder's tokens and masks beside `features`, `weights`, `texts` and `has_text`, {_MADE}"

_TRUST = """
Words and n-grams are hashed, which no standard module does: rootward must be installed (`pip install rootward`), and
`trust_remote_code=True` lets its modules be imported.
"""
_TABLE = """
Documents are a table: `encode_document` takes their ids, or names that only one of them has; other texts give zeros.
"""
_CONTROL = """
Texts are read as the encoder's own tokeniser reads them; rootward itself takes control characters for spaces, reads
{longest:,} characters at most and gives zeros for a text without a letter or digit.
"""
_MEASURED_LEANING = """
Queries that training did not see were measured leaning on known ones, as rootward searches; more on that below.
"""
_LEAN = """
Vectors are the texts' own: rootward's `encode_queries(texts, lean=0)`. Its searches let a text that training never saw
lean on the nearest query that training knew (here `lean={lean:g}`); that is not in this folder.
"""


def card(model: DualEncoder, report: Report | None, format: Format) -> str:
    """The model card in Markdown; `report` is shown as it was measured, with its queries; without one it says so."""
    modules, reads, query = format == "sentence-transformers", reads_documents(model), model.query_tower
    towers: list[Tower] = [query, model.document_tower] if modules and reads else [query]
    kinds = [(tower.has_features, tower.has_encoder) for tower in towers if isinstance(tower, BaseTextTower)]
    if isinstance(model.document_tower, TiedTower):
        documents = "the vector of their name and one of their own"
    else:
        documents = "a tower of their own that reads their texts" if reads else "a table"
    head = _HEAD.format(
        library="sentence-transformers" if modules else "onnx",
        n_queries=len(model.query_ids),
        n_documents=len(model.document_ids),
        dim=model.dim,
        query=_described(query) if isinstance(query, BaseTextTower) else query.settings()["kind"],
        documents=documents,
    )
    remark = _CONTROL.format(longest=LONGEST) if (False, True) in kinds else ""
    remark += _LEAN.format(lean=usual_lean(model.generality))
    if not modules:
        inputs = {(True, False): _FEATURES, (True, True): _BOTH}.get(kinds[0], _TOKENS)
        return head + _recall(report) + _GRAPH.format(inputs=inputs, remark=remark)
    hashes = any(has_features for has_features, _ in kinds)
    example = '"a document"' if reads else repr(model.document_ids[0])
    remark = (_TRUST if hashes else "") + remark + ("" if reads else _TABLE)
    trust = ", trust_remote_code=True" if hashes else ""
    return head + _recall(report) + _MODULES.format(trust=trust, example=example, remark=remark)


def _described(tower: BaseTextTower) -> str:
    """What a tower is made of, in words."""
    words = [] if tower.token_table is None else ["words and character n-grams, summed"]
    if (part := tower.encoder_part) is not None:
        name, how = part.encoder.name.rstrip("/").rpartition("/")[2], "trained on" if part.weights else "frozen"
        shown = visible(name).replace("`", "'")
        words.append(f"the encoder `{shown}`, {how}, and a trained head")
    return ", and ".join(words) + (", in equal shares" if len(words) > 1 else "")


def _recall(report: Report | None) -> str:
    """The figures under a title that says of which queries: those of training measure no others."""
    title = "## Recall at |S(q)| by distance"
    if report is None:
        return f"\n{title}\n\nNot measured.\n"
    unseen = report.n_unseen
    counts = {"training queries": report.n_queries - unseen, "queries that training did not see": unseen}
    whose = " and ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    leaning = _MEASURED_LEANING if unseen else ""
    return f"\n{title}, of {whose}\n\n{report.to_markdown().strip()}\n{leaning}"
