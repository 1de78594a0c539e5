"""What the two towers of a dual encoder are made of, by name: taken apart to be saved, and put together again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from rootward.encoders.features import Grams, Vocabulary
from rootward.encoders.static import StaticTower
from rootward.encoders.tied import TiedTower
from rootward.encoders.towers import LookupTower, Table, Tower
from rootward.errors import RunFolderError
from rootward.pairs import Ids, Texts
from rootward.pairs.texts import what_is_read


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
) -> tuple[Tower, Tower]:
    """Query tower and document tower from what `tensors_of` and `Tower.settings` gave, rows in the order of `ids`.

    Raises:
        RunFolderError: a tensor is missing or has other rows, or a kind of tower that this version does not know.
    """
    encoded = {side: what_is_read(ids[side], texts[side]) for side in ("query", "document")}
    query = _tower(settings["query"], tensors, "queries", encoded["query"])
    if settings["document"]["kind"] != "tied" or not isinstance(query, StaticTower):
        return query, _tower(settings["document"], tensors, "documents", encoded["document"])
    named = replace(query, bags=query.vocabulary.bags(encoded["document"]))
    return query, TiedTower(named, _tensor(tensors, "documents.offsets", len(ids["document"])))


def _tower(settings: Mapping[str, Any], tensors: Mapping[str, Tensor], side: str, texts: Sequence[str]) -> Tower:
    if settings["kind"] == "lookup":
        return LookupTower(_tensor(tensors, side, len(texts)), settings.get("unit", True))
    if settings["kind"] != "static":
        raise RunFolderError(
            f"A tower of kind {settings['kind']!r} is not known here: it is of a newer rootward, or one's own. Put the "
            "model together from its towers: DualEncoder(query_tower, document_tower, ...)."
        )
    hashes = _tensor(tensors, f"{side}.hashes")
    vocabulary = Vocabulary(Grams(**settings["grams"]), hashes, _tensor(tensors, f"{side}.idf", len(hashes)))
    tokens = _tensor(tensors, f"{side}.tokens", len(hashes))
    anchors = _tensor(tensors, f"{side}.anchors")
    return StaticTower(vocabulary, tokens, vocabulary.bags(texts), anchors, settings["drop"])


def _tensor(tensors: Mapping[str, Tensor], name: str, rows: int | None = None) -> Tensor:
    if name not in tensors or rows not in (None, len(tensors[name])):
        fitting = "" if rows is None else f" with one row for each of the {rows} {'features' if '.' in name else 'ids'}"
        raise RunFolderError(f"The model has no {name!r}{fitting}. Restore the run's files or train again.")
    return tensors[name]
