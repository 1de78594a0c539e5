"""Thesauri: groups of texts that mean one thing, and the names that nodes gain from them.

A group with a name that one node has gives that node its other texts. Texts are matched by their normal form.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

from rootward.errors import InputError, TableError
from rootward.readers.edges import read_nodes
from rootward.readers.node_tables import FilePath, text_lines
from rootward.readers.obo import RELATIONS, SCOPES, read_obo
from rootward.readers.rdf import read_owl, read_skos
from rootward.texts import Texts, normal_form

Group: TypeAlias = Sequence[str]
ThesaurusSource: TypeAlias = FilePath | Iterable[Group]


@dataclass(frozen=True)
class Gained:
    """What nodes gain from groups.

    Attributes:
        synonyms: for every node the new ones, in the order of the groups.
        unclear: how many groups gave nothing, because what they share with nodes could mean several.
        disputed: how many texts would have gone to several nodes, and went to none.
    """

    synonyms: tuple[tuple[str, ...], ...]
    unclear: int
    disputed: int

    def note(self, source: object) -> str:
        """What happened, in a line for people; a source that is a file goes by its name."""
        name = Path(source).name if isinstance(source, str | PathLike) else "a thesaurus"
        new, nodes = sum(map(len, self.synonyms)), sum(map(bool, self.synonyms))
        left_out = [
            _counted(self.unclear, "group that may be several nodes", "groups that may be several nodes"),
            _counted(self.disputed, "text that several nodes would have", "texts that several nodes would have"),
        ]
        rest = "; left out " + " and ".join(filter(None, left_out)) if any(left_out) else ""
        gain = f"{_counted(new, 'synonym', 'synonyms')} of {_counted(nodes, 'node', 'nodes')}" if new else "nothing"
        return f"Added {gain} from {name}{rest}."


def _counted(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}" if n else ""


def gained(names: Sequence[Group], groups: Iterable[Group]) -> Gained:
    """What nodes with these names gain from groups of texts that mean one thing.

    A group belongs to the node that its first text names, else to the one node that its texts name. A text that
    names several nodes, or stands in several groups ("bank"), says nothing of that. The texts of a group go to its
    node, but those that name a node already, and those that groups would give to several.
    """
    owner = _owners(names)
    formed = _distinct(map(_formed, groups))
    often = Counter(form for forms in formed for form in forms)
    clear = {form: row for form, row in owner.items() if row is not None and often[form] == 1}
    claims: dict[str, dict[int, str]] = defaultdict(dict)  # a normal form: node -> the text as first written
    unclear = 0
    for forms in formed:
        node = _node_of(forms, clear)
        if node is None:
            unclear += any(form in owner for form in forms)
            continue
        for form, text in forms.items():
            if form not in owner:
                claims[form].setdefault(node, text)
    synonyms: list[list[str]] = [[] for _ in names]
    for nodes in claims.values():
        if len(nodes) == 1:
            ((row, text),) = nodes.items()
            synonyms[row].append(text)
    return Gained(tuple(map(tuple, synonyms)), unclear, sum(len(nodes) > 1 for nodes in claims.values()))


def _owners(names: Sequence[Group]) -> dict[str, int | None]:
    """The row that each normal form names, None where there are more."""
    owner: dict[str, int | None] = {}
    for row, texts in enumerate(names):
        for text in texts:
            form = normal_form(text)
            owner[form] = row if owner.get(form, row) == row else None
    return owner


def _formed(group: Group) -> dict[str, str]:
    """The texts of a group by their normal forms, of two spellings the first; what holds no letter is left out."""
    forms: dict[str, str] = {}
    for text in group:
        forms.setdefault(normal_form(text), text)
    forms.pop("", None)
    return forms


def _distinct(formed: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Each group once, as it was first written."""
    once: dict[frozenset[str], dict[str, str]] = {}
    for forms in formed:
        once.setdefault(frozenset(forms), forms)
    return list(once.values())


def _node_of(forms: dict[str, str], clear: dict[str, int]) -> int | None:
    """The node that the first of these names, else the one that all that are names agree on, else None."""
    rows = [clear[form] for form in forms if form in clear]
    first_names_it = bool(forms) and next(iter(forms)) in clear
    return rows[0] if first_names_it or len(set(rows)) == 1 else None


# -- files -------------------------------------------------------------------------------------------------------------


def read_groups(source: ThesaurusSource) -> Iterable[Group]:
    """The groups of a thesaurus; see `Hierarchy.with_synonyms`."""
    if not isinstance(source, str | PathLike):
        return _checked(source)
    path = Path(source)
    suffix = Path(path.stem if path.suffix == ".gz" else path).suffix.lower()
    if suffix not in _READERS:
        raise InputError(
            f"{path.name} has the suffix {suffix!r}; a thesaurus is one of {', '.join(_READERS)}. "
            "A .txt file holds a group a line, with commas between its texts."
        )
    return _READERS[suffix](path)


def _checked(source: Iterable[Group]) -> Iterator[Group]:
    if not isinstance(source, Iterable):
        raise InputError(f"A file or an iterable of groups of texts is needed, got {source!r:.80}.")
    for number, group in enumerate(source, 1):
        if isinstance(group, str) or not all(isinstance(text, str) for text in group):
            raise InputError(f"Group {number} is {group!r:.80}; needed a list of texts that mean one thing.")
        yield group


def _lines(path: Path) -> Iterable[Group]:
    """Groups as search engines write them: 'tv, television', 'i-pod => ipod'; lines with one first text are one."""
    groups: dict[str, list[str]] = {}
    for row, line in text_lines(path):
        texts = [_unescaped(text) for text in re.split(r"(?<!\\),|=>", line)]
        if line.lstrip().startswith("#") or not any(texts):
            continue
        if len(texts) == 1:
            raise TableError(
                f"Row {row} of {path.name} is {line!r:.80}; needed a comma between texts that mean one thing."
            )
        there = [text for text in texts if text]
        groups.setdefault(normal_form(there[0]), []).extend(there)
    return groups.values()


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text).strip()


def _of_table(path: Path) -> Iterator[Group]:
    _, texts = read_nodes(path, None, None)
    return _of_texts(texts, path)


def _of_texts(texts: Texts | None, path: Path) -> Iterator[Group]:
    if texts is None:
        raise TableError(f"{path.name} has no names; a thesaurus needs the columns id, name and synonyms.")
    return (texts.all_names(row) for row in range(len(texts)))


_TABLES = (".csv", ".tsv", ".parquet")
_SKOS = (".ttl", ".rdf", ".nt", ".jsonld")
_READERS: dict[str, Callable[[Path], Iterable[Group]]] = {
    ".txt": _lines,
    **dict.fromkeys(_TABLES, _of_table),
    ".obo": lambda path: _of_texts(read_obo(path, relations=RELATIONS, scopes=SCOPES, namespace=None).texts, path),
    **dict.fromkeys(_SKOS, lambda path: _of_texts(read_skos(path, language="en", format=None).texts, path)),
    ".owl": lambda path: _of_texts(read_owl(path, language="en", format=None).texts, path),
}
