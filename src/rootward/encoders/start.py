"""Where towers start before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from torch import Tensor

from rootward.encoders.features import Grams, Vocabulary
from rootward.encoders.frozen import FrozenTower, begin_head
from rootward.encoders.full import CHUNK, PACE, FullTower, weights_of
from rootward.encoders.joint import JointTower
from rootward.encoders.pretrained import Encoder, cache_folder, outputs_of
from rootward.encoders.static import Reader, StaticTower, TiedTower
from rootward.encoders.towers import LookupTower, Tower
from rootward.errors import InputError
from rootward.ids import Rows
from rootward.pairs import Pairs
from rootward.pairs.query_texts import TextCheck, notes_on, refuse_empty
from rootward.rng import stream
from rootward.texts import what_is_read

TextTowers = Literal["static", "frozen", "joint", "full"]
Documents = Literal["tied", "text", "lookup"]
Begin = Callable[[Sequence[str], Rows], Reader]


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
    queries = torch.empty(pairs.n_queries, dim)
    for rows, part in pairs.blocks():
        offsets = pairs.offsets[rows.start : rows.stop + 1] - part.start
        ones = np.ones(part.stop - part.start, np.float32)
        relevant = csr_array((ones, pairs.documents[part], offsets), shape=(len(offsets) - 1, pairs.n_documents))
        queries[rows] = torch.from_numpy(relevant @ documents.numpy())
    lost = ~queries.any(1)
    torch.nn.functional.normalize(queries, out=queries)
    if lost.any():
        queries[lost] = _directions(seed, "queries", pairs.n_queries, dim)[lost]
    return queries, documents


def text_start(
    pairs: Pairs, begin: Begin, documents: Documents, dim: int, seed: int
) -> tuple[Tower, Tower, tuple[str, ...]]:
    """A text tower for the queries, its documents, and notes on the texts; `DualEncoder.text` says the rest.

    Args:
        pairs: their texts are read.
        begin: makes the query tower of the texts of all rows and of the rows that have pairs.
        documents, dim, seed: as `DualEncoder.text` takes them.

    Raises:
        InputError: unknown documents, or a query with pairs that has no text to learn from.
    """
    if documents not in get_args(Documents):
        raise InputError(f"documents must be one of {', '.join(map(repr, get_args(Documents)))}, got {documents!r}.")
    texts = what_is_read(pairs.query_ids, pairs.query_texts)
    check = TextCheck.of(pairs)
    refuse_empty(pairs, check)
    notes = notes_on(pairs, check, documents != "lookup")
    query = begin(texts, np.flatnonzero(pairs.sizes))
    own = _directions(seed, "documents", pairs.n_documents, dim)
    if documents == "lookup":
        return query, LookupTower(own), notes
    named = query.reading(what_is_read(pairs.document_ids, pairs.document_texts))
    return query, named.apart() if documents == "text" else TiedTower.begin(named, own), notes


@dataclass(frozen=True)
class Reading:
    """How a text tower begins; every field as `DualEncoder.text` takes it."""

    dim: int
    drop: float
    seed: int
    word_pairs: bool = False
    encoder: Any = None
    hidden: int | None = None
    cache: str | Path | None = None
    progress: bool = False
    chunk: int = CHUNK
    pace: float = PACE


def reader_start(tower: TextTowers, how: Reading) -> Begin:
    """How a text tower of this kind begins.

    Raises:
        InputError: no such tower, a width below 1, what belongs to another tower, or an encoder that is missing or of
            no use.
    """
    for name, width in (("dim", how.dim), ("hidden", how.hidden)):
        if width is not None and width < 1:
            raise InputError(f"{name} must be at least 1, got {width}.")
    if tower not in get_args(TextTowers):
        known = get_args(TextTowers)
        raise InputError(f"tower must be one of {', '.join(map(repr, known))}, got {tower!r}.")
    if tower == "static":
        if how.encoder is not None or how.hidden is not None:
            raise InputError(
                "encoder and hidden belong to the frozen, the joint and the full tower; leave them out or name one."
            )
        return _static(how)
    if how.word_pairs and tower != "joint":
        raise InputError("word_pairs belongs to the static and the joint tower; leave it out or name one.")
    if how.encoder is None:
        raise InputError(f"A {tower} tower needs an encoder: DualEncoder.text(pairs, {tower!r}, encoder=NAME).")
    return {"frozen": _frozen, "joint": _joint, "full": _full}[tower](Encoder.of(how.encoder), how)


def _static(how: Reading) -> Callable[[Sequence[str], Rows], StaticTower]:
    """Every feature a random direction, so that texts which share words are near each other from the start."""

    def begin(texts: Sequence[str], answered: Rows) -> StaticTower:
        vocabulary = Vocabulary.of((texts[row] for row in answered), Grams(pairs=how.word_pairs))
        tokens = _directions(how.seed, "tokens", len(vocabulary), how.dim)
        return StaticTower(vocabulary, tokens, vocabulary.bags_of_rows(texts), torch.from_numpy(answered), how.drop)

    return begin


def _frozen(encoder: Encoder, how: Reading) -> Callable[[Sequence[str], Rows], FrozenTower]:
    """The encoder's own neighbourhoods, turned and cut to `dim`."""
    cache = cache_folder(how.cache)

    def begin(texts: Sequence[str], answered: Rows) -> FrozenTower:
        read = outputs_of(encoder, texts, cache, how.progress)
        head = begin_head(how.seed, read.width, how.dim, how.hidden)
        return FrozenTower(encoder, head, read, torch.from_numpy(answered), how.drop, cache)

    return begin


def _joint(encoder: Encoder, how: Reading) -> Begin:
    """Both halves as they begin alone, so that each says half of where a text starts."""
    static, frozen = _static(how), _frozen(encoder, how)
    return lambda texts, answered: JointTower(static(texts, answered), frozen(texts, answered))


def _full(encoder: Encoder, how: Reading) -> Begin:
    """As a frozen one, with the encoder's weights as they are."""

    def begin(texts: Sequence[str], answered: Rows) -> FullTower:
        weights, width = weights_of(encoder), encoder.encode(["a"]).shape[1]
        head = begin_head(how.seed, width, how.dim, how.hidden)
        return FullTower(encoder, weights, head, texts, torch.from_numpy(answered), how.drop, how.chunk, how.pace)

    return begin


def _directions(seed: int, name: str, n: int, dim: int) -> Tensor:
    vectors = torch.from_numpy(_normal(seed, name, n, dim))
    return torch.nn.functional.normalize(vectors, out=vectors)


def _normal(seed: int, name: str, n: int, dim: int) -> npt.NDArray[np.float32]:
    return stream(seed, "start", name).standard_normal((n, dim), dtype=np.float32)
