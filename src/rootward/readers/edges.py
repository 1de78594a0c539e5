"""Edge lists, nodes and child -> parent edges: what every reader returns, and the reader of tables and iterables."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rootward.errors import HierarchyError, InputError, UnknownIdError, did_you_mean
from rootward.ids import CONTROL, Ids
from rootward.readers.tables import TEXT, Columns, Format, as_arrow, read_columns
from rootward.readers.text_files import FilePath
from rootward.texts import Texts

EdgeSource: TypeAlias = FilePath | pa.Table | Iterable[tuple[Hashable, Hashable | None]]
NodeSource: TypeAlias = FilePath | pa.Table | Iterable[Hashable]

Rows = npt.NDArray[np.int64]


def edge_number(edge: int) -> str:
    """'Edge 41' for the edge with index 40: how messages name an edge that is in no file."""
    return f"Edge {edge + 1}"


@dataclass(frozen=True, eq=False)
class EdgeList:
    """Nodes and child -> parent edges as read: there may be duplicates, self-loops and circles.

    Attributes:
        ids: the nodes.
        children, parents: int64 rows into `ids`, one an edge, in the order of the source.
        texts: names of the nodes where the source has them, else None.
        notes: what the reader left out, for people to read.
        name_edge: from an edge's index to the words an error starts with, 'Edge 41 (row 42 of edges.csv)'.
    """

    ids: Ids
    children: Rows
    parents: Rows
    texts: Texts | None = None
    notes: tuple[str, ...] = ()
    name_edge: Callable[[int], str] = field(default=edge_number)

    @classmethod
    def of(
        cls,
        names: Mapping[str, str],
        edges: Iterable[tuple[str, str]],
        *,
        synonyms: Mapping[str, Sequence[str]] | None = None,
        definitions: Mapping[str, str] | None = None,
        old_ids: Mapping[str, str] | None = None,
        notes: tuple[str, ...] = (),
        name_edge: Callable[[int], str] = edge_number,
    ) -> EdgeList:
        """Make one from id -> name, in the order of the nodes, and (child id, parent id) edges.

        A name repeated among its synonyms is dropped there. `old_ids` are ids that are no nodes: what each became.
        """
        ids, pairs = Ids(names, old=old_ids), list(edges)
        known = [f"{label} is now {new}" for label, new in ids.old.items()]
        notes += counted(
            "", "old id leads to the node that replaced it", "old ids lead to nodes that replaced them", known
        )
        synonyms, definitions = synonyms or {}, definitions or {}
        others = ((name, dict.fromkeys(synonyms.get(node, ()))) for node, name in names.items())
        texts = Texts(
            tuple(names.values()),
            tuple(tuple(word for word in words if word and word != name) for name, words in others),
            tuple(definitions.get(node, "") for node in names),
        )
        children, parents = (ids.rows(edge[end] for edge in pairs) for end in (0, 1))
        return cls(ids, children, parents, texts, notes, name_edge)


def left_out(n: int, one: str, many: str) -> tuple[str, ...]:
    """The note that n things were left out, as `EdgeList.notes` holds it; no note for none."""
    return (f"Left out {n:,} {one if n == 1 else many}.",) if n else ()


def counted(what: str, one: str, many: str, items: Iterable[str]) -> tuple[str, ...]:
    """A note that counts items and shows two of them: 'Left out 3 deprecated classes: a, b and 1 more.'; none for none.

    Args:
        what: what the note begins with, "" for nothing.
        one, many: what the items are.
        items: each as people should read it.
    """
    there = list(items)
    more = f" and {len(there) - 2:,} more" if len(there) > 2 else ""
    number = f"{what} {len(there):,}".strip()
    return (f"{number} {one if len(there) == 1 else many}: {', '.join(there[:2])}{more}.",) if there else ()


def not_implied(
    edges: Iterable[tuple[str, str]], more: Iterable[tuple[str, str]]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Of more (child, parent) edges, those that add something: what a file says of ancestors, not of parents.

    Args:
        edges: (child, parent), as stated.
        more: from a definition, or a transitive relation.

    Returns:
        Those that no way through the other edges tells, and those that would close a circle with `edges`; in order.
    """
    stated, candidates = dict.fromkeys(edges), list(dict.fromkeys(more))
    of_stated: dict[str, set[str]] = {}
    of_all: dict[str, set[str]] = {}
    for above, pairs in ((of_stated, stated), (of_all, [*stated, *candidates])):
        for low, up in pairs:
            above.setdefault(low, set()).add(up)

    def reached(starts: Iterable[str], above: dict[str, set[str]], never: str) -> set[str]:
        found: set[str] = set()
        todo = list(starts)
        while todo:
            node = todo.pop()
            if node != never and node not in found:
                found.add(node)
                todo += above.get(node, ())
        return found

    kept, circular = [], []
    told: dict[str, set[str]] = {}
    for low, up in candidates:
        if (low, up) in stated:
            continue
        if low not in told:
            grandparents = {node for parent in of_all[low] - {low} for node in of_all.get(parent, ())}
            told[low] = reached(grandparents, of_all, low)
        if low in reached([up], of_stated, "") and low != up:
            circular.append((low, up))
        elif up not in told[low]:
            kept.append((low, up))
    return kept, circular


def read_edges(
    source: EdgeSource,
    *,
    child: str,
    parent: str,
    nodes: NodeSource | None,
    add_missing: bool,
    format: Format | None,
    delimiter: str | None,
) -> EdgeList:
    """The edge list of a table; see `Hierarchy.from_edges`.

    Nodes come in the order of the node table, or else children in the order of their rows, then the nodes that are
    only ever parents.
    """
    source = as_arrow(source)
    columns = _read(source, [child, parent], format, delimiter, hint=" Name the columns with child= and parent=.")
    lower, upper = columns[child], columns[parent]

    def name_edge(edge: int) -> str:
        where = f" ({columns.where(edge)})" if isinstance(source, str | PathLike | pa.Table) else ""
        return f"{edge_number(edge)}{where}"

    empty = pc.index(lower, "").as_py()
    if empty >= 0:
        raise HierarchyError(
            f"{name_edge(empty)}: the child is empty. Every edge needs a child; only the parent may be left out, "
            "for a root."
        )
    for labels in (lower, upper):
        row = pc.index(pc.match_substring_regex(labels, CONTROL), True).as_py()
        if row >= 0:
            raise HierarchyError(f"{name_edge(row)}: {labels[row].as_py()!r} holds a control character; remove it.")
    known, texts = (None, None) if nodes is None else read_nodes(nodes, format, delimiter)
    if known is None and not len(lower):
        where = f" in {Path(source).name}" if isinstance(source, str | PathLike) else ""
        raise InputError(f"There are no edges{where}; needed at least one (child, parent), or the nodes in nodes=.")
    has_parent = pc.not_equal(upper, "")
    edges = np.flatnonzero(has_parent.to_numpy(zero_copy_only=False))
    if known is not None and not add_missing:
        _refuse_unknown(lower, known, "child", name_edge)
        _refuse_unknown(upper.filter(has_parent), known, "parent", lambda edge: name_edge(int(edges[edge])))
    lower_kept, upper_kept = lower.filter(has_parent), upper.filter(has_parent)
    labels = pc.unique(pa.chunked_array([*([] if known is None else [known]), lower, upper_kept]))
    ids = Ids(labels.to_pylist(), what="node")
    if texts is not None:  # add_missing=True adds nodes without texts
        more = len(ids) - len(texts)
        texts = Texts(texts.names + ("",) * more, texts.synonyms + ((),) * more, texts.definitions + ("",) * more)
    children, parents = (
        pc.index_in(end, value_set=labels).to_numpy(zero_copy_only=False).astype(np.int64)
        for end in (lower_kept, upper_kept)
    )
    return EdgeList(ids, children, parents, texts, name_edge=lambda edge: name_edge(int(edges[edge])))


def read_nodes(source: NodeSource, format: Format | None, delimiter: str | None) -> tuple[Any, Texts | None]:
    """(ids, texts or None) of a node table: columns id, and any of name, synonyms ('a|b'), definition.

    Raises:
        HierarchyError: an id that is empty or there twice.
    """
    source = as_arrow(source)
    columns = None
    if isinstance(source, str | PathLike | pa.Table):
        columns = _read(source, ["id"], format, delimiter, optional=["name", "synonyms", "definition"])
        labels = columns["id"]
    else:
        labels = pa.array(["" if node is None else str(node) for node in source], TEXT)

    def name_node(row: int) -> str:
        return f"Node {row + 1}" + (f" ({columns.where(row)})" if columns is not None else "")

    empty = pc.index(labels, "").as_py()
    if empty >= 0:
        raise HierarchyError(f"{name_node(empty)}: the id is empty. Every node needs one.")
    if len(pc.unique(labels)) < len(labels):
        first: dict[str, int] = {}
        for row, label in enumerate(labels.to_pylist()):
            if label in first:
                twice = f"{name_node(row)}: {label!r} is already {name_node(first[label])}"
                raise HierarchyError(f"{twice}. Keep one of them.")
            first[label] = row
    if columns is None or len(columns.texts) == 1:
        return labels, None

    names, synonyms, definitions = (
        columns[name].to_pylist() if name in columns else [""] * len(columns)
        for name in ("name", "synonyms", "definition")
    )
    words = ((each.split("|") if isinstance(each, str) else each or ()) for each in synonyms)
    return labels, Texts(tuple(names), tuple(tuple(filter(None, each)) for each in words), tuple(definitions))


def _read(source: Any, names: list[str], format: Format | None, delimiter: str | None, **options: Any) -> Columns:
    """Columns of ids; the format and the delimiter are of files, and `nodes` may be one where the edges are none."""
    if isinstance(source, str | PathLike):
        options |= {"format": format, "delimiter": delimiter}
    return read_columns(source, names, whole=True, allow_empty=True, **options)


def _refuse_unknown(labels: Any, known: Any, what: str, name_edge: Callable[[int], str]) -> None:
    unknown = pc.index(pc.is_in(labels, value_set=known), False).as_py()
    if unknown >= 0:
        label = labels[unknown].as_py()
        raise UnknownIdError(
            f"{name_edge(unknown)}: {what} {label!r} is not a node.{did_you_mean(label, known.to_pylist())} "
            "Use add_missing=True to keep it."
        )
