"""WordNet nouns, `rootward train wordnet --dim D` with its defaults: time, memory, and recall by a second evaluator.

    python benchmarks/wordnet.py [DIM ...]          # 64 16 8 unless given

The clock runs from the command to the printed report.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from independent import measure, wordnet_relevant
from machine import save, timed_process

import rootward
from rootward.evaluation import Report
from rootward.training.run import REPORT
from rootward_paper.published import with_published

TABLE = Path(rootward.__file__).parent / "readers" / "data" / "wordnet-nouns.parquet"


def main(dims: list[int]) -> None:
    relevant = wordnet_relevant(TABLE)
    figures = []
    for dim in dims:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            command = [sys.executable, "-m", "rootward", "train", "wordnet", "--dim", str(dim), "--out", str(run)]
            took = timed_process([*command, "--quiet"])
            took.pop("output")
            print(with_published(Report.load(run / REPORT)))
            figures.append({"dim": dim, **took, **measure(run, relevant)})
    save("wordnet", "python benchmarks/wordnet.py " + " ".join(map(str, dims)), figures)


if __name__ == "__main__":
    main([int(dim) for dim in sys.argv[1:]] or [64, 16, 8])
