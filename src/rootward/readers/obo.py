"""OBO files: terms, the relations that make the hierarchy, names, synonyms, definitions.

A parser of our own rather than pronto's: the clauses needed are few, it reads the human phenotype ontology (10 MB) in
a tenth of pronto's time, asks for no optional package, never guesses the encoding, and can name the row at fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rootward.errors import InputError, TableError, did_you_mean
from rootward.readers.drafts import Draft, draft_of, left_out
from rootward.readers.node_tables import FilePath, existing_file, text_lines

RELATIONS = ("is_a",)
SCOPES = ("EXACT",)
"""What is read where nothing else is said. A file may lack these; any other relation that is named must be there."""

OF_THE_FORMAT = ("EXACT", "BROAD", "NARROW", "RELATED")
"""All scopes that OBO knows: a file may lack any of them, and another one is a slip."""

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
    """Which of the relations, or scopes, somebody wants, and which there are."""

    def __init__(self, argument: str, names: Sequence[str], usual: Sequence[str]) -> None:
        if isinstance(names, str):
            raise InputError(f"{argument}={names!r} is one text; write a list of them: [{names!r}].")
        self._argument, self._names, self._usual = argument, names, usual
        self._there: dict[str, None] = {}

    def __contains__(self, name: str) -> bool:
        self._there.setdefault(name)
        return name in self._names

    def check(self, file_name: str) -> None:
        """Raise TableError where one that was named, and that a file may well lack, has never been looked at."""
        for name in self._names:
            if name not in self._there and name not in self._usual:
                there = ", ".join(map(repr, sorted(self._there))) or "none at all"
                raise TableError(
                    f"{self._argument}= names {name!r}, which no term of {file_name} has; there are {there}."
                    f"{did_you_mean(name, self._there)}"
                )


def read_obo(source: FilePath, *, relations: Sequence[str], scopes: Sequence[str], namespace: str | None) -> Draft:
    """The draft of an OBO file; see `Hierarchy.from_obo`."""
    path = existing_file(source)
    related, scoped = _Wanted("relations", relations, RELATIONS), _Wanted("scopes", scopes, OF_THE_FORMAT)
    terms: dict[str, _Term] = {}
    namespaces = set()
    for term in _terms(path, related, scoped):
        namespaces.add(term.namespace)
        if not term.obsolete and namespace in (None, term.namespace):
            first = terms.setdefault(term.id, term)
            if first is not term:  # OBO lets a term be told in several stanzas
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
    told = [(row, term.id, parent) for term in terms.values() for row, parent in term.parents]
    kept = [(row, child, parent) for row, child, parent in told if parent in terms]
    return draft_of(
        {term.id: term.name for term in terms.values()},
        [(child, parent) for _, child, parent in kept],
        synonyms={term.id: term.synonyms for term in terms.values()},
        definitions={term.id: term.definition for term in terms.values()},
        notes=left_out(
            len(told) - len(kept),
            "edge to a term that is obsolete or not among those read",
            "edges to terms that are obsolete or not among those read",
        )
        + _nameless(terms)
        + _open_end(path, list(terms.values())[-1], terms),
        name_edge=lambda edge: f"Row {kept[edge][0]} of {path.name}",
    )


def _nameless(terms: dict[str, _Term]) -> tuple[str, ...]:
    """A note on terms with an id and nothing to call them."""
    ids = [term.id for term in terms.values() if not term.name]
    more = f" and {len(ids) - 3:,} more" if len(ids) > 3 else ""
    one = len(ids) == 1
    note = f"{len(ids):,} {'term has' if one else 'terms have'} an id and no name: {', '.join(ids[:3])}{more}."
    return (note,) if ids else ()


def _open_end(path: Path, last: _Term, terms: dict[str, _Term]) -> tuple[str, ...]:
    """A note where the file ends without a line end, in a term that says too little to be whole.

    Many whole files lack the last line end, so that alone is nothing to speak of.
    """
    if path.suffix.lower() == ".gz":  # a packed file that is cut off cannot be unpacked
        return ()
    with path.open("rb") as file:
        file.seek(-1, 2)
        if file.read() in b"\r\n":
            return ()
    strange = [parent for _, parent in last.parents[-1:] if parent not in terms] or ([] if last.name else [last.id])
    note = f"{path.name} ends without a line end, at {{!r}}, which it says nothing else of: is the file cut off there?"
    return tuple(note.format(node) for node in strange)


def _terms(path: Path, relations: _Wanted, scopes: _Wanted) -> Iterator[_Term]:
    """Every [Term] stanza, obsolete ones too."""
    stanza, namespace = "", ""
    term: _Term | None = None
    for row, raw in text_lines(path):
        line = raw.strip()
        if not line or line.startswith("!"):
            continue
        if line.startswith("["):
            if term is not None:
                yield _checked(term, path.name)
            stanza = _stanza(line, row, path.name)
            term = _Term(row, namespace=namespace) if stanza == "[Term]" else None
            continue
        tag, colon, value = line.partition(":")
        if not colon:
            raise TableError(f"Row {row} of {path.name} is {line[:80]!r}; needed 'tag: value' or a [Stanza].")
        if term is not None:
            _take(term, row, tag, value.strip(), relations, scopes, path.name)
        elif not stanza and tag == "default-namespace":
            namespace = value.strip()
    if term is not None:
        yield _checked(term, path.name)


def _stanza(line: str, row: int, file_name: str) -> str:
    """The header of a stanza without a comment."""
    match = _STANZA.fullmatch(line)
    if match is None:
        raise TableError(f"Row {row} of {file_name} is {line[:80]!r}; needed a whole stanza header, such as [Term].")
    return match[1]


def _checked(term: _Term, file_name: str) -> _Term:
    if not term.id:
        raise TableError(f"Row {term.row} of {file_name}: this [Term] has no id; needed a line 'id: ...' below it.")
    return term


def _take(term: _Term, row: int, tag: str, value: str, relations: _Wanted, scopes: _Wanted, file_name: str) -> None:
    """Enter one clause into its term."""
    if not value and tag in _NEEDS_VALUE:
        raise TableError(f"Row {row} of {file_name}: {tag} is empty; needed 'tag: value'. Is the file cut off?")
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
            raise TableError(f"Row {row} of {file_name}: {tag} is {value[:60]!r}; needed a text in quotation marks.")
        if tag == "def":
            term.definition = _unescaped(quoted[1])
        elif (quoted[2] or "RELATED") in scopes:  # RELATED is what the format takes an unsaid scope to be
            term.synonyms.append(_unescaped(quoted[1]))


def _bare(value: str) -> str:
    """An id without the trailing ' ! comment' and '{modifiers}'."""
    return value.split(" !", 1)[0].split(" {", 1)[0].strip()


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text) if "\\" in text else text
