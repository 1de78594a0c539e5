"""Thesauri: groups of texts with one meaning, and the synonyms that nodes get from them.

A group that holds a name of exactly one node gives that node its other texts. Texts are matched by normal form.
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
from rootward.readers.nodes import read_nodes
from rootward.readers.obo import RELATIONS, SCOPES, read_obo
from rootward.readers.rdf import read_owl, read_skos
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
    """

    by_node: tuple[tuple[str, ...], ...]
    unclear: int
    disputed: int
    met: bool = True

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
        return f"Added {gain} from {name}{rest}."


def _counted(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}" if n else ""


def new_synonyms(names: Sequence[Group], groups: Iterable[Group]) -> NewSynonyms:
    """The synonyms that nodes with these names get from groups of texts with one meaning.

    A group belongs to the node that its first text names, else to the one node that its texts name. A text that
    names several nodes, or is in several groups ("bank"), does not decide that. The texts of a group go to its
    node, but those that name a node already, and those that groups would give to several.
    """
    owner: dict[str, int | None] = {}  # the row that each normal form names, None where there are several
    for row, texts in enumerate(names):
        for text in texts:
            form = normal_form(text)
            owner[form] = row if owner.get(form, row) == row else None
    distinct: dict[frozenset[str], dict[str, str]] = {}  # each group once: normal form -> the text as first written
    for group in groups:
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
    synonyms: list[list[str]] = [[] for _ in names]
    for nodes in claims.values():
        if len(nodes) == 1:
            ((row, text),) = nodes.items()
            synonyms[row].append(text)
    disputed = sum(len(nodes) > 1 for nodes in claims.values())
    return NewSynonyms(tuple(map(tuple, synonyms)), unclear, disputed, not owner.keys().isdisjoint(often))


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
        texts = [re.sub(r"\\(.)", r"\1", text).strip() for text in re.split(r"(?<!\\),|=>", line)]
        if line.lstrip().startswith("#") or not any(texts):
            continue
        if len(texts) == 1:
            raise TableError(
                f"Row {row} of {path.name} is {line!r:.80}; needed a comma between texts that mean one thing."
            )
        there = [text for text in texts if text]
        groups.setdefault(normal_form(there[0]), []).extend(there)
    return groups.values()


def _names_in(texts: Texts | None, path: Path) -> Iterator[Group]:
    if texts is None:
        raise TableError(f"{path.name} has no names; a thesaurus needs the columns id, name and synonyms.")
    return (texts.all_names(row) for row in range(len(texts)))


_TABLES = (".csv", ".tsv", ".parquet")
_SKOS = (".ttl", ".rdf", ".nt", ".jsonld")
_READERS: dict[str, Callable[[Path], Iterable[Group]]] = {
    ".txt": _lines,
    **dict.fromkeys(_TABLES, lambda path: _names_in(read_nodes(path, None, None)[1], path)),
    ".obo": lambda path: _names_in(read_obo(path, relations=RELATIONS, scopes=SCOPES, namespace=None).texts, path),
    **dict.fromkeys(_SKOS, lambda path: _names_in(read_skos(path, language="en", format=None).texts, path)),
    ".owl": lambda path: _names_in(read_owl(path, language="en", format=None).texts, path),
}
