"""`Pairs`: which documents answer which query, and how far above it they stand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from rootward.ids import Rows
from rootward.pairs.arrays import PairArrays
from rootward.pairs.on_disk import Reading, table_to_folder
from rootward.pairs.query_texts import by_name, readable
from rootward.pairs.splits import PairSample, Split, held_out, sampled, shared_texts
from rootward.pairs.storage import read_folder, read_pairs, write_pairs
from rootward.readers.esci import Locale, Part, Version, origin_in, read_esci
from rootward.readers.labels import Origin, read_table
from rootward.readers.tables import Format, Source

P = TypeVar("P", bound=PairArrays)


@dataclass(frozen=True, eq=False, repr=False)
class Pairs(PairArrays):
    """Matching (query, document) pairs with their distance: what every source becomes and every training starts from.

    The arrays, what follows from them and their slices are those of `PairArrays`; added here are the sources that need
    no hierarchy, files, texts as queries, and parts for training.
    """

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

    def by_name(self, *, unambiguous: bool = True, glosses: bool = False) -> Pairs:
        """A query for every name and every synonym, with the relevant set of its node: what text towers learn from.

        The name of a node is a query with the node's own id and row; the synonyms follow, as "node id: synonym".
        What is another spelling of its node's name, or of a synonym or gloss before it, is left out. Where the source
        has no names the ids are all that queries are called by, and the pairs stay as they are.

        Args:
            unambiguous: leave out synonyms and glosses whose normal form is also a name or gloss of another node, as
                one text has one vector, which cannot answer for both; a note counts them.
            glosses: a query too for every definition, "node id (definition)", and for each of the quoted examples
                behind it, "node id (example 1)"; see `rootward.texts`.
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

        With `near` also those nearly so, with `documents` also names of these; see `rootward.pairs.splits`.
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


def completed(pairs: P, max_distance: int | None) -> P:
    """See `Pairs.completed`."""
    bound = pairs.max_distance if max_distance is None else max_distance
    row_of = _query_rows(pairs)
    while True:
        fuller = _composed(pairs, row_of, bound)
        if len(fuller) == len(pairs) and np.array_equal(fuller.distances, pairs.distances):
            return pairs
        pairs = fuller


def _query_rows(pairs: PairArrays) -> Rows:
    """The query row of each document that is also a query, -1 for the others."""
    if pairs.query_ids == pairs.document_ids:
        return np.arange(pairs.n_documents)
    known = pairs.query_ids
    return np.array([known.row(label) if label in known else -1 for label in pairs.document_ids], np.int64)


def _composed(pairs: P, row_of: Rows, bound: int) -> P:
    """These pairs and every (q, d) with a document e between them, at the least distance of all ways."""
    query_of, documents, distances = pairs.query_of, pairs.documents.astype(np.int64), pairs.distances.astype(np.int64)
    first = np.flatnonzero((row_of[documents] >= 0) & (distances > 0))
    place, second = pairs.of(row_of[documents[first]])
    first = first[place]
    hops = distances[first] + distances[second]
    fitting = (distances[second] > 0) & (hops <= bound)
    queries = np.r_[query_of, query_of[first[fitting]]]
    above = np.r_[documents, documents[second[fitting]]]
    hops = np.r_[distances, hops[fitting]]
    keys = queries * pairs.n_documents + above
    order = np.lexsort((hops, keys))
    nearest = order[np.r_[True, np.diff(keys[order]) > 0]] if len(order) else order
    return type(pairs).from_arrays(
        pairs.query_ids,
        pairs.document_ids,
        queries[nearest],
        above[nearest],
        hops[nearest],
        query_texts=pairs.query_texts,
        document_texts=pairs.document_texts,
        notes=pairs.notes,
    )
