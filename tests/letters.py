"""A sentence encoder small enough to know by heart: how often each letter stands in a text, and how long it is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np


class Letters:
    """Deterministic, with a fingerprint, and it counts what it was asked."""

    fingerprint = "letters-1"

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def encode(self, texts):
        self.asked.append(list(texts))
        out = np.zeros((len(texts), 48), np.float32)
        for row, text in enumerate(texts):
            word = f"<{text.casefold()}>"
            for one, two in pairwise(word):
                out[row, (7 * ord(one) + 13 * ord(two)) % 48] += 1
        return out / np.maximum(1, np.linalg.norm(out, axis=1, keepdims=True))

    @property
    def n_asked(self) -> int:
        return sum(map(len, self.asked))


class Shouting(Letters):
    """Another encoder of the same width."""

    fingerprint = "shouting-1"

    def encode(self, texts):
        return -super().encode([text.upper() for text in texts])[:, ::-1]
