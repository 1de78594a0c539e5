"""`Pairs`: which documents answer which query, and how far above it they stand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from rootward.errors import PairsError
from rootward.pairs.arranged import arranged, check_arrays
from rootward.pairs.by_name import by_name
from rootward.pairs.columns import Format, Source
from rootward.pairs.composition import completed
from rootward.pairs.esci import Locale, Part, Version, origin_in, read_esci
from rootward.pairs.folder import read_folder
from rootward.pairs.heard import readable
from rootward.pairs.heights import heights
from rootward.pairs.ids import Ids, Rows
from rootward.pairs.on_disk import Reading, table_to_folder
from rootward.pairs.origin import Origin
from rootward.pairs.ragged import PAIRS_AT_A_TIME, counts_of, expand, offsets_of, spans
from rootward.pairs.shared import shared_texts
from rootward.pairs.splits import PairSample, Split, held_out, sampled
from rootward.pairs.storage import read_pairs, write_pairs
from rootward.pairs.table import read_table
from rootward.pairs.texts import Texts


@dataclass(frozen=True, eq=False)
class Pairs:
    """Matching (query, document) pairs with their distance, as CSR from query to documents.

    The relevant set S(q) of query row q is `documents[offsets[q]:offsets[q + 1]]`, nearest first, documents of
    the same distance in ascending row order. A query may have none; it is then left out of every average.

    Attributes:
        query_ids, document_ids: the users' labels; sources with one kind of node use one table for both sides.
        offsets: int64, n_queries + 1.
        documents: int32 document rows, one a pair.
        distances: int32 hops, 0 for the exact match, one a pair.
        query_texts, document_texts: names where the source has them, else None.
        notes: what the reader of the source did that its user should know, a sentence each.
        origin: the file that queries of a table were read from, where messages look up their rows; None elsewhere.
        folder: where these very pairs lie on disk and are read from as they are needed; None in memory.

    Raises:
        PairsError: arrays that do not fit each other.
    """

    query_ids: Ids
    document_ids: Ids
    offsets: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int32]
    distances: npt.NDArray[np.int32]
    query_texts: Texts | None = None
    document_texts: Texts | None = None
    notes: tuple[str, ...] = ()
    origin: Origin | None = None
    folder: Path | None = field(default=None, init=False)  # so that no slice takes it over

    def __post_init__(self) -> None:
        check_arrays(len(self.query_ids), self.offsets, len(self.documents), len(self.distances))

    @classmethod
    def from_arrays(
        cls,
        query_ids: Ids,
        document_ids: Ids,
        queries: npt.ArrayLike,
        documents: npt.ArrayLike,
        distances: npt.ArrayLike,
        *,
        query_texts: Texts | None = None,
        document_texts: Texts | None = None,
        notes: tuple[str, ...] = (),
    ) -> Pairs:
        """Pairs from one (query row, document row, distance) per pair, in any order.

        Raises:
            PairsError: a row outside its table, a distance that is no whole number from 0, or one pair given twice.
        """
        arrays = arranged(query_ids, document_ids, queries, documents, distances)
        return cls(query_ids, document_ids, *arrays, query_texts, document_texts, notes)

    @classmethod
    def from_table(
        cls,
        source: Source,
        *,
        query: str = "query",
        document: str = "document",
        distance: str = "distance",
        levels: Mapping[str, int] | None = None,
        drop_others: bool = False,
        format: Format | None = None,
        delimiter: str | None = None,
        on_disk: str | os.PathLike[str] | None = None,
        progress: bool = False,
    ) -> Pairs:
        """Pairs from a table with one row a pair, such as clicks or annotations; no graph is needed.

        Ids are numbered in order of first appearance, each side by itself: "sandals" among the queries and "sandals"
        among the documents are two things. A pair repeated with the same distance counts once, and a note says so.

        Args:
            source: path of a CSV, TSV or Parquet file (a suffix .csv, .tsv or .parquet, or `format`), a pyarrow
                Table, or an iterable of (query, document, distance).
            query, document, distance: names of the columns; rows of an iterable go by position.
            levels: the distance of each label, such as {"exact": 0, "substitute": 1}, where the distance column holds
                labels. None: it holds whole numbers from 0.
            drop_others: leave out rows with other labels than those of `levels`, whose ids are then not there unless
                another row has them; a note counts them. Else they are errors.
            format: "csv", "tsv" or "parquet", where the suffix does not tell. CSV and TSV may be packed by gzip, with a
                second suffix .gz.
            delimiter: between two fields of a CSV, such as ";" or "tab"; None goes by the format.
            on_disk: a folder to keep the pairs in rather than in memory, for tables larger than that. What is read is
                the same; of several faults another may be told. A folder that holds the pairs of this very file is
                taken as it is. Slices (`keep`, `near`, `split`, ...) are in memory.
            progress: show how far it is, with `on_disk`.

        Raises:
            TableError: a file or row that cannot be read, an empty id, a distance or label that means nothing; the
                message names file and row. The folder holds something else.
            PairsError: one pair with two distances; the message names both rows.
            InputError: a format or levels that cannot be used.
            MissingExtraError: `on_disk` needs DuckDB.
        """
        given = Reading(source, query, document, distance, levels, drop_others, format, delimiter)
        if on_disk is not None:
            table_to_folder(Path(on_disk), given, progress=progress)
            pairs = cls.load(on_disk)
        else:
            pairs = cls.from_arrays(**read_table(**given._asdict())._asdict())
        vars(pairs).update(origin=Origin.of(source, query, format, delimiter))
        return pairs

    @classmethod
    def from_esci(
        cls,
        folder: str | os.PathLike[str],
        *,
        part: Part = "train",
        locale: Locale = "us",
        version: Version = "large",
        levels: Mapping[str, int] | None = None,
    ) -> Pairs:
        """Search queries of a shop and its products, from the two official files of ESCI (arXiv 2206.06588).

        Every product of the locale is a document, its title its name, also where nothing asks for it. Both parts have
        the same ids and rows; the test part leaves out queries whose text, in whatever spelling, is that of a training
        query, and a note counts them.

        Args:
            folder: with shopping_queries_dataset_examples.parquet and shopping_queries_dataset_products.parquet.
            part: "train" or "test", as the data set is split.
            locale: "us", "es" or "jp".
            version: "large", or "small", without the easy queries.
            levels: the distance of each label that counts, by letter or word; others are no pairs. None: {"E": 0,
                "S": 1}, Exact and Substitute.

        Raises:
            TableError: a file that is missing or cannot be read (the message says how to get it), an unknown label, a
                product that is not there.
            InputError: a part, locale, version or levels that are none.
        """
        parts = read_esci(folder, part=part, locale=locale, version=version, levels=levels)
        return replace(cls.from_arrays(**parts._asdict()), origin=origin_in(folder))

    # -- on disk ---------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything, also ids without pairs and texts, to one Parquet file; whole or not at all."""
        return write_pairs(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Pairs:
        """The pairs that `save` wrote, or in a folder of `from_table(..., on_disk=...)`.

        Raises:
            TableError: no such file or folder, not written by us, damaged, or from a newer version.
        """
        if Path(path).is_dir():
            found = read_folder(Path(path))
            pairs = cls(*found[:5], notes=found.notes)
            vars(pairs).update(folder=Path(path), generality=found.generality, heights=found.heights)
            return pairs
        return cls.from_arrays(**read_pairs(path)._asdict())

    # -- sizes -----------------------------------------------------------------------------------------------

    @property
    def n_queries(self) -> int:
        """How many queries there are, those without pairs among them."""
        return len(self.query_ids)

    @property
    def n_documents(self) -> int:
        """How many documents there are, those relevant to no query among them."""
        return len(self.document_ids)

    def __len__(self) -> int:
        return len(self.documents)

    def __repr__(self) -> str:
        return (
            f"Pairs({len(self):,} pairs, {self.n_queries:,} queries, {self.n_documents:,} documents, "
            f"distances 0..{self.max_distance}, |S(q)| {self.sizes.mean() if len(self.sizes) else 0:.1f} on average)"
        )

    @property
    def max_distance(self) -> int:
        """The largest distance of any pair; 0 when there are no pairs."""
        return int(self.distances.max()) if len(self) else 0

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """|S(q)| of every query (int64, n_queries)."""
        return np.diff(self.offsets)

    @cached_property
    def generality(self) -> npt.NDArray[np.int64]:
        """How many queries each document is relevant to (int64, n_documents): large for what stands high."""
        return counts_of(self.documents, self.n_documents)

    @cached_property
    def heights(self) -> npt.NDArray[np.float32]:
        """How high each document stands (float32, n_documents), see `rootward.pairs.heights`: the order to show."""
        return heights(self.offsets, self.documents, self.distances, self.generality)

    @property
    def depths(self) -> npt.NDArray[np.int64]:
        """Hops to the farthest document of each query, its depth as far as pairs tell; -1 without pairs (int64)."""
        depths = np.full(self.n_queries, -1, np.int64)
        np.maximum.at(depths, self.query_of, self.distances.astype(np.int64))
        return depths

    # -- looking inside --------------------------------------------------------------------------------------

    @property
    def query_of(self) -> npt.NDArray[np.int64]:
        """The query row of every pair (int64, n_pairs)."""
        return np.repeat(np.arange(self.n_queries), self.sizes)

    def queries_at(self, index: npt.ArrayLike) -> Rows:
        """The query rows of these pairs, by index (int64)."""
        return np.searchsorted(self.offsets, np.asarray(index), side="right") - 1

    def parts(self) -> Iterator[tuple[slice, slice]]:
        """Everything, some million pairs at a time: (query rows, their pairs), for what need not be in memory whole."""
        return spans(self.offsets, PAIRS_AT_A_TIME)

    def relevant(self, query: str) -> list[tuple[str, int]]:
        """S(q) of one query id as (document id, distance), nearest first.

        Raises:
            UnknownIdError: no such query.
        """
        row = self.query_ids.row(query)
        part = slice(self.offsets[row], self.offsets[row + 1])
        found = zip(self.documents[part].tolist(), self.distances[part].tolist(), strict=True)
        return [(self.document_ids[document], hops) for document, hops in found]

    def of(self, rows: npt.ArrayLike) -> tuple[Rows, Rows]:
        """The pairs of these query rows: (place of the query among `rows`, index of the pair), both int64."""
        return expand(self.offsets, np.asarray(rows, np.int64))

    @cached_property
    def weights(self) -> npt.NDArray[np.float64]:
        """The chance of each pair under regular sampling: q uniform over queries with pairs, d uniform in S(q)."""
        return self.weights_of(slice(0, self.n_queries))

    def weights_of(self, queries: slice) -> npt.NDArray[np.float64]:
        """`weights` of the pairs of these query rows."""
        sizes = self.sizes[queries]
        return np.repeat(1.0 / (np.maximum(sizes, 1) * max(1, np.count_nonzero(self.sizes))), sizes)

    def shares(self, weights: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
        """The share of each distance 0..max_distance (float64) under these weights of pairs, such as a sampler's.

        None is regular sampling. Adds up to what the weights add up to, 1 for those of a sampler.
        """
        chances = self.weights if weights is None else weights
        return np.bincount(self.distances, chances, self.max_distance + 1).astype(np.float64)

    def by_name(self, *, unambiguous: bool = True, glosses: bool = False) -> Pairs:
        """A query for every name and every synonym, with the relevant set of its node: what text towers learn from.

        The name of a node is a query with the node's own id and row; the synonyms follow, as "node id: synonym".
        What is another spelling of its node's name, or of a synonym or gloss before it, is left out. Where the source
        has no names the ids are all that queries are called by, and the pairs stay as they are.

        Args:
            unambiguous: leave out synonyms and glosses whose normal form is also a name or gloss of another node, as
                one text has one vector, which cannot answer for both; a note counts them.
            glosses: a query too for every definition, "node id (definition)", and for each of the quoted examples
                behind it, "node id (example 1)"; see `rootward.pairs.glosses`.
        """
        return by_name(self, unambiguous, glosses)

    def readable(self) -> Pairs:
        """Without the pairs of queries whose text has no letter or digit; rows and ids stay, a note counts them."""
        return readable(self)

    def completed(self, max_distance: int | None = None) -> Pairs:
        """With the pairs that follow from these: d is relevant to q where it is to some e that is relevant to q.

        For incomplete pairs whose documents are queries too (by id), as in any hierarchy of one kind of node: nothing
        has to be known of the graph. A pair's distance is the least over all ways; pairs given keep theirs unless a
        way is shorter. Where no document is a query the pairs stay as they are.

        Args:
            max_distance: leave out what follows at more hops; None is the largest distance that is there.
        """
        return completed(self, max_distance)

    # -- slices ----------------------------------------------------------------------------------------------

    def keep(self, wanted: npt.ArrayLike) -> Pairs:
        """The pairs where `wanted` (bool, n_pairs) holds. Queries and documents keep their rows and ids.

        Raises:
            PairsError: not one truth value a pair.
        """
        mask = np.asarray(wanted, np.bool_)
        if mask.shape != self.documents.shape:
            raise PairsError(f"keep needs one True or False for each of {len(self)} pairs, got shape {mask.shape}.")
        kept = np.r_[0, np.cumsum(mask)]
        return replace(self, offsets=kept[self.offsets], documents=self.documents[mask], distances=self.distances[mask])

    def of_queries(self, rows: npt.ArrayLike) -> Pairs:
        """The pairs of these query rows. Queries and documents keep their rows and ids."""
        wanted = np.unique(np.asarray(rows, np.int64))
        sizes = np.zeros(self.n_queries, np.int64)
        sizes[wanted] = self.sizes[wanted]
        _, index = self.of(np.flatnonzero(sizes))
        documents, distances = self.documents[index], self.distances[index]
        return replace(self, offsets=offsets_of(sizes), documents=documents, distances=distances)

    def near(self, high: int) -> Pairs:
        """Pairs at most `high` hops apart. Queries and documents keep their rows and ids."""
        return self.keep(self.distances <= high)

    def far(self, low: int) -> Pairs:
        """Pairs at least `low` hops apart. Queries and documents keep their rows and ids."""
        return self.keep(self.distances >= low)

    # -- parts for training ----------------------------------------------------------------------------------

    def split(
        self,
        by: Literal["pairs", "queries", "texts"] = "pairs",
        *,
        validation: float = 0.0,
        test: float = 0.1,
        low: int = 0,
        among: npt.ArrayLike | None = None,
        seed: int = 0,
    ) -> Split[Pairs]:
        """Disjoint train, validation and test pairs, held out at random. Rows and ids stay the same in all three.

        by="pairs": shares of the pairs at distance >= `low`; nearer ones all stay in train. A query may lose all its
        pairs to the other parts. by="queries": shares of the queries that have pairs, each with all its pairs.
        by="texts": the same, queries whose text has one normal form in one part, so that no part has seen a text of
        another in some other spelling; `among` (bool, n_queries) says which may be held out, all unless given. Names
        that are held out are still what documents are read by: let `among` be synonyms, as in the README.

        The same seed holds out the same pairs, however the rows of the source were ordered, and the test part does
        not depend on the validation share.

        Raises:
            InputError: shares that leave nothing for training, `low` or `among` with another `by`, an unknown `by`.
        """
        return held_out(self, by, validation=validation, test=test, low=low, among=among, seed=seed)

    def shared_texts(self, other: Pairs, *, near: bool = False, documents: bool = False) -> list[tuple[str, str]]:
        """Ids (of these pairs, of a query of the others) whose texts have one normal form, among queries with pairs.

        With `near` also those nearly so, with `documents` also names of these; see `rootward.pairs.shared`.
        """
        return shared_texts(self, other, near=near, documents=documents)

    def sample(
        self, *, train: int = 10_000_000, validation: int = 10_000, test: int = 10_000, seed: int = 0
    ) -> Split[PairSample]:
        """Train, validation and test pairs drawn as in the paper (arXiv 2509.16411, section 6.1, its sizes by default).

        Each is drawn by regular sampling with replacement: q uniform over the queries with pairs, d uniform in S(q). So
        test pairs may be training pairs too: the task is to memorise. To measure pairs never seen, use `split`.

        Raises:
            PairsError: there are no pairs.
            InputError: a negative number of pairs.
        """
        return sampled(self, train=train, validation=validation, test=test, seed=seed)
