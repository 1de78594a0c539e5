"""`Pairs`: which documents are relevant to which query, and how many hops above it; sources, files and splits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy.typing as npt

from rootward.pairs.arrays import PairArrays
from rootward.pairs.on_disk import table_to_folder
from rootward.pairs.query_texts import by_name, readable
from rootward.pairs.splits import PairSample, Split, held_out, sampled, shared_texts
from rootward.pairs.storage import read_folder, read_pairs, write_pairs
from rootward.readers.esci import Locale, Part, Version, origin_in, read_esci
from rootward.readers.labels import PairTable
from rootward.readers.tables import Format, Source


@dataclass(frozen=True, eq=False, repr=False)
class Pairs(PairArrays):
    """Matching (query, document) pairs with their distance: what every source becomes and every training starts from.

    `PairArrays` has the arrays, measures and slices; here are the sources that need no hierarchy, files, query texts,
    and splits.
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
        wait: float = 0.0,
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
                the same; of several faults another may be named. A folder that holds the pairs of this very file is
                used as it is. Slices (`keep`, `near`, `split`, ...) are in memory.
            progress: show how far it is, with `on_disk`.
            wait: seconds to wait for another process that writes `on_disk`; if it makes the same pairs, they are used.

        Raises:
            TableError: a file or row that cannot be read, an empty id, a distance or label that means nothing; the
                message names file and row. The folder holds something else.
            PairsError: one pair with two distances; the message names both rows.
            InputError: a format or levels that cannot be used.
            MissingExtraError: `on_disk` needs DuckDB.
            InUseError: another process writes `on_disk`.
        """
        table = PairTable(source, query, document, distance, levels, drop_others, format, delimiter)
        if on_disk is not None:
            table_to_folder(Path(on_disk), table, progress=progress, wait=wait)
            pairs = cls.load(on_disk)
        else:
            pairs = cls.from_arrays(**table.read()._asdict())
            pairs = replace(pairs, notes=pairs.notes + pairs.note_on_lacking())
        vars(pairs).update(origin=table.origin)
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

        Every product of the locale is a document, its title its name, also without queries. Both parts have
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
        found = read_esci(folder, part=part, locale=locale, version=version, levels=levels)
        return replace(cls.from_arrays(**found._asdict()), origin=origin_in(folder))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything, also ids without pairs and texts, to one Parquet file; whole or not at all."""
        return write_pairs(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, verify: bool | None = None) -> Pairs:
        """The pairs that `save` wrote, or in a folder of `from_table(..., on_disk=...)`.

        Args:
            path: of the file or folder.
            verify: of a folder: None compares the checksums of all files, but of pairs of more than 1 GiB; those are
                read, and compared, when a training starts. True compares all of them now, False none but of the ids.

        Raises:
            TableError: no such file or folder, not written by us, damaged, or from a newer version.
        """
        if Path(path).is_dir():
            found = read_folder(Path(path), verify)
            pairs = cls(*found[:5], notes=found.notes)
            vars(pairs).update(folder=Path(path), generality=found.generality, heights=found.heights)
            return pairs
        return cls.from_arrays(**read_pairs(path)._asdict())

    def by_name(self, *, unambiguous: bool = True, glosses: bool = False) -> Pairs:
        """A query for every name and every synonym, with the relevant set of its node, for text towers to learn from.

        The name of a node is a query with the node's own id and row; the synonyms follow, as "node id: synonym".
        What is another spelling of its node's name, or of a synonym or gloss before it, is left out. Where the source
        has no names the pairs stay as they are.

        Args:
            unambiguous: leave out synonyms and glosses whose normal form is also a name or gloss of another node, as
                one text has one vector, which cannot answer for both; a note counts them.
            glosses: a query too for every definition, "node id (definition)", and for each of the quoted examples
                behind it, "node id (example 1)"; see `rootward.texts`.
        """
        return by_name(self, unambiguous, glosses)

    def readable(self) -> Pairs:
        """Drop the pairs of queries whose text has no letter or digit; rows and ids stay, a note counts them."""
        return readable(self)

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
        pairs to the other two. by="queries": shares of the queries that have pairs, each with all its pairs.
        by="texts": the same, queries whose text has one normal form together, so that no text of one split is in
        another in some other spelling; `among` (bool, n_queries) says which may be held out, all unless given. Names
        that are held out are still read for documents: let `among` be synonyms, as in the README.

        The same seed holds out the same pairs, however the rows of the source were ordered, and the test split does
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
        test pairs may be training pairs too: the task is to memorise. To measure unseen pairs, use `split`.

        Raises:
            PairsError: there are no pairs.
            InputError: a negative number of pairs.
        """
        return sampled(self, train=train, validation=validation, test=test, seed=seed)
