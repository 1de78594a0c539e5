"""Texts as bags of features: hashes of words, pairs of words and character n-grams, weighted by idf."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.csr import offsets_of
from rootward.errors import InputError
from rootward.ids import MappedIds
from rootward.texts import normal_form

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

LATE_FROM = 1 << 18
"""Texts on disk of which a tower keeps no features in memory; of fewer it does, a hundred megabytes."""

_AT_A_TIME = 8_192  # texts
_WAITING = 1 << 21  # features of texts that are counted together, at least


@dataclass(frozen=True)
class Grams:
    """Which features a text has: its words, the n-grams of each word between two marks, as in <nose>, and maybe pairs.

    Attributes:
        shortest, longest: of the n-grams, in characters.
        pairs: whether two words that follow each other are a feature too: "hearing loss" is more than its words.

    Raises:
        InputError: not 1 <= shortest <= longest.
    """

    shortest: int = 3
    longest: int = 5
    pairs: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.longest:
            raise InputError(
                f"n-grams run from at least 1 to no less than where they start, got {self.shortest} to {self.longest}."
            )

    def of(self, text: str) -> Ints:
        """The hash of every feature of a text, repeated ones repeated; none where its normal form is empty."""
        words = normal_form(text).split()
        found = [_of_word(word, self.shortest, self.longest) for word in words]
        if self.pairs:
            found.append(np.array([_hashed(f"pair {one} {two}") for one, two in pairwise(words)], np.int64))
        return np.concatenate(found or [_NONE])


@lru_cache(maxsize=1 << 16)
def _of_word(word: str, shortest: int, longest: int) -> Ints:
    marked = f"<{word}>"
    grams = {marked[i : i + n] for n in range(shortest, longest + 1) for i in range(len(marked) - n + 1)}
    return np.array([_hashed(f"word {word}"), *(_hashed(f"gram {gram}") for gram in sorted(grams))], np.int64)


def _hashed(feature: str) -> int:
    """Eight bytes that are the same on every machine, unlike Python's `hash`."""
    digest = hashlib.blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


@dataclass(frozen=True, eq=False)
class Bags:
    """Texts as weighted features, CSR: text i has features[offsets[i]:offsets[i + 1]], ascending.

    Attributes:
        offsets: int64, n + 1.
        features: int64 rows of the vocabulary.
        weights: float32; the squares of a text's weights add up to 1, those of a text without known features to 0.
    """

    offsets: Ints
    features: Ints
    weights: Floats

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def texts(self) -> Ints:
        """Which text each feature is of."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether a text has any known feature."""
        return np.diff(self.offsets) > 0

    def holding(self, texts: Ints) -> tuple[Bags, Ints]:
        """Bags that hold these texts, and their rows there: these bags themselves."""
        return self, texts


@dataclass(frozen=True, eq=False)
class LateBags:
    """As `Bags`, for texts on disk: features are computed when needed and not kept.

    Attributes:
        vocabulary: the features that are known.
        texts: all of them.
    """

    vocabulary: Vocabulary
    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether a text has any known feature."""
        starts = range(0, len(self), _AT_A_TIME)
        return np.concatenate([self.vocabulary.bags(self.texts[i : i + _AT_A_TIME]).known for i in starts])

    def holding(self, texts: Ints) -> tuple[Bags, Ints]:
        """Bags of these texts alone, and their rows there."""
        return self.vocabulary.bags(self.texts[row] for row in texts), np.arange(len(texts))


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The features that the texts of a training had, and how rare each of them is.

    Attributes:
        grams: which features a text has.
        hashes: int64, ascending; row i is the i-th.
        idf: float32, the square root of log((1 + texts) / (0.5 + texts with it)): with the log itself what is rare
            drowns what words have in common, docs/lab-log.md.
    """

    grams: Grams
    hashes: Tensor
    idf: Tensor

    @classmethod
    def of(cls, texts: Iterable[str], grams: Grams) -> Vocabulary:
        """The features of these texts, which are read once, one after the other.

        Raises:
            InputError: they have none.
        """
        n_texts, n_waiting = 0, 0
        hashes, counts, waiting = _NONE, _NONE, list[Ints]()
        for text in texts:
            waiting.append(np.unique(grams.of(text)))
            n_texts, n_waiting = n_texts + 1, n_waiting + len(waiting[-1])
            if n_waiting > max(_WAITING, len(hashes)):  # so that what is known is sorted in a few times only
                (hashes, counts), waiting, n_waiting = _with_counts(hashes, counts, waiting), [], 0
        hashes, counts = _with_counts(hashes, counts, waiting)
        if not len(hashes):
            raise InputError(f"A text tower learns from texts with letters or digits; the {n_texts:,} here have none.")
        idf = np.sqrt(np.log((1 + n_texts) / (0.5 + counts))).astype(np.float32)
        return cls(grams, torch.from_numpy(hashes), torch.from_numpy(idf))

    def __len__(self) -> int:
        return len(self.hashes)

    def bags_of_rows(self, texts: Iterable[str]) -> Bags | LateBags:
        """The features of the texts of a tower's rows; of many texts on disk they are computed when needed."""
        if isinstance(texts, MappedIds) and len(texts) > LATE_FROM:
            return LateBags(self, texts)
        return self.bags(texts)

    def bags(self, texts: Iterable[str]) -> Bags:
        """The known features of each text; a feature that stands twice counts twice, unknown ones count nothing.

        So many texts at a time, that of a million titles only the features that are known need memory.
        """
        listed = list(texts)
        blocks = [self._bags(listed[i : i + _AT_A_TIME]) for i in range(0, max(1, len(listed)), _AT_A_TIME)]
        sizes, features, weights = (np.concatenate(columns) for columns in zip(*blocks, strict=True))
        return Bags(offsets_of(sizes), features, weights)

    def _bags(self, texts: Sequence[str]) -> tuple[Ints, Ints, Floats]:
        """How many features each text has, their rows, and their weights."""
        hashed = [self.grams.of(text) for text in texts]
        place = np.repeat(np.arange(len(texts)), [len(each) for each in hashed])
        hashes = np.concatenate([_NONE, *hashed])
        table = self.hashes.numpy()
        rows = np.minimum(np.searchsorted(table, hashes), len(table) - 1)
        known = table[rows] == hashes
        keys, times = np.unique(place[known] * max(1, len(self)) + rows[known], return_counts=True)
        place, rows = keys // max(1, len(self)), keys % max(1, len(self))
        weights = times * self.idf.numpy()[rows]
        lengths = np.sqrt(np.bincount(place, weights**2, len(texts)))
        return np.bincount(place, minlength=len(texts)), rows, (weights / lengths[place]).astype(np.float32)


_NONE = np.empty(0, np.int64)


def _with_counts(hashes: Ints, counts: Ints, texts: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Distinct hashes, ascending, and in how many texts each is, with more texts, each as its different features."""
    more, times = np.unique(np.concatenate([_NONE, *texts]), return_counts=True)
    if not len(hashes):
        return more, times
    both = np.union1d(hashes, more)
    total = np.zeros(len(both), np.int64)
    total[np.searchsorted(both, hashes)] += counts
    total[np.searchsorted(both, more)] += times
    return both, total
