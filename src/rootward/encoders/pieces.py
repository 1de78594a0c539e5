"""What the two towers of a dual encoder are made of, by name: taken apart to be saved, and put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from rootward.encoders.features import Grams, Vocabulary
from rootward.encoders.frozen import FrozenTower
from rootward.encoders.full import FullTower, weights_of
from rootward.encoders.joint import JointTower
from rootward.encoders.outputs import cache_folder, kept_before, read_texts
from rootward.encoders.pretrained import Encoder
from rootward.encoders.static import StaticTower
from rootward.encoders.tied import Reader, TiedTower
from rootward.encoders.towers import LookupTower, Table, Tower
from rootward.errors import RunFolderError
from rootward.pairs import Ids, Texts
from rootward.pairs.texts import what_is_read


@dataclass(frozen=True)
class Again:
    """How the texts of a tower on an encoder are read again.

    Attributes:
        encoder: in place of the one that the settings name.
        cache: folder of the outputs, in place of the one that the settings name; that one where it is still there,
            else as `cache_folder` has it.
        progress: show how far a frozen encoder has read.
    """

    encoder: Any = None
    cache: str | Path | None = None
    progress: bool = False


def tensors_of(query_tower: Tower, document_tower: Tower) -> dict[str, Tensor]:
    """Every tensor of both towers; "queries" and "documents" are tables of vectors, exactly as scored.

    What both towers share is there once, under the query tower's name.
    """
    found: dict[str, Tensor] = {}
    for side, tower in (("queries", query_tower), ("documents", document_tower)):
        for name, tensor in tower.tensors().items():
            if not any(tensor is other for other in found.values()):
                found[side if name == "vectors" else f"{side}.{name}"] = tensor
    return found


def tables_of(query_tower: Tower, document_tower: Tower) -> dict[str, Table]:
    """Those of the tensors that training changes."""
    tables = [*query_tower.tables(), *document_tower.tables()]
    return {
        name: next(table for table in tables if table.rows is tensor)
        for name, tensor in tensors_of(query_tower, document_tower).items()
        if any(table.rows is tensor for table in tables)
    }


def towers_from(
    settings: Mapping[str, Mapping[str, Any]],
    tensors: Mapping[str, Tensor],
    ids: Mapping[str, Ids],
    texts: Mapping[str, Texts | None],
    again: Again = Again(),
) -> tuple[Tower, Tower]:
    """Query tower and document tower from what `tensors_of` and `Tower.settings` gave, rows in the order of `ids`.

    Args:
        settings, tensors, ids, texts: of both sides.
        again: of a tower on an encoder.

    Raises:
        RunFolderError: a tensor is missing or has other rows, or a kind of tower that this version does not know.
        InputError, MissingExtraError: an encoder that is needed and cannot be used.
    """
    encoded = {side: what_is_read(ids[side], texts[side]) for side in ("query", "document")}
    of_query, of_document = settings["query"], settings["document"]
    query = _tower(of_query, tensors, "queries", encoded["query"], again)
    if of_document["kind"] not in ("tied", of_query["kind"]) or not isinstance(query, Reader):
        return query, _tower(of_document, tensors, "documents", encoded["document"], again)
    named = query.reading(encoded["document"])
    if of_document["kind"] == "tied":
        return query, TiedTower(named, _tensor(tensors, "documents.offsets", len(ids["document"])))
    own = {id(rows): tensors.get(f"documents.{name}", rows) for name, rows in _tables(query).items()}
    return query, named.mapped(lambda rows: own[id(rows)])


def _tables(tower: Tower) -> dict[str, Tensor]:
    tables = [table.rows for table in tower.tables()]
    return {name: tensor for name, tensor in tower.tensors().items() if any(tensor is rows for rows in tables)}


def _tower(
    settings: Mapping[str, Any], tensors: Mapping[str, Tensor], side: str, texts: Sequence[str], again: Again
) -> Tower:
    if settings["kind"] == "lookup":
        return LookupTower(_tensor(tensors, side, len(texts)), settings.get("unit", True))
    if settings["kind"] == "static":
        return _static(settings, tensors, side, texts)
    if settings["kind"] == "frozen":
        return _frozen(settings, tensors, side, texts, again)
    if settings["kind"] == "joint":
        frozen = _frozen(settings["frozen"], tensors, side, texts, again)
        return JointTower(_static(settings["static"], tensors, side, texts), frozen)
    if settings["kind"] == "full":
        return _full(settings, tensors, side, texts, again)
    raise RunFolderError(
        f"A tower of kind {settings['kind']!r} is not known here: it is of a newer rootward, or one's own. Put the "
        "model together from its towers: DualEncoder(query_tower, document_tower, ...)."
    )


def _static(settings: Mapping[str, Any], tensors: Mapping[str, Tensor], side: str, texts: Sequence[str]) -> StaticTower:
    hashes = _tensor(tensors, f"{side}.hashes")
    vocabulary = Vocabulary(Grams(**settings["grams"]), hashes, _tensor(tensors, f"{side}.idf", len(hashes)))
    tokens = _tensor(tensors, f"{side}.tokens", len(hashes))
    anchors = _tensor(tensors, f"{side}.anchors")
    return StaticTower(vocabulary, tokens, vocabulary.bags_of_rows(texts), anchors, settings["drop"])


def _frozen(
    settings: Mapping[str, Any], tensors: Mapping[str, Tensor], side: str, texts: Sequence[str], again: Again
) -> FrozenTower:
    opened = Encoder.again(settings, again.encoder)
    cache = kept_before(settings.get("cache")) if again.cache is None else cache_folder(again.cache)
    read, anchors = read_texts(opened, texts, cache, again.progress), _tensor(tensors, f"{side}.anchors")
    return FrozenTower(opened, _head(tensors, side), read, anchors, settings["drop"], cache)


def _full(
    settings: Mapping[str, Any], tensors: Mapping[str, Tensor], side: str, texts: Sequence[str], again: Again
) -> FullTower:
    opened = Encoder.again(settings, again.encoder)
    weights = {name: _tensor(tensors, f"{side}.weights.{name}", len(rows)) for name, rows in weights_of(opened).items()}
    head, anchors = _head(tensors, side), _tensor(tensors, f"{side}.anchors")
    return FullTower(opened, weights, head, texts, anchors, settings["drop"], settings["chunk"], settings["pace"])


def _head(tensors: Mapping[str, Tensor], side: str) -> tuple[Tensor, ...]:
    second = (tensors[f"{side}.head2"],) if f"{side}.head2" in tensors else ()
    return (_tensor(tensors, f"{side}.head"), *second)


def _tensor(tensors: Mapping[str, Tensor], name: str, rows: int | None = None) -> Tensor:
    if name not in tensors or rows not in (None, len(tensors[name])):
        fitting = "" if rows is None else f" with one row for each of the {rows} {'features' if '.' in name else 'ids'}"
        raise RunFolderError(f"The model has no {name!r}{fitting}. Restore the run's files or train again.")
    return tensors[name]
