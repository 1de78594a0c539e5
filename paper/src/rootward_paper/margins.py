"""Recall after rounding, product quantisation and a graph index, against each query's margin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders import DualEncoder
from rootward.evaluation import rank_pairs
from rootward.evaluation.results import plain_table
from rootward.hierarchy import Hierarchy
from rootward.pairs import Pairs
from rootward.retrieval.engines.faiss_files import faiss
from rootward.rng import stream
from rootward.training import recipes, train
from rootward_paper.drawing import new_figure
from rootward_paper.measuring import QUIET, grid, pairs_of
from rootward_paper.study import Experiment, Job, Row, Study
from rootward_paper.table1 import OUR_LENGTH

Floats = npt.NDArray[np.float64]

EDGES = (-np.inf, 0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, np.inf)
"""Bounds of the groups that queries are put in by their margin."""

WAYS = ("constructed", "learned")
SAMPLE = 2_000
"""How many queries are measured."""

DIMS_A_BYTE = 8
"""Dimensions that product quantisation keeps in one byte: a 32nd of float32's bytes."""

NEEDS_FAISS = "Product quantisation and HNSW"

LINKS, BREADTH = 16, 64
"""HNSW: links a document, candidates held while searching."""

DIMS = {"tiny": (16,), "cpu": (16, 64), "paper": (16, 32, 64, 128, 256)}


SOURCES: dict[str, Callable[[], Pairs]] = {
    "random DAG of 300": partial(pairs_of, "dag"),
    "random DAG of 3,000": cache(lambda: Hierarchy.random_dag(3_000, multi_parent_share=0.3, max_depth=8).pairs()),
    "WordNet": partial(pairs_of, "wordnet"),
}
"""The first is for the scale "tiny", the others for the larger ones."""


def measure(scale: str, seeds: Sequence[int]) -> Iterator[Job]:
    """Recall of every way of storing and searching, by group of margins; WordNet with the first seed only."""
    for source in list(SOURCES)[:1] if scale == "tiny" else list(SOURCES)[1:]:
        there = seeds if source != "WordNet" else seeds[:1]
        yield from grid(partial(_rows, scale), source=[source], seed=there, dim=DIMS[scale], way=WAYS)


def _rows(scale: str, *, source: str, seed: int, dim: int, way: str) -> Iterator[Row]:
    pairs = SOURCES[source]()
    model = DualEncoder.lookup(pairs, dim, seed=seed)
    if way == "learned":
        train(model, pairs, recipes.decoupled(**OUR_LENGTH[scale]), seed=seed, settings=QUIET)
    sample = stream(seed, "margins", "sample").permutation(np.flatnonzero(pairs.sizes))[:SAMPLE]
    yield from _stored(model.query_vectors(), model.document_vectors(), pairs.of_queries(sample), seed)


def _stored(queries: Tensor, documents: Tensor, pairs: Pairs, seed: int) -> Iterator[Row]:
    """A row for every way of storing the documents and of searching them."""
    whole = rank_pairs(queries, documents, pairs)
    answered = np.flatnonzero(pairs.sizes)
    margins = (whole.floor.astype(np.float64) - whole.ceiling)[answered]
    recalls: dict[str, tuple[float, Floats]] = {
        "float32": (4, _recalls(whole.hits, pairs)[answered]),
        "float16": (2, _ranked(queries, documents.half().float(), pairs)[answered]),
        "int8": (1, _ranked(queries, in_bytes(documents), pairs)[answered]),
        "product quantisation": (1 / DIMS_A_BYTE, _ranked(queries, quantised(documents, seed), pairs)[answered]),
        "HNSW": (4, _by_graph(queries, documents, pairs)[answered]),
    }
    groups = np.searchsorted(EDGES, margins, side="right") - 1
    for storage, (size, recall) in recalls.items():
        yield {
            "storage": storage,
            "bytes_per_dim": size,
            "recall": float(recall.mean()),
            "margin": {f"{q}%": float(np.quantile(margins, q / 100)) for q in (5, 50, 95)},
            "by_margin": [_group(g, recall[groups == g]) for g in np.unique(groups).tolist()],
        }


def _group(place: int, recalls: Floats) -> dict[str, Any]:
    """A group of queries: its number, its lowest margin (None: no bound), how many queries, their recall."""
    low = float(EDGES[place]) if place else None
    return {"group": place, "low": low, "queries": len(recalls), "recall": float(recalls.mean())}


def _ranked(queries: Tensor, documents: Tensor, pairs: Pairs) -> Floats:
    return _recalls(rank_pairs(queries, documents, pairs).hits, pairs)


def _recalls(hits: npt.NDArray[np.bool_], pairs: Pairs) -> Floats:
    """Recall of each query (n_queries; NaN without pairs)."""
    with np.errstate(invalid="ignore"):
        return np.bincount(pairs.query_of, hits, pairs.n_queries) / pairs.sizes


def in_bytes(vectors: Tensor) -> Tensor:
    """The vectors after a round trip through int8 with one scale each."""
    scale = vectors.abs().amax(1, keepdim=True).clamp_min(1e-30) / 127
    return torch.round(vectors / scale) * scale


def quantised(vectors: Tensor, seed: int) -> Tensor:
    """The vectors after product quantisation: 8 dimensions a byte, codebooks by k-means.

    Raises:
        MissingExtraError: faiss is not installed.
    """
    module = faiss(NEEDS_FAISS)
    dim = vectors.shape[1]
    quantiser = module.ProductQuantizer(dim, -(-dim // DIMS_A_BYTE), 8 if len(vectors) >= 10_000 else 6)
    quantiser.cp.seed = seed + 1
    quantiser.cp.min_points_per_centroid = 1
    rows = np.ascontiguousarray(vectors.numpy())
    quantiser.train(rows)
    return torch.from_numpy(quantiser.decode(quantiser.compute_codes(rows)))


def _by_graph(queries: Tensor, documents: Tensor, pairs: Pairs) -> Floats:
    """Recall at |S(q)| of each query under HNSW, built by one thread so that it is reproducible."""
    module = faiss(NEEDS_FAISS)
    threads = module.omp_get_max_threads()
    module.omp_set_num_threads(1)
    graph = module.IndexHNSWFlat(documents.shape[1], LINKS, module.METRIC_INNER_PRODUCT)
    graph.add(documents.numpy())
    graph.hnsw.efSearch = max(BREADTH, 2 * int(pairs.sizes.max()))
    answered = np.flatnonzero(pairs.sizes)
    _, found = graph.search(queries[torch.from_numpy(answered)].numpy(), int(pairs.sizes.max()))
    module.omp_set_num_threads(threads)
    kept = np.arange(found.shape[1]) < pairs.sizes[answered][:, None]
    keys = (answered[:, None] * pairs.n_documents + found)[kept & (found >= 0)]
    return _recalls(np.isin(pairs.query_of * pairs.n_documents + pairs.documents, keys), pairs)


def table(study: Study) -> str:
    """Recall by way of storing, a line a source, way and dimension, with the margins of its queries."""
    storages = list(dict.fromkeys(row["storage"] for row in study.rows))
    lines = []
    for source, way, dim in dict.fromkeys((row["source"], row["way"], row["dim"]) for row in study.rows):
        rows = study.where(source=source, way=way, dim=dim)
        margins = [np.mean([row["margin"][q] for row in rows]) for q in ("5%", "50%")]
        recalls = [np.mean([row["recall"] for row in rows if row["storage"] == storage]) for storage in storages]
        cells = [f"{margin:.3f}" for margin in margins] + [f"{100 * recall:.2f}" for recall in recalls]
        lines.append([source, way, str(dim), *cells])
    header = ["source", "way", "dim", "margin, 5 %", "median", *storages]
    return f"Recall at |S(q)| in %, and margins of the queries in float32\n{plain_table(header, lines)}"


def draw(study: Study) -> Any:
    """Recall against margin: a line a way of storing, over all sources, constructed and learned apart."""
    figure, axes = new_figure(columns=2)
    for way, side in zip(WAYS, axes, strict=True):
        for storage in dict.fromkeys(row["storage"] for row in study.rows):
            places, recalls = _by_group(study.where(way=way, storage=storage))
            side.plot(places, recalls, marker="o", markersize=4, label=storage)
        side.set(xlabel="margin of the query, at least", title=way, ylim=(-2, 102))
        side.set_xticks(range(len(EDGES) - 1), ["< 0", *(f"{edge:g}" for edge in EDGES[1:-1])])
        side.grid(alpha=0.3)
    axes[0].set_ylabel("recall at |S(q)| (%)")
    axes[1].legend(frameon=False, fontsize=8)
    return figure


def _by_group(rows: Sequence[Row]) -> tuple[list[int], list[float]]:
    """(places of the groups that have queries, their recall in percent), over all rows."""
    sums, counts = np.zeros(len(EDGES) - 1), np.zeros(len(EDGES) - 1)
    for group in (group for row in rows for group in row["by_margin"]):
        sums[group["group"]] += group["recall"] * group["queries"]
        counts[group["group"]] += group["queries"]
    there = np.flatnonzero(counts)
    return there.tolist(), (100 * sums[there] / counts[there]).tolist()


MARGINS = Experiment(measure, table, draw, method="way")
