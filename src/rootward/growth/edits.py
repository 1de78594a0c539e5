"""Small growths: nodes with their parents, queries or documents with example pairs, and what goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from rootward.encoders import DualEncoder
from rootward.errors import InputError, PairsError
from rootward.growth.diff import Diff, NodeTexts
from rootward.growth.grow import Grown, grow
from rootward.growth.lineage import links
from rootward.pairs import Ids, Pairs

Triple = tuple[str, str, int]


def add_nodes(
    model: DualEncoder,
    pairs: Pairs,
    parents: Mapping[str, Sequence[str]],
    *,
    children: Mapping[str, Sequence[str]] | None = None,
    names: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Grown:
    """New nodes of a hierarchy, a query and a document each, without training.

        add_nodes(model, pairs, {"sandals for dogs": ["sandals"]})
        add_nodes(model, pairs, {"open shoes": ["shoes"]}, children={"open shoes": ["sandals"]})

    Args:
        model, pairs: the model and what it was trained on, the pairs of a hierarchy; both stay as they are.
        parents: of each new node; none for a root. They may be new ones too.
        children: nodes that come to stand below a new one. The edges from them to its parents go.
        names: what new nodes are called.
        seed: of every random choice.

    Raises:
        InputError: children or names of a node that is not new, or one id in place of a list of them.
        PairsError: the pairs are not those of a hierarchy.
        HierarchyError: a node that is there already, a parent that is not, or a circle.
    """
    children, names = children or {}, names or {}
    for given, what in ((children, "children"), (names, "names")):
        stray = next((node for node in given if node not in parents), None)
        if stray is not None:
            raise InputError(f"{what} names {stray!r}, which is not among the new nodes. Give it in parents too.")
    for node, many in [*parents.items(), *children.items()]:
        if isinstance(many, str):
            raise InputError(f"{node!r} needs a list of ids, got the text {many!r}. Write [{many!r}].")
    below = [(child, node) for node, many in children.items() for child in many]
    there = set(links(pairs).edges())
    skipped = {(child, parent) for child, node in below for parent in parents[node]}
    change = Diff(
        added=tuple(parents),
        added_edges=(*((node, parent) for node, many in parents.items() for parent in many), *below),
        removed_edges=tuple(sorted(skipped & there)),
        texts={node: NodeTexts(name) for node, name in names.items()},
    )
    return grow(model, pairs, change, seed=seed)


def add_queries(model: DualEncoder, pairs: Pairs, examples: Iterable[Triple], *, seed: int = 0) -> Grown:
    """New queries, each given by example pairs with documents that are there; no hierarchy is needed.

    Args:
        model, pairs: the model and what it was trained on; both stay as they are.
        examples: (query, document, distance in hops), all the pairs of the new queries.
        seed: of every random choice.

    Raises:
        InputError: a query that is there already.
        UnknownIdError: a document that is not.
        PairsError: one pair twice, or a distance that is no whole number from 0.
    """
    return _with(model, pairs, list(examples), "query", seed)


def add_documents(model: DualEncoder, pairs: Pairs, examples: Iterable[Triple], *, seed: int = 0) -> Grown:
    """New documents, each given by example pairs with queries that are there. As `add_queries`, sides exchanged.

    The queries want more than before, so they move; those that do not want the new documents stay.
    """
    return _with(model, pairs, list(examples), "document", seed)


def remove(model: DualEncoder, pairs: Pairs, ids: Iterable[str]) -> Grown:
    """Take out queries and documents by id, on either side where they are there. All other rows stay as they are.

    Nodes below a removed one keep what stands above it; to join them elsewhere, `grow` with the newer pairs.

    Raises:
        InputError: one id in place of a list of them.
        UnknownIdError: an id that is on neither side.
    """
    if isinstance(ids, str):
        raise InputError(f"remove needs a list of ids, got the text {ids!r}. Write [{ids!r}].")
    gone = set(map(str, ids))
    for label in sorted(gone):
        if label not in pairs.document_ids:
            pairs.query_ids.row(label)
    return grow(model, pairs, _without(pairs, gone))


def _with(model: DualEncoder, pairs: Pairs, examples: list[Triple], side: str, seed: int) -> Grown:
    place = 0 if side == "query" else 1
    there = (pairs.query_ids, pairs.document_ids)[place]
    labels = list(dict.fromkeys(str(example[place]) for example in examples))
    known = next((label for label in labels if label in there), None)
    if known is not None:
        raise InputError(f"The {side} {known!r} is there already. To change its pairs: grow(model, before, after).")
    if not labels:
        raise PairsError(f"There is no example pair; a new {side} needs at least one (query, document, distance).")
    ids = [pairs.query_ids, pairs.document_ids]
    ids[place] = Ids([*there, *labels])
    after = Pairs.from_arrays(
        ids[0],
        ids[1],
        np.r_[pairs.query_of, ids[0].rows(str(query) for query, _, _ in examples)],
        np.r_[pairs.documents, ids[1].rows(str(document) for _, document, _ in examples)],
        np.r_[pairs.distances, np.asarray([distance for _, _, distance in examples])],
        query_texts=None if side == "query" else pairs.query_texts,  # the model's, with no name for what is new
        document_texts=None if side == "document" else pairs.document_texts,
        notes=pairs.notes,
    )
    return grow(model, pairs, after, seed=seed)


def _without(pairs: Pairs, gone: set[str]) -> Pairs:
    """The pairs without these queries and documents, rows numbered anew."""
    kept = [np.flatnonzero([label not in gone for label in ids]) for ids in (pairs.query_ids, pairs.document_ids)]
    now = [np.full(n, -1) for n in (pairs.n_queries, pairs.n_documents)]
    for rows, held in zip(now, kept, strict=True):
        rows[held] = np.arange(len(held))
    queries, documents = now[0][pairs.query_of], now[1][pairs.documents]
    stays = (queries >= 0) & (documents >= 0)
    one_table = pairs.query_ids == pairs.document_ids
    query_ids = pairs.query_ids.take(kept[0])
    return Pairs.from_arrays(
        query_ids,
        query_ids if one_table else pairs.document_ids.take(kept[1]),
        queries[stays],
        documents[stays],
        pairs.distances[stays],
        query_texts=None if pairs.query_texts is None else pairs.query_texts.take(kept[0]),
        document_texts=None if pairs.document_texts is None else pairs.document_texts.take(kept[1]),
        notes=pairs.notes,
    )
