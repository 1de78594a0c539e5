"""`Batches`: for each step some queries, the documents that compete, and which of these are relevant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.csr import sums_of
from rootward.errors import InputError
from rootward.ids import Rows
from rootward.pairs import AllTargets, HeavyTail, Pairs, Rebalanced, Regular
from rootward.rng import stream
from rootward.scoring import BLOCK_BYTES, checked, score_blocks, top
from rootward.training.losses import Targets
from rootward.training.stage import Stage, import_path, imported

Floats = npt.NDArray[np.float64]
_NOTHING = np.empty(0, np.int64), np.empty(0, np.int64)


@dataclass(frozen=True)
class Batch:
    """The data of one step.

    Attributes:
        queries: int64 query rows, unique (B).
        documents: int64 document rows, unique: the columns of the score matrix (N).
        log_counts: float32, N; see `rootward.training.losses`. None when every column stands for itself.
        own_counts: False when a query's own targets stand for themselves whatever `log_counts` says.
        targets: every relevant entry among the columns; the weights of all of them add up to 1.
        alone: (rows, columns), int64, sorted by row: a query's own hard negatives, which stand for themselves only
            whatever `log_counts` says, as they are always there. None without any.
        n_pairs: how many (query, target) pairs the batch trains on.
        noise: the names of the random streams that towers may draw from in this step, see `rootward.rng.stream`.
    """

    queries: Tensor
    documents: Tensor
    log_counts: Tensor | None
    own_counts: bool
    targets: Targets
    n_pairs: int
    noise: tuple[int | str, ...] = (0,)
    alone: tuple[Tensor, Tensor] | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch on this device; itself when it is there already."""
        if self.queries.device == device:
            return self
        return replace(
            self,
            queries=self.queries.to(device),
            documents=self.documents.to(device),
            log_counts=None if self.log_counts is None else self.log_counts.to(device),
            targets=self.targets.to(device),
            alone=None if self.alone is None else (self.alone[0].to(device), self.alone[1].to(device)),
        )


@dataclass(eq=False)
class Batches:
    """The batches of a stage, each a function of (seed, stage, step) and of the mined documents.

    Attributes:
        pairs: what is trained on.
        stage: with batch_size, steps and negatives derived (`rootward.training.defaults`).
        seed, place: of the run, and which of its stages this is; they name the random streams.
        mined: the hard negatives of the queries of the next steps.
    """

    pairs: Pairs
    stage: Stage
    seed: int
    place: int
    mined: Mined | None = None
    _epoch: tuple[int, list[Rows]] = field(default=(-1, []), init=False, repr=False)

    def __getitem__(self, step: int) -> Batch:
        queries, entries, weights = self._drawn(step)
        rows, index = entries
        documents = self.pairs.documents[index].astype(np.int64)
        hard = _NOTHING if self.mined is None else self.mined.of(queries)
        columns, log_counts = self._candidates(step, len(queries), documents, weights, hard[1])
        place = np.searchsorted(columns, documents)
        there = columns[np.minimum(place, len(columns) - 1)] == documents
        if self.pairs.query_weights is not None:  # in the loss alone: what is drawn does not depend on them
            weights = weights * self.pairs.query_weights[queries][rows]
        alone = None
        if self.mined is not None and self.stage.log_q:
            alone = torch.from_numpy(hard[0]), torch.from_numpy(np.searchsorted(columns, hard[1]))
        return Batch(
            torch.from_numpy(queries),
            torch.from_numpy(columns),
            None if log_counts is None else torch.from_numpy(log_counts.astype(np.float32)),
            not self.stage.log_q,
            Targets(
                torch.from_numpy(rows[there]),
                torch.from_numpy(place[there]),
                torch.from_numpy((weights[there] / weights.sum()).astype(np.float32)),
                torch.from_numpy(self.pairs.distances[index[there]]),
            ),
            int(np.count_nonzero(weights)),
            (self.seed, "train", self.place, "noise", step),
            alone,
        )

    def queries_of(self, steps: Iterable[int]) -> Rows:
        """The query rows of all these steps, ascending, each once."""
        return np.unique(np.concatenate([self._drawn(step)[0] for step in steps]))

    def _drawn(self, step: int) -> tuple[Rows, tuple[Rows, Rows], Floats]:
        """Query rows, all their pairs as (place of the query, index of the pair), and how often each was drawn."""
        size = self.stage.batch_size
        assert size is not None
        if self.stage.sampler == "all_targets":
            all_targets = self._all_targets
            epoch, part = divmod(step, self.steps_per_epoch)
            if self._epoch[0] != epoch:
                self._epoch = epoch, list(all_targets.epoch(self._rng("order", epoch), size))
            queries = self._epoch[1][part]
            rows, index = self.pairs.of(queries)
            return queries, (rows, index), 1.0 / self.pairs.sizes[queries][rows]
        drawn, times = np.unique(self._sampler.draw(self._rng("draw", step), size), return_counts=True)
        queries = np.unique(self.pairs.queries_at(drawn))
        rows, index = self.pairs.of(queries)
        weights = np.zeros(len(index))
        weights[np.searchsorted(index, drawn)] = times
        return queries, (rows, index), weights

    @cached_property
    def steps_per_epoch(self) -> int:
        """Steps in one pass over the answered queries (all_targets) or over as many pairs as there are."""
        assert self.stage.batch_size is not None
        n = self._n_answered if self.stage.sampler == "all_targets" else len(self.pairs)
        return -(-n // self.stage.batch_size)

    def _candidates(
        self, step: int, n_queries: int, documents: Rows, weights: Floats, hard: Rows
    ) -> tuple[Rows, Floats | None]:
        """Document rows in ascending order, and the log of how many documents each stands for."""
        n = self.pairs.n_documents
        if self.stage.candidates == "all":
            return np.arange(n), None
        targets = weights > 0
        drawn = np.unique(documents[targets])
        if self.stage.candidates == "batch":
            columns = np.union1d(drawn, hard)
            places = np.searchsorted(columns, np.r_[documents[targets], hard])
            counts = np.bincount(places, np.r_[weights[targets], np.ones(len(hard))])
            if self.stage.log_q:
                expected = weights.sum() * self._chance[columns]
                if self.mined is not None:
                    expected = expected + self._mined_by(-np.expm1(self._absent(n_queries)))[columns]
                counts = counts / expected
            return columns, np.log(counts)
        assert self.stage.negatives is not None
        uniform = self._rng("negatives", step).integers(n, size=self.stage.negatives)
        columns = np.union1d(np.union1d(drawn, uniform), hard)
        return columns, -np.log(self._inclusion(columns, n_queries)) if self.stage.log_q else None

    def _inclusion(self, documents: Rows, n_queries: int) -> Floats:
        """The chance of these documents to be in a batch: drawn uniformly, a target of one of its queries or draws."""
        assert self.stage.negatives is not None
        missed = self.stage.negatives * np.log1p(-1.0 / max(self.pairs.n_documents, 2))
        if self.stage.sampler == "all_targets":
            share = min(n_queries / self._n_answered, 1 - 1e-9)
            missed = missed + self.pairs.generality[documents] * np.log1p(-share)
        else:
            assert self.stage.batch_size is not None
            missed = missed + self.stage.batch_size * np.log1p(-np.minimum(self._chance[documents], 1 - 1e-9))
        if self.mined is not None:
            missed = missed + self._mined_by(self._absent(n_queries))[documents]
        chance: Floats = np.maximum(-np.expm1(missed), 1e-12)
        return chance

    def _absent(self, n_queries: int) -> Floats:
        """The log of the chance of each query not to be in a batch."""
        if self.stage.sampler == "all_targets":
            return np.full(self.pairs.n_queries, np.log1p(-min(n_queries / self._n_answered, 1 - 1e-9)))
        assert self.stage.batch_size is not None
        return self.stage.batch_size * self._passed_over

    def _mined_by(self, of_queries: Floats) -> Floats:
        """For each document the sum over the queries it was mined for, scaled up from the queries mined for to all."""
        assert self.mined is not None
        queries, documents = self.mined.entries
        known = of_queries[self.mined.queries].sum()
        scale_up = float(of_queries[self.pairs.sizes > 0].sum() / known) if known else 1.0
        found = np.bincount(documents, scale_up * of_queries[queries], self.pairs.n_documents)
        return found.astype(np.float64)

    @cached_property
    def _chance(self) -> Floats:
        """The chance of each document to be the target of the next pair drawn (Q of the log-Q correction)."""
        sampler = self._all_targets if self.stage.sampler == "all_targets" else self._sampler
        chance = np.zeros(self.pairs.n_documents)
        for queries, part in self.pairs.blocks():
            np.add.at(chance, self.pairs.documents[part], sampler.weights_of(queries))
        return chance

    @cached_property
    def _passed_over(self) -> Floats:
        """The log of the chance of each query not to be that of the next pair drawn."""
        drawn = np.zeros(self.pairs.n_queries)
        for queries, _ in self.pairs.blocks():
            drawn[queries] = sums_of(self.pairs.sizes[queries], self._sampler.weights_of(queries))
        passed_over: Floats = np.log1p(-np.minimum(drawn, 1 - 1e-9)).astype(np.float64)
        return passed_over

    @cached_property
    def _sampler(self) -> Regular | HeavyTail | Rebalanced | OwnSampler:
        if self.stage.sampler == "heavy_tail":
            return HeavyTail(self.pairs)
        if self.stage.sampler == "rebalanced":
            assert self.stage.regular_share is not None
            return Rebalanced(self.pairs, self.stage.regular_share)
        return Regular(self.pairs) if self.stage.sampler == "regular" else OwnSampler(self.pairs, self.stage.sampler)

    @cached_property
    def _all_targets(self) -> AllTargets:
        return AllTargets(self.pairs)

    @cached_property
    def _n_answered(self) -> int:
        return int(np.count_nonzero(self.pairs.sizes))

    def _rng(self, choice: str, number: int) -> np.random.Generator:
        return stream(self.seed, "train", self.place, choice, number)


class OwnSampler:
    """A sampler of one's own: a function of the training `Pairs` that returns a `rootward.pairs.Sampler`; checked.

    Draws have to follow from the generator alone, so that a resumed run draws what it would have drawn.

    Raises:
        InputError: it cannot be imported, or does not return a sampler.
    """

    def __init__(self, pairs: Pairs, function: str | Callable[..., Any]) -> None:
        build = imported(function, "sampler")
        self.name, self.pairs, self.made = import_path(build), pairs, build(pairs)
        if not callable(getattr(self.made, "draw", None)):
            raise InputError(
                f"The sampler {self.name} has to return an object with draw(rng, size) and weights, such as a class "
                f"of yours built from the pairs; got a {type(self.made).__name__}."
            )

    def draw(self, rng: np.random.Generator, size: int) -> Rows:
        """Indices of `size` pairs (int64)."""
        drawn, n = self.made.draw(rng, size), len(self.pairs)
        fits = isinstance(drawn, np.ndarray) and drawn.shape == (size,) and np.issubdtype(drawn.dtype, np.integer)
        if not fits or ((drawn < 0) | (drawn >= n)).any():
            raise InputError(
                f"draw of the sampler {self.name} has to return {size} indices of pairs, whole numbers from 0 to "
                f"{n - 1}, as an array of shape ({size},); got {_shape(drawn)}."
            )
        return np.asarray(drawn, np.int64)

    def weights_of(self, queries: slice) -> Floats:
        """The chance of each pair of these query rows to be the next one drawn."""
        return self._weights[self.pairs.offsets[queries.start] : self.pairs.offsets[queries.stop]]

    @cached_property
    def _weights(self) -> Floats:
        weights: Any = getattr(self.made, "weights", None)
        fits = isinstance(weights, np.ndarray) and weights.shape == (len(self.pairs),)
        if not fits or not (weights >= 0).all() or not np.isclose(weights.sum(), 1):
            raise InputError(
                f"weights of the sampler {self.name} have to be the chance of each pair to be drawn, an array of shape "
                f"({len(self.pairs)},) that adds up to 1; got {_shape(weights)}. Without: Stage(log_q=False)."
            )
        return np.asarray(weights, np.float64)


def _shape(found: object) -> str:
    if not isinstance(found, np.ndarray) or not found.size:
        return f"a {type(found).__name__}"
    return f"a {found.dtype} array of shape {found.shape} from {found.min():g} to {found.max():g}, sum {found.sum():g}"


@dataclass(frozen=True, eq=False)
class Mined:
    """The hardest documents of some queries.

    Attributes:
        queries: int64 query rows, ascending.
        documents: int64, len(queries) x n: rows of the documents that score highest without being relevant, best first;
            -1 where there are no more.
    """

    queries: Rows
    documents: Rows

    def of(self, queries: Rows) -> tuple[Rows, Rows]:
        """(place among these queries, document row) of all that was mined for them, both int64, sorted by place."""
        if not len(self.queries):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        found = np.minimum(np.searchsorted(self.queries, queries), len(self.queries) - 1)
        there = (self.queries[found] == queries)[:, None] & (self.documents[found] >= 0)
        return np.ascontiguousarray(np.nonzero(there)[0]), self.documents[found][there]

    @cached_property
    def entries(self) -> tuple[Rows, Rows]:
        """(query row, document row) of all that was mined."""
        places, documents = self.of(self.queries)
        return self.queries[places], documents


def mine(queries: Tensor, documents: Tensor, rows: Rows, pairs: Pairs, n: int) -> Mined:
    """The n highest-scoring documents of each query that are not relevant to it.

    Args:
        queries: float32, len(rows) x dim; vectors of these queries.
        documents: float32, n_documents x dim.
        rows: int64 query rows, ascending, each with pairs.
        pairs: what is relevant.
        n: documents a query.

    Raises:
        InputError: vectors that cannot be scored.
    """
    queries, documents = checked(queries, documents)
    found = np.full((len(rows), n), -1, np.int64)
    k = min(n, len(documents))
    for block in score_blocks(queries, documents, pairs.sizes[rows], BLOCK_BYTES, exact=False):
        place, index = pairs.of(rows[block.rows])
        block.scores[place, pairs.documents[index]] = -np.inf
        values, columns = top(torch.from_numpy(block.scores), k)
        found[block.rows, :k] = torch.where(values > -torch.inf, columns, -1).numpy()
    return Mined(rows, found)
