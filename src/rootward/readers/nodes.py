"""Node tables: ids with names, synonyms and definitions, under the column names that are usual for these."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from rootward.errors import HierarchyError, TableError
from rootward.ids import id_text, refuse_surrogates, refuse_text
from rootward.readers.tables import MISSING, TEXT, Columns, Format, as_arrow, column_names, delimited, read_ids
from rootward.readers.text_files import FilePath
from rootward.texts import Texts

NodeSource: TypeAlias = FilePath | pa.Table | Iterable[Hashable]
Notes = tuple[str, ...]


_IDS = "id uri iri concepturi conceptid node nodeid code key identifier uniqueid uid"
_NAMES = "name preferredlabel preferredname preferredterm preflabel label title nodename term text"
_SYNONYMS = (
    "synonyms synonym altlabels altlabel altnames altname alternativelabels alternativelabel alternativenames "
    "alternativename alternatives alternative aliases alias variants othernames alsoknownas nonpreferredterms usedfor "
    "exactsynonyms exactsynonym"
)
_COLUMNS = {
    "id": _IDS.split(),
    "name": _NAMES.split(),
    "synonyms": _SYNONYMS.split(),
    "definition": ("definition", "definitions", "def", "description", "gloss", "scopenote"),
}
"""What the columns of node tables are called, in lower case without spaces, '-' and '_'; the first that is there."""


def columns_of(there: Sequence[str], child: str | None = None) -> dict[str, str]:
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
    if not isinstance(source, str | PathLike | pa.Table) and isinstance(source, Iterable):
        source = source if isinstance(source, Sequence | Mapping | str) else list(source)
        records = [row for row in source if isinstance(row, Mapping)]
        if records and len(records) == len(source):
            source = table_of_records(records)
    if isinstance(source, str | PathLike | pa.Table):
        is_file = isinstance(source, str | PathLike)
        known = [child] if child else []
        there = column_names(source, format if is_file else None, delimiter if is_file else None, known)
        roles = columns_of(there, child)
        if others := [f"{name!r} as {role}" for role, name in roles.items() if name not in (role, child)]:
            notes = (f"Read the columns {', '.join(others)}.",)
        found = read_ids(
            source,
            [roles.get("id", "id")],
            format,
            delimiter,
            optional=[name for role, name in roles.items() if role != "id"],
            hint=" Rename the column of ids to 'id'.",
            prefix="edges",
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
    file = delimited(source, format, delimiter, known) if isinstance(source, str | PathLike) else None
    for role, cells in (("name", names), ("synonyms", synonyms), ("definition", definitions)):
        notes += _no_words(cells, file, roles.get(role, role), role, labels)
    words, between = split_synonyms(synonyms)
    if between == ";":
        notes += ("Read ';' as what stands between two synonyms, since no text has '|'.",)
    elif n := sum(", " in cell for cell in synonyms if isinstance(cell, str) and len(words) > 1):
        texts = "text of synonyms holds" if n == 1 else "texts of synonyms hold"
        notes += (f"{n:,} {texts} a comma, kept as one synonym. If it stands between two, write '|'.",)
    return labels, Texts(tuple(names), words, tuple(definitions)), notes


def table_of_records(records: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The table of dicts such as `DataFrame.to_dict("records")` gives, ids and numbers as text; lists stay lists."""
    columns = dict.fromkeys(str(name) for record in records for name in record)
    cells = {name: [record.get(name) for record in records] for name in columns}
    arrays = {}
    for name, values in cells.items():
        if any(isinstance(value, list | tuple) for value in values):
            lists = [list(map(id_text, value if isinstance(value, list | tuple) else [value])) for value in values]
            arrays[name] = pa.array([[word for word in words if word] for words in lists], pa.list_(TEXT))
        else:
            arrays[name] = pa.array(list(map(id_text, values)), TEXT)
    return pa.table(arrays)


def _no_words(cells: list[Any], file: Any, column: str, role: str, labels: Any) -> Notes:
    """Empties the cells that say that there is nothing, such as NULL, unless in quotes or the id; a note on these."""
    words = [word for word in MISSING if word in set(filter(lambda cell: isinstance(cell, str), cells))]
    if not words:
        return ()
    bare = file.unquoted(column, words) if file is not None else [True] * len(cells)
    ids = labels.to_pylist()
    rows = [row for row, cell in enumerate(cells) if cell in words and bare[row] and ids[row] != cell]
    shown = ", ".join(repr(word) for word in words if any(cells[row] == word for row in rows))
    for row in rows:
        cells[row] = ""
    n, texts = len(rows), {"name": "names", "synonyms": "synonyms"}.get(role, "definitions")
    what = f"of the {texts} is" if n == 1 else f"of the {texts} are"
    return (f"{n:,} {what} {shown}, read as none. If one is truly called so, write it in double quotes.",) if n else ()


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
