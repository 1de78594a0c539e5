"""What the retrievers of other libraries share: opening a run, searching it, and the metadata of a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal
from weakref import WeakValueDictionary

from rootward.errors import InputError, UnknownIdError, did_you_mean
from rootward.folders import CONFIG
from rootward.retrieval import Filter, Searcher
from rootward.retrieval.searcher import Match

SEARCH_FIELDS = ("k", "threshold", "below", "above", "levels", "hops")
"""Fields of every retriever that can be changed for one call."""

Threshold = float | Literal["auto"] | None
Levels = tuple[int, int | None] | None

_searchers: WeakValueDictionary[tuple[object, ...], Searcher] = WeakValueDictionary()
_opening = Lock()


@dataclass(frozen=True)
class Found:
    """A document that was found for a text.

    Attributes:
        id: its id.
        text: its name, its id where it has none; on a second line its definition, where it has one.
        score: inner product with the query; None for a document that was added without a search.
        metadata: id, name, score, accepted, hops, path, ancestors and probability, as in `retrieval.searcher.Match`:
            JSON values; path and ancestors are lists of ids, and what is unknown is None.
    """

    id: str
    text: str
    score: float | None
    metadata: dict[str, Any]


def opened(run: str | Path, *, index: str | Path | None = None, encoder: str | Path | None = None) -> Searcher:
    """A searcher over a run; retrievers of the same folders share one as long as one of them is in use.

    Args:
        run, index, encoder: as for `Searcher.open`. A folder that was written again is opened again.

    Raises:
        RunFolderError: a folder that is missing, damaged, or from a newer version.
        InputError: an index of another model.
    """
    key = (*(None if each is None else str(each) for each in (run, index, encoder)), _written(run), _written(index))
    with _opening:
        found = _searchers.get(key)
        if found is None:
            found = _searchers[key] = Searcher.open(run, index=index, encoder=encoder)
        return found


def _written(folder: str | Path | None) -> tuple[int, int] | None:
    """When the folder was written: what changes with every training."""
    config = None if folder is None else Path(folder) / CONFIG
    if config is None or not config.is_file():
        return None
    told = config.stat()
    return told.st_mtime_ns, told.st_size


def search(
    searcher: Searcher,
    texts: Sequence[str],
    *,
    k: int | None = None,
    threshold: Threshold = None,
    below: str | None = None,
    above: str | None = None,
    levels: Levels = None,
    hops: int | None = None,
) -> list[list[Found]]:
    """The documents of each text, in the order in which they are shown; none for a text of which no part is known.

    Args:
        searcher: of a run.
        texts: ids, names, or any words where the run reads texts.
        k: how many documents at most; None for 10, or all of the answer set.
        threshold: None for the k best; "auto" for the answer set of each text; a number for all that score as much.
        below, above: only this document and what stands below, or above, it.
        levels: (first, last): only documents so many hops from their root; None as last is open.
        hops: with below or above: at most so far away.

    Raises:
        UnknownIdError: a text that names nothing, where the run looks its queries up; or a filter does.
        InputError: settings that cannot be used; "auto" for a text without threshold or calibration.
    """
    where = filter_of(below, above, levels, hops)
    found = []
    for result in searcher.search(list(texts), k, threshold=threshold, where=where, errors="keep"):
        if result.error is not None and (isinstance(result.error, UnknownIdError) or not searcher.model.reads_texts):
            raise result.error
        found.append([_document(searcher, match) for match in result])
    return found


def filter_of(below: str | None, above: str | None, levels: Levels, hops: int | None) -> Filter | None:
    """All conditions as one filter; None without any.

    Raises:
        InputError: hops without below or above; hops below 0; levels that end before they begin.
    """
    if hops is not None and below is None and above is None:
        raise InputError(f"hops={hops} says how far from a document; set below or above to its id as well.")
    return Filter.joined(below=below, above=above, levels=levels, within=hops)


def fields_of(retriever: Any) -> dict[str, Any]:
    """The search fields of a retriever, by name."""
    return {name: getattr(retriever, name) for name in SEARCH_FIELDS}


def as_values(fields: dict[str, Any]) -> dict[str, Any]:
    """Settings as JSON values."""
    return {**fields, "levels": None if fields["levels"] is None else list(fields["levels"])}


def as_fields(values: dict[str, Any]) -> dict[str, Any]:
    """Settings as retrievers take them, from what `as_values` gave."""
    levels = values.get("levels")
    return {**values, "levels": None if levels is None else tuple(levels)}


def checked(changes: dict[str, Any]) -> dict[str, Any]:
    """Changes of a retriever's search fields.

    Raises:
        InputError: a name that is no search field.
    """
    for name in changes:
        if name not in SEARCH_FIELDS:
            known = ", ".join(SEARCH_FIELDS)
            raise InputError(f"{name} is no setting of a search.{did_you_mean(name, SEARCH_FIELDS)} Known: {known}.")
    return changes


def metadata(match: Match) -> dict[str, Any]:
    """What is known of a document, as JSON values."""
    return {
        "id": match.id,
        "name": match.name,
        "score": match.score,
        "accepted": match.accepted,
        "hops": match.hops,
        "path": list(match.path),
        "ancestors": list(match.ancestors),
        "probability": match.probability,
    }


def _document(searcher: Searcher, match: Match) -> Found:
    texts, ids = searcher.index.document_texts, searcher.index.document_ids
    definition = "" if texts is None else texts.definitions[ids.row(match.id)]
    name = match.name or match.id
    return Found(match.id, f"{name}\n{definition}" if definition else name, match.score, metadata(match))
