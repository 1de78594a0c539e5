"""Reading hierarchies and building all their pairs: seconds and peak memory, each in a process of its own.

python benchmarks/sources.py
"""

from __future__ import annotations

import sys

from machine import save, timed_process

CASES = {
    "WordNet nouns": "Hierarchy.wordnet().pairs(max_distance=8)",
    "WordNet nouns with instances, all hops": "Hierarchy.wordnet(instances=True).pairs()",
    "chain of 10,000, all hops": "Hierarchy.from_edges([(i + 1, i) for i in range(9_999)]).pairs()",
    "chain of 1,000,000, 8 hops": "Hierarchy.from_edges([(i + 1, i) for i in range(999_999)]).pairs(max_distance=8)",
    "star of 1,000,000": "Hierarchy.from_edges([(i, 'hub') for i in range(999_999)]).pairs()",
    "tree of 1,111,111 (7 levels, width 10)": "Hierarchy.perfect_tree(7, 10).pairs()",
    "DAG of 5,000, 30 parents a node": "Hierarchy.from_edges("
    "[(i, p) for i in range(1, 5_000) for p in {(k * 7919 + i * 31) % i for k in range(30)}]).pairs()",
}


def main() -> None:
    figures = []
    for name, code in CASES.items():
        took = timed_process([sys.executable, "-c", f"from rootward import Hierarchy; print(len({code}))"])
        figures.append({"case": name, "pairs": int(took.pop("output")), **took})
    save("sources", "python benchmarks/sources.py", figures, "from the start of the interpreter to the last pair")


if __name__ == "__main__":
    main()
