"""OBO files: terms, the relations that make the hierarchy, names, synonyms, definitions.

A parser of our own rather than pronto's: the clauses needed are few, it reads the human phenotype ontology (10 MB) in
a tenth of pronto's time, asks for no optional package, never guesses the encoding, and can name the row at fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rootward.errors import TableError
from rootward.hierarchy.draft import Draft, draft_of, left_out
from rootward.hierarchy.tables import FilePath, existing_file, text_lines

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(\w*)')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "W": " "}


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


def read_obo(source: FilePath, *, relations: Sequence[str], scopes: Sequence[str], namespace: str | None) -> Draft:
    """The draft of an OBO file; see `Hierarchy.from_obo`."""
    file_name = existing_file(source).name
    terms: dict[str, _Term] = {}
    n_terms = 0
    for term in _terms(source, file_name, set(relations), set(scopes)):
        n_terms += 1
        if not term.obsolete and namespace in (None, term.namespace):
            first = terms.setdefault(term.id, term)
            if first is not term:  # OBO lets a term be told in several stanzas
                first.synonyms += term.synonyms
                first.parents += term.parents
    if not n_terms:
        raise TableError(f"{file_name} holds no [Term] stanza; needed an OBO file.")
    if not terms:
        raise TableError(
            f"{file_name} holds no current term{'' if namespace is None else f' in namespace={namespace!r}'}."
        )
    told = [(row, term.id, parent) for term in terms.values() for row, parent in term.parents]
    kept = [(row, child, parent) for row, child, parent in told if parent in terms]
    away = len(told) - len(kept)
    return draft_of(
        {term.id: term.name for term in terms.values()},
        [(child, parent) for _, child, parent in kept],
        synonyms={term.id: term.synonyms for term in terms.values()},
        definitions={term.id: term.definition for term in terms.values()},
        notes=left_out(
            away,
            "edge to a term that is obsolete or not among those read",
            "edges to terms that are obsolete or not among those read",
        ),
        name_edge=lambda edge: f"Row {kept[edge][0]} of {file_name}",
    )


def _terms(source: FilePath, file_name: str, relations: set[str], scopes: set[str]) -> Iterator[_Term]:
    """Every [Term] stanza, obsolete ones too."""
    stanza, namespace = "", ""
    term: _Term | None = None
    for row, raw in text_lines(source):
        line = raw.strip()
        if not line or line.startswith("!"):
            continue
        if line.startswith("["):
            if term is not None:
                yield _checked(term, file_name)
            stanza = line
            term = _Term(row, namespace=namespace) if stanza == "[Term]" else None
            continue
        tag, colon, value = line.partition(":")
        if not colon:
            raise TableError(f"Row {row} of {file_name} is {line[:80]!r}; needed 'tag: value' or a [Stanza].")
        if term is not None:
            _take(term, row, tag, value.strip(), relations, scopes, file_name)
        elif not stanza and tag == "default-namespace":
            namespace = value.strip()
    if term is not None:
        yield _checked(term, file_name)


def _checked(term: _Term, file_name: str) -> _Term:
    if not term.id:
        raise TableError(f"Row {term.row} of {file_name}: this [Term] has no id; needed a line 'id: ...' below it.")
    return term


def _take(term: _Term, row: int, tag: str, value: str, relations: set[str], scopes: set[str], file_name: str) -> None:
    """Enter one clause into its term."""
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
