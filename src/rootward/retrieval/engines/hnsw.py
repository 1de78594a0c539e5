"""FAISS HNSW: a graph of documents, for the k best without a filter.

A graph search down to a threshold, or past most documents, misses many (measured: .72 of a range at 1M), so `range` and
filtered searches score all the float32 vectors instead, exactly.
"""
# ruff: noqa: D102 (methods without a docstring are those of `Engine`)

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rootward.files import atomic_write
from rootward.retrieval.catalogue import Ancestors
from rootward.retrieval.engines import faiss_files
from rootward.retrieval.engines.engine import Engine, Found, Settings, Where, as_documents, as_queries
from rootward.retrieval.engines.exact import Exact
from rootward.retrieval.engines.faiss_files import faiss, selector
from rootward.retrieval.engines.ivf import sort_ties_by_row
from rootward.scoring import Ints

REBUILT_ABOVE = 0.1
"""`commit` builds the graph again when more than this share of its nodes are deleted documents."""

_BREADTHS = [16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096]


class Hnsw(Engine):
    """A graph over float32 vectors. Make one with `prepared`, or `load`.

    FAISS cannot remove a node from its graph. Deleted and replaced documents stay in it as links to others and are
    never returned; `commit` builds the graph again when they are more than a tenth of it.
    """

    name = "hnsw"
    exact = False
    durable = False
    effort_name = "efSearch"

    def __init__(self, index: Any, rows: Ints, effort: int = 64) -> None:
        self._index, self.dim = index, int(index.d)
        self._rows = rows  # of each node of the graph; -1 for deleted documents
        self.effort = effort

    @classmethod
    def prepared(cls, documents: Tensor, *, links: int = 32, breadth: int = 64) -> Self:
        """An engine without documents, for vectors as wide as these.

        Args:
            documents: n x dim; only the width counts, nothing is learned.
            links: edges of a node; 8 bytes each.
            breadth: of the search for neighbours of a new node (efConstruction); more is slower and better.

        Raises:
            MissingExtraError: FAISS is not installed.
        """
        return cls(_empty(documents.shape[1], links, breadth), np.empty(0, np.int64))

    @property
    def settings(self) -> dict[str, Any]:
        """The breadth of a search."""
        return {"efSearch": self.effort}

    def efforts(self) -> list[int]:
        """Breadths worth trying."""
        return list(_BREADTHS)

    def count(self) -> int:
        return int(np.count_nonzero(self._rows >= 0))

    def search(self, queries: Tensor, k: int, where: Where | None = None) -> Found:
        """The k best documents by graph search; with `where` the k best allowed ones, exactly."""
        vectors = as_queries(queries, self.dim)
        k = min(k, self.count())
        if where is not None or not k or not len(vectors):
            return self._scan(where).search(torch.from_numpy(vectors), k)
        alive = self._rows >= 0
        chosen, _bits = (None, None) if alive.all() else selector(alive)
        only = {} if chosen is None else {"sel": chosen}
        parameters = faiss().SearchParametersHNSW(efSearch=max(self.effort, k), **only)
        scores, nodes = self._index.search(vectors, k, params=parameters)
        rows = self._rows[nodes]
        if len(short := np.flatnonzero(nodes[:, -1] < 0)):
            # a graph search can end with fewer than k; these few queries are scored against all documents
            whole = self._scan(None).search(torch.from_numpy(vectors[short]), k)
            rows[short], scores[short] = whole.rows.reshape(-1, k), whole.scores.reshape(-1, k)
        sort_ties_by_row(rows, scores)
        return Found(np.arange(len(vectors) + 1) * k, rows.ravel(), scores.ravel(), exact=False)

    def range(
        self, queries: Tensor, thresholds: npt.NDArray[np.float32], where: Where | None = None, cap: int | None = None
    ) -> Found:
        """The allowed documents that score at least the threshold of their query, exactly."""
        return self._scan(where).range(queries, thresholds, cap=cap)

    def _scan(self, where: Where | None) -> Exact:
        """Exact search of the allowed documents."""
        nodes = np.flatnonzero(self._rows >= 0)
        if where is not None:
            nodes = nodes[np.isin(self._rows[nodes], where.rows, assume_unique=True)]
        nodes = nodes[np.argsort(self._rows[nodes])]
        in_place = len(nodes) == len(self._rows) and bool((np.diff(nodes) > 0).all())
        vectors = torch.from_numpy(self._vectors())
        return Exact.over(vectors if in_place else vectors[torch.from_numpy(nodes)], self._rows[nodes])

    def _vectors(self) -> npt.NDArray[np.float32]:
        """The vectors of all nodes: a view of FAISS' own memory."""
        if not len(self._rows):
            return np.empty((0, self.dim), np.float32)
        flat = faiss().downcast_index(self._index.storage).get_xb()
        view: npt.NDArray[np.float32] = faiss().rev_swig_ptr(flat, len(self._rows) * self.dim)
        return view.reshape(-1, self.dim)

    def upsert(self, rows: npt.ArrayLike, vectors: Tensor, ancestors: Ancestors | None = None) -> None:
        new, documents = as_documents(rows, vectors, self.dim)
        self.delete(new)
        if len(new):
            self._index.add(documents.float().numpy())
            self._rows = np.concatenate([self._rows, new])

    def delete(self, rows: npt.ArrayLike) -> None:
        self._rows = np.where(np.isin(self._rows, np.asarray(rows, np.int64)), -1, self._rows)

    def commit(self) -> None:
        """Build the graph again where many of its nodes are deleted. Changes are visible without it, too."""
        if np.count_nonzero(self._rows < 0) > REBUILT_ABOVE * len(self._rows):
            held, graph = self._scan(None), self._index.hnsw
            fresh = _empty(self.dim, graph.nb_neighbors(1), graph.efConstruction)
            if held.count():
                fresh.add(np.ascontiguousarray(held.documents.numpy()))
            self._index, self._rows = fresh, held.rows

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write a FAISS file, and the rows of its nodes."""
        graph, rows = f"hnsw-{mark}.faiss", f"hnsw-{mark}.safetensors"
        faiss_files.write(self._index, folder / graph)
        atomic_write(folder / rows, lambda path: save_file({"rows": torch.from_numpy(self._rows)}, path))
        return graph, rows

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Self:
        graph, rows = files
        index, held = faiss_files.read(folder / graph), load_file(folder / rows)["rows"].numpy()
        if held.dtype != np.int64 or held.shape != (index.ntotal,) or held.min(initial=-1) < -1:
            raise ValueError(f"{folder / rows} must hold a row number (int64) for each of {index.ntotal:,} nodes")
        return cls(index, held, settings["efSearch"])


def _empty(dim: int, links: int, breadth: int) -> Any:
    index = faiss().IndexHNSWFlat(dim, links, faiss().METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = breadth
    return index
