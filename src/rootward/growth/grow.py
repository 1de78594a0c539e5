"""`grow`: update a trained encoder for a changed hierarchy, or changed pairs, without training it again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from rootward.encoders import DualEncoder, LookupTower
from rootward.encoders.towers import BaseTextTower, TiedTower, Tower
from rootward.errors import InputError, PairsError
from rootward.evaluation import answer_thresholds, rank_pairs
from rootward.growth.diff import Diff, NodeTexts, columns_of, lineage, links, texts_of
from rootward.growth.solve import Effort, intruded, solve, start
from rootward.ids import Ids, Rows
from rootward.pairs import Labels, Pairs
from rootward.texts import Texts, what_is_read


@dataclass(frozen=True, eq=False)
class Grown:
    """The result of growing; its inputs are not modified.

    Attributes:
        model: a new encoder with the ids of `pairs`.
        pairs: what is relevant now.
        added_queries, added_documents, removed_queries, removed_documents: ids.
        moved: ids of known queries with other vectors now: their relevant set changed, or an added document scored
            above their threshold; where queries are read from texts, those whose text changed.
        seconds: how long it took.
        moved_documents: ids of known documents with other vectors now: with `documents="text"`, those whose text
            changed; else none.
    """

    model: DualEncoder
    pairs: Pairs
    added_queries: tuple[str, ...]
    added_documents: tuple[str, ...]
    removed_queries: tuple[str, ...]
    removed_documents: tuple[str, ...]
    moved: tuple[str, ...]
    seconds: float
    moved_documents: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{len(self.added_queries):,} queries and {len(self.added_documents):,} documents added, "
            f"{len(self.removed_queries):,} and {len(self.removed_documents):,} removed, {len(self.moved):,} queries "
            f"moved in {self.seconds:.1f} s"
        )


def grow(
    model: DualEncoder, before: Pairs, after: Pairs | Diff, *, seed: int = 0, effort: Effort | None = None
) -> Grown:
    """Update a model for changed pairs without training: new rows are solved for, the others stay.

    The change is made to copies: the model and pairs given are not modified. The same seed gives the same bits.

    Args:
        model: trained, of lookup tables or of texts. In a model of texts queries are encoded and none is moved; new
            documents with vectors of their own are solved for.
        before: the pairs it was trained on, or grown to.
        after: the new pairs, matched by id; or a change of the hierarchy that `before` came from, which is then read
            back from its distances, with its bound on distances, what it leaves out and its labelled texts.
        seed: of every random choice.
        effort: how much work is done for new rows.

    Raises:
        InputError: the model has towers of one's own, or other ids than `before`.
        PairsError: pairs without a document that the model knows, such as those of another source; a `Diff` for pairs
            that are not those of a hierarchy.
        HierarchyError: a `Diff` that does not fit the hierarchy.
    """
    began = time.perf_counter()
    _check(model, before)
    if isinstance(after, Diff):
        after = changed_pairs(before, after)
    after = replace(
        after,
        query_texts=_texts(model.query_ids, model.query_texts, after.query_ids, after.query_texts),
        document_texts=_texts(model.document_ids, model.document_texts, after.document_ids, after.document_texts),
    )
    rows = before.query_ids.find(after.query_ids), before.document_ids.find(after.document_ids)
    was = _RowsBefore(*rows, *(np.flatnonzero(side < 0) for side in rows))
    if before.n_documents and after.n_documents and len(was.new_documents) == after.n_documents:
        raise PairsError(
            f"None of the {after.n_documents:,} documents, such as {after.document_ids[0]!r}, is one of the "
            f"{before.n_documents:,} that the model knows, such as {before.document_ids[0]!r}: they seem to be of "
            "another source. Grow with a newer version of the same one, or train anew."
        )
    update = _solved if isinstance(model.query_tower, LookupTower) else _encoded
    grown, moved, moved_documents = update(model, before, after, was, effort or Effort(), seed)
    return Grown(
        grown,
        after,
        _labels(after.query_ids, was.new_queries),
        _labels(after.document_ids, was.new_documents),
        tuple(label for label in before.query_ids if label not in after.query_ids),
        tuple(label for label in before.document_ids if label not in after.document_ids),
        _labels(after.query_ids, np.setdiff1d(moved, was.new_queries)),
        time.perf_counter() - began,
        _labels(after.document_ids, moved_documents),
    )


def changed_pairs(before: Pairs, change: Diff) -> Pairs:
    """The pairs of a hierarchy after a change, made by the settings that made those before, with its labelled texts.

    Raises:
        PairsError: pairs that are not those of a hierarchy.
        HierarchyError: a change that does not fit it.
    """
    known = lineage(before)  # without edges of what is left out of every answer: pairs do not have them
    added, removed = (
        tuple(edge for edge in edges if not set(edge) & set(known.leave_out))
        for edges in (change.added_edges, change.removed_edges)
    )
    fitting = change.model_copy(update={"added_edges": added, "removed_edges": removed})
    labels = Labels.of(change.added_labels) if change.added_labels else None
    made = known.without_labels(change.removed_labels).pairs(fitting.apply(known.hierarchy), labels=labels)
    return made if known.naming is None else made.by_name(**known.naming)


def _solved(
    model: DualEncoder, before: Pairs, after: Pairs, was: _RowsBefore, effort: Effort, seed: int
) -> tuple[DualEncoder, Rows, Rows]:
    """The grown lookup encoder, the rows of the queries that moved, and of no documents."""
    tables = []  # known rows copied, new ones zero
    for table, rows in ((model.query_vectors(), was.queries), (model.document_vectors(), was.documents)):
        held = table.new_zeros(len(rows), model.dim)
        held[rows >= 0] = table.detach()[rows[rows >= 0]]
        tables.append(held)
    grown = DualEncoder.from_vectors(after, *tables)
    grown.thresholds = _known_thresholds(model, before, was)
    start(grown, after, was.new_queries, was.new_documents, seed)
    moving = np.union1d(was.new_queries, _changed(before, after, was))
    solve(grown, after, moving, was.new_documents, effort, seed)
    hurt = intruded(grown, after, moving, was.new_documents)
    solve(grown, after, hurt, np.empty(0, np.int64), effort, seed)
    touched = np.union1d(moving, hurt)
    _set_thresholds(grown, after, touched)
    return grown, touched[after.sizes[touched] > 0], np.empty(0, np.int64)


def _encoded(
    model: DualEncoder, before: Pairs, after: Pairs, was: _RowsBefore, effort: Effort, seed: int
) -> tuple[DualEncoder, Rows, Rows]:
    """The grown encoder of texts, and the rows of queries and documents whose text, and so vector, has changed.

    New documents with vectors of their own are solved for, among the encoded queries.
    """
    assert isinstance(model.query_tower, BaseTextTower)
    tower, known = model.document_tower, torch.from_numpy(np.flatnonzero(after.sizes))
    names = what_is_read(after.document_ids, after.document_texts)
    queries = model.query_tower.with_texts(what_is_read(after.query_ids, after.query_texts)).with_anchors(known)
    documents: BaseTextTower | None = None  # over the names of documents, where these are read
    if isinstance(tower, TiedTower):
        documents = queries.with_texts(names)
    elif isinstance(tower, BaseTextTower):
        documents = tower.with_texts(names).with_anchors(known)
    by_name = None if documents is None else documents.encode().detach().cpu().float()
    table = torch.zeros(after.n_documents, model.dim) if by_name is None else by_name.clone()
    old = was.documents >= 0
    if not isinstance(tower, BaseTextTower):
        table[torch.from_numpy(old)] = model.document_vectors(was.documents[old]).detach().cpu().float()
    vectors = DualEncoder.from_vectors(after, queries.encode(), table)  # as lookup tables, to solve and measure with
    vectors.thresholds = _known_thresholds(model, before, was)
    new = was.new_documents
    if len(new) and not isinstance(tower, BaseTextTower):
        if documents is None:
            start(vectors, after, np.empty(0, np.int64), new, seed)
        wanting = np.unique(after.query_of[np.isin(after.documents, new)])
        solve(vectors, after, wanting, new, effort, seed, queries_move=False)
    names_before = what_is_read(model.document_ids, model.document_texts)
    renamed_documents = _renamed(names_before, names, was.documents)
    own: Tower = LookupTower(vectors.document_vectors()) if documents is None else documents
    if documents is not None and by_name is not None and isinstance(tower, TiedTower):
        offsets = vectors.document_vectors() - by_name
        old[renamed_documents] = False
        offsets[torch.from_numpy(old)] = tower.offsets[torch.from_numpy(was.documents[old])].cpu()
        own = TiedTower(documents, offsets)
    if not isinstance(tower, BaseTextTower):  # documents have vectors of their own, whatever they are called
        renamed_documents = np.empty(0, np.int64)
    texts_before = what_is_read(model.query_ids, model.query_texts)
    renamed = _renamed(texts_before, what_is_read(after.query_ids, after.query_texts), was.queries)
    touched = np.union1d(was.new_queries, np.union1d(_changed(before, after, was), renamed))
    if len(renamed_documents):  # they may have left one answer set and come into another
        touched = np.arange(after.n_queries)
    _set_thresholds(vectors, after, touched)
    grown = DualEncoder.from_towers(after, queries, own)
    grown.thresholds = vectors.thresholds
    return grown, renamed[after.sizes[renamed] > 0], renamed_documents


def _renamed(old: Sequence[str], new: Sequence[str], was: Rows) -> Rows:
    """The rows of known ids whose text has changed."""
    rows = [row for row in np.flatnonzero(was >= 0).tolist() if old[was[row]] != new[row]]
    return np.array(rows, np.int64)


class _RowsBefore(NamedTuple):
    """For each row of the pairs after, its row before, -1 for new ones; and the rows of the new ones (int64)."""

    queries: Rows
    documents: Rows
    new_queries: Rows
    new_documents: Rows


def _known_thresholds(model: DualEncoder, before: Pairs, was: _RowsBefore) -> torch.Tensor:
    """Thresholds of known queries, measured where the model has none; NaN for new queries."""
    thresholds = model.thresholds
    if torch.isnan(thresholds[torch.from_numpy(before.sizes > 0)]).any():
        thresholds = _thresholds_of(model, before)
    held = torch.full((len(was.queries),), torch.nan)
    held[was.queries >= 0] = thresholds[was.queries[was.queries >= 0]]
    return held


def _changed(before: Pairs, after: Pairs, was: _RowsBefore) -> Rows:
    """Rows, after, of known queries whose relevant set has changed; documents that are gone do not count."""
    queries = after.query_ids.find(before.query_ids)[before.query_of]
    documents = after.document_ids.find(before.document_ids)[before.documents]
    stayed = (queries >= 0) & (documents >= 0)
    keys = queries[stayed] * after.n_documents + documents[stayed]
    unlike = np.setxor1d(keys, after.query_of * after.n_documents + after.documents, assume_unique=True)
    rows: Rows = np.unique(unlike // max(after.n_documents, 1))
    return rows[was.queries[rows] >= 0]


def _texts(old_ids: Ids, old: Texts | None, ids: Ids, texts: Texts | None) -> Texts | None:
    """`texts`; where there are none the old ones, with no name for what is new."""
    return texts if texts is not None or old is None else columns_of(ids, texts_of(old_ids, old))


def _set_thresholds(model: DualEncoder, pairs: Pairs, rows: Rows) -> None:
    """Set the thresholds of these queries."""
    which = np.zeros(pairs.n_queries, np.bool_)
    which[rows] = True
    model.thresholds[torch.from_numpy(which)] = _thresholds_of(model, pairs.keep(which[pairs.query_of]))[which]


def _thresholds_of(model: DualEncoder, pairs: Pairs) -> torch.Tensor:
    if not len(pairs):
        return torch.full((pairs.n_queries,), torch.nan)
    ranks = rank_pairs(model.query_vectors(), model.document_vectors(), pairs, heights=model.heights)
    return torch.from_numpy(answer_thresholds(ranks))


def _labels(ids: Ids, rows: Rows) -> tuple[str, ...]:
    return tuple(ids[row] for row in rows.tolist())


def _check(model: DualEncoder, before: Pairs) -> None:
    if not isinstance(model.query_tower, BaseTextTower | LookupTower) or not isinstance(
        model.document_tower, BaseTextTower | TiedTower | LookupTower
    ):
        raise InputError(
            "grow works on lookup tables and on the towers of DualEncoder.text, and cannot add rows to a tower of your "
            "own. Build the model again over the newer pairs: DualEncoder.from_towers(pairs, ...)."
        )
    if model.query_ids != before.query_ids or model.document_ids != before.document_ids:
        raise InputError(
            f"The model has other ids than the pairs before ({model!r}, {before!r}). Give the pairs that it was "
            f"trained on: Run.load(folder).pairs."
        )


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
    """Add nodes of a hierarchy, a query and a document each, without training.

        add_nodes(model, pairs, {"sandals for dogs": ["sandals"]})
        add_nodes(model, pairs, {"open shoes": ["shoes"]}, children={"open shoes": ["sandals"]})

    Args:
        model, pairs: the model and what it was trained on, the pairs of a hierarchy; neither is modified.
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
    for nodes, what in ((children, "children"), (names, "names")):
        stray = next((node for node in nodes if node not in parents), None)
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
    """Add queries, each given by example pairs with known documents; no hierarchy is needed.

    Args:
        model, pairs: the model and what it was trained on; neither is modified.
        examples: (query, document, distance in hops), all the pairs of the new queries.
        seed: of every random choice.

    Raises:
        InputError: a query that is there already.
        UnknownIdError: a document that is not.
        PairsError: one pair twice, or a distance that is no whole number from 0.
    """
    return _with(model, pairs, list(examples), "query", seed)


def add_documents(model: DualEncoder, pairs: Pairs, examples: Iterable[Triple], *, seed: int = 0) -> Grown:
    """Add documents, each given by example pairs with known queries. Arguments and errors as for `add_queries`.

    Queries that get a new document move; the others stay.
    """
    return _with(model, pairs, list(examples), "document", seed)


def remove(model: DualEncoder, pairs: Pairs, ids: Iterable[str]) -> Grown:
    """Remove queries and documents by id, from both sides. All other rows stay as they are.

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
    sides = ((pairs.query_ids, pairs.query_texts), (pairs.document_ids, pairs.document_texts))
    kept = [np.flatnonzero([label not in gone for label in side]) for side, _ in sides]
    held = [side.take(rows) for (side, _), rows in zip(sides, kept, strict=True)]
    texts = [None if each is None else each.take(rows) for (_, each), rows in zip(sides, kept, strict=True)]
    queries = held[0].find(pairs.query_ids)[pairs.query_of]
    documents = held[1].find(pairs.document_ids)[pairs.documents]
    stays = (queries >= 0) & (documents >= 0)
    after = Pairs.from_arrays(
        held[0],
        held[1],
        queries[stays],
        documents[stays],
        pairs.distances[stays],
        query_texts=texts[0],
        document_texts=texts[1],
        notes=pairs.notes,
    )
    return grow(model, pairs, after)


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
