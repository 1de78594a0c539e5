"""Node tables: ids with names, synonyms and definitions, under the column names that are usual for these."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from rootward.errors import HierarchyError, TableError
from rootward.ids import id_text, refuse_surrogates, refuse_text
from rootward.readers.tables import (
    MISSING,
    TEXT,
    Columns,
    Format,
    as_arrow,
    column_names,
    delimited,
    read_columns,
    read_ids,
    table_of_records,
)
from rootward.readers.text_files import FilePath, counted, read_json
from rootward.texts import Texts

NodeSource: TypeAlias = FilePath | pa.Table | Iterable[Hashable]
Notes = tuple[str, ...]
_JSON = (".json", ".jsonl", ".ndjson")


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

_SYNONYM_WORDS = frozenset(_SYNONYMS.split())
_ENDS = {
    "synonyms": re.compile(
        r".*(synonyms?|alias(es)?|alternat(iv)?e(names?|terms?|labels?)|altlabels?|keywords|variants)|sy"
    ),
    "name": re.compile(r".*(name|label|title|term)|str"),
    "definition": re.compile(r".*(definition|description)"),
    "id": re.compile(r".*(id|uri|iri|code|notation|cui)"),
}
"""How columns of other names end, tried in this order where no usual name is there and one column alone fits."""
_LANGUAGE = re.compile(r"(?<=[a-z])[@_ (\[-]+(en|eng|english)[)\]]?$", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*?)[\s_.-]*\d+")


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", _LANGUAGE.sub("", name.strip())).lower()


def columns_of(there: Sequence[str], child: str | None = None) -> dict[str, str]:
    """Role -> name of the column that has it: the role's own name, that of the edges for ids, or a usual other one."""
    plain = {_plain(name): name for name in reversed(there)}
    found = {role: next((plain[each] for each in usual if each in plain), None) for role, usual in _COLUMNS.items()}
    if "id" not in there and child in there:
        found["id"] = child
    found |= {role: role for role in _COLUMNS if role in there}
    return {role: name for role, name in found.items() if name is not None}


def guessed(there: Sequence[str], roles: dict[str, str]) -> dict[str, str]:
    """The roles with those that no usual name has, and that one column alone has by how its name ends."""
    roles = dict(roles)
    numbered = (name for name in there if (number := _NUMBERED.fullmatch(name)) and _plain(number[1]) in _SYNONYM_WORDS)
    if "synonyms" not in roles and (first := next(numbered, None)) is not None:
        roles["synonyms"] = first
    for role, ends in _ENDS.items():
        fit = [name for name in there if name not in roles.values() and ends.fullmatch(_plain(name))]
        if role not in roles and len(fit) == 1 and "parent" not in _plain(fit[0]):
            roles[role] = fit[0]
    if "name" not in roles and "description" in _plain(roles.get("definition", "")):  # as tables of codes have it
        roles["name"] = roles.pop("definition")
    return roles


def read_nodes(
    source: NodeSource, format: Format | None, delimiter: str | None, child: str | None = None, ends: Any = None
) -> tuple[Any, Texts | None, Notes]:
    """(ids, texts or None, notes) of a node table: columns id, and any of name, synonyms, definition.

    Columns of other names (preferredLabel, altLabels) are told in a note; `child` may be that of the ids. Where none
    seems to be, it is the one that holds the labels of `ends`, those of the edges; else names are the ids.
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
    if isinstance(source, str | PathLike) and Path(source).suffix.lower() in _JSON:
        content = read_json(source)
        if not isinstance(content, list) or not all(isinstance(row, Mapping) for row in content):
            raise TableError(f'{Path(source).name} is no node table; needed [{{"id": ..., "name": ...}}, ...].')
        source = table_of_records(content)
    if isinstance(source, str | PathLike | pa.Table):
        is_file = isinstance(source, str | PathLike)
        known = [child] if child else []
        there = column_names(source, format if is_file else None, delimiter if is_file else None, known)
        if is_file and len(there) == 1 and (between := next((mark for mark in ";\t|," if mark in there[0]), None)):
            delimiter = between
            there = column_names(source, format, delimiter, known)
            notes = (f"Read {Path(source).name} with {delimiter!r} between its columns.",)
        roles = guessed(there, columns_of(there, child))
        is_unclear = "id" not in roles and there and ends is not None and len(there) == len(set(there))
        if is_unclear and (ids := _column_of(source, there, ends, format, delimiter)) is not None:
            roles = {role: name for role, name in roles.items() if name != ids or role == "name"} | {"id": ids}
        more = [name for name in there if _is_more_of(roles.get("synonyms", ""), name, roles)]
        if others := [f"{name!r} as {role}" for role, name in roles.items() if name not in (role, child)]:
            others += [f"{name!r} as synonyms" for name in more]
            notes += (f"Read the columns {', '.join(others)}.",)
        if unread := [repr(name) for name in there if name not in (*roles.values(), *more)]:
            notes += counted("Did not read", "column of the nodes", "columns of the nodes", unread)
        found = read_ids(
            source,
            [roles.get("id", "id")],
            format,
            delimiter,
            optional=[name for role, name in roles.items() if role != "id"] + more,
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
    words, told = split_synonyms(synonyms)
    for name in more if columns is not None and isinstance(source, str | PathLike | pa.Table) else ():
        added, others_told = split_synonyms(found[name].to_pylist())
        words = tuple(tuple(dict.fromkeys((*old, *new))) for old, new in zip(words, added, strict=True))
        told += tuple(note for note in others_told if note not in told)
    return labels, Texts(tuple(names), words, tuple(definitions)), notes + told


def _column_of(
    source: Any, there: Sequence[str], ends: Any, format: Format | None, delimiter: str | None
) -> str | None:
    """The first column that holds all labels of the edges; None where no column does, or there are none."""
    wanted = pc.unique(ends)
    wanted = wanted.filter(pc.invert(pc.is_in(wanted, value_set=pa.array(["", *MISSING, "0", "-1"], TEXT))))
    options = {"format": format, "delimiter": delimiter} if isinstance(source, str | PathLike) else {}
    columns = read_columns(source, list(there), allow_empty=True, lists=list(there), **options)
    for name in there if len(wanted) else ():
        column = columns[name]
        if pa.types.is_large_string(column.type) and pc.all(pc.is_in(wanted, value_set=column)).as_py():
            return name
    return None


def _is_more_of(first: str, name: str, roles: Mapping[str, str]) -> bool:
    """Whether a column is one of several of synonyms: synonym 2 beside synonym 1."""
    number, other = _NUMBERED.fullmatch(first), _NUMBERED.fullmatch(name)
    return bool(number and other and number[1] == other[1] and name not in roles.values())


def _no_words(cells: list[Any], file: Any, column: str, role: str, labels: Any) -> Notes:
    """Empties the cells that say that there is nothing, such as NULL, unless in quotes or the id; a note on these."""
    there = {cell for cell in cells if isinstance(cell, str)} - ({"[]", "{}", "''"} if role == "synonyms" else set())
    words = [word for word in MISSING if word in there]
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


_BETWEEN = ("|", "\n", "\u00a6", "\u2022", "<br>", "<br/>", "<br />", "\\n", ";")


def split_synonyms(cells: Sequence[Any]) -> tuple[tuple[tuple[str, ...], ...], Notes]:
    """(the synonyms in each cell of a column, notes on what stands between two of them): see `read_nodes`."""
    texts = [cell for cell in cells if isinstance(cell, str) and written_list(cell) is None]
    used = [between for between in _BETWEEN[:-1] if any(between in cell.strip() for cell in texts)] or [";"]
    pattern = "|".join(map(re.escape, [*used, "\r"]))

    def split(cell: Any) -> tuple[str, ...]:
        words = cell
        if isinstance(cell, str):
            words = written_list(cell)
            words = re.split(pattern, cell) if words is None else words
        return tuple(dict.fromkeys(filter(None, (id_text(word).strip() for word in words or ()))))

    notes: Notes = ()
    told = [between for between in used if between not in ("|", "\n") and any(between in cell for cell in texts)]
    if told == [";"]:
        notes = ("Read ';' as what stands between two synonyms, since no text has '|'.",)
    elif told:
        notes = (f"Read {' and '.join(map(repr, told))} as what stands between two synonyms.",)
    for mark, what in ((",", "a comma"), (" / ", "a slash"), (";", "a semicolon")):
        n = sum(mark in cell for cell in texts) if mark not in used and len(cells) > 1 else 0
        if n:
            hold = "text of synonyms holds" if n == 1 else "texts of synonyms hold"
            notes += (f"{n:,} {hold} {what}, kept as one synonym. If it stands between two, write '|'.",)
    return tuple(map(split, cells)), notes


_NUMPY = re.compile(r"\[\s*(?:(?:'[^']*'|\"[^\"]*\")\s*)+\]")


def written_list(cell: str) -> list[Any] | None:
    """The elements of a list that is written as a text: as JSON, Python, NumPy or PostgreSQL do; None where none is."""
    cell = cell.strip()
    if not cell or cell[0] + cell[-1] not in ("[]", "()", "{}"):
        return None
    with suppress(ValueError, RecursionError):
        words = json.loads(cell)
        if isinstance(words, list):
            return words
    if "," not in cell and _NUMPY.fullmatch(cell):  # to Python one text
        return [one or two for one, two in re.findall(r"'([^']*)'|\"([^\"]*)\"", cell)]
    with suppress(ValueError, SyntaxError, RecursionError, TypeError, MemoryError):
        words = ast.literal_eval(cell)
        if isinstance(words, list | tuple | set):
            return list(words) if not isinstance(words, set) else sorted(map(str, words))
    if cell[0] == "{" and "=" not in cell and ":" not in cell and "," in cell:  # {red,"dark red"}, as PostgreSQL does
        return next(csv.reader([cell[1:-1]]))
    return None
