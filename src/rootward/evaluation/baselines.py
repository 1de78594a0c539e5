"""Simple methods on the same texts: nearest training text and linear classifiers, by scikit-learn.

Each names one node of the taxonomy; its answers are the node and everything above it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from pydantic import Field

from rootward.encoders.pretrained import Encoder, cache_folder, encode_cached
from rootward.errors import InputError, MissingExtraError, PairsError
from rootward.evaluation.evaluate import in_rows_of
from rootward.evaluation.intervals import Difference
from rootward.evaluation.naming import (
    CANDIDATES,
    NodeReport,
    Predictions,
    TextsOf,
    closure_in,
    compare_nodes,
    measure_nodes,
    n_labels_in,
    named_queries,
)
from rootward.evaluation.results import TableResult, Value, percent
from rootward.pairs import Pairs
from rootward.progress import bar
from rootward.scoring import Ints, unit_rows
from rootward.texts import normal_form, what_is_read

VERSION = 1
MOST_CLASSES = 3_000
"""With more nodes than this a linear classifier takes hours, and is skipped."""

Method: TypeAlias = Literal["tfidf", "svm", "encoder", "encoder+logreg"]

METHODS: dict[Method, str] = {
    "tfidf": "nearest training text by TF-IDF of characters (3 to 5)",
    "svm": "linear SVM on words, word pairs and characters (3 and 4)",
    "encoder": "nearest training text by the sentence encoder",
    "encoder+logreg": "logistic regression on the sentence encoder",
}

_NEAR = 30  # training texts that are looked at for CANDIDATES nodes
_AT_ONCE = 256


class Baseline(Value):
    """One method: what it reaches, or why it was skipped.

    Attributes:
        name: of the method.
        report: of the same texts; None where it was skipped.
        seconds: of reading, training and predicting.
        skipped: why, "" where it was not.
        accuracy, f1: ours - this method, paired; None without a report of ours.
        predictions: what it predicts; not saved.
    """

    name: Method
    report: NodeReport | None = None
    seconds: float = 0.0
    skipped: str = ""
    accuracy: Difference | None = None
    f1: Difference | None = None
    predictions: Predictions | None = Field(default=None, exclude=True, repr=False)


class Baselines(TableResult):
    """Simple methods on the same texts, ours beside them; prints as a table in percent.

    Attributes:
        ours: our report of the same texts, None where there is none.
        rows: one a method.
        n_train: training texts that the methods learn from, one for each text and node.
        n_known: how many of the measured texts are training texts too, in some spelling; ours knows them as well.
    """

    noun = "table of baselines"
    format: int = VERSION
    ours: NodeReport | None = None
    rows: tuple[Baseline, ...]
    n_train: int
    n_known: int = 0

    def __getitem__(self, name: Method) -> Baseline:
        return next(row for row in self.rows if row.name == name)

    @property
    def title(self) -> str:
        """'Baselines on 1,310 texts, learnt from 1,116 texts'."""
        reports = [row.report for row in self.rows if row.report is not None]
        n = f"{reports[0].n_queries:,} " if reports else ""
        return f"Baselines on {n}texts, learnt from {self.n_train:,} labelled texts and names"

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows) of the table; skipped methods are among the remarks."""
        header = ["method", "named node right %", "hF %", "seconds"]
        rows: list[list[str]] = []
        if self.ours is not None:
            header[2:2], header[4:4] = ["ours - it"], ["ours - it"]
            name = self.ours.label or "ours"
            rows.append([name, percent(self.ours.accuracy.value), "", percent(self.ours.f1.value), "", ""])
        for row in self.rows:
            if row.report is not None:
                cells: list[str] = [row.name]
                for figure, difference in ((row.report.accuracy, row.accuracy), (row.report.f1, row.f1)):
                    cells.append(percent(figure.value))
                    if difference is not None:
                        low, high = 100 * difference.low, 100 * difference.high
                        cells.append(f"{100 * difference.value:+.2f} ({low:+.2f} to {high:+.2f})")
                rows.append([*cells, f"{row.seconds:.1f}"])
        return header, rows

    def remarks(self) -> list[str]:
        """What the methods are, and why some were skipped."""
        lines = [f"{row.name}: {row.skipped or METHODS[row.name]}" for row in self.rows]
        lines.append("each names a node; its answers are the node and its ancestors; differences: paired 95 % interval")
        if self.n_known:
            lines.append(f"measured texts that are training texts too, in some spelling: {self.n_known:,}")
        if self.ours is not None and self.ours.note:
            lines.append(f"ours: {self.ours.note}")
        return lines


def baselines(
    train: Pairs,
    test: Pairs,
    *,
    encoder: Any = None,
    which: Sequence[Method] | None = None,
    ours: NodeReport | None = None,
    cache: str | os.PathLike[str] | None = None,
    bootstrap: int = 1_000,
    seed: int = 0,
    progress: bool = False,
) -> Baselines:
    """Measure simple methods: learn from the texts of `train`, name the nodes of the texts of `test`.

    Args:
        train: its queries with a document at distance 0 are the labelled texts; they tell the taxonomy, too. A query
            without a name is read by its id, unless that is the id of its node (a node without a name).
        test: queries with a document at distance 0 are measured, the others left out.
        encoder: name, folder or object of a sentence encoder for "encoder" and "encoder+logreg".
        which: methods; None: all for which there is an encoder.
        ours: our report of the same texts, `evaluate(..., nodes=True).nodes`, to compare with.
        cache: folder of encoder outputs, as for `DualEncoder.text`.
        bootstrap: draws of texts for the 95 % intervals, at least 1.
        seed: of the draws, and of the linear SVM.
        progress: show how far it is, where standard error is a terminal.

    Raises:
        PairsError: no text to learn from, or none to measure that is not learnt from.
        UnknownIdError: a document of `test` that `train` does not have.
        InputError: an unknown method, fewer than one draw, `ours` of other pairs, an encoder that cannot be used.
        MissingExtraError: scikit-learn is not installed, or sentence-transformers for an encoder by name.
    """
    try:
        import sklearn  # noqa: F401, PLC0415
    except ImportError as error:
        raise MissingExtraError("Measuring baselines", "sklearn") from error
    methods = list(which if which is not None else METHODS if encoder is not None else ("tfidf", "svm"))
    for name in methods:
        if name not in METHODS:
            raise InputError(f"A baseline is one of {', '.join(get_args(Method))}, got {name!r}.")
    test = in_rows_of(train, test)
    queries = named_queries(test)
    asked = np.array(what_is_read(test.query_ids, test.query_texts), object)[queries].tolist()
    exact = np.flatnonzero(train.distances == 0)
    texts, names = what_is_read(train.query_ids, train.query_texts), train.query_texts and train.query_texts.names
    learnt, nodes = [], []
    for row, node in zip(train.query_of[exact].tolist(), train.documents[exact].tolist(), strict=True):
        text = texts[row]
        if normal_form(text) and (not names or names[row] or text != train.document_ids[node]):
            learnt.append(text)
            nodes.append(node)
    forms = set(map(normal_form, learnt))
    n_known = sum(normal_form(text) in forms for text in asked)
    if not learnt or n_known == len(asked):
        raise PairsError(
            "There are no texts to learn from, or none to measure that are not learnt from; give held-out texts, such "
            "as those of split.test, or pairs:heldout.csv on the command line."
        )
    kind: TextsOf = "partly held-out" if n_known else "held-out"
    closure, labels, rows = closure_in(train), np.array(nodes, np.int64), []
    n_classes = len(np.unique(labels))
    read = _Reader(encoder, learnt, asked, cache)
    for name in methods:
        skipped = ""
        if name in ("svm", "encoder+logreg") and not 1 < n_classes <= MOST_CLASSES:
            skipped = f"skipped, {n_classes:,} nodes have texts; it is run for 2 to {MOST_CLASSES:,}"
        elif name in ("encoder", "encoder+logreg") and encoder is None:
            skipped = "skipped, no sentence encoder was given"
        if skipped:
            rows.append(Baseline(name=name, skipped=skipped))
            continue
        start = time.perf_counter()
        with bar(f"Baseline {name}", 1, progress) as advance:
            known, unknown, classifier = read.features(name, seed)
            if classifier is None:
                ranked = _nearest(known, labels, unknown)
            else:
                ranked = _classes(classifier.fit(known, labels), unknown)
            advance(1)
        seconds = time.perf_counter() - start
        said = Predictions.from_ranked(queries, ranked, closure)
        drawn: dict[str, Any] = {"bootstrap": bootstrap, "seed": seed}
        counts = n_labels_in(train)
        report = measure_nodes(said, test, closure=closure, n_labels=counts, label=name, texts=kind, **drawn)
        against = {} if ours is None else compare_nodes(report, ours, **drawn)
        paired: dict[str, Any] = {figure: against.get(figure) for figure in ("accuracy", "f1")}
        rows.append(Baseline(name=name, report=report, seconds=seconds, predictions=said, **paired))
    return Baselines(ours=ours, rows=tuple(rows), n_train=len(learnt), n_known=n_known)


@dataclass
class _Reader:
    """Reads the texts to learn from and the texts to be named, for each method; the encoder reads once for both."""

    encoder: Any
    learnt: list[str]
    asked: list[str]
    cache: str | os.PathLike[str] | None

    def features(self, name: Method, seed: int) -> tuple[Any, Any, Any]:
        """(features of the learnt texts, of the others, the classifier; None for the nearest text)."""
        from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
        from sklearn.pipeline import make_union  # noqa: PLC0415
        from sklearn.svm import LinearSVC  # noqa: PLC0415

        if name in ("encoder", "encoder+logreg"):
            return *self.vectors, None if name == "encoder" else LogisticRegression(C=20, max_iter=200)
        usual: dict[str, Any] = {"sublinear_tf": True, "dtype": np.float32}
        if name == "tfidf":
            reader = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), **usual)
            return reader.fit_transform(self.learnt), reader.transform(self.asked), None
        least = min(2, len(self.learnt))
        reader = make_union(
            TfidfVectorizer(ngram_range=(1, 2), **usual),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), min_df=least, **usual),
        )
        return reader.fit_transform(self.learnt), reader.transform(self.asked), LinearSVC(random_state=seed)

    @cached_property
    def vectors(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Unit vectors by the encoder."""
        n = len(self.learnt)
        found = encode_cached(Encoder.of(self.encoder), [*self.learnt, *self.asked], cache_folder(self.cache))
        vectors = unit_rows(found[np.arange(n + len(self.asked))])
        return vectors[:n], vectors[n:]


def _classes(model: Any, asked: Any) -> Ints:
    """The classes of the highest decision values (n x CANDIDATES, -1 where there are fewer)."""
    values = model.decision_function(asked)
    values = np.stack([-values, values], 1) if values.ndim == 1 else values
    best = np.argsort(-values, axis=1, kind="stable")[:, :CANDIDATES]
    out = np.full((len(values), CANDIDATES), -1, np.int64)
    out[:, : best.shape[1]] = model.classes_[best]
    return out


def _nearest(learnt: Any, nodes: Ints, asked: Any) -> Ints:
    """The nodes of the training texts with the highest inner product (n x CANDIDATES), each once."""
    out = np.full((asked.shape[0], CANDIDATES), -1, np.int64)
    n_near = min(_NEAR, learnt.shape[0])
    for start in range(0, len(out), _AT_ONCE):
        scores = asked[start : start + _AT_ONCE] @ learnt.T
        scores = scores.toarray() if hasattr(scores, "toarray") else scores
        near = np.argpartition(-scores, n_near - 1, axis=1)[:, :n_near]
        order = np.argsort(-np.take_along_axis(scores, near, 1), axis=1, kind="stable")
        for row, found in enumerate(nodes[np.take_along_axis(near, order, 1)].tolist(), start):
            distinct = list(dict.fromkeys(found))[:CANDIDATES]
            out[row, : len(distinct)] = distinct
    return out
