"""What 4, 40 and 400 labelled texts a node give, beside simple methods, on texts that nobody has seen.

    python benchmarks/labels_per_node.py ../shared/tasks/naics

Phrases of businesses (US Census, NAICS 2022 index, public domain) name the 3-digit subsector that their industry is in;
of the subsectors with at least 400 training phrases, each gets 4, 40 or 400 of these, drawn with seed 0. The taxonomy
has the sectors above them. `rootward train` and `rootward evaluate --baselines` run with their defaults on phrases of
the test file, at most 1,000, whose spelling no training phrase has. Results go to
benchmarks/results/labels_per_node.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import save

LEVEL = 1  # 0 are sectors
COUNTS = 4, 40, 400
MOST_TESTED = 1_000

Rows = list[tuple[str, str]]


def rows_in(path: Path, *columns: str) -> Rows:
    """Two columns of a CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(row[columns[0]], row[columns[1]]) for row in csv.DictReader(file)]


def write(path: Path, header: tuple[str, str], rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def measured(task: Path, folder: Path, n: int) -> dict[str, Any]:
    """Train with n phrases a subsector, and measure."""
    up = dict(rows_in(task / "edges.csv", "child", "parent"))

    def at_level(node: str) -> str:
        path = [node]
        while up.get(path[-1]):
            path.append(up[path[-1]])
        return path[::-1][min(LEVEL, len(path) - 1)]

    texts: dict[str, list[str]] = {}
    for text, node in rows_in(task / "train.csv", "text", "node"):
        texts.setdefault(at_level(node), []).append(text)
    nodes = sorted(node for node, found in texts.items() if len(found) >= max(COUNTS) and up.get(node))
    rng = random.Random(0)
    write(folder / "train.csv", ("text", "node"), [(t, node) for node in nodes for t in rng.sample(texts[node], n)])
    tested = [(text, at_level(node)) for text, node in rows_in(task / "test.csv", "text", "node")]
    tested = [row for row in tested if row[1] in nodes]
    write(folder / "test.csv", ("text", "node"), rng.sample(tested, min(MOST_TESTED, len(tested))))
    kept = {*nodes, *(up[node] for node in nodes)}
    write(folder / "edges.csv", ("child", "parent"), [(node, up.get(node, "")) for node in sorted(kept)])
    write(
        folder / "nodes.csv",
        ("id", "name"),
        [row for row in rows_in(task / "nodes.csv", "id", "name") if row[0] in kept],
    )

    rootward = [sys.executable, "-m", "rootward"]
    run, report = folder / "run", folder / "report.json"
    source = [f"edges:{folder}/edges.csv", "--read", f"nodes={folder}/nodes.csv", "--labels", f"{folder}/train.csv"]
    start = time.perf_counter()
    subprocess.run([*rootward, "train", *source, "--out", str(run), "--quiet"], check=True)
    seconds = time.perf_counter() - start
    evaluate = ["evaluate", str(run), "--labels", f"{folder}/test.csv", "--baselines", "--json", str(report), "--quiet"]
    subprocess.run([*rootward, *evaluate], check=True)
    told = json.loads(report.read_text())

    def figures(nodes: dict[str, Any]) -> dict[str, float]:
        return {name: round(100 * nodes[name]["value"], 1) for name in ("accuracy", "f1")}

    found = {"rootward": figures(told["report"]["nodes"])}
    for row in told["baselines"]["rows"]:
        if row["report"] is not None:
            difference = {
                name: [round(100 * row[name][end], 1) for end in ("low", "high")] for name in ("accuracy", "f1")
            }
            found[row["name"]] = figures(row["report"]) | {"ours - it, 95 %": difference}
    return {
        "labels a node": n,
        "nodes": len(nodes),
        "test texts": told["report"]["n_queries"],
        "train s": round(seconds),
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", type=Path, help="folder of the task naics")
    task = parser.parse_args().task
    results = []
    for n in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            results.append(measured(task, Path(folder), n))
            print(json.dumps(results[-1]), flush=True)
    save("labels_per_node", "python benchmarks/labels_per_node.py ../shared/tasks/naics", results)


if __name__ == "__main__":
    main()
