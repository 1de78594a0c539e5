"""`Draft`: what a reader hands over, nodes and edges not yet checked to be a hierarchy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rootward.ids import Ids
from rootward.texts import Texts


def edge_number(edge: int) -> str:
    """'Edge 41' of the edge with index 40: the name of an edge that stands in no file."""
    return f"Edge {edge + 1}"


@dataclass(frozen=True, eq=False)
class Draft:
    """Nodes and child -> parent edges as a source gave them: duplicates, self-loops and circles still possible.

    Attributes:
        ids: the nodes.
        children, parents: int64 rows into `ids`, one a given edge, in the order of the source.
        texts: names of the nodes where the source has them, else None.
        notes: what the reader left out, for people to read.
        name_edge: from an edge's index to the words an error starts with, 'Edge 41 (row 42 of edges.csv)'.
    """

    ids: Ids
    children: npt.NDArray[np.int64]
    parents: npt.NDArray[np.int64]
    texts: Texts | None = None
    notes: tuple[str, ...] = ()
    name_edge: Callable[[int], str] = field(default=edge_number)


def left_out(n: int, one: str, many: str) -> tuple[str, ...]:
    """The note that n things were left out, as `Draft.notes` holds it; no note for none."""
    return (f"Left out {n:,} {one if n == 1 else many}.",) if n else ()


def draft_of(
    names: Mapping[str, str],
    edges: Iterable[tuple[str, str]],
    *,
    synonyms: Mapping[str, Sequence[str]] | None = None,
    definitions: Mapping[str, str] | None = None,
    notes: tuple[str, ...] = (),
    name_edge: Callable[[int], str] = edge_number,
) -> Draft:
    """The draft of nodes given as id -> name, in their order, and (child id, parent id) edges between them."""
    ids = Ids(names)
    pairs = list(edges)
    synonyms, definitions = synonyms or {}, definitions or {}
    texts = Texts(
        tuple(names.values()),
        tuple(_others(synonyms.get(node, ()), name) for node, name in names.items()),
        tuple(definitions.get(node, "") for node in names),
    )
    return Draft(
        ids,
        ids.rows(child for child, _ in pairs),
        ids.rows(parent for _, parent in pairs),
        texts,
        notes,
        name_edge,
    )


def _others(words: Sequence[str], name: str) -> tuple[str, ...]:
    """The words without the name itself, each once, in their order."""
    return tuple(word for word in dict.fromkeys(words) if word and word != name)


class Parts(NamedTuple):
    """Both id tables and one (query row, document row, distance) a pair, in any order."""

    query_ids: Ids
    document_ids: Ids
    queries: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int64]
    distances: npt.NDArray[np.int64]
    query_texts: Texts | None = None
    document_texts: Texts | None = None
    notes: tuple[str, ...] = ()
