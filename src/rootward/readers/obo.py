"""OBO files: terms, the relations that make the hierarchy, names, synonyms, definitions.

A parser of our own rather than pronto's: the clauses needed are few, it reads the human phenotype ontology (10 MB) in
a tenth of pronto's time, asks for no optional package, never guesses the encoding, and can name the row at fault.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from rootward.errors import InputError, TableError, did_you_mean
from rootward.readers.edges import EdgeList, not_implied
from rootward.readers.text_files import FilePath, counted, existing_file, refuse_others, text_lines

RELATIONS = ("is_a",)
SCOPES = ("EXACT",)
"""The defaults. A file may lack these; any other relation that is named must be there."""

ALL_SCOPES = ("EXACT", "BROAD", "NARROW", "RELATED")
"""All scopes of the format: a file may lack any of them; any other is a mistake."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(\w*)')
_WIDE_QUOTED = re.compile(r'"(.*)"\s*(\w*)[^"]*$')
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "W": " "}
_MODIFIER = r'[^{}"=,]+=(?:"(?:[^"\\]|\\.)*"|[^{}",]*)'
_AFTER_NAME = re.compile(rf"(?<!\\)(\{{{_MODIFIER}(?:,{_MODIFIER})*\}}(?:\s+!(?:\s.*)?)?)$|\s!(?:\s.*)?$")
_AFTER_ID = re.compile(r"(?<!\\)\{|\s!|!\s")
_OLD_SYNONYMS = {f"{scope.lower()}_synonym": scope for scope in ALL_SCOPES}  # tags of OBO 1.0
_LISTS = {"equivalent_to": "equal", "alt_id": "alternative", "replaced_by": "replaced_by"}
_NEEDS_VALUE = ("id", "is_a", "relationship", "intersection_of")
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
    genera: list[tuple[int, str]] = field(default_factory=list)  # of a definition
    members: list[tuple[int, str]] = field(default_factory=list)  # of a union, so below the term
    equal: list[str] = field(default_factory=list)
    alternative: list[str] = field(default_factory=list)
    replaced_by: list[str] = field(default_factory=list)
    more_names: list[str] = field(default_factory=list)


class Wanted:
    """The wanted relations, or scopes; records which ones the file has."""

    def __init__(self, argument: str, names: Sequence[str], may_lack: Sequence[str]) -> None:
        if isinstance(names, str):
            raise InputError(f"{argument}={names!r} is one text; write a list of them: [{names!r}].")
        if "has_part" in names:
            raise InputError(f"{argument}= names 'has_part', which leads from a whole to its part; name 'part_of'.")
        self._argument, self._names, self._may_lack = argument, names, may_lack
        self._there: Counter[str] = Counter()

    def __contains__(self, name: str) -> bool:
        self._there[name] += 1
        return name in self._names

    def is_relation(self, name: str) -> bool:
        """Whether a text is a relation that is wanted, or one that never makes a parent."""
        return name in self._names or name == "has_part"

    def left_out(self, one: str, many: str) -> tuple[str, ...]:
        """A note that counts what was not wanted, by name."""
        others = [(name, n) for name, n in self._there.most_common() if name not in self._names]
        total = sum(n for _, n in others)
        names = ", ".join(f"{name} ({n:,})" for name, n in others)
        choose = f"; {self._argument}= chooses them" if any(name != "has_part" for name, _ in others) else ""
        return (f"Left out {total:,} {one if total == 1 else many}: {names}{choose}.",) if total else ()

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
    refuse_others(path, "obo")
    related, scoped = Wanted("relations", relations, RELATIONS), Wanted("scopes", scopes, ALL_SCOPES)
    terms: dict[str, _Term] = {}
    obsolete: dict[str, _Term] = {}
    namespaces, imports, others = set(), list[str](), Counter[str]()
    renamed = []
    for term in _terms(path, related, scoped, imports, others):
        namespaces.add(term.namespace)
        if term.obsolete:
            obsolete.setdefault(term.id, term)
        elif namespace in (None, term.namespace):
            first = terms.setdefault(term.id, term)
            renamed += [f"{name!r} of {term.id}" for name in term.more_names]
            if first is not term:  # OBO lets a term have several stanzas
                renamed += [f"{term.name!r} of {term.id}"] if term.name not in ("", first.name or term.name) else []
                first.name = first.name or term.name
                first.definition = first.definition or term.definition
                for what in ("synonyms", "parents", "genera", "members", "equal", "alternative"):
                    getattr(first, what).extend(getattr(term, what))
    if not namespaces:
        raise TableError(f"{path.name} holds no [Term] stanza; needed an OBO file.")
    related.check(path.name)
    scoped.check(path.name)
    if not terms:
        there = ", ".join(sorted(map(repr, namespaces - {""}))) or "none"
        which = "" if namespace is None else f" in namespace={namespace!r}; its namespaces are {there}"
        raise TableError(f"{path.name} holds no current term{which}.")
    claims: dict[str, set[str]] = {}
    for term in terms.values():
        for old in dict.fromkeys(term.alternative):
            claims.setdefault(old, set()).add(term.id)
    merged = {old: next(iter(new)) for old, new in claims.items() if len(new) == 1 and old not in terms}
    disputed = [f"{old} of {' and '.join(sorted(new))}" for old, new in claims.items() if len(new) > 1]
    kept_apart = [f"{old} of {' and '.join(sorted(new))}" for old, new in claims.items() if old in terms]
    replaced = {old: term.replaced_by[0] for old, term in obsolete.items() if len(term.replaced_by) == 1}
    edges = [(row, term.id, parent) for term in terms.values() for row, parent in term.parents]
    named = [edge for edge in edges if edge[2] not in terms and _id_of(edge[2], terms) in terms]
    edges = [(row, child, _id_of(parent, terms)) for row, child, parent in edges]
    moved = [(row, child, parent) for row, child, parent in edges if parent not in terms and parent in merged]
    away = [(row, child, parent) for row, child, parent in edges if parent not in terms and parent not in merged]
    kept = [
        (row, child, merged.get(parent, parent)) for row, child, parent in edges if parent in terms or parent in merged
    ]
    defined = {(term.id, merged.get(up, up)): row for term in terms.values() for row, up in term.genera}
    defined |= {(merged.get(low, low), term.id): row for term in terms.values() for row, low in term.members}
    defined = {pair: row for pair, row in defined.items() if pair[0] in terms and pair[1] in terms}
    more, circular = not_implied([(child, parent) for _, child, parent in kept], defined)
    kept += [(defined[pair], *pair) for pair in more]

    nameless = [term.id for term in terms.values() if not term.name]

    def under(triples: Iterable[tuple[int, str, str]]) -> list[str]:
        return [f"{child} under {parent} (row {row}{_now(parent, obsolete, merged)})" for row, child, parent in triples]

    return EdgeList.of(
        {term.id: term.name for term in terms.values()},
        [(child, parent) for _, child, parent in kept],
        synonyms={term.id: term.synonyms for term in terms.values()},
        definitions={term.id: term.definition for term in terms.values()},
        old_ids=merged | {old: new for old, new in replaced.items() if old not in merged},
        notes=counted(
            "Left out",
            "edge to a term that is obsolete or not among those read",
            "edges to terms that are obsolete or not among those read",
            under(away),
        )
        + counted("Read", "edge whose name follows without '!'", "edges whose names follow without '!'", under(named))
        + counted("Read", "edge to a merged id", "edges to merged ids", under(moved))
        + counted("Read", "edge from a definition", "edges from definitions", under((defined[p], *p) for p in more))
        + counted(
            "Left out",
            "edge from a definition that would close a circle",
            "edges from definitions that would close circles",
            under((defined[p], *p) for p in circular),
        )
        + counted(
            "",
            "pair of terms is equivalent and kept as two nodes",
            "pairs of terms are equivalent and kept as two nodes each",
            dict.fromkeys(" and ".join(sorted((term.id, other))) for term in terms.values() for other in term.equal),
        )
        + counted("Left out", "obsolete term", "obsolete terms", obsolete)
        + counted("Left out", "old id that several terms have", "old ids that several terms have", disputed)
        + counted("", "old id is a term itself", "old ids are terms themselves", kept_apart)
        + counted("Left out", "second name of a term", "second names of terms", renamed)
        + counted("Left out", "stanza", "stanzas", [f"{n:,} of {kind}" for kind, n in others.items()])
        + counted("Left out", "file that this one imports", "files that this one imports", imports)
        + related.left_out("relation that makes no parent", "relations that make no parent")
        + scoped.left_out("synonym of another scope", "synonyms of other scopes")
        + counted("", "term has an id and no name", "terms have an id and no name", nameless)
        + _cut_off(path, list(terms.values())[-1], terms),
        name_edge=lambda edge: f"Row {kept[edge][0]} of {path.name}",
    )


def _id_of(parent: str, terms: dict[str, _Term]) -> str:
    """The id in 'X:1 root', where the name of this term follows without '!'."""
    first, blank, rest = parent.partition(" ")
    is_named = blank and parent not in terms and first in terms and rest.strip() == terms[first].name
    return first if is_named else parent


def _now(node: str, obsolete: dict[str, _Term], merged: dict[str, str]) -> str:
    """What became of an old id, to follow where it stands."""
    if node in merged:
        return f", now {merged[node]}"
    new = obsolete[node].replaced_by if node in obsolete else []
    return f", replaced by {' or '.join(new)}" if new else ""


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


def _whole_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""(row, line) of the file; a line that ends in a single \ goes on in the next."""
    begin, held = 0, ""
    for row, line in text_lines(path):
        begin = begin or row
        if line.endswith("\\") and not line.endswith("\\\\"):
            held += line[:-1]
            continue
        yield begin, held + line
        begin, held = 0, ""
    if held:
        yield begin, held


def _terms(path: Path, relations: Wanted, scopes: Wanted, imports: list[str], others: Counter[str]) -> Iterator[_Term]:
    """Every [Term] stanza, obsolete ones too; files that the header imports are added to `imports`.

    Stanzas of other kinds than terms and relations are counted in `others`.
    """
    stanza, namespace = "", ""
    term: _Term | None = None
    for row, raw in chain(_whole_lines(path), [(0, "[End]")]):  # the last term ends like any other
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
            if stanza not in ("[Term]", "[Typedef]", "[End]"):
                others[stanza] += 1
            term = _Term(row, namespace=namespace) if stanza == "[Term]" else None
            continue
        tag, colon, value = line.partition(":")
        tag = tag.rstrip()
        if not colon:
            raise TableError(f"Row {row} of {path.name} is {line[:80]!r}; needed 'tag: value' or a [Stanza].")
        if term is not None:
            _add_clause(term, row, tag, value.strip(), relations, scopes, path.name)
        elif not stanza and tag == "default-namespace":
            namespace = _bare(value)
        elif not stanza and tag == "import":
            imports.append(value.strip())


def _add_clause(term: _Term, row: int, tag: str, value: str, relations: Wanted, scopes: Wanted, file: str) -> None:
    """Add one clause to its term."""
    if not value and tag in _NEEDS_VALUE:
        raise TableError(f"Row {row} of {file}: {tag} is empty; needed 'tag: value'. Is the file cut off?")
    if tag == "id":
        if term.id and term.id != _bare(value):
            raise TableError(
                f"Row {row} of {file}: a second id, {_bare(value)!r}, in the [Term] of {term.id!r}; needed one. Is a "
                "line [Term] missing above it?"
            )
        term.id = _bare(value)
    elif tag == "name":
        name = _unescaped(_unquoted(value))
        term.more_names += [name] if term.name and name != term.name else []
        term.name = term.name or name
    elif tag == "namespace":
        term.namespace = _bare(value)
    elif tag == "is_obsolete":
        term.obsolete = _bare(value).lower() in ("true", "1")
    elif tag == "is_a" and "is_a" in relations:
        term.parents.append((row, _bare(value)))
    elif tag == "relationship":
        relation, *parent = value.split(None, 1) or [""]
        if relation in relations:
            term.parents.append((row, _bare("".join(parent))))
    elif tag == "intersection_of":
        first, *rest = _bare(value).split() or [""]
        if (first if rest else "is_a") in relations:
            term.genera.append((row, rest[0] if rest else first))
    elif tag == "union_of" and "is_a" in relations:
        term.members.append((row, _bare(value)))
    elif tag in _LISTS:
        getattr(term, _LISTS[tag]).append(_bare(value))
    elif tag in ("def", "synonym", *_OLD_SYNONYMS):
        quoted = quoted_text(value)
        if quoted is None:
            raise TableError(f"Row {row} of {file}: {tag} is {value[:60]!r}; needed a text in quotation marks.")
        if tag == "def":
            term.definition = quoted[0]
        elif _OLD_SYNONYMS.get(tag, quoted[1].upper()) in scopes:
            term.synonyms.append(quoted[0])


def quoted_text(value: str) -> tuple[str, str] | None:
    """(text, scope) of '"germ" EXACT [...]'; RELATED is the scope where none is written. None without quotes."""
    found = _QUOTED.match(value)
    if found is not None and '"' in value[found.end() :].partition("[")[0]:  # quotes within that no backslash marks
        found = _WIDE_QUOTED.match(value[: value.rfind("[")] if "[" in value else value) or found
    return None if found is None else (_unescaped(found[1]), found[2] or "RELATED")


def _bare(value: str) -> str:
    """An id without the trailing '! comment' and '{modifiers}'."""
    return _unescaped(_AFTER_ID.split(value, maxsplit=1)[0].strip())


def _unquoted(value: str) -> str:
    """A text without quotation marks, such as a name, without the trailing '{key=value}' and ' ! comment'."""
    found = _AFTER_NAME.search(value)
    return (value if found is None else value[: found.start()]).rstrip()


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text) if "\\" in text else text
