"""`Index`: a model's documents, ready to be searched by its queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders import DualEncoder, Queries
from rootward.errors import InputError, did_you_mean
from rootward.evaluation import Calibration
from rootward.evaluation.blocks import Ints
from rootward.pairs import Ids, Texts
from rootward.retrieval.calibrated import with_thresholds
from rootward.retrieval.engine import Engine, Found
from rootward.retrieval.exact import Exact
from rootward.retrieval.hits import Hits

WIDE = 64
"""How many documents are looked at before the nearest are chosen; more where an answer set is larger."""

ENGINES: dict[str, Callable[[Tensor], Engine]] = {"exact": Exact}


@dataclass(frozen=True, eq=False)
class Index:
    """Documents of a model, searched by inner product.

    Attributes:
        engine: finds rows and scores.
        document_ids: the users' labels, row by row.
        heights: float32, n_documents; accepted documents are shown by ascending height.
        fingerprint: of the model; queries of another one are refused.
        document_texts: names, where the model has them.
        calibration: where answer sets end for queries without a threshold of their own; see `calibrated`.
    """

    engine: Engine
    document_ids: Ids
    heights: npt.NDArray[np.float32]
    fingerprint: str
    document_texts: Texts | None = None
    calibration: Calibration | None = None

    @classmethod
    def build(cls, model: DualEncoder, engine: str = "exact") -> Index:
        """An index over all documents of a model, as they are now.

        Args:
            model: whose documents.
            engine: "exact" scores every document: right for up to about 200,000.

        Raises:
            InputError: an engine that is not there, or vectors that are NaN or infinite.
        """
        if engine not in ENGINES:
            there = ", ".join(map(repr, ENGINES))
            raise InputError(f"No engine {engine!r}; there is {there}.{did_you_mean(engine, ENGINES)}")
        return cls(
            ENGINES[engine](model.document_vectors()),
            model.document_ids,
            np.array(model.heights, np.float32),
            model.fingerprint(),
            model.document_texts,
        )

    def calibrated(self, calibration: Calibration | None) -> Index:
        """The same index with calibrated answer sets, for queries that have no threshold of their own.

        Raises:
            InputError: the calibration of another model, or from before this one was changed.
        """
        if calibration is not None and calibration.fingerprint != self.fingerprint:
            raise InputError(
                f"This calibration is of another model, or from before it was changed (fingerprint "
                f"{calibration.fingerprint}, the index has {self.fingerprint}). Calibrate again: "
                f"rootward.calibrate(model, pairs)."
            )
        return replace(self, calibration=calibration)

    def __len__(self) -> int:
        return self.engine.count()

    def __repr__(self) -> str:
        return f"Index({len(self):,} documents, {type(self.engine).__name__.lower()})"

    def search(self, queries: Queries | Tensor | npt.ArrayLike, k: int = 10, *, nearest_first: bool = True) -> Hits:
        """k documents of each query: the nearest of those it accepts, then the best of the others.

        Args:
            queries: from `model.queries([...])`; or bare vectors, n x dim, which have no thresholds.
            k: how many to return; more than there are returns all.
            nearest_first: show accepted documents, those at or above their query's threshold, first and in order of
                ascending height, so that the exact match leads and the root ends; the others follow by falling
                score. Where more than k are accepted, the nearest k of them are shown, though others may score
                higher. False returns the k best by score, in that order.

        Raises:
            InputError: another model's queries, vectors that cannot be scored, k below 1.
        """
        if k < 1:
            raise InputError(f"k is how many documents to return and at least 1, got {k}.")
        asked = self._asked(queries)
        thresholds = asked.thresholds.cpu().numpy()
        if not nearest_first:
            return self._hits(asked, self.engine.search(asked.vectors, k), thresholds, nearest_first)
        return self._hits(asked, self._with_all_accepted(asked.vectors, k, thresholds), thresholds, True).first(k)

    def _with_all_accepted(self, vectors: Tensor, k: int, thresholds: npt.NDArray[np.float32]) -> Found:
        """At least the k best, and so many that no query's accepted documents are cut off."""
        wide = max(k, WIDE)
        while True:
            found = self.engine.search(vectors, wide)
            lowest = found.scores[found.offsets[1:] - 1] if len(vectors) and len(self) else np.empty(0)
            if wide >= len(self) or not (lowest >= thresholds[: len(lowest)]).any():
                return found
            wide *= 4

    def answers(
        self,
        queries: Queries | Tensor | npt.ArrayLike,
        *,
        threshold: float | str = "auto",
        nearest_first: bool = True,
    ) -> Hits:
        """The answer set of each query: the documents that score at least its threshold, however many.

        Args:
            queries: as for `search`.
            threshold: "auto" takes each query's own, which training finds, and for queries without one that of the
                calibration (see `calibrated`); a number holds for all of them.
            nearest_first: as for `search`.

        Raises:
            InputError: another model's queries, vectors that cannot be scored, "auto" for a query without threshold
                where there is no calibration.
        """
        asked = self._asked(queries)
        if threshold == "auto":
            thresholds = asked.thresholds.cpu().numpy()
            unknown = np.flatnonzero(np.isnan(thresholds))
            if len(unknown):
                raise InputError(
                    f"{len(unknown):,} of {len(asked):,} queries have no threshold, the first is "
                    f"{asked.ids[unknown[0]]!r}: training finds them, for queries with pairs. For others, calibrate: "
                    f"index.calibrated(rootward.calibrate(model, pairs)). Or give one number: threshold=0.5."
                )
        elif isinstance(threshold, str) or np.isnan(threshold):
            raise InputError(f"threshold is a score or 'auto', got {threshold!r}.")
        else:
            thresholds = np.full(len(asked), threshold, np.float32)
        return self._hits(asked, self.engine.range(asked.vectors, thresholds), thresholds, nearest_first)

    def _asked(self, queries: Any) -> Queries:
        """The queries as they are, or bare vectors as queries that are called by their row."""
        if isinstance(queries, Queries):
            if queries.fingerprint != self.fingerprint:
                raise InputError(
                    f"These queries were made by another model, or before it was trained further (fingerprint "
                    f"{queries.fingerprint}, the index has {self.fingerprint}). Make them with the model that the "
                    f"index was built from, or build the index again."
                )
            return with_thresholds(queries, self.calibration, self.engine)
        try:
            vectors = torch.as_tensor(queries)
        except (TypeError, ValueError, RuntimeError):
            raise InputError(
                "search takes encoded queries, model.queries(['an id', ...]), or a matrix of vectors; got "
                f"{type(queries).__name__} that is neither."
            ) from None
        if vectors.ndim != 2:
            raise InputError(f"Query vectors form a matrix, a row a query; got shape {tuple(vectors.shape)}.")
        unknown = torch.full((len(vectors),), torch.nan)
        asked = Queries([str(row) for row in range(len(vectors))], vectors, unknown, self.fingerprint)
        return with_thresholds(asked, self.calibration, self.engine)

    def _hits(self, asked: Queries, found: Found, thresholds: npt.NDArray[np.float32], nearest_first: bool) -> Hits:
        if nearest_first:
            accepted = found.scores >= thresholds[found.place]
            found = found.take(shown(found, accepted, self.heights))
        return Hits(tuple(asked.ids), found, thresholds, self.engine.exact, self.document_ids, self.document_texts)


def shown(found: Found, accepted: npt.NDArray[np.bool_], heights: npt.NDArray[np.float32]) -> Ints:
    """The order in which documents are shown: accepted ones by ascending height, then the others by falling score.

    Of equally high ones the higher score comes first, of equal scores the lower row. So for "sandals" with
    threshold 0.5, scores shoes 0.9, footwear 0.8, sandals 0.7, boots 0.1 and heights 2, 3, 1, 1, the order is
    sandals, shoes, footwear, boots.
    """
    key = np.where(accepted, heights[found.rows], 0.0)
    return np.lexsort((found.rows, -found.scores, key, ~accepted, found.place))
