"""`calibrate`: a model and queries whose answers are known in, a `Calibration` for all other queries out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from rootward.calibration.repair import Graph
from rootward.calibration.rules import (
    RULES,
    AnyRule,
    Array,
    ExpectedSize,
    FixedSize,
    Rule,
    UpperBound,
    best_shift,
    load_rule,
    shifted,
    to_float64,
)
from rootward.calibration.set_report import Chances, OtherRule, SetCounts, SetFigures, SetReport, measure, set_slices
from rootward.calibration.top_documents import top_documents
from rootward.encoders import Queries
from rootward.errors import InputError, PairsError, UnknownIdError
from rootward.evaluation.evaluate import Encoder, documents_of, in_rows_of, queries_of, texts_known
from rootward.files import atomic_write, refuse_link, sha256_of
from rootward.folders import CONFIG, writing_to
from rootward.pairs import Pairs
from rootward.progress import bar
from rootward.scoring import BLOCK_BYTES, Floats, Ints, best, checked

By = Literal["f1", "precision"]
RuleName = Literal["best", "universal", "predicted", "size"]

FEWEST = 8
"""Queries with answers that can be split in three."""

_CHOSEN, _MEASURED = 0.25, 0.25  # shares of the queries; the rest is fitted to


class Fingerprinted(Encoder, Protocol):
    """An encoder that can be told from others: a `DualEncoder`."""

    def fingerprint(self) -> str:
        """Changes whenever a vector or an id does."""
        ...


def calibrate(
    model: Fingerprinted,
    pairs: Pairs,
    *,
    queries: Queries | Tensor | None = None,
    by: By = "f1",
    floor: float = 0.95,
    rule: RuleName = "best",
    above: Graph | None = None,
    max_queries: int = 10_000,
    seed: int = 0,
    block_bytes: int = BLOCK_BYTES,
    progress: bool = False,
) -> Calibration:
    """Find where the answer sets of queries end whose |S(q)| nobody knows, from queries whose answers are known.

    The queries are split in three: half to fit each rule to, a quarter to choose its end and the best rule, a quarter
    to measure it on. So the figures are those of queries that calibration has not seen. Vectors of one's own come in as
    `DualEncoder.from_vectors(pairs, queries, documents)`.

    Args:
        model: whose documents are searched.
        pairs: the known answers, ids as for `evaluate`. Best are pairs of queries as they will come, such as texts that
            the model was not trained on.
        queries: for queries that the model neither knows nor reads: their vectors, row by row of `pairs`, or
            `Queries` whose ids are those of `pairs`. None takes the model's, as `evaluate` does.
        by: "f1" aims at the highest mean F1; "precision" at the highest that keeps a mean precision of `floor` over the
            queries that get a set, with 95 % confidence. Where nothing keeps it, every query abstains.
        floor: a share from 0 to 1, for by="precision".
        rule: "universal", "predicted", "size" (see `rootward.calibration.rules`), or the best of them.
        above: a hierarchy of the documents, or its pairs: sets are measured after upward repair too.
        max_queries: at most so many are drawn; 10,000 take a minute on two cores for 82,115 documents.
        seed: of which queries are drawn, and how they are split.
        block_bytes: size of the buffer of scores.
        progress: show a bar, where standard error is a terminal.

    Raises:
        PairsError: fewer than eight queries with answers.
        UnknownIdError: pairs of a document that the model does not know, or of a query that it would have to look up.
        InputError: an aim that is none, vectors that cannot be scored, queries of another model.
    """
    if by not in ("f1", "precision"):
        raise InputError(f"by is 'f1' or 'precision', got {by!r}.")
    if not 0 < floor <= 1:
        raise InputError(f"floor is a precision above 0 and at most 1, such as 0.95, got {floor}.")
    if rule not in ("best", *RULES):
        raise InputError(f"No rule {rule!r}; there is 'best', {', '.join(map(repr, RULES))}.")
    n = int(np.count_nonzero(pairs.sizes))
    if max_queries < FEWEST:
        raise InputError(f"max_queries must be at least {FEWEST}, got {max_queries}.")
    if n < FEWEST:
        raise PairsError(
            f"Calibration splits queries in three and needs at least {FEWEST} with answers, got {n}; some "
            f"hundreds make it sure."
        )
    texts = texts_known(model, pairs) if queries is None else None
    unit: Literal["queries", "texts"] = "queries" if texts is None else "texts"  # spellings of a text stay together
    known = pairs if n <= max_queries else pairs.split(unit, test=max_queries / n, seed=seed).test
    vectors = queries_of(model, known) if queries is None else _vectors_of(queries, known, model.fingerprint())
    known, documents = in_rows_of(model, known), documents_of(model)
    with bar("Scoring", int(np.count_nonzero(known.sizes)), progress) as advance:
        top = top_documents(vectors, documents, known, block_bytes=block_bytes, progress=advance)
    parts = known.split(unit, validation=_CHOSEN, test=_MEASURED, seed=seed)

    def margins(rule: AnyRule, part: Pairs) -> Array:
        some = top.of(part)
        return rule.margins(some, to_float64(vectors[some.rows]))

    def counted(rule: AnyRule, graph: Graph | None = None, part: Pairs = parts.test) -> SetCounts:
        return measure(top.of(part), vectors, documents, part, rule, graph)

    fit, choose = top.of(parts.train), top.of(parts.validation)
    rules: dict[str, Rule] = {}
    for name, kind in RULES.items():
        first: Rule = kind.fit(fit, to_float64(vectors[fit.rows]))
        shift = best_shift(choose, margins(first, parts.validation), floor if by == "precision" else None)
        rules[name] = shifted(first, shift)
    worth = {name: counted(each, part=parts.validation).sets.f1 for name, each in rules.items()}
    chosen = rules[max(worth, key=worth.__getitem__) if rule == "best" else rule]
    chances = Chances.fit(choose, margins(chosen, parts.validation))

    counts = counted(chosen, above)
    bins = chances.reliability(top.of(parts.test), margins(chosen, parts.test))
    k = FixedSize(best_shift(choose, FixedSize().margins(choose, np.empty(0))))
    others: dict[str, AnyRule] = {name: each for name, each in rules.items() if each is not chosen}
    others |= {f"best fixed k, {int(-k.shift)}": k, "upper bound (knows the answers)": UpperBound()}
    report = SetReport(
        rule=chosen.name,
        by=by,
        floor=floor,
        met=bool(np.isfinite(chosen.shift)),
        n_fitted=len(fit),
        n_chosen=len(choose),
        n_queries=len(counts.sets.rows),
        n_documents=len(documents),
        figures=SetFigures.of(counts.sets),
        slices=set_slices(parts.test, counts.sets, counts.accepted),
        bins=bins,
        error=sum(b.n * abs(b.predicted - b.observed) for b in bins) / max(1, sum(b.n for b in bins)),
        unit=chosen.unit,
        rivals=tuple(OtherRule(name=name, figures=SetFigures.of(counted(each).sets)) for name, each in others.items()),
        repaired=None if counts.repaired is None else SetFigures.of(counts.repaired[0]),
        repaired_slices=() if counts.repaired is None else set_slices(parts.test, *counts.repaired),
        texts=texts,
    )
    return Calibration(chosen, chances, report, model.fingerprint())


def _vectors_of(queries: Queries | Tensor, pairs: Pairs, fingerprint: str) -> Tensor:
    """These query vectors, row by row of `pairs`.

    Raises:
        InputError: queries of another model, or not one vector a query.
        UnknownIdError: a query with pairs that is not among them.
    """
    if isinstance(queries, Queries):
        if queries.fingerprint != fingerprint:
            raise InputError(
                f"These queries were made by another model, or before it was trained further (fingerprint "
                f"{queries.fingerprint}, the model has {fingerprint}). Make them with this one."
            )
        row_of = {label: row for row, label in enumerate(queries.ids)}
        used = np.flatnonzero(pairs.sizes)
        missing = [pairs.query_ids[row] for row in used.tolist() if pairs.query_ids[row] not in row_of]
        if missing:
            raise UnknownIdError(f"{len(missing):,} queries with pairs have no vector, the first is {missing[0]!r}.")
        out = queries.vectors.new_zeros(pairs.n_queries, queries.vectors.shape[1])
        out[torch.from_numpy(used)] = queries.vectors[[row_of[pairs.query_ids[row]] for row in used.tolist()]]
        return out
    if queries.ndim != 2 or len(queries) != pairs.n_queries:
        raise InputError(
            f"queries must be a matrix with a row for each of the {pairs.n_queries:,} query ids of the pairs, got "
            f"shape {tuple(queries.shape)}."
        )
    return queries.detach().cpu()


VERSION = 2

NAME = "calibration.safetensors"
"""What the file is called in a model's folder."""

Best = Callable[[Tensor, int], tuple[Ints, Floats]]
"""Query vectors and k to (offsets, scores): the scores of the k best documents of each query, best first."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A rule for where the answer set of any query ends, and how good it is; from `calibrate`.

    Prints its report. `Index.build(model, calibration=...)` answers with it.

    Attributes:
        rule: gives each document a margin; those at 0 or above are the answer set.
        chances: from margin to the chance of being relevant.
        report: what was measured on queries that were not calibrated on.
        fingerprint: of the model; an index of another one refuses it.
    """

    rule: Rule
    chances: Chances
    report: SetReport
    fingerprint: str

    def __repr__(self) -> str:
        return f"Calibration({self.report!r})"

    def __str__(self) -> str:
        return str(self.report)

    def __eq__(self, other: object) -> bool:
        """The same rule with the same numbers, of the same model, with the same report."""
        if not isinstance(other, Calibration):
            return False
        mine, theirs = self._tensors(), other._tensors()
        return (self._about(), mine.keys()) == (other._about(), theirs.keys()) and all(
            np.array_equal(mine[name], theirs[name]) for name in mine
        )

    __hash__ = None  # type: ignore[assignment]

    def thresholds(self, queries: Tensor, best: Best) -> npt.NDArray[np.float32]:
        """The score at which the answer set of each query ends (float32, n); infinite where a query abstains.

        Args:
            queries: vectors, n x dim, of the model that was calibrated.
            best: asked by the rule "size" alone, which ends a set half way between two documents.

        Raises:
            InputError: vectors of another width.
        """
        vectors = to_float64(queries)
        fitted = self.rule.tensors()
        width = next((fitted[name].shape[-1] for name in ("weights", "known") if name in fitted), None)
        if vectors.ndim != 2 or (width is not None and vectors.shape[1] != width):
            raise InputError(f"The calibration is of vectors with {width} columns, got shape {vectors.shape}.")
        if not isinstance(self.rule, ExpectedSize):
            return self.rule.thresholds(vectors).astype(np.float32)
        sizes = np.floor(np.clip(self.rule.expected(vectors), 0, np.iinfo(np.int32).max)).astype(np.int64)
        offsets, scores = best(queries, int(sizes.max(initial=0)) + 1)
        out = np.full(len(sizes), np.inf)
        some = np.flatnonzero((sizes > 0) & (np.diff(offsets) > 0))
        last = offsets[some] + np.minimum(sizes[some], np.diff(offsets)[some]) - 1
        following = np.minimum(last + 1, offsets[some + 1] - 1)
        out[some] = (scores[last].astype(np.float64) + scores[following]) / 2
        return out.astype(np.float32)

    def thresholds_among(self, queries: Tensor, documents: Tensor) -> npt.NDArray[np.float32]:
        """The score at which the answer set of each query ends among these documents (vectors; float32, n_queries)."""

        def scores(some: Tensor, k: int) -> tuple[Ints, Floats]:
            offsets, _, found = best(*checked(some, documents), np.full(len(some), min(k, len(documents))))
            return offsets, found

        return self.thresholds(queries, scores)

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the calibration curve; see `SetReport.plot`."""
        return self.report.plot(path)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one safetensors file, or into a model's folder; whole or not at all.

        Raises:
            InUseError: another process writes that folder.
            WriteError: no room, no permission, or a link in the place of a file of a model's folder.
        """
        path = Path(path)
        target = path / NAME if path.is_dir() else path
        if not (target.parent / CONFIG).is_file():
            return self.write(target, links=True)
        with writing_to(target.parent, "Calibration.save"):
            return self.write(target)

    def write(self, path: Path, links: bool = False) -> Path:
        """Write the file, with a checksum over all that is in it."""
        tensors = {name: np.ascontiguousarray(array) for name, array in self._tensors().items()}
        about = self._about()
        about["sha256"] = _digest(tensors, about)
        return atomic_write(path, lambda to: save_file(tensors, to, about), links=links)

    def _tensors(self) -> dict[str, npt.NDArray[np.float64]]:
        return {"margins": self.chances.margins, "shares": self.chances.shares, **self.rule.tensors()}

    def _about(self) -> dict[str, str]:
        return {
            "rootward.calibration": str(VERSION),
            "rule": self.rule.name,
            "shift": repr(self.rule.shift),
            "fingerprint": self.fingerprint,
            "report": self.report.to_json(),
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """The calibration that `save` wrote to this file or folder.

        Raises:
            InputError: no such file, not written by `save`, damaged, or from a newer version.
        """
        path = Path(path)
        if path.is_dir():
            path = path / NAME
            refuse_link(path)
        if not path.is_file():
            raise InputError(
                f"There is no calibration {path}. Make one: rootward calibrate RUN, or rootward.calibrate(model, ...)."
            )
        try:
            with safe_open(path, "np") as file:
                about = file.metadata() or {}
                version = int(about.get("rootward.calibration", 0))
                if version == 1:
                    raise InputError(f"{path.name} was written by an older rootward (format 1). Calibrate again.")
                if version > VERSION:
                    raise InputError(
                        f"{path.name} was written by a newer rootward (format {version}, this one reads up to "
                        f"{VERSION}); update rootward to open it."
                    )
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if about.pop("sha256", None) != _digest(tensors, about):
                raise ValueError("its checksum is not the one it was written with")
            if any(array.dtype != np.float64 or not np.isfinite(array).all() for array in tensors.values()):
                raise ValueError("it must hold finite float64 numbers only")
            chances = Chances(tensors.pop("margins"), tensors.pop("shares"))
            if chances.margins.ndim != 1 or chances.margins.shape != chances.shares.shape:
                raise ValueError("margins and shares must be two rows of numbers, equally many")
            rule = load_rule(about["rule"], float(about["shift"]), tensors)
            return cls(rule, chances, SetReport.from_json(about["report"]), about["fingerprint"])
        except InputError:
            raise
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path.name} was not written by Calibration.save, or is damaged: {error}. Calibrate again."
            ) from error


def _digest(tensors: Mapping[str, npt.NDArray[Any]], about: Mapping[str, str]) -> str:
    """Over names, types, sizes and numbers of all arrays, and what stands beside them."""
    names = [f"{name} {array.dtype} {array.shape}" for name, array in sorted(tensors.items())]
    values = [np.ascontiguousarray(array).tobytes() for _, array in sorted(tensors.items())]
    return sha256_of([json.dumps([names, sorted(about.items())]).encode(), *values])
