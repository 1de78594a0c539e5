"""Several vectors a document: engines hold one row a vector, and the best vector of a document counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rootward.csr import offsets_of
from rootward.retrieval.catalogue import Catalogue
from rootward.retrieval.engines.engine import Engine, Found, Where, best_first
from rootward.scoring import Floats, Ints


@dataclass(frozen=True, eq=False)
class Merged:
    """`search` and `range` of an engine, in rows of documents in place of rows of vectors.

    A document scores as much as its best vector and is found once. What is found is as exact as the engine is: more
    vectors are searched until k different documents are certain.

    Attributes:
        engine: holds the vectors.
        catalogue: says which document each of the engine's rows belongs to (`Catalogue.owners`).
    """

    engine: Engine
    catalogue: Catalogue

    def search(self, queries: Tensor, k: int, where: Where | None = None) -> Found:
        """The k best allowed documents of each query, as `Engine.search`."""
        allowed = self._vectors_of(where)
        return self._until_certain(queries, k, lambda some, _, n: self.engine.search(some, n, allowed)).first(k)

    def range(
        self, queries: Tensor, thresholds: npt.NDArray[np.float32], where: Where | None = None, cap: int | None = None
    ) -> Found:
        """The allowed documents that score at least the threshold of their query, as `Engine.range`."""
        allowed = self._vectors_of(where)
        if cap is None:
            return self._merge(self.engine.range(queries, thresholds, allowed))
        found = self._until_certain(
            queries, cap + 1, lambda some, left, n: self.engine.range(some, thresholds[left], allowed, n)
        )
        return found.capped(cap)

    def _until_certain(self, queries: Tensor, k: int, find: Callable[[Tensor, Ints, int], Found]) -> Found:
        """At least the k best documents of each query, all of them where there are fewer.

        Args:
            queries: n x dim.
            k: documents.
            find: (some queries, their rows, n) to the n best vectors of each, or of those that reach a threshold.
        """
        parts: list[tuple[Ints, Ints, Floats]] = []
        left, n = np.arange(len(queries)), 2 * k + 16
        exact, truncated = True, None
        while len(left) or not parts:
            some = queries if len(left) == len(queries) else queries[left.tolist()]
            found = find(some, left, n)
            merged = self._merge(found)
            full = np.diff(found.offsets) >= n
            certain = np.ones(len(merged.rows), np.bool_)
            if self.engine.exact and not self.catalogue.in_order and full.any():
                # a vector that ties with the last one may be cut off though its document's row is lower
                last = np.full(len(left), -np.inf)
                last[full] = found.scores[found.offsets[1:][full] - 1]
                certain = merged.scores > last[merged.place]
            enough = np.bincount(merged.place[certain], minlength=len(left)) >= k
            done = enough | ~full
            kept = done[merged.place]
            parts.append((left[merged.place[kept]], merged.rows[kept], merged.scores[kept]))
            exact = exact and found.exact
            if found.truncated is not None:
                truncated = np.zeros(len(queries), np.bool_) if truncated is None else truncated
                truncated[left[done]] = (found.truncated & ~enough)[done]
            left, n = left[~done], 4 * n
        return replace(best_first(parts, len(queries), exact=exact), truncated=truncated)

    def _merge(self, found: Found) -> Found:
        """Documents of these vectors, each once with its best score, equal scores in ascending row order."""
        assert self.catalogue.owners is not None
        documents = self.catalogue.owners[found.rows]
        order = np.lexsort((documents, -found.scores, found.place))
        _, first = np.unique(found.place * len(self.catalogue.ids) + documents[order], return_index=True)
        best = order[np.sort(first)]
        sizes = np.bincount(found.place[best], minlength=len(found))
        return replace(found, offsets=offsets_of(sizes), rows=documents[best], scores=found.scores[best])

    def _vectors_of(self, where: Where | None) -> Where | None:
        """The same condition in the engine's rows; ancestors and depths are those of the vector's document."""
        if where is None:
            return None
        rows = self.catalogue.vectors_of
        conditions = where.conditions and tuple(
            replace(each, values=tuple(rows(each.values).tolist())) if each.field == "row" else each
            for each in where.conditions
        )
        return Where(rows(where.rows), conditions)
