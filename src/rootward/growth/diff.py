"""`Diff`: the changes between two versions of a hierarchy; it prints, saves and can be applied."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from rootward.errors import HierarchyError, PairsError, did_you_mean
from rootward.evaluation.results import Result
from rootward.files import write_text
from rootward.hierarchy import Hierarchy
from rootward.hierarchy.node_names import NodeNames, node_pairs
from rootward.ids import Rows
from rootward.pairs import Labels, Pairs
from rootward.pairs.labels import Unknown, label_queries, with_labels
from rootward.texts import Texts, normal_form, what_is_read

SHOWN = 5
VERSION = 1

Edge = tuple[str, str]
Labelled = tuple[str, str]


class NodeTexts(NamedTuple):
    """Name, synonyms and definition of a node."""

    name: str = ""
    synonyms: tuple[str, ...] = ()
    definition: str = ""


class Diff(Result):
    """The changes from one version of a hierarchy to another.

    Attributes:
        added, removed: node ids.
        added_edges, removed_edges: (child id, parent id), those of added and removed nodes among them.
        texts: of added nodes that have any, and of nodes whose name, synonyms or definition are others now.
        texts_before: of the latter, as they were.
        added_labels, removed_labels: (text, node id), labelled texts of pairs.
    """

    noun = "change"
    format: int = VERSION
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    added_edges: tuple[Edge, ...] = ()
    removed_edges: tuple[Edge, ...] = ()
    texts: dict[str, NodeTexts] = Field(default_factory=dict)
    texts_before: dict[str, NodeTexts] = Field(default_factory=dict)
    added_labels: tuple[Labelled, ...] = ()
    removed_labels: tuple[Labelled, ...] = ()

    def __bool__(self) -> bool:
        edges = self.added_edges or self.removed_edges
        return bool(self.added or self.removed or edges or self.texts or self.added_labels or self.removed_labels)

    @property
    def moved(self) -> tuple[str, ...]:
        """Nodes of both versions that got or lost a parent."""
        gone = {*self.added, *self.removed}
        children = dict.fromkeys(child for child, _ in (*self.added_edges, *self.removed_edges))
        return tuple(child for child in children if child not in gone)

    @property
    def renamed(self) -> tuple[str, ...]:
        """Nodes of both versions with another name."""
        added, before = set(self.added), self.texts_before
        return tuple(
            node
            for node, texts in self.texts.items()
            if node not in added and (node not in before or before[node].name != texts.name)
        )

    @property
    def texts_gained(self) -> tuple[Labelled, ...]:
        """(text, node) of synonyms and definitions that nodes of both versions got, and of labelled texts."""
        return (*self._texts_changed(self.texts, self.texts_before), *self.added_labels)

    @property
    def texts_lost(self) -> tuple[Labelled, ...]:
        """(text, node) of synonyms and definitions that nodes of both versions lost, and of labelled texts."""
        return (*self._texts_changed(self.texts_before, self.texts), *self.removed_labels)

    def _texts_changed(self, now: dict[str, NodeTexts], then: dict[str, NodeTexts]) -> list[Labelled]:
        """Texts besides names that a node has in `now` and not in `then`."""
        nodes = [node for node in self.texts_before if node in now and node in then]
        found = []
        for node in nodes:
            has, had = now[node], {*then[node].synonyms, then[node].definition, ""}
            found += [(text, node) for text in (*has.synonyms, has.definition) if text not in had]
        return found

    def __str__(self) -> str:
        before = self.texts_before
        kinds = (
            ("added", self.added),
            ("removed", self.removed),
            ("moved", self.moved),
            (
                "renamed",
                [
                    f"{node}: {before[node].name} -> {self.texts[node].name}" if node in before else node
                    for node in self.renamed
                ],
            ),
            ("texts gained", [f"{text} ({node})" for text, node in self.texts_gained]),
            ("texts lost", [f"{text} ({node})" for text, node in self.texts_lost]),
            ("edges added", [f"{child} -> {parent}" for child, parent in self.added_edges]),
            ("edges removed", [f"{child} -> {parent}" for child, parent in self.removed_edges]),
        )
        lines = []
        for name, things in kinds:
            if things:
                more = f" and {len(things) - SHOWN:,} more" if len(things) > SHOWN else ""
                lines.append(f"{name:<13} {len(things):>7,}  {', '.join(things[:SHOWN])}{more}")
        return "\n".join(lines) or "no change"

    def apply(self, tree: Hierarchy) -> Hierarchy:
        """The other version of a hierarchy. Nodes that stay keep their order; added ones follow.

        Raises:
            HierarchyError: the change does not fit this hierarchy, or the result is not one.
            CycleError: ... because its edges run in a circle.
        """
        there, gone, edges_gone = set(tree.edges()), set(self.removed), set(self.removed_edges)
        for node in self.added:
            if node in tree.ids:
                raise HierarchyError(f"The change adds {node!r}, which is there already. Was it applied before?")
        for node in self.removed:
            if node not in tree.ids:
                raise HierarchyError(f"The change removes {node!r}, which is not there.{did_you_mean(node, tree.ids)}")
        for child, parent in self.removed_edges:
            if (child, parent) not in there:
                raise HierarchyError(f"The change removes the edge from {child!r} to {parent!r}, which is not there.")
        for child, parent in self.added_edges:
            if (child, parent) in there:
                raise HierarchyError(f"The change adds the edge from {child!r} to {parent!r}, which is there already.")
        for child, parent in sorted((there - edges_gone) | set(self.added_edges)):
            if child in gone or parent in gone:
                raise HierarchyError(
                    f"The change removes a node of the edge from {child!r} to {parent!r} and keeps the edge. "
                    f"Remove it too, and join the node that stays to another parent."
                )
        nodes = [*(node for node in tree.ids if node not in gone), *self.added]
        edges = [*(edge for edge in tree.edges() if edge not in edges_gone), *self.added_edges]
        made = Hierarchy.from_edges(edges, nodes=nodes)
        texts = None
        if tree.texts is not None or self.texts:
            texts = columns_of(nodes, texts_of(tree.ids, tree.texts) | self.texts)
        return Hierarchy(made.ids, made.parent_offsets, made.parents, texts, tree.notes)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as JSON, with any suffix; whole or not at all."""
        return write_text(path, self.to_json())


def diff(old: Hierarchy | Pairs, new: Hierarchy | Pairs) -> Diff:
    """Compare two versions of a hierarchy.

    Args:
        old, new: hierarchies, or pairs of one, whose links are then the pairs at distance 1. Labelled texts of pairs
            are compared too.

    Raises:
        PairsError: pairs whose first queries are not the documents.
    """
    were, are = (set(_labelled(each)[1]) if isinstance(each, Pairs) else set[Labelled]() for each in (old, new))
    old, new = (links(each) if isinstance(each, Pairs) else each for each in (old, new))
    was, now = set(old.edges()), set(new.edges())
    before, after = texts_of(old.ids, old.texts), texts_of(new.ids, new.texts)
    nothing = NodeTexts()
    texts = {node: texts for node, texts in after.items() if texts != before.get(node, nothing)}
    return Diff(
        added=tuple(node for node in new.ids if node not in old.ids),
        removed=tuple(node for node in old.ids if node not in new.ids),
        added_edges=tuple(edge for edge in new.edges() if edge not in was),
        removed_edges=tuple(edge for edge in old.edges() if edge not in now),
        texts=texts,
        texts_before={node: before.get(node, nothing) for node in texts if node in old.ids},
        added_labels=tuple(sorted(are - were)),
        removed_labels=tuple(sorted(were - are)),
    )


def texts_of(ids: Sequence[str], texts: Texts | None) -> dict[str, NodeTexts]:
    """The texts by node; empty where there are none."""
    if texts is None:
        return {}
    rows = zip(texts.names, texts.synonyms, texts.definitions, strict=True)
    return {node: NodeTexts(*row) for node, row in zip(ids, rows, strict=True)}


def columns_of(ids: Iterable[str], texts: dict[str, NodeTexts]) -> Texts:
    """The texts of these ids, row by row; empty ones for those that have none."""
    rows = [texts.get(node, NodeTexts()) for node in ids]
    return Texts(*(tuple(column) for column in zip(*rows, strict=True))) if rows else Texts((), (), ())


@dataclass(frozen=True, eq=False)
class Lineage:
    """A hierarchy, and what made pairs of it: settings, labelled texts, and names as queries.

    Attributes:
        hierarchy: without the edges of documents that are left out of every answer, which pairs do not have.
        max_distance: the bound on distances; None where all ancestors are relevant.
        leave_out: ids that are relevant to nothing.
        made: the pairs.
        without: labelled texts of them that are not wanted, (text, node) each.
    """

    hierarchy: Hierarchy
    max_distance: int | None
    leave_out: tuple[str, ...]
    made: Pairs
    without: frozenset[Labelled] = frozenset()

    @cached_property
    def labels(self) -> Labels | None:
        """The labelled texts of the pairs, nodes by their ids; None without any."""
        rows, found = _labelled(self.made)
        kept = [place for place, each in enumerate(found) if each not in self.without]
        weights = None if self.made.query_weights is None else self.made.query_weights[rows[kept]]
        return Labels.of([found[place] for place in kept], weights) if kept else None

    def without_labels(self, labels: Iterable[Labelled]) -> Lineage:
        """The same without these labelled texts, (text, node) each."""
        return replace(self, without=self.without | set(labels))

    @cached_property
    def naming(self) -> dict[str, bool] | None:
        """Arguments of `Pairs.by_name` that made queries of names; None where only nodes and labels are queries.

        Raises:
            PairsError: no arguments do.
        """
        nodes, wanted = self.pairs(self.hierarchy), list(self.made.query_ids)
        if list(nodes.query_ids) == wanted:
            return None
        for options in ({}, {"glosses": True}, {"unambiguous": False}, {"glosses": True, "unambiguous": False}):
            if list(nodes.by_name(**options).query_ids) == wanted:
                return options
        raise PairsError(
            f"{self.made!r} has queries that are neither nodes, labelled texts nor names of a hierarchy, so a change "
            "of it cannot be applied to them. Give the newer pairs themselves: grow(model, before, after)."
        )

    def pairs(
        self, newer: Hierarchy, *, labels: Labels | None = None, unknown: Unknown = "error", **settings: Any
    ) -> Pairs:
        """The pairs of another version of the hierarchy, with the labelled texts that these had.

        Args:
            newer: the other version.
            labels: more of them; a text that has others here loses its old ones.
            unknown: as for `Hierarchy.pairs`. Old labels of nodes that are gone are left out, and a note counts them.
            settings: `max_distance`, `keep_roots` and `leave_out` of `Hierarchy.pairs` in place of those that made
                these pairs.

        Raises:
            UnknownIdError, PairsError, TableError, InputError: as `Hierarchy.pairs`.
        """
        usual = {
            "max_distance": self.max_distance,
            "leave_out": [node for node in self.leave_out if node in newer.ids],
        }
        made = newer.pairs(**(settings or usual))
        names = NodeNames(newer.ids, newer.texts, newer.parent_offsets, newer.parents)
        found = None if labels is None else label_queries(labels, names.find, names.explain, unknown=unknown)
        if self.labels is not None:
            told: set[str] = set() if found is None else set(map(normal_form, found.texts))
            old = [row for row, text in enumerate(self.labels.texts) if normal_form(text) not in told]
            kept = [
                row for row in old if self.labels.nodes[row] in newer.ids or self.labels.nodes[row] in newer.ids.old
            ]
            if kept:
                made = with_labels(made, label_queries(self.labels.take(kept), names.find, unknown="error"))
            if gone := len(old) - len(kept):
                labelled = "1 labelled text is" if gone == 1 else f"{gone:,} labelled texts are"
                made = replace(made, notes=(*made.notes, f"{labelled} left out, as their nodes are gone."))
        return made if found is None else with_labels(made, found)


def _nodes_in(pairs: Pairs) -> Pairs:
    """The pairs of the nodes alone, with their names and synonyms.

    Raises:
        PairsError: the first queries are not the documents.
    """
    if pairs.query_ids == pairs.document_ids:
        return pairs
    try:
        nodes = node_pairs(pairs)
    except PairsError as error:
        raise PairsError(
            f"These pairs have {pairs.n_queries:,} queries and {pairs.n_documents:,} documents that are not the same "
            f"nodes, so they have no hierarchy. Give the newer pairs themselves: grow(model, before, after)."
        ) from error
    return replace(nodes, query_texts=nodes.document_texts)


def _labelled(pairs: Pairs) -> tuple[Rows, list[Labelled]]:
    """Query row, and (text, node), of labelled texts: queries behind the nodes that are no synonym or gloss of one."""
    n = pairs.n_documents
    if pairs.query_ids == pairs.document_ids:
        return np.empty(0, np.int64), []
    derived = set(_nodes_in(pairs).by_name(unambiguous=False, glosses=True).query_ids[n:])
    texts = what_is_read(pairs.query_ids, pairs.query_texts)
    exact = np.flatnonzero((pairs.distances == 0) & (pairs.query_of >= n))
    rows, nodes = pairs.query_of[exact], pairs.documents[exact]
    own = np.array([pairs.query_ids[row] not in derived for row in rows.tolist()], np.bool_)
    rows, nodes = rows[own], nodes[own]
    found = zip(rows.tolist(), nodes.tolist(), strict=True)
    return rows, [(texts[row], pairs.document_ids[node]) for row, node in found]


def links(pairs: Pairs) -> Hierarchy:
    """The hierarchy whose edges are the pairs at distance 1, of the nodes alone.

    Raises:
        PairsError: the first queries are not the documents, or the links run in a circle.
    """
    nodes = _nodes_in(pairs)
    up = nodes.keep(nodes.distances == 1)
    try:
        return Hierarchy(up.query_ids, up.offsets, up.documents, up.query_texts)
    except HierarchyError as error:
        raise PairsError(f"The pairs at distance 1 are no hierarchy: {error}") from error


def lineage(pairs: Pairs) -> Lineage:
    """Read back the hierarchy that pairs came from, with its settings; checked by making the pairs again.

    Raises:
        PairsError: the pairs are not those of a hierarchy.
    """
    nodes, tree = _nodes_in(pairs), links(pairs)
    unused = np.flatnonzero((nodes.sizes == 0) & (nodes.generality == 0))
    leave_out = tuple(nodes.query_ids[row] for row in unused.tolist())
    farthest = nodes.max_distance
    beyond = tree.pairs(max_distance=farthest + 1, leave_out=leave_out)
    again = beyond.near(farthest)
    arrays = ("offsets", "documents", "distances")
    if not all(np.array_equal(getattr(again, name), getattr(nodes, name)) for name in arrays):
        raise PairsError(
            f"These {len(nodes):,} pairs are not all ancestors in a hierarchy (their links make {len(again):,}), so a "
            "change of parents cannot be applied to them. Give the newer pairs themselves: grow(model, before, after)."
        )
    return Lineage(tree, farthest if beyond.max_distance > farthest else None, leave_out, pairs)
