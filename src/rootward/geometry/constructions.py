"""`construct`: embeddings without training, with the margin of their scores; `corrupt`: pairs with errors for tests."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from rootward.encoders import DualEncoder, LookupTower
from rootward.encoders.registry import construct_start
from rootward.errors import InputError, PairsError, did_you_mean
from rootward.evaluation import evaluate
from rootward.geometry.separation import Separation, separation
from rootward.pairs import Pairs
from rootward.rng import stream

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Method = Literal["gaussian", "one_hot", "moment_curve", "arcs"]
METHODS: tuple[str, ...] = get_args(Method)


@dataclass(eq=False)
class Constructed(DualEncoder):
    """A dual encoder that was not trained, and how well its scores separate. Use it like any other.

    Attributes:
        method: of the construction.
        separation: measured over all scores of the pairs it was made for, in the precision of its tables.
        in_float32: the same after rounding the tables to float32; the same value where they are float32.
        seed: of the random documents; the exact methods have none.
    """

    method: Method = field(kw_only=True)
    separation: Separation = field(kw_only=True)
    in_float32: Separation = field(kw_only=True)
    seed: int | None = field(kw_only=True)

    @property
    def margin(self) -> float:
        """Smallest matching minus largest other score, over all scores."""
        return self.separation.margin

    @property
    def threshold(self) -> float:
        """The universal threshold: documents that score at least this are a query's answer set."""
        return self.separation.threshold

    def __str__(self) -> str:
        lines = [f"{self.method} in {self.dim} dimensions: {self.separation}"]
        if self.in_float32 is not self.separation:
            lines.append(f"rounded to float32: {self.in_float32}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """What was constructed and measured, as JSON values."""
        made: dict[str, Any] = {"method": self.method, "dim": self.dim, "seed": self.seed}
        return {**made, "separation": self.separation.to_dict(), "in_float32": self.in_float32.to_dict()}

    def save(self, folder: str | Path, *, config: Any = None, more_files: Any = None) -> Path:
        """Write the folder of a `DualEncoder`, with what was measured in the section `construction` of its config."""
        return super().save(folder, config={"construction": self.to_dict(), **(config or {})}, more_files=more_files)


def construct(
    pairs: Pairs,
    dim: int | None = None,
    method: Method = "gaussian",
    *,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> Constructed:
    """Embeddings that retrieve these relevant sets by their geometry alone, with the margin that they realise.

    gaussian: the paper's Algorithm 1 (arXiv 2509.16411, section 3). Documents are random directions, a query is the
        normalised sum of its relevant documents. Separates all queries with one threshold when dim is large enough: see
        `guaranteed_dimension` for a bound and `plan` for the dimension that really is. float32.

    one_hot: a dimension for every document; exact. float64.
    moment_curve: exact for any sets, in 2 max|S(q)| dimensions, with a tiny margin (arXiv 2601.20844). float64.
    arcs: exact for trees and forests with all their ancestors, in 3 dimensions. float64.

    Time is linear in dim x n_queries x n_documents, for measuring; making the vectors takes dim x n_pairs.

    Args:
        pairs: what is relevant.
        dim: width of the vectors; the exact methods have one of their own, which need not be given.
        method: see above.
        seed: of the random documents of "gaussian".
        progress: called with the number of queries measured since the last call.

    Returns:
        The encoder, its universal threshold as every query's own.

    Raises:
        InputError: an unknown method; gaussian without dim, another method with a dim that is not its own; arcs for
            what is no forest; one_hot beyond 4 GiB; no pairs.
    """
    if method not in METHODS:
        there = ", ".join(map(repr, METHODS))
        raise InputError(f"No method {method!r}; there are {there}.{did_you_mean(str(method), METHODS)}")
    if not len(pairs):
        raise InputError("There are no pairs, so there is nothing to construct.")
    if method == "gaussian":
        if dim is None or dim < 1:
            raise InputError(
                f"method='gaussian' needs a dim of at least 1, got {dim}. rootward.plan(pairs) finds the smallest that "
                f"separates."
            )
        queries, documents = construct_start(pairs, dim, seed)
    else:
        widths = {"one_hot": pairs.n_documents, "moment_curve": 2 * int(pairs.sizes.max()), "arcs": 3}
        if dim is not None and dim != widths[method]:
            raise InputError(
                f"method={method!r} has {widths[method]} dimensions for these pairs, got dim={dim}; leave dim out, or "
                f"take method='gaussian' for one of your choice."
            )
        make = {"one_hot": one_hot, "moment_curve": moment_curve, "arcs": forest_arcs}[method]
        queries, documents = (torch.from_numpy(np.ascontiguousarray(side)) for side in make(pairs))
    found = separation(queries, documents, pairs, progress=progress)
    rounded = found if queries.dtype == torch.float32 else separation(queries.float(), documents.float(), pairs)
    return Constructed(
        LookupTower(queries),
        LookupTower(documents),
        pairs.query_ids,
        pairs.document_ids,
        pairs.generality,
        pairs.heights,
        torch.full((pairs.n_queries,), found.threshold, dtype=queries.dtype),
        pairs.query_texts,
        pairs.document_texts,
        method=method,
        separation=found,
        in_float32=rounded,
        seed=seed if method == "gaussian" else None,
    )


MOST_BYTES = 4 << 30  # of the two tables of one_hot


def one_hot(pairs: Pairs) -> tuple[Floats, Floats]:
    """Queries and documents (float64, n_documents wide): unit axes, and the normalised sum of a query's own.

    A relevant document scores 1 / sqrt(|S(q)|), every other exactly 0: the largest gap that unit vectors can have.

    Raises:
        InputError: the tables would take more than 4 GiB.
    """
    n, m = pairs.n_queries, pairs.n_documents
    if 8 * m * (n + m) > MOST_BYTES:
        raise InputError(
            f"one_hot takes a dimension for each of {m:,} documents: {8 * m * (n + m) / 2**30:,.0f} GiB for both "
            f"tables. Take method='gaussian', which needs far fewer, or 'moment_curve', exact in "
            f"{2 * int(pairs.sizes.max(initial=1))}."
        )
    queries = np.zeros((n, m))
    queries[pairs.query_of, pairs.documents] = 1 / np.sqrt(pairs.sizes[pairs.query_of])
    return queries, np.eye(m)


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
    points = 2 * np.pi * np.arange(2 * degree + 1) / (2 * degree + 1)  # enough samples of p for its degree
    angles = 2 * np.pi * np.arange(pairs.n_documents) / max(1, pairs.n_documents)
    documents = _interleaved(np.exp(1j * np.outer(angles, np.arange(1, degree + 1)))) / np.sqrt(degree)
    queries = np.zeros((pairs.n_queries, 2 * degree))
    for row in np.flatnonzero(pairs.sizes).tolist():
        relevant = angles[pairs.documents[pairs.offsets[row] : pairs.offsets[row + 1]]]
        waves = np.fft.rfft(np.prod(1 - np.cos(points[:, None] - relevant), axis=1))
        queries[row] = -2 * _interleaved(waves[1:].conj()) / waves[0].real * np.sqrt(degree)
    return queries, documents


def _interleaved(waves: npt.NDArray[np.complex128]) -> Floats:
    """Real and imaginary parts side by side along the last axis."""
    return waves.astype(np.complex128, order="C").view(np.float64)


NONE = -1


def arcs(parents: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Points and arcs of a forest as (queries, documents), float64, n x 3; they score >= 0 where point lies in arc.

    The circle is cut into one slot a node, and two that stay free, numbered parents first, so that a node and
    everything below it are neighbours. The own point x of a node is the middle of its slot; its arc, of centre c and
    half-width r, spans the slots of everything below it and a little more:

        query = (cos x, sin x, 1), document = (cos c, sin c, -cos r), score = cos(x - c) - cos r.

    A leaf's half-width is sqrt(1/2) of a slot, so that with slots of width w its own point scores w^2 / 4 and its
    neighbours' -w^2 / 4: the smallest scores there are, and (pi / n)^2 for n nodes. That is 1e-9 for 100,000 nodes,
    which float64 carries and float32 does not: its steps near 1 are 6e-8, as large as this from about 13,000 nodes on.

    Args:
        parents: int, n: each node's parent, -1 for roots. Any order of rows.

    Raises:
        InputError: a parent that is no row, or nodes in a circle.
    """
    first, size = _preorder(np.asarray(parents, np.int64))
    slot = 2 * math.pi / (len(first) + 2)
    points, centres, widths = (first + 0.5) * slot, (first + size / 2) * slot, (size - 1 + math.sqrt(2)) / 2 * slot
    queries = np.stack([np.cos(points), np.sin(points), np.ones(len(points))], axis=1)
    return queries, np.stack([np.cos(centres), np.sin(centres), -np.cos(widths)], axis=1)


def forest_arcs(pairs: Pairs) -> tuple[Floats, Floats]:
    """Queries and documents (float64, x 3) of pairs that are the full closure of a forest; relevant ones score >= 0.

    What stands above a document is read from the pairs: of two documents of one query the more general one is the
    higher, and where the same documents stand above it for every query, the documents form a forest. A query's point is
    that of its lowest document; one without relevant documents has its point between the slots that stay free.

    Raises:
        InputError: documents that do not form a forest, because a query has two parents or answers are cut off at some
            distance. The message names the first.
    """
    queries, documents = pairs.query_of, pairs.documents.astype(np.int64)
    several = np.flatnonzero(np.bincount(queries[pairs.distances == 1], minlength=pairs.n_queries) > 1)
    if len(several):
        row = int(several[0])
        names = [pairs.document_ids[d] for d in documents[(queries == row) & (pairs.distances == 1)].tolist()]
        raise InputError(
            f"Arcs hold trees and forests; {pairs.query_ids[row]!r} has {len(names)} parents: "
            f"{', '.join(map(repr, names[:5]))}{' ...' if len(names) > 5 else ''} ({len(several):,} such in all). "
            f"Take method='moment_curve' or 'gaussian', which hold any sets."
        )
    # Within a query from the most general document down; equally general ones always in the same order.
    order = np.lexsort((documents, -pairs.generality[documents], queries))
    documents = documents[order]
    answered = pairs.sizes > 0
    above = np.roll(documents, 1)
    above[pairs.offsets[:-1][answered]] = NONE
    parents = np.full(pairs.n_documents, NONE, np.int64)
    parents[documents] = above
    crossing = np.flatnonzero(parents[documents] != above)
    if len(crossing):
        query, document = int(queries[crossing[0]]), int(documents[crossing[0]])
        raise InputError(
            f"Arcs hold trees and forests with all their ancestors; above {pairs.document_ids[document]!r}, "
            f"{pairs.query_ids[query]!r} has other documents than another query. A bound on the distance cuts sets "
            f"like that: make the pairs without max_distance; or take method='moment_curve' or 'gaussian', which hold "
            f"any sets."
        )
    points, own = arcs(parents)
    free = -2 * math.pi / (len(parents) + 2)
    out = np.tile([math.cos(free), math.sin(free), 1.0], (pairs.n_queries, 1))
    out[answered] = points[documents[pairs.offsets[1:][answered] - 1]]  # of each query's last, the lowest
    return out, own


def _preorder(parents: Ints) -> tuple[Ints, Ints]:
    """(place of each node with parents first, how many nodes it and everything below it are)."""
    n = len(parents)
    if n and not (parents.min() >= NONE and parents.max() < n):
        raise InputError(f"parents must be rows 0..{n - 1}, or -1 for roots; got {parents.min()}..{parents.max()}.")
    children = np.argsort(parents, kind="stable")
    starts = np.searchsorted(parents[children], np.arange(NONE, n + 1))
    ordered: list[int] = []
    stack = children[: starts[1]][::-1].tolist()
    while stack:
        node = stack.pop()
        ordered.append(node)
        stack.extend(children[starts[node + 1] : starts[node + 2]][::-1].tolist())
    if len(ordered) < n:
        raise InputError(f"{n - len(ordered)} of {n} nodes are below no root: their parents run in a circle.")
    first, size = np.empty(n, np.int64), np.ones(n, np.int64)
    first[ordered] = np.arange(n)
    for node in reversed(ordered):
        if parents[node] != NONE:
            size[parents[node]] += size[node]
    return first, size


def corrupt(pairs: Pairs, *, dropped: float = 0.0, added: float = 0.0, seed: int = 0) -> Pairs:
    """Copy pairs with a share of them left out and wrong ones added; ids and rows stay.

    Missing pairs are drawn uniformly from all. A wrong pair is a uniform query that has answers, with a uniform
    document that is not relevant to it, and the distance of some random pair; where there are fewer such, all are
    added.

    Args:
        pairs: what is true.
        dropped: share of the pairs to leave out, in [0, 1).
        added: how many wrong pairs to put in, as a share of the pairs there were, at least 0.
        seed: of both choices, which are independent: the same pairs are missing whatever is added.

    Raises:
        InputError: shares out of range.
        PairsError: nothing is left.
    """
    if not 0 <= dropped < 1 or not 0 <= added < np.inf:
        raise InputError(f"Needed dropped in [0, 1) and added >= 0, got dropped={dropped}, added={added}.")
    kept = pairs
    if dropped:
        order = stream(seed, "corrupt", "dropped").permutation(len(pairs))
        wanted = np.ones(len(pairs), np.bool_)
        wanted[order[: round(dropped * len(pairs))]] = False
        kept = pairs.keep(wanted)
    if not len(kept):
        raise PairsError(f"Of {len(pairs)} pairs none is left with a share of {dropped} missing; drop fewer.")
    rng, n = stream(seed, "corrupt", "added"), round(added * len(pairs))
    answered = np.flatnonzero(pairs.sizes)
    true = pairs.query_of * pairs.n_documents + pairs.documents
    wrong = np.empty(0, np.int64)
    room = len(answered) * pairs.n_documents - len(pairs)
    while len(wrong) < min(n, room):
        few = max(64, (n - len(wrong)) * 5 // 4)
        drawn = rng.choice(answered, few) * pairs.n_documents + rng.integers(pairs.n_documents, size=few)
        fresh = np.setdiff1d(drawn, np.r_[true, wrong])
        wrong = np.r_[wrong, rng.permutation(fresh)][:n]
    return Pairs.from_arrays(
        pairs.query_ids,
        pairs.document_ids,
        np.r_[kept.query_of, wrong // pairs.n_documents],
        np.r_[kept.documents, wrong % pairs.n_documents],
        np.r_[kept.distances, rng.choice(pairs.distances.astype(np.int64), len(wrong))],
        query_texts=pairs.query_texts,
        document_texts=pairs.document_texts,
        notes=pairs.notes,
    )


def against(points: DualEncoder, true: Pairs) -> dict[str, Any]:
    """Measure vectors made from other pairs on the true ones: `recall` (overall, at |S(q)|, in [0, 1]) and the figures
    of `Separation.to_dict`."""
    found = separation(points.query_vectors(), points.document_vectors(), true)
    return {"recall": evaluate(points, true, bootstrap=0).overall.value, **found.to_dict()}
