"""The studies around the paper: what is held out, thinned and completed is what is said."""

from __future__ import annotations

import numpy as np
import pytest

from rootward import Hierarchy, Pairs
from rootward_paper.incomplete import held_out
from rootward_paper.losses import LOSSES, OPTIMISERS, stages
from rootward_paper.measuring import pairs_of
from rootward_paper.registry import study_table
from rootward_paper.stages import with_few_near


def test_pairs_that_follow_are_put_in_and_nothing_else() -> None:
    tree = Hierarchy.perfect_tree(5, 2).pairs()
    near = tree.near(1)
    whole = near.completed(max_distance=8)
    assert [whole.relevant(q) for q in whole.query_ids] == [tree.relevant(q) for q in tree.query_ids]
    assert tree.completed() is tree
    assert near.completed(max_distance=2).max_distance == 2


def test_a_dag_is_completed_at_the_least_distance() -> None:
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d")]
    true = Hierarchy.from_edges(edges).pairs()
    assert true.near(1).completed(max_distance=5).relevant("a") == true.relevant("a")


def test_documents_that_are_no_queries_complete_nothing() -> None:
    pairs = Pairs.from_table([("q1", "x", 0), ("q1", "y", 1), ("q2", "y", 0), ("q2", "z", 1)])
    assert pairs.completed() is pairs


@pytest.mark.parametrize("way", ["pairs", "queries"])
def test_what_is_held_out_is_far_and_the_rest_is_observed(way) -> None:
    pairs = pairs_of("dag")
    observed, hidden = held_out(pairs, way, 0.5, seed=0)
    assert len(observed) + len(hidden) == len(pairs)
    assert hidden.distances.min() >= 2
    if way == "queries":
        assert not (set(hidden.query_of) & set(observed.far(2).query_of))
    else:
        assert len(hidden) == round(0.5 * np.count_nonzero(pairs.distances >= 2))


def test_few_near_pairs_are_kept_and_all_far_ones() -> None:
    pairs = pairs_of("dag")
    thin, away = with_few_near(pairs, 0.05, 0)
    assert len(thin.near(1)) == round(0.05 * len(pairs.near(1)))
    assert len(thin.far(2)) == len(pairs.far(2))
    assert len(thin) + len(away) == len(pairs)
    assert away.distances.max() == 1


def test_completed_pairs_find_what_was_held_out(tiny) -> None:
    rows = tiny("incomplete")[0].rows
    by_pair = {row["method"]: row for row in rows if row["held_out"] == "pairs"}
    assert by_pair["completed"]["overall"] > by_pair["decoupled"]["overall"] + 0.1


def test_the_grid_has_five_losses_and_finetuning_is_the_published_one() -> None:
    assert len(LOSSES) == 5
    assert sum(optimizer == "sgd" and rows == "free" for optimizer, rows, _ in OPTIMISERS) == 5
    first, second = stages("paper", "in-batch", "sgd", "free", 1.0).stages
    assert (second.learning_rate, second.scale, second.sampler) == (first.learning_rate / 1000, 500.0, "heavy_tail")


def test_order_and_recall_stand_side_by_side(tiny) -> None:
    study = tiny("order")[0]
    in_order = {row["method"]: row["in_order"] for row in study.rows if row["dim"] == study.rows[0]["dim"]}
    assert in_order["list-wise, tau to 40"] > in_order["decoupled"] + 0.1
    assert "list-wise, then decoupled" in study_table(study)
