"""1,000 nodes added to WordNet without training, beside a training with all of them.

    python benchmarks/growth.py [--old RUN] [--full RUN]

Two trainings with the defaults at dim 64: one of WordNet without 1,000 nodes, drawn at random (stream "growth", "held
out" of seed 0; the children of those taken out are joined to what stood above them), one of all of it. The first is
grown to all of WordNet and measured beside the second. Runs that are there already can be named; the first one must be
of these very pairs, the second of `wordnet`.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import save

from rootward.encoders import DualEncoder
from rootward.evaluation import Ranks, ranks_of
from rootward.growth import diff, drift, grow
from rootward.hierarchy import NAMED, Hierarchy
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.training import Run, recipes, train

N, SEED, DIM = 1_000, 0, 64
MEASURED = 10_000  # trained queries, besides all that are new or want something new
Flags = np.ndarray[Any, np.dtype[np.bool_]]


def main(old: Path | None, full: Path | None) -> None:
    whole, name = Hierarchy.wordnet(), NAMED["wordnet"]
    settings: dict[str, Any] = {"max_distance": name.max_distance, "leave_out": name.leave_out}
    free = [node for node in whole.ids if node not in name.leave_out]
    drawn = stream(SEED, "growth", "held out").choice(len(free), N, replace=False)
    held_out = {free[row] for row in drawn.tolist()}
    small = without(whole, held_out)
    before, after = small.pairs(**settings), whole.pairs(**settings)
    print(diff(before, after))
    trained, retrained = run_of(old, before), run_of(full, after)

    was, cpu = time.perf_counter(), cpu_seconds()
    grown = grow(trained, before, after, seed=SEED)
    took = {"grow_s": round(time.perf_counter() - was, 2), "grow_cpu_s": round(cpu_seconds() - cpu, 2)}
    print(grown)
    new = np.isin(np.arange(len(after.query_ids)), after.query_ids.rows(sorted(held_out)))
    inner = new & (np.diff(whole.child_offsets) > 0)
    sample = np.zeros(len(new), np.bool_)
    sample[stream(SEED, "growth", "measured").choice(np.flatnonzero(~new), MEASURED, replace=False)] = True
    wants = np.zeros(len(new), np.bool_)
    wants[after.query_of[new[after.documents]]] = True
    looked_at = after.keep((new | wants | sample)[after.query_of])
    by_grown = recalls(ranks_of(grown.model, looked_at), looked_at, new, inner, sample)
    by_full = recalls(ranks_of(retrained, looked_at), looked_at, new, inner, sample)
    first = before.keep(sample[after.query_ids.rows(before.query_ids)][before.query_of])
    none, every = np.zeros(before.n_queries, np.bool_), np.ones(before.n_queries, np.bool_)
    at_first = recalls(ranks_of(trained, first), first, none, none, every)["trained queries, a sample"]
    figures = [
        {
            "slice": key,
            "queries": by_grown[key][0],
            "grown": by_grown[key][1],
            "retrained": by_full[key][1],
            "share_of_retrained": by_grown[key][1] / by_full[key][1],
        }
        for key in by_grown
    ]
    figures.append({"slice": "the same sample, before growing", "queries": at_first[0], "grown": at_first[1]})
    figures.append({"slice": "growing", "queries": N, **took})
    told = drift(trained, before, grown)
    print(told)
    note = f"verdict: {told.verdict}. {' '.join(told.reasons)}"
    save("growth", "python benchmarks/growth.py", figures, note)


def without(tree: Hierarchy, gone: set[str]) -> Hierarchy:
    """The hierarchy without these nodes, their children joined to what stood above them."""

    def above(node: str) -> list[str]:
        joined = [[parent] if parent not in gone else above(parent) for parent in tree.parents_of(node)]
        return list(dict.fromkeys(parent for parents in joined for parent in parents))

    nodes = [node for node in tree.ids if node not in gone]
    made = Hierarchy.from_edges([(node, parent) for node in nodes for parent in above(node)], nodes=nodes)
    texts = None if tree.texts is None else tree.texts.take(tree.ids.rows(nodes))
    return Hierarchy(made.ids, made.parent_offsets, made.parents, texts)


def run_of(folder: Path | None, pairs: Pairs) -> DualEncoder:
    """The model in a run of these pairs, or one trained now."""
    if folder is not None:
        run = Run.load(folder)
        same = run.pairs.query_ids == pairs.query_ids and np.array_equal(run.pairs.documents, pairs.documents)
        assert same, f"{folder} is a run of other pairs"
        return run.model
    model = DualEncoder.lookup(pairs, DIM, seed=SEED)
    with tempfile.TemporaryDirectory() as out:
        return train(model, pairs, recipes.decoupled(), seed=SEED, out=Path(out) / "run").model


def recalls(ranks: Ranks, pairs: Pairs, new: Flags, inner: Flags, sample: Flags) -> dict[str, tuple[int, float]]:
    """By slice: how many queries, and the recall at |S(q)| of its pairs, each query's pairs weighing 1 in all."""
    query, weights = pairs.query_of, 1.0 / pairs.sizes[pairs.query_of]
    exact = pairs.distances == 0
    slices = {
        "added queries": new[query],
        "added leaves": (new & ~inner)[query],
        "added leaves, exact match": (new & ~inner)[query] & exact,
        "added inner nodes": inner[query],
        "added inner nodes, exact match": inner[query] & exact,
        "added documents, of trained queries": ~new[query] & new[pairs.documents],
        "trained queries, a sample": sample[query],
    }
    return {
        key: (len(np.unique(query[which])), float((weights * ranks.hits)[which].sum() / weights[which].sum()))
        for key, which in slices.items()
        if which.any()
    }


def cpu_seconds() -> float:
    """Processor time of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--old", type=Path)
    parser.add_argument("--full", type=Path)
    given = parser.parse_args()
    main(given.old, given.full)
