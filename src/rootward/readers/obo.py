"""OBO files: terms, the relations that make the hierarchy, names, synonyms, definitions.

A parser of our own rather than pronto's: the clauses needed are few, it reads the human phenotype ontology (10 MB) in
a tenth of pronto's time, asks for no optional package, never guesses the encoding, and can name the row at fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from rootward.errors import InputError, TableError, did_you_mean
from rootward.readers.edges import EdgeList, left_out
from rootward.readers.text_files import FilePath, existing_file, text_lines

RELATIONS = ("is_a",)
SCOPES = ("EXACT",)
"""The defaults. A file may lack these; any other relation that is named must be there."""

ALL_SCOPES = ("EXACT", "BROAD", "NARROW", "RELATED")
"""All scopes of the format: a file may lack any of them; any other is a mistake."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(\w*)')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "W": " "}
_NEEDS_VALUE = ("id", "is_a", "relationship")
_STANZA = re.compile(r"(\[[^\[\]]+\])\s*(!.*)?")


@dataclass
class _Term:
    row: int
    id: str = ""
    name: str = ""
    definition: str = ""
    namespace: str = ""
    obsolete: bool = False
    synonyms: list[str] = field(default_factory=list)
    parents: list[tuple[int, str]] = field(default_factory=list)


class _Wanted:
    """The wanted relations, or scopes; records which ones the file has."""

    def __init__(self, argument: str, names: Sequence[str], may_lack: Sequence[str]) -> None:
        if isinstance(names, str):
            raise InputError(f"{argument}={names!r} is one text; write a list of them: [{names!r}].")
        self._argument, self._names, self._may_lack = argument, names, may_lack
        self._there: dict[str, None] = {}

    def __contains__(self, name: str) -> bool:
        self._there.setdefault(name)
        return name in self._names

    def check(self, file_name: str) -> None:
        """Raise TableError if the file has none of a wanted name that it may not lack."""
        for name in self._names:
            if name not in self._there and name not in self._may_lack:
                there = ", ".join(map(repr, sorted(self._there))) or "none at all"
                raise TableError(
                    f"{self._argument}= names {name!r}, which no term of {file_name} has; there are {there}."
                    f"{did_you_mean(name, self._there)}"
                )


def read_obo(source: FilePath, *, relations: Sequence[str], scopes: Sequence[str], namespace: str | None) -> EdgeList:
    """The edge list of an OBO file; see `Hierarchy.from_obo`."""
    path = existing_file(source)
    related, scoped = _Wanted("relations", relations, RELATIONS), _Wanted("scopes", scopes, ALL_SCOPES)
    terms: dict[str, _Term] = {}
    namespaces = set()
    for term in _terms(path, related, scoped):
        namespaces.add(term.namespace)
        if not term.obsolete and namespace in (None, term.namespace):
            first = terms.setdefault(term.id, term)
            if first is not term:  # OBO lets a term have several stanzas
                first.name = first.name or term.name
                first.synonyms += term.synonyms
                first.parents += term.parents
    if not namespaces:
        raise TableError(f"{path.name} holds no [Term] stanza; needed an OBO file.")
    related.check(path.name)
    scoped.check(path.name)
    if not terms:
        others = ", ".join(sorted(map(repr, namespaces - {""}))) or "none"
        which = "" if namespace is None else f" in namespace={namespace!r}; its namespaces are {others}"
        raise TableError(f"{path.name} holds no current term{which}.")
    edges = [(row, term.id, parent) for term in terms.values() for row, parent in term.parents]
    kept = [(row, child, parent) for row, child, parent in edges if parent in terms]
    return EdgeList.of(
        {term.id: term.name for term in terms.values()},
        [(child, parent) for _, child, parent in kept],
        synonyms={term.id: term.synonyms for term in terms.values()},
        definitions={term.id: term.definition for term in terms.values()},
        notes=left_out(
            len(edges) - len(kept),
            "edge to a term that is obsolete or not among those read",
            "edges to terms that are obsolete or not among those read",
        )
        + _nameless(terms)
        + _cut_off(path, list(terms.values())[-1], terms),
        name_edge=lambda edge: f"Row {kept[edge][0]} of {path.name}",
    )


def _nameless(terms: dict[str, _Term]) -> tuple[str, ...]:
    """A note on terms without a name."""
    ids = [term.id for term in terms.values() if not term.name]
    more = f" and {len(ids) - 3:,} more" if len(ids) > 3 else ""
    have = "term has" if len(ids) == 1 else "terms have"
    return (f"{len(ids):,} {have} an id and no name: {', '.join(ids[:3])}{more}.",) if ids else ()


def _cut_off(path: Path, last: _Term, terms: dict[str, _Term]) -> tuple[str, ...]:
    """A note on a file that ends without a line end, in a term that lacks a name or has an unknown parent.

    Many whole files lack the last line end, so that alone is not noted.
    """
    if path.suffix.lower() == ".gz":  # a packed file that is cut off cannot be unpacked
        return ()
    with path.open("rb") as file:
        file.seek(-1, 2)
        if file.read() in b"\r\n":
            return ()
    strange = [parent for _, parent in last.parents[-1:] if parent not in terms] or ([] if last.name else [last.id])
    note = f"{path.name} ends without a line end, at {{!r}}, of which it has nothing else: is the file cut off there?"
    return tuple(note.format(node) for node in strange)


def _terms(path: Path, relations: _Wanted, scopes: _Wanted) -> Iterator[_Term]:
    """Every [Term] stanza, obsolete ones too."""
    stanza, namespace = "", ""
    term: _Term | None = None
    for row, raw in chain(text_lines(path), [(0, "[End]")]):  # the last term ends like any other
        line = raw.strip()
        if not line or line.startswith("!"):
            continue
        if line.startswith("["):
            if term is not None and not term.id:
                raise TableError(
                    f"Row {term.row} of {path.name}: this [Term] has no id; needed a line 'id: ...' below it."
                )
            if term is not None:
                yield term
            header = _STANZA.fullmatch(line)
            if header is None:
                needed = "needed a whole stanza header, such as [Term]"
                raise TableError(f"Row {row} of {path.name} is {line[:80]!r}; {needed}.")
            stanza = header[1]
            term = _Term(row, namespace=namespace) if stanza == "[Term]" else None
            continue
        tag, colon, value = line.partition(":")
        if not colon:
            raise TableError(f"Row {row} of {path.name} is {line[:80]!r}; needed 'tag: value' or a [Stanza].")
        if term is not None:
            _add_clause(term, row, tag, value.strip(), relations, scopes, path.name)
        elif not stanza and tag == "default-namespace":
            namespace = value.strip()


def _add_clause(term: _Term, row: int, tag: str, value: str, relations: _Wanted, scopes: _Wanted, file: str) -> None:
    """Add one clause to its term."""
    if not value and tag in _NEEDS_VALUE:
        raise TableError(f"Row {row} of {file}: {tag} is empty; needed 'tag: value'. Is the file cut off?")
    if tag == "id":
        term.id = _bare(value)
    elif tag == "name":
        term.name = _unescaped(value)
    elif tag == "namespace":
        term.namespace = _bare(value)
    elif tag == "is_obsolete":
        term.obsolete = _bare(value) == "true"
    elif tag == "is_a" and "is_a" in relations:
        term.parents.append((row, _bare(value)))
    elif tag == "relationship":
        relation, _, parent = value.partition(" ")
        if relation in relations:
            term.parents.append((row, _bare(parent)))
    elif tag in ("def", "synonym"):
        quoted = _QUOTED.match(value)
        if quoted is None:
            raise TableError(f"Row {row} of {file}: {tag} is {value[:60]!r}; needed a text in quotation marks.")
        if tag == "def":
            term.definition = _unescaped(quoted[1])
        elif (quoted[2] or "RELATED") in scopes:  # RELATED is the scope where none is written
            term.synonyms.append(_unescaped(quoted[1]))


def _bare(value: str) -> str:
    """An id without the trailing ' ! comment' and '{modifiers}'."""
    return value.split(" !", 1)[0].split(" {", 1)[0].strip()


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text) if "\\" in text else text
