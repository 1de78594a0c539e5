"""A model as tables of vectors, for databases that search vectors themselves."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from rootward.encoders import DualEncoder
from rootward.errors import InputError
from rootward.folders import CLASSIFIER
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Index
from rootward.retrieval.catalogue import Ancestors
from rootward.retrieval.searcher import run_calibration
from rootward.texts import Texts

ABOUT = "vectors.json"
FORMAT = 1
_BLOCK = 8192

_COLUMNS = {
    "row": "position in the .npy file, from 0",
    "id": "",
    "name": "the preferred name, '' without one",
    "synonyms": "other names of the same",
    "definition": "a description, '' without one",
    "height": "how general a document is: accepted documents are shown by ascending height",
    "depth": "hops from the nearest root, 0 for roots; -1 outside the hierarchy",
    "ancestors": "ids of all documents that stand above, the nearest first; without the document itself",
    "threshold": "documents that score at least this are the query's answer set; null where unknown",
    "vector": "float32, as in the .npy file",
}


def write_vectors(model: DualEncoder, pairs: Pairs | None, run: Path | None, folder: Path) -> None:
    """Write `documents` and `queries` as .npy and Parquet, and `vectors.json`, which says how scores are computed.

    Vectors of queries are those that a search uses, and thresholds those of its answer sets: from training, or from the
    run's calibration.

    Args:
        model: of any towers.
        pairs: of its documents, which tell their ancestors; None where unknown.
        run: the folder of the run, which may hold a calibration and a classifier; None for neither.
        folder: is there already.
    """
    above = _ancestors(pairs, model.document_ids)
    documents = model.document_vectors().numpy(force=True).astype(np.float32)
    own: dict[str, Any] = {"height": pa.array(np.array(model.heights, np.float32))}
    if above is not None:
        own |= {"depth": pa.array(above.depth), "ancestors": _labels_above(above, model.document_ids)}
    written = {"documents": _write(folder, "documents", model.document_ids, model.document_texts, own, documents)}
    queries, thresholds = _queries(model, run)
    own = {"threshold": pa.array(thresholds, mask=np.isnan(thresholds))}
    written["queries"] = _write(folder, "queries", model.query_ids, model.query_texts, own, queries)
    about = {
        "format": FORMAT,
        "made_by": f"rootward {version('rootward')}",
        "model": model.fingerprint(),
        "dim": model.dim,
        "score": "inner product of a query's and a document's vector; higher is better; vectors are used as they are",
        "answer_set": "all documents that score at least the threshold of the query",
        "order": "the answer set by ascending height, of equals the higher score, then the lower row",
        "longest_document": float(np.linalg.norm(documents, axis=1).max(initial=0.0)),
        "longest_query": float(np.linalg.norm(queries, axis=1).max(initial=0.0)),
        "queries_with_threshold": int((~np.isnan(thresholds)).sum()),
        "other_texts": _OTHER_TEXTS if model.reads_texts else "are refused: this model looks its queries up",
        "classifier": _CLASSIFIER if run is not None and (run / CLASSIFIER).is_dir() else None,
        "files": written,
    }
    (folder / ABOUT).write_text(json.dumps(about, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


_OTHER_TEXTS = (
    "vector and threshold of any text: rootward.DualEncoder.load(run).encode_queries([text]) gives both; NaN is no "
    "threshold, and a zero vector has no answers"
)
_CLASSIFIER = "the run also has a classifier, whose answers are not those of these vectors"


def _ancestors(pairs: Pairs | None, ids: Ids) -> Ancestors | None:
    try:
        return None if pairs is None else Ancestors.of(pairs, ids)
    except InputError:  # pairs of no hierarchy
        return None


def _labels_above(above: Ancestors, ids: Ids) -> pa.Array:
    """Each document's ancestors as a list of ids, without itself."""
    kept = above.hops > 0
    offsets = np.concatenate([[0], np.cumsum(kept)])[above.offsets]
    labels = pa.array(list(ids), pa.string()).dictionary_encode()
    values = pa.DictionaryArray.from_arrays(
        labels.indices.take(pa.array(above.rows[kept].astype(np.int64))), labels.dictionary
    )
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values.cast(pa.string()))


def _queries(model: DualEncoder, run: Path | None) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(vectors, thresholds) of all queries, as a search of the run has them."""
    queries = model.queries()
    vectors, thresholds = queries.vectors.numpy(force=True).astype(np.float32), queries.thresholds.numpy(force=True)
    calibration = None if run is None else run_calibration(run, model)[0]
    unknown = np.flatnonzero(np.isnan(thresholds))
    if calibration is not None and len(unknown):
        index, thresholds = Index.build(model).calibrated(calibration), thresholds.copy()
        for start in range(0, len(unknown), _BLOCK):
            some = unknown[start : start + _BLOCK]
            thresholds[some] = index.search(vectors[some], k=1).thresholds
    return vectors, thresholds.astype(np.float32)


def _write(
    folder: Path,
    name: str,
    ids: Ids,
    texts: Texts | None,
    own: dict[str, pa.Array],
    vectors: npt.NDArray[np.float32],
) -> dict[str, Any]:
    """Write one table and its vectors; returns what `vectors.json` says of them."""
    columns = {"row": pa.array(np.arange(len(ids))), "id": pa.array(list(ids), pa.string())}
    columns |= {} if texts is None else texts.columns()
    flat = pa.array(np.ascontiguousarray(vectors).ravel())
    columns |= {**own, "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
    np.save(folder / f"{name}.npy", vectors)
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return {
        "rows": len(ids),
        "vectors": f"{name}.npy",
        "table": f"{name}.parquet",
        "columns": {column: _COLUMNS[column] or f"of the {'document' if name == 'documents' else 'query'}"
                    for column in columns},
    }  # fmt: skip
