"""An index on a Milvus server beside the bare pymilvus call, on a trained model's documents.

    python benchmarks/milvus_engine.py --run runs/wordnet [--uri http://localhost:19530]

Without --uri a server of the package milvus==2.3.5 is started, with its own settings, and stopped again. Both sides ask
the same server for the same number of documents with the same number of probes, one after the other, so that what else
the machine does falls on both. Recall is the share of exact search's |S(q)| best that is found.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from machine import save

import rootward as rw
from rootward.encoders import Queries
from rootward.pairs import Pairs
from rootward.retrieval import Filter
from rootward.retrieval.tuning import Sample

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from milvus_server import MilvusServer

K, SINGLE, BATCHES, BATCH = 10, 300, 10, 100


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The address of a server that is started and stopped."""
    with tempfile.TemporaryDirectory() as folder:
        milvus = MilvusServer(Path(folder) / "server", Path(folder) / "programs")
        milvus.start()
        try:
            yield milvus.uri
        finally:
            milvus.stop()


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def usual(call: Callable[[], object]) -> float:
    """Milliseconds of the middle one of 50 calls."""
    return float(np.median([timed(call) for _ in range(50)])) * 1e3


def side_by_side(index: rw.Index, queries: Queries, size: int, rounds: int) -> tuple[float, float]:
    """(milliseconds of the index, of pymilvus) a query: medians of rounds that take turns."""
    from pymilvus import MilvusClient  # noqa: PLC0415

    collection = index.engine.collection
    client, vectors = MilvusClient(uri=collection.uri), queries.vectors.numpy()
    parameters = {"metric_type": "IP", "params": {"nprobe": index.engine.effort} if index.tuned else {}}
    ours, bare = [], []
    for i in range(rounds):
        at = np.arange(i * size, (i + 1) * size) % len(vectors)
        asked = queries.vectors[at.tolist()]
        calls = [
            (ours, lambda part=asked: index.search(part, K, nearest_first=False)),
            (
                bare,
                lambda part=vectors[at]: client.search(
                    collection.name, data=list(part), anns_field="vector", limit=K, search_params=parameters
                ),
            ),
        ]
        for times, call in calls if i % 2 else reversed(calls):  # whoever comes second finds the server warm
            times.append(timed(call))
    client.close()
    return float(np.median(ours)) / size * 1e3, float(np.median(bare)) / size * 1e3


def measure(model: rw.DualEncoder, pairs: Pairs, uri: str, kind: str) -> dict[str, object]:
    print(kind, flush=True)
    start = time.perf_counter()
    name = f"benchmark_{kind.replace('-', '_')}_{int(time.time())}"
    index = rw.Index.build(model, kind, pairs=pairs, hierarchy=pairs, uri=uri, collection=name, progress=True)
    built = time.perf_counter() - start
    queries = model.queries()
    drawn = np.random.default_rng(0).permutation(len(queries))[: BATCHES * BATCH].tolist()
    queries = model.queries([queries.ids[row] for row in drawn])
    one, one_bare = side_by_side(index, queries, 1, SINGLE)
    many, many_bare = side_by_side(index, queries, BATCH, BATCHES)
    sample = Sample.of(model, model.document_vectors().detach().float(), pairs, K, seed=1)
    below = Filter.below(index.document_ids[int(np.argmax(index.heights[: len(index)] == 3))])
    figures = {
        "kind": kind,
        "documents": len(index),
        "build and tune s": built,
        "effort": index.tuned.effort if index.tuned else "all",
        "recall at |S(q)| of exact": float(sample.recall(index.engine).mean()),
        "ms, one query": one,
        "over bare": one / one_bare,
        "ms a query, 100 at once": many,
        "over bare, 100": many / many_bare,
        "ms, nearest first": usual(lambda: index.search(model.queries(queries.ids[:1]), K)),
        "ms, below a node": usual(lambda: index.search(queries.vectors[:1], K, where=below)),
    }
    index.engine.drop()
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in figures.items()}
    print(rounded, flush=True)
    return rounded


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--uri")
    parser.add_argument("--kinds", nargs="+", default=["exact", "ivf", "ivf-sq8"])
    given = parser.parse_args()
    model, pairs = rw.DualEncoder.load(given.run), Pairs.load(given.run / "pairs.parquet")
    with contextlib.nullcontext(given.uri) if given.uri else server() as uri:
        figures = [measure(model, pairs, uri, kind) for kind in given.kinds]
    save(
        "milvus_engine",
        "python benchmarks/milvus_engine.py --run RUN",
        figures,
        "A model of WordNet, dim 64. k = 10, medians; index and bare pymilvus in turn, Bounded reads, server 2.3.5.",
    )


if __name__ == "__main__":
    main()
