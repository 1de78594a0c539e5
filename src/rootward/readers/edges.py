"""Edges from a table or an iterable, with the nodes they may use."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rootward.errors import HierarchyError, InputError, UnknownIdError, did_you_mean
from rootward.ids import CONTROL, Ids
from rootward.readers.drafts import Draft, edge_number
from rootward.readers.node_tables import Columns, FilePath, Format, read_columns
from rootward.readers.tables import NO_FRAME, TEXT, as_arrow
from rootward.texts import Texts

EdgeSource: TypeAlias = FilePath | pa.Table | Iterable[tuple[Hashable, Hashable | None]]
NodeSource: TypeAlias = FilePath | pa.Table | Iterable[Hashable]

Rows = npt.NDArray[np.int64]


def read_edges(
    source: EdgeSource,
    *,
    child: str,
    parent: str,
    nodes: NodeSource | None,
    add_missing: bool,
    format: Format | None,
    delimiter: str | None,
) -> Draft:
    """The draft of an edge list; see `Hierarchy.from_edges`.

    Nodes come in the order of the node table, or else children in the order of their rows, then the nodes that are
    only ever parents.
    """
    lower, upper, name_edge = _both_ends(source, child, parent, format, delimiter)
    _refuse_empty_child(lower, name_edge)
    for labels in (lower, upper):
        _refuse_control(labels, name_edge)
    given = None if nodes is None else read_nodes(nodes, format, delimiter)
    if given is None and not len(lower):
        where = f" in {Path(source).name}" if isinstance(source, str | PathLike) else ""
        raise InputError(f"There are no edges{where}; needed at least one (child, parent), or the nodes in nodes=.")
    known = pa.array([], TEXT) if given is None else given[0]
    has_parent = pc.not_equal(upper, "")
    edges = np.flatnonzero(has_parent.to_numpy(zero_copy_only=False))
    lower_kept, upper_kept = lower.filter(has_parent), upper.filter(has_parent)
    if given is not None and not add_missing:
        _refuse_unknown(lower, known, "child", name_edge)
        _refuse_unknown(upper_kept, known, "parent", lambda edge: name_edge(int(edges[edge])))
    labels = pc.unique(pa.chunked_array([known, lower, upper_kept]))
    ids = Ids(labels.to_pylist(), what="node")
    texts = None if given is None or given[1] is None else _padded(given[1], len(ids))
    return Draft(
        ids,
        _rows_in(lower_kept, labels),
        _rows_in(upper_kept, labels),
        texts,
        name_edge=lambda edge: name_edge(int(edges[edge])),
    )


def _both_ends(
    source: EdgeSource, child: str, parent: str, format: Format | None, delimiter: str | None
) -> tuple[Any, Any, Any]:
    """(child ids, parent ids, name of an edge) of every row; "" where nothing stood."""
    source = as_arrow(source)
    if isinstance(source, str | PathLike | pa.Table):
        hint = " Name the columns with child= and parent=."
        columns = read_columns(source, [child, parent], format=format, delimiter=delimiter, hint=hint)
        ends = [pc.fill_null(columns.table[name], "").combine_chunks() for name in (child, parent)]
        return *ends, lambda edge: f"{edge_number(edge)} ({columns.name_row(edge)})"
    if not isinstance(source, Iterable):
        raise InputError(f"A file, a pyarrow Table or an iterable of (child, parent) is needed, got {source!r:.80}.")
    if hasattr(source, "columns"):
        raise InputError(NO_FRAME.format(type(source).__name__))
    lower, upper = [], []
    for number, edge in enumerate(source):
        if isinstance(edge, str) or not hasattr(edge, "__len__") or len(edge) != 2:
            raise HierarchyError(f"{edge_number(number)} is {edge!r}; needed a pair (child, parent).")
        lower.append("" if edge[0] is None else str(edge[0]))
        upper.append("" if edge[1] is None else str(edge[1]))
    return pa.array(lower, TEXT), pa.array(upper, TEXT), edge_number


def read_nodes(source: NodeSource, format: Format | None, delimiter: str | None) -> tuple[Any, Texts | None]:
    """(ids, texts or None) of a node table: columns id, and any of name, synonyms ('a|b'), definition."""
    source = as_arrow(source)
    if not isinstance(source, str | PathLike | pa.Table):
        labels = pa.array(["" if node is None else str(node) for node in source], TEXT)
        _refuse_bad_nodes(labels, lambda row: f"Node {row + 1}")
        return labels, None
    columns = read_columns(source, ["id"], ["name", "synonyms", "definition"], format=format, delimiter=delimiter)
    labels = pc.fill_null(columns.table["id"], "").combine_chunks()
    _refuse_bad_nodes(labels, lambda row: f"Node {row + 1} ({columns.name_row(row)})")
    return labels, _texts(columns) if columns.table.num_columns > 1 else None


def _texts(columns: Columns) -> Texts:
    def column(name: str) -> list[Any]:
        there = name in columns.table.column_names
        return columns.table[name].to_pylist() if there else [None] * columns.table.num_rows

    return Texts(
        tuple(name or "" for name in column("name")),
        tuple(
            tuple(word for word in (words.split("|") if isinstance(words, str) else words or ()) if word)
            for words in column("synonyms")
        ),
        tuple(definition or "" for definition in column("definition")),
    )


def _padded(texts: Texts, n: int) -> Texts:
    """Texts with empty rows for the nodes that add_missing=True added after the given ones."""
    more = n - len(texts)
    return Texts(texts.names + ("",) * more, texts.synonyms + ((),) * more, texts.definitions + ("",) * more)


def _rows_in(labels: Any, table: Any) -> Rows:
    rows: Rows = pc.index_in(labels, value_set=table).to_numpy(zero_copy_only=False).astype(np.int64)
    return rows


def _refuse_empty_child(lower: Any, name_edge: Callable[[int], str]) -> None:
    empty = pc.index(lower, "").as_py()
    if empty >= 0:
        raise HierarchyError(
            f"{name_edge(empty)}: the child is empty. Every edge needs a child; only the parent may be left out, "
            "for a root."
        )


def _refuse_control(labels: Any, name_edge: Callable[[int], str]) -> None:
    row = pc.index(pc.match_substring_regex(labels, CONTROL), True).as_py()
    if row >= 0:
        raise HierarchyError(f"{name_edge(row)}: {labels[row].as_py()!r} holds a control character; remove it.")


def _refuse_bad_nodes(labels: Any, name_node: Callable[[int], str]) -> None:
    empty = pc.index(labels, "").as_py()
    if empty >= 0:
        raise HierarchyError(f"{name_node(empty)}: the id is empty. Every node needs one.")
    if len(pc.unique(labels)) == len(labels):
        return
    first: dict[str, int] = {}
    for row, label in enumerate(labels.to_pylist()):
        if label in first:
            raise HierarchyError(f"{name_node(row)}: {label!r} is already {name_node(first[label])}. Keep one of them.")
        first[label] = row


def _refuse_unknown(labels: Any, known: Any, what: str, name_edge: Callable[[int], str]) -> None:
    unknown = pc.index(pc.is_in(labels, value_set=known), False).as_py()
    if unknown >= 0:
        label = labels[unknown].as_py()
        raise UnknownIdError(
            f"{name_edge(unknown)}: {what} {label!r} is not a node.{did_you_mean(label, known.to_pylist())} "
            "Use add_missing=True to keep it."
        )
