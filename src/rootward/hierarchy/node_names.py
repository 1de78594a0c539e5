"""`NodeNames`: finds the node that a label means, by its id, name or path; labels on the nodes of pairs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rootward.errors import PairsError, did_you_mean
from rootward.ids import Ids
from rootward.pairs import Labels, Pairs
from rootward.pairs.labels import Unknown, label_queries, labelled_pairs
from rootward.readers.paths import SEPARATORS
from rootward.readers.tables import shown
from rootward.texts import Texts, normal_form, what_is_read

_SHOWN = 3
_FLOAT = re.compile(r"(-?[0-9]+)\.0+")


@dataclass(frozen=True, eq=False)
class NodeNames:
    """Looks nodes up by what people call them. Names count as one where their normal forms are.

    Attributes:
        ids: of the nodes.
        texts: their names and synonyms; the id is the name of a node without one.
        offsets, parents: CSR from a node to its parents.
    """

    ids: Ids
    texts: Texts | None
    offsets: npt.NDArray[np.int64]
    parents: npt.NDArray[np.int32]

    def find(self, label: str) -> list[int]:
        """The rows of the nodes that a label can mean; one where it is clear, none where it is unknown.

        In this order: the node with this id, or its successor; nodes with this name; with this synonym; a path of
        names, each step below the one before ("Shoes > Sandals"), which may begin at any node, a root first.
        """
        label = label.strip()
        if label in self.ids or label in self.ids.old:
            return [self.ids.row(label)]
        if (whole := _FLOAT.fullmatch(label)) and whole[1] in self.ids:  # pandas writes 1.0 beside a gap
            return [self.ids.row(whole[1])]
        named = self._named(label)
        if len(named) != 1:
            for separator in SEPARATORS:
                if separator in label and (found := self._at_path([step.strip() for step in label.split(separator)])):
                    return found
        return named

    def explain(self, label: str, rows: list[int]) -> str:
        """What is wrong with a label that means no node, or several."""
        if rows:
            ids = ", ".join(repr(self.ids[row]) for row in rows[:_SHOWN])
            more = f" and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
            return f"{shown(label)} may be several nodes: {ids}{more}. Name the node by its id or its path."
        known = [*self._names, *self.ids]
        steps = [label.strip(), *(label.rsplit(sep, 1)[-1].strip() for sep in SEPARATORS if sep in label)]
        close = next(filter(None, (did_you_mean(step, known) for step in steps)), "")
        return f"the node {shown(label)} is no id, name or path of the {len(self.ids):,} nodes.{close}"

    def _named(self, name: str) -> list[int]:
        """The nodes with this name, or else with this synonym."""
        form = normal_form(name)
        return (self._by_name.get(form) or self._by_synonym.get(form) or []) if form else []

    def _at_path(self, steps: list[str]) -> list[int]:
        """The nodes at the end of a path of ids or names; those of paths that begin at a root, if there are any."""
        levels = [[self.ids.row(step)] if step in self.ids else self._named(step) for step in steps]
        roots = [row for row in levels[0] if self.offsets[row] == self.offsets[row + 1]]
        for start in (roots, levels[0]):
            here = start
            for level in levels[1:]:
                above = set(here)
                here = [row for row in level if above.intersection(self._above(row))]
            if here:
                return here
        return []

    def _above(self, row: int) -> list[int]:
        found: list[int] = self.parents[self.offsets[row] : self.offsets[row + 1]].tolist()
        return found

    @cached_property
    def _names(self) -> list[str]:
        return list(what_is_read(self.ids, self.texts))

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        return _rows_by_form((row, [name]) for row, name in enumerate(self._names))

    @cached_property
    def _by_synonym(self) -> dict[str, list[int]]:
        return {} if self.texts is None else _rows_by_form(enumerate(self.texts.synonyms))


def node_pairs(pairs: Pairs) -> Pairs:
    """The pairs of the nodes alone: of pairs that begin with a query for each document, as those of a hierarchy do.

    Raises:
        PairsError: the first queries are not the documents.
    """
    ids, n = pairs.document_ids, pairs.n_documents
    if pairs.n_queries < n or list(pairs.query_ids[:n]) != list(ids):
        raise PairsError(
            "These pairs are not of a hierarchy, so what stands above a node is not known; name the hierarchy, too."
        )
    end = int(pairs.offsets[n])
    texts = None if pairs.query_texts is None else pairs.query_texts.take(np.arange(n))
    arrays = (pairs.offsets[: n + 1], pairs.documents[:end], pairs.distances[:end])
    return Pairs(ids, ids, *arrays, texts, pairs.document_texts)


def labelled_alone(pairs: Pairs, labels: Labels, *, unknown: Unknown = "error") -> Pairs:
    """Pairs of labelled texts alone, with the nodes and answers of pairs that there are, such as a run's.

    The queries are the texts, without the nodes. A text that is a query of `pairs` keeps the id that it has there; the
    others get ids that are not there, so that a model of `pairs` reads them by their text.

    Args:
        pairs: of a hierarchy, or pairs at distance 0 only, where a text is answered by its nodes alone.
        labels, unknown: as for `Hierarchy.pairs`, which says what is refused.

    Raises:
        PairsError: other pairs, which do not tell what stands above a node.
    """
    if pairs.max_distance:
        nodes = node_pairs(pairs)
    else:
        known, rows = pairs.document_ids, np.arange(pairs.n_documents)
        nodes = Pairs.from_arrays(known, known, rows, rows, 0 * rows, document_texts=pairs.document_texts)
    up = nodes.keep(nodes.distances == 1)
    names = NodeNames(nodes.document_ids, nodes.document_texts, up.offsets, up.documents)
    return labelled_pairs(nodes, label_queries(labels, names.find, names.explain, unknown=unknown), pairs)


def _rows_by_form(names: Iterable[tuple[int, Iterable[str]]]) -> dict[str, list[int]]:
    """Normal form of a name -> the rows that have it."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row, words in names:
        for form in dict.fromkeys(map(normal_form, words)):
            found[form].append(row)
    return found
