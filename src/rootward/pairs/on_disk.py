"""Labelled tables larger than memory to a folder of pairs: read in blocks, numbered and sorted on disk by DuckDB."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from rootward.csr import counts_of
from rootward.errors import InputError, MissingExtraError, TableError
from rootward.ids import MappedIds, Rows, note_on_spaced, write_labels
from rootward.pairs.heights import heights
from rootward.pairs.storage import CONFIG, SIDES, finish, is_folder, read_about
from rootward.progress import Progress
from rootward.readers.labels import HINT, check_ids, check_levels, labelled, none_left, notes_on, two_distances
from rootward.readers.tables import Columns, Format, Source, column_blocks, existing_file

BLOCK_ROWS = 250_000
MEMORY = "1GB"
"""For what is grouped, joined and sorted; what does not fit goes to disk."""

SCRATCH = ".rootward-scratch"
"""The folder in the folder where everything stands until it is whole."""

_THREADS = 4

Say = Callable[[str], object]


class Reading(NamedTuple):
    """What is read of a table; as `Pairs.from_table` takes it."""

    source: Source
    query: str
    document: str
    distance: str
    levels: Mapping[str, int] | None
    drop_others: bool
    format: Format | None
    delimiter: str | None

    @property
    def about(self) -> dict[str, Any] | None:
        """What a folder keeps of it, to be known again; None where the source is no file."""
        if not isinstance(self.source, (str, os.PathLike)):
            return None
        status = existing_file(self.source).stat()
        columns = {"query": self.query, "document": self.document, "distance": self.distance}
        levels = check_levels(self.levels, self.drop_others)
        as_it_was = {"name": Path(self.source).name, "bytes": status.st_size, "modified_ns": status.st_mtime_ns}
        labels = {"levels": levels, "drop_others": self.drop_others}
        return {**as_it_was, **columns, **labels, "format": self.format, "delimiter": self.delimiter}


def table_to_folder(
    folder: Path, given: Reading, *, progress: bool = False, rows: int = BLOCK_ROWS, memory: str = MEMORY
) -> None:
    """Write the pairs of a table to a folder, unless they are there; `Pairs.from_table` says what is read and refused.

    Args:
        folder: made if it is not there. Until its `config.json` is written it is begun anew.
        given: the table.
        progress: show how far it is.
        rows: about so many are in memory at a time.
        memory: what DuckDB may take besides, such as "1GB".

    Raises:
        TableError, PairsError, InputError: as `Pairs.from_table`; the folder holds other pairs, or something else.
        MissingExtraError: DuckDB is not installed.
    """
    if is_folder(folder):
        _refuse_others(folder, given)
        return
    if folder.is_file() or (folder / CONFIG).exists():
        raise TableError(f"{folder} holds something else; pairs on disk need a folder of their own.")
    duckdb = _duckdb()
    given = given._replace(levels=check_levels(given.levels, given.drop_others))
    about, scratch = given.about, folder / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)  # of a process that was cut off
    scratch.mkdir(parents=True)
    try:
        with Progress(progress) as shown, closing(_database(duckdb, scratch, memory)) as tables:
            notes = _Building(tables, scratch, given, rows, shown.begin).build()
            shown.begin("checksums")
            finish(scratch, folder, about, notes)
    except duckdb.Error as error:
        raise InputError(f"The pairs cannot be sorted in {folder}: {error}. Is there room on that disk?") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _refuse_others(folder: Path, given: Reading) -> None:
    there, wanted = read_about(folder)["source"], given.about
    if wanted is None:
        raise TableError(f"{folder} holds pairs already. Open them with Pairs.load({str(folder)!r}), or delete it.")
    changed = [name for name, value in wanted.items() if there is None or there.get(name) != value]
    if changed:
        raise TableError(
            f"{folder} holds the pairs of another table, or of another state of it: "
            f"{', '.join(name.replace('_ns', '') for name in changed)} differ. Choose another folder, or delete it."
        )


def _duckdb() -> Any:
    try:
        import duckdb  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("Pairs on disk", "disk") from error
    return duckdb


def _database(duckdb: Any, scratch: Path, memory: str) -> Any:
    threads = min(_THREADS, os.cpu_count() or 1)  # each wants a share of the memory
    settings = {"memory_limit": memory, "temp_directory": str(scratch / "spilled"), "threads": threads}
    return duckdb.connect(str(scratch / "tables.duckdb"), config=settings)


class _Building:
    """One table on its way to a folder of files, all of them in `scratch` until they are whole."""

    def __init__(self, tables: Any, scratch: Path, given: Reading, rows: int, say: Say) -> None:
        self.tables, self.scratch, self.given, self.rows, self.say = tables, scratch, given, rows, say
        self.others: Counter[str] = Counter()

    def build(self) -> tuple[str, ...]:
        """Write every file; the notes on what was done."""
        columns = self.fill()
        for side, name in zip(SIDES, ("query", "document"), strict=True):
            self.number(side, name)
        dropped = self.write_pairs(columns)
        self.say("heights")
        offsets, documents, distances = (self.array(name) for name in ("offsets", "documents", "distances"))
        counts = counts_of(documents, len(MappedIds(self.scratch, "document_ids")))
        np.save(self.scratch / "generality.npy", counts)
        np.save(self.scratch / "heights.npy", heights(offsets, documents, distances, counts))
        spaced = tuple(note for side in ("query", "document") for note in self.spaced(side))
        return notes_on(dropped, columns.source, self.others) + spaced

    def array(self, name: str) -> npt.NDArray[Any]:
        """One of the files, mapped."""
        found: npt.NDArray[Any] = np.load(self.scratch / f"{name}.npy", mmap_mode="r")
        return found

    def fill(self) -> Columns:
        """Every row into the database; the last block of them, which knows where all rows stand."""
        source, query, document, distance, levels, drop_others, format, delimiter = self.given
        options: Any = {"format": format, "delimiter": delimiter, "hint": HINT}
        self.tables.execute("CREATE TABLE rows (place BIGINT, query VARCHAR, document VARCHAR, hops INTEGER)")
        base = 0
        for block in column_blocks(source, (query, document, distance), rows=self.rows, **options):
            columns, hops, rows = labelled(block, distance, levels, self.others if drop_others else None)
            self.add(base + rows, columns, hops)
            last, first = block, base
            base += len(block)
            self.say(f"reading {block.source}: {base:,} rows")
        if base == self.others.total():
            raise none_left(last.source, self.others)
        return Columns(last.source, last.texts, lambda rows: last.place_of([row - first for row in rows]))

    def add(self, places: Rows, columns: Columns, hops: Rows) -> None:
        """Some rows into the database."""
        for side, name in (("query", self.given.query), ("document", self.given.document)):
            check_ids(columns, name, side)
        queries, documents = columns[self.given.query], columns[self.given.document]
        named = {"place": places, "query": queries, "document": documents, "hops": hops.astype(np.int32)}
        self.tables.register("block", pa.table(named))
        self.tables.execute("INSERT INTO rows SELECT * FROM block")
        self.tables.unregister("block")

    def number(self, side: str, name: str) -> None:
        """The ids of one side, in order of first appearance, and their alphabetical order."""
        self.say(f"numbering {name} ids")
        self.tables.execute(
            f"CREATE TABLE {side} AS SELECT id FROM "
            f"(SELECT {name} AS id, min(place) AS first FROM rows GROUP BY {name}) ORDER BY first"
        )
        labels = self.sorted(f"SELECT id FROM {side} ORDER BY rowid")
        write_labels(self.scratch / f"{side}.arrow", (batch.column(0) for batch in labels))
        with _Growing(self.scratch / f"{side}.npy", np.int32) as order:
            for batch in self.sorted(f"SELECT rowid FROM {side} ORDER BY id"):
                order.add(batch.column(0).to_numpy())

    def spaced(self, side: str) -> tuple[str, ...]:
        """A note on ids of one side that are others with white space around them, as `ids.spaced` finds them."""
        bare = r"regexp_replace(id, '^[\s\p{Z}]+|[\s\p{Z}]+$', '', 'g')"
        ((n, first),) = self.tables.execute(
            f"SELECT count(*), min(a.id) FROM (SELECT id, {bare} AS bare FROM {side}_ids WHERE id <> {bare}) a "
            f"JOIN {side}_ids b ON a.bare = b.id"
        ).fetchall()
        return note_on_spaced(n, first, f"{side} id")

    def sorted(self, query: str) -> Iterator[Any]:
        """The batches of a query, by a file: its rows may be more than fit in memory."""
        path = self.scratch / "sorted.parquet"
        quoted = str(path).replace("'", "''")
        self.tables.execute(f"COPY ({query}) TO '{quoted}' (FORMAT parquet)")
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(self.rows)
        path.unlink()

    def write_pairs(self, columns: Columns) -> int:
        """The three arrays of pairs, each pair once; how many rows repeated one.

        Raises:
            PairsError: a pair with two distances.
        """
        self.say("sorting pairs")
        batches = self.sorted(
            "SELECT q.rowid, d.rowid, hops, place FROM rows JOIN query_ids q ON query = q.id "
            "JOIN document_ids d ON document = d.id ORDER BY 1, 3, 2, 4"
        )
        read = written = 0
        files = [_Growing(self.scratch / f"{name}.npy", kind) for name, kind in _PAIRS.items()]
        with files[0] as offsets, files[1] as documents, files[2] as distances:
            offsets.add(np.zeros(1))
            for part in _whole_queries(batches):
                once = part.once()
                contrary = once.contrary()
                if contrary is not None:
                    self.refuse(columns, once, contrary)
                offsets.add(written + np.cumsum(np.bincount(once.queries - once.queries[0])))
                documents.add(once.documents)
                distances.add(once.hops)
                read, written = read + len(part.rows), written + len(once.rows)
                self.say(f"writing pairs: {written:,}")
        return read - written

    def refuse(self, columns: Columns, part: _Part, contrary: tuple[int, int]) -> None:
        """Raise the error on a pair with two distances."""
        first, later = contrary
        ids = [MappedIds(self.scratch, side) for side in SIDES]
        pair = f"({ids[0][int(part.queries[first])]!r}, {ids[1][int(part.documents[first])]!r})"
        rows, hops = ((int(which[first]), int(which[later])) for which in (part.rows, part.hops))
        raise two_distances(columns, pair, rows, hops)


_PAIRS = {"offsets": np.int64, "documents": np.int32, "distances": np.int32}


class _Part(NamedTuple):
    """Rows of the table by query, distance, document and row."""

    queries: Rows
    documents: Rows
    hops: Rows
    rows: Rows

    def take(self, which: npt.NDArray[Any] | slice) -> _Part:
        """Some of the rows."""
        return _Part(*(each[which] for each in self))

    def once(self) -> _Part:
        """The first row of each pair and distance."""
        same = np.logical_and.reduce([each[1:] == each[:-1] for each in (self.queries, self.documents, self.hops)])
        return self.take(np.r_[True, ~same])

    def contrary(self) -> tuple[int, int] | None:
        """Places of two rows with one pair and two distances, the earlier row first; None where there are none."""
        order = np.lexsort((self.rows, self.documents, self.queries))
        queries, documents = self.queries[order], self.documents[order]
        later = np.flatnonzero((queries[1:] == queries[:-1]) & (documents[1:] == documents[:-1])) + 1
        if not len(later):
            return None
        place = later[np.argmin(self.rows[order[later]])]
        return int(order[place - 1]), int(order[place])


def _whole_queries(batches: Iterator[Any]) -> Iterator[_Part]:
    """The rows again, in parts that no query reaches over."""
    held: list[_Part] = []
    for batch in batches:
        part = _Part(*(column.to_numpy().astype(np.int64) for column in batch.columns))
        begin = int(np.searchsorted(part.queries, part.queries[-1]))
        if begin:
            yield _joined([*held, part.take(slice(begin))])
            held = []
        elif held and held[-1].queries[-1] != part.queries[0]:
            yield _joined(held)
            held = []
        held.append(part.take(slice(begin, None)))
    if held:
        yield _joined(held)


def _joined(parts: list[_Part]) -> _Part:
    return _Part(*(np.concatenate(each) for each in zip(*parts, strict=True)))


class _Growing:
    """A .npy file of one dimension that is written bit by bit; its header is right once it is closed."""

    def __init__(self, path: Path, kind: npt.DTypeLike) -> None:
        self._file, self._kind, self._n = path.open("wb"), np.dtype(kind), 0
        self._head()

    def __enter__(self) -> _Growing:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.seek(0)
        self._head()
        self._file.close()

    def add(self, part: npt.NDArray[Any]) -> None:
        """Write these behind what is there."""
        self._file.write(np.ascontiguousarray(part, self._kind).data)
        self._n += len(part)

    def _head(self) -> None:
        """NumPy leaves room in a header for more digits, so one for more entries is as long."""
        about = {"descr": self._kind.str, "fortran_order": False, "shape": (self._n,)}
        np.lib.format.write_array_header_1_0(self._file, about)
