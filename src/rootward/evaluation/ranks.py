"""`Ranks`: what was measured, pair by pair; every table and figure is derived from it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from rootward.errors import InputError
from rootward.evaluation.blocks import Floats, Ints
from rootward.files import atomic_write
from rootward.pairs import Pairs

VERSION = 1


@dataclass(frozen=True, eq=False)
class Ranks:
    """Where every relevant document of every query stands among all documents.

    Pairs are those of the `Pairs` they were measured on, in the same order: those of query q are
    `offsets[q]:offsets[q + 1]`, nearest first. "Shown" means: the answer set of q is its hits, filled up to |S(q)|
    with the best-scoring documents that are not relevant, displayed by ascending height and, where that is equal,
    by falling score.

    Attributes:
        offsets: int64, n_queries + 1.
        distances: int32 hops, one a pair.
        ranks: int32, one a pair: how many *other* documents score at least as high; 0 is strictly the best. A tie
            counts against the pair, so that collapsed embeddings reach nothing.
        scores: one a pair, as compared.
        floor: one a query, the lowest score of a relevant document; NaN where it has none.
        ceiling: one a query, the highest score of a document that is not relevant; NaN where the query has no pairs,
            -inf where everything is relevant.
        exact_first_by_score: bool, one a query: a distance-0 document scores above everything farther or not relevant.
        exact_first_shown: bool, one a query: a distance-0 document is displayed first.
        in_order_by_score, in_order_shown: int64, one a query: pairs (a, b) of its relevant documents with
            distance(a) < distance(b) that are both hits with a before b, ordered by score or as shown.
        n_documents: how many documents competed.
        fingerprint: of the pairs, so that two runs are compared on the same ones only.
    """

    offsets: Ints
    distances: npt.NDArray[np.int32]
    ranks: npt.NDArray[np.int32]
    scores: Floats
    floor: Floats
    ceiling: Floats
    exact_first_by_score: npt.NDArray[np.bool_]
    exact_first_shown: npt.NDArray[np.bool_]
    in_order_by_score: Ints
    in_order_shown: Ints
    n_documents: int
    fingerprint: str

    def __len__(self) -> int:
        return len(self.ranks)

    def __repr__(self) -> str:
        return f"Ranks({len(self):,} pairs, {len(self.answered):,} queries, {self.n_documents:,} documents)"

    @cached_property
    def sizes(self) -> Ints:
        """|S(q)| of every query (int64, n_queries)."""
        return np.diff(self.offsets)

    @cached_property
    def answered(self) -> Ints:
        """The rows of the queries that have pairs (int64): those that count in averages."""
        return np.flatnonzero(self.sizes)

    @cached_property
    def query_of(self) -> Ints:
        """The query row of every pair (int64)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def hits(self) -> npt.NDArray[np.bool_]:
        """One truth value a pair: its document is among the |S(q)| highest-scoring ones."""
        return self.ranks < self.sizes[self.query_of]

    @cached_property
    def whole(self) -> npt.NDArray[np.bool_]:
        """One truth value a query: its |S(q)| best documents are S(q). False where it has none."""
        return self.floor > self.ceiling

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one safetensors file; whole or not at all."""
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        about = {
            "rootward.ranks": str(VERSION),
            "n_documents": str(self.n_documents),
            "fingerprint": self.fingerprint,
        }
        return atomic_write(path, lambda to: save_file(arrays, to, about))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ranks:
        """The ranks that `save` wrote.

        Raises:
            InputError: no such file, not written by `save`, damaged, or from a newer version.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"There is no file {path} to load ranks from.")
        try:
            with safe_open(path, "np") as file:
                about = file.metadata() or {}
                version = int(about.get("rootward.ranks", 0))
                if version > VERSION:
                    raise InputError(
                        f"{path.name} was written by a newer rootward (format {version}, this one reads up to "
                        f"{VERSION}); update rootward to open it."
                    )
                arrays = {name: file.get_tensor(name) for name in _ARRAYS}
                return cls(**arrays, n_documents=int(about["n_documents"]), fingerprint=about["fingerprint"])
        except (SafetensorError, KeyError) as error:
            raise InputError(f"{path.name} was not written by Ranks.save, or is damaged: {error}") from error


_ARRAYS = [field.name for field in fields(Ranks) if field.name not in ("n_documents", "fingerprint")]


def fingerprint_of(pairs: Pairs) -> str:
    """Sixteen hex digits that change with any pair, distance or id."""
    digest = hashlib.sha256()
    for array in (pairs.offsets, pairs.documents, pairs.distances):
        digest.update(np.ascontiguousarray(array).data)
    for ids in (pairs.query_ids, pairs.document_ids):
        ids.hash_into(digest)
    return digest.hexdigest()[:16]
