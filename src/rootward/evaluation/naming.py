"""Which node a text names: the measures of hierarchical classification, for predictions from anywhere.

Each query has one or several *true nodes*, the documents at distance 0, and a *true set*, all its relevant documents.
A prediction is one named node, an answer set, and candidates for the node in order.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.sparse import csr_array
from torch import Tensor

from rootward.csr import expand, offsets_of
from rootward.errors import InputError, PairsError
from rootward.evaluation.intervals import Difference, draw_counts, interval, p_value
from rootward.evaluation.metrics import Shares
from rootward.evaluation.ranks import fingerprint_of
from rootward.evaluation.results import Figure, TableResult, Value, percent
from rootward.hierarchy.closure import Closure
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.plots import figure_at, save_figure
from rootward.scoring import BLOCK_BYTES, Floats, Ints, above, best, checked

VERSION = 1
CANDIDATES = 10
"""How many candidates for the node are kept."""

TextsOf: TypeAlias = Literal["held-out", "trained on", "partly held-out"]


def texts_in_words(texts: TextsOf) -> str:
    """'held-out texts', 'partly held-out texts' or 'texts it was trained on'."""
    return "texts it was trained on" if texts == "trained on" else f"{texts} texts"


LABEL_BUCKETS = {0: "0", 1: "1-3", 4: "4-15", 16: "16-63", 64: "64+"}
"""Nodes by how many labels training had for them: the least of each bucket, and its name."""


def named_queries(pairs: Pairs) -> Ints:
    """The rows of the queries that have a document at distance 0 (int64, ascending)."""
    return np.unique(pairs.query_of[pairs.distances == 0])


def n_labels_in(pairs: Pairs) -> Ints:
    """How many queries have each document at distance 0 (int64, n_documents), the document's own id not counted."""
    exact = np.flatnonzero(pairs.distances == 0)
    queries, documents = pairs.query_of[exact], pairs.documents[exact]
    own = [
        pairs.query_ids[q] == pairs.document_ids[d] for q, d in zip(queries.tolist(), documents.tolist(), strict=True)
    ]
    return np.bincount(documents[~np.array(own, np.bool_)], minlength=pairs.n_documents)


def closure_in(pairs: Pairs) -> Closure:
    """The ancestors of every document, as pairs tell them: one row a document, also of those without any.

    The ancestors of a document are the answers of a query that has this document alone at distance 0; of several such
    queries, of the one with most answers. A document without such a query has only itself.
    """
    n = pairs.n_documents
    rows = named_queries(pairs)
    n_exact = np.bincount(pairs.query_of[pairs.distances == 0], minlength=pairs.n_queries)
    rows = rows[n_exact[rows] == 1]
    documents, sizes = pairs.documents[pairs.offsets[rows]], pairs.sizes[rows]
    order = np.lexsort((-sizes, documents))
    known, first = np.unique(documents[order], return_index=True)
    counts = np.ones(n, np.int64)
    counts[known] = sizes[order][first]
    offsets = offsets_of(counts)
    ancestors, distances = np.empty(offsets[-1], np.int32), np.zeros(offsets[-1], np.int32)
    ancestors[offsets[:-1]] = np.arange(n)
    _, there = expand(offsets, known.astype(np.int64))
    _, source = expand(pairs.offsets, rows[order][first])
    ancestors[there], distances[there] = pairs.documents[source], pairs.distances[source]
    return Closure(np.arange(n), offsets, ancestors, distances)


@dataclass(frozen=True, eq=False)
class Predictions:
    """What is said that some queries name; documents are rows of the table that the pairs have.

    Attributes:
        queries: int64 query rows.
        named: int64, one a query: the named node, -1 where nothing is named.
        offsets, answers: CSR of the answer sets (int64): that of `queries[i]` is `answers[offsets[i]:offsets[i + 1]]`.
        ranked: int64, n x k: candidates for the node, best first; rows with fewer end in -1.
    """

    queries: Ints
    named: Ints
    offsets: Ints
    answers: Ints
    ranked: Ints

    def __len__(self) -> int:
        return len(self.queries)

    @classmethod
    def from_ranked(cls, queries: Ints, ranked: npt.ArrayLike, closure: Closure) -> Predictions:
        """The first candidate is named, the answers are it and its ancestors.

        Args:
            queries: query rows.
            ranked: document rows, n x k, best first, -1 for none.
            closure: of all documents, such as `closure_in(pairs)` or `tree.ancestors()`.
        """
        candidates = np.asarray(ranked, np.int64)
        empty = np.empty(0, np.int64)
        return cls(queries, candidates[:, 0], offsets_of(np.zeros(len(queries))), empty, candidates).closed(closure)

    @classmethod
    def from_ids(
        cls,
        queries: Ints,
        ids: Ids,
        named: Sequence[str | None],
        answers: Sequence[Sequence[str]],
        ranked: Sequence[Sequence[str]],
    ) -> Predictions:
        """What was said in ids of documents, one entry a query, as `rootward predict` writes it.

        Args:
            queries: query rows.
            ids: of the documents.
            named: the named node; None for nothing.
            answers: the answer sets.
            ranked: candidates for the node, best first; more than ten are left out.

        Raises:
            UnknownIdError: an id that is no document.
        """
        candidates = np.full((len(queries), CANDIDATES), -1, np.int64)
        for place, some in enumerate(ranked):
            first = some[:CANDIDATES]
            candidates[place, : len(first)] = ids.rows(first)
        nodes = np.array([-1 if node is None else ids.row(node) for node in named], np.int64)
        offsets = offsets_of(np.array([len(some) for some in answers]))
        rows = np.concatenate([np.empty(0, np.int64), *(ids.rows(some) for some in answers)])
        return cls(queries, nodes, offsets, rows, candidates)

    def closed(self, closure: Closure) -> Predictions:
        """The same named nodes, with the node and all its ancestors as answers."""
        some = np.flatnonzero(self.named >= 0)
        place, entry = expand(closure.offsets, self.named[some])
        sizes = np.bincount(some[place], minlength=len(self))
        return replace(self, offsets=offsets_of(sizes), answers=closure.ancestors[entry].astype(np.int64))


def predict_nodes(
    queries: Tensor,
    documents: Tensor,
    pairs: Pairs,
    *,
    heights: npt.ArrayLike | None = None,
    thresholds: Floats | None = None,
    closure: Closure | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Predictions:
    """The predictions of vectors, for every query that has a document at distance 0; one pass over the scores.

    The answer set is displayed by ascending height and, where that is equal, by falling score, as in `Ranks`; the
    document displayed first is named. Candidates are the answers as displayed, then other documents by score; what
    stands above the named node is no other candidate for it, and comes last.

    Args:
        queries, documents, pairs, heights, block_bytes: as for `rank_pairs`. Of equal scores the lower row counts.
        thresholds: the score at which the answer set of each query ends (n_queries; none where it is NaN). None takes
            the |S(q)| best documents: the number of right answers is then known beforehand.
        closure: the ancestors of every document; None: as `closure_in(pairs)` finds them.

    Raises:
        InputError: vectors that cannot be scored.
    """
    queries, documents = checked(queries, documents)
    rows, n = named_queries(pairs), len(documents)
    shown_by = np.asarray(pairs.heights if heights is None else heights)
    sizes = pairs.sizes[rows] if thresholds is None else np.zeros(len(rows), np.int64)
    asked = queries[rows]
    offsets, columns, scores = best(asked, documents, np.minimum(sizes + CANDIDATES, n), block_bytes=block_bytes)
    place = np.repeat(np.arange(len(rows)), np.diff(offsets))
    inside = np.arange(len(columns)) - offsets[place] < sizes[place]
    if thresholds is not None:
        ends = thresholds[rows].astype(scores.dtype)
        set_offsets, set_columns, set_scores = above(asked, documents, ends, block_bytes=block_bytes)
        rest = ~(scores >= ends[place])
        place = np.r_[np.repeat(np.arange(len(rows)), np.diff(set_offsets)), place[rest]]
        columns, scores = np.r_[set_columns, columns[rest]], np.r_[set_scores, scores[rest]]
        inside = np.arange(len(columns)) < len(set_columns)
        sizes = np.diff(set_offsets)
    order = np.lexsort((columns, -scores, np.where(inside, shown_by[columns], 0), ~inside, place))
    place, columns, inside = place[order], columns[order], inside[order]
    starts = np.searchsorted(place, np.arange(len(rows)))
    named = np.where(sizes > 0, columns[starts], -1)
    said = Predictions(rows, named, offsets_of(sizes), columns[inside], np.full((len(rows), CANDIDATES), -1))
    over = said.closed(closure_in(pairs) if closure is None else closure)
    over_place = np.repeat(np.arange(len(rows)), np.diff(over.offsets))
    higher = np.isin(place * n + columns, over_place * n + over.answers) & (columns != named[place])
    order = np.lexsort((higher, place))
    position = np.arange(len(columns)) - starts[place]
    early = position < CANDIDATES
    said.ranked[place[early], position[early]] = columns[order[early]]
    return said


# -- what each query adds ------------------------------------------------------------------------------------------

_COLUMNS = (
    *("right", "reciprocal", "hit1", "hit5", "hit10", "both", "answered", "wanted"),
    *("precision", "recall", "f1", "exact", "hops"),
)


@dataclass(frozen=True, eq=False)
class NodeSums:
    """What each query adds to every figure, so that queries can be drawn again.

    Attributes:
        columns: float64, n x 13, see `_COLUMNS`.
        place, nodes: int64, the true nodes: one entry for each (place of a query, document row).
        depth: int64, one an entry: hops from the node to its farthest ancestor.
        fingerprint: of the pairs.
    """

    columns: Shares
    place: Ints
    nodes: Ints
    depth: Ints
    fingerprint: str

    def column(self, name: str) -> Shares:
        """What each query adds to one of the figures (float64, n)."""
        found: Shares = self.columns[:, _COLUMNS.index(name)]
        return found

    def by_node(self) -> csr_array[np.float64, tuple[int, int]]:
        """The true nodes of each query (n x distinct nodes), 1 where one is."""
        _, node = np.unique(self.nodes, return_inverse=True)
        shape = (len(self.columns), int(node.max(initial=-1)) + 1)
        return csr_array((np.ones(len(node)), (self.place, node)), shape=shape)


def node_sums(predictions: Predictions, pairs: Pairs, closure: Closure) -> NodeSums:
    """Compare each prediction with the pairs of its query.

    Raises:
        PairsError: a query without a document at distance 0, or no query.
        InputError: predictions or a closure that are of another table of documents.
    """
    rows, n, n_documents = predictions.queries, len(predictions), pairs.n_documents
    if not n or len(np.setdiff1d(rows, named_queries(pairs))):
        raise PairsError("Named nodes are measured on queries that have a document at distance 0; these have none.")
    most = max(int(each.max(initial=-1)) for each in (predictions.named, predictions.answers, predictions.ranked))
    if most >= n_documents or len(closure.rows) != n_documents:
        raise InputError(f"Predictions and closure must be of the {n_documents:,} documents of the pairs.")
    place, index = pairs.of(rows)
    truth = place * n_documents + pairs.documents[index]
    said = np.unique(np.repeat(np.arange(n), np.diff(predictions.offsets)) * n_documents + predictions.answers)
    both = np.bincount(said[np.isin(said, truth)] // n_documents, minlength=n).astype(np.float64)
    answered, wanted = np.bincount(said // n_documents, minlength=n), pairs.sizes[rows]
    exact = pairs.distances[index] == 0
    place, nodes = place[exact], pairs.documents[index[exact]].astype(np.int64)

    width = predictions.ranked.shape[1]
    position = np.full(n, width, np.int64)
    where, column = np.nonzero(predictions.ranked[place] == nodes[:, None])
    np.minimum.at(position, place[where], column)
    right = np.zeros(n, np.bool_)
    right[place[predictions.named[place] == nodes]] = True

    farthest = np.zeros(n_documents, np.int64)
    np.maximum.at(farthest, np.repeat(closure.rows, np.diff(closure.offsets)), closure.distances)
    hops = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(hops, place, _hops(predictions.named[place], nodes, closure, farthest))
    out = np.column_stack(
        [
            right,
            np.where(position < width, 1 / (position + 1), 0),
            *(position < min(k, width) for k in (1, 5, 10)),
            both,
            answered,
            wanted,
            both / np.maximum(answered, 1),
            both / wanted,
            2 * both / (answered + wanted),
            (both == wanted) & (answered == wanted),
            hops,
        ]
    ).astype(np.float64)
    return NodeSums(out, place, nodes, farthest[nodes], fingerprint_of(pairs))


def _hops(named: Ints, true: Ints, closure: Closure, farthest: Ints) -> Ints:
    """The hops between two nodes through their nearest common ancestor (int64, one a pair of nodes).

    Without a common ancestor over a root above both; with nothing named (-1) the true node's depth + 1.
    """
    n = len(closure.rows)
    hops = farthest[true] + 1 + np.where(named >= 0, farthest[named] + 1, 0)
    some = np.flatnonzero(named >= 0)
    (place, mine), (true_place, theirs) = expand(closure.offsets, named[some]), expand(closure.offsets, true[some])
    mine_at, theirs_at = place * n + closure.ancestors[mine], true_place * n + closure.ancestors[theirs]
    _, first, second = np.intersect1d(mine_at, theirs_at, assume_unique=True, return_indices=True)
    joined = closure.distances[mine[first]].astype(np.int64) + closure.distances[theirs[second]]
    shortest = np.full(len(some), np.iinfo(np.int64).max)
    np.minimum.at(shortest, place[first], joined)
    hops[some] = np.where(shortest < np.iinfo(np.int64).max, shortest, hops[some])
    return hops


# -- the report ----------------------------------------------------------------------------------------------------


class NodeSlice(Value):
    """Queries of one kind of true node: what kind, how many queries and nodes, how many are named right."""

    name: str
    n_queries: int
    n_nodes: int
    accuracy: float


class NodeReport(TableResult):
    """Which node each text names, by the measures of hierarchical classification; prints as a table in percent.

    Attributes:
        label: what was measured.
        texts: whether training knew the texts' answers; None where that is unknown.
        n_queries, n_documents, n_nodes: texts, documents that competed, distinct true nodes.
        accuracy: named nodes that are right (accuracy@1); of several true nodes any is right.
        mrr: mean of 1 / the place of the best true node among the candidates, 0 where it is none of them.
        hit1, hit5, hit10: a true node is among so many first candidates.
        precision, recall, f1: hierarchical and micro (Kiritchenko et al. 2006): sums over texts of what is both
            answered and true, over what is answered, and over what is true.
        mean_precision, mean_recall, mean_f1: means over texts of the same for each text.
        exact: answer sets that are the true set, no more and no less.
        hops: mean hops, not a share, between the named and the nearest true node through their nearest common ancestor;
            with nothing named, the true node's depth + 1.
        hops_counts: how many texts are 0, 1, 2, ... hops off.
        macro: the mean over true nodes of their accuracy, whatever the number of their texts.
        by_depth: by depth of the true node: hops to its farthest ancestor. A text counts once for each true node.
        by_labels: the same by how many labels training had for it; empty where that is unknown.
        note: how the answer sets were made.
        seed, bootstrap: of the 95 % intervals: seed and number of draws of texts.
        sums: what each text adds, for `compare_nodes`; not saved, None after `load`.
        predictions: what was measured, and `sure` (float64, n), the probability told of each named node, where one was;
            not saved, None after `load`.
    """

    noun = "node report"
    format: int = VERSION
    label: str = ""
    texts: TextsOf | None = None
    n_queries: int
    n_documents: int
    n_nodes: int
    accuracy: Figure
    mrr: Figure
    hit1: Figure
    hit5: Figure
    hit10: Figure
    precision: Figure
    recall: Figure
    f1: Figure
    mean_precision: Figure
    mean_recall: Figure
    mean_f1: Figure
    exact: Figure
    hops: Figure
    hops_counts: tuple[int, ...]
    macro: Figure
    by_depth: tuple[NodeSlice, ...]
    by_labels: tuple[NodeSlice, ...] = ()
    note: str = ""
    seed: int = 0
    bootstrap: int = 0
    sums: NodeSums | None = Field(default=None, exclude=True, repr=False)
    predictions: Predictions | None = Field(default=None, exclude=True, repr=False)
    sure: Floats | None = Field(default=None, exclude=True, repr=False)

    def __eq__(self, other: object) -> bool:
        """The same figures; sums, which a saved report has not, are not looked at."""
        return isinstance(other, NodeReport) and self.model_dump() == other.model_dump()

    __hash__ = None  # type: ignore[assignment]

    @property
    def title(self) -> str:
        """'runs/shop: 1,310 held-out texts, 300 nodes of 2,121'."""
        kind = texts_in_words(self.texts) if self.texts else "texts"
        name = f"{self.label}: " if self.label else ""
        return f"{name}{self.n_queries:,} {kind}, {self.n_nodes:,} nodes of {self.n_documents:,}"

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows) of the table."""
        rows = [
            ("named node right (accuracy@1)", self.accuracy),
            ("the same, mean over nodes (macro)", self.macro),
            ("MRR", self.mrr),
            ("hit@5", self.hit5),
            ("hit@10", self.hit10),
            ("hierarchical precision", self.precision),
            ("hierarchical recall", self.recall),
            ("hierarchical F1 (hF)", self.f1),
            ("F1, mean over texts", self.mean_f1),
            ("answer set exact", self.exact),
        ]
        cells = [[name, percent(each.value), f"{percent(each.low)} to {percent(each.high)}"] for name, each in rows]
        low, high = (0.0 if end is None else end for end in (self.hops.low, self.hops.high))
        cells.append(["hops to the right node, mean", f"{self.hops.value:.2f}", f"{low:.2f} to {high:.2f}"])
        header = ["named node", "%", "95 % interval"]
        return (header, cells) if self.bootstrap else (header[:2], [row[:2] for row in cells])

    def remarks(self) -> list[str]:
        """The lines below the table: hops, accuracy by depth and by labels, how answers were made."""
        hops = (f"{i}: {percent(count / self.n_queries)}" for i, count in enumerate(self.hops_counts) if count)
        lines = [f"hops, % of texts: {', '.join(hops)}"]
        for name, slices in (("depth", self.by_depth), ("labels of the node", self.by_labels)):
            if slices:
                told = (f"{each.name}: {percent(each.accuracy)} ({each.n_queries:,})" for each in slices)
                lines.append(f"named node right by {name}, % (texts): {', '.join(told)}")
        return [*lines, *([self.note] if self.note else [])]

    def __repr__(self) -> str:
        right, f1 = percent(self.accuracy.value), percent(self.f1.value)
        return f"NodeReport({self.title}; named node right {right} %, hF {f1} %)"

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw how many hops named nodes are off, and how many are right by depth of the true node.

        Args:
            path: with the suffix .png or .svg.

        Raises:
            MissingExtraError: matplotlib is not installed.
            InputError: another suffix.
        """
        figure, (left, right) = figure_at(path, columns=2)
        left.bar(range(len(self.hops_counts)), [100 * count / self.n_queries for count in self.hops_counts])
        left.set(xlabel="hops to the right node", ylabel="texts (%)", title=self.label)
        right.bar([each.name for each in self.by_depth], [100 * each.accuracy for each in self.by_depth])
        right.set(xlabel="depth of the right node", ylabel="named node right (%)", ylim=(0, 102))
        for axes in (left, right):
            axes.grid(axis="y", alpha=0.3)
        return save_figure(figure, path)


def measure_nodes(
    predictions: Predictions,
    pairs: Pairs,
    *,
    closure: Closure | None = None,
    n_labels: Ints | None = None,
    label: str = "",
    texts: TextsOf | None = None,
    note: str = "",
    sure: Floats | None = None,
    bootstrap: int = 1_000,
    seed: int = 0,
) -> NodeReport:
    """Measure which node each text names.

    Args:
        predictions: for queries of `pairs` that have a document at distance 0.
        pairs: what is right. Its documents are those of the predictions.
        closure: the ancestors of every document, for hops and depth; None: as `closure_in(pairs)` finds them.
        n_labels: how many labels training had for each document; None leaves out the slices by it.
        label, texts, note: kept in the report.
        sure: the probability told of each named node (float64, one a query), kept in the report; None for none.
        bootstrap: draws of queries for the 95 % intervals; 0 leaves them out.
        seed: of the draws.

    Raises:
        PairsError: a query without a document at distance 0, or no query.
        InputError: predictions, closure or labels of another table of documents; a negative number of draws.

    >>> measure_nodes(Predictions.from_ranked(rows, ranked, closure_in(pairs)), pairs).accuracy.value
    """
    if bootstrap < 0:
        raise InputError(f"bootstrap is a number of draws, 0 for no intervals, got {bootstrap}.")
    if n_labels is not None and len(n_labels) != pairs.n_documents:
        raise InputError(f"n_labels must be one number for each of {pairs.n_documents:,} documents.")
    sums = node_sums(predictions, pairs, closure_in(pairs) if closure is None else closure)
    n = len(predictions)
    values = _figures(np.ones((1, n)), sums)
    drawn = [_figures(counts, sums) for counts in draw_counts(n, n=bootstrap, seed=seed)] if bootstrap else []
    figures: dict[str, Any] = {}
    for name, value in values.items():
        low, high = interval(np.concatenate([each[name] for each in drawn])) if drawn else (None, None)
        figures[name] = Figure(value=float(value[0]), low=low, high=high)

    right = sums.columns[sums.place, 0]

    def sliced(kinds: Ints, names: list[str]) -> tuple[NodeSlice, ...]:
        found = []
        for kind in np.unique(kinds).tolist():
            some = kinds == kind
            n_queries, n_nodes = len(np.unique(sums.place[some])), len(np.unique(sums.nodes[some]))
            accuracy = float(right[some].mean())
            found.append(NodeSlice(name=names[kind], n_queries=n_queries, n_nodes=n_nodes, accuracy=accuracy))
        return tuple(found)

    by_labels: tuple[NodeSlice, ...] = ()
    if n_labels is not None:
        buckets = np.searchsorted(list(LABEL_BUCKETS), n_labels[sums.nodes], side="right") - 1
        by_labels = sliced(buckets, list(LABEL_BUCKETS.values()))
    about: dict[str, Any] = {"label": label, "texts": texts, "note": note, "seed": seed, "bootstrap": bootstrap}
    return NodeReport(
        **about,
        n_queries=n,
        n_documents=pairs.n_documents,
        n_nodes=len(np.unique(sums.nodes)),
        **figures,
        hops_counts=tuple(np.bincount(sums.columns[:, -1].astype(np.int64)).tolist()),
        by_depth=sliced(sums.depth, [str(depth) for depth in range(int(sums.depth.max()) + 1)]),
        by_labels=by_labels,
        sums=sums,
        predictions=predictions,
        sure=sure,
    )


def _figures(counts: Shares, sums: NodeSums) -> dict[str, Shares]:
    """Every figure of each draw (float64, n_draws), from how often it has each query (n_draws x n)."""
    added = dict(zip(_COLUMNS, (counts @ sums.columns).T, strict=True))
    n = counts.sum(1)
    nodes = sums.by_node()
    weights = counts @ nodes
    with np.errstate(invalid="ignore"):
        macro = np.nanmean(((counts * sums.columns[:, 0]) @ nodes) / weights, axis=1)
    answered, wanted, both = (added.pop(name) for name in ("answered", "wanted", "both"))
    means = {name: value / n for name, value in added.items()}
    return {
        "accuracy": means["right"],
        "mrr": means["reciprocal"],
        **{name: means[name] for name in ("hit1", "hit5", "hit10", "exact", "hops")},
        **{f"mean_{name}": means[name] for name in ("precision", "recall", "f1")},
        "precision": both / np.maximum(answered, 1),
        "recall": both / wanted,
        "f1": 2 * both / (answered + wanted),
        "macro": macro,
    }


def compare_nodes(a: NodeReport, b: NodeReport, *, bootstrap: int = 1_000, seed: int = 0) -> dict[str, Difference]:
    """Two reports of the same texts, paired: b - a of every figure by its name, such as "accuracy" and "f1".

    Args:
        a, b: reports just made, not loaded ones.
        bootstrap: how many draws of queries, the same ones for both.
        seed: of the draws.

    Raises:
        InputError: measured on different pairs, a loaded report, less than one draw.
    """
    if a.sums is None or b.sums is None:
        raise InputError("A loaded node report does not know its texts one by one; measure again to compare.")
    if a.sums.fingerprint != b.sums.fingerprint or len(a.sums.columns) != len(b.sums.columns):
        raise InputError("The node reports were measured on different pairs; measure both on the same to compare them.")
    drawn: dict[str, list[Shares]] = {}
    for counts in draw_counts(len(a.sums.columns), n=bootstrap, seed=seed):
        first, second = _figures(counts, a.sums), _figures(counts, b.sums)
        for name, values in second.items():
            drawn.setdefault(name, []).append(values - first[name])
    out = {}
    for name, parts in drawn.items():
        values = np.concatenate(parts)
        figures = getattr(a, name).value, getattr(b, name).value
        out[name] = Difference(name, *figures, *interval(values), p_value(values))
    return out
