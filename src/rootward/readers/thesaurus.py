"""Thesauri: groups of texts with one meaning, and the synonyms that nodes get from them.

A group that holds a name of exactly one node gives that node its other texts. Texts are matched by normal form.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, cast

import pyarrow as pa

from rootward.errors import InputError, TableError
from rootward.ids import Ids
from rootward.readers.nodes import columns_of, guessed, split_synonyms
from rootward.readers.obo import RELATIONS, SCOPES, read_obo
from rootward.readers.rdf import read_owl, read_skos
from rootward.readers.tables import MISSING, as_arrow, column_names, read_columns, table_of_records
from rootward.readers.text_files import FilePath, text_lines
from rootward.texts import Texts, normal_form

Group: TypeAlias = Sequence[str]
ThesaurusSource: TypeAlias = FilePath | Iterable[Group]


@dataclass(frozen=True)
class NewSynonyms:
    """The synonyms that nodes get from groups.

    Attributes:
        by_node: for every node the new synonyms, in the order of the groups.
        unclear: how many groups gave nothing, because their texts name several nodes.
        disputed: how many texts several nodes would have got, so that none did.
        met: whether any group holds a name of a node.
        joined: how the rows of a table were joined to nodes; "" where they were by names.
    """

    by_node: tuple[tuple[str, ...], ...]
    unclear: int
    disputed: int
    met: bool = True
    joined: str = ""

    def note(self, source: object) -> str:
        """A sentence on what was added and what was left out; a source that is a file goes by its name."""
        name = Path(source).name if isinstance(source, str | PathLike) else "a thesaurus"
        new, nodes = sum(map(len, self.by_node)), sum(map(bool, self.by_node))
        left_out = [
            _counted(self.unclear, "group that may be several nodes", "groups that may be several nodes"),
            _counted(self.disputed, "text that several nodes would have", "texts that several nodes would have"),
        ]
        rest = "; left out " + " and ".join(filter(None, left_out)) if any(left_out) else ""
        gain = f"{_counted(new, 'synonym', 'synonyms')} of {_counted(nodes, 'node', 'nodes')}" if new else "nothing"
        return f"Added {gain} from {name}{self.joined}{rest}."


def _counted(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}" if n else ""


def new_synonyms(names: Sequence[Group], found: Groups) -> NewSynonyms:
    """The synonyms that nodes with these names get from groups of texts with one meaning.

    A group belongs to the node that its first text names, else to the one node that its texts name. A text that
    names several nodes, or is in several groups ("bank"), does not decide that. The texts of a group go to its
    node, but those that name a node already, and those that groups would give to several. So do the texts of a group
    whose node is known.
    """
    owner: dict[str, int | None] = {}  # the row that each normal form names, None where there are several
    for row, texts in enumerate(names):
        for text in texts:
            form = normal_form(text)
            owner[form] = row if owner.get(form, row) == row else None
    distinct: dict[frozenset[str], dict[str, str]] = {}  # each group once: normal form -> the text as first written
    for group in found.groups:
        forms: dict[str, str] = {}
        for text in group:
            forms.setdefault(normal_form(text), text)
        forms.pop("", None)
        distinct.setdefault(frozenset(forms), forms)
    often = Counter(form for forms in distinct.values() for form in forms)
    clear = {form: row for form, row in owner.items() if row is not None and often[form] == 1}
    claims: dict[str, dict[int, str]] = defaultdict(dict)  # a normal form: node -> the text as first written
    unclear = 0
    for forms in distinct.values():
        rows = [clear[form] for form in forms if form in clear]
        first_is_clear = bool(forms) and next(iter(forms)) in clear
        if not first_is_clear and len(set(rows)) != 1:
            unclear += any(form in owner for form in forms)
            continue
        for form, text in forms.items():
            if form not in owner:
                claims[form].setdefault(rows[0], text)
    for node, texts in found.of_rows:
        for text in texts:
            if (form := normal_form(text)) and form not in owner:
                claims[form].setdefault(node, text)
    synonyms: list[list[str]] = [[] for _ in names]
    for nodes in claims.values():
        if len(nodes) == 1:
            ((row, text),) = nodes.items()
            synonyms[row].append(text)
    disputed = sum(len(nodes) > 1 for nodes in claims.values())
    met = bool(found.of_rows) or not owner.keys().isdisjoint(often)
    return NewSynonyms(tuple(map(tuple, synonyms)), unclear, disputed, met, found.joined)


# -- files and tables --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Groups:
    """What a thesaurus holds.

    Attributes:
        groups: texts that mean one thing each, of nodes that are to be found by them.
        of_rows: the row of a node, and texts that mean it.
        joined: how tables were read, for the note on what was added.
    """

    groups: Iterable[Group] = ()
    of_rows: Sequence[tuple[int, Group]] = ()
    joined: str = ""


def read_groups(source: ThesaurusSource, ids: Ids, names: Sequence[Group], language: str) -> Groups:
    """The groups of a thesaurus; see `Hierarchy.with_synonyms`, whose nodes have these ids and names."""
    if not isinstance(source, str | PathLike):
        if hasattr(source, "columns"):
            return _of_table(as_arrow(source), "the given table", ids, names)
        if isinstance(source, Mapping):
            raise InputError("A dict is no list of groups; give [(text, *others) for text, others in its items()].")
        if not isinstance(source, Iterable):
            raise InputError(f"A file or an iterable of groups of texts is needed, got {source!r:.80}.")
        listed = list(source)
        if listed and all(isinstance(row, Mapping) for row in listed):
            return _of_table(table_of_records(cast("list[Any]", listed)), "the given rows", ids, names)
        return Groups(list(_checked(listed)))
    path = Path(source)
    suffix = Path(path.stem if path.suffix == ".gz" else path).suffix.lower()
    if suffix == ".txt":
        return Groups(_lines(path))
    if suffix in _TABLES:
        return _of_table(path, path.name, ids, names)
    if suffix == ".obo":
        return Groups(_names_in(read_obo(path, relations=RELATIONS, scopes=SCOPES, namespace=None).texts))
    if suffix in (*_SKOS, ".owl"):
        read = read_owl if suffix == ".owl" else read_skos
        return Groups(_names_in(read(path, language=language, format=None).texts))
    raise InputError(
        f"{path.name} has the suffix {suffix!r}; a thesaurus is one of .txt, {', '.join((*_TABLES, '.obo', *_SKOS))} "
        "or .owl. A .txt file holds a group a line, with commas between its texts."
    )


_TABLES = (".csv", ".tsv", ".parquet")
_SKOS = (".ttl", ".rdf", ".nt", ".jsonld", ".trig", ".nq")


def _checked(source: Iterable[Group]) -> Iterator[Group]:
    for number, group in enumerate(source, 1):
        if not isinstance(group, Iterable) or isinstance(group, str) or not all(isinstance(t, str) for t in group):
            raise InputError(f"Group {number} is {group!r:.80}; needed a list of texts that mean one thing.")
        yield group


def _lines(path: Path) -> Iterable[Group]:
    """Groups as search engines write them: 'tv, television', 'i-pod => ipod'; lines with one first text are one.

    Where no line has a comma or "=>", a tab, "|" or ";" in each of them stands between texts.
    """
    lines = [(row, line) for row, line in text_lines(path) if line.strip() and not line.lstrip().startswith("#")]
    between = r"(?<!\\),|=>"
    if not any(re.search(between, line) for _, line in lines):
        between = next((re.escape(mark) for mark in "\t|;" if all(mark in line for _, line in lines)), between)
    groups: dict[str, list[str]] = {}
    for row, line in lines:
        texts = [re.sub(r"\\(.)", r"\1", text).strip() for text in re.split(between, line)]
        if not any(texts):
            continue
        if len(texts) == 1:
            raise TableError(
                f"Row {row} of {path.name} is {line!r:.80}; needed a comma between texts that mean one thing."
            )
        there = [text for text in texts if text]
        groups.setdefault(normal_form(there[0]), []).extend(there)
    return groups.values()


def _names_in(texts: Texts | None) -> Iterable[Group]:
    return [] if texts is None else [texts.all_names(row) for row in range(len(texts))]


def _of_table(source: Any, name: str, ids: Ids, names: Sequence[Group]) -> Groups:
    """The groups of a table: its texts of a row belong to the node with the row's id, or else with its name.

    The columns are those of usual names (`nodes.columns_of`), or of two columns the one that holds ids or names.

    Raises:
        TableError: a table in which it is not clear which columns hold names and synonyms.
    """
    delimiter = None
    there = list(source.column_names) if isinstance(source, pa.Table) else column_names(source, None, None)
    if len(there) == 1 and (delimiter := next((mark for mark in _DELIMITERS if mark in there[0]), None)):
        there = column_names(source, None, delimiter)
    options = {} if delimiter is None else {"delimiter": delimiter}
    columns = read_columns(source, there, lists=there, allow_empty=True, **options)
    cells = {column: columns[column].to_pylist() for column in there}
    known = {normal_form(text) for texts in names for text in texts}
    if any(normal_form(column) in known for column in there) and not columns_of(there).keys() & {"name", "synonyms"}:
        raise TableError(f"{name} seems to have no header; write one above its first row, such as id,name,synonyms.")
    roles = guessed(there, columns_of(there))

    def hits(column: str, is_known: Callable[[str], bool]) -> int:
        return sum(isinstance(cell, str) and is_known(cell) for cell in cells[column])

    id_hits = {column: hits(column, lambda cell: cell in ids or cell in ids.old) for column in there}
    of_ids = roles.get("id") or max(there, key=lambda column: id_hits[column], default="")
    of_ids = of_ids if id_hits.get(of_ids) else ""
    name_hits = {column: hits(column, lambda cell: normal_form(cell) in known) for column in there if column != of_ids}
    of_names = roles.get("name") or max(name_hits, key=lambda column: name_hits[column], default="")
    if of_names and "name" not in roles and not name_hits[of_names]:
        of_names = ""
    others = [column for column in there if column not in (of_ids, of_names, *roles.values())]
    of_synonyms = roles.get("synonyms", "")
    if not of_synonyms and len(others) == 1 and not any(str(cell).strip()[:1].isdigit() for cell in cells[others[0]]):
        of_synonyms = others[0]
    if not of_synonyms and "name" not in roles:
        raise TableError(
            f"{name} has the columns {', '.join(map(repr, there))}; a thesaurus needs the columns id, name and "
            "synonyms, or two of these."
        )
    words = split_synonyms(cells[of_synonyms])[0] if of_synonyms else ((),) * len(columns)
    first = cells[of_names] if of_names not in ("", of_ids, of_synonyms) else [""] * len(words)
    if row := next((i for i, cell in enumerate(first, 1) if not isinstance(cell, str)), 0):
        raise TableError(
            f"Row {row} of {name} has {first[row - 1]!r:.80} in the column {of_names!r}; a name is one text. Lists "
            "belong in a column called synonyms."
        )
    texts = [
        [word for word in (head, *more) if word.strip() and word not in MISSING]
        for head, more in zip(first, words, strict=True)
    ]
    if id_hits.get(of_ids, 0) * 2 >= len(columns) and len(columns):
        owner: dict[str, set[int]] = defaultdict(set)
        for row, group in enumerate(names):
            for text in group:
                owner[normal_form(text)].add(row)
        rows = [ids.row(cell) if cell in ids or cell in ids.old else -1 for cell in cells[of_ids]]
        meant = [set[int]().union(*(owner.get(normal_form(text), set()) for text in group)) for group in texts]
        agree = sum(row in nodes for row, nodes in zip(rows, meant, strict=True))
        if agree or not any(meant):  # else these are ids of something else
            pairs = [(row, group) for row, group in zip(rows, texts, strict=True) if row >= 0]
            return Groups((), pairs, f" by the ids in column {of_ids!r}")
    gathered: dict[str, list[str]] = {}
    for group in texts:
        if group:
            gathered.setdefault(normal_form(group[0]), []).extend(group)
    return Groups(gathered.values(), (), "" if of_names in ("", "name") else f" by the names in column {of_names!r}")


_DELIMITERS = (";", "\t", "|")
