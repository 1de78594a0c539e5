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
from rootward.ids import CONTROL, Ids, id_text, refuse_text
from rootward.readers.tables import TEXT, Columns, Format, as_arrow, delimited, read_columns
from rootward.readers.text_files import FilePath
from rootward.texts import Texts

EdgeSource: TypeAlias = FilePath | pa.Table | Iterable[tuple[Hashable, Hashable | None]]
NodeSource: TypeAlias = FilePath | pa.Table | Iterable[Hashable]

Rows = npt.NDArray[np.int64]
Notes = tuple[str, ...]


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
        notes: tuple[str, ...] = (),
        name_edge: Callable[[int], str] = edge_number,
    ) -> EdgeList:
        """Make one from id -> name, in the order of the nodes, and (child id, parent id) edges.

        A name repeated among its synonyms is dropped there.
        """
        ids, pairs = Ids(names), list(edges)
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

    empty = pc.index(pc.utf8_trim_whitespace(lower), "").as_py()
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
    named = [lower] if known is None else [lower, known]
    file = delimited(source, format, delimiter)
    upper, notes = _without_missing(upper, named, lambda words: file and file.unquoted(parent, words))
    (lower, upper, *rest), more = _whole_numbers([lower, upper, *([] if known is None else [known])])
    known, notes = rest[0] if rest else None, notes + more
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
    return EdgeList(ids, children, parents, texts, notes, name_edge=lambda edge: name_edge(int(edges[edge])))


MISSING = ("NULL", "Null", "null", "\\N", "NaN", "nan", "NAN", "None", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaT")
"""How tables write that there is nothing, besides an empty field."""


def _without_missing(upper: Any, named: Sequence[Any], unquoted: Callable[[list[str]], Any]) -> tuple[Any, Notes]:
    """The parents with "" for those that say that there is none, and notes on these.

    A word such as NULL is a node where it stands as a child, in the node table, or in quotes.
    """
    upper = pc.if_else(pc.equal(pc.utf8_trim_whitespace(upper), ""), "", upper)
    nodes = {word for column in named for word in MISSING if pc.index(column, word).as_py() >= 0}
    words = [word for word in MISSING if word not in nodes and pc.index(upper, word).as_py() >= 0]
    if not words:
        return upper, ()
    meant = pc.is_in(upper, value_set=pa.array(words, TEXT))
    bare = unquoted(words)  # None where there are no quotes to tell by
    gone = meant if bare is None else pc.and_(meant, pa.array(bare))
    quoted = pc.and_not(meant, gone)
    notes: Notes = ()
    if n := pc.sum(gone).as_py():
        shown = ", ".join(repr(word) for word in words if pc.index(upper.filter(gone), word).as_py() >= 0)
        rows, roots = ("row has", "its child is a root") if n == 1 else ("rows have", "their children are roots")
        notes += (
            f"{n:,} {rows} {shown} as the parent, read as no parent: {roots}. If a node is truly called so, list it in "
            "nodes=, give it a row as a child, or write it in double quotes in a CSV.",
        )
    if n := pc.sum(quoted).as_py():
        shown = ", ".join(repr(word) for word in words if pc.index(upper.filter(quoted), word).as_py() >= 0)
        notes += (f"{n:,} {'row has' if n == 1 else 'rows have'} {shown} as the parent, kept as a node: it is quoted.",)
    return pc.if_else(gone, "", upper), notes


def _whole_numbers(columns: list[Any]) -> tuple[list[Any], Notes]:
    """Columns of ids with one text for each number: 1.0, which pandas writes beside a gap, is 1 where there is a 1."""
    floats = [pc.unique(column.filter(pc.match_substring_regex(column, r"^-?[0-9]+\.0+$"))) for column in columns]
    every = pc.unique(pa.chunked_array(columns))
    twice = {
        label: label.partition(".")[0]
        for label in dict.fromkeys(label for found in floats for label in found.to_pylist())
    }
    whole = pc.is_in(pa.array(list(twice.values()), TEXT), value_set=every)
    first = next((label for label, there in zip(twice, whole.to_pylist(), strict=True) if there), None)
    if first is None:
        return columns, ()
    if pc.any(pc.match_substring_regex(every, r"^-?[0-9]+\.[0-9]*[1-9][0-9]*$")).as_py():
        return columns, (f"The ids {first!r} and {twice[first]!r} are kept apart, since others are fractions.",)
    n = len(twice)
    columns = [
        pc.if_else(
            pc.match_substring_regex(each, r"^-?[0-9]+\.0+$"), pc.replace_substring_regex(each, r"\.0+$", ""), each
        )
        for each in columns
    ]
    which = f"{n:,} id is a whole number written" if n == 1 else f"{n:,} ids are whole numbers written"
    return columns, (f"{which} as a fraction, {first!r} beside {twice[first]!r}; each is one node.",)


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
        refuse_text(source)
        labels = pa.array([id_text(node) for node in source], TEXT)

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
