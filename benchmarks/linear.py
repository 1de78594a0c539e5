"""Extreme multi-label classification as a baseline: PECOS XR-Linear on TF-IDF, every document a label.

libpecos wants NumPy 1, so it lives in an environment of its own; rootward.experiments.xr_linear says how to make it.

    python benchmarks/hpo_synonyms.py --parts linear --pecos pecos/bin/python
"""

from __future__ import annotations

from typing import Any

import lexical
import numpy as np
from scipy.sparse import csr_array

from rootward.encoders.features import Grams, Vocabulary
from rootward.experiments.xr_linear import HOW, predicted


def xr_linear(train: Any, known: list[str], asked: list[str], python: str | None) -> Any:
    """Scores of the best documents of each text (CSR, asked x documents), worked out by another interpreter.

    Raises:
        SystemExit: none is named.
        InputError: it has no libpecos.
    """
    if python is None:
        raise SystemExit(f"The part 'linear' needs --pecos PYTHON: {HOW}")
    vocabulary = Vocabulary.of(known, Grams())
    rows = np.flatnonzero(train.sizes)
    place, index = train.of(rows)
    labels = csr_array(
        (np.ones(len(index), np.float32), (place, train.documents[index])), shape=(len(rows), train.n_documents)
    )
    given, wanted = (lexical.tf_idf_matrix(vocabulary, texts) for texts in (known, asked))
    return predicted(given, labels, wanted, python)[0]
