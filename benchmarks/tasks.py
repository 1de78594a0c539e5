"""Five real tasks of texts and taxonomies: the two commands of a new user, and figures of texts that nobody has seen.

    python benchmarks/tasks.py ../shared/tasks [--tasks naics-few,naics,onet,off,mondo] [--predictions FOLDER]

Each task folder holds edges.csv, nodes.csv, train.csv and test.csv (text, node); test texts share no spelling with
training texts. `rootward train` and `rootward predict` run with their defaults, seed 0, in processes of their own, and
what is predicted is measured as any prediction is (rootward.evaluation.naming). The sources of the tasks: US Census
NAICS 2022 index; O*NET 27.0; Open Food Facts categories; MONDO 2026-05-05. Results go to
benchmarks/results/tasks_NAME.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import save

import rootward as rw
from rootward.classification import Classifier
from rootward.evaluation.naming import Predictions, closure_in, measure_nodes

FIGURES = ("accuracy", "mrr", "precision", "recall", "f1", "exact", "hops")


def predictions_in(path: Path, pairs: rw.Pairs, rows: np.ndarray) -> Predictions:
    """The JSON lines that `rootward predict` wrote, as rows of the pairs."""
    said = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    columns = ([each[name] for each in said] for name in ("node", "answers", "ranked"))
    return Predictions.from_ids(rows, pairs.document_ids, *columns)


def measured(task: Path, folder: Path) -> dict[str, Any]:
    """Train, predict and measure one task."""
    run, out = folder / "run", folder / "predictions.jsonl"
    rootward = [sys.executable, "-m", "rootward"]
    start = time.perf_counter()
    train = ["train", f"edges:{task}/edges.csv", "--read", f"nodes={task}/nodes.csv", "--labels", f"{task}/train.csv"]
    subprocess.run([*rootward, *train, "--text", "text", "--node", "node", "--out", str(run), "--quiet"], check=True)
    trained = time.perf_counter() - start
    subprocess.run([*rootward, "predict", str(run), f"{task}/test.csv", "--out", str(out), "--quiet"], check=True)
    predicted = time.perf_counter() - start - trained

    tree = rw.Hierarchy.from_edges(task / "edges.csv")
    labels = rw.Labels.read(task / "test.csv")
    nodes = rw.Labels(tuple(f"{i} {text}" for i, text in enumerate(labels.texts)), labels.nodes)  # a row a text
    pairs = tree.pairs(labels=nodes)
    rows = np.arange(pairs.n_documents, pairs.n_queries)
    report = measure_nodes(predictions_in(out, pairs, rows), pairs, closure=closure_in(pairs), texts="held-out")
    print(f"{task.name}: {report}", flush=True)
    values = json.loads(report.to_json())
    about = json.loads((run / "classifier" / "config.json").read_text())["classifier"]
    return {
        "texts": len(rows),
        **{name: round(100 * values[name]["value"], 2) for name in FIGURES if name != "hops"},
        "hops": round(values["hops"]["value"], 2),
        "accuracy 95 %": [round(100 * values["accuracy"][end], 2) for end in ("low", "high")],
        "f1 95 %": [round(100 * values["f1"][end], 2) for end in ("low", "high")],
        "train s": round(trained),
        "predict s": round(predicted),
        "ms a text, p50": round(milliseconds_a_text(run, labels.texts), 1),
        "expected calibration error": about["about"]["expected_calibration_error"],
        "weights": about["weights"],
        "seconds": about["about"]["seconds"],
    }


def milliseconds_a_text(run: Path, texts: tuple[str, ...]) -> float:
    """The median time of an answer to one text, in a process that has the run open."""
    classifier = Classifier.load(run)
    spent = []
    for text in texts[:220]:
        start = time.perf_counter()
        classifier.answer(text)
        spent.append(1e3 * (time.perf_counter() - start))
    return float(np.median(spent[20:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the task folders")
    parser.add_argument("--tasks", default="naics-few,naics,onet,off,mondo")
    parser.add_argument("--predictions", type=Path, help="keep the predictions here")
    flags = parser.parse_args()
    for name in flags.tasks.split(","):
        with tempfile.TemporaryDirectory() as folder:
            result = measured(flags.folder / name, Path(folder))
            if flags.predictions is not None:
                flags.predictions.mkdir(parents=True, exist_ok=True)
                kept = flags.predictions / f"{name}.jsonl"
                kept.write_bytes((Path(folder) / "predictions.jsonl").read_bytes())
        save(f"tasks_{name}", f"python benchmarks/tasks.py ../shared/tasks --tasks {name}", [result])


if __name__ == "__main__":
    main()
