"""Extreme multi-label classification as a baseline: PECOS XR-Linear, every document a label.

libpecos needs NumPy 1, so it runs in an environment of its own: this file is also the worker, run by that environment's
interpreter without rootward. To make one:

    python3 -m venv pecos
    pecos/bin/pip install 'numpy<2' 'scipy<1.14' 'scikit-learn<1.6'
    pecos/bin/pip install --no-deps libpecos==1.2.8

--no-deps leaves out torch and transformers, which its linear model does not need.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HOW = (
    "python3 -m venv pecos; pecos/bin/pip install 'numpy<2' 'scipy<1.14' 'scikit-learn<1.6'; "
    "pecos/bin/pip install --no-deps libpecos==1.2.8"
)
BEST = 200
"""How many documents each query gets, unless told."""

BEAM = 100
TIMED = {1: 5, 1_000: 2}
"""How many queries are sent at once when latency is measured, and how often."""


def interpreter(python: str | None = None) -> str | None:
    """The Python that has libpecos: the one named, or this one; None where there is none.

    Raises:
        InputError: the one named cannot be run, or has no libpecos.
    """
    if python is None:
        return sys.executable if find_spec("pecos") is not None else None
    _run([python, "-I", "-c", "import pecos"])
    return python


def _run(command: list[str]) -> None:
    from rootward.errors import InputError  # noqa: PLC0415

    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        raise InputError(
            f"{command[0]} cannot be run ({error}); XR-Linear needs a Python with libpecos: {HOW}"
        ) from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise InputError(f"{command[0]} ended with {done.returncode} ({said}); XR-Linear needs libpecos there: {HOW}")


def predicted(known: Any, labels: Any, queries: Any, python: str, *, best: int = BEST) -> tuple[Any, dict[str, float]]:
    """Train on the rows of `known` and score the documents for each row of `queries`, by another interpreter.

    Args:
        known: float32 features (sparse, texts x features).
        labels: which documents each has (sparse, texts x documents).
        queries: features of the queries.
        python: an interpreter that has libpecos.
        best: how many documents each query gets.

    Returns:
        Scores of the `best` documents (sparse, queries x documents), and what it took: seconds of training, mb of the
        model, peak_mb of training above its start if the system tells it, ms_1 and ms_1000 a query.

    Raises:
        InputError: that interpreter has no libpecos, or failed.
    """
    from scipy.sparse import csr_array, load_npz, save_npz  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, matrix in (("known", known), ("labels", labels), ("queries", queries)):
            save_npz(folder / f"{what}.npz", csr_array(matrix, dtype="float32"))
        _run([python, "-I", __file__, name, str(best)])
        took = json.loads((folder / "took.json").read_text(encoding="utf-8"))
        return csr_array(load_npz(folder / "scores.npz")), took


def _worker(folder: Path, best: int) -> None:
    """Train and predict, in the environment of libpecos."""
    import numpy as np  # noqa: PLC0415
    from scipy.sparse import csr_matrix, load_npz, save_npz  # noqa: PLC0415

    xmc, xlinear = (import_module(f"pecos.xmc{part}") for part in ("", ".xlinear.model"))
    known, labels, queries = (csr_matrix(load_npz(folder / f"{name}.npz")) for name in ("known", "labels", "queries"))
    for matrix in (known, labels, queries):
        matrix.sort_indices()
    used = np.flatnonzero(np.diff(labels.tocsc().indptr))  # a label without a text cannot be trained
    sys.path.insert(0, str(Path(__file__).parent))  # rootward_paper cannot be imported here, the file beside can
    watched = import_module("machine").watched
    sys.path.pop(0)
    with watched() as spent:
        features = xmc.LabelEmbeddingFactory.create(labels[:, used], known, method="pifa")
        model = xlinear.XLinearModel.train(known, labels[:, used], C=xmc.Indexer.gen(features))
    found = csr_matrix(model.predict(queries, only_topk=best, beam_size=BEAM))
    scores = csr_matrix((found.data, used[found.indices], found.indptr), shape=(queries.shape[0], labels.shape[1]))
    save_npz(folder / "scores.npz", scores)
    model.save(str(folder / "model"))
    mb = sum(path.stat().st_size for path in (folder / "model").rglob("*") if path.is_file()) / 1e6
    took = {"seconds": spent.seconds, "mb": mb} | ({} if spent.peak_mb is None else {"peak_mb": spent.peak_mb})
    for n, times in TIMED.items():
        took[f"ms_{n}"] = _milliseconds(model, queries[np.resize(np.arange(queries.shape[0]), n)], times)
    (folder / "took.json").write_text(json.dumps(took), encoding="utf-8")


def _milliseconds(model: Any, queries: Any, times: int) -> float:
    """Milliseconds a query for the 10 best; the median of several times after a first one that is not counted."""
    took: list[float] = []
    for _ in range(times + 1):
        began = time.perf_counter()
        model.predict(queries, only_topk=10, beam_size=BEAM)
        took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took[1:]) / int(queries.shape[0])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    _worker(Path(sys.argv[1]), int(sys.argv[2]))
