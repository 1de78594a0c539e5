"""Runs as a server holds them: loaded with all that an answer shows, and replaced while requests go on."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rootward.calibration.calibrate import NAME as CALIBRATION
from rootward.calibration.calibrate import Calibration
from rootward.csr import offsets_of
from rootward.errors import InputError, UnknownIdError, quoted
from rootward.evaluation import Report
from rootward.evaluation.naming import NodeReport
from rootward.folders import CLASSIFIER, CONFIG, REPORT, read_config
from rootward.retrieval import Filter, Result, Searcher
from rootward.retrieval.catalogue import Ancestors
from rootward.texts import Texts

MOST_DOCUMENTS = 1_000
"""Documents of a text that are returned at most; an answer set that has more is cut off and says so."""

_CHILDREN_SHOWN = 200
_MEANINGS = 21  # of an ambiguous text, the one that was searched for included
_LONGEST_SCAN = 2_000  # completions that are compared for one prefix
_ALIKE = 3  # letters that names share which are proposed for an unknown one


@dataclass(frozen=True)
class Question:
    """How texts are searched; texts with equal questions may be searched in one call.

    Attributes:
        k: how many documents; with a threshold the best that are not accepted follow the answer set up to so many.
        threshold: None for the k best, "auto" or a score for the answer set.
        below, above, hops, levels: filters, see `rootward.Filter`.
        explain: add paths, ancestors, probabilities, names and edges.
    """

    k: int = 10
    threshold: float | Literal["auto"] | None = None
    below: str | None = None
    above: str | None = None
    hops: int | None = None
    levels: tuple[int, int | None] | None = None
    explain: bool = True

    @property
    def where(self) -> Filter | None:
        """The filters together; None for none.

        Raises:
            InputError: hops without a document to count from, or levels that end before they begin.
        """
        if self.hops is not None and self.below is None and self.above is None:
            raise InputError("hops says how far from a document; give below or above with it.")
        return Filter.joined(below=self.below, above=self.above, levels=self.levels, within=self.hops)


@dataclass(frozen=True, eq=False)
class ServedRun:
    """One run, read and ready; nothing in it changes. A newer one of the same name is another object.

    Attributes:
        name: by which requests name it.
        folder: where it was read.
        generation: 1 for the first run under this name, one more for each that was taken over.
        searcher: answers.
        card: what `GET /v1/runs/NAME` says of it, without name and generation.
    """

    name: str
    folder: Path
    generation: int
    searcher: Searcher
    card: Mapping[str, Any]

    @classmethod
    def load(
        cls,
        folder: Path,
        name: str,
        generation: int = 1,
        *,
        index: Path | None = None,
        encoder: str | None = None,
    ) -> ServedRun:
        """Read a run and search it once, so that the first request finds every table built.

        Raises:
            RunFolderError: a folder that is missing, damaged, or from a newer version.
            InputError: an index of another model.
        """
        searcher = Searcher.open(folder, index=index, encoder=encoder)
        run = cls(name, folder, generation, searcher, model_card(folder, searcher))
        _ = run.completions, run.children
        known = [searcher.model.query_ids[0]] if len(searcher.model.query_ids) else []
        for explain in (False, True):
            run.search([*known, "warm up"], Question(explain=explain))
        return run

    # -- search ------------------------------------------------------------------------------------------------------

    def search(self, texts: Sequence[str], question: Question) -> list[dict[str, Any]]:
        """One result a text, as JSON values; a text without an answer has an "error".

        Raises:
            InputError: what holds for all texts: a filter that cannot be used, an unknown node in it.
        """
        where, k, ids = question.where, question.k, self.searcher.index.document_ids
        for name in ("below", "above"):
            label = getattr(question, name)
            if label is not None and ids.find([ids.old.get(label, label)])[0] < 0:
                raise UnknownIdError(f"{name}: no document has the id {quoted(label)}; GET /v1/complete finds ids.")
        best = self._search(texts, where, read=None, k=k)
        if question.threshold is None:
            return [self._as_json(result, question) for result in best]
        if question.threshold == "auto":  # accepted documents come first, so most sets are whole in the k best
            whole = [each.error is not None or len(each) < k or each.accepted[-1] is False for each in best]
        else:
            whole = [False] * len(texts)
        read = [each for each, is_whole in zip(best, whole, strict=True) if not is_whole]
        rest = [each.text for each in read]
        sets = iter(self._search(rest, where, read, threshold=question.threshold, cap=MOST_DOCUMENTS + 1))
        return [
            self._as_json(own, question) if is_whole else self._as_json(next(sets), question, own)
            for own, is_whole in zip(best, whole, strict=True)
        ]

    def _search(
        self, texts: Sequence[str], where: Filter | None, read: Sequence[Result] | None, **options: Any
    ) -> list[Result]:
        """Search all texts, `read` before or not; where one of several has no threshold or the like, each by itself."""
        unknown = [self._unknown(text) for text in texts]
        places = [i for i, error in enumerate(unknown) if error is None]
        rest, before = [texts[i] for i in places], None if read is None else [read[i] for i in places]
        try:
            found = iter(
                self.searcher.search(rest, where=where, errors="keep", before=before, **options) if rest else ()
            )
        except InputError as error:
            if len(texts) > 1:
                return [each for text in texts for each in self._search([text], where, None, **options)]
            if options.get("threshold") == "auto":
                self.searcher.search(texts, 1, where=where, errors="keep")  # raises if it is not about this text
                return [Result(texts[0], texts[0], error=error)]
            raise
        return [next(found) if error is None else error for error in unknown]

    def _unknown(self, text: str) -> Result | None:
        """Why a text has no answer that names no query where queries are looked up; None for other texts.

        The library compares it with all names, which takes 40 ms in WordNet; here names that begin alike are looked up.
        """
        model = self.searcher.model
        if model.reads_texts or self.searcher.classifier is not None or model.meanings(text):
            return None
        wanted = text.strip()
        lengths = range(len(wanted), max(_ALIKE, 2 * len(wanted) // 3) - 1, -1)
        near = next(filter(None, (self.complete(wanted[:n], 3) for n in lengths)), [])
        alike = f" Did you mean {' or '.join(repr(each['name'] or each['id']) for each in near)}?" if near else ""
        message = f"Nothing is called {quoted(text)} among {len(model.query_ids):,} queries.{alike}"
        return Result(text, text, error=UnknownIdError(message))

    def _as_json(self, result: Result, question: Question, more: Result | None = None) -> dict[str, Any]:
        """A result as JSON values; documents of `more` follow up to k, as not accepted."""
        found = result.to_dict(brief=not question.explain)
        documents = found.get("documents", [])
        values: dict[str, Any] = {
            "text": result.text,
            "query": result.query,
            "others": list(result.meanings[1:_MEANINGS]),
            "unseen": result.unseen,
            "node": result.node,
            "probability": result.probability,
            "nothing_fits": result.error is None and result.node is None,
            "threshold": found.get("threshold"),
            "notes": [] if result.error else list(result.notes),
            "documents": documents,
        }
        if result.error is not None:
            return {**values, "error": str(result.error)}
        if len(documents) > MOST_DOCUMENTS:
            del documents[MOST_DOCUMENTS:]
            values["truncated"] = True
        if more is not None and more.error is None and len(documents) < question.k:
            there = {document["id"] for document in documents}
            others = (each for each in more.to_dict(brief=not question.explain)["documents"] if each["id"] not in there)
            documents += [{**each, "accepted": False} for each in islice(others, question.k - len(documents))]
        strange = result.node is None and result.probability is not None  # a classifier's chances are of texts that fit
        for rank, document in enumerate(documents, start=1):
            document["rank"] = rank
            if strange:
                document.pop("probability", None)
            document.setdefault("name", "")
            document.setdefault("added", False)
        if "missing" in found:
            values["missing"] = list(result.missing)
        return values

    def names_and_edges(self, results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """{"names": id to name, "edges": [child, parent]} of the documents of results, right ones that are missing, and
        everything above them."""
        ids = self.searcher.index.document_ids
        shown: dict[str, None] = {}
        for result in results:
            for document in result["documents"]:
                shown[document["id"]] = None
                shown.update(dict.fromkeys(document.get("ancestors", ())))
            shown.update(dict.fromkeys(result.get("missing", ())))  # what is above them is right, too
        rows = ids.find(list(shown))
        edges = [
            [label, ids[parent]]
            for label, row in zip(shown, rows.tolist(), strict=True)
            for parent in self._parents(row)
        ]
        return {
            "names": {label: self._name(row) for label, row in zip(shown, rows.tolist(), strict=True)},
            "edges": edges,
        }

    # -- nodes -------------------------------------------------------------------------------------------------------

    def node(self, label: str) -> dict[str, Any] | None:
        """What is known of a document: names, parents, children, ancestors; None where there is none of this id."""
        ids = self.searcher.index.document_ids
        row = int(ids.find([ids.old.get(label, label)])[0])
        if row < 0:
            return None
        texts, known = self.texts, self.ancestors
        start, stop = self.children[0][row : row + 2].tolist()
        children = self.children[1][start : min(stop, start + _CHILDREN_SHOWN)].tolist()
        above: list[dict[str, Any]] = []
        if known is not None:
            part = slice(known.offsets[row] + 1, known.offsets[row + 1])
            above = [
                {**self._brief(other), "distance": hops}
                for other, hops in zip(known.rows[part].tolist(), known.hops[part].tolist(), strict=True)
            ]
        return {
            "id": ids[row],
            "name": self._name(row),
            "synonyms": [] if texts is None else list(texts.synonyms[row]),
            "depth": None if known is None or known.depth[row] < 0 else int(known.depth[row]),
            "parents": [self._brief(parent) for parent in self._parents(row)],
            "children": [self._brief(child) for child in children],
            "n_children": stop - start,
            "ancestors": above,
        }

    def complete(self, prefix: str, limit: int) -> list[dict[str, str]]:
        """Documents of which a name, synonym or id begins so, whatever the case: names first, short ones first."""
        wanted = prefix.lstrip().casefold()
        if not wanted:
            return []
        forms = self.completions[0]
        start = bisect_left(forms, wanted)
        found = []
        for place in range(start, min(start + _LONGEST_SCAN, len(forms))):
            if not forms[place].startswith(wanted):
                break
            kind, row = self.completions[1][place]
            found.append((kind, len(forms[place]), forms[place], self.searcher.index.document_ids[row], row))
        rows = dict.fromkeys(row for *_, row in sorted(found))
        return [self._brief(row) for row in islice(rows, limit)]

    @cached_property
    def texts(self) -> Texts | None:
        """Names of the documents."""
        return self.searcher.index.document_texts

    @cached_property
    def ancestors(self) -> Ancestors | None:
        """Of the documents; None where the run knows no hierarchy."""
        return self.searcher.ancestors

    @cached_property
    def children(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(offsets, rows): the children of each document, as CSR."""
        n, known = len(self.searcher.index.document_ids), self.ancestors
        if known is None:
            return np.zeros(n + 1, np.int64), np.empty(0, np.int64)
        direct = np.flatnonzero(known.hops == 1)
        child, parent = np.searchsorted(known.offsets, direct, side="right") - 1, known.rows[direct]
        return offsets_of(np.bincount(parent, minlength=n)), child[np.argsort(parent, kind="stable")]

    @cached_property
    def completions(self) -> tuple[list[str], list[tuple[int, int]]]:
        """(casefolded names, synonyms and ids in order; 0, 1 or 2 for these and the row of each)."""
        texts, entries = self.texts, []
        for row, label in enumerate(self.searcher.index.document_ids):
            if texts is not None:
                if texts.names[row]:
                    entries.append((texts.names[row].casefold(), 0, row))
                entries += [(synonym.casefold(), 1, row) for synonym in texts.synonyms[row]]
            entries.append((label.casefold(), 2, row))
        entries.sort()
        return [form for form, _, _ in entries], [(kind, row) for _, kind, row in entries]

    def _brief(self, row: int) -> dict[str, str]:
        return {"id": self.searcher.index.document_ids[row], "name": self._name(row)}

    def _name(self, row: int) -> str:
        return "" if self.texts is None else self.texts.names[row]

    def _parents(self, row: int) -> list[int]:
        known = self.ancestors
        if known is None:
            return []
        part = slice(known.offsets[row], known.offsets[row + 1])
        parents: list[int] = known.rows[part][known.hops[part] == 1].tolist()
        return parents


# -- the model card ----------------------------------------------------------------------------------------------------


def model_card(folder: Path, searcher: Searcher) -> dict[str, Any]:
    """What a run is and how good it is, from its own report files.

    Figures are shares in percent. They are called "held-out" only where training knew none of the queries measured.
    """
    config = read_config(folder)
    remarks = [note.replace(str(folder), folder.name) for note in searcher.notes]
    recall: float | None = None
    by_distance: list[dict[str, Any]] = []
    kind = "trained"
    if (folder / REPORT).is_file():
        report = Report.load(folder / REPORT)
        kind = "held-out" if report.n_unseen == report.n_queries else "trained"
        recall = 100 * report.overall.value
        by_distance = [
            {"distance": each.distance, "recall": 100 * each.recall.value, "n": each.n_pairs} for each in report.slices
        ]
        if kind == "held-out":
            remarks.append(f"Recall is of {report.n_queries:,} queries that training did not know.")
        elif report.n_unseen:
            remarks.append(
                f"Recall is of {report.n_queries:,} queries, of which {report.n_unseen:,} were unknown to training."
            )
        else:
            remarks.append(f"Recall is of the {report.n_queries:,} queries that it was trained on; none were held out.")
    else:
        remarks.append("This run has no report, so its recall is not known.")
    nodes: dict[str, Any] | None = None
    if (folder / CLASSIFIER / REPORT).is_file():
        named = NodeReport.load(folder / CLASSIFIER / REPORT)
        shares = {
            "accuracy": named.accuracy,
            "hp": named.precision,
            "hr": named.recall,
            "hf": named.f1,
            "mrr": named.mrr,
        }
        nodes = {name: 100 * figure.value for name, figure in shares.items()}
        nodes |= {"n": named.n_queries, "kind": "held-out" if named.texts == "held-out" else "trained"}
        remarks.append(
            f"Figures of named nodes are of {named.n_queries:,} {named.texts or 'measured'} texts; then everything was "
            "trained again on all texts."
        )
    if (folder / CALIBRATION).is_file() and searcher.index.calibration is not None:
        sets = Calibration.load(folder).report
        remarks.append(
            f"Answer sets of texts without a known answer: F1 {sets.figures.f1:.1%} on {sets.n_queries:,} queries that "
            "were not calibrated on."
        )
    return {
        "documents": len(searcher),
        "queries": len(searcher.model.query_ids),
        "tower": str(config["towers"]["query"]["kind"]),
        "source": _without_folders(config.get("run", {}).get("source")),
        "labelled": (folder / CLASSIFIER / CONFIG).is_file(),
        "calibrated": searcher.index.calibration is not None,
        "figures": {"kind": kind, "recall": recall, "by_distance": by_distance, "nodes": nodes},
        "remarks": remarks,
    }


def _without_folders(source: str | None) -> str | None:
    """A source as people name it, without where it lies: "edges:shop.csv" for "edges:/home/me/shop.csv"."""
    return None if source is None else re.sub(r"(?:\b[A-Za-z]:)?[^:]*[/\\](?=.)", "", source.rstrip("/\\"))
