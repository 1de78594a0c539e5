"""`construct`: embeddings without training, measured as they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from rootward.encoders import DualEncoder, LookupTower
from rootward.encoders.start import construct_start
from rootward.errors import InputError, did_you_mean
from rootward.geometry.arcs import forest_arcs
from rootward.geometry.moment_curve import moment_curve
from rootward.geometry.one_hot import one_hot
from rootward.geometry.separation import Separation, separation
from rootward.pairs import Pairs

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
        told: dict[str, Any] = {"method": self.method, "dim": self.dim, "seed": self.seed}
        return {**told, "separation": self.separation.to_dict(), "in_float32": self.in_float32.to_dict()}

    def save(self, folder: str | Path, *, config: Any = None, more_files: tuple[str, ...] = ()) -> Path:
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
    queries, documents = _gaussian(pairs, dim, seed) if method == "gaussian" else _exact(pairs, dim, method)
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


def _gaussian(pairs: Pairs, dim: int | None, seed: int) -> tuple[Tensor, Tensor]:
    if dim is None or dim < 1:
        raise InputError(
            f"method='gaussian' needs a dim of at least 1, got {dim}. rootward.plan(pairs) finds the smallest that "
            f"separates."
        )
    return construct_start(pairs, dim, seed)


def _exact(pairs: Pairs, dim: int | None, method: str) -> tuple[Tensor, Tensor]:
    make = {"one_hot": one_hot, "moment_curve": moment_curve, "arcs": forest_arcs}[method]
    widths = {"one_hot": pairs.n_documents, "moment_curve": 2 * int(pairs.sizes.max()), "arcs": 3}
    if dim is not None and dim != widths[method]:
        raise InputError(
            f"method={method!r} has {widths[method]} dimensions for these pairs, got dim={dim}; leave dim out, or take "
            f"method='gaussian' for one of your choice."
        )
    queries, documents = make(pairs)
    return torch.from_numpy(np.ascontiguousarray(queries)), torch.from_numpy(np.ascontiguousarray(documents))
