"""What a file gives before it is `Pairs`: the arguments of `Pairs.from_arrays`, by name."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rootward.pairs.ids import Ids
from rootward.pairs.texts import Texts


class Parts(NamedTuple):
    """Both id tables and one (query row, document row, distance) a pair, in any order."""

    query_ids: Ids
    document_ids: Ids
    queries: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int64]
    distances: npt.NDArray[np.int64]
    query_texts: Texts | None = None
    document_texts: Texts | None = None
    notes: tuple[str, ...] = ()
