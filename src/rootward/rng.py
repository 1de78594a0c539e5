"""Named, independent random streams from one seed.

Every random choice names its stream, so that a new choice changes no number of another:

    stream(0, "split").permutation(10)
    stream(0, "batches", 3)          # the third epoch's order

The same seed and names give the same numbers on every machine and version of Python.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """The random stream of this seed with this name. Streams with different names are independent."""
    digest = hashlib.sha256("\x1f".join([str(seed), *map(str, names)]).encode()).digest()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest[:16], "little"))))
