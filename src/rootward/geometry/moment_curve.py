"""Any relevant sets of up to s documents, exactly, in 2s dimensions: documents on the trigonometric moment curve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rootward.pairs import Pairs

Floats = npt.NDArray[np.float64]


def moment_curve(pairs: Pairs) -> tuple[Floats, Floats]:
    """Queries and documents (float64) in 2 max|S(q)| dimensions; relevant documents score 1, all others less.

    Document i stands at the angle t_i = 2 pi i / m, as (cos t, sin t, ..., cos st, sin st) / sqrt(s). A query is the
    polynomial

        p(t) = - product over its relevant i of (1 - cos(t - t_i)),

    which is 0 at its relevant documents and below 0 elsewhere, of degree |S(q)| <= s: its coefficients are the query
    vector, scaled so that the constant term, which no document has, is -1. Then p(t) = score - 1. The powers t, t^2,
    ... of arXiv 2601.20844 have the same sets; angles keep all documents on one sphere and the coefficients within 2
    of each other, where powers lose every digit beyond a few documents.

    A query without relevant documents gets the zero vector. The margin is tiny: about the squared angle to the nearest
    other document times what the other factors leave, and float64 itself ends at 1e-16.
    """
    degree = int(pairs.sizes.max(initial=1))
    angles = 2 * np.pi * np.arange(pairs.n_documents) / max(1, pairs.n_documents)
    documents = _interleaved(np.exp(1j * np.outer(angles, np.arange(1, degree + 1)))) / np.sqrt(degree)
    queries = np.zeros((pairs.n_queries, 2 * degree))
    for row in np.flatnonzero(pairs.sizes).tolist():
        relevant = angles[pairs.documents[pairs.offsets[row] : pairs.offsets[row + 1]]]
        queries[row] = _polynomial(relevant, degree) * np.sqrt(degree)
    return queries, documents


def _polynomial(angles: Floats, degree: int) -> Floats:
    """Coefficients of cos t, sin t, ... of p(t) / p_0 + ..., such that p(t) = coefficients . (cos t, sin t, ...) - 1.

    Taken from samples of the product at 2 degree + 1 points, enough for its degree, by a discrete Fourier transform.
    """
    n = 2 * degree + 1
    points = 2 * np.pi * np.arange(n) / n
    samples = np.prod(1 - np.cos(points[:, None] - angles), axis=1)
    waves = np.fft.rfft(samples)
    coefficients: Floats = -2 * _interleaved(waves[1 : degree + 1].conj()) / waves[0].real
    return coefficients


def _interleaved(waves: npt.NDArray[np.complex128]) -> Floats:
    """Real and imaginary parts side by side along the last axis."""
    return waves.astype(np.complex128, order="C").view(np.float64)
