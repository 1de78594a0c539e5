"""A dimension for every document: exact for any relevant sets, and as wide as it sounds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rootward.errors import InputError
from rootward.pairs import Pairs

MOST_BYTES = 4 << 30
"""Of the two tables: the width grows with the documents, and they with it."""


def one_hot(pairs: Pairs) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Queries and documents (float64, n_documents wide): unit axes, and the normalised sum of a query's own.

    A relevant document scores 1 / sqrt(|S(q)|), every other exactly 0: the largest gap that unit vectors can have.

    Raises:
        InputError: the tables would take more than 4 GiB.
    """
    n, m = pairs.n_queries, pairs.n_documents
    if 8 * m * (n + m) > MOST_BYTES:
        raise InputError(
            f"one_hot takes a dimension for each of {m:,} documents: {8 * m * (n + m) / 2**30:,.0f} GiB for both "
            f"tables. Take method='gaussian', which needs far fewer, or 'moment_curve', exact in "
            f"{2 * int(pairs.sizes.max(initial=1))}."
        )
    queries = np.zeros((n, m))
    queries[pairs.query_of, pairs.documents] = 1 / np.sqrt(pairs.sizes[pairs.query_of])
    return queries, np.eye(m)
