"""Tuning: the least effort with which an approximate engine reaches a recall, measured on the model's own queries."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from torch import Tensor

from rootward import rng, scoring
from rootward.csr import expand, offsets_of
from rootward.encoders import DualEncoder
from rootward.errors import InputError
from rootward.pairs import Pairs
from rootward.retrieval.engines.engine import Engine, Tunable, best_first
from rootward.retrieval.several import Merged
from rootward.scoring import Floats, Ints

N_QUERIES = 1000
"""Queries to tune with, at most: half of them to choose the effort, the other half to measure its recall."""

_FEW = 40  # queries: below this both halves are all of them


@dataclass(frozen=True)
class Tuned:
    """The effort of an engine, and its recall.

    Attributes:
        name: what the effort counts: "probes of lists around queries", "efSearch".
        effort: the least that reached the target, or the greatest there is.
        target: recall to reach.
        recall: share of exact search's |S(q)| (or k) best that the engine finds, mean over queries; measured on
            queries other than those it was chosen by, where there are enough.
        at: "|S(q)|", or "k=10".
        n_queries: on how many queries it was measured.
    """

    name: str
    effort: int
    target: float
    recall: float
    at: str
    n_queries: int

    def __str__(self) -> str:
        short = "" if self.recall >= self.target else f", short of {100 * self.target:g} %"
        name = self.name.replace("probes ", "probe ", 1) if self.effort == 1 else self.name
        return f"{self.effort} {name}: {100 * self.recall:.2f} % of exact search at {self.at}{short}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Sample:
    """Queries to tune with, and their exact answers.

    Attributes:
        vectors: n x dim.
        sizes: int64, n.
        offsets, scores, rows: CSR, the scores of the sizes[i] best documents, best first, and which these are.
        at: what the sizes are, for people.
    """

    vectors: Tensor
    sizes: Ints
    offsets: Ints
    scores: Floats
    rows: Ints
    at: str

    @classmethod
    def of(cls, model: DualEncoder, documents: Tensor, pairs: Pairs | None, k: int, seed: int = 0) -> Sample:
        """Some of the model's queries with their exact answers, each at its |S(q)|; at k where there are no pairs.

        Raises:
            UnknownIdError: pairs with a query that the model does not have.
            InputError: no query has relevant documents.
        """
        draw = rng.stream(seed, "index", "queries to tune with")
        if pairs is None:
            rows = draw.permutation(len(model.query_ids))[:N_QUERIES]
            sizes, at = np.full(len(rows), k), f"k={k}"
        else:
            chosen = draw.permutation(np.flatnonzero(pairs.sizes))[:N_QUERIES]
            rows = model.query_ids.rows(pairs.query_ids[row] for row in chosen.tolist())
            sizes, at = pairs.sizes[chosen], "|S(q)|"
        if not len(rows):
            raise InputError("Tuning an index needs queries with relevant documents; there are none.")
        sizes = np.minimum(sizes, len(documents))
        vectors = model.query_vectors(rows).detach().cpu().float()
        offsets, best, scores = scoring.best(vectors, documents, sizes)
        return cls(vectors, sizes, offsets, scores, best, at)

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, rows: Ints) -> Sample:
        """These rows of it."""
        _, entry = expand(self.offsets, rows)
        sizes = self.sizes[rows]
        vectors = self.vectors[rows.tolist()]
        return Sample(vectors, sizes, offsets_of(sizes), self.scores[entry], self.rows[entry], self.at)

    def halves(self) -> tuple[Sample, Sample]:
        """(queries to choose by, queries to measure on): two halves; all of them twice where there are few."""
        n = len(self)
        return (self, self) if n < _FEW else (self.take(np.arange(0, n, 2)), self.take(np.arange(1, n, 2)))

    def of_documents(self, exact: Merged) -> Sample:
        """The same queries with the best documents of exact search, where documents have several vectors."""
        parts = []
        for size in np.unique(self.sizes).tolist():
            rows = np.flatnonzero(self.sizes == size)
            found = exact.search(self.vectors[rows.tolist()], size)
            parts.append((rows[found.place], found.rows, found.scores))
        found = best_first(parts, len(self), exact=True)
        return Sample(self.vectors, np.diff(found.offsets), found.offsets, found.scores, found.rows, self.at)

    def recall(self, engine: Engine | Merged) -> Floats:
        """Each query's share of exact answers that the engine finds; documents of equal score count as the same."""
        shares = np.zeros(len(self))
        for size in np.unique(self.sizes).tolist():
            rows = np.flatnonzero(self.sizes == size)
            found = engine.search(self.vectors[rows.tolist()], size)
            last = self.scores[self.offsets[rows + 1] - 1][found.place]
            # the last digit depends on the order of summation, which differs between engines
            hit = found.scores >= last - 1e-5 * np.maximum(1.0, np.abs(last))
            shares[rows] = np.minimum(np.bincount(found.place, hit, minlength=len(rows)), size) / size
        return shares


def tune(engine: Engine, sample: Sample, target: float, finder: Engine | Merged | None = None) -> Tuned | None:
    """Set the engine to the least effort that `reaches` the target; None for an engine without efforts.

    `finder` is what is measured: `Merged` over this engine where documents have several vectors; the engine by default.

    Raises:
        InputError: a target outside 0..1.
    """
    check_recall(target)
    if not isinstance(engine, Tunable):
        return None
    chooser, judge = sample.halves()
    for effort in engine.efforts():
        engine.effort = effort
        if reaches(chooser.recall(finder or cast(Engine, engine)), target):
            break
    measured = float(judge.recall(finder or cast(Engine, engine)).mean())
    return Tuned(engine.effort_name, engine.effort, target, measured, sample.at, len(judge))


def check_recall(target: float) -> float:
    """The target unchanged.

    Raises:
        InputError: it is not above 0 and at most 1.
    """
    if not 0 < target <= 1:
        raise InputError(f"recall is a share above 0 and at most 1, such as 0.99; got {target}.")
    return target


def reaches(shares: Floats, target: float) -> bool:
    """Whether the mean share minus its standard error reaches the target."""
    return bool(shares.mean() - shares.std() / np.sqrt(len(shares)) >= target or shares.min() >= 1)
