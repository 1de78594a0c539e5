"""`Labels`: texts that people labelled with nodes of a taxonomy, or with categories of no taxonomy."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rootward.errors import InputError, PairsError, TableError, UnknownIdError
from rootward.ids import CONTROL, Ids, Rows, id_text, refuse_text, spaced
from rootward.pairs.pairs import Pairs
from rootward.readers.edges import whole_numbers
from rootward.readers.labels import note_on_words
from rootward.readers.tables import TEXT, Columns, Format, Source, read_columns, shown
from rootward.texts import Texts, normal_form, what_is_read

Unknown = Literal["error", "skip"]


@dataclass(frozen=True, eq=False, repr=False)
class Labels:
    """Texts that people labelled with nodes: row i says that `texts[i]` means `nodes[i]`.

    `Hierarchy.pairs(labels=labels)` makes queries of them whose answers are the labelled nodes and everything above
    these; `Labels.pairs()` does without a hierarchy. A text in several rows has several nodes. A node is named by its
    id, by its name, or by the path of names that leads to it ("Shoes > Sandals").

        labels = rw.Labels.read("titles.csv", text="title", node="category")
        pairs = rw.Hierarchy.from_paths("categories.txt").pairs(labels=labels)

    Attributes:
        texts: one a row, as in the source.
        nodes: one a row, as in the source.
        weights: float64, one a row, how much it counts in training; None where all count alike.
        table: the table they were read from, to name its rows in messages; None elsewhere.

    Raises:
        InputError: not as many nodes or weights as texts, a weight that is no finite number above 0.
    """

    texts: tuple[str, ...]
    nodes: tuple[str, ...]
    weights: npt.NDArray[np.float64] | None = None
    table: Columns | None = None

    def __post_init__(self) -> None:
        n, weights = len(self.texts), len(self.texts) if self.weights is None else len(self.weights)
        if not n == len(self.nodes) == weights:
            raise InputError(f"{n} texts need as many nodes and weights, got {len(self.nodes)} and {weights}.")
        if self.weights is not None and not (np.isfinite(self.weights).all() and (self.weights > 0).all()):
            wrong = int(np.flatnonzero(~(np.isfinite(self.weights) & (self.weights > 0)))[0])
            raise InputError(f"Weights are finite numbers above 0; label {wrong + 1} has {self.weights[wrong]}.")

    @classmethod
    def read(
        cls,
        source: Source,
        *,
        text: str = "text",
        node: str = "node",
        weight: str | None = None,
        format: Format | None = None,
        delimiter: str | None = None,
    ) -> Labels:
        """Labels from a table with one labelled text a row.

        Args:
            source: path of a CSV, TSV or Parquet file, a pyarrow Table, or an iterable of (text, node), with `weight`
                of (text, node, weight).
            text, node: names of the columns; rows of an iterable go by position.
            weight: name of the column that says how much a row counts, a number above 0; None counts all alike.
            format: "csv", "tsv" or "parquet", where the suffix does not tell. CSV and TSV may be packed by gzip, with a
                second suffix .gz.
            delimiter: between two fields of a CSV, such as ";" or "tab"; None goes by the format.

        Raises:
            TableError: a file or row that cannot be read, a column that is not there, a weight that is none; the
                message names file and row.
            InputError: a format that cannot be used.
        """
        names = [text, node] if weight is None else [text, node, weight]
        hint = " Name the columns with text= and node=."
        columns = read_columns(source, names, format=format, delimiter=delimiter, hint=hint, prefix="labels")
        weights = None if weight is None else _weights(columns, weight)
        return cls(tuple(columns[text].to_pylist()), tuple(columns[node].to_pylist()), weights, columns)

    @classmethod
    def of(cls, rows: Iterable[tuple[Hashable, Hashable]], weights: npt.NDArray[np.float64] | None = None) -> Labels:
        """Labels of (text, node) each, in memory; a number is read as an id is, None and NaN as empty.

        Raises:
            InputError: a row that is no (text, node).
        """
        refuse_text(rows, "(text, node)")
        if isinstance(rows, Mapping):
            raise InputError("A dict is no list of (text, node); give its items().")
        listed = list(rows)
        for place, row in enumerate(listed, 1):
            several = (list, tuple, set, dict, np.ndarray)
            if isinstance(row, str) or not hasattr(row, "__len__") or len(row) != 2 or isinstance(row[1], several):
                raise InputError(f"Label {place} is {shown(row)}; needed a (text, node), one row for each node.")
        return cls(tuple(id_text(text) for text, _ in listed), tuple(id_text(node) for _, node in listed), weights)

    def __len__(self) -> int:
        return len(self.texts)

    def __repr__(self) -> str:
        return f"Labels({len(self):,} rows, {len(set(self.texts)):,} texts, {len(set(self.nodes)):,} nodes)"

    def take(self, rows: npt.ArrayLike) -> Labels:
        """The labels of these rows, in their order."""
        wanted = np.asarray(rows, np.int64)
        texts, nodes = (tuple(column[row] for row in wanted.tolist()) for column in (self.texts, self.nodes))
        weights = None if self.weights is None else self.weights[wanted]
        return Labels(texts, nodes, weights, None if self.table is None else self.table.take(wanted))

    def where(self, row: int) -> str:
        """'row 42 of titles.csv' for the row with index 40; 'label 41' where there is no table."""
        return f"label {row + 1}" if self.table is None else self.table.where(row)

    def pairs(self, *, unknown: Unknown = "error") -> Pairs:
        """Pairs of every text with its categories at distance 0; categories without a text are not there.

        Rows with one text, in whatever spelling (`normal_form`), are one query, its id the text as first spelled.

        Args:
            unknown: "error", or "skip" to leave out rows with an empty category, or a text without a letter or digit;
                a note counts them.

        Raises:
            TableError: such a row; the message names it.
            InputError: no row is left, or another `unknown`.
        """
        rows: dict[str, int] = {}
        (nodes,), told = whole_numbers([pa.array(self.nodes, TEXT)])
        labels = replace(self, nodes=tuple(nodes.to_pylist()))
        found = label_queries(labels, lambda label: [rows.setdefault(as_id(label), len(rows))], unknown=unknown)
        ids = Ids(map(as_id, found.texts))
        distances = np.zeros(len(found.nodes), np.int64)
        notes = told + found.notes + spaced(Ids(rows), "node")
        about: Any = {"notes": notes, "query_weights": found.weights}
        return Pairs.from_arrays(ids, Ids(rows), found.queries, found.nodes, distances, **about)


class LabelQueries(NamedTuple):
    """The distinct texts of labels, and one (text, node) a labelling.

    Attributes:
        texts: as first spelled; no two have one normal form.
        queries: int64, the text of each labelling.
        nodes: int64, its node.
        notes: what was left out.
        weights: float64, one a text: those of rows with one node added up, the mean over its nodes; None without any.
    """

    texts: tuple[str, ...]
    queries: Rows
    nodes: Rows
    notes: tuple[str, ...]
    weights: npt.NDArray[np.float64] | None = None


def label_queries(
    labels: Labels,
    find: Callable[[str], list[int]],
    explain: Callable[[str, list[int]], str] = lambda label, nodes: "",
    *,
    unknown: Unknown,
) -> LabelQueries:
    """Gather the rows of labels by text.

    Args:
        labels: the rows.
        find: the rows of the nodes that a label can mean: none, the one, or several.
        explain: what to say where that is not one.
        unknown: whether such a row, and one without a readable text, is an error or left out.

    Raises:
        TableError: an empty text or node, a text without a letter or digit.
        UnknownIdError: a label that names no node.
        PairsError: a label that names several.
        InputError: no row is left, or another `unknown`.
    """
    if unknown not in ("error", "skip"):
        raise InputError(f"unknown={unknown!r} is not known; it is 'error' or 'skip'.")
    row_of: dict[str, int] = {}
    texts: list[str] = []
    pairs: dict[tuple[int, int], float] = {}  # to its weight
    means: dict[str, list[int]] = {}
    skipped: defaultdict[str, list[int]] = defaultdict(list)
    kept = 0
    for row, (text, label) in enumerate(zip(labels.texts, labels.nodes, strict=True)):
        form = normal_form(text)
        if form and label not in means:
            means[label] = find(label) if label.strip() else []
        nodes = means.get(label, [])
        if not form or len(nodes) != 1:
            if not form:
                why, reason = f"the text {shown(text)} has no letter or digit.", "without a letter or digit in the text"
            elif not label.strip():
                why, reason = "the node is empty.", "with an empty node"
            else:
                why, reason = "", "whose node is the name of several" if nodes else "whose node is unknown"
            if unknown == "error":
                error = TableError if why else PairsError if nodes else UnknownIdError
                where = labels.where(row)
                raise error(f"{where[:1].upper()}{where[1:]}: {why or explain(label, nodes)}{_SKIP}")
            skipped[reason].append(row)
            continue
        query = row_of.setdefault(form, len(texts))
        if query == len(texts):
            texts.append(text)
        kept += 1
        weight = 1.0 if labels.weights is None else float(labels.weights[row])
        pairs[query, nodes[0]] = pairs.get((query, nodes[0]), 0.0) + weight
    notes = tuple(_left_out(labels, reason, rows) for reason, rows in skipped.items())
    notes += note_on_words(Counter(labels.texts), "text") + note_on_words(
        Counter(label for label in labels.nodes if label in means and len(means[label]) == 1), "node"
    )
    if not pairs:
        raise InputError(" ".join(["No labelled text is left.", *notes]))
    if more := kept - len(pairs):
        one = "1 row of labels repeats" if more == 1 else f"{more:,} rows of labels repeat"
        counts = "each counts once" if labels.weights is None else "their weights are added up"
        notes += (f"{one} a text and its node; {counts}.",)
    queries, nodes_of = np.array(list(pairs), np.int64).T
    weights = None
    if labels.weights is not None:
        weights = np.bincount(queries, list(pairs.values())) / np.bincount(queries)
    return LabelQueries(tuple(texts), queries, nodes_of, notes, weights)


_SKIP = ' unknown="skip" leaves such rows out.'


def as_id(text: str) -> str:
    """A text as an id: without control characters and line ends, and a single space where it has white space."""
    return " ".join(re.sub(CONTROL, " ", text).split())


def labelled_pairs(nodes: Pairs, found: LabelQueries, known: Pairs | None = None) -> Pairs:
    """Pairs of labelled texts alone: the answers of a text are those of its nodes, at the least distance.

    Args:
        nodes: queries whose rows the labels name, such as the nodes of a hierarchy. No text gets the id of one of them.
        found: the labelled texts.
        known: pairs of a run, whose queries keep their ids: a text that is one of them, letter by letter, gets its id,
            and no other text does.
    """
    place, index = nodes.of(found.nodes)
    queries, documents, hops = found.queries[place], nodes.documents[index], nodes.distances[index]
    order = np.lexsort((hops, documents, queries))
    order = order[np.diff(queries[order] * nodes.n_documents + documents[order], prepend=-1) != 0]
    taken, ids = set(nodes.query_ids), []
    read = () if known is None else what_is_read(known.query_ids, known.query_texts)

    def is_another(label: str, text: str) -> bool:
        return known is not None and label in known.query_ids and read[known.query_ids.row(label)] != text

    for text in found.texts:
        label, again = as_id(text), 1
        while label in taken or is_another(label, text):
            again += 1
            label = f"{as_id(text)} ({again})"
        taken.add(label)
        ids.append(label)
    n = len(ids)
    texts: Any = {"query_texts": Texts(found.texts, ((),) * n, ("",) * n), "document_texts": nodes.document_texts}
    arrays = (queries[order], documents[order], hops[order])
    return Pairs.from_arrays(Ids(ids), nodes.document_ids, *arrays, **texts, notes=found.notes)


def with_labels(nodes: Pairs, found: LabelQueries) -> Pairs:
    """Pairs of nodes, and after them a query for each labelled text; arguments as `labelled_pairs`."""
    more, m = labelled_pairs(nodes, found), nodes.n_queries
    texts, added = nodes.query_texts or Texts(("",) * m, ((),) * m, ("",) * m), more.query_texts
    assert added is not None
    weights = None
    if nodes.query_weights is not None or found.weights is not None:
        sides = ((nodes.query_weights, m), (found.weights, more.n_queries))
        weights = np.concatenate([np.ones(n) if known is None else known for known, n in sides])
    return replace(
        nodes,
        query_ids=Ids([*nodes.query_ids, *more.query_ids], old=nodes.query_ids.old),
        offsets=np.r_[nodes.offsets, nodes.offsets[-1] + more.offsets[1:]],
        documents=np.r_[nodes.documents, more.documents],
        distances=np.r_[nodes.distances, more.distances],
        query_texts=Texts(
            texts.names + added.names, texts.synonyms + added.synonyms, texts.definitions + added.definitions
        ),
        notes=nodes.notes + more.notes,
        query_weights=weights,
    )


def _left_out(labels: Labels, reason: str, rows: list[int]) -> str:
    """Left out 3 labelled texts whose node is unknown, such as 'clog' (row 3 of titles.csv) and ... ."""
    of = labels.texts if "text" in reason else labels.nodes
    examples = " and ".join(f"{shown(of[row])} ({labels.where(row)})" for row in rows[:2])
    what = "labelled text" if len(rows) == 1 else "labelled texts"
    return f"Left out {len(rows):,} {what} {reason}{', such as' if len(rows) > 2 else ':'} {examples}."


def _weights(columns: Columns, name: str) -> npt.NDArray[np.float64]:
    """The column as numbers; refuses what is not a finite number above 0."""
    found = np.empty(len(columns))
    for row, text in enumerate(columns[name].to_pylist()):
        try:
            found[row] = float(text)
        except ValueError:
            found[row] = math.nan
        if not (found[row] > 0 and math.isfinite(found[row])):
            raise TableError(
                f"{columns.heading(row)}: the weight (column {name!r}) is {shown(text)}; a number above 0 is needed."
            )
    return found
