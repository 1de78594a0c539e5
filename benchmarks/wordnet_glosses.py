"""Glosses as queries: the definition of a noun that nobody has seen retrieves its synset and all its ancestors.

    python benchmarks/wordnet_glosses.py [--parts static,joint,...] [--word-pairs] [--epochs N] [--pecos PYTHON]

All 82,115 noun synsets of WordNet 3.0 are documents, as in the paper: hypernyms only, at most 8 hops. Trained on every
name, on the synonyms that mean one synset only, and on the glosses of nine synsets of ten; the definitions of the
others are the queries, and their example sentences, which hold the name in its context, are measured apart. No test
query shares its normal form with a training text. Beside it the baselines of benchmarks/unseen.py.
"""

from __future__ import annotations

import numpy as np
from unseen import flags, measured

from rootward.hierarchy import NAMED
from rootward.pairs import Pairs

HELD_OUT = 0.1


def split_of(pairs: Pairs, seed: int, share: float = HELD_OUT) -> tuple[Pairs, dict[str, Pairs]]:
    """Training pairs, and test pairs by kind: the definitions of held-out nodes, and their examples."""
    asked = pairs.by_name(unambiguous=True, glosses=True)
    node, kind = _parts(asked, pairs.n_queries)
    split = asked.split("texts", test=share, among=kind == "definitions", seed=seed)
    unseen = np.isin(node, node[split.test.sizes > 0]) & (kind == "examples")
    train = split.train.of_queries(np.flatnonzero(~unseen))
    tests = {"definitions": split.test, "examples": split.train.of_queries(np.flatnonzero(unseen))}
    assert not any(train.shared_texts(test, documents=True) for test in tests.values())
    return train, tests


def _parts(asked: Pairs, n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Of every query the row of its node, and whether it is a name, a definition or an example."""
    row_of = {label: row for row, label in enumerate(asked.query_ids[:n_nodes])}
    node, kind = np.arange(asked.n_queries), np.full(asked.n_queries, "names", object)
    for row in range(n_nodes, asked.n_queries):
        owner, _, what = asked.query_ids[row].rpartition(" (")
        if owner in row_of and what.startswith(("definition)", "example ")):
            node[row], kind[row] = row_of[owner], "definitions" if what == "definition)" else "examples"
    return node, kind


def main() -> None:
    given = flags(__doc__).parse_args()
    train, tests = split_of(NAMED["wordnet"].pairs(), given.seed)
    measured("wordnet_glosses", train, tests, given, "Distances up to 8, the root left out.")


if __name__ == "__main__":
    main()
