"""Each measurement on vectors and pairs whose answer can be said aloud."""

import numpy as np
import pytest
import torch

import planted
from rootward.diagnosis.diagnose import _edges, _groups
from rootward.diagnosis.facts import STRENGTHS, Answers, alignment, answers, bias, geometry, hubness, lean, support
from rootward.evaluation import rank_pairs
from rootward.hierarchy import Hierarchy
from rootward.pairs import Pairs
from rootward.rng import stream
from shoes import shoes

SHOP = shoes().pairs()


def vectors_that_know(pairs, log_weight=0.0):
    """One coordinate a document: score 1 for a match, 0 else, plus log_weight times log generality for all."""
    n, m = pairs.n_queries, pairs.n_documents
    queries = np.zeros((n, m + 1), np.float32)
    queries[pairs.query_of, pairs.documents] = 1
    queries[:, m] = 1
    general = log_weight * np.log(pairs.generality)
    return torch.from_numpy(queries), torch.from_numpy(np.c_[np.eye(m), general].astype(np.float32))


def test_geometry_of_four_directions_one_of_them_twice():
    rows = np.array([[2.0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 2], [0, 0, 0]], np.float32)
    found = geometry(rows)
    assert found.duplicates == pytest.approx(2 / 5)
    assert found.collapsed == pytest.approx(1 / 5)  # the zero row; no other is within 0.99 of the mean
    assert found.norm_mean == pytest.approx(8 / 5)
    assert 1 < found.participation <= found.effective_rank <= 3


def test_random_directions_use_every_dimension():
    drawn = stream(0, "test").standard_normal((4_000, 8)).astype(np.float32)
    assert geometry(drawn).participation == pytest.approx(8, rel=0.05)
    assert geometry(np.c_[drawn, np.zeros((4_000, 8), np.float32)]).effective_rank == pytest.approx(8, rel=0.05)


def test_scores_that_fall_with_generality_lean_by_minus_one_and_the_correction_finds_everything():
    pairs = Hierarchy.perfect_tree(height=4, width=4, root=False).pairs()
    queries, documents = vectors_that_know(pairs, log_weight=-0.5)  # -0.5 log 21 = -1.5: matches fall below strangers
    ranks = rank_pairs(queries, documents, pairs)
    general = pairs.generality[pairs.documents]
    assert lean(ranks, general) == pytest.approx(-1, abs=1e-4)
    found = bias(answers(queries, documents, pairs, np.arange(pairs.n_queries), pairs.generality), ranks, general)
    assert found.strength > 0
    assert found.before < 0.8
    assert found.after == 1


def test_vectors_that_know_everything_do_not_lean_and_take_what_is_due():
    queries, documents = vectors_that_know(SHOP)
    found = answers(queries, documents, SHOP, np.arange(SHOP.n_queries), SHOP.generality)
    assert found.found.tolist() == found.relevant.tolist() == SHOP.generality.tolist()
    assert found.recalls[:, STRENGTHS.index(0.0)].min() == 1
    assert lean(rank_pairs(queries, documents, SHOP), SHOP.generality[SHOP.documents]) == 0
    hubs = hubness(found, SHOP.generality)
    assert hubs.top_share == hubs.true_top_share == pytest.approx(12 / 37)  # footwear is an answer to all 12 queries
    assert hubs.skewness == hubs.true_skewness > 0


def test_one_document_that_takes_everything_is_a_hub():
    found = Answers(np.array([30, 0, 0, 0]), np.array([9, 7, 7, 7]), np.ones((4, len(STRENGTHS))))
    hubs = hubness(found, np.array([9, 7, 7, 7]))
    assert (hubs.top_share, hubs.true_top_share, hubs.most_found) == (1, 0.3, 1)


def test_recall_is_sliced_by_distance_depth_and_generality():
    queries, documents = vectors_that_know(SHOP)
    documents[0] = 0  # footwear, of generality 12, is never found
    documents[0, -1] = -1
    ranks = rank_pairs(queries, documents, SHOP)
    by_general = _groups(ranks, SHOP.generality[SHOP.documents], _edges(12))
    assert [(part.name, part.recall) for part in by_general] == [("1-2", 1), ("3-9", 1), ("10+", 0)]
    by_depth = _groups(ranks, SHOP.depths[ranks.query_of], None)
    assert [part.name for part in by_depth] == ["0", "1", "2", "3"]
    assert by_depth[0].recall == 0
    assert by_depth[1].recall == pytest.approx(1 / 2)
    assert sum(part.n_pairs for part in by_depth) == 37


def test_edges_of_generality():
    assert _edges(1) == [1]
    assert _edges(12) == [1, 3, 10]
    assert _edges(316) == [1, 3, 10, 32, 100, 316]


# -- pairs against each other ------------------------------------------------------------------------------------


def test_no_pair_of_a_healthy_hierarchy_contradicts_the_others():
    for pairs in (
        Hierarchy.perfect_tree(height=5, width=4, root=True).pairs(),
        Hierarchy.random_dag(1_000, multi_parent_share=0.4, max_parents=3, max_depth=8, seed=1).pairs(),
    ):
        found = support(pairs, stream(0, "test"))
        assert found.tells
        assert found.at_least_wrong < 0.002 * len(pairs)


def test_a_router_among_the_shoes_is_found():
    shop = Hierarchy.perfect_tree(height=5, width=4, root=True).pairs()
    leaf, stranger = shop.query_ids.row("0.0.0.0"), shop.document_ids.row("3.2.1.0")
    pairs = Pairs.from_arrays(
        shop.query_ids,
        shop.document_ids,
        np.r_[shop.query_of, leaf],
        np.r_[shop.documents, stranger],
        np.r_[shop.distances, 1],
    )
    found = support(pairs, stream(0, "test"))
    doubtful = np.flatnonzero(found.doubtful)
    named = {(pairs.query_ids[pairs.query_of[i]], pairs.document_ids[pairs.documents[i]]) for i in doubtful}
    assert named == {("0.0.0.0", "3.2.1.0"), ("3.2.1.0", "3.2.1.0")}  # one of the two is wrong; nothing says which
    assert found.at_least_wrong == 1


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2])
def test_wrong_pairs_are_counted_from_below(share):
    right = Hierarchy.random_dag(1_000, multi_parent_share=0.2, max_depth=8, seed=2).pairs()
    pairs = planted.with_wrong_pairs(right, share, seed=0)
    n = support(pairs, stream(0, "test")).at_least_wrong
    assert 0.25 * share * len(pairs) < n < share * len(pairs)


def test_a_sample_of_the_queries_puts_its_support_at_the_right_pairs(monkeypatch):
    monkeypatch.setattr("rootward.diagnosis.facts.MOST_ENTRIES", 3_000)
    pairs = Hierarchy.perfect_tree(height=5, width=4, root=True).pairs()
    found = support(pairs, stream(0, "test"))
    assert len(found.values) == len(pairs)
    known = np.isfinite(found.values)
    assert 0 < known.sum() < len(pairs)
    assert found.n_compared == known.sum() + (found.generality[~known] > 0).sum() < len(pairs)
    assert found.at_least_wrong == 0


def test_clicks_that_share_nothing_are_not_called_wrong():
    rng = np.random.default_rng(0)
    rows = {(int(q), int(d)) for q, d in zip(rng.integers(300, size=900), rng.integers(300, size=900), strict=True)}
    pairs = Pairs.from_table([(f"q{q}", f"d{d}", 0) for q, d in sorted(rows)])
    assert not support(pairs, stream(0, "test")).tells


def test_alignment_of_right_and_of_shuffled_rows():
    queries, documents = (side.numpy() for side in vectors_that_know(SHOP))
    right = alignment(queries, documents, SHOP, stream(0, "test"))
    assert right.matches > 0.75  # a random document is a match itself now and then, and ties count half
    shuffled = alignment(np.roll(queries, 5, axis=0), documents, SHOP, stream(0, "test"))
    assert shuffled.matches < right.matches
