"""Missing and wrong pairs: as many as asked, drawn from where they should be, and what they do to the construction."""

from __future__ import annotations

import numpy as np
import pytest

from rootward import Hierarchy, Pairs, construct, evaluate
from rootward.errors import InputError, PairsError
from rootward.geometry import separation
from rootward.geometry.constructions import corrupt

TREE = Hierarchy.perfect_tree(4, 5).pairs()


def keys(pairs: Pairs) -> set[tuple[str, str]]:
    return {(pairs.query_ids[q], pairs.document_ids[d]) for q, d in zip(pairs.query_of, pairs.documents, strict=True)}


def test_as_many_are_missing_and_wrong_as_asked() -> None:
    noisy = corrupt(TREE, dropped=0.25, added=0.5, seed=1)
    true, given = keys(TREE), keys(noisy)
    assert len(true - given) == round(0.25 * len(TREE))
    assert len(given - true) == round(0.5 * len(TREE))
    assert noisy.query_ids == TREE.query_ids
    assert noisy.document_ids == TREE.document_ids


def test_no_noise_is_no_change_and_a_seed_is_a_choice() -> None:
    assert keys(corrupt(TREE)) == keys(TREE)
    assert keys(corrupt(TREE, dropped=0.3, seed=2)) == keys(corrupt(TREE, dropped=0.3, seed=2))
    assert keys(corrupt(TREE, dropped=0.3, seed=2)) != keys(corrupt(TREE, dropped=0.3, seed=3))
    missing = keys(TREE) - keys(corrupt(TREE, dropped=0.3, seed=2))
    assert missing == keys(TREE) - keys(corrupt(TREE, dropped=0.3, added=0.4, seed=2))


def test_where_few_wrong_pairs_are_possible_all_are_added() -> None:
    pairs = Pairs.from_table([("a", "x", 0), ("b", "y", 0), ("b", "x", 1)])
    assert keys(corrupt(pairs, added=100.0)) == {("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")}


def test_a_missing_pair_takes_its_document_out_of_reach_and_a_wrong_one_lets_another_in() -> None:
    dim = 400
    clean = construct(TREE, dim)
    assert evaluate(clean, TREE, bootstrap=0).overall.value == 1.0
    fewer = construct(corrupt(TREE, dropped=0.2), dim)
    recall = evaluate(fewer, TREE, bootstrap=0).overall.value
    assert 0.75 < recall < 0.9  # a missing document scores like any other, so about a fifth is lost
    more = construct(corrupt(TREE, added=0.2), dim)
    assert separation(more.query_vectors(), more.document_vectors(), TREE).margin < 0 < more.margin


def test_shares_that_mean_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="dropped in"):
        corrupt(TREE, dropped=1.0)
    with pytest.raises(InputError, match="added >= 0"):
        corrupt(TREE, added=-0.1)
    with pytest.raises(PairsError, match="none is left"):
        corrupt(Pairs.from_table([("a", "x", 0)]), dropped=0.9)
    assert np.isfinite(construct(TREE, 8).margin)
