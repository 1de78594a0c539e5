"""Answer sets of WordNet nouns, dim 64, with calibrated thresholds, over all queries; recomputed from bare vectors.

    python benchmarks/answer_sets.py [RUN ...]      # trains WordNet at dim 64 unless given folders of runs

Calibration sees 10,000 of 82,114 queries. The first rows are its own report, on queries that it has not seen; the last
ones are recomputed for all queries by `sets_of`, which shares no code with rootward: vectors, thresholds, NumPy.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from independent import Relevant, wordnet_relevant
from machine import save
from safetensors import safe_open
from safetensors.numpy import load_file
from wordnet import TABLE

import rootward as rw
from rootward.calibration import SetFigures
from rootward.calibration.calibrate import NAME


def sets_of(run: Path, relevant: Relevant, thresholds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """For each name, n_queries x (size, hits, |S(q)|) of the documents that score at least the query's threshold."""
    model, ids = load_file(run / "model.safetensors"), pq.read_table(run / "ids.parquet").to_pylist()
    labels = {side: {r["id"]: r["row"] for r in ids if r["side"] == side} for side in ("query", "document")}
    counts = {name: np.zeros((len(labels["query"]), 3), int) for name in thresholds}
    targets = {labels["query"][q]: [labels["document"][d] for d in found] for q, found in relevant.items() if found}
    for start in range(0, len(model["queries"]), 256):
        scores = model["queries"][start : start + 256] @ model["documents"].T
        for row, score in enumerate(scores, start):
            right = score[targets.get(row, [])]
            for name, limits in thresholds.items():
                counts[name][row] = (score >= limits[row]).sum(), (right >= limits[row]).sum(), len(right)
    return counts


def figures_of(counts: np.ndarray) -> dict[str, float]:
    size, hits, n = counts[counts[:, 2] > 0].T
    return {
        "queries": len(n),
        "precision": round(100 * float((hits / np.maximum(size, 1)).mean()), 3),
        "recall": round(100 * float((hits / n).mean()), 3),
        "f1": round(100 * float((2 * hits / (size + n)).mean()), 3),
        "exact": round(100 * float(((size == n) & (hits == n)).mean()), 3),
        "abstained": round(100 * float((size == 0).mean()), 3),
        "documents": round(float(size.mean()), 2),
    }


def reported(case: str, figures: SetFigures, n: int) -> dict[str, object]:
    shares = {name: getattr(figures, name) for name in ("precision", "recall", "f1", "exact", "abstained")}
    percent = {name: None if share is None else round(100 * share, 3) for name, share in shares.items()}
    return {"case": case, "queries": n, **percent, "documents": round(figures.size, 2)}


def measured(run: Path, relevant: Relevant) -> list[dict[str, object]]:
    model, pairs = rw.DualEncoder.load(run), rw.Run.load(run).pairs
    rows, name, began = [], f"dim {model.dim}", time.perf_counter()
    calibration = rw.calibrate(model, pairs, above=pairs)
    seconds = round(time.perf_counter() - began, 1)
    report = calibration.report
    print(report)
    mine = reported(f"{name}, unseen: {report.rule}, chosen by F1", report.figures, report.n_queries)
    rows.append({**mine, "error": round(100 * report.error, 3), "seconds": seconds})
    rows.append(reported(f"{name}, unseen: the same, repaired upward", report.repaired, report.n_queries))
    rows += [reported(f"{name}, unseen: {each.name}", each.figures, report.n_queries) for each in report.rivals]
    careful = rw.calibrate(model, pairs, by="precision", floor=0.99).report
    rows.append(reported(f"{name}, unseen: {careful.rule}, precision >= 99 %", careful.figures, careful.n_queries))
    with tempfile.TemporaryDirectory() as folder:
        predicted, universal = (
            rw.calibrate(model, pairs, rule=rule).save(Path(folder) / f"{rule}-{NAME}")
            for rule in ("predicted", "universal")
        )
        thresholds = bare_thresholds(run, predicted, universal)
    for rule, counts in sets_of(run, relevant, thresholds).items():
        rows.append({"case": f"{name}, all, NumPy alone: {rule}", **figures_of(counts)})
    return rows


def bare_thresholds(run: Path, predicted: Path, universal: Path) -> dict[str, np.ndarray]:
    """A threshold for every query, from the files alone."""
    model, fitted = load_file(run / "model.safetensors"), load_file(predicted)
    line = model["queries"].astype(float) @ fitted["weights"] + fitted["intercept"]
    return {
        "own, as trained": model["thresholds"],
        "predicted": (line + shift_of(predicted)).astype(np.float32),
        "universal": np.full(len(line), shift_of(universal), np.float32),
    }


def shift_of(path: Path) -> float:
    with safe_open(path, "np") as file:
        return float(file.metadata()["shift"])


def main(runs: list[Path]) -> None:
    relevant = wordnet_relevant(TABLE)
    command = "python benchmarks/answer_sets.py" + " RUN" * len(runs)
    note = "seconds: calibration with upward repair; error: expected calibration error"
    if runs:
        rows = [row for run in runs for row in measured(run, relevant)]
    else:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            train = [sys.executable, "-m", "rootward", "train", "wordnet", "--dim", "64", "--out", str(run), "--quiet"]
            subprocess.run(train, check=True)
            rows = measured(run, relevant)
    save("answer_sets", command, rows, note)


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
