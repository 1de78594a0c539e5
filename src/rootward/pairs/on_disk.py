"""Convert labelled tables larger than memory to a folder of pairs: read in blocks, numbered and sorted by DuckDB."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet

from rootward.csr import counts_of
from rootward.errors import InputError, MissingExtraError, TableError
from rootward.files import writing
from rootward.folders import CONFIG, PAIRS_FOLDER, is_foreign, read_config, sections_in, writing_to
from rootward.ids import MappedIds, Rows, note_on_cased, note_on_spaced, write_labels
from rootward.pairs.arrays import heights
from rootward.pairs.storage import SIDES, finish, is_folder, read_about
from rootward.progress import Progress
from rootward.readers.edges import SHORTENED, WHOLE, note_on_floats, note_on_shortened, note_on_zeros
from rootward.readers.labels import (
    PairTable,
    check_ids,
    check_levels,
    no_label_known,
    note_on_words,
    notes_on,
    two_distances,
    with_distances,
)
from rootward.readers.tables import MISSING, Columns, column_blocks
from rootward.readers.text_files import existing_file

BLOCK_ROWS = 250_000
MEMORY = "1GB"
"""For what is grouped, joined and sorted; what does not fit goes to disk."""

SCRATCH = ".rootward-scratch"
"""The folder in the folder where all files are written until they are complete."""

_QUOTES, _DASHES = "\u2018\u2019\u00b4`\u201c\u201d\u201e", "\u2010\u2011\u2013\u2014\u2212"
_PLAIN = (  # an id without invisible characters, quotes and dashes of one kind: see `ids.folded`
    f"translate(regexp_replace(id, '\\p{{Cf}}', '', 'g'), '{_QUOTES}{_DASHES}', '{chr(39) * 8}{chr(34) * 3}-----')"
)
_THREADS = 4  # each wants a share of the memory
_ARRAYS = {"offsets": np.int64, "documents": np.int32, "distances": np.int32}

Say = Callable[[str], object]


def table_to_folder(
    folder: Path,
    table: PairTable,
    *,
    progress: bool = False,
    rows: int = BLOCK_ROWS,
    memory: str = MEMORY,
    wait: float = 0.0,
) -> None:
    """Write the pairs of a table to a folder, unless they are there; `Pairs.from_table` says what is read and refused.

    Args:
        folder: made if it is not there. Until its `config.json` is written every call begins anew.
        table: which one, and how to read it.
        progress: show how far it is.
        rows: about so many are in memory at a time.
        memory: what DuckDB may use besides, such as "1GB".
        wait: seconds to wait for another process that writes the folder.

    Raises:
        InUseError: another process writes the folder.
        TableError, PairsError, InputError: as `Pairs.from_table`; the folder holds other pairs, or something else.
        MissingExtraError: DuckDB is not installed.
    """
    if _is_there(folder, table):
        return
    if folder.is_file() or (folder / CONFIG).exists():
        if folder.is_dir() and not is_foreign(folder) and not sections_in(folder):
            read_config(folder, PAIRS_FOLDER)  # says what is wrong with it
        raise TableError(f"{folder} holds something else; pairs on disk need a folder of their own.")
    try:
        import duckdb  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("Pairs on disk", "disk") from error
    table = table._replace(levels=check_levels(table.levels, table.drop_others))
    state, scratch = source_state(table), folder / SCRATCH
    threads = min(_THREADS, os.cpu_count() or 1)
    settings: Any = {"memory_limit": memory, "temp_directory": str(scratch / "spilled"), "threads": threads}
    with writing_to(folder, "Pairs.from_table(on_disk=...)", wait=wait):
        if _is_there(folder, table):  # another process has made it meanwhile
            return
        shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
        with writing(scratch):
            scratch.mkdir(parents=True)
        try:
            with (
                Progress(progress) as shown,
                closing(duckdb.connect(str(scratch / "tables.duckdb"), config=settings)) as database,
            ):
                notes = _Builder(database, scratch, table, rows, shown.begin).build()
                shown.begin("checksums")
                finish(scratch, folder, state, notes)
        except duckdb.Error as error:
            raise InputError(f"The pairs cannot be sorted in {folder}: {error}. Is there room on that disk?") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _is_there(folder: Path, table: PairTable) -> bool:
    """Whether a folder has the pairs of a table.

    Raises:
        TableError: it has other pairs.
    """
    if not is_folder(folder):
        return False
    there, wanted = read_about(folder).source, source_state(table)
    if wanted is None:
        raise TableError(f"{folder} holds pairs already. Open them with Pairs.load({str(folder)!r}), or delete it.")
    changed = [name for name, value in wanted.items() if there is None or there.get(name) != value]
    if changed:
        raise TableError(
            f"{folder} holds the pairs of another table, or of another state of it: "
            f"{', '.join(name.replace('_ns', '') for name in changed)} differ. Choose another folder, or delete it."
        )
    return True


def source_state(table: PairTable) -> dict[str, Any] | None:
    """The file and options that a folder was made from, to compare with; None where the source is no file."""
    if not isinstance(table.source, (str, os.PathLike)):
        return None
    status = existing_file(table.source).stat()
    options = table._asdict() | {"levels": check_levels(table.levels, table.drop_others)}
    del options["source"]
    return {"name": Path(table.source).name, "bytes": status.st_size, "modified_ns": status.st_mtime_ns, **options}


class _Builder:
    """Turns one table into the files of a folder, written to `scratch`."""

    def __init__(self, database: Any, scratch: Path, table: PairTable, rows: int, say: Say) -> None:
        self.database, self.scratch, self.table, self.rows, self.say = database, scratch, table, rows, say
        self.others: Counter[str] = Counter()

    def build(self) -> tuple[str, ...]:
        """Write every file; the notes on what was left out."""
        columns = self.fill()
        told = self.whole_numbers()
        for side, what in (("query", "query id"), ("document", "document id")):
            words = "', '".join(MISSING)
            found = self.database.execute(f"SELECT {side}, count(*) FROM rows WHERE {side} IN ('{words}') GROUP BY 1")
            told += note_on_words(dict(found.fetchall()), what)
        for side, name in zip(SIDES, ("query", "document"), strict=True):
            self.number(side, name)
        dropped = self.write_pairs(columns)
        self.say("heights")
        offsets, documents, distances = (np.load(self.scratch / f"{name}.npy", mmap_mode="r") for name in _ARRAYS)
        counts = counts_of(documents, len(_mapped_ids(self.scratch, "document_ids")))
        np.save(self.scratch / "generality.npy", counts)
        np.save(self.scratch / "heights.npy", heights(offsets, documents, distances, counts))
        spaced = tuple(note for side in ("query", "document") for note in self.spaced(side))
        return told + notes_on(dropped, columns.source, self.others) + spaced

    def fill(self) -> Columns:
        """Insert every row into the database; a block whose rows are those of the whole table, for messages."""
        self.database.execute("CREATE TABLE rows (place BIGINT, query VARCHAR, document VARCHAR, hops INTEGER)")
        others = self.others if self.table.drop_others else None
        n = 0
        for block in column_blocks(self.table.source, self.table.columns, rows=self.rows, **self.table.options):
            columns, hops = with_distances(block, self.table.distance, self.table.levels, others)
            check_ids(columns, self.table.query, "query id")
            check_ids(columns, self.table.document, "document id")
            queries, documents = columns[self.table.query], columns[self.table.document]
            places = np.asarray(columns.rows, np.int64)
            batch = {"place": places, "query": queries, "document": documents, "hops": hops.astype(np.int32)}
            self.database.register("block", pa.table(batch))
            self.database.execute("INSERT INTO rows SELECT * FROM block")
            self.database.unregister("block")
            n += len(block)
            self.say(f"reading {block.source}: {n:,} rows")
        if n == self.others.total():
            raise no_label_known(block.source, self.others)
        return replace(block, rows=range(n))

    def whole_numbers(self) -> tuple[str, ...]:
        """Make 1.0 and 1e+00 the id 1 where there is a 1, on both sides, as `edges.whole_numbers` does; notes on it."""
        self.say("comparing ids that are numbers")
        both = "(SELECT query AS id, place FROM rows UNION ALL SELECT document, place FROM rows)"
        fraction = r"^-?[0-9]+\.[0-9]*[1-9][0-9]*$"
        exact = "TRY_CAST(replace(id, ',', '.') AS DECIMAL(38, 10))"
        self.database.execute(
            f"CREATE TEMP TABLE floats AS SELECT id, min(place) AS first, "
            f"CAST(CAST({exact} AS DECIMAL(38, 0)) AS VARCHAR) AS whole FROM {both} "
            f"WHERE regexp_matches(id, '{WHOLE}') AND {exact} = CAST({exact} AS DECIMAL(38, 0)) "
            f"AND abs({exact}) < 1000000000000000000 GROUP BY id"
        )
        ((n, first, whole),) = self.database.execute(
            f"SELECT count(*), arg_min(id, first), arg_min(whole, first) FROM floats "
            f"WHERE whole IN (SELECT id FROM {both})"
        ).fetchall()
        alike = self.alike_numbers(both)
        if not n:
            return alike
        if self.database.execute(f"SELECT 1 FROM {both} WHERE regexp_matches(id, '{fraction}') LIMIT 1").fetchall():
            return (f"The ids {first!r} and {whole!r} are kept apart, since others are fractions.", *alike)
        ((n,),) = self.database.execute("SELECT count(*) FROM floats").fetchall()
        for side in ("query", "document"):
            self.database.execute(f"UPDATE rows SET {side} = floats.whole FROM floats WHERE {side} = floats.id")
        return (note_on_floats(n, first, whole), *alike)

    def alike_numbers(self, both: str) -> tuple[str, ...]:
        """Notes on ids that are others but for leading zeros, and on numbers that a spreadsheet has shortened."""
        ((n, one, other),) = self.database.execute(
            f"SELECT count(DISTINCT id), min(id), arg_min(short, id) FROM "
            f"(SELECT id, coalesce(nullif(ltrim(id, '0'), ''), '0') AS short FROM {both} "
            f"WHERE regexp_matches(id, '^0+[0-9]+$')) WHERE short IN (SELECT id FROM {both})"
        ).fetchall()
        ((m, *examples),) = self.database.execute(
            f"SELECT count(DISTINCT id), min(id), max(id) FROM {both} WHERE regexp_matches(id, '{SHORTENED}')"
        ).fetchall()
        shown = [*dict.fromkeys(examples), *[""] * (m - 2)] if m else []
        return note_on_zeros(n, one, other) + note_on_shortened(shown)

    def number(self, side: str, name: str) -> None:
        """Write the ids of one side, in order of first appearance, and their alphabetical order."""
        self.say(f"numbering {name} ids")
        self.database.execute(
            f"CREATE TABLE {side} AS SELECT id FROM "
            f"(SELECT {name} AS id, min(place) AS first FROM rows GROUP BY {name}) ORDER BY first"
        )
        labels = self.sorted(f"SELECT id FROM {side} ORDER BY rowid")
        write_labels(self.scratch / f"{side}.arrow", (batch.column(0) for batch in labels))
        with _NpyWriter(self.scratch / f"{side}.npy", np.int32) as order:
            for batch in self.sorted(f"SELECT rowid FROM {side} ORDER BY id"):
                order.add(batch.column(0).to_numpy())

    def spaced(self, side: str) -> tuple[str, ...]:
        """A note on ids of one side that equal others but for white space around them, as `ids.spaced` finds them."""
        bare = r"regexp_replace(id, '^[\s\p{Z}]+|[\s\p{Z}]+$', '', 'g')"
        ((n, first),) = self.database.execute(
            f"SELECT count(*), min(a.id) FROM (SELECT id, {bare} AS bare FROM {side}_ids WHERE id <> {bare}) a "
            f"JOIN {side}_ids b ON a.bare = b.id"
        ).fetchall()
        alike = f"lower(nfc_normalize(trim(regexp_replace({_PLAIN}, '[\\s\\p{{Z}}]+', ' ', 'g'))))"
        ((more,),) = self.database.execute(f"SELECT count(*) - count(DISTINCT {alike}) FROM {side}_ids").fetchall()
        notes = note_on_spaced(n, first, f"{side} id")
        if more > n:
            ((label, other),) = self.database.execute(
                f"SELECT max(id), min(id) FROM {side}_ids GROUP BY {alike} HAVING count(DISTINCT trim(id)) > 1 LIMIT 1"
            ).fetchall() or (("", ""),)
            notes += note_on_cased(more - n, label, other, f"{side} id") if label else ()
        return notes

    def sorted(self, query: str) -> Iterator[Any]:
        """The batches of a query, through a file: its rows may not fit in memory."""
        path = self.scratch / "sorted.parquet"
        quoted = str(path).replace("'", "''")
        self.database.execute(f"COPY ({query}) TO '{quoted}' (FORMAT parquet)")
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(self.rows)
        path.unlink()

    def write_pairs(self, columns: Columns) -> int:
        """Write the three arrays of pairs, each pair once; how many rows repeated one.

        Raises:
            PairsError: a pair with two distances.
        """
        self.say("sorting pairs")
        batches = self.sorted(
            "SELECT q.rowid, d.rowid, hops, place FROM rows JOIN query_ids q ON query = q.id "
            "JOIN document_ids d ON document = d.id ORDER BY 1, 3, 2, 4"
        )
        read = written = 0
        files = [_NpyWriter(self.scratch / f"{name}.npy", kind) for name, kind in _ARRAYS.items()]
        with files[0] as offsets, files[1] as documents, files[2] as distances:
            offsets.add(np.zeros(1))
            for rows in _whole_queries(batches):
                once = rows.once()
                if (contrary := once.contrary()) is not None:
                    self.refuse(columns, once, contrary)
                offsets.add(written + np.cumsum(np.bincount(once.queries - once.queries[0])))
                documents.add(once.documents)
                distances.add(once.hops)
                read, written = read + len(rows.places), written + len(once.places)
                self.say(f"writing pairs: {written:,}")
        return read - written

    def refuse(self, columns: Columns, rows: _SortedRows, contrary: tuple[int, int]) -> None:
        """Raise the error for a pair with two distances."""
        first, later = contrary
        query_ids, document_ids = (_mapped_ids(self.scratch, side) for side in SIDES)
        pair = f"({query_ids[int(rows.queries[first])]!r}, {document_ids[int(rows.documents[first])]!r})"
        places, hops = ((int(each[first]), int(each[later])) for each in (rows.places, rows.hops))
        raise two_distances(columns, pair, places, hops)


def _mapped_ids(folder: Path, name: str) -> MappedIds:
    return MappedIds(folder / f"{name}.arrow", folder / f"{name}.npy")


class _SortedRows(NamedTuple):
    """Rows of the table, by query, distance, document and place in the table."""

    queries: Rows
    documents: Rows
    hops: Rows
    places: Rows

    def take(self, which: npt.NDArray[Any] | slice) -> _SortedRows:
        """Some of the rows."""
        return _SortedRows(*(each[which] for each in self))

    def once(self) -> _SortedRows:
        """The first row of each pair and distance."""
        same = np.logical_and.reduce([each[1:] == each[:-1] for each in (self.queries, self.documents, self.hops)])
        return self.take(np.r_[True, ~same])

    def contrary(self) -> tuple[int, int] | None:
        """Two rows with one pair and two distances, the earlier of the table first; None where there are none."""
        order = np.lexsort((self.places, self.documents, self.queries))
        queries, documents = self.queries[order], self.documents[order]
        later = np.flatnonzero((queries[1:] == queries[:-1]) & (documents[1:] == documents[:-1])) + 1
        if not len(later):
            return None
        place = later[np.argmin(self.places[order[later]])]
        return int(order[place - 1]), int(order[place])


def _whole_queries(batches: Iterator[Any]) -> Iterator[_SortedRows]:
    """The rows again, each query within one block."""

    def joined() -> _SortedRows:
        return _SortedRows(*(np.concatenate(each) for each in zip(*held, strict=True)))

    held: list[_SortedRows] = []
    for batch in batches:
        rows = _SortedRows(*(column.to_numpy().astype(np.int64) for column in batch.columns))
        begin = int(np.searchsorted(rows.queries, rows.queries[-1]))
        if begin:
            held.append(rows.take(slice(begin)))
        if held and held[-1].queries[-1] != rows.queries[-1]:
            yield joined()
            held.clear()
        held.append(rows.take(slice(begin, None)))
    if held:
        yield joined()


class _NpyWriter:
    """A one-dimensional .npy file that is written in blocks; its header is right once it is closed."""

    def __init__(self, path: Path, kind: npt.DTypeLike) -> None:
        self._file, self._kind, self._n = path.open("wb"), np.dtype(kind), 0
        self._write_header()

    def __enter__(self) -> _NpyWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def add(self, values: npt.NDArray[Any]) -> None:
        """Append values."""
        self._file.write(np.ascontiguousarray(values, self._kind).data)
        self._n += len(values)

    def _write_header(self) -> None:
        """NumPy leaves room in a header for more digits, so one for more entries is as long."""
        about = {"descr": self._kind.str, "fortran_order": False, "shape": (self._n,)}
        np.lib.format.write_array_header_1_0(self._file, about)
