"""What verification costs: loads and commits with checksums beside the same without, in alternating pairs.

    python benchmarks/verification.py [--repeat 9] [--out FOLDER]

An exact index of 82,000 x 64, an exact one and an ivf-sq8 one of 600,000 x 128 (300 MB of vectors), and a run of
82,000 x 64. Every pair is one call with verification and one without any, the first of them in turn; the figures are
medians, of ratios the median over pairs. `again` loads once more what this process has verified before. A folder in
memory (/dev/shm) leaves the time of the disk out.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from machine import save

import rootward as rw
from rootward import files
from rootward.encoders import storage as models
from rootward.retrieval import storage as indexes
from rootward.training import run as runs

QUIET = rw.Settings(progress=False)


@contextmanager
def unverified() -> Iterator[None]:
    """No file is read for its checksum, and none is written with one."""
    with (
        patch.object(models, "checking", nothing_checked),
        patch.object(indexes, "checking", nothing_checked),
        patch.object(runs, "check_files", lambda *_, **__: None),
        patch.object(indexes, "checksums", lambda _, names: dict.fromkeys(names, (1, "0" * 64))),
    ):
        yield


def nothing_checked(*_: object) -> nullcontext[None]:
    """In place of `checking`."""
    return nullcontext()


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall seconds of a call."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.process_time() - cpu, time.perf_counter() - wall


def compared(what: str, call: Callable[[], object], repeat: int, *, again: bool = False) -> dict[str, Any]:
    """Medians of a call with and without verification; without `again` nothing counts as verified before."""
    call()
    both: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for pair in range(repeat):
        found = {}
        for verify in (True, False) if pair % 2 else (False, True):
            if not again:
                files._known.clear()
            with nullcontext() if verify else unverified():
                found[verify] = timed(call)
        both.append((found[True], found[False]))
    row: dict[str, Any] = {"what": what}
    for place, name in enumerate(("cpu", "wall")):
        row[f"{name}_s"] = round(median(one[place] for one, _ in both), 3)
        row[f"{name}_s_without"] = round(median(other[place] for _, other in both), 3)
        row[f"{name}_more_%"] = round(100 * (median(one[place] / other[place] for one, other in both) - 1), 1)
    print(row, flush=True)
    return row


def pairs_of(n: int, width: int = 8) -> rw.Pairs:
    """The pairs of a tree of n nodes, `width` children each."""
    edges = [("node 0", ""), *((f"node {i}", f"node {(i - 1) // width}") for i in range(1, n))]
    return rw.Hierarchy.from_edges(edges).pairs()


def main() -> None:
    """Make the folders, unless they are there, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--out", type=Path, help="keep the folders here, and use what is there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as scratch:
        home = options.out or Path(scratch)
        for n, dim, folders in (
            (82_000, 64, {"exact 82k x 64": "exact", "run 82k x 64": None}),
            (600_000, 128, {"exact 600k x 128": "exact", "ivf-sq8 600k x 128": "ivf-sq8"}),
        ):
            missing = {name: engine for name, engine in folders.items() if not (home / name).is_dir()}
            pairs = pairs_of(n) if missing else None
            model = rw.DualEncoder.lookup(pairs, dim) if missing else None
            for name, engine in missing.items():
                if engine is None:
                    rw.train(model, pairs, rw.recipes.decoupled(steps=5), out=home / name, settings=QUIET)
                else:
                    options_of = {"lists": 64} if engine == "ivf-sq8" else {}
                    rw.Index.build(model, engine, hierarchy=pairs, out=home / name, progress=False, **options_of)
        for folder in ("exact 82k x 64", "exact 600k x 128", "ivf-sq8 600k x 128"):
            rows.append(compared(f"load {folder}", partial(rw.Index.load, home / folder), options.repeat))
        rows.append(compared("load run 82k x 64", partial(rw.Run.load, home / "run 82k x 64"), options.repeat))
        time.sleep(4)  # a file is known once it has been left alone for some seconds
        rows.append(compared("again exact 600k x 128", lambda: rw.Index.load(home / "exact 600k x 128"), 3, again=True))
        rows.append(
            compared("again run 82k x 64", lambda: rw.Run.load(home / "run 82k x 64"), options.repeat, again=True)
        )
        for folder in ("exact 82k x 64", "exact 600k x 128"):  # last, as a call without checksums leaves none
            index = rw.Index.load(home / folder)

            def commit(index: rw.Index = index) -> None:
                index.opened = None  # what a call without checksums wrote counts as well
                index.commit()

            rows.append(compared(f"commit {folder}", commit, options.repeat))
            commit()
    save("verification", "python benchmarks/verification.py", rows, "more_%: of verification, median over pairs")


if __name__ == "__main__":
    main()
