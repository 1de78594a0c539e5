"""Extreme multi-label classification as a baseline: PECOS XR-Linear on TF-IDF, every document a label.

libpecos 1.2 wants NumPy 1, so it lives in an environment of its own, and this file, run there, is its worker:

    python3 -m venv pecos
    pecos/bin/pip install 'numpy<2' 'scipy<1.14' 'scikit-learn<1.6'
    pecos/bin/pip install --no-deps libpecos==1.2.8
    python benchmarks/hpo_synonyms.py --parts linear --pecos pecos/bin/python

--no-deps leaves out torch and transformers, which its linear model does not touch.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

BEST = 200  # labels predicted a query
BEAM = 100


def xr_linear(train: Any, known: list[str], asked: list[str], python: str | None) -> Any:
    """Scores of the `BEST` documents of each text (CSR, asked x documents), worked out by another interpreter.

    Raises:
        SystemExit: none is named, or it has no libpecos.
    """
    import lexical  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    from scipy.sparse import csr_array, load_npz, save_npz  # noqa: PLC0415

    from rootward.encoders.features import Grams, Vocabulary  # noqa: PLC0415

    if python is None:
        raise SystemExit(f"The part 'linear' needs --pecos PYTHON.\n{__doc__}")
    vocabulary = Vocabulary.of(known, Grams())
    rows = np.flatnonzero(train.sizes)
    place, index = train.of(rows)
    labels = csr_array(
        (np.ones(len(index), np.float32), (place, train.documents[index])), shape=(len(rows), train.n_documents)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, matrix in (
            ("known", lexical.tf_idf_matrix(vocabulary, known)),
            ("asked", lexical.tf_idf_matrix(vocabulary, asked)),
            ("labels", labels),
        ):
            save_npz(folder / f"{what}.npz", csr_array(matrix, dtype=np.float32))
        done = subprocess.run([python, __file__, name], check=False)
        if done.returncode:
            raise SystemExit(f"{python} ended with {done.returncode}; needed an interpreter that has libpecos.")
        return csr_array(load_npz(folder / "scores.npz"))


def _worker(folder: Path) -> None:
    """Train and predict, in the environment of libpecos."""
    import numpy as np  # noqa: PLC0415
    from pecos.xmc import Indexer, LabelEmbeddingFactory  # noqa: PLC0415
    from pecos.xmc.xlinear.model import XLinearModel  # noqa: PLC0415
    from scipy.sparse import csr_matrix, load_npz, save_npz  # noqa: PLC0415

    known, asked, labels = (csr_matrix(load_npz(folder / f"{name}.npz")) for name in ("known", "asked", "labels"))
    for matrix in (known, asked, labels):
        matrix.sort_indices()
    used = np.flatnonzero(np.diff(labels.tocsc().indptr))  # a label without a text cannot be trained
    features = LabelEmbeddingFactory.create(labels[:, used], known, method="pifa")
    model = XLinearModel.train(known, labels[:, used], C=Indexer.gen(features))
    found = csr_matrix(model.predict(asked, only_topk=BEST, beam_size=BEAM))
    scores = csr_matrix((found.data, used[found.indices], found.indptr), shape=(asked.shape[0], labels.shape[1]))
    save_npz(folder / "scores.npz", scores)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    _worker(Path(sys.argv[1]))
