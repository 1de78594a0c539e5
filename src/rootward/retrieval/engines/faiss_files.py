"""FAISS: import, files, selectors, and calls that its Python interface lacks; shared by `ivf.py` and `hnsw.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from rootward.errors import MissingExtraError
from rootward.files import atomic_write
from rootward.retrieval.engines.engine import Flags
from rootward.scoring import Ints

Number = TypeVar("Number", bound=np.generic)


def faiss(what: str = "The engines ivf, ivf-sq8 and hnsw") -> Any:
    """The FAISS module, which `what` needs.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import faiss as module  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(what, "index") from error
    return module


def write(index: Any, path: Path) -> None:
    """Write a FAISS index atomically."""
    atomic_write(path, lambda temporary: faiss().write_index(index, str(temporary)))


def read(path: Path) -> Any:
    """Read a FAISS index; check the file's checksum before, as FAISS trusts what it reads."""
    return faiss().read_index(str(path))


def add_to_lists(index: Any, vectors: npt.NDArray[np.float32], lists: Ints, rows: Ints) -> None:
    """Add vectors to these lists, in place of the nearest ones; a row may go to several."""
    module = faiss()
    vectors = np.ascontiguousarray(vectors)
    numbers, places = np.ascontiguousarray(rows), np.ascontiguousarray(lists)
    index.add_core(len(rows), module.swig_ptr(vectors), module.swig_ptr(numbers), module.swig_ptr(places))


def best_of(
    queries: npt.NDArray[np.float32], documents: npt.NDArray[np.float32], places: Ints, k: int
) -> tuple[npt.NDArray[np.float32], Ints]:
    """(scores, places), n x k, best first: the k best for each query of the documents at its line of `places`, n x m.

    A line ends at the first -1; where it has fewer than k, the answer has -1 too.
    """
    module = faiss()
    scores, chosen = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    x, y, among, values, numbers = map(module.swig_ptr, (queries, documents, places, scores, chosen))
    dim, wide = documents.shape[1], places.shape[1]  # without the last argument FAISS reads other lines of places
    module.knn_inner_products_by_idx(x, y, among, dim, len(queries), len(documents), wide, k, values, numbers, wide)
    return scores, chosen


def selector(allowed: Flags) -> tuple[Any, Any]:
    """(FAISS selector of the rows where `allowed` is set, its bits: FAISS keeps only a pointer to them)."""
    bits = np.packbits(allowed, bitorder="little")
    return faiss().IDSelectorBitmap(bits), bits


def flags_of(rows: Ints, length: int) -> Flags:
    """One flag a row below `length`, set for these rows; rows beyond are ignored."""
    flags = np.zeros(length, np.bool_)
    flags[rows[rows < length]] = True
    return flags


def lengthened(array: npt.NDArray[Number], length: int, fill: int = 0) -> npt.NDArray[Number]:
    """The same array, extended to at least this length; by doubling, so that repeated adding stays cheap."""
    if length <= len(array):
        return array
    longer = np.zeros((max(length, 2 * len(array)), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    if fill:
        longer[len(array) :] = fill
    return longer
