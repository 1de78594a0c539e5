"""A labelled table read into memory, and kept on disk: peak memory, time, and whether the training is the same.

    python benchmarks/streaming.py                                       # 5 and 20 million rows, results/streaming.json
    python benchmarks/streaming.py --rows 50_000_000 --skip-memory --folder /data

The table is generated: a random tree of documents, and queries each of which asks for a document and for everything
above it, in words that are put together of 5,000 others. Either way a process of its own reads the CSV, trains a static
tower for `--steps` steps and says how much memory it held at most: `peak` all of it (ru_maxrss), `own` without what is
mapped from files, which the system takes back when it needs to (Linux alone tells).
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from machine import save, timed_process

import rootward as rw
from rootward.rng import stream

WORDS = 5_000
SYLLABLES = [consonant + vowel for consonant in "bdklmn" for vowel in "aeiou"]
AT_A_TIME = 100_000  # queries


def generate(path: Path, rows: int, documents: int, seed: int) -> dict[str, int]:
    """Write a table of about so many rows, blocks of it shuffled; how many rows and queries it has."""
    rng = stream(seed, "streaming")
    parent = np.r_[-1, [rng.integers(i // 4, i) for i in range(1, documents)]]  # some twenty hops to the root
    words = np.array(["".join(_syllables(i)) for i in range(WORDS)])
    names = np.char.add(np.char.add(words[np.arange(documents) % WORDS], " "), words[np.arange(documents) // WORDS])
    n_rows = n_queries = 0
    schema = pa.schema([("query", pa.string()), ("document", pa.string()), ("distance", pa.int32())])
    with pyarrow.csv.CSVWriter(path, schema) as file:
        while n_rows < rows:
            query, node, hops = _climbed(parent, rng.integers(documents, size=AT_A_TIME))
            number = n_queries + np.arange(AT_A_TIME)
            texts = np.char.add(np.char.add(words[number % WORDS], " "), words[number // WORDS])
            order = rng.permutation(len(query))
            part = pa.table([texts[query[order]], names[node[order]], hops[order].astype(np.int32)], schema=schema)
            file.write_table(part)
            n_rows, n_queries = n_rows + len(query), n_queries + AT_A_TIME
    return {"rows": n_rows, "queries": n_queries}


def _syllables(i: int) -> list[str]:
    """Three or four syllables: a word that no other number has."""
    n = len(SYLLABLES)
    return [SYLLABLES[i % n], SYLLABLES[i // n % n], SYLLABLES[i // n**2 % n], SYLLABLES[(7 * i) % n]][: 3 + i % 2]


def _climbed(parent: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(query, document, hops) from each of these nodes up to the root."""
    parts, query, hops = [], np.arange(len(nodes)), 0
    while len(nodes):
        parts.append((query, nodes, np.full(len(nodes), hops)))
        nodes, hops = parent[nodes], hops + 1
        query, nodes = query[nodes >= 0], nodes[nodes >= 0]
    query, node, distance = (np.concatenate(each) for each in zip(*parts, strict=True))
    return query, node, distance


# -- one process -------------------------------------------------------------------------------------------------


class Own(threading.Thread):
    """The most memory of its own that this process held since the last question, in MiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0.0

    def run(self) -> None:
        while Path("/proc/self/status").exists():
            held = dict(pairwise(Path("/proc/self/status").read_text().split()))
            self.most = max(self.most, int(held["RssAnon:"]) / 1024)
            time.sleep(0.02)

    def since(self) -> int:
        most, self.most = self.most, 0.0
        return round(most)


def child(path: Path, on_disk: Path | None, steps: int) -> dict[str, Any]:
    """Read the table and train; what it took."""
    own = Own()
    own.start()
    began = time.perf_counter()
    pairs = rw.Pairs.from_table(path, on_disk=on_disk)
    read, own_reading = time.perf_counter(), own.since()
    model = rw.DualEncoder.text(pairs, "static", dim=32)
    started = time.perf_counter()
    recipe = rw.recipes.decoupled(steps=steps, validate_every=steps)
    run = rw.train(model, pairs, recipe, settings=rw.Settings(measure=False, progress=False))
    return {
        "pairs": len(pairs),
        "read_s": round(read - began, 1),
        "start_s": round(started - read, 1),
        "train_s": round(time.perf_counter() - started, 1),
        "steps_per_s": round(steps / run.seconds, 1),
        "own_reading_mib": own_reading,
        "own_training_mib": own.since(),
        "recall": round(100 * (run.history[-1].recall or 0), 2),
        "fingerprint": run.model.fingerprint(),
        "maxrss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


# -- both of them ------------------------------------------------------------------------------------------------


def measured(path: Path, kept: str, folder: Path, steps: int) -> dict[str, Any]:
    """One process that reads and trains."""
    command = [sys.executable, __file__, "--child", str(path), "--steps", str(steps)]
    if kept == "disk":
        command += ["--on-disk", str(folder)]
    done = timed_process(command)
    found = json.loads(done["output"].splitlines()[-1])
    return {"kept": kept, **found, "peak_mib": done["peak_mib"], "wall_s": done["wall_s"]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000_000, 20_000_000])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where table and pairs are written; a temporary one by default")
    parser.add_argument("--skip-memory", action="store_true", help="only on disk")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--on-disk", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        print(json.dumps(child(given.child, given.on_disk, given.steps)))
        return
    figures = []
    for rows in given.rows:
        with tempfile.TemporaryDirectory(dir=given.folder) as work:
            path, folder = Path(work) / "table.csv", Path(work) / "pairs"
            made = generate(path, rows, given.documents, seed=0)
            about = {**made, "table_mib": round(path.stat().st_size / 2**20)}
            for kept in ["disk", *([] if given.skip_memory else ["memory"])]:
                figures.append({**about, **measured(path, kept, folder, given.steps)})
                print(json.dumps(figures[-1]), file=sys.stderr, flush=True)
                if kept == "disk":
                    figures[-1]["folder_mib"] = round(sum(file.stat().st_size for file in folder.iterdir()) / 2**20)
            if not given.skip_memory and figures[-1]["fingerprint"] != figures[-2]["fingerprint"]:
                sys.exit("The trainings differ, and should have the same bits.")
    note = "Peak memory of the process that reads and trains; own: without what is mapped from files. Same bits."
    skipped = " --skip-memory" if given.skip_memory else ""
    asked = f"--rows {' '.join(map(str, given.rows))} --documents {given.documents} --steps {given.steps}{skipped}"
    save("streaming", f"python benchmarks/streaming.py {asked}", figures, note)


if __name__ == "__main__":
    main()
