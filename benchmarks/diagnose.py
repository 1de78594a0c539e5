"""Does `diagnose` name the fault that was planted? Four faults and none, on several hierarchies and seeds.

    python benchmarks/diagnose.py             # every hierarchy but all of WordNet
    python benchmarks/diagnose.py --wordnet   # all of WordNet too

Faults are planted by `tests/planted.py`.
A line of figures is one diagnosis; the note sums them up, found beside planted.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from machine import save

import rootward as rw
from rootward.diagnosis import Diagnosis
from rootward.hierarchy import NAMED

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import planted

Case = tuple[str, str, Any, dict[str, Any]]


def cases(n: int) -> list[Case]:
    """(fault, in words, how it is planted, with what), with lengths fit for a hierarchy of n nodes."""
    length: dict[str, Any] = {"epochs": 12 if n > 50_000 else 30 if n > 1_000 else 60}
    batch = {"batch_size": 512} if n < 1_000 else {}
    shares = [0.05, 0.2] if n < 50_000 else [0.05]
    dims = [2, 3] if n < 1_000 else [2, 4] if n < 50_000 else [4]
    short = {"epochs": 3, "start": "constructed"} if n > 50_000 else {"epochs": 2 if n < 1_000 else 4}
    return [
        ("healthy", "default, dim 64", planted.healthy, length),
        ("sampling bias", "in-batch softmax", planted.in_batch, batch | ({"dim": 3} if n < 1_000 else {})),
        ("under-training", f"{short['epochs']} epochs", planted.too_short, short),
        *(("capacity", f"dim {dim}", planted.too_small, {"dim": dim, **length}) for dim in dims),
        *(("data", f"{share:.0%} wrong", planted.wrong_pairs, {"share": share, **length}) for share in shares),
    ]


def hierarchies(everything: bool) -> dict[str, tuple[rw.Pairs, range]]:
    """Name to pairs and seeds."""
    found = {
        "perfect (4,5)-tree": (rw.Hierarchy.perfect_tree(height=4, width=5, root=False).pairs(), range(3)),
        "random DAG, 2,000": (
            rw.Hierarchy.random_dag(2_000, multi_parent_share=0.3, max_parents=3, max_depth=8, seed=1).pairs(),
            range(2),
        ),
        "WordNet below animal": (rw.Hierarchy.wordnet().below("animal.n.01").pairs(max_distance=8), range(1)),
    }
    if everything:
        found["WordNet"] = (NAMED["wordnet"].pairs(), range(1))
    return found


def main() -> None:
    figures: list[dict[str, Any]] = []
    table: Counter[tuple[str, str]] = Counter()
    for name, (pairs, seeds) in hierarchies("--wordnet" in sys.argv).items():
        for seed in seeds:
            for fault, words, plant, options in cases(pairs.n_queries):
                began = time.perf_counter()
                given, queries, documents = plant(pairs, seed, **options)
                trained = time.perf_counter() - began
                found = rw.diagnose(queries, documents, given, seed=seed)
                table[fault, found.cause] += 1
                figures.append(_figure(name, seed, fault, words, found, trained))
                print(figures[-1], flush=True)
        save("diagnose", f"python {' '.join(sys.argv)}", figures, _confusion(table))  # so far


def _figure(name: str, seed: int, fault: str, words: str, found: Diagnosis, trained: float) -> dict[str, Any]:
    facts = found.facts
    return {
        "hierarchy": name,
        "seed": seed,
        "planted": fault,
        "how": words,
        "found": found.cause,
        "also": ", ".join(found.verdict.also),
        "recall": round(100 * facts.overall, 1),
        "lean": round(facts.bias.lean, 2),
        "corrected": round(100 * facts.bias.after, 1),
        "wrong %": round(100 * facts.contradictions.share, 2),
        "same dim": None if facts.same_dim is None else round(100 * facts.same_dim.after, 1),
        "wide dim": None if facts.wide_dim is None else round(100 * facts.wide_dim.after, 1),
        "seconds": found.seconds,
        "trained_s": round(trained, 1),
    }


def _confusion(table: Counter[tuple[str, str]]) -> str:
    """'healthy: healthy 6; sampling bias: sampling bias 5, unclear 1; ...'."""
    planted_causes = list(dict.fromkeys(fault for fault, _ in table))
    rows = (
        f"{fault}: " + ", ".join(f"{found} {n}" for (was, found), n in sorted(table.items()) if was == fault)
        for fault in planted_causes
    )
    return "; ".join(rows)


if __name__ == "__main__":
    main()
