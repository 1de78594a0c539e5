"""Text files, plain or packed by gzip, and what a file holds: errors name the file, the row, the right reader."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from rootward.errors import InputError, TableError, did_you_mean
from rootward.readers.limits import LINE, check_line, open_unpacked

FilePath: TypeAlias = str | os.PathLike[str]

PACKED = ".gz"


def existing_file(source: FilePath) -> Path:
    """The path of a file that exists.

    Raises:
        TableError: a folder, or nothing at all.
        InputError: no path.
    """
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"The path of a file is needed, got {source!r:.80}.")
    path = Path(source)
    if path.is_dir():
        raise TableError(f"{path} is a folder; a file is needed.")
    if not path.is_file():
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        near = did_you_mean(path.name, beside) or f" The working directory is {Path.cwd()}."
        raise TableError(f"{path} does not exist; a file is needed.{near}")
    return path


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading bytes; one whose name ends in .gz is unpacked."""
    return open_unpacked(path) if path.suffix.lower() == PACKED else path.open("rb")


@contextmanager
def unpacking(name: str) -> Iterator[None]:
    """Turn errors of gzip into one that names the file.

    Raises:
        TableError: the bytes are not gzip, or end too early.
    """
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TableError(f"{name} cannot be unpacked as gzip: {error}.") from error


def undecodable(name: str, row: int, error: UnicodeDecodeError) -> TableError:
    """The error for a row that is not UTF-8."""
    if row == 1 and (wide := is_wide(error.object)):
        return TableError(f"{name} is {wide}; save it as UTF-8, which spreadsheets call 'CSV UTF-8'.")
    if b"\0" in error.object:
        return TableError(f"{name} is no text: row {row} holds a zero byte. A text file in UTF-8 is needed.")
    byte = error.object[error.start]
    return TableError(
        f"Row {row} of {name} is not UTF-8 (byte 0x{byte:02x} at place {error.start + 1}); save the file as UTF-8."
    )


def is_wide(start: bytes) -> str:
    """'UTF-16' or 'UTF-32' where a text begins so, with its mark or in letters of ASCII; else ""."""
    if start[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "UTF-32"
    odd, even = start[1:64:2], start[0:64:2]
    every_other = len(odd) > 1 and (set(odd) == {0} or set(even) == {0}) and set(odd) != set(even)
    return "UTF-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") or every_other else ""


def text_lines(source: FilePath, *, whole: bool = False) -> Iterator[tuple[int, str]]:
    """(row, line) of a UTF-8 text file, rows from 1, without line ends, which may be those of any
    system.

    Args:
        source: the file.
        whole: it is one text, as JSON is, and its lines may have any length.

    Raises:
        TableError: no such file, or a row that is not UTF-8, or longer than any text (`rootward.readers.limits`).
    """
    path = existing_file(source)
    row = 0
    with unpacking(path.name), open_bytes(path) as file:
        for line in file:
            row += 1
            if len(line) > LINE and not whole:
                check_line(line, row, path.name)
            try:
                text = line.decode("utf-8-sig" if row == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise undecodable(path.name, row, error) from None
            if row == 1 and is_wide(line):  # zero bytes are UTF-8 too
                raise TableError(f"{path.name} is {is_wide(line)}; save it as UTF-8.")
            if "\r" not in text:
                yield row, text
                continue
            parts = text.split("\r")  # lines of an old Macintosh
            yield from enumerate(parts, row)
            row += len(parts) - 1


def read_json(source: FilePath) -> Any:
    """The content of a JSON file.

    Raises:
        TableError: no such file, or one that is not JSON; the message names the row.
    """
    name = existing_file(source).name

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for place, (key, _) in enumerate(pairs) if key in dict(pairs[:place]))
            raise TableError(f"{name} holds the key {twice!r} twice in one object, of which JSON keeps one. Keep one.")
        return found

    text = "\n".join(line for _, line in text_lines(source, whole=True))
    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and error.pos and text[: error.pos].strip().startswith("{"):  # an object a line?
            with suppress(json.JSONDecodeError):
                return [json.loads(line, object_pairs_hook=once) for line in text.splitlines() if line.strip()]
        raise TableError(f"Row {error.lineno} of {name} is not JSON: {error.msg}.") from None
    except ValueError as error:  # a number of thousands of digits
        if isinstance(error, InputError):
            raise
        raise TableError(f"{name} cannot be read as JSON: {error}.") from None
    except RecursionError:
        raise TableError(f"{name} is nested too deeply for JSON; write it as an edge list.") from None


def counted(what: str, one: str, many: str, items: Iterable[str]) -> tuple[str, ...]:
    """A note that counts items and shows two of them: 'Left out 3 deprecated classes: a, b and 1 more.'; none for none.

    Args:
        what: what the note begins with, "" for nothing.
        one, many: what the items are.
        items: each as people should read it.
    """
    there = list(items)
    more = f" and {len(there) - 2:,} more" if len(there) > 2 else ""
    number = f"{what} {len(there):,}".strip()
    return (f"{number} {one if len(there) == 1 else many}: {', '.join(there[:2])}{more}.",) if there else ()


# -- what a file holds, by how it begins: so that an error about the wrong kind names the right reader -----------

_LOOKED_AT = 1 << 16
_FUNCTIONAL = re.compile(r"(?:Prefix|Ontology)\s*\(")
_MANCHESTER = re.compile(r"(?:Prefix|Ontology|Class|ObjectProperty|AnnotationProperty):\s")
_OWL_XML = re.compile(r"<(?:\w+:)?Ontology\s[^>]*http://www\.w3\.org/2002/07/owl#")
FOREIGN = {"OWL functional syntax": _FUNCTIONAL, "OWL Manchester syntax": _MANCHESTER, "OWL/XML": _OWL_XML}
TURTLE = re.compile(r"@prefix\s|@base\s|PREFIX\s", re.IGNORECASE)
TRIPLE = re.compile(r"(?:<[^<>\s]+>|_:\w+)\s+<[^<>\s]+>\s+[<\"_].*\.\s*$", re.MULTILINE)
RDF_XML = re.compile(r"<(?:\w+:)?RDF[\s>]")
_BEFORE = re.compile(r"(?:\s+|#[^\n]*\n|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>)*", re.DOTALL)
_OBO = re.compile(r"(?:\s*![^\n]*\n|\s)*format-version\s*:|\[Term\]\s*(?:!.*)?\nid\s*:", re.MULTILINE)
_SKOS_WORDS = re.compile(r"skos:(Concept|broader|narrower)\b|skos/core#(Concept|broader|narrower)\b")
_OWL_WORDS = re.compile(r"owl:Class\b|owl#Class\b|rdfs:Class\b|rdf-schema#Class\b")


class Kind(NamedTuple):
    """What a file seems to hold, and who reads it.

    Attributes:
        what: in words, "an OBO file".
        reader: the method, such as "Hierarchy.from_obo"; "" where there is none.
        prefix: of the command line, such as "obo".
        advice: what to do where there is no reader.
    """

    what: str
    reader: str = ""
    prefix: str = ""
    advice: str = ""

    def said_of(self, path: Path) -> str:
        """A sentence: 'go.txt is an OBO file; read it by Hierarchy.from_obo (obo:go.txt).'"""
        how = f"read it by {self.reader} ({self.prefix}:{path})" if self.reader else self.advice
        return f"{path.name} is {self.what}; {how}."


_SIGNS = {
    b"PAR1": Kind("a Parquet file", advice="say format='parquet'"),
    b"PK\x03\x04": Kind("a spreadsheet or a ZIP archive", advice="unpack it, or save the table as CSV in UTF-8"),
    b"\xd0\xcf\x11\xe0": Kind("an old Excel file", advice="save the table as CSV in UTF-8"),
    b"\x1f\x8b": Kind("packed by gzip", advice="give its name the suffix .gz"),
    b"BZh": Kind("packed by bzip2", advice="unpack it"),
    b"\xfd7zXZ": Kind("packed by xz", advice="unpack it"),
    b"%PDF": Kind("a PDF", advice="a text file or table is needed"),
    b"version https://git-lfs": Kind("a pointer of Git LFS, not the file itself", advice="fetch it: git lfs pull"),
    b"SQLite format 3": Kind("an SQLite database", advice="export the table as CSV"),
}
_OBO_FILE = Kind("an OBO file", "Hierarchy.from_obo", "obo")
SKOS = Kind("a SKOS thesaurus", "Hierarchy.from_skos", "skos")
OWL = Kind("an OWL ontology", "Hierarchy.from_owl", "owl")
NESTED = Kind("JSON", "Hierarchy.from_nested", "nested")
_EDGES = Kind("a table of edges", "Hierarchy.from_edges", "edges")
_PAIRS = Kind("a table of pairs", "Pairs.from_table", "pairs")
_LABELS = Kind("a table of labelled texts", "Labels.read", "labels")
_PATHS = Kind("a list of category paths", "Hierarchy.from_paths", "paths")
_LEVELS = Kind("a table with a column for each level", "Hierarchy.from_paths", "paths")
JSON_LD = re.compile(r'"@(context|graph|id)"\s*:')
LEVEL = re.compile(r"(level|tier|category|cat|l|depth)[\s_.-]*\d+", re.IGNORECASE)


def first_bytes(path: Path) -> bytes:
    """The beginning of a file, unpacked if it is packed by gzip and called .gz; "" where it cannot be read."""
    try:
        with gzip.open(path) if path.suffix.lower() == PACKED else path.open("rb") as file:
            return file.read(_LOOKED_AT)
    except (OSError, EOFError, zlib.error):
        return b""


def without_preamble(text: str) -> str:
    """A text without comments, XML declarations and white space in front."""
    return text[_BEFORE.match(text).end() :]  # type: ignore[union-attr]


def kind_of(path: Path) -> Kind | None:
    """What a file seems to hold; None where nothing is certain."""
    start = first_bytes(path)
    if sign := next((kind for sign, kind in _SIGNS.items() if start.startswith(sign)), None):
        return sign
    if wide := is_wide(start):
        return Kind(wide, advice="save it as UTF-8")
    text = start.decode("utf-8-sig", "replace")
    bare = without_preamble(text)
    if re.match(r"<(!doctype\s+)?html\b", text.lstrip(), re.IGNORECASE) or re.match(r"<html\b", bare, re.IGNORECASE):
        return Kind("a web page", advice="download the file itself")
    for name, begins in FOREIGN.items():
        if begins.match(bare):
            return Kind(f"in {name}", advice=f"convert it to RDF by ROBOT: robot convert --input {path.name}")
    if _OBO.match(bare) or ("[Term]" in text and _OBO.search(text)):
        return _OBO_FILE
    if TURTLE.match(bare) or RDF_XML.match(bare) or TRIPLE.match(bare):
        return SKOS if _SKOS_WORDS.search(text) and not _OWL_WORDS.search(text) else OWL
    if bare[:1] in ("{", "["):
        return _kind_of_json(bare)
    if re.match(r"<[A-Za-z][^>]*>", bare) and re.search(r"</\w|/>", bare):
        return Kind("XML", advice="write it as a table with a child and its parent a row, or as category paths")
    return _kind_of_lines(text)


def _kind_of_json(text: str) -> Kind | None:
    if JSON_LD.search(text):
        return SKOS
    if '"graphs"' in text[:200] and '"nodes"' in text:
        return Kind("OBO Graphs JSON", advice="read the .obo or .owl file of the same ontology")
    if re.match(r"\{\s*[\"}]|\[\s*[\[{\"\]]", text):
        try:  # a path may be written as ["Pets", "Food"], one a line
            json.loads(text.splitlines()[0])
        except (ValueError, RecursionError):
            return NESTED
        return NESTED if text[0] == "{" or len(text.splitlines()) == 1 else None
    return None


def _kind_of_lines(text: str) -> Kind | None:
    lines = [line for line in text.splitlines()[:100] if line.strip() and not line.startswith("#")]
    if not lines:
        return None
    fields = {
        field.strip().strip('"') for field in re.split(r"[,;\t|]", next(csv.reader(lines[:1], delimiter="\0"))[0])
    }
    for columns, kind in (
        ({"child", "parent"}, _EDGES),
        ({"query", "document", "distance"}, _PAIRS),
        ({"text", "node"}, _LABELS),
    ):
        if columns <= fields:
            return kind
    if sum(bool(LEVEL.fullmatch(field)) for field in fields) > 1:
        return _LEVELS
    return _PATHS if 2 * sum(" > " in line for line in lines) > len(lines) else None


def refuse_others(path: Path, *own: str) -> None:
    """Raise TableError for a file that is certainly of another kind than that of these prefixes."""
    kind = kind_of(path)
    if kind is not None and kind.prefix not in own:
        raise TableError(kind.said_of(path))


def what_else(path: Path, *own: str) -> str:
    """' go.csv is an OBO file; read it by ...' for the end of an error; "" where nothing else is certain."""
    kind = kind_of(path)
    return "" if kind is None or kind.prefix in own else f" {kind.said_of(path)}"
