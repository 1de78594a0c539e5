"""Where pairs come from, as flags: a named source, or exactly one file and its reader's options."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rootward.cli.flags import flag, given
from rootward.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from rootward.hierarchy import Hierarchy
    from rootward.pairs import Pairs

_FILES = "Source: one file"
_OPTIONS = "Options of the source"


def _file(name: str, help: str) -> Any:
    return flag(f"--{name}", metavar="FILE", help=help, panel=_FILES)


def _option(name: str, metavar: str, help: str, **more: Any) -> Any:
    return flag(f"--{name}", metavar=metavar, help=help, panel=_OPTIONS, **more)


def _switch(name: str, help: str) -> Any:
    return flag(f"--{name}", help=help, panel=_OPTIONS)


@dataclass(frozen=True)
class SourceFlags:
    """What the user gave to say where the pairs come from; None, False and [] for what was not given."""

    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            show_default=False,
            help="A named source, wordnet or wordnet-instances; or a file by one of the flags below.",
        ),
    ] = None

    edges: Annotated[Path | None, _file("edges", "A child and its parent a row: .csv, .tsv or .parquet.")] = None
    pairs: Annotated[
        Path | None,
        _file("pairs", "A query, a document and their distance a row; or a file of Pairs.save, a folder of --on-disk."),
    ] = None
    obo: Annotated[Path | None, _file("obo", "An OBO ontology.")] = None
    skos: Annotated[Path | None, _file("skos", "A SKOS thesaurus: Turtle, RDF/XML, N-Triples or JSON-LD.")] = None
    owl: Annotated[Path | None, _file("owl", "An OWL ontology, its named classes.")] = None
    paths: Annotated[Path | None, _file("paths", "A category path a line: Apparel > Shoes > Sandals.")] = None
    nested: Annotated[Path | None, _file("nested", "Nested JSON.")] = None
    esci: Annotated[
        Path | None,
        flag(
            "--esci",
            metavar="FOLDER",
            help="Shopping queries: the folder of ESCI's two Parquet files; --tower static reads them.",
            panel=_FILES,
        ),
    ] = None

    max_distance: Annotated[
        int | None,
        _option("max-distance", "HOPS", "Leave out documents more hops away than this; else all are kept.", min=0),
    ] = None
    drop_roots: Annotated[
        bool, _switch("drop-roots", "Hierarchies: leave roots with something below them out of every answer.")
    ] = False
    leave_out: Annotated[
        list[str] | None,
        _option("leave-out", "ID", "Hierarchies: leave this document out of every answer; may be repeated."),
    ] = None
    thesaurus: Annotated[
        list[str] | None,
        _option(
            "thesaurus",
            "FILE",
            "Hierarchies: further names of nodes: a group of texts a line ('tv, television', .txt) or a row (id, name, "
            "synonyms), an .obo, SKOS or .owl file, or wordnet; may be repeated.",
        ),
    ] = None
    format: Annotated[
        str | None,
        _option(
            "format", "NAME", "How the file is written, where its suffix does not tell: csv, tsv, parquet; turtle."
        ),
    ] = None
    delimiter: Annotated[
        str | None, _option("delimiter", "TEXT", "--edges, --pairs: between two fields of a CSV, such as ';' or tab.")
    ] = None
    child: Annotated[str | None, _option("child", "COLUMN", "--edges: the column of children.")] = None
    parent: Annotated[str | None, _option("parent", "COLUMN", "--edges: the column of parents.")] = None
    nodes: Annotated[
        Path | None, _option("nodes", "FILE", "--edges: which nodes there are: id, name, synonyms, definition.")
    ] = None
    add_missing: Annotated[bool, _switch("add-missing", "--edges: keep ids that --nodes lacks.")] = False
    query: Annotated[str | None, _option("query", "COLUMN", "--pairs: the column of queries.")] = None
    document: Annotated[str | None, _option("document", "COLUMN", "--pairs: the column of documents.")] = None
    distance: Annotated[str | None, _option("distance", "COLUMN", "--pairs: the column of distances or labels.")] = None
    levels: Annotated[
        str | None,
        _option("levels", "LABEL=N,...", "--pairs, --esci: labels that stand for distances: exact=0,substitute=1."),
    ] = None
    drop_others: Annotated[
        bool, _switch("drop-others", "--pairs: leave out rows whose label is not among --levels; else they are errors.")
    ] = False
    on_disk: Annotated[
        Path | None,
        _option(
            "on-disk",
            "FOLDER",
            "--pairs: keep them in this folder, not in memory; used again where it is whole.",
        ),
    ] = None
    relations: Annotated[
        str | None, _option("relations", "NAME,...", "--obo: which lead from child to parent: is_a,part_of.")
    ] = None
    scopes: Annotated[str | None, _option("scopes", "NAME,...", "--obo: which synonyms are names: EXACT,RELATED.")] = (
        None
    )
    namespace: Annotated[str | None, _option("namespace", "NAME", "--obo: only the terms of this namespace.")] = None
    language: Annotated[str | None, _option("language", "TAG", "--skos, --owl: of the names, such as en.")] = None
    separator: Annotated[
        str | None, _option("separator", "TEXT", "--paths, --nested: between two categories of a path.")
    ] = None
    layout: Annotated[
        str | None,
        _option(
            "layout",
            "NAME",
            "--paths: plain, google, google-with-ids, shopify, shopify-json. --nested: children, mapping.",
        ),
    ] = None
    ids: Annotated[str | None, _option("ids", "NAME", "--nested: a node's id is its path, name or id.")] = None
    part: Annotated[str | None, _option("part", "NAME", "--esci: train or test. Default: train.")] = None
    locale: Annotated[str | None, _option("locale", "NAME", "--esci: us, es or jp. Default: us.")] = None
    small: Annotated[bool, _switch("small", "--esci: the small version, without the easy queries.")] = False

    @property
    def is_given(self) -> bool:
        """Whether any of the flags was given."""
        return bool(given(**vars(self)))


@dataclass(frozen=True)
class Source:
    """Pairs, and what they are called.

    Attributes:
        pairs: the pairs.
        stem: a short name for folders and headings.
        name: of a named source, None for a file.
    """

    pairs: Pairs
    stem: str
    name: str | None = None


_OF_PAIRS = ("max_distance", "drop_roots", "leave_out")
_OF_HIERARCHIES = (*_OF_PAIRS, "thesaurus")
_OPTIONS_OF = {
    "edges": (*_OF_HIERARCHIES, "child", "parent", "nodes", "add_missing", "format", "delimiter"),
    "pairs": (
        *("max_distance", "query", "document", "distance"),
        *("levels", "drop_others", "format", "delimiter", "on_disk"),
    ),
    "obo": (*_OF_HIERARCHIES, "relations", "scopes", "namespace"),
    "skos": (*_OF_HIERARCHIES, "language", "format"),
    "owl": (*_OF_HIERARCHIES, "language", "format"),
    "paths": (*_OF_HIERARCHIES, "separator", "layout"),
    "nested": (*_OF_HIERARCHIES, "separator", "layout", "ids"),
    "esci": ("part", "locale", "small", "levels"),
    "source": (),
}


def chosen(flags: SourceFlags) -> tuple[str, dict[str, Any]]:
    """(which source, its options): the one source that was given, with options that belong to it.

    Raises:
        InputError: none or several were given, or an option of another one.
    """
    options = given(**vars(flags))
    which = [kind for kind in _OPTIONS_OF if kind in options]
    if len(which) != 1:
        got = " and ".join(_flag(kind, options[kind]) for kind in which) or "none"
        raise InputError(
            f"Exactly one source is needed, got {got}. Give a named source, such as wordnet, or one file: "
            f"{', '.join(f'--{kind} FILE' for kind in _OPTIONS_OF if kind != 'source')}."
        )
    kind = which[0]
    options.pop(kind)
    for name in options:
        if name not in _OPTIONS_OF[kind]:
            there = ", ".join(map(_dashed, _OPTIONS_OF[kind]))
            takes = f"it takes {there}" if there else "named sources come with their own settings"
            raise InputError(f"{_dashed(name)} does not go with {_flag(kind, getattr(flags, kind))}: {takes}.")
    return kind, options


def stem_of(flags: SourceFlags) -> str:
    """What the source is called in a folder's name: 'wordnet', 'edges' for data/edges.csv."""
    kind, _ = chosen(flags)
    value = getattr(flags, kind)
    return _known(value) if kind == "source" else kind if kind == "esci" else Path(value).stem


def read(flags: SourceFlags) -> Source:
    """The pairs of the one source that was given.

    Raises:
        InputError: not exactly one source, an option of another one, or a file that cannot be read.
    """
    try:
        return _read(*chosen(flags), flags)
    except InputError as error:
        error.args = (in_flags(str(error)), *error.args[1:])
        raise


def in_flags(message: str) -> str:
    """The message of a reader, which speaks of arguments, for somebody who gives flags: 'child=' is '--child'."""
    arguments = "|".join(field.name for field in fields(SourceFlags))
    message = message.replace('levels={"exact": 0, ...}', "--levels exact=0,substitute=1")
    return re.sub(rf"\b({arguments})=(True\b)?", lambda found: _dashed(found[1]) + _equals(found), message)


def _equals(found: re.Match[str]) -> str:
    """'=' before a value, as in format='csv'; nothing before True or where there is none."""
    follows = found.string[found.end() : found.end() + 1]
    return "=" if found[2] is None and (follows == "'" or follows.isalnum()) else ""


def _read(kind: str, options: dict[str, Any], flags: SourceFlags) -> Source:
    from rootward.hierarchy import NAMED  # noqa: PLC0415

    value = getattr(flags, kind)
    if kind == "source":
        return Source(NAMED[_known(value)].pairs(), value, value)
    if kind == "pairs":
        return Source(_labelled(value, options), Path(value).stem)
    if kind == "esci":
        return Source(_shopping(value, options), "esci")
    of_pairs = {name: options.pop(name) for name in _OF_PAIRS if name in options}
    if of_pairs.pop("drop_roots", False):
        of_pairs["keep_roots"] = False
    return Source(_tree(kind, value, options).pairs(**of_pairs), Path(value).stem)


def read_as(flags: SourceFlags, pairs: Pairs) -> Source:
    """The pairs of the source, those of a hierarchy's file by the settings that made `pairs`.

    Where flags say otherwise, or `pairs` are no hierarchy's, or the source has settings of its own: as `read`.

    Raises:
        InputError: as `read`.
    """
    from rootward.errors import PairsError  # noqa: PLC0415
    from rootward.growth.diff import lineage  # noqa: PLC0415

    kind, options = chosen(flags)
    if kind in ("source", "pairs", "esci") or set(_OF_PAIRS) & set(options):
        return read(flags)
    try:
        known = lineage(pairs)
    except PairsError:
        return read(flags)
    try:
        tree = _tree(kind, getattr(flags, kind), options)
    except InputError as error:
        error.args = (in_flags(str(error)), *error.args[1:])
        raise
    return Source(known.pairs(tree), Path(getattr(flags, kind)).stem)


def _tree(kind: str, path: Path, options: dict[str, Any]) -> Hierarchy:
    """The hierarchy in a file."""
    from rootward.hierarchy import NAMED, Hierarchy  # noqa: PLC0415

    thesauri = options.pop("thesaurus", ())
    for name in {"relations", "scopes"} & set(options):
        options[name] = tuple(part.strip() for part in options[name].split(","))
    tree: Hierarchy = getattr(Hierarchy, f"from_{kind}")(path, **options)
    for thesaurus in thesauri:
        tree = tree.with_synonyms(NAMED[thesaurus].load() if thesaurus in NAMED else thesaurus)
    return tree


def _labelled(path: Path, options: dict[str, Any]) -> Pairs:
    """Pairs of a table with labels, or of a file that `Pairs.save` wrote, which has no columns to name."""
    from rootward.pairs import Pairs  # noqa: PLC0415
    from rootward.pairs.storage import is_folder  # noqa: PLC0415
    from rootward.readers.labels import is_saved  # noqa: PLC0415

    max_distance = options.pop("max_distance", None)
    if max_distance is not None and (is_folder(path) or "on_disk" in options):
        raise InputError("--max-distance makes a copy in memory of pairs on disk; leave far rows out of the table.")
    if is_saved(path) or is_folder(path):
        if options:
            raise InputError(
                f"{path} was written by Pairs.save and knows its columns; leave out {', '.join(map(_dashed, options))}."
            )
        pairs = Pairs.load(path)
    else:
        if "levels" in options:
            options["levels"] = _levels(options["levels"])
        pairs = Pairs.from_table(path, **options, progress=sys.stderr.isatty())
    return pairs if max_distance is None else pairs.near(max_distance)


def _shopping(folder: Path, options: dict[str, Any]) -> Pairs:
    """The pairs of ESCI."""
    from rootward.pairs import Pairs  # noqa: PLC0415

    if options.pop("small", False):
        options["version"] = "small"
    if "levels" in options:
        options["levels"] = _levels(options["levels"])
    return Pairs.from_esci(folder, **options)


def _levels(text: str) -> dict[str, int]:
    """'exact=0,substitute=1' as {"exact": 0, "substitute": 1}."""
    levels: dict[str, int] = {}
    for part in text.split(","):
        label, _, hops = part.rpartition("=")
        if not label.strip() or not hops.strip().isdecimal():
            raise InputError(f"--levels holds {part!r}; needed LABEL=N,..., such as exact=0,substitute=1.")
        if label.strip() in levels:
            raise InputError(f"--levels gives {label.strip()!r} twice; needed one distance a label.")
        levels[label.strip()] = int(hops)
    return levels


def _known(name: str) -> str:
    """The name of a named source.

    Raises:
        InputError: there is none of this name.
    """
    from rootward.hierarchy import NAMED  # noqa: PLC0415

    if name not in NAMED:
        file = name if Path(name).exists() else "FILE"
        a_file = f" For a file say what it holds: --edges {file}, --pairs {file}, ..."
        near = did_you_mean(name, NAMED) if file != name else ""
        raise InputError(f"There is no named source {name!r}; there are {', '.join(NAMED)}.{near or a_file}")
    return name


def _flag(kind: str, value: Any) -> str:
    return str(value) if kind == "source" else f"--{kind} {value}"


def _dashed(name: str) -> str:
    return f"--{name.replace('_', '-')}"
