"""Indexes: what ours add to the bare library, and what approximate engines keep of exact search, and how fast.

    python benchmarks/index_engines.py [overhead] [clustered] [hierarchy]      # all three unless some are named
    python benchmarks/index_engines.py overhead --documents 1000000            # where lists are worth their while
    python benchmarks/index_engines.py clustered --small                       # a tenth of everything, to try it
    python benchmarks/index_engines.py clustered --engines ivf,ivf-sq8         # building hnsw takes longest
    python benchmarks/index_engines.py run --run runs/wordnet                  # the documents of a run, at |S(q)|

overhead: `Index.search` over the same FAISS call made bare, taking turns in one process; ratio of medians. ivf-sq8
    gives true scores, so FAISS's own way to those stands beside the bytes alone: IndexRefineFlat, as many candidates.
clustered: 1,000,000 x 128 documents around 10,000 centres, queries beside documents; recall of exact search's 10 best
    and throughput over exact search's, engines tuned to 0.99.
hierarchy: 1,111,111 documents of a tree with ten children a node, 128 numbers each, trained from it for two epochs
    (20 minutes on one core; into --run FOLDER where one is named, and from there where it was trained before); at
    |S(q)|.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import save

import rootward as rw
from rootward.encoders import DualEncoder
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Exact, Index
from rootward.retrieval.tuning import Sample
from rootward.training.run import pairs_in

ENGINES = ("ivf", "ivf-sq8", "hnsw")
ROUNDS = 9
EPOCHS = 2
"""Of the training of the hierarchy; from the constructed start."""
DIM = 128
"""Of the clustered documents and of the hierarchy's."""


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered_model(n: int, dim: int, n_queries: int = 2000) -> DualEncoder:
    """Documents around n / 100 centres, as far from them as centres are from each other; queries beside documents."""
    rng = np.random.default_rng(0)
    centres = unit(rng.standard_normal((n // 100, dim)))
    documents = unit(centres[rng.integers(len(centres), size=n)] + rng.standard_normal((n, dim)) / np.sqrt(dim) / 2)
    chosen = rng.choice(n, n_queries, replace=False)
    queries = unit(documents[chosen] + rng.standard_normal((n_queries, dim)) / np.sqrt(dim) / 4)
    places = np.arange(n_queries)
    pairs = Pairs.from_arrays(Ids(range(n_queries)), Ids(range(n)), places, chosen, np.zeros(n_queries, int))
    return DualEncoder.from_vectors(pairs, queries, documents)


def turns(contenders: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of each; they take turns, so that a busy moment meets all of them."""
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for contender in contenders.values():
        contender()
    for _ in range(rounds):
        for name, contender in contenders.items():
            began = time.perf_counter()
            contender()
            took[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in took.items()}


# -- what we add -------------------------------------------------------------------------------------------------


Searches = dict[str, Callable[[torch.Tensor, int], object]]


def bare(index: Index, documents: torch.Tensor) -> Searches:
    """The same search by the library alone, with the same parameters; for ivf-sq8 also with true scores, as ours."""
    import faiss  # noqa: PLC0415

    engine: Any = index.engine
    if isinstance(engine, Exact):
        flat = faiss.IndexFlatIP(engine.dim)
        flat.add(documents.numpy())
        return {"IndexFlatIP": lambda queries, k: flat.search(queries.numpy(), k)}
    if engine.name == "hnsw":
        parameters = faiss.SearchParametersHNSW(efSearch=engine.effort)
    else:
        parameters = faiss.SearchParametersIVF(nprobe=engine.effort)
    alone = {type(engine._index).__name__: lambda q, k: engine._index.search(q.numpy(), k, params=parameters)}
    return alone if engine.name != "ivf-sq8" else alone | refined(engine, documents, parameters)


def refined(engine: Any, documents: torch.Tensor, parameters: Any) -> Searches:
    """FAISS's own way to true scores: as many candidates by their bytes as ours, then float32 vectors."""
    import faiss  # noqa: PLC0415

    both = faiss.IndexRefineFlat(engine._index, faiss.swig_ptr(documents.numpy()))

    def search(queries: torch.Tensor, k: int) -> object:
        factor = (engine.candidates(k) + 0.5) / k
        wide = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=parameters)
        return both.search(queries.numpy(), k, params=wide)

    return {"IndexRefineFlat over it": search}


def overhead(n: int, names: tuple[str, ...], k: int = 10) -> list[dict[str, Any]]:
    model = clustered_model(n, 64)
    documents = model.document_vectors().detach()
    figures = []
    for name in ("exact", *names):
        index = Index.build(model, name)
        searches = {"ours": index.search, **bare(index, documents)}
        for n_queries in (1000, 1):
            queries = model.query_vectors(np.arange(n_queries)).detach()
            contenders = {what: partial(search, queries, k) for what, search in searches.items()}
            median = turns(contenders, ROUNDS if n_queries > 1 else 300)
            ours = median.pop("ours")
            for what, seconds in median.items():
                figures.append(
                    {
                        "part": "overhead",
                        "documents": n,
                        "dim": 64,
                        "engine": name,
                        "effort": "" if index.tuned is None else f"{index.tuned.effort} {index.tuned.name}",
                        "queries at a time": n_queries,
                        "bare": what,
                        "bare ms a query": round(1e3 * seconds / n_queries, 4),
                        "ours ms a query": round(1e3 * ours / n_queries, 4),
                        "ours over bare": round(ours / seconds, 3),
                    }
                )
                print(figures[-1], flush=True)
    return figures


# -- what approximate engines keep ---------------------------------------------------------------------------------


def engines(part: str, model: DualEncoder, pairs: Pairs | None, k: int, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Recall of exact search at |S(q)| (or k), and throughput over exact search's on the same queries."""
    documents = model.document_vectors()
    fresh = Sample.of(model, documents, pairs, k, seed=1)
    queries, wanted = fresh.vectors, int(fresh.sizes.max())
    exact = Exact(documents)
    few = queries[:50]
    figures = []
    for name in names:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            index = Index.build(model, name, pairs=pairs, k=k, out=folder, progress=True)
            seconds = time.perf_counter() - began
            size = sum(path.stat().st_size for path in Path(folder).iterdir())
            engine = index.engine
            median = turns(
                {"exact": lambda: exact.search(few, wanted), "ours": lambda e=engine: e.search(queries, wanted)}, 5
            )
            a_query, exact_a_query = median["ours"] / len(queries), median["exact"] / len(few)
            assert index.tuned is not None
            figures.append(
                {
                    "part": part,
                    "documents": len(documents),
                    "dim": model.dim,
                    "engine": name,
                    "build and tune s": round(seconds, 1),
                    "MB": round(size / 1e6),
                    "effort": f"{index.tuned.effort} {index.tuned.name}",
                    "recall of exact": round(float(fresh.recall(engine).mean()), 5),
                    "at": index.tuned.at,
                    "ms a query": round(1e3 * a_query, 4),
                    "exact ms a query": round(1e3 * exact_a_query, 2),
                    "times exact's throughput": round(exact_a_query / a_query, 1),
                }
            )
            print(figures[-1], flush=True)
    return figures


def clustered(scale: int, names: tuple[str, ...]) -> list[dict[str, Any]]:
    return engines("clustered", clustered_model(1_000_000 // scale, DIM), None, 10, names)


def hierarchy(scale: int, names: tuple[str, ...], folder: Path | None) -> list[dict[str, Any]]:
    pairs = rw.Hierarchy.perfect_tree(7 if scale == 1 else 6, 10).pairs()
    if folder is not None and (folder / "model.safetensors").exists():
        model = DualEncoder.load(folder)
    else:
        model = DualEncoder.lookup(pairs, DIM)
        recipe, quietly = rw.recipes.decoupled(epochs=EPOCHS), rw.Settings(measure=False)
        rw.train(model, pairs, recipe, out=folder, settings=quietly)
    some = np.random.default_rng(1).choice(pairs.n_queries, 1000, replace=False)
    found = rw.evaluate(model, pairs.of_queries(np.sort(some)), bootstrap=0)
    recall = {"recall of the pairs": round(found.overall.value, 4)}
    return [{**row, **recall} for row in engines("hierarchy", model, pairs, 10, names)]


def of_run(names: tuple[str, ...], folder: Path) -> list[dict[str, Any]]:
    model = DualEncoder.load(folder)
    return engines("run", model, pairs_in(folder, model), 10, names)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "run", []], default=[])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--documents", type=int, default=200_000, help="of the part overhead")
    parser.add_argument("--run", type=Path)
    given = parser.parse_args(arguments)
    for part in given.parts or PARTS:
        scale, names = 10 if given.small else 1, tuple(given.engines.split(","))
        if part == "overhead":
            figures = overhead(given.documents // scale, names)
        elif part == "clustered":
            figures = clustered(scale, names)
        else:
            figures = of_run(names, given.run) if part == "run" else hierarchy(scale, names, given.run)
        save(
            f"index_{part}" + "_small" * given.small,
            f"python benchmarks/index_engines.py {' '.join(arguments)}",
            figures,
        )


PARTS = ("overhead", "clustered", "hierarchy")


if __name__ == "__main__":
    main(sys.argv[1:])
