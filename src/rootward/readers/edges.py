"""Edge lists, nodes and child -> parent edges: what every reader returns, and the reader of tables and iterables."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rootward.errors import HierarchyError, InputError, UnknownIdError, did_you_mean
from rootward.ids import CONTROL, Ids, folded, id_text, refuse_surrogates
from rootward.readers.limits import LOOKED_AT
from rootward.readers.nodes import NodeSource, Notes, read_nodes, written_list
from rootward.readers.tables import MISSING, TEXT, Columns, Format, as_arrow, delimited, read_ids
from rootward.readers.text_files import FilePath, counted
from rootward.texts import Texts

EdgeSource: TypeAlias = FilePath | pa.Table | Iterable[tuple[Hashable, Hashable | None]]

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
    columns = read_ids(
        source,
        [child, parent],
        format,
        delimiter,
        hint=" Name the columns with child= and parent=.",
        prefix="edges",
        lists=[parent],
    )
    columns, told = _data_rows(columns, child, parent, is_file=isinstance(source, str | PathLike))
    lower, upper = columns[child], columns[parent]
    row_of: Rows | None = None  # of each edge, where a row has several parents

    def name_edge(edge: int) -> str:
        row = edge if row_of is None else int(row_of[edge])
        where = f" ({columns.where(row)})" if isinstance(source, str | PathLike | pa.Table) else ""
        return f"{edge_number(row)}{where}"

    empty = pc.index(_bare(lower), "").as_py()
    if empty >= 0:
        raise HierarchyError(
            f"{name_edge(empty)}: the child is empty. Every edge needs a child; only the parent may be left out, "
            "for a root."
        )
    known, texts = None, None
    if nodes is not None:
        ends = [each for each in (lower, upper) if pa.types.is_large_string(each.type)]
        known, texts, more = read_nodes(nodes, format, delimiter, child, pc.unique(pa.chunked_array(ends)))
        told += more
    named = [lower] if known is None else [lower, known]
    file = delimited(source, format, delimiter, [child, parent])
    if not pa.types.is_large_string(upper.type):
        row_of, upper = _one_each(pc.list_parent_indices, upper)
        lower = lower.take(pa.array(row_of))
    elif several := _several_parents(upper, named):
        upper, notes_on_several = several
        row_of, upper = _one_each(pc.list_parent_indices, upper)
        lower, told = lower.take(pa.array(row_of)), told + notes_on_several
        named[0] = lower
    for labels in (lower, upper):
        row = pc.index(pc.match_substring_regex(labels, CONTROL), True).as_py()
        if row >= 0:
            raise HierarchyError(f"{name_edge(row)}: {labels[row].as_py()!r} holds a control character; remove it.")
    upper, notes = _without_missing(
        upper,
        named,
        lambda words: file.unquoted(parent, words)[np.asarray(columns.rows)] if file and row_of is None else None,
    )
    (lower, upper, *rest), more = whole_numbers([lower, upper, *([] if known is None else [known])])
    known, notes = rest[0] if rest else None, told + notes + more
    upper, more_roots = _without_numbers_for_nothing(lower, upper, known)
    notes += more_roots
    if known is not None and len(pc.unique(known)) < len(known):
        raise HierarchyError(f"{more[0].rstrip('.')}. The node table holds both; keep one row of each.")
    if known is None and not len(lower):
        where = f" in {Path(source).name}" if isinstance(source, str | PathLike) else ""
        raise InputError(f"There are no edges{where}; needed at least one (child, parent), or the nodes in nodes=.")
    has_parent = pc.not_equal(upper, "")
    edges = np.flatnonzero(has_parent.to_numpy(zero_copy_only=False))
    if known is not None:
        (lower, upper), more = _in_form_of([lower, upper], known)
        notes += more
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


_SENTINELS = ("0", "-1", "00000000-0000-0000-0000-000000000000")  # what databases write for no parent

_BETWEEN_PARENTS = ("|", "\n", ";", ",", " ")
_BLANK = r"^[\s\p{Z}\p{Cf}]+|[\s\p{Z}\p{Cf}]+$"


def _bare(labels: Any) -> Any:
    """The labels without white space and invisible characters around them."""
    return pc.replace_substring_regex(labels, _BLANK, "")


def _data_rows(columns: Columns, child: str, parent: str, *, is_file: bool) -> tuple[Columns, Notes]:
    """The rows of a file that are data, and a note on the others: a header in their midst, or nothing at all."""
    lower, upper = columns[child], columns[parent]
    if not is_file or not pa.types.is_large_string(upper.type):
        return columns, ()
    header = pc.and_(pc.equal(lower, child), pc.equal(upper, parent))
    empty = pc.and_(pc.equal(_bare(lower), ""), pc.equal(_bare(upper), ""))
    kept = np.flatnonzero(~np.asarray(pc.or_(header, empty)))
    if len(kept) == len(columns) or not len(kept):
        return columns, ()
    notes = left_out(pc.sum(header).as_py(), "row that repeats the header", "rows that repeat the header")
    return columns.take(kept), notes + left_out(pc.sum(empty).as_py(), "empty row", "empty rows")


def _one_each(indices: Callable[[Any], Any], cells: Any) -> tuple[Rows, Any]:
    """(row of each element, elements) of a column of lists; a list that is empty or missing is one empty element."""
    sizes = pc.fill_null(pc.list_value_length(cells), 0).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(cells)), np.maximum(sizes, 1))
    parts = np.full(len(rows), None, object)
    parts[np.repeat(sizes > 0, np.maximum(sizes, 1))] = pc.list_flatten(cells).to_pylist()
    return rows.astype(np.int64), pa.array([part or "" for part in parts.tolist()], TEXT)


def _several_parents(upper: Any, named: Sequence[Any]) -> tuple[Any, Notes] | None:
    """The parents as lists where cells hold several, and a note on these; None where none do.

    A cell is taken apart where it is no node itself, and all of its parts are.
    """
    nodes = pa.chunked_array(named)
    for between in ("[", *_BETWEEN_PARENTS):
        holds = pc.match_substring_regex(upper, r"^\s*[\[({]") if between == "[" else pc.match_substring(upper, between)
        cells = pc.unique(upper.filter(holds))
        cells = cells.filter(pc.invert(pc.is_in(cells, value_set=nodes.combine_chunks())))
        if not len(cells):
            continue
        parts = {cell: _parts(cell, between) for cell in cells.to_pylist()}
        there = {label for label in pc.unique(nodes).to_pylist() if label}
        parts = {
            cell: each
            for cell, each in parts.items()
            if (len(each) > 1 or (each and between == "["))
            and all("://" in part or (part in there and between != " ") for part in each)
        }
        if not parts:
            continue
        lists = [parts.get(cell, [cell]) for cell in upper.to_pylist()]
        n = sum(len(each) > 1 for each in lists) or len(parts)
        rows = "row has several parents" if n == 1 else "rows have several parents each"
        how = "written as a list" if between == "[" else f"with {between!r} between them"
        note = f"{n:,} {rows}, {how}, such as {next(iter(parts))!r}."
        return pa.array(lists, pa.list_(TEXT)), (note,)
    return None


def _parts(cell: str, between: str) -> list[str]:
    """The parents that a cell names: those of a written list, or the parts around a separator."""
    if between == "[":
        return [id_text(part).strip() for part in written_list(cell) or ()]
    return [part.strip() for part in cell.split(between) if part.strip()]


def _without_numbers_for_nothing(lower: Any, upper: Any, known: Any) -> tuple[Any, Notes]:
    """The parents with "" for a 0 or -1 that is above every top row and is no node, and notes on these.

    It stays a node where other rows have an empty parent, or a top that is no row either, and where nothing else would
    be left of the edges. So does a 0 where nothing lists the nodes: it is as often the root of a numbered tree.
    """
    notes: Notes = ()
    for number in _SENTINELS:
        meant = pc.equal(upper, number)
        n = pc.sum(meant).as_py()
        if (
            not n
            or pc.index(lower, number).as_py() >= 0
            or (known is not None and pc.index(known, number).as_py() >= 0)
        ):
            continue
        row, child, root = (
            ("row has", "its child", "is a root") if n == 1 else ("rows have", "their children", "are roots")
        )
        below = pc.is_in(upper, value_set=pc.unique(pa.chunked_array([lower])))
        is_listed = known is not None or number != "0"
        if is_listed and len(upper) > n and pc.all(pc.or_(meant, below)).as_py():
            upper = pc.if_else(meant, "", upper)
            notes += (
                f"{n:,} {row} {number!r} as the parent, which has no row of its own, read as no parent: {child} "
                f"{root}. If it is a node, list it in nodes= or give it a row as a child.",
            )
        else:
            notes += (
                f"{n:,} {row} {number!r} as the parent, which has no row of its own: read as a node above {child}. "
                "If it says that there is no parent, leave these fields empty.",
            )
    return upper, notes


def _without_missing(upper: Any, named: Sequence[Any], unquoted: Callable[[list[str]], Any]) -> tuple[Any, Notes]:
    """The parents with "" for those that say that there is none, and notes on these.

    A word such as NULL is a node where it stands as a child, in the node table, or in quotes.
    """
    raw, bare_words = upper, _bare(upper)
    upper = pc.if_else(pc.is_in(bare_words, value_set=pa.array(["", *MISSING], TEXT)), bare_words, upper)
    told = _kept_words(named[0])
    nodes = {word for column in named for word in MISSING if pc.index(column, word).as_py() >= 0}
    words = [word for word in MISSING if word not in nodes and pc.index(upper, word).as_py() >= 0]
    if not words:
        return upper, told
    meant = pc.is_in(upper, value_set=pa.array(words, TEXT))
    bare = unquoted(pc.unique(raw.filter(meant)).to_pylist())  # None where there are no quotes to tell by
    gone = meant if bare is None else pc.and_(meant, pa.array(bare))
    quoted = pc.and_not(meant, gone)
    notes = told
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


def _kept_words(lower: Any) -> Notes:
    """Notes on children that may be no nodes: words for nothing."""
    notes: Notes = ()
    words = [word for word in MISSING if pc.index(lower, word).as_py() >= 0]
    if words:
        n = pc.sum(pc.is_in(lower, value_set=pa.array(words, TEXT))).as_py()
        shown = ", ".join(map(repr, words))
        notes += (
            f"{n:,} {'row has' if n == 1 else 'rows have'} {shown} as the child, kept as a node. If it says that there "
            "is none, leave these rows out.",
        )
    return notes


WHOLE = r"^-?[0-9]+\.0+$|^-?[0-9]+,0$|^-?[0-9](\.[0-9]+)?[eE]\+[0-9]+$"
SHORTENED = r"^-?[0-9]\.[0-9]+[eE]\+[0-9]+$"


def whole_numbers(columns: list[Any]) -> tuple[list[Any], Notes]:
    """Columns of ids with one text for each number: 1.0, which pandas writes beside a gap, is 1 where there is a 1.

    So are 1e+05, which R writes, and 1,0 with a decimal comma. Numbers with and without leading zeros, or commas
    between thousands, stay apart; a note tells of them, and of numbers that a spreadsheet has shortened.
    """
    every = pc.unique(pa.chunked_array(columns))
    numbers = every.filter(pc.match_substring_regex(every, WHOLE))
    whole_of = {}
    for label in numbers.to_pylist():
        number = Decimal(label.replace(",", "."))
        if number == number.to_integral_value() and abs(number) < 10**18:
            whole_of[label] = str(int(number))
    columns, notes = _merged_numbers(columns, every, whole_of)
    every = pc.unique(pa.chunked_array(columns))
    zeros = every.filter(pc.match_substring_regex(every, "^0+[0-9]+$"))
    if len(zeros):
        short = pa.array([label.lstrip("0") or "0" for label in zeros.to_pylist()], TEXT)
        there = pc.is_in(short, value_set=every)
        if n := pc.sum(there).as_py():
            one, other = zeros.filter(there)[0].as_py(), short.filter(there)[0].as_py()
            notes += note_on_zeros(n, one, other)
    thousands = every.filter(pc.match_substring_regex(every, "^-?[0-9]{1,3}(,[0-9]{3})+$"))
    if n := pc.sum(pc.is_in(bare := pc.replace_substring(thousands, ",", ""), value_set=every)).as_py():
        place = pc.index(pc.is_in(bare, value_set=every), True).as_py()
        what = "id is another" if n == 1 else "ids are others"
        notes += (
            f"{n:,} {what} but for commas between thousands, kept apart: {thousands[place].as_py()!r} beside "
            f"{bare[place].as_py()!r}. Write each number in one way.",
        )
    shortened = every.filter(pc.match_substring_regex(every, SHORTENED))
    return columns, notes + note_on_shortened(shortened.to_pylist())


def note_on_zeros(n: int, label: str, other: str) -> Notes:
    """The sentence on n ids that are others but for leading zeros, such as '007' beside '7'; none for n=0."""
    what = "id is another" if n == 1 else "ids are others"
    return (f"{n:,} {what} but for leading zeros, kept apart: {label!r} beside {other!r}.",) if n else ()


def note_on_shortened(labels: Sequence[str]) -> Notes:
    """The sentence on ids such as '1.23457E+11'; none for no ids."""
    return counted(
        "",
        "id looks like a number that a spreadsheet has shortened, so that several may have become one",
        "ids look like numbers that a spreadsheet has shortened, so that several may have become one",
        map(repr, labels),
    )


def _merged_numbers(columns: list[Any], every: Any, twice: Mapping[str, str]) -> tuple[list[Any], Notes]:
    """The columns with the whole number in place of each text of it, and a note; nothing is done among fractions."""
    whole = pc.is_in(pa.array(list(twice.values()), TEXT), value_set=every)
    first = next((label for label, there in zip(twice, whole.to_pylist(), strict=True) if there), None)
    if first is None:
        return columns, ()
    if pc.any(pc.match_substring_regex(every, r"^-?[0-9]+\.[0-9]*[1-9][0-9]*$")).as_py():
        return columns, (f"The ids {first!r} and {twice[first]!r} are kept apart, since others are fractions.",)
    n = len(twice)
    columns = [_replaced(each, twice) for each in columns]
    return columns, (note_on_floats(n, first, twice[first]),)


def note_on_floats(n: int, first: str, whole: str) -> str:
    """The sentence on n ids that are whole numbers written as floats, such as '1.0' beside '1'."""
    which = f"{n:,} id is a whole number written" if n == 1 else f"{n:,} ids are whole numbers written"
    return f"{which} as a float, {first!r} beside {whole!r}; each is one id."


def _in_form_of(ends: list[Any], known: Any) -> tuple[list[Any], Notes]:
    """The ends of edges in the Unicode form (NFC, NFD) in which the node table has them, and a note on these."""
    forms = {unicodedata.normalize("NFC", label): label for label in known.to_pylist() if not label.isascii()}
    missing = pc.unique(pa.chunked_array(ends))
    missing = missing.filter(pc.invert(pc.is_in(missing, value_set=known))).to_pylist()
    there: dict[str, str] = {}
    for label in missing:
        if not label.isascii() and (form := forms.get(unicodedata.normalize("NFC", label))) is not None:
            there[label] = form
    if not there:
        return ends, ()
    n, label = f"{len(there):,} {'id is' if len(there) == 1 else 'ids are'}", next(iter(there))
    note = (
        f"{n} in another Unicode form (NFC or NFD) in the edges than among the nodes, {label!r} for one; each is one."
    )
    return [_replaced(end, there) for end in ends], (note,)


def _replaced(labels: Any, new: Mapping[str, str]) -> Any:
    """The labels with the new ones in place of the old."""
    old = pa.array(list(new), TEXT)
    return pc.coalesce(pa.array(list(new.values()), TEXT).take(pc.index_in(labels, value_set=old)), labels)


def _named(ends: list[Any], known: Any, texts: Texts) -> tuple[list[Any], Notes]:
    """Edges between ids, also where their ends are names of the nodes: each that is no id, but the name of one node."""
    ids = known.to_pylist()
    missing = pc.unique(pa.chunked_array(ends))
    missing = missing.filter(pc.invert(pc.is_in(missing, value_set=pa.chunked_array([known, pa.array([""], TEXT)]))))
    if not len(missing):
        return ends, ()
    often = Counter(map(folded, texts.names))
    once = {form: row for row, name in enumerate(texts.names) if often[form := folded(name)] == 1}
    found = {label: ids[once[form]] for label in missing.to_pylist() if (form := folded(label)) in once}
    if not found:
        return ends, ()
    what = "label of the edges is a name, not an id" if len(found) == 1 else "labels of the edges are names, not ids"
    label = next(iter(found))
    note = f"{len(found):,} {what}, read as the node with the name, such as {label!r} as {found[label]!r}."
    return [_replaced(end, found) for end in ends], (note,)


def _refuse_unknown(labels: Any, known: Any, what: str, name_edge: Callable[[int], str]) -> None:
    unknown = pc.index(pc.is_in(labels, value_set=known), False).as_py()
    if unknown >= 0:
        label = labels[unknown].as_py()
        raise UnknownIdError(
            f"{name_edge(unknown)}: {what} {label!r} is not a node.{did_you_mean(label, known.to_pylist())} "
            "Use add_missing=True to keep it."
        )
