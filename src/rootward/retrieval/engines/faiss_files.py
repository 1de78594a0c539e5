"""The door to FAISS: import, files, selections. What `ivf.py` and `hnsw.py` share, and nothing that searches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rootward.errors import MissingExtraError
from rootward.files import atomic_write
from rootward.scoring import Ints

Flags = npt.NDArray[np.bool_]


def faiss(what: str = "The engines ivf, ivf-sq8 and hnsw") -> Any:
    """The module, for `what` that needs it.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import faiss as module  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(what, "index") from error
    return module


def write(index: Any, path: Path) -> None:
    """Write a FAISS index, whole or not at all."""
    atomic_write(path, lambda temporary: faiss().write_index(index, str(temporary)))


def read(path: Path) -> Any:
    """Read a FAISS index; whoever calls has checked the file's checksum, FAISS itself trusts what it reads."""
    return faiss().read_index(str(path))


def add_to_lists(index: Any, vectors: npt.NDArray[np.float32], lists: Ints, rows: Ints) -> None:
    """Put vectors into lists of one's own choice, in place of the nearest one; a row may go into several."""
    module = faiss()
    vectors = np.ascontiguousarray(vectors)
    numbers, places = np.ascontiguousarray(rows), np.ascontiguousarray(lists)
    index.add_core(len(rows), module.swig_ptr(vectors), module.swig_ptr(numbers), module.swig_ptr(places))


def best_of(
    queries: npt.NDArray[np.float32], documents: npt.NDArray[np.float32], places: Ints, k: int
) -> tuple[npt.NDArray[np.float32], Ints]:
    """(scores, places), n x k: the k best of the documents at `places`, n x m, for each query, best first.

    A line of `places` ends at the first -1; where it holds fewer than k, so do the answers.
    """
    module = faiss()
    scores, chosen = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    x, y, among, values, numbers = map(module.swig_ptr, (queries, documents, places, scores, chosen))
    dim, wide = documents.shape[1], places.shape[1]  # without the last argument FAISS reads other lines of places
    module.knn_inner_products_by_idx(x, y, among, dim, len(queries), len(documents), wide, k, values, numbers, wide)
    return scores, chosen


def selector(allowed: Flags) -> tuple[Any, Any]:
    """(a selector of the ids where `allowed` is set, what must stay alive as long as it).

    FAISS keeps a pointer to the bits and no reference.
    """
    bits = np.packbits(allowed, bitorder="little")
    return faiss().IDSelectorBitmap(bits), bits


def flags_of(rows: Ints, length: int) -> Flags:
    """One flag a row below `length`, set for these rows; rows beyond are passed over."""
    flags = np.zeros(length, np.bool_)
    flags[rows[rows < length]] = True
    return flags


def lengthened(flags: Flags, length: int) -> Flags:
    """The same flags, at least so many of them; doubled in size, so that adding often stays cheap."""
    if length <= len(flags):
        return flags
    longer = np.zeros(max(length, 2 * len(flags)), np.bool_)
    longer[: len(flags)] = flags
    return longer
