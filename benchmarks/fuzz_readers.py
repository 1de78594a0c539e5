"""Mutants of small valid files for every reader: each must be read, or refused by an error of ours, soon and in little
memory.

    python benchmarks/fuzz_readers.py --n 20000 --seed 1           # all readers, figures to results/fuzz_readers.json
    python benchmarks/fuzz_readers.py --reader owl --n 500 --keep /tmp/fell

`fuzz(reader, n, seed)` does it for one reader, in a process of its own: outcomes are "read", "refused" (an error of
ours), "traceback" (any other exception), "hang" (more than 20 s of the
processor, which a busy machine does not change), "memory" (more than 1 GiB), "crash" (the process
ended). The same seed makes the same mutants.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from machine import save

import rootward as rw
from rootward.diagnosis.vectors import read_vectors
from rootward.errors import RootwardError

SECONDS, BYTES = 20, 1 << 30
OUTCOMES = ("read", "refused", "traceback", "hang", "memory", "crash")

Files = dict[str, bytes]


@dataclass
class Fuzzed:
    """What came of the mutants of one reader.

    Attributes:
        reader: its name.
        outcomes: how many of each.
        fell: (number of the mutant, outcome, what was raised) of those that are neither read nor refused.
        slowest: seconds of the slowest.
    """

    reader: str
    outcomes: Counter[str] = field(default_factory=Counter)
    fell: list[tuple[int, str, str]] = field(default_factory=list)
    slowest: float = 0.0


# -- valid files -----------------------------------------------------------------------------------------------------

_EDGES = 'child,parent\nshoes,footwear\nboots,footwear\nsandals,shoes\n"flip-flops, all",sandals\nfootwear,\n'
_NODES = (
    'id,name,synonyms,definition\nfootwear,Footwear,,all\nshoes,Shoes,"footgear|kicks",low\nboots,Boots,"[""welly""]",\n'
    'sandals,Sandals,,open\n"flip-flops, all",Flip-flops,thongs,"a ""sandal"""\n'
)
_PATHS = "Apparel > Shoes > Sandals\nApparel > Shoes\nApparel > Boots > Rain Boots\n# a comment\nToys\n"
_GOOGLE = "# Google_Product_Taxonomy_Version: 2021\n1 - Animals\n3 - Animals > Pets\n4 - Animals > Pets > Birds\n"
_SHOPIFY = json.dumps(
    {
        "verticals": [
            {
                "categories": [
                    {"id": "gid://a", "name": "A", "parent_id": None},
                    {"id": "gid://b", "name": "B", "parent_id": "gid://a"},
                ]
            }
        ]
    }
)
_OBO = """format-version: 1.2
default-namespace: shop
import: http://example.org/other.obo

[Term]
id: S:1
name: footwear {x="y"} ! all of it

[Term]
id: S:2
name: shoes
alt_id: S:9
def: "Low \\"footwear\\"." [X:1]
synonym: "kicks" EXACT []
synonym: "low" BROAD [X:2]
is_a: S:1 {source="z"} ! footwear
relationship: part_of S:1

[Term]
id: S:3
name: sandals
intersection_of: S:2
intersection_of: has_part S:1
union_of: S:4

[Term]
id: S:4
name: old
is_obsolete: true
replaced_by: S:3

[Typedef]
id: part_of
"""
_TURTLE = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix : <http://example.org/> .
:a a skos:Concept ; skos:prefLabel "footwear"@en, "Schuhwerk"@de ; skos:narrower :b .
:b a skos:Concept ; skos:prefLabel "shoes"@en ; skos:altLabel "kicks"@en ; skos:broader :a ; skos:definition "low" .
:c a skos:Concept ; skos:broader [ a skos:Concept ] ; skos:broaderTransitive :a ; skos:notation "2020-99-99"^^:date .
"""
_SKOS_XML = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE rdf:RDF [ <!ENTITY skos "http://www.w3.org/2004/02/skos/core#"> <!ENTITY x "&skos;x"> ]>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:skos="&skos;" xml:lang="en">
 <skos:Concept rdf:about="http://e.org/a"><skos:prefLabel>footwear</skos:prefLabel></skos:Concept>
 <skos:Concept rdf:about="http://e.org/b"><skos:prefLabel xml:lang="en">shoes &amp; boots</skos:prefLabel>
  <skos:broader rdf:resource="http://e.org/a"/><skos:broader><skos:Concept rdf:about="http://e.org/c"/></skos:broader>
 </skos:Concept>
</rdf:RDF>
"""
_NT = """<http://e.org/a> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://e.org/C> .
<http://e.org/b> <http://www.w3.org/2004/02/skos/core#broader> <http://e.org/a> .
<http://e.org/b> <http://www.w3.org/2004/02/skos/core#prefLabel> "sh\\u00f6es"@en .
"""
_JSONLD = json.dumps(
    {
        "@context": {
            "skos": "http://www.w3.org/2004/02/skos/core#",
            "broader": {"@id": "skos:broader", "@type": "@id"},
        },
        "@graph": [
            {"@id": "http://e.org/a", "@type": "skos:Concept", "skos:prefLabel": {"@value": "a", "@language": "en"}},
            {
                "@id": "http://e.org/b",
                "@type": "skos:Concept",
                "broader": "http://e.org/a",
                "skos:altLabel": ["x", "y"],
            },
        ],
    }
)
_OWL = """<?xml version="1.0"?>
<!DOCTYPE rdf:RDF [ <!ENTITY owl "http://www.w3.org/2002/07/owl#"> ]>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:owl="&owl;"
 xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#">
 <owl:Ontology rdf:about="http://e.org/o"><owl:imports rdf:resource="http://e.org/p"/></owl:Ontology>
 <owl:Class rdf:about="http://e.org/a"><rdfs:label>footwear</rdfs:label></owl:Class>
 <owl:Class rdf:about="http://e.org/b"><rdfs:label>shoes</rdfs:label><rdfs:subClassOf rdf:resource="http://e.org/a"/>
  <owl:equivalentClass><owl:Class><owl:intersectionOf rdf:parseType="Collection">
   <rdf:Description rdf:about="http://e.org/a"/><owl:Restriction/></owl:intersectionOf></owl:Class></owl:equivalentClass>
 </owl:Class>
 <owl:Class rdf:about="http://e.org/c"><owl:deprecated>true</owl:deprecated></owl:Class>
</rdf:RDF>
"""
_NESTED = json.dumps(
    [
        {"name": "footwear", "id": 1, "children": [{"name": "shoes", "id": "2", "synonyms": ["kicks"]}]},
        {"name": "toys", "id": 3.5, "definition": "to play", "children": []},
    ]
)
_MAPPING = json.dumps({"footwear": {"shoes": {"sandals": {}}, "boots": None}, "toys": {}})
_PAIRS = "query,document,distance\nshoes,shoes,0\nshoes,footwear,1\nsandals,footwear,2.0\nboots,boots,0\n"
_LABELS = 'text,node,weight\n"red shoes, new",shoes,1\nboots for rain,boots,2.5\nclogs,shoes,1e-3\n'
_THESAURUS = "tv, television, telly\ni-pod, i\\,pod => ipod\n# a comment\nshoes, kicks\n"


def _parquet(columns: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def _npy(array: Any) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def _saved() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        tree = rw.Hierarchy.from_nested(json.loads(_NESTED))
        return tree.pairs().save(Path(folder) / "pairs.parquet").read_bytes()


def _esci() -> Files:
    examples = {
        "example_id": [0, 1, 2],
        "query": ["shoes", "shoes", "boots"],
        "query_id": [1, 1, 2],
        "product_id": ["P1", "P2", "P1"],
        "product_locale": ["us", "us", "us"],
        "esci_label": ["E", "S", "I"],
        "small_version": [1, 1, 0],
        "large_version": [1, 1, 1],
        "split": ["train", "train", "test"],
    }
    products = {"product_id": ["P1", "P2"], "product_title": ["Shoe", None], "product_locale": ["us", "us"]}
    names = ("shopping_queries_dataset_examples.parquet", "shopping_queries_dataset_products.parquet")
    return dict(zip(names, map(_parquet, (examples, products)), strict=True))


def _texts(**files: str) -> Files:
    return {name.replace("__", "."): text.encode() for name, text in files.items()}


def _in(folder: Path, read: Callable[..., Any], **options: Any) -> Any:
    (path,) = (path for path in folder.iterdir() if path.is_file())
    return read(path, **options)


def _edges_and_nodes(folder: Path) -> Any:
    (nodes,) = folder.glob("nodes*")
    (edges,) = folder.glob("edges*")
    return rw.Hierarchy.from_edges(edges, nodes=nodes, add_missing=True)


def _of(read: Callable[..., Any], **options: Any) -> Callable[[Path], Any]:
    return lambda folder: _in(folder, read, **options)


def _with_thesaurus(folder: Path) -> Any:
    tree = rw.Hierarchy.from_edges([("shoes", "footwear"), ("television", "")])
    return _in(folder, tree.with_synonyms)


_H = rw.Hierarchy
_LISTS = {"id": ["a", "b"], "name": ["A", None], "synonyms": [["x", "y"], None], "definition": ["d", ""]}
_NUMBERS = {"query": [1, 2, 2], "document": [1.0, 2.0, float("nan")], "distance": [0, 1, 2]}
_NUMBERS["document"] = [1.0, 2.0, 3.0]

READERS: dict[str, tuple[Callable[[], Files], Callable[[Path], Any]]] = {
    "edges csv": (lambda: _texts(edges__csv=_EDGES, nodes__csv=_NODES), _edges_and_nodes),
    "edges tsv.gz": (
        lambda: {"edges.tsv.gz": gzip.compress(_EDGES.replace(",", "\t").encode(), mtime=0)},
        _of(_H.from_edges),
    ),
    "edges parquet": (
        lambda: {
            "edges.parquet": _parquet({"child": ["a", "b"], "parent": ["b", None]}),
            "nodes.parquet": _parquet(_LISTS, compression="none"),
        },
        _edges_and_nodes,
    ),
    "paths": (lambda: _texts(paths__txt=_PATHS), _of(_H.from_paths)),
    "paths with ids": (lambda: _texts(paths__txt=_GOOGLE), _of(_H.from_paths, layout="google-with-ids")),
    "paths shopify-json": (lambda: _texts(en__json=_SHOPIFY), _of(_H.from_paths, layout="shopify-json")),
    "obo": (lambda: _texts(shop__obo=_OBO), _of(_H.from_obo)),
    "skos turtle": (lambda: _texts(shop__ttl=_TURTLE), _of(_H.from_skos)),
    "skos xml": (lambda: _texts(shop__rdf=_SKOS_XML), _of(_H.from_skos)),
    "skos nt": (lambda: _texts(shop__nt=_NT), _of(_H.from_skos)),
    "skos json-ld": (lambda: _texts(shop__jsonld=_JSONLD), _of(_H.from_skos)),
    "owl": (lambda: _texts(shop__owl=_OWL), _of(_H.from_owl)),
    "nested children": (lambda: _texts(shop__json=_NESTED), _of(_H.from_nested)),
    "nested ids": (lambda: _texts(shop__json=_NESTED), _of(_H.from_nested, ids="id")),
    "nested mapping": (lambda: _texts(shop__json=_MAPPING), _of(_H.from_nested, layout="mapping")),
    "pairs csv": (lambda: _texts(pairs__csv=_PAIRS), _of(rw.Pairs.from_table)),
    "pairs parquet": (lambda: {"pairs.parquet": _parquet(_NUMBERS)}, _of(rw.Pairs.from_table)),
    "saved pairs": (lambda: {"pairs.parquet": _saved()}, _of(rw.Pairs.load)),
    "labels csv": (lambda: _texts(labels__csv=_LABELS), _of(rw.Labels.read, weight="weight")),
    "labels parquet": (
        lambda: {"labels.parquet": _parquet({"text": ["a", "b"], "node": pa.array(["x", "x"]).dictionary_encode()})},
        _of(rw.Labels.read),
    ),
    "thesaurus txt": (lambda: _texts(words__txt=_THESAURUS), _with_thesaurus),
    "thesaurus parquet": (
        lambda: {"words.parquet": _parquet(_LISTS | {"name": ["shoes", None]}, compression="none")},
        _with_thesaurus,
    ),
    "esci": (_esci, rw.Pairs.from_esci),
    "npy": (
        lambda: {"vectors.npy": _npy(np.arange(12, dtype=np.float32).reshape(3, 4))},
        _of(read_vectors, side="document"),
    ),
}
"""Name to (valid files by name, what reads the folder with them)."""


# -- mutants ---------------------------------------------------------------------------------------------------------

_TOKENS = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n\n", b'"', b'""', b"'", b"\\", b"\\ud800", b"\\u0000", b"\x1b[31m",
    "\u202e".encode(), "\u0301".encode(), b"\x80", b"\xf4\x90\x80\x80", b"NaN", b"Infinity", b"-1", b"1e999", b"null",
    b"true", b"[]", b"{}", b"<!--", b"]]>", b"&lol;", b"<!ENTITY a '&a;'>", b"%s", b"{0}", b" > ", b",", b"\t", b";",
)  # fmt: skip
_NUMBERS_TRIED = (b"0", b"-1", b"2147483648", b"9223372036854775808", b"1" * 30, b"9" * 5_000, b"1e308", b"0.1", b"1_0")
_BRACKETS = ((b"[", b"]"), (b"{", b"}"), (b'{"children":[', b"]}"), (b"(", b")"), (b"<a>", b"</a>"), (b'{"a":', b"}"))


def mutant(files: Files, seed: int, number: int) -> Files:
    """The files with one to four mutations of one of them; of a packed one before or after it is packed."""
    draw = random.Random(f"{seed}/{number}")
    name = draw.choice(sorted(files))
    packed = name.endswith(".gz") and draw.random() < 0.7
    data = gzip.decompress(files[name]) if packed else files[name]
    known = _json if data[:1] in (b"{", b"[") else _columns if data[:4] == b"PAR1" else None
    for _ in range(draw.choice((1, 1, 2, 4))):
        data = (known if known and draw.random() < 0.4 else draw.choice(_MUTATIONS))(data, draw)
    return files | {name: gzip.compress(data, mtime=0) if packed else data}


def _place(data: bytes, draw: random.Random) -> int:
    if len(data) > 40 and draw.random() < 0.3:  # where Parquet and npy keep what the rest means
        return draw.choice((draw.randrange(40), len(data) - 1 - draw.randrange(40)))
    return draw.randrange(len(data) + 1)


def _flip(data: bytes, draw: random.Random) -> bytes:
    if not data:
        return data
    out = bytearray(data)
    for _ in range(draw.choice((1, 1, 1, 4))):
        out[min(_place(data, draw), len(out) - 1)] ^= 1 << draw.randrange(8)
    return bytes(out)


def _cut(data: bytes, draw: random.Random) -> bytes:
    start, stop = sorted((_place(data, draw), _place(data, draw)))
    return draw.choice((data[:start], data[start:], data[:start] + data[stop:]))


def _splice(data: bytes, draw: random.Random) -> bytes:
    start, stop = sorted((_place(data, draw), _place(data, draw)))
    to = _place(data, draw)
    return data[:to] + data[start : min(stop, start + 10_000)] + data[to:]


def _repeat(data: bytes, draw: random.Random) -> bytes:
    start = _place(data, draw)
    part = data[start : start + draw.choice((1, 5, 50))]
    times = draw.choice((2, 10, 1_000, 20_000))
    return (data[:start] + part * min(times, 400_000 // max(1, len(part))) + data[start:])[:500_000]


def _number(data: bytes, draw: random.Random) -> bytes:
    found = list(re.finditer(rb"\d+", data))
    if not found:
        return _flip(data, draw)
    one = draw.choice(found)
    return data[: one.start()] + draw.choice(_NUMBERS_TRIED) + data[one.end() :]


def _nest(data: bytes, draw: random.Random) -> bytes:
    (left, right), times = draw.choice(_BRACKETS), draw.choice((2, 50, 400, 2_000, 20_000))
    start, stop = sorted((_place(data, draw), _place(data, draw)))
    return data[:start] + left * times + data[start:stop] + right * times + data[stop:]


def _token(data: bytes, draw: random.Random) -> bytes:
    at = _place(data, draw)
    return data[:at] + draw.choice(_TOKENS) + data[at + draw.choice((0, 0, 1, 5)) :]


def _bytes(data: bytes, draw: random.Random) -> bytes:
    at = _place(data, draw)
    return data[:at] + draw.randbytes(draw.choice((1, 4, 8, 64))) + data[at + draw.choice((0, 4, 8)) :]


_ODD = (None, True, 3, -1.5, "", "\ud800", "a\u0000b", [], {}, [[]], [None], {"name": 1}, "x" * 5_000, 10**400, "a > b")


def _json(data: bytes, draw: random.Random) -> bytes:
    """JSON with another value, or another key, in some place."""
    try:
        whole = here = json.loads(data)
    except (ValueError, RecursionError):
        return _token(data, draw)
    while True:
        if not isinstance(here, list | dict) or not here:
            return json.dumps(draw.choice(_ODD)).encode()
        key = draw.choice(list(here) if isinstance(here, dict) else range(len(here)))
        if isinstance(here[key], list | dict) and here[key] and draw.random() < 0.7:
            here = here[key]
            continue
        if isinstance(here, dict) and draw.random() < 0.3:
            other = draw.choice(("id", "name", "children", "synonyms", "@context", "@id", "@type", "@list"))
            here[other] = here.pop(key)
        else:
            here[key] = draw.choice(_ODD)
        return json.dumps(whole).encode()


def _columns(data: bytes, draw: random.Random) -> bytes:
    """A Parquet file with a column of another type, or with other values."""
    try:
        table = pq.read_table(io.BytesIO(data))
        n, i, names = table.num_rows, draw.randrange(table.num_columns), table.column_names  # may be no UTF-8
    except (pa.ArrowException, OSError, ValueError, LookupError):
        return _flip(data, draw)
    odd = draw.choice(
        (
            pa.array([[1, 2]] * n), pa.array([["a", None]] * n), pa.array([{"x": 1}] * n), pa.array([b"\xff"] * n),
            pa.array([b"\xff"] * n).view(pa.string()), pa.nulls(n), pa.array([1.5] * n), pa.array([float("nan")] * n),
            pa.array([2**63] * n, pa.uint64()), pa.array([-1] * n), pa.array([True] * n), pa.array([["a"]] * n),
            pa.array([1] * n, pa.timestamp("ns")), pa.array([1] * n, pa.duration("s")), pa.array([0] * n, pa.date32()),
            pa.array([""] * n), pa.array(["x"] * n), pa.array(["x"] * n).dictionary_encode(), pa.array([[]] * n),
            pa.array([None, *["x"] * n][:n]), pa.array([2**31] * n), pa.array(["a\0b"] * n), pa.array([[["x"]]] * n),
        )
    )  # fmt: skip
    out = table.set_column(i, names[i], odd)
    if draw.random() < 0.2:
        out = out.append_column(draw.choice(names), odd)
    sink = io.BytesIO()
    pq.write_table(out.replace_schema_metadata(table.schema.metadata), sink)
    return sink.getvalue()


_MUTATIONS = (_flip, _flip, _cut, _splice, _repeat, _number, _nest, _token, _token, _bytes)


# -- outcomes --------------------------------------------------------------------------------------------------------


class _TooLong(BaseException):
    pass


def _alarm(*_: object) -> None:
    raise _TooLong


def _one(read: Callable[[Path], Any], files: Files, folder: Path) -> tuple[str, str]:
    """(outcome, what was raised where that is neither ours nor nothing)."""
    for path in folder.iterdir():
        path.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        read(folder)
        return "read", ""
    except RootwardError:
        return "refused", ""
    except _TooLong:
        return "hang", ""
    except MemoryError:
        return "memory", traceback.format_exc()
    except Exception:
        return "traceback", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _work(reader: str, numbers: range, seed: int, pipe: Any) -> None:
    """Read mutants one after the other and send what came of each; memory is limited as the machine would be."""
    make, read = READERS[reader]
    files = make()
    signal.signal(signal.SIGPROF, _alarm)
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outcome, raised = _one(read, files, folder)  # everything is imported
        if outcome != "read":
            raise SystemExit(f"the valid file of {reader!r} is not read: {outcome} {raised}")
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + BYTES + (256 << 20), resource.RLIM_INFINITY))
        for number in numbers:
            pipe.send(number)
            began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            outcome, raised = _one(read, mutant(files, seed, number), folder)
            grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
            pipe.send(("memory" if grown > BYTES else outcome, raised, time.process_time() - began))
    pipe.send(None)


def fuzz(reader: str, n: int, seed: int) -> Fuzzed:
    """Give `n` mutants to one of `READERS`.

    Args:
        reader: its name.
        n: how many mutants.
        seed: of the mutants.
    """
    found, begin = Fuzzed(reader), 0
    context = multiprocessing.get_context("fork")
    while begin < n:
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(reader, range(begin, n), seed, theirs))
        process.start()
        theirs.close()
        number = begin
        try:
            while (message := ours.recv()) is not None:
                number = message
                outcome, raised, seconds = ours.recv()
                found.outcomes[outcome] += 1
                found.slowest = max(found.slowest, seconds)
                if outcome not in ("read", "refused"):
                    found.fell.append((number, outcome, raised))
            begin = n
        except EOFError:
            found.outcomes["crash"] += 1
            found.fell.append((number, "crash", ""))
            begin = number + 1
        process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reader", choices=READERS, help="one reader alone")
    parser.add_argument("--n", type=int, default=2_000, help="mutants a reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for the mutants that fell")
    options = parser.parse_args()
    rows = []
    for reader in [options.reader] if options.reader else READERS:
        began, found = time.monotonic(), fuzz(reader, options.n, options.seed)
        counts = {outcome: found.outcomes[outcome] for outcome in OUTCOMES}
        seconds = {"slowest_s": round(found.slowest, 2), "wall_s": round(time.monotonic() - began, 1)}
        rows.append({"reader": reader, "mutants": options.n, **counts, **seconds})
        print(rows[-1], file=sys.stderr, flush=True)
        kinds = Counter((outcome, raised.strip().rpartition("\n")[2][:150]) for _, outcome, raised in found.fell)
        for (outcome, raised), times in kinds.most_common(8):
            print(f"  {times} x {outcome}: {raised}", file=sys.stderr, flush=True)
        if options.keep:
            for number, outcome, raised in found.fell:
                folder = options.keep / f"{reader.replace(' ', '_')}-{number}-{outcome}"
                folder.mkdir(parents=True, exist_ok=True)
                for name, data in mutant(READERS[reader][0](), options.seed, number).items():
                    (folder / name).write_bytes(data)
                (folder / "raised").write_text(raised)
    if not options.reader:
        command = f"python benchmarks/fuzz_readers.py --n {options.n} --seed {options.seed}"
        save("fuzz_readers", command, rows, "read and refused are right; everything else is a fault")


if __name__ == "__main__":
    main()
