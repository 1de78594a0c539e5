"""Edge lists, nodes and child -> parent edges: what every reader returns, and the reader of tables and iterables."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rootward.errors import HierarchyError, InputError, TableError, UnknownIdError, did_you_mean
from rootward.ids import CONTROL, Ids, id_text, refuse_surrogates, refuse_text
from rootward.readers.limits import LOOKED_AT
from rootward.readers.tables import TEXT, Columns, Format, as_arrow, column_names, delimited, read_columns
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
        for each in (names.values(), chain.from_iterable(synonyms.values()), definitions.values()):
            refuse_surrogates(each, "text")
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

    looked_at = 0

    def reached(starts: Iterable[str], above: dict[str, set[str]], never: str) -> set[str]:
        nonlocal looked_at
        found: set[str] = set()
        todo = list(starts)
        while todo:
            node = todo.pop()
            if node != never and node not in found:
                found.add(node)
                todo += above.get(node, ())
        looked_at += len(found)
        if looked_at > LOOKED_AT:
            raise HierarchyError(
                f"Its definitions add edges so deep that which are told already takes more than {LOOKED_AT:,} steps to "
                "find. Read stated edges alone, or write the hierarchy as edges."
            )
        return found

    ups_of: dict[str, list[str]] = {}
    for low, up in candidates:
        if (low, up) not in stated:
            ups_of.setdefault(low, []).append(up)
    is_told: set[tuple[str, str]] = set()
    is_circular: set[tuple[str, str]] = set()
    for low, ups in ups_of.items():
        grandparents = {node for parent in of_all[low] - {low} for node in of_all.get(parent, ())}
        told = reached(grandparents, of_all, low)
        for up in ups:
            if low != up and low in reached([up], of_stated, ""):
                is_circular.add((low, up))
            elif up in told:
                is_told.add((low, up))
    added = [pair for pair in candidates if pair not in stated and pair not in is_told]
    return [pair for pair in added if pair not in is_circular], [pair for pair in added if pair in is_circular]


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
    known, texts, told = (None, None, ()) if nodes is None else read_nodes(nodes, format, delimiter, child)
    named = [lower] if known is None else [lower, known]
    file = delimited(source, format, delimiter)
    upper, notes = _without_missing(upper, named, lambda words: file and file.unquoted(parent, words))
    (lower, upper, *rest), more = whole_numbers([lower, upper, *([] if known is None else [known])])
    known, notes = rest[0] if rest else None, told + notes + more
    if known is not None and len(pc.unique(known)) < len(known):
        raise HierarchyError(f"{more[0].rstrip('.')}. The node table holds both; keep one row of each.")
    if known is None and not len(lower):
        where = f" in {Path(source).name}" if isinstance(source, str | PathLike) else ""
        raise InputError(f"There are no edges{where}; needed at least one (child, parent), or the nodes in nodes=.")
    has_parent = pc.not_equal(upper, "")
    edges = np.flatnonzero(has_parent.to_numpy(zero_copy_only=False))
    if known is not None and texts is not None:
        (lower, upper), more = _named([lower, upper], known, texts)
        notes += more
    if known is not None and not add_missing:
        _refuse_unknown(lower, known, "child", name_edge)
        _refuse_unknown(upper.filter(has_parent), known, "parent", lambda edge: name_edge(int(edges[edge])))
    lower_kept, upper_kept = lower.filter(has_parent), upper.filter(has_parent)
    labels = pc.unique(pa.chunked_array([*([] if known is None else [known]), lower, upper_kept]))
    ids = Ids(labels.to_pylist(), what="node")
    if texts is not None:  # add_missing=True adds nodes without texts
        added = len(ids) - len(texts)
        texts = Texts(texts.names + ("",) * added, texts.synonyms + ((),) * added, texts.definitions + ("",) * added)
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


def whole_numbers(columns: list[Any]) -> tuple[list[Any], Notes]:
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
    return columns, (f"{which} as a fraction, {first!r} beside {twice[first]!r}; each is one id.",)


_COLUMNS = {
    "id": ("id", "uri", "iri", "concepturi", "node", "nodeid", "code", "key"),
    "name": ("name", "preferredlabel", "preflabel", "label", "title", "nodename"),
    "synonyms": ("synonyms", "synonym", "altlabels", "altlabel", "alternativelabels", "aliases", "alias"),
    "definition": ("definition", "description", "gloss", "scopenote"),
}
"""What the columns of node tables are called, in lower case without spaces, '-' and '_'; the first that is there."""


def _columns_of(there: Sequence[str], child: str | None) -> dict[str, str]:
    """Role -> name of the column that has it: the role's own name, that of the edges for ids, or a usual other one."""
    plain = {re.sub(r"[\s_-]", "", name).lower(): name for name in reversed(there)}
    found = {role: next((plain[each] for each in usual if each in plain), None) for role, usual in _COLUMNS.items()}
    if "id" not in there and child in there:
        found["id"] = child
    found |= {role: role for role in _COLUMNS if role in there}
    return {role: name for role, name in found.items() if name is not None}


def read_nodes(
    source: NodeSource, format: Format | None, delimiter: str | None, child: str | None = None
) -> tuple[Any, Texts | None, Notes]:
    """(ids, texts or None, notes) of a node table: columns id, and any of name, synonyms, definition.

    Columns of other usual names (preferredLabel, altLabels) are told in a note; `child` may be that of the ids.
    Synonyms are a list, a JSON list, or a text with "|" or line breaks between them, or ";" where no text has these.

    Raises:
        HierarchyError: an id that is empty or there twice.
    """
    source = as_arrow(source)
    columns: Columns | None = None
    notes: Notes = ()
    if isinstance(source, str | PathLike | pa.Table):
        is_file = isinstance(source, str | PathLike)
        there = column_names(source, format if is_file else None, delimiter if is_file else None)
        roles = _columns_of(there, child)
        if others := [f"{name!r} as {role}" for role, name in roles.items() if name not in (role, child)]:
            notes = (f"Read the columns {', '.join(others)}.",)
        found = _read(
            source,
            [roles.get("id", "id")],
            format,
            delimiter,
            optional=[name for role, name in roles.items() if role != "id"],
            hint=" Rename the column of ids to 'id'.",
        )
        columns = replace(found, texts={role: found[name] for role, name in roles.items() if name in found})
        for role in ("id", "name", "definition"):
            if role in columns and not pa.types.is_large_string(columns[role].type):
                raise TableError(f"Column {roles[role]!r} of {columns.source} holds lists; needed a text in each row.")
        labels = columns["id"]
    else:
        refuse_text(source)
        listed = [id_text(node) for node in source]
        refuse_surrogates(listed, "id")
        labels = pa.array(listed, TEXT)

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
        return labels, None, notes

    names, synonyms, definitions = (
        columns[name].to_pylist() if name in columns else [""] * len(columns)
        for name in ("name", "synonyms", "definition")
    )
    words, between = split_synonyms(synonyms)
    if between == ";":
        notes += ("Read ';' as what stands between two synonyms, since no text has '|'.",)
    return labels, Texts(tuple(names), words, tuple(definitions)), notes


def split_synonyms(cells: Sequence[Any]) -> tuple[tuple[tuple[str, ...], ...], str]:
    """(the synonyms in each cell of a column, what stands between two of them): see `read_nodes`."""
    texts = [cell for cell in cells if isinstance(cell, str) and not cell.lstrip().startswith("[")]
    between = r"[|\r\n]" if any("|" in cell or "\n" in cell.strip() for cell in texts) else ";"
    used = ";" if between == ";" and any(";" in cell for cell in texts) else "|"

    def split(cell: Any) -> tuple[str, ...]:
        words = cell
        if isinstance(cell, str):
            words = None
            if cell.lstrip().startswith("["):
                with suppress(ValueError, RecursionError):
                    words = json.loads(cell)
            words = words if isinstance(words, list) else re.split(between, cell)
        return tuple(dict.fromkeys(filter(None, (str(word).strip() for word in words or () if word is not None))))

    return tuple(map(split, cells)), used


def _named(ends: list[Any], known: Any, texts: Texts) -> tuple[list[Any], Notes]:
    """Edges between ids, also where their ends are names of the nodes: when no end is an id, and all are one's name."""
    labels = pc.unique(pa.chunked_array(ends)).filter(pc.not_equal(pc.unique(pa.chunked_array(ends)), ""))
    if pc.any(pc.is_in(labels, value_set=known)).as_py():
        return ends, ()
    ids = known.to_pylist()
    often = Counter(texts.names)
    once = {name: row for row, name in enumerate(texts.names) if often[name] == 1}
    if not len(labels) or not all(label in once for label in labels.to_pylist()):
        return ends, ()
    ids_of = [pa.array([ids[once[label]] if label else "" for label in end.to_pylist()], TEXT) for end in ends]
    return ids_of, ("The edges name nodes by their names, not their ids; joined by these.",)


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
