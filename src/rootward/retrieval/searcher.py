"""`Searcher`: texts in, documents out. The command line, servers and integrations search through it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Group
from torch import Tensor

from rootward.calibration.calibrate import NAME, Calibration
from rootward.calibration.rules import ExpectedSize
from rootward.classification import Classifier, Named, has_classifier
from rootward.csr import offsets_of
from rootward.encoders import DualEncoder
from rootward.errors import InputError, as_json, number, quoted, visible, whole_number
from rootward.pairs import Pairs
from rootward.pairs.storage import PAIRS
from rootward.retrieval.catalogue import Ancestors, Catalogue
from rootward.retrieval.engines.engine import Found
from rootward.retrieval.engines.exact import Exact
from rootward.retrieval.filters import Filter, check_filter
from rootward.retrieval.hits import Hits, Listing
from rootward.retrieval.index import Index
from rootward.scoring import Floats, checked
from rootward.training.run import WHERE, pairs_in

_MEANINGS_SHOWN = 5


@dataclass(frozen=True)
class Match:
    """A document that was found for a text.

    Attributes:
        id: the document's id.
        name: its preferred name, "" where it has none.
        score: inner product with the query, or the probability by the run's classifier; None for a document that was
            only added by `upward`.
        accepted: whether the score reaches the query's threshold; None where that is unknown.
        added: whether it was added because it stands above an accepted document.
        hops: distance from the query; None where it is no right answer, or the right answers are unknown.
        relevant: whether it is a right answer; None where these are unknown: texts that name no known query.
        margin: score minus threshold; None where either is unknown.
        probability: chance of being relevant; None without a calibration or a classifier.
        path: ids from the root down to this document, a shortest one; () where the hierarchy is unknown.
        ancestors: ids of all that stands above it, nearest first; () where the hierarchy is unknown.
    """

    id: str
    name: str = ""
    score: float | None = None
    accepted: bool | None = None
    added: bool = False
    hops: int | None = None
    relevant: bool | None = None
    margin: float | None = None
    probability: float | None = None
    path: tuple[str, ...] = ()
    ancestors: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Batch:
    """Hits of one search, and the vectors or the classifier's answers that they were found with."""

    hits: Hits
    searcher: Searcher
    vectors: Tensor | None = None
    named: Named | None = None

    def rows(self, place: int) -> list[int]:
        """The document rows of one query."""
        start, stop = self.hits.found.offsets[place : place + 2]
        rows: list[int] = self.hits.found.rows[start:stop].tolist()
        return rows

    @cached_property
    def probabilities(self) -> Floats | None:
        """The chance of each entry of the hits to be relevant; None without a calibration or a classifier."""
        index, found = self.searcher.index, self.hits.found
        if self.named is not None:
            return found.scores
        if index.calibration is None or self.vectors is None:
            return None
        rule, queries = index.calibration.rule, self.vectors.detach().cpu().numpy().astype(np.float64)
        if not isinstance(rule, ExpectedSize):
            margins = found.scores - rule.thresholds(queries)[found.place]
        else:  # this rule uses the rank among all documents, those that were filtered out included
            lowest = np.full(len(found), np.inf, np.float32)
            np.fmin.at(lowest, found.place, found.scores.astype(np.float32))
            ranked = index.finder.range(self.vectors, lowest)
            better = np.empty(len(found.rows))
            for i, (start, stop) in enumerate(zip(found.offsets[:-1], found.offsets[1:], strict=True)):
                scores = ranked.scores[ranked.offsets[i] : ranked.offsets[i + 1]]
                better[start:stop] = np.searchsorted(-scores, -found.scores[start:stop])
            margins = rule.expected(queries)[found.place] - (better + 1)
        chances: Floats = index.calibration.chances(margins)
        return np.where(np.isnan(found.scores), np.nan, chances)


@dataclass(frozen=True, eq=False)
class Result:
    """What was found for one text: iterates over `Match`, in the order in which they are shown.

    Attributes:
        text: as it was searched for.
        query: id of the known query that it names; the text itself where it names none.
        meanings: ids of all known queries that it can name, the one that was searched for first; () for none.
        error: why there is no answer; None where there is one.
    """

    text: str
    query: str
    meanings: tuple[str, ...] = ()
    error: InputError | None = None
    _batch: _Batch | None = None
    _place: int = 0

    @property
    def unseen(self) -> bool:
        """Whether it names no known query, and a text tower read it."""
        return not self.meanings and self.error is None

    @property
    def node(self) -> str | None:
        """Id of the node that the text most likely names; None where nothing fits.

        A run with a classifier names it. Without one it is the first document, unless that is known to be rejected.
        """
        if self._batch is None:
            return None
        if (named := self._batch.named) is not None:
            row = int(named.ranked[self._place, 0])
            return self._batch.hits.document_ids[row] if named.fits[self._place] else None
        hits = self._batch.hits
        unknown, first = np.isnan(hits.thresholds[self._place]), hits.accepted[self._place][:1]
        return self.ids[0] if len(first) and (unknown or first[0]) else None

    @property
    def probability(self) -> float | None:
        """The calibrated chance that `node` is right, 0 where nothing fits; None for a run without a classifier."""
        if self._batch is None or (named := self._batch.named) is None:
            return None
        return float(named.sure[self._place]) if named.fits[self._place] else 0.0

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Remarks for a person: other meanings, how the text was read, right answers that are missing."""
        if self._batch is None:
            return (str(self.error),)
        unseen = ("no known query is called so: read as an unseen text",) if self.unseen else ()
        return (*unseen, *self._remarks(self._batch))

    def _remarks(self, batch: _Batch) -> tuple[str, ...]:
        """The node with its probability, remarks on the documents, other meanings."""
        sure: tuple[str, ...] = ()
        if batch.named is not None:
            sure = ("nothing fits" if self.node is None else f"{self.node} with probability {self.probability:.2f}",)
        remarks = (*sure, *batch.hits.remarks(self._place))
        if not (others := self.meanings[1:]):
            return remarks
        more = f" and {len(others) - _MEANINGS_SHOWN} more" if len(others) > _MEANINGS_SHOWN else ""
        return (
            *remarks,
            f"{self.text!r} also means {', '.join(others[:_MEANINGS_SHOWN])}{more}; search for the id",
        )

    @property
    def missing(self) -> tuple[str, ...]:
        """Ids of the right answers that were not returned, nearest first; () where right answers are unknown."""
        pairs = None if self._batch is None else self._batch.searcher.pairs
        if self._batch is None or pairs is None or self._batch.hits.hops is None:
            return ()
        right = pairs.documents[slice(*pairs.offsets[pairs.query_ids.row(self.query) :][:2].tolist())]
        allowed, shown = self._batch.hits.allowed, self._batch.rows(self._place)
        kept = ~np.isin(right, shown) & (True if allowed is None else np.isin(right, allowed))
        return tuple(pairs.document_ids[row] for row in right[kept].tolist())

    @property
    def ids(self) -> list[str]:
        """Ids of the documents."""
        return [] if self._batch is None else self._batch.hits.ids[self._place]

    @property
    def accepted(self) -> list[bool | None]:
        """Whether each document reaches the query's threshold; None where that is unknown."""
        if self._batch is None:
            return []
        flags: list[bool | None] = self._batch.hits.accepted[self._place].tolist()
        return [None] * len(flags) if np.isnan(self._batch.hits.thresholds[self._place]) else flags

    @property
    def names(self) -> list[str]:
        """Names of the documents, "" where one has none."""
        return [] if self._batch is None else [self._batch.hits.name(row) for row in self._batch.rows(self._place)]

    @property
    def scores(self) -> list[float]:
        """Scores of the documents; NaN for those that `upward` added and that were not found before."""
        return [] if self._batch is None else list(map(float, self._batch.hits.scores[self._place]))

    @cached_property
    def matches(self) -> tuple[Match, ...]:
        """The documents with all that is known of them."""
        if self._batch is None:
            return ()
        hits, searcher, probabilities = self._batch.hits, self._batch.searcher, self._batch.probabilities
        margins = (hits.scores[self._place] - hits.thresholds[self._place]).tolist()
        start, documents, matches = hits.found.offsets[self._place], self._told["documents"], []
        for j, row in enumerate(self._batch.rows(self._place)):
            chance = math.nan if probabilities is None else float(probabilities[start + j])
            path, ancestors = searcher.path_and_ancestors(row)
            match = Match(
                **{name: value for name, value in documents[j].items() if name != "rank"},
                margin=margins[j] if math.isfinite(margins[j]) else None,
                probability=None if math.isnan(chance) else chance,
                path=path,
                ancestors=ancestors,
            )
            matches.append(match)
        return tuple(matches)

    @cached_property
    def _told(self) -> dict[str, Any]:
        return {} if self._batch is None else self._batch.hits.query_dict(self._place)

    def __getitem__(self, i: int) -> Match:
        return self.matches[i]

    def __iter__(self) -> Iterator[Match]:
        return iter(self.matches)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Result({self.text!r}, {f'error: {self.error}' if self.error else self.ids})"

    def __eq__(self, other: object) -> bool:
        """The same answer to the same text."""
        return isinstance(other, Result) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def listing(self) -> Listing:
        """The documents as a table that prints, with remarks on right answers and other meanings below it.

        Raises:
            InputError: the text has no answer, for the reason in `error`.
        """
        if self._batch is None:
            raise self.error or InputError(f"{self.text!r} was not searched for.")
        listing = self._batch.hits.listing(self._place, self._batch.searcher.title(self.query))
        return replace(listing, remarks=self._remarks(self._batch))

    def __str__(self) -> str:
        return visible(f"{self.text}\n{self.error}", lines=True) if self._batch is None else str(self.listing())

    def __rich__(self) -> Any:
        return str(self) if self._batch is None else self.listing().__rich__()

    def to_dict(self, *, brief: bool = False) -> dict[str, Any]:
        """As JSON values; an "error" in place of "documents" where there is one.

        Args:
            brief: leave out notes, and each document's margin, probability, path and ancestors.
        """
        if self._batch is None:
            return {"text": self.text, "query": self.query, "error": str(self.error)}
        told = self._told
        about = {"text": self.text, "others": list(self.meanings[1:]), "exact": self._batch.hits.exact}
        if self._batch.named is not None:
            about |= {"node": self.node, "probability": self.probability}
        if brief:
            return {**about, **told, "documents": [dict(document) for document in told["documents"]]}
        documents = [
            {"rank": rank, **vars(match), "path": list(match.path), "ancestors": list(match.ancestors)}
            for rank, match in enumerate(self, start=1)
        ]
        return {**about, "unseen": self.unseen, "notes": list(self.notes), **told, "documents": documents}


class Results(tuple[Result, ...]):
    """One `Result` a text, in the order of the texts."""

    @property
    def ids(self) -> list[list[str]]:
        """Ids of the documents of each text."""
        return [result.ids for result in self]

    def __repr__(self) -> str:
        return f"Results({len(self):,} texts, {sum(map(len, self)):,} documents)"

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))

    def __rich__(self) -> Group:
        return Group(*(result.__rich__() for result in self))

    def to_dict(self) -> list[dict[str, Any]]:
        """One dictionary of JSON values a text."""
        return [result.to_dict() for result in self]

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return as_json(self.to_dict(), indent=2) + "\n"


class Searcher:
    """Finds documents for texts: looks up or reads each text, searches the index, adds what is known of each document.

        searcher = Searcher.open("runs/shoes")
        for result in searcher.search(["flip-flops", "something for the rain"], k=5):
            print(result.text, result.ids)
        searcher.answers(["trainers"])[0][0].path      # ('footwear', 'shoes', 'sneakers')

    Several threads may search at once.

    Args:
        model: encodes the queries.
        index: of the model's documents; None builds an exact one. Open another searcher after changes to it.
        pairs: right answers of known queries, and the hierarchy of the documents; None where unknown.
        calibration: ends the answer sets of queries without a threshold; None keeps the index's.
        classifier: of the same model, answers texts in place of the index; a score is then the probability that a
            document is right. None for none.
        notes: remarks, such as that a run's calibration is of another model and was left out.

    Raises:
        InputError: an index or a calibration of another model.
    """

    def __init__(
        self,
        model: DualEncoder,
        index: Index | None = None,
        pairs: Pairs | None = None,
        calibration: Calibration | None = None,
        *,
        classifier: Classifier | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.model, self.notes, self.classifier = model, tuple(notes), classifier
        index = Index.build(model) if index is None else index
        if pairs is not None:  # equal tables become one, so that no search compares them id by id
            documents = index.document_ids if pairs.document_ids == index.document_ids else pairs.document_ids
            queries = model.query_ids if pairs.query_ids == model.query_ids else pairs.query_ids
            pairs = replace(pairs, document_ids=documents, query_ids=documents if queries == documents else queries)
        self.pairs = pairs
        if index.fingerprint != model.fingerprint():
            raise InputError(
                f"This index is of another model, or from before this one was trained further (fingerprint "
                f"{index.fingerprint}, the model has {model.fingerprint()}). Build the index again."
            )
        self.index = index if calibration is None else index.calibrated(calibration)
        self._lock = RLock()
        self._no_ancestors: InputError | None = None

    @classmethod
    def open(
        cls,
        run: str | Path,
        *,
        index: Index | str | Path | None = None,
        calibration: Calibration | str | Path | Literal["run"] | None = "run",
        encoder: Any = None,
        progress: bool = False,
    ) -> Searcher:
        """A searcher over the documents of a run; one of labelled texts answers by its classifier.

        Args:
            run: a folder that `train` or `DualEncoder.save` wrote.
            index: an index of it, or its folder, which then answers also where the run has a classifier; None searches
                the run's own vectors exactly, as they are mapped from its file: processes on one machine share them.
            calibration: "run" for the run's own, if it has one; or a calibration, or its file; None for none at all.
            encoder: path of the encoder, if the saved one is missing; see `DualEncoder.load`.
            progress: show progress of loading on standard error.

        Raises:
            RunFolderError: a folder that is missing, damaged, or from a newer version.
            InputError: an index or a calibration of another model.
        """
        classifier = None
        if index is None and has_classifier(Path(run)):
            classifier = Classifier.load(run, encoder=encoder)
            model = classifier.evidence.model
        else:
            model = DualEncoder.load(run, encoder=encoder, progress=progress)
        opened = index if index is None or isinstance(index, Index) else Index.load(index)
        if opened is None:
            vectors = model.document_vectors().detach()
            _, vectors = checked(vectors[:0], vectors)
            engine = Exact.over(vectors, np.arange(len(vectors)))
            opened = Index(engine, Catalogue.of(model, None), model.fingerprint())
        note = None
        if calibration is None:
            opened = opened.calibrated(None)
        elif calibration == "run":
            calibration, note = run_calibration(Path(run), model)
        elif isinstance(calibration, str | Path):
            calibration = Calibration.load(calibration)
        assert calibration is None or isinstance(calibration, Calibration)
        pairs = run_pairs(Path(run), model) if classifier is None else classifier.pairs
        notes = () if note is None else (note,)
        return cls(model, opened, pairs, calibration, classifier=classifier, notes=notes)

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        calibrated = ", calibrated" if self.index.calibration is not None else ""
        return f"Searcher({len(self):,} documents, {self.index.engine.name}{calibrated})"

    # -- searching ---------------------------------------------------------------------------------------------

    def search(
        self,
        texts: str | int | Iterable[str | int],
        k: int | None = None,
        *,
        threshold: float | Literal["auto"] | None = None,
        where: Filter | None = None,
        nearest_first: bool = True,
        upward: bool = False,
        cap: int | None = None,
        errors: Literal["raise", "keep"] = "raise",
        before: Sequence[Result] | None = None,
    ) -> Results:
        """The documents of each text: the k best, or its answer set.

        A text that is the id, the name or a synonym of known queries is searched as the first of them; other texts are
        read by the model's text tower, where it has one. A classifier answers all texts with the node that each names,
        everything above it and what else is likely; then the less likely follow, which are not accepted.

        Args:
            texts: a list of texts or ids; one alone is a list of one.
            k: how many documents; without it 10, or all of the answer set.
            threshold: None searches the k best. A number takes the answer set instead, the documents that score at
                least this; "auto" takes each query's own threshold, see `Index.answers`, or the classifier's floor.
            where: only documents that match: `Filter.below("footwear")`.
            nearest_first: accepted documents first, by their distance; False orders by score alone.
            upward: add what stands above accepted documents, see `Hits.repaired`.
            cap: of an answer set find at most so many documents, the best by score; None finds all.
            errors: "raise" raises for the first text without an answer; "keep" keeps each error in its `Result`.
            before: what this searcher found for the same texts; a classifier then does not read them again.

        Raises:
            UnknownIdError: a text that names nothing, where the model looks its queries up; or a filter does.
            InputError: a text of which the text tower knows no part, something that is no text, k below 1, "auto" for a
                query without threshold or calibration, a filter or `upward` where the hierarchy is unknown.
        """
        k = None if k is None else whole_number(k, "k is how many documents to return and at least 1", 1)
        if threshold is not None and threshold != "auto":
            threshold = number(threshold, "threshold is a score or 'auto'")
        check_filter(where)
        pairs, index = self.pairs, self.index if where is None or not where.needs_ancestors else self._with_ancestors()
        results = [self._named(text) for text in ([texts] if isinstance(texts, str | int) else texts)]
        if self.classifier is not None:
            for result in results:
                if errors == "raise" and result.error is not None:
                    raise result.error
            return self._classified(self.classifier, results, k, threshold, where, cap, nearest_first, before)
        if upward and (pairs is None or not pairs.is_graph):
            raise InputError(
                "Adding ancestors needs a run of a hierarchy, in which documents are queries too; this one has no such "
                "pairs. Leave out upward."
            )
        groups = {True: [i for i, each in enumerate(results) if each.meanings]}
        groups[False] = [i for i, each in enumerate(results) if each.unseen]
        queries = {}
        with self._lock:  # tokenizers are not safe to use from several threads
            if groups[True]:
                queries[True] = self.model.queries([results[i].query for i in groups[True]])
            if groups[False]:
                queries[False] = self.model.encode_queries([results[i].text for i in groups[False]])
        if groups[False]:
            read = queries[False]
            nonzero = (read.vectors != 0).any(dim=1)
            queries[False] = replace(read, thresholds=torch.where(nonzero, read.thresholds, torch.inf))
            for i, is_read in zip(groups[False], nonzero.tolist(), strict=True):
                if not is_read:
                    shown = quoted(results[i].text)
                    error = f"No part of {shown} was among the texts that this model has learnt from; try other words."
                    results[i] = replace(results[i], error=InputError(error))
        for result in results:
            if errors == "raise" and result.error is not None:
                raise result.error
        for known, batch in queries.items():
            if threshold is None:
                hits = index.search(batch, 10 if k is None else k, where=where, nearest_first=nearest_first)
            else:
                hits = index.answers(batch, threshold=threshold, where=where, cap=cap, nearest_first=nearest_first)
                hits = hits if k is None else hits.first(k)
            if pairs is not None and upward:
                hits = hits.repaired(pairs)
            if pairs is not None and known and pairs.document_ids == index.document_ids:  # an index may have grown
                hits = hits.marked(pairs)
            found = _Batch(hits, self, batch.vectors)
            for place, i in enumerate(groups[known]):
                if results[i].error is None:
                    results[i] = replace(results[i], _batch=found, _place=place)
        return Results(results)

    def _classified(
        self,
        classifier: Classifier,
        results: list[Result],
        k: int | None,
        threshold: float | Literal["auto"] | None,
        where: Filter | None,
        cap: int | None,
        nearest_first: bool,
        before: Sequence[Result] | None,
    ) -> Results:
        """`search` by a classifier: answers are closed upwards, so nothing has to be added to them."""
        allowed = None
        if where is not None:
            ancestors = self._with_ancestors().catalogue.ancestors if where.needs_ancestors else None
            allowed = where.where(self.model.document_ids, ancestors).rows
        floor = classifier.weights.floor if threshold is None or threshold == "auto" else threshold
        most = cap if threshold is not None else None
        for known in (True, False):
            places = [i for i, each in enumerate(results) if each.error is None and bool(each.meanings) is known]
            if not places:
                continue
            named = None if before is None else _read_before([before[i] for i in places])
            if named is None:
                with self._lock:
                    named = classifier.read([self._words(results[i]) for i in places])
            rows, scores, cut_off = [], [], list[bool]()
            for place in range(len(places)):
                found, chances = named.holding(place, 0.0 if threshold is None else floor)
                kept = np.ones(len(found), np.bool_) if allowed is None else np.isin(found, allowed)
                if threshold is not None and not named.fits[place]:
                    kept[:] = False
                found, chances = found[kept], chances[kept]
                cut_off.append(most is not None and len(found) > most)
                if cut_off[-1]:
                    likeliest = np.sort(np.argsort(-chances, kind="stable")[:most])
                    found, chances = found[likeliest], chances[likeliest]
                first = (chances >= floor) & named.fits[place] & nearest_first
                order = np.lexsort((np.where(first, 0, -chances), ~first))  # stable: the nearest come first
                order = order[: k if k is not None else 10 if threshold is None else None]
                rows.append(found[order])
                scores.append(chances[order].astype(np.float32))
            hits = Hits(
                tuple(results[i].query for i in places),
                Found(
                    offsets_of(np.array(list(map(len, rows)))),
                    np.concatenate(rows),
                    np.concatenate(scores),
                    truncated=np.array(cut_off) if any(cut_off) else None,
                ),
                np.where(named.fits, floor, np.inf).astype(np.float32),
                self.model.document_ids,
                self.model.document_texts,
                allowed,
            )
            if known and self.pairs is not None:
                hits = hits.marked(self.pairs)
            batch = _Batch(hits, self, named=named)
            for place, i in enumerate(places):
                results[i] = replace(results[i], _batch=batch, _place=place)
        return Results(results)

    def _words(self, result: Result) -> str:
        """What a classifier reads: the text, or the name of the query whose id it is."""
        texts, ids = self.model.query_texts, self.model.query_ids
        if not result.meanings or result.text != result.query or texts is None:
            return result.text
        return texts.names[ids.row(result.query)] or result.text

    def answers(self, texts: str | int | Iterable[str | int], **options: Any) -> Results:
        """The answer set of each text, however large: `search` with threshold="auto"; takes its options."""
        return self.search(texts, **{"threshold": "auto", **options})

    def _named(self, text: str | int) -> Result:
        """The text with the known queries that it can name, or why it has no answer."""
        try:
            if isinstance(text, bool) or not isinstance(text, str | int | np.integer):
                raise InputError(f"{text!r} is a {type(text).__name__}; needed a text or an id.")
            meanings = tuple(self.model.meanings(str(text)))
            if not meanings and not self.model.reads_texts:
                self.model.find(str(text))  # raises, with what is spelled alike
            return Result(str(text), meanings[0] if meanings else str(text), meanings)
        except InputError as error:
            return Result(str(text), str(text), error=error)

    # -- what is known of documents and queries ----------------------------------------------------------------

    def title(self, query: str) -> str:
        """A query for people: 'recliner.n.01: recliner, reclining chair, lounger' where it has names."""
        texts, ids = self.model.query_texts, self.model.query_ids
        names = () if texts is None or query not in ids else texts.all_names(ids.row(query))
        return f"{query}: {', '.join(names)}" if names and names != (query,) else query

    @property
    def ancestors(self) -> Ancestors | None:
        """Of the documents; None where the hierarchy is unknown."""
        try:
            return self._with_ancestors().catalogue.ancestors
        except InputError:
            return None

    def path_and_ancestors(self, row: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(ids on a shortest path from the root to this document row, ids above it, nearest first); () if unknown."""
        known = self.index.catalogue.ancestors
        known = self.ancestors if known is None else known
        if known is None or known.depth[row] < 0:
            return (), ()
        label, path = self.index.document_ids, [row]
        while (above_it := int(self._highest_parents[path[-1]])) >= 0:
            path.append(above_it)
        above = known.rows[known.offsets[row] + 1 : known.offsets[row + 1]].tolist()
        return tuple(label[each] for each in reversed(path)), tuple(label[each] for each in above)

    @cached_property
    def _highest_parents(self) -> npt.NDArray[np.int32]:
        """int32, one a document: the row of its parent nearest to a root, the lowest of several; -1 where none."""
        known = self.ancestors
        assert known is not None
        place = np.repeat(np.arange(len(known)), np.diff(known.offsets))
        direct = known.hops == 1
        child, parent = place[direct], known.rows[direct]
        order = np.lexsort((parent, known.depth[parent], child))
        children, first = np.unique(child[order], return_index=True)
        found = np.full(len(known), -1, np.int32)
        found[children] = parent[order][first]
        return found

    def _with_ancestors(self) -> Index:
        """The index with the ancestors of its documents, which are read from the pairs when they are first needed.

        Raises:
            InputError: there are no pairs, or they are of no hierarchy.
        """
        with self._lock:
            if self._no_ancestors is None and self.index.catalogue.ancestors is None:
                try:
                    if self.pairs is None:
                        raise InputError("This model was saved without pairs, which say where documents stand.")
                    ancestors = Ancestors.of(self.pairs, self.index.document_ids)
                    self.index = replace(self.index, catalogue=replace(self.index.catalogue, ancestors=ancestors))
                except InputError as error:
                    self._no_ancestors = error
            if self._no_ancestors is not None:
                raise self._no_ancestors
            return self.index


def _read_before(results: Sequence[Result]) -> Named | None:
    """What a classifier made of these texts; None where it did not read all of them at once."""
    batch = results[0]._batch
    if batch is None or batch.named is None or any(each._batch is not batch for each in results):
        return None
    return batch.named.take([each._place for each in results])


def run_pairs(run: Path, model: DualEncoder) -> Pairs | None:
    """The pairs that a run was trained on; None for a model that was saved without."""
    return pairs_in(run, model) if any((run / name).is_file() for name in (PAIRS, WHERE)) else None


def run_calibration(run: Path, model: DualEncoder) -> tuple[Calibration | None, str | None]:
    """(the calibration of a run, None where it has none for this model; a note where one was left out)."""
    if not (run / NAME).is_file():
        return None, None
    found = Calibration.load(run)
    if found.fingerprint == model.fingerprint():
        return found, None
    return None, f"{run / NAME} is of another model and left out; calibrate again: rootward calibrate {run}"
