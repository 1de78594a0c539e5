"""The kinds of towers: how both towers of an encoder are started, saved and loaded.

A new kind of text tower is a subclass of `BaseTextTower` in a file of its own, and a line in `TEXT_TOWERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from rootward.encoders.frozen import FrozenTower
from rootward.encoders.full import FullTower
from rootward.encoders.joint import JointTower
from rootward.encoders.static import StaticTower
from rootward.encoders.towers import (
    BaseTextTower,
    LoadOptions,
    LookupTower,
    SavedTower,
    StartOptions,
    TiedTower,
    Tower,
    random_directions,
)
from rootward.errors import InputError, RootwardError, RunFolderError
from rootward.folders import CONFIG
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.pairs.query_texts import TextCheck, notes_on, refuse_empty
from rootward.texts import Texts, what_is_read

TEXT_TOWERS: dict[str, type[BaseTextTower]] = {
    tower.kind: tower for tower in (StaticTower, FrozenTower, JointTower, FullTower)
}
DocumentKind = Literal["tied", "text", "lookup"]


def construct_start(pairs: Pairs, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random documents; each query the normalised sum of its relevant documents (arXiv 2509.16411, Algorithm 1).

    A query without relevant documents, or whose documents cancel each other out, starts in a random direction.
    """
    documents = random_directions(seed, "documents", pairs.n_documents, dim)
    queries = torch.empty(pairs.n_queries, dim)
    for rows, part in pairs.blocks():
        offsets = pairs.offsets[rows.start : rows.stop + 1] - part.start
        ones = np.ones(part.stop - part.start, np.float32)
        relevant = csr_array((ones, pairs.documents[part], offsets), shape=(len(offsets) - 1, pairs.n_documents))
        queries[rows] = torch.from_numpy(relevant @ documents.numpy())
    lost = ~queries.any(1)
    torch.nn.functional.normalize(queries, out=queries)
    if lost.any():
        queries[lost] = random_directions(seed, "queries", pairs.n_queries, dim)[lost]
    return queries, documents


def text_start(
    pairs: Pairs, kind: str, documents: DocumentKind, options: StartOptions
) -> tuple[Tower, Tower, tuple[str, ...]]:
    """Towers of the queries and of their documents, and notes on the texts; errors as of `DualEncoder.text`."""
    _check_options(kind, options)
    if documents not in get_args(DocumentKind):
        raise InputError(f"documents must be one of {', '.join(map(repr, get_args(DocumentKind)))}, got {documents!r}.")
    texts = what_is_read(pairs.query_ids, pairs.query_texts)
    checked = TextCheck.of(pairs)
    refuse_empty(pairs, checked)
    notes = notes_on(pairs, checked, documents != "lookup")
    query = TEXT_TOWERS[kind].start(options, texts, np.flatnonzero(pairs.sizes))
    own = random_directions(options.seed, "documents", pairs.n_documents, options.dim)
    if documents == "lookup":
        return query, LookupTower(own), notes
    named = query.with_texts(what_is_read(pairs.document_ids, pairs.document_texts))
    return query, named.untied() if documents == "text" else TiedTower.start(named, own), notes


def _check_options(kind: str, options: StartOptions) -> None:
    if options.hidden is not None and options.hidden < 1:
        raise InputError(f"hidden must be at least 1, got {options.hidden}.")
    if kind not in TEXT_TOWERS:
        raise InputError(f"tower must be one of {', '.join(map(repr, TEXT_TOWERS))}, got {kind!r}.")
    tower = TEXT_TOWERS[kind]

    def owners(flag: str) -> str:
        *others, last = (name for name, each in TEXT_TOWERS.items() if getattr(each, flag))
        return f"the {', the '.join(others)} and the {last} tower"

    if not tower.has_encoder and (options.encoder is not None or options.hidden is not None):
        raise InputError(f"encoder and hidden belong to {owners('has_encoder')}; leave them out or name one.")
    if not tower.has_features and options.word_pairs:
        raise InputError(f"word_pairs belongs to {owners('has_features')}; leave it out or name one.")
    if tower.has_encoder and options.encoder is None:
        raise InputError(f"A {kind} tower needs an encoder: DualEncoder.text(pairs, {kind!r}, encoder=NAME).")


def towers_from(
    settings: Mapping[str, Mapping[str, Any]],
    tensors: Mapping[str, Tensor],
    ids: Mapping[str, Ids],
    texts: Mapping[str, Texts | None],
    options: LoadOptions,
    where: Path,
) -> tuple[Tower, Tower]:
    """Both towers from what `DualEncoder.tensors` and `Tower.settings` gave, rows in the order of `ids`.

    `where` is the folder that they are from, for messages.

    Raises:
        RunFolderError: a tensor is missing or does not fit, or a kind of tower that this version does not know.
        InputError, MissingExtraError: an encoder that is needed and cannot be used.
    """
    try:
        return _towers_from(settings, tensors, ids, texts, options)
    except RootwardError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError, OverflowError) as error:
        raise RunFolderError(
            f"{where}: the section 'towers' of {CONFIG} and the model's tensors do not make towers "
            f"({type(error).__name__}: {error}). Restore the run's files or train again."
        ) from error


def _towers_from(
    settings: Mapping[str, Mapping[str, Any]],
    tensors: Mapping[str, Tensor],
    ids: Mapping[str, Ids],
    texts: Mapping[str, Texts | None],
    options: LoadOptions,
) -> tuple[Tower, Tower]:
    saved = {
        side: SavedTower(name, settings[side], tensors, what_is_read(ids[side], texts[side]), options)
        for side, name in (("query", "queries"), ("document", "documents"))
    }

    def built(side: str) -> Tower:
        kind = settings[side]["kind"]
        if kind == "lookup":
            return LookupTower(saved[side].tensor(rows=len(ids[side])), settings[side].get("unit", True))
        if kind in TEXT_TOWERS:
            return TEXT_TOWERS[kind].restore(saved[side])
        raise RunFolderError(
            f"A tower of kind {kind!r} is not known here: it is of a newer rootward, or one's own. Put the model "
            "together from its towers: DualEncoder(query_tower, document_tower, ...)."
        )

    query, kind = built("query"), settings["document"]["kind"]
    if not isinstance(query, BaseTextTower) or kind not in ("tied", query.kind):
        return query, built("document")
    document = query.with_texts(saved["document"].texts)
    if kind == "tied":
        return query, TiedTower(document, saved["document"].tensor("offsets", len(ids["document"])))
    # A tower of the same kind has saved the tables that it does not share.
    own = {id(tensor): tensors.get(f"documents.{name}", tensor) for name, tensor in query.tensors().items()}
    return query, document.mapped(lambda rows: own[id(rows)])
