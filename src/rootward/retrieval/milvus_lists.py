"""Milvus with its documents in lists, of which a search looks at some: IVF, in float32 or in bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rootward.evaluation.blocks import Floats, Ints
from rootward.retrieval.collection import Collection
from rootward.retrieval.engine import Where
from rootward.retrieval.milvus import Consistency, Milvus


class MilvusLists(Milvus):
    """Documents in lists (IVF), of which `effort` are looked at; with "ivf-sq8" a byte a number in memory."""

    exact = False
    effort_name = "probes"

    def __init__(self, collection: Collection, consistency: Consistency = "Bounded") -> None:
        super().__init__(collection, consistency)
        self.effort, self._lists_made = 1, 0
        self._measure()

    @property
    def settings(self) -> dict[str, Any]:
        """As of `Milvus`, and how many lists are looked at."""
        return {**super().settings, "effort": self.effort}

    def _measure(self) -> None:
        """How many documents and lists there are. A sixteenth of the lists is where an untuned search starts."""
        index = self.collection.indexed()
        before, self._lists_made = self._lists_made, int(index["nlist"]) if index else 0
        self._count = self.count()
        if self._lists_made != before:
            self.effort = max(1, self._lists_made // 16)

    def efforts(self) -> list[int]:
        """1, 2, 4, ... lists, and all of them."""
        lists = max(1, self._lists_made)
        return [2**i for i in range(math.ceil(math.log2(lists)))] + [lists]

    def commit(self) -> None:
        """As `Milvus.commit`; the first one makes the lists."""
        super().commit()
        self._measure()

    def _index_parameters(self) -> dict[str, Any]:
        """4 sqrt(n) lists, as many as a quarter of a list has documents."""
        return {"nlist": max(1, min(65_536, round(4 * math.sqrt(self._fresh))))}

    def _probing(self, where: Where | None) -> dict[str, Any]:
        """As many more lists as documents are forbidden: each holds fewer that count."""
        share = 1.0 if where is None else len(where.rows) / max(1, self._count)
        return {"nprobe": max(1, min(self._lists_made, math.ceil(self.effort / max(share, 1e-9))))}

    def _hits(self, block: Floats, k: int, told: str, probing: dict[str, Any]) -> tuple[Ints, Ints, Floats]:
        """(how many each query of a block has, rows, scores); those of quantised documents from their vectors."""
        if self.kind != "ivf-sq8":
            return super()._hits(block, k, told, probing)
        answer = self._answer(block, k, told, probing, output_fields=["vector"])
        sizes = np.array([len(hits.ids) for hits in answer], np.int64)
        rows = np.array([row for hits in answer for row in hits.ids], np.int64)
        vectors = np.array([hit["entity"]["vector"] for hits in answer for hit in hits], np.float32)
        queries = np.repeat(block, sizes, axis=0)
        return sizes, rows, np.einsum("ij,ij->i", vectors.reshape(len(rows), self.dim), queries)

    @property
    def _hit_bytes(self) -> int:
        return 16 + 4 * self.dim * (self.kind == "ivf-sq8")
