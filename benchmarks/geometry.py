"""Constructions at full size: what separates, how long it takes, and where float32 ends.

    python benchmarks/geometry.py separation   # the dimension found, and the margin there, on four hierarchies
    python benchmarks/geometry.py time         # WordNet at dim 512, margin over all scores included
    python benchmarks/geometry.py arcs         # every score of trees of 100,000 nodes, float64 and float32
    python benchmarks/geometry.py moment       # margins of the moment curve

EDAM comes in the package edam-ontology 1.25.3, which is fetched with pip into a temporary folder.
"""

from __future__ import annotations

import csv
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import save, timed_process

import rootward as rw
from rootward.geometry import expected_dimension, guaranteed_dimension, smallest_separating
from rootward.geometry.constructions import arcs
from rootward.hierarchy import NAMED

SEEDS = (0, 1, 2)


def edam() -> rw.Pairs:
    """The terms of EDAM that are not obsolete, with their parents."""
    with tempfile.TemporaryDirectory() as name:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", name]
        subprocess.run([*pip, "edam-ontology==1.25.3"], check=True)
        with next(Path(name).rglob("EDAM.tsv")).open(encoding="utf-8", newline="") as file:
            terms = [row for row in csv.DictReader(file, delimiter="\t") if row["Obsolete"] != "TRUE"]
    there = {row["Class ID"] for row in terms}
    edges = [(row["Class ID"], parent) for row in terms for parent in row["Parents"].split("|") if parent in there]
    return rw.Hierarchy.from_edges(edges).pairs()


def separation_of_four() -> list[dict[str, Any]]:
    sources = {
        "(4, 5)-tree": lambda: rw.Hierarchy.perfect_tree(4, 5).pairs(),
        "random DAG of 2,000": lambda: rw.Hierarchy.random_dag(2_000, multi_parent_share=0.3, max_depth=6).pairs(),
        "EDAM": edam,
        "WordNet": lambda: NAMED["wordnet"].pairs(),
    }
    figures = []
    for name, read in sources.items():
        pairs = read()
        began = time.perf_counter()
        found = smallest_separating(pairs, SEEDS)
        took = time.perf_counter() - began
        order = int(pairs.sizes.max()) * math.log(pairs.n_documents)
        print(name, found, flush=True)
        figures += [
            {
                "source": name,
                "documents": pairs.n_documents,
                "max |S(q)|": int(pairs.sizes.max()),
                "dim": found.dim,
                "failed_at": found.failed_at,
                "expected": expected_dimension(pairs),
                "guaranteed": guaranteed_dimension(pairs),
                "dim / (s ln m)": round(found.dim / order, 2),
                "seed": each.seed,
                "margin": each.margin,
                "search_s": round(took, 1),
            }
            for each in found.tried
            if each.dim == found.dim
        ]
    return figures


def time_of_wordnet() -> list[dict[str, Any]]:
    figures = []
    for dim in (128, 256, 512):
        took = timed_process([sys.executable, "-m", "rootward", "construct", "wordnet", "--dim", str(dim), "--quiet"])
        figures.append({"dim": dim, "said": took.pop("output").splitlines()[0], **took})
    return figures


def shapes(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = np.arange(n)
    return {
        "chain": rows - 1,
        "star": np.where(rows == 0, -1, 0),
        "binary": np.where(rows == 0, -1, (rows - 1) // 2),
        "random": np.where(rows == 0, -1, (rng.random(n) * rows).astype(np.int64)),
        "random, deep": np.where(rows == 0, -1, rows - 1 - np.minimum(rows - 1, rng.integers(0, 20, n))),
    }


def intervals(parents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(entry, exit) of every node in a walk of the tree: what is below what, told by other means than arcs are made."""
    children: list[list[int]] = [[] for _ in parents]
    for node, parent in enumerate(parents.tolist()):
        if parent >= 0:
            children[parent].append(node)
    entry, leave, clock = np.zeros(len(parents), np.int64), np.zeros(len(parents), np.int64), 0
    for root in np.flatnonzero(parents < 0).tolist():
        stack = [(root, False)]
        while stack:
            node, done = stack.pop()
            if done:
                leave[node] = clock
                continue
            entry[node], clock = clock, clock + 1
            stack.append((node, True))
            stack.extend((child, False) for child in children[node])
    return entry, leave


def wrong(parents: np.ndarray, dtype: torch.dtype) -> int:
    """How many of all n x n scores are on the wrong side of 0."""
    queries, documents = (torch.from_numpy(side).to(dtype) for side in arcs(parents))
    entry, leave = (torch.from_numpy(side) for side in intervals(parents))
    count = 0
    for start in range(0, len(queries), 64):
        part = slice(start, start + 64)
        inside = (entry <= entry[part, None]) & (entry[part, None] < leave)
        count += int(((queries[part] @ documents.T >= 0) != inside).sum())
    return count


def arcs_at_size() -> list[dict[str, Any]]:
    figures = []
    for n in (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 100_000):
        for shape, parents in shapes(n).items():
            row: dict[str, Any] = {"nodes": n, "shape": shape, "wrong in float64": wrong(parents, torch.float64)}
            if n <= 32_000:  # where it fails is known by then
                row["wrong in float32"] = wrong(parents, torch.float32)
            figures.append(row)
            print(row, flush=True)
    return figures


def moment_margins() -> list[dict[str, Any]]:
    figures = []
    for documents in (20, 100, 500):
        for size in (1, 2, 3, 4, 6, 8, 12):
            rng = np.random.default_rng(0)
            table = [(f"q{q}", f"d{d}", 0) for q in range(50) for d in rng.permutation(documents)[:size]]
            pairs = rw.Pairs.from_table(table)
            points = rw.construct(pairs, method="moment_curve")
            figures.append(
                {
                    "documents": pairs.n_documents,
                    "|S(q)|": size,
                    "dim": points.dim,
                    "margin, float64": points.margin,
                    "separated, float64": points.separation.separated,
                    "margin, float32": points.in_float32.margin,
                    "separated, float32": points.in_float32.separated,
                }
            )
    return figures


PARTS = {
    "separation": separation_of_four,
    "time": time_of_wordnet,
    "arcs": arcs_at_size,
    "moment": moment_margins,
}


def main() -> None:
    for part in sys.argv[1:] or PARTS:
        save(f"geometry_{part}", f"python benchmarks/geometry.py {part}", PARTS[part]())


if __name__ == "__main__":
    main()
