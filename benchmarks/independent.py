"""A second evaluator, in NumPy alone, that shares no code with rootward: it reads a run folder and WordNet's table.

    recall of a pair = its document is among the |S(q)| best of all; a tie with the last place counts as a miss unless
    fewer than |S(q)| others score at least as high.

Slow and plain on purpose. The closure is a breadth-first search per node.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import load_file

Relevant = dict[str, dict[str, int]]


def wordnet_relevant(table: Path, max_distance: int = 8, root: str = "entity.n.01") -> Relevant:
    """Query id -> {document id: hops}: hypernyms only, the root left out."""
    rows = pq.read_table(table).to_pylist()
    parents = [row["hypernyms"] for row in rows]
    relevant = {}
    for start, row in enumerate(rows):
        hops, front = {start: 0}, [start]
        for distance in range(1, max_distance + 1):
            front = [p for node in front for p in parents[node] if p not in hops]
            for node in front:
                hops.setdefault(node, distance)
        relevant[row["id"]] = {rows[node]["id"]: k for node, k in hops.items() if rows[node]["id"] != root}
    return relevant


def measure(run: Path, relevant: Relevant, n_queries: int | None = None, seed: int = 0) -> dict[str, object]:
    """Recall by distance, min and overall in percent; and what is shown: the |S(q)| best by ascending height."""
    tensors = load_file(run / "model.safetensors")
    ids = pq.read_table(run / "ids.parquet").to_pylist()
    query_row = {row["id"]: row["row"] for row in ids if row["side"] == "query"}
    documents = [row["id"] for row in sorted((r for r in ids if r["side"] == "document"), key=lambda r: r["row"])]
    document_row = {label: row for row, label in enumerate(documents)}
    asked = [q for q in relevant if relevant[q]]
    if n_queries is not None:
        asked = [asked[i] for i in np.random.default_rng(seed).permutation(len(asked))[:n_queries]]
    hits: dict[int, float] = {}
    weight: dict[int, float] = {}
    first = shown_pairs = all_pairs = 0.0
    n_ordered = n_comparable = 0
    for start in range(0, len(asked), 256):
        block = asked[start : start + 256]
        scores = tensors["queries"][[query_row[q] for q in block]] @ tensors["documents"].T
        for q, row in zip(block, scores, strict=True):
            targets = relevant[q]
            rows = np.array([document_row[d] for d in targets])
            hops = np.array(list(targets.values()))
            size = len(rows)
            worst = np.partition(row, -size)[-size]
            if row[rows].min() >= worst and (row >= worst).sum() == size:
                hit = np.ones(size, bool)
            else:
                hit = np.array([(row >= row[d]).sum() - 1 < size for d in rows])
            for k, h in zip(hops.tolist(), hit.tolist(), strict=True):
                hits[k] = hits.get(k, 0) + h / size
                weight[k] = weight.get(k, 0) + 1 / size
            best = np.argsort(-row, kind="stable")[:size] if not hit.all() else rows
            shown = best[np.lexsort((-row[best], tensors["heights"][best]))]
            first += shown[0] == document_row[q]
            place = {int(d): i for i, d in enumerate(shown)}
            where = np.array([place.get(int(d), -1) for d in rows])
            nearer = hops[:, None] < hops[None, :]
            if nearer.any():
                right = nearer & (where[:, None] < where[None, :]) & (where[:, None] >= 0)
                shown_pairs += right.sum() / nearer.sum()
                all_pairs += right.sum()
                n_ordered += 1
                n_comparable += int(nearer.sum())
    by_distance = {k: 100 * hits[k] / weight[k] for k in sorted(hits)}
    return {
        "queries": len(asked),
        "overall": round(100 * sum(hits.values()) / sum(weight.values()), 3),
        "min": round(min(by_distance.values()), 2),
        "by_distance": [round(v, 2) for v in by_distance.values()],
        "exact_first": round(100 * first / len(asked), 2),
        "pairs_in_order": round(100 * shown_pairs / max(1, n_ordered), 2),
        "pairs_in_order_pooled": round(100 * all_pairs / max(1, n_comparable), 2),
    }
