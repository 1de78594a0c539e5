"""One table of vectors by itself: lengths, copies, collapse, how many directions it uses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rootward.diagnosis.facts import Alignment, Geometry
from rootward.pairs import Pairs

Vectors = npt.NDArray[np.floating[Any]]

SAME_WAY = 0.99  # cosine with the mean vector, above which a vector has collapsed
ALIGNMENT_PAIRS = 20_000


def geometry(vectors: Vectors) -> Geometry:
    """Everything that `Geometry` names, of vectors n x dim."""
    norms = np.linalg.norm(vectors, axis=1).astype(np.float64)
    spectrum = _spectrum(vectors)
    mean = float(norms.mean())
    return Geometry(
        n=len(vectors),
        norm_mean=mean,
        norm_spread=float(norms.std() / mean) if mean else 0.0,
        duplicates=_duplicates(vectors),
        collapsed=_collapsed(vectors, norms),
        participation=float(1 / (spectrum**2).sum()) if len(spectrum) else 0.0,
        effective_rank=float(np.exp(-(spectrum * np.log(spectrum)).sum())) if len(spectrum) else 0.0,
    )


def _spectrum(vectors: Vectors) -> npt.NDArray[np.float64]:
    """The eigenvalues of the covariance that are above 0, as shares of their sum."""
    centred = vectors - vectors.mean(0)
    values = np.linalg.eigvalsh((centred.T @ centred).astype(np.float64))
    values = np.maximum(values, 0)
    total = values.sum()
    if total <= 1e-12 * max(1, len(vectors)):
        return np.empty(0)
    shares = values / total
    return np.asarray(shares[shares > 1e-12], np.float64)


def _duplicates(vectors: Vectors) -> float:
    rows = np.ascontiguousarray(vectors + 0.0)  # -0.0 becomes 0.0
    whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, place, times = np.unique(whole, return_inverse=True, return_counts=True)
    return float((times[place] > 1).mean())


def _collapsed(vectors: Vectors, norms: npt.NDArray[np.float64]) -> float:
    mean = vectors.mean(0, dtype=np.float64)
    length = float(np.linalg.norm(mean))
    with_mean = (vectors @ mean) / np.maximum(norms * length, 1e-30)
    return float(((norms == 0) | (with_mean > SAME_WAY)).mean())


def alignment(queries: Vectors, documents: Vectors, pairs: Pairs, rng: np.random.Generator) -> Alignment:
    """Whether matches outscore random documents, and whether documents of one query are near each other."""
    chosen = rng.integers(len(pairs), size=min(len(pairs), ALIGNMENT_PAIRS))
    rows, found = pairs.query_of[chosen], pairs.documents[chosen]
    strangers = rng.integers(pairs.n_documents, size=len(chosen))
    seen = queries[rows]
    match = _above(_products(seen, documents[found]), _products(seen, documents[strangers]))
    other = pairs.documents[pairs.offsets[rows] + rng.integers(pairs.sizes[rows])]
    apart = np.flatnonzero(other != found)
    if not len(apart):
        return Alignment(matches=match, relatives=0.5)
    near = documents[found[apart]]
    relatives = _above(_products(near, documents[other[apart]]), _products(near, documents[strangers[apart]]))
    return Alignment(matches=match, relatives=relatives)


def _products(left: Vectors, right: Vectors) -> npt.NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", left, right, dtype=np.float64), np.float64)


def _above(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """The share of entries where left is the greater; a tie counts half."""
    return float(((left > right) + 0.5 * (left == right)).mean())
