"""`Weights`: how the evidence for nodes is weighed, fitted on held-out texts, and how sure it makes of a node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit, log_expit

from rootward.classification.evidence import Candidates, Evidence, Floats, Ints, nodes_above
from rootward.csr import offsets_of
from rootward.evaluation.naming import Predictions, measure_nodes, node_sums
from rootward.hierarchy.closure import Closure
from rootward.pairs import Pairs
from rootward.rng import stream

_STRANGE = 0.015  # share of held-out texts that may count as from elsewhere
_FLOORS = np.arange(0.2, 0.61, 0.05)
_USUAL_FLOOR, _FLOOR_DOUBT = 0.4, 160  # a floor 0.05 off the usual one must gain 0.2 points on 200 texts, 0.02 on 2,000
_BINS = 10
_SURE = 1e-6  # probabilities closer to 0 or 1 count as this
_USUAL = {  # weight of each measure and how far it is usually from that, where nothing else is known
    "trained": (6.0, 4.0),
    "document": (1.0, 1.5),
    "words": (0.0, 2.0),
    "encoder": (4.0, 3.0),
    "linear": (0.6, 0.3),
}


class Weights(BaseModel):
    """How the evidence is weighed; fitted on held-out texts.

    Attributes:
        measures: those that count, by name.
        weights: of each of them, in the softmax over nodes.
        floor: the least probability of a node in an answer set.
        familiar: texts less like training texts than this are from elsewhere.
        sureness: of log p, of -log(1 - p) and of 1 in the logit of a named node's calibrated probability, where p is
            that of the softmax (beta calibration: Kull, Silva Filho and Flach 2017).
    """

    model_config = ConfigDict(frozen=True)
    measures: tuple[str, ...]
    weights: tuple[float, ...]
    floor: float = 0.4
    familiar: float = 0.0
    sureness: tuple[float, float, float] = (1.0, 1.0, 0.0)

    @classmethod
    def usual(cls, measures: tuple[str, ...]) -> Weights:
        """Those of all these measures where no held-out text tells others."""
        return cls(measures=measures, weights=tuple(_USUAL[name][0] for name in measures))

    def chances(self, measures: Sequence[str], values: Floats) -> npt.NDArray[np.float64]:
        """The softmax over candidates (n x k) of evidence (n x k x measures)."""
        columns = values[:, :, [measures.index(name) for name in self.measures]]
        return _softmax(columns.astype(np.float64) @ np.array(self.weights))

    def calibrated(self, chances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The probabilities that named nodes are right, from those of the softmax."""
        found: npt.NDArray[np.float64] = expit(_log_odds(chances) @ np.array(self.sureness))
        return found


@dataclass(frozen=True, eq=False)
class Weighing:
    """Weights fitted on held-out texts, and what they give on the half of the texts that they were not fitted on."""

    weights: Weights
    predictions: Predictions
    calibration_error: float
    tried: dict[str, float]

    @classmethod
    def of(
        cls, evidence: Evidence, found: Candidates, rows: Ints, pairs: Pairs, closure: Closure, seed: int
    ) -> Weighing:
        """Fit weights, once for each half and once on all, with the measures that do best on the other half.

        Args:
            evidence: of the texts that are not held out.
            found: the candidates of the held-out ones.
            rows: int64, their query rows.
            pairs: with their nodes.
            closure: the ancestors of every document.
            seed: of the halves.
        """
        n = len(rows)
        right = np.zeros((n, found.classes.shape[1]), np.bool_)
        nodes = evidence.classes[found.classes]
        for place, row in enumerate(rows.tolist()):
            start, stop = pairs.offsets[row], pairs.offsets[row + 1]
            exact = pairs.documents[start:stop][pairs.distances[start:stop] == 0]
            right[place] = np.isin(nodes[place], exact)
        half = stream(seed, "halves").permutation(n) % 2 == 0
        names = evidence.measures
        subsets = [each for size in range(len(names), 0, -1) for each in combinations(names, size)]
        tried: dict[str, float] = {}
        chosen, chances, scores = names, np.empty(right.shape), np.empty(n)
        for subset in subsets:
            values = found.values[:, :, [names.index(name) for name in subset]]
            now = np.empty(right.shape)
            for part in (half, ~half):
                now[~part] = _softmax(values[~part] @ fitted_weights(values[part], right[part], subset))
            named = evidence.classes[found.classes[np.arange(n), now.argmax(1)]]
            said_now = Predictions.from_ranked(rows, named[:, None], closure)
            score = _each_score(said_now, pairs, closure)
            tried[" ".join(subset)] = round(float(score.mean()), 4)
            gain = score - scores
            if subset == names or gain.mean() > gain.std() / n**0.5:
                chosen, chances, scores = subset, now, score
        columns = [names.index(name) for name in chosen]
        fitted = fitted_weights(found.values[:, :, columns], right, chosen)
        holds = spread(found.classes, chances, len(evidence.classes)) @ nodes_above(closure, evidence.classes)
        order = np.argsort(-chances, axis=1, kind="stable")[:, :10]
        ranked = evidence.classes[np.take_along_axis(found.classes, order, 1)]

        def said(floor: float) -> Predictions:
            kept = csr_array(holds, copy=True)
            kept.data = np.where(kept.data >= floor, kept.data, 0)
            kept.eliminate_zeros()
            sizes = np.diff(kept.indptr)
            return Predictions(rows, ranked[:, 0], offsets_of(sizes), kept.indices.astype(np.int64), ranked)

        figures = [measure_nodes(said(f), pairs, closure=closure, bootstrap=0).f1.value for f in _FLOORS]
        doubt = _FLOOR_DOUBT / n * (_FLOORS - _USUAL_FLOOR) ** 2
        floor = float(_FLOORS[int(np.argmax(figures - doubt))])
        top, hits = chances.max(1), right[np.arange(n), chances.argmax(1)]
        sure = np.empty(n)  # of each half by the other
        for part in (half, ~half):
            fitted_part = Weights(measures=(), weights=(), sureness=sureness(top[part], hits[part]))
            sure[~part] = fitted_part.calibrated(top[~part])
        weights = Weights(
            measures=chosen,
            weights=tuple(float(w) for w in fitted),
            floor=round(floor, 2),
            familiar=float(np.quantile(found.familiar, _STRANGE)),
            sureness=sureness(top, hits),
        )
        return cls(weights, said(floor), calibration_error(sure, hits), tried)


def _log_odds(chances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """n x 3: log p, -log(1 - p) and 1."""
    clipped = np.clip(chances, _SURE, 1 - _SURE)
    return np.stack([np.log(clipped), -np.log1p(-clipped), np.ones_like(clipped)], 1)


def sureness(chances: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """`Weights.sureness` that make what was right likeliest, near (1, 1, 0) where there are few texts."""
    inputs, signs = _log_odds(chances), np.where(right, 1.0, -1.0)

    def loss(line: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        margins = signs * (inputs @ line)
        away = line - (1, 1, 0)
        gradient = (-signs * expit(-margins)) @ inputs
        return -float(log_expit(margins).sum()) + float(away @ away), gradient + 2 * away

    bounds = [(0.05, 20), (0.05, 20), (-9, 9)]
    low, high, offset = minimize(loss, np.array([1.0, 1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds).x
    return float(low), float(high), float(offset)


def calibration_error(chances: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """The expected calibration error, in ten bins of equally many texts (Guo et al. 2017, arXiv 1706.04599)."""
    parts = np.array_split(np.argsort(chances, kind="stable"), min(_BINS, len(chances)))
    return float(sum(abs(chances[part].mean() - right[part].mean()) * len(part) for part in parts) / len(chances))


def _each_score(said: Predictions, pairs: Pairs, closure: Closure) -> npt.NDArray[np.float64]:
    """Of each text: the mean of whether its node is right and of the F1 of its answers."""
    sums = node_sums(said, pairs, closure)
    found: npt.NDArray[np.float64] = (sums.column("right") + sums.column("f1")) / 2
    return found


def fitted_weights(values: Floats, right: npt.NDArray[np.bool_], names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Weights that make the right candidates likeliest, near `_USUAL` ones where there are few texts to fit them on.

    Texts without a right candidate are left out.
    """
    some = right.any(1)
    inputs, targets = torch.from_numpy(values[some]).double(), torch.from_numpy(right[some])
    usual, width = np.array([_USUAL[name] for name in names]).T
    away = torch.where(targets, 0.0, -torch.inf).double()

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        logs = (inputs @ torch.from_numpy(weights)).log_softmax(1)
        reached = (logs + away).logsumexp(1, keepdim=True)
        wanted = (logs + away - reached).exp()
        gradient = torch.einsum("nk,nkm->m", logs.exp() - wanted, inputs).numpy()
        away_by = (weights - usual) / width
        return -float(reached.sum()) + 0.5 * float(away_by @ away_by), gradient + away_by / width

    found: npt.NDArray[np.float64] = minimize(loss, usual, jac=True, method="L-BFGS-B").x
    return found


def _softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = torch.from_numpy(scores).softmax(1).numpy()
    return found


def spread(classes: Ints, chances: npt.NDArray[np.float64], n: int) -> csr_array:
    """The chances of candidates as a sparse matrix, texts x classes."""
    place = np.repeat(np.arange(len(classes)), classes.shape[1])
    return csr_array((chances.ravel(), (place, classes.ravel())), shape=(len(classes), n))
