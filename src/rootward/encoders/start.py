"""Where towers start before training."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from torch import Tensor

from rootward.encoders.features import Grams, Vocabulary
from rootward.encoders.static import StaticTower
from rootward.encoders.tied import TiedTower
from rootward.encoders.towers import LookupTower, Tower
from rootward.errors import InputError
from rootward.pairs import Pairs
from rootward.pairs.texts import what_is_read
from rootward.rng import stream

Documents = Literal["tied", "lookup"]


def random_start(pairs: Pairs, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Independent directions for every query and every document: unit rows, float32."""
    return _directions(seed, "queries", pairs.n_queries, dim), _directions(seed, "documents", pairs.n_documents, dim)


def free_start(pairs: Pairs, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Independent normal entries of variance 1/dim for every query and document: rows of about unit length, float32."""
    sizes = {"queries": pairs.n_queries, "documents": pairs.n_documents}
    queries, documents = (torch.from_numpy(_normal(seed, *side, dim)) / dim**0.5 for side in sizes.items())
    return queries, documents


def construct_start(pairs: Pairs, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random documents; each query the normalised sum of its relevant documents (arXiv 2509.16411, Algorithm 1).

    A query without relevant documents, or whose documents cancel each other out, starts in a random direction.
    """
    documents = _directions(seed, "documents", pairs.n_documents, dim)
    relevant = csr_array((np.ones(len(pairs), np.float32), pairs.documents, pairs.offsets), shape=_shape(pairs))
    queries = torch.from_numpy(relevant @ documents.numpy())
    lost = ~queries.any(1)
    torch.nn.functional.normalize(queries, out=queries)
    if lost.any():
        queries[lost] = _directions(seed, "queries", pairs.n_queries, dim)[lost]
    return queries, documents


def _shape(pairs: Pairs) -> tuple[int, int]:
    return pairs.n_queries, pairs.n_documents


def text_start(pairs: Pairs, dim: int, documents: Documents, drop: float, seed: int) -> tuple[Tower, Tower]:
    """A static query tower and its documents: every feature a random direction, so that texts which share words are
    near each other from the start; `DualEncoder.text` says the rest.

    Raises:
        InputError: unknown documents, or a query with pairs that has no text to learn from.
    """
    if documents not in ("tied", "lookup"):
        raise InputError(f"documents must be 'tied' or 'lookup', got {documents!r}.")
    texts = what_is_read(pairs.query_ids, pairs.query_texts)
    answered = np.flatnonzero(pairs.sizes)
    vocabulary = Vocabulary.of([texts[row] for row in answered.tolist()], Grams())
    bags = vocabulary.bags(texts)
    silent = answered[~bags.known[answered]]
    if len(silent):
        row = int(silent[0])
        raise InputError(
            f"Query {pairs.query_ids[row]!r} (row {row}) has the text {texts[row]!r}, without a letter or digit to "
            f"learn from{f', and so have {len(silent) - 1:,} more' if len(silent) > 1 else ''}. Give it a name, or "
            f"leave its pairs out."
        )
    tokens = _directions(seed, "tokens", len(vocabulary), dim)
    query = StaticTower(vocabulary, tokens, bags, torch.from_numpy(answered), drop)
    own = _directions(seed, "documents", pairs.n_documents, dim)
    if documents == "lookup":
        return query, LookupTower(own)
    names = vocabulary.bags(what_is_read(pairs.document_ids, pairs.document_texts))
    return query, TiedTower.begin(replace(query, bags=names), own)


def _directions(seed: int, name: str, n: int, dim: int) -> Tensor:
    vectors = torch.from_numpy(_normal(seed, name, n, dim))
    return torch.nn.functional.normalize(vectors, out=vectors)


def _normal(seed: int, name: str, n: int, dim: int) -> npt.NDArray[np.float32]:
    return stream(seed, "start", name).standard_normal((n, dim), dtype=np.float32)
