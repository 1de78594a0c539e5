"""What stands above each document, as a list: enough to filter by the hierarchy without the graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rootward.pairs.ragged import expand, offsets_of

Rows = npt.NDArray[np.int64]
Rows32 = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Lineage:
    """The ancestors of some documents as CSR: those of document i are ancestors[offsets[i]:offsets[i + 1]].

    A document is its own ancestor at 0 hops; the nearest come first.

    Attributes:
        depth: int32, one a document: hops from the nearest root, 0 for roots; -1 where the document stands in no
            hierarchy (its list is then empty).
        offsets: int64, one longer.
        ancestors: int32 document rows.
        hops: int32, one an ancestor.
    """

    depth: Rows32
    offsets: Rows
    ancestors: Rows32
    hops: Rows32

    def __len__(self) -> int:
        return len(self.depth)

    def take(self, rows: npt.ArrayLike) -> Lineage:
        """The lists of these documents, in their order."""
        wanted = np.asarray(rows, np.int64)
        _, entry = expand(self.offsets, wanted)
        sizes = np.diff(self.offsets)[wanted]
        return Lineage(self.depth[wanted], offsets_of(sizes), self.ancestors[entry], self.hops[entry])
