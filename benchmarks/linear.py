"""Extreme multi-label classification as a baseline: PECOS XR-Linear on TF-IDF, every document a label.

libpecos wants NumPy 1, so it lives in an environment of its own; rootward_paper.xr_linear says how to make it.

    python benchmarks/hpo_synonyms.py --parts linear --pecos pecos/bin/python
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rootward.encoders.features import Grams, Vocabulary
from rootward_paper.baseline_models import labels_of, tf_idf
from rootward_paper.xr_linear import HOW, predicted


def xr_linear(train: Any, known: list[str], asked: list[str], python: str | None) -> Any:
    """Scores of the best documents of each text (CSR, asked x documents), worked out by another interpreter.

    Raises:
        SystemExit: none is named.
        InputError: it has no libpecos.
    """
    if python is None:
        raise SystemExit(f"The part 'linear' needs --pecos PYTHON: {HOW}")
    vocabulary = Vocabulary.of(known, Grams())
    labels = labels_of(train, np.flatnonzero(train.sizes))
    return predicted(tf_idf(vocabulary, known), labels, tf_idf(vocabulary, asked), python)[0]
