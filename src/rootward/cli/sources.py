"""Where pairs come from: one SOURCE argument, and `--read NAME=VALUE` for its reader. `rootward sources` lists them."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import rootward as rw
from rootward.cli.flags import panel, provided, typed
from rootward.cli.settings import Setting, descriptions, parse_settings, settings_of, show_settings
from rootward.errors import InputError, PairsError, did_you_mean

if TYPE_CHECKING:
    from rootward.growth.diff import Lineage


@dataclass(frozen=True)
class Kind:
    """A kind of source: the reader that it has, and how it is typed.

    Attributes:
        reader: class and classmethod, "Hierarchy.from_edges".
        example: what to type for one, with a setting or two.
        holds: one entry of such a file, in words; "" where the name says it.
        numbers: names of whole numbers that stand in place of a file.
    """

    reader: str
    example: str
    holds: str = ""
    numbers: tuple[str, ...] = ()

    @property
    def read(self) -> Callable[..., Any]:
        """The reader itself."""
        owner, _, method = self.reader.partition(".")
        reader: Callable[..., Any] = getattr(getattr(rw, owner), method)
        return reader

    @property
    def is_hierarchy(self) -> bool:
        """Whether it is read as a hierarchy, whose ancestors become pairs."""
        return self.reader.startswith("Hierarchy")

    def settings(self) -> dict[str, Setting]:
        """What `--read` sets: arguments of the reader, and of making pairs."""
        found = settings_of(self.read, leave_out=("progress",))
        if alike := re.search(r"as in `(from_\w+)`", self.read.__doc__ or ""):  # explained there
            explained = settings_of(getattr(rw.Hierarchy, alike[1]))
            found = {name: explained.get(name, setting) for name, setting in found.items()}
        of_pairs = settings_of(rw.Hierarchy.pairs, leave_out=("labels",))
        if self.reader == "Labels.read":
            return found | {"unknown": of_pairs["unknown"]}
        if not self.is_hierarchy:
            return found if self.reader == "Pairs.from_esci" else found | {"max_distance": of_pairs["max_distance"]}
        file = descriptions(rw.Hierarchy.with_synonyms.__doc__)["thesaurus"].partition("; or ")[2]
        thesaurus = Setting("thesaurus", list, (), f"further names of nodes: a named source or {file}")
        language = settings_of(rw.Hierarchy.with_synonyms, leave_out=("thesaurus", *found))
        return found | of_pairs | language | {"thesaurus": thesaurus}


KINDS = {
    "edges": Kind(
        "Hierarchy.from_edges",
        "edges:taxonomy.csv --read child=category --read parent=parent_category",
        "a child and its parent a row",
    ),
    "paths": Kind("Hierarchy.from_paths", "paths:categories.txt --read separator=/", "a category path a line"),
    "nested": Kind("Hierarchy.from_nested", "nested:menu.json --read layout=mapping", "nested JSON"),
    "obo": Kind("Hierarchy.from_obo", "hp.obo --read relations=is_a,part_of"),
    "skos": Kind("Hierarchy.from_skos", "thesaurus.ttl --read language=de", "a SKOS thesaurus"),
    "owl": Kind("Hierarchy.from_owl", "go.owl --read max_distance=8", "an OWL ontology"),
    "pairs": Kind(
        "Pairs.from_table",
        "pairs:clicks.csv --read distance=label --read levels=exact=0,substitute=1",
        "a query, a document and their distance a row",
    ),
    "labels": Kind(
        "Labels.read", "labels:titles.csv --read text=title --read node=category", "a text and its category a row"
    ),
    "esci": Kind("Pairs.from_esci", "esci:shopping_queries_dataset --read locale=us --read part=test"),
    "tree": Kind("Hierarchy.perfect_tree", "tree:4,5 --read root=false", numbers=("HEIGHT", "WIDTH")),
    "dag": Kind("Hierarchy.random_dag", "dag:1000 --read seed=7 --read max_depth=6", numbers=("N",)),
}
_BY_SUFFIX = {".obo": "obo", ".owl": "owl"}
_JSON = ".json", ".jsonl", ".ndjson"
_RDF = ".ttl", ".rdf", ".nt", ".jsonld", ".xml"
_OF_PAIRS = "max_distance", "keep_roots", "leave_out"
_UNKNOWN = "unknown"  # what to do with labels of no node
_LISTED = "rootward sources"


@dataclass(frozen=True)
class SourceFlags:
    """The source that the user named, and how it is read; None for what was not given."""

    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            show_default=False,
            help="wordnet, hp.obo, edges:shop.csv, ...; see rootward sources.",
        ),
    ] = None
    read: Annotated[
        list[str] | None,
        panel("Source")("--read NAME=VALUE", "How it is read: child=category; repeatable, see rootward sources."),
    ] = None

    @property
    def is_given(self) -> bool:
        """Whether a source was named; --read without one is an error."""
        if self.source is None and self.read and getattr(self, "labels", None) is None:
            raise InputError("--read says how a source is read, and there is none; name the source too.")
        return self.source is not None


@dataclass(frozen=True)
class LabelFlags(SourceFlags):
    """A source, and texts that people labelled with its nodes."""

    labels: Annotated[
        Path | None, panel("Source")("--labels FILE", "Texts labelled with nodes of SOURCE: .csv, .tsv, .parquet.")
    ] = None
    text: Annotated[str | None, panel("Source")("--text COLUMN", "Their column of texts. Default: text.")] = None
    node: Annotated[str | None, panel("Source")("--node COLUMN", "Of nodes: id, name or path. Default: node.")] = None

    @property
    def weight_column(self) -> str | None:
        """The name of the column that says how much each label counts; None where all count alike."""
        return None

    @property
    def reads_texts(self) -> bool:
        """Whether what is read are texts that people labelled, with or without a hierarchy."""
        return self.labels is not None or (self.source or "").startswith("labels:")

    @property
    def name(self) -> str | None:
        """What a run records as its source: 'edges:shop.csv with the labels of titles.csv'."""
        return self.source if self.labels is None else f"{self.source} with the labels of {self.labels}"

    def read_labels(self) -> rw.Labels | None:
        """The labels, if there are any.

        Raises:
            InputError: --text, --node or --weight without --labels; what `Labels.read` refuses.
        """
        columns = provided(text=self.text, node=self.node, weight=self.weight_column)
        if self.labels is None:
            if columns:
                raise InputError(f"--{next(iter(columns))} names a column of --labels FILE; give that file too.")
            return None
        try:
            return rw.Labels.read(self.labels, **columns)
        except InputError as error:
            message = re.sub(r"\b(text|node|weight)=", r"--\1 ", told_of_table(str(error)))
            if message.startswith("There are no rows"):
                message += (
                    " A taxonomy whose nodes have names can do without labels: leave them out, and say --tower auto."
                )
            error.args = (message, *error.args[1:])
            raise


def told_of_table(message: str) -> str:
    """What a reader says of a table that no --read belongs to, so that its delimiter and format cannot be said."""
    message = re.sub(r": say so with delimiter=.*\.$", ": save it with commas, or with tabs as .tsv.", message)
    return re.sub(r"; say format= one of [^.]*\.", "; it must end in .csv, .tsv or .parquet.", message)


@dataclass(frozen=True)
class WeightedLabelFlags(LabelFlags):
    """Labels that are trained on, and how much each counts."""

    weight: Annotated[
        str | None, panel("Source")("--weight COLUMN", "How much each label counts, above 0. Default: all alike.")
    ] = None

    @property
    def weight_column(self) -> str | None:
        """The name of the column of weights."""
        return self.weight


@dataclass(frozen=True)
class Source:
    """Pairs, and the name of a named source, None for a file."""

    pairs: rw.Pairs
    name: str | None = None


def parse_source(flags: SourceFlags) -> tuple[str, str]:
    """(kind, file) of the SOURCE argument; ("named", name) of a named source."""
    from rootward.hierarchy import NAMED  # noqa: PLC0415
    from rootward.pairs.storage import is_folder  # noqa: PLC0415
    from rootward.readers.labels import is_saved  # noqa: PLC0415

    text = flags.source
    if text is None:
        raise InputError(
            f"A source is needed: a named one ({', '.join(NAMED)}), a file such as hp.obo, or KIND:FILE such as "
            f"edges:taxonomy.csv. {_LISTED} lists the kinds."
        )
    if text in NAMED:
        return "named", text
    kind, colon, file = text.partition(":")
    if colon and kind in KINDS:
        if not file:
            raise InputError(f"{text} names no file; needed {kind}:FILE, such as {KINDS[kind].example.split()[0]}.")
        return kind, file
    path = Path(text)
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if is_folder(path) or (suffix == ".parquet" and is_saved(path)):
        return "pairs", text
    if path.is_dir():
        what = "the folder of a run or index" if (path / "config.json").is_file() else "a folder"
        raise InputError(f"{path} is {what}, and no source; of ESCI say esci:{path}. {_LISTED} lists the kinds.")
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix], text
    if not path.exists():
        near = did_you_mean(kind if colon else text, [*NAMED, *KINDS])
        raise InputError(
            f"There is no file and no named source {text!r}.{near} Named sources are {', '.join(NAMED)}; what a file "
            f"holds is said by {', '.join(KINDS)}, as in edges:FILE. {_LISTED} says more."
        )
    if suffix in _RDF and (sure := _rdf_kind(path)):
        return sure, text
    raise InputError(_advice(path, suffix, flags.read or []))


def stem_of(flags: SourceFlags) -> str:
    """What the source is called in a folder's name: 'wordnet', 'edges' for data/edges.csv, 'tree-4-5' for tree:4,5."""
    kind, file = parse_source(flags)
    if kind in KINDS and KINDS[kind].numbers:
        return "-".join([kind, *file.split(",")])
    name = Path(file).name.removesuffix(".gz")
    return kind if kind == "esci" else file if kind == "named" else Path(name).stem


def read_source(flags: SourceFlags, like: rw.Pairs | None = None) -> Source:
    """The pairs of the source.

    `like` are pairs of an older version: a hierarchy's pairs are made by the settings that made these, unless the user
    sets one of them, and have their labelled texts, too; unless these are no hierarchy's.
    """
    from rootward.hierarchy import NAMED  # noqa: PLC0415

    kind, file = parse_source(flags)
    labels = flags.read_labels() if isinstance(flags, LabelFlags) else None
    if kind == "named":
        known = {_UNKNOWN: KINDS["edges"].settings()[_UNKNOWN]} if labels is not None else {}
        if flags.read and not known:
            raise InputError(f"--read {flags.read[0]}: {file} comes with its own settings; leave out --read.")
        settings = parse_settings(flags.read, "--read", known, of=file, listed_by=_LISTED)
        with _in_flags([_UNKNOWN]):
            named = NAMED[file]
            if (older := _lineage_of(like)) is None:
                return Source(named.pairs(labels=labels, **settings), file)
            return Source(older.pairs(named.load(), labels=labels, **settings, **named.settings), file)
    settings = parse_settings(flags.read, "--read", KINDS[kind].settings(), of=f"{kind}:", listed_by=_LISTED)
    if labels is not None and not KINDS[kind].is_hierarchy:
        raise InputError(
            f"--labels are of nodes of a hierarchy; {flags.source} is none. Name one, or leave out --labels."
        )
    if _UNKNOWN in settings and labels is None and kind != "labels":
        raise InputError(f"--read unknown={settings[_UNKNOWN]} is for labels; name their file by --labels.")
    with _in_flags(list(KINDS[kind].settings())):
        if KINDS[kind].is_hierarchy:
            return Source(_pairs_of_hierarchy(kind, file, settings, like, labels))
        if kind == "labels":
            options = provided(unknown=settings.pop(_UNKNOWN, None))
            return Source(rw.Labels.read(file, **settings).pairs(**options))
        return Source(KINDS[kind].read(file, **settings) if kind == "esci" else _labelled(file, settings))


def read_for_run(flags: LabelFlags, known: Callable[[], rw.Pairs]) -> Source | None:
    """The pairs of the source, or of labels alone where there is no source; None where there is neither.

    Args:
        flags: the source.
        known: gives the pairs of the run, whose nodes are named by labels without a source.
    """
    if flags.source is not None or flags.labels is None:
        if flags.source is None:
            flags.read_labels()  # --text without --labels
        return read_source(flags) if flags.is_given else None
    from rootward.hierarchy.node_names import labelled_alone  # noqa: PLC0415

    labels = flags.read_labels()
    assert labels is not None
    with _in_flags([_UNKNOWN]):
        return Source(labelled_alone(known(), labels, **unknown_setting(flags)))


def unknown_setting(flags: LabelFlags) -> dict[str, Any]:
    """The one setting of labels without a source: --read unknown=skip."""
    known = {_UNKNOWN: KINDS["edges"].settings()[_UNKNOWN]}
    return parse_settings(flags.read, "--read", known, of="--labels", listed_by=_LISTED)


def _pairs_of_hierarchy(
    kind: str, file: str, settings: dict[str, Any], like: rw.Pairs | None, labels: rw.Labels | None
) -> rw.Pairs:
    from rootward.hierarchy import NAMED  # noqa: PLC0415

    thesauri = settings.pop("thesaurus", ())
    language = provided(language=settings.get("language"))
    if kind not in ("skos", "owl") and settings.pop("language", None) is not None and not thesauri:
        raise InputError("--read language= is of the texts of SKOS and OWL; name such a file by --read thesaurus=.")
    of_pairs = {name: settings.pop(name) for name in _OF_PAIRS if name in settings}
    of_labels = {"labels": labels} | provided(unknown=settings.pop(_UNKNOWN, None))
    operands: list[Any] = [Path(file)]
    if names := KINDS[kind].numbers:
        operands = [int(number) for number in file.split(",") if number.strip().isdecimal()]
        if len(operands) != len(names) or len(operands) != len(file.split(",")):
            example = KINDS[kind].example.split()[0]
            raise InputError(f"{kind}:{file} needs {len(names)} whole number(s), such as {example}.")
    tree: rw.Hierarchy = KINDS[kind].read(*operands, **settings)
    for thesaurus in thesauri:
        tree = tree.with_synonyms(NAMED[thesaurus].load() if thesaurus in NAMED else thesaurus, **language)
    known = _lineage_of(like)
    return tree.pairs(**of_pairs, **of_labels) if known is None else known.pairs(tree, **of_pairs, **of_labels)


def _lineage_of(like: rw.Pairs | None) -> Lineage | None:
    """What made the pairs of an older version; None without one, or where these are no hierarchy's."""
    from rootward.growth.diff import lineage  # noqa: PLC0415

    with suppress(PairsError):
        return None if like is None else lineage(like)
    return None


def _labelled(file: str, settings: dict[str, Any]) -> rw.Pairs:
    """Pairs of a table with labels, or those that `Pairs.save` wrote, which have no columns to name."""
    from rootward.pairs.storage import is_folder  # noqa: PLC0415
    from rootward.readers.labels import is_saved  # noqa: PLC0415

    path = Path(file)
    max_distance = settings.pop("max_distance", None)
    if max_distance is not None and (is_folder(path) or "on_disk" in settings):
        raise InputError("max_distance= makes a copy in memory of pairs on disk; leave far rows out of the table.")
    if is_saved(path) or is_folder(path):
        if settings:
            raise InputError(
                f"{path} was written by Pairs.save and knows its columns; leave out --read {', '.join(settings)}."
            )
        pairs = rw.Pairs.load(path)
    else:
        pairs = rw.Pairs.from_table(path, **settings, progress=sys.stderr.isatty())
    return pairs if max_distance is None else pairs.near(max_distance)


@contextmanager
def _in_flags(settings: Sequence[str]) -> Iterator[None]:
    """Reword errors of a reader, which speak of arguments, for who types flags: 'child=' becomes '--read child='."""
    try:
        yield
    except InputError as error:
        message = str(error).replace('levels={"exact": 0, ...}', "levels=exact=0,substitute=1")
        message = message.replace("=True", "=true").replace('unknown="skip"', "unknown=skip")
        message = re.sub(rf"(?<!--read )\b({'|'.join(settings)})=", r"--read \1=", message)
        error.args = (message, *error.args[1:])
        raise


# -- which kind a file is of ---------------------------------------------------------------------------------------


def _first_bytes(path: Path, n: int) -> bytes:
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            return file.read(n)
    except (OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None


def _rdf_kind(path: Path) -> str | None:
    """Whether the beginning of an RDF file speaks of SKOS concepts or of OWL classes; None where of both or neither."""
    text = _first_bytes(path, 2**20)
    skos = re.search(rb"skos:(Concept|broader|narrower)\b|skos/core#(Concept|broader|narrower)\b", text)
    owl = re.search(rb"owl:Class\b|owl#Class\b", text)
    return None if bool(skos) == bool(owl) else "skos" if skos else "owl"


def _advice(path: Path, suffix: str, reads: list[str]) -> str:
    """What a file of a suffix with several meanings seems to hold, and the command to type for it."""
    seen, guess = _seen_in(path, suffix)
    kinds = (
        ("skos", "owl")
        if suffix in _RDF
        else ("nested", "paths")
        if suffix in _JSON
        else ("edges", "pairs", "paths", "labels")
    )
    others = [kind for kind in kinds if guess is None or kind != guess[0]]
    rest = "; ".join(f"{kind}:{path} for {KINDS[kind].holds}" for kind in others)
    head = f"{path} can be of several kinds, so say which. It {seen}."
    if guess is None:
        return f"{head} Type {rest}; {_LISTED} lists all kinds."
    kind, settings = guess
    named = {read.partition("=")[0] for read in reads}
    settings = [setting for setting in settings if setting.partition("=")[0] not in named]
    words = [f"{kind}:{path}" if word == str(path) else word for word in ["rootward", *typed.get()]]
    words += [word for setting in settings for word in ("--read", setting)]
    return f"{head} That looks like {KINDS[kind].holds}; if it is, type:\n  {shlex.join(words)}\nElse {rest}."


def _seen_in(path: Path, suffix: str) -> tuple[str, tuple[str, list[str]] | None]:
    """What stands at the beginning of a file, in words, and the kind and settings that fit; None where none do."""
    if suffix in _RDF:
        return "speaks of SKOS and OWL alike, or of neither", None
    if suffix == ".parquet":
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            head = next(pq.ParquetFile(path).iter_batches(batch_size=100), pa.RecordBatch.from_pydict({}))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} cannot be read as Parquet: {error}.") from None
        rows = [[str(row[name]) for name in head.schema.names] for row in head.to_pylist()]
        return f"has the columns {', '.join(head.schema.names)}", _table_kind(head.schema.names, rows)
    text = _first_bytes(path, 2**16).decode("utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines()[:100] if line.strip()]
    if not lines:
        raise InputError(f"{path} is empty; a source is needed that holds something.")
    seen = f"begins with {lines[0][:60]!r}"
    if suffix in _JSON:
        return seen, _json_kind(text)
    body = [line for line in lines if not line.startswith("#")]
    if sum(" > " in line for line in body) > len(body) / 2:
        numbered = all(re.match(r"\d+ - ", line) for line in body)
        layout = "shopify" if body[0].startswith("gid://") else "google-with-ids" if numbered else "google"
        return seen, ("paths", [] if layout == "google" and body == lines else [f"layout={layout}"])
    usual = {".csv": ",", ".tsv": "\t"}.get(suffix)
    delimiters = [usual, *"\t;,|"] if usual else [*"\t;,|"]
    for delimiter in delimiters:
        if delimiter in lines[0] and sum(delimiter in line for line in lines) > 0.8 * len(lines):
            header, *rows = csv.reader(lines, delimiter=delimiter)
            found = _table_kind(header, rows)
            extra = [] if delimiter == usual else [f"delimiter={'tab' if delimiter == chr(9) else delimiter}"]
            return seen, None if found is None else (found[0], [*found[1], *extra])
    for separator in (" / ", "/", ">", "::", "\\"):
        if sum(separator in line for line in body) > len(body) / 2:
            return seen, ("paths", [f"separator={separator}"])
    return seen, None


def _mostly(found: Iterable[bool]) -> bool:
    there = list(found)
    return 2 * sum(there) > len(there)


def _json_kind(text: str) -> tuple[str, list[str]] | None:
    if '"verticals"' in text:
        return "paths", ["layout=shopify-json"]
    from rootward.readers.text_files import JSON_LD  # noqa: PLC0415

    if JSON_LD.search(text):
        return "skos", ["format=json-ld"]
    if '"children"' in text or text.lstrip().startswith("["):
        return "nested", []
    if re.search(r'"(parent|parents|parent_?id|broader)"\s*:', text, re.IGNORECASE):
        return "nested", []  # records, which the reader knows by their look
    try:
        whole = json.loads(text)
    except ValueError:
        whole = {}  # longer than what was looked at
    return ("nested", ["layout=mapping"]) if isinstance(whole, dict) else None


def _table_kind(columns: Sequence[str], rows: list[list[str]]) -> tuple[str, list[str]] | None:
    """Whether a table holds edges, pairs or labels by its header and first rows, and which columns they are in."""
    if {"child", "parent"} <= set(columns):
        return "edges", []
    if {"query", "document", "distance"} <= set(columns):
        return "pairs", []
    if {"text", "node"} <= set(columns):
        return "labels", []
    from rootward.readers.text_files import LEVEL  # noqa: PLC0415

    if sum(bool(LEVEL.fullmatch(name.strip())) for name in columns) > 1:
        return "paths", []
    of_paths = [name for i, name in enumerate(columns) if _mostly(" > " in row[i] for row in rows if i < len(row))]
    if of_paths:
        return "paths", [f"columns={of_paths[0]}"]
    above = [name for name in columns if re.search("parent|broader|above|super", name.lower())]
    if above or len(columns) == 2:
        parent = above[0] if above else columns[1]
        child = next((name for name in columns if name != parent), None)
        return None if child is None else ("edges", [f"child={child}", f"parent={parent}"])
    if len(columns) < 3 or not rows:
        return None
    cells = {name: [row[i] for row in rows if i < len(row)] for i, name in enumerate(columns)}
    whole = [name for name in columns if cells[name] and all(cell.isdecimal() for cell in cells[name])]
    distance = whole[-1] if whole else min(columns[2:], key=lambda name: len(set(cells[name])))
    query, document = [name for name in columns if name != distance][:2]
    settings = {"query": query, "document": document, "distance": distance}
    if not whole:
        settings["levels"] = ",".join(f"{label}={i}" for i, label in enumerate(dict.fromkeys(cells[distance])))
    return "pairs", [f"{name}={value}" for name, value in settings.items() if name != value]


# -- the command ---------------------------------------------------------------------------------------------------


def sources() -> None:
    """List every kind of source, with its settings and an example.

    Every verb that needs data takes SOURCE: a named source, a file whose suffix says what it is (.obo, .owl, .ttl,
    .rdf, .nt, .jsonld; each also .gz), saved pairs, or KIND:FILE. Each --read NAME=VALUE is a setting of its reader.

    \b
      rootward sources
      rootward train edges:taxonomy.csv --read child=category
      rootward plan hp.obo --read relations=is_a,part_of --read max_distance=8
    """
    from rootward.hierarchy import NAMED  # noqa: PLC0415

    print("Named sources")
    for name, named in NAMED.items():
        print(f"  {name}: {named.description}")
    print("  example: rootward train wordnet\n")
    shared = (*_OF_PAIRS, _UNKNOWN, "thesaurus", "language")
    for name, kind in KINDS.items():
        about = _as_typed((kind.read.__doc__ or "").partition("\n")[0])
        title = f"{name}:{','.join(kind.numbers) or 'FILE'}  {about}\n  example: rootward train {kind.example}"
        own = [setting for setting in kind.settings().values() if not (kind.is_hierarchy and setting.name in shared)]
        show_settings(title, own, _as_typed)
    of_hierarchies = KINDS["edges"].settings()
    show_settings("Settings of every hierarchy", [of_hierarchies[name] for name in shared], _as_typed)


def _as_typed(text: str) -> str:
    """Words of a reader's docstring for the command line: no Python objects, and values as `--read` takes them."""
    text = re.sub(r"[;:,] (or )?[^.;:,]*\b(iterable|lists and dicts|a list)\b[^.;:,)]*", "", text)
    text = re.sub(r"`(height|width)`", lambda number: number[1].upper(), text)
    text = re.sub(r"`| or Table\b| Slices .*", "", text)
    text = re.sub(r"\b(None|True|False)\b", lambda value: value[0].lower(), text)
    text = re.sub(r'\("(\w+)", "(\w+)"\)', r"\1,\2", text)  # ("is_a", "part_of")
    return re.sub(r'\{("\w+": \d(, )?)+\}', lambda levels: re.sub(r'[{}" ]', "", levels[0]).replace(":", "="), text)
