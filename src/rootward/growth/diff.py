"""`Diff`: the changes between two versions of a hierarchy; it prints, saves and can be applied."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from rootward.errors import HierarchyError, PairsError, did_you_mean
from rootward.evaluation.results import Result
from rootward.files import write_text
from rootward.hierarchy import Hierarchy
from rootward.pairs import Labels, Pairs
from rootward.pairs.labels import Unknown
from rootward.texts import Texts

SHOWN = 5
VERSION = 1

Edge = tuple[str, str]


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
    """

    noun = "change"
    format: int = VERSION
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    added_edges: tuple[Edge, ...] = ()
    removed_edges: tuple[Edge, ...] = ()
    texts: dict[str, NodeTexts] = Field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.added_edges or self.removed_edges or self.texts)

    @property
    def moved(self) -> tuple[str, ...]:
        """Nodes of both versions that got or lost a parent."""
        gone = {*self.added, *self.removed}
        children = dict.fromkeys(child for child, _ in (*self.added_edges, *self.removed_edges))
        return tuple(child for child in children if child not in gone)

    @property
    def renamed(self) -> tuple[str, ...]:
        """Nodes of both versions with another name, synonyms or definition."""
        added = set(self.added)
        return tuple(node for node in self.texts if node not in added)

    def __str__(self) -> str:
        kinds = (
            ("added", self.added),
            ("removed", self.removed),
            ("moved", self.moved),
            ("renamed", self.renamed),
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
        old, new: hierarchies, or pairs of one; their links are then the pairs at distance 1.

    Raises:
        PairsError: pairs of queries and documents that are not the same nodes.
    """
    old, new = (links(each) if isinstance(each, Pairs) else each for each in (old, new))
    was, now = set(old.edges()), set(new.edges())
    before, after = texts_of(old.ids, old.texts), texts_of(new.ids, new.texts)
    nothing = NodeTexts()
    return Diff(
        added=tuple(node for node in new.ids if node not in old.ids),
        removed=tuple(node for node in old.ids if node not in new.ids),
        added_edges=tuple(edge for edge in new.edges() if edge not in was),
        removed_edges=tuple(edge for edge in old.edges() if edge not in now),
        texts={node: texts for node, texts in after.items() if texts != before.get(node, nothing)},
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
    """A hierarchy, and the settings that made pairs of it.

    Attributes:
        hierarchy: without the edges of documents that are left out of every answer, which pairs do not have.
        max_distance: the bound on distances; None where all ancestors are relevant.
        leave_out: ids that are relevant to nothing.
    """

    hierarchy: Hierarchy
    max_distance: int | None
    leave_out: tuple[str, ...]

    def pairs(self, newer: Hierarchy, *, labels: Labels | None = None, unknown: Unknown = "error") -> Pairs:
        """The pairs of another version of the hierarchy, by the same settings; labels as for `Hierarchy.pairs`."""
        leave_out = [node for node in self.leave_out if node in newer.ids]
        return newer.pairs(max_distance=self.max_distance, leave_out=leave_out, labels=labels, unknown=unknown)


def links(pairs: Pairs) -> Hierarchy:
    """The hierarchy whose edges are the pairs at distance 1.

    Raises:
        PairsError: queries and documents are not the same nodes, or the links run in a circle.
    """
    if pairs.query_ids != pairs.document_ids:
        raise PairsError(
            f"These pairs have {pairs.n_queries:,} queries and {pairs.n_documents:,} documents that are not the same "
            f"nodes, so they have no hierarchy. Give the newer pairs themselves: grow(model, before, after)."
        )
    up = pairs.keep(pairs.distances == 1)
    try:
        return Hierarchy(up.query_ids, up.offsets, up.documents, up.query_texts)
    except HierarchyError as error:
        raise PairsError(f"The pairs at distance 1 are no hierarchy: {error}") from error


def lineage(pairs: Pairs) -> Lineage:
    """Read back the hierarchy that pairs came from, with its settings; checked by making the pairs again.

    Raises:
        PairsError: the pairs are not those of a hierarchy.
    """
    tree = links(pairs)
    unused = np.flatnonzero((pairs.sizes == 0) & (pairs.generality == 0))
    leave_out = tuple(pairs.query_ids[row] for row in unused.tolist())
    farthest = pairs.max_distance
    beyond = tree.pairs(max_distance=farthest + 1, leave_out=leave_out)
    again = beyond.near(farthest)
    arrays = ("offsets", "documents", "distances")
    if not all(np.array_equal(getattr(again, name), getattr(pairs, name)) for name in arrays):
        raise PairsError(
            f"These {len(pairs):,} pairs are not all ancestors in a hierarchy (their links make {len(again):,}), so a "
            "change of parents cannot be applied to them. Give the newer pairs themselves: grow(model, before, after)."
        )
    return Lineage(tree, farthest if beyond.max_distance > farthest else None, leave_out)
