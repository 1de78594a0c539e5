"""The theorem, its steps and its constants, in numbers: what docs/geometry.md derives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rootward import Hierarchy, Pairs, construct
from rootward.errors import InputError
from rootward.geometry import expected_dimension, guaranteed_dimension, smallest_separating
from rootward.geometry.separation import deviation, lowest, n_events
from shoes import EDGES

SHOES = Hierarchy.from_edges(EDGES).pairs()


def test_the_bound_for_the_shoe_shop_by_hand() -> None:
    # 12 queries, 12 documents, 37 pairs: N = 144 + 74 = 218; the largest set has 5; x = (sqrt(3) - 1) / 2.
    assert len(SHOES) == 37
    assert n_events(SHOES) == 218
    assert guaranteed_dimension(SHOES) == math.ceil(14.928203 * 5 * math.log(218 / 0.01))


def test_deviation_solves_its_equation() -> None:
    assert deviation(0.0) == pytest.approx((math.sqrt(3) - 1) / 2)
    for gap in np.linspace(0, 0.99, 12).tolist():
        x = deviation(gap)
        assert 1 / (1 + x) - 2 * x == pytest.approx(gap, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 150), st.integers(0, 10_000), st.floats(0, 0.6))
def test_the_guaranteed_dimension_separates_random_dags(n: int, seed: int, share: float) -> None:
    pairs = Hierarchy.random_dag(n, seed=seed, multi_parent_share=share, max_depth=5).pairs()
    found = construct(pairs, guaranteed_dimension(pairs, failure=1e-6), seed=seed).separation
    assert found.at_threshold == 1.0


@pytest.mark.parametrize("gap", [0.2, 0.5])
def test_the_gap_asked_for_is_realised(gap: float) -> None:
    pairs = Hierarchy.perfect_tree(3, 4).pairs()
    points = construct(pairs, guaranteed_dimension(pairs, failure=1e-6, gap=gap))
    assert points.margin >= gap / math.sqrt(3)


@pytest.mark.parametrize("size", [2, 5, 20])
def test_sums_of_unit_vectors_are_as_long_as_the_lemma_says(size: int) -> None:
    """Where every step of the sum strays by at most t, |w_k| <= sqrt(k) + t k, and t |w_k| stays below 1/2."""
    rng = np.random.default_rng(size)
    for dim in (60, 200, 1_000):
        for _ in range(50):
            units = rng.standard_normal((size, dim))
            units /= np.linalg.norm(units, axis=1, keepdims=True)
            sums = np.cumsum(units, axis=0)
            lengths = np.linalg.norm(sums, axis=1)
            strays = (sums[:-1] * units[1:]).sum(1) / lengths[:-1]
            t = np.abs(strays).max()
            k = np.arange(1, size + 1)
            assert (lengths <= np.sqrt(k) + t * k + 1e-12).all()


def test_inner_products_have_the_tail_of_the_lemma() -> None:
    """P(<u, v> > t) <= exp(-d t^2 / 2) for a uniform unit vector u and a fixed one v."""
    rng = np.random.default_rng(0)
    for dim in (5, 40, 300):
        units = rng.standard_normal((20_000, dim))
        first = units[:, 0] / np.linalg.norm(units, axis=1)
        for t in np.array([0.5, 1, 2, 3]) / math.sqrt(dim):
            assert np.mean(first > t) <= math.exp(-dim * t * t / 2)


def test_the_expected_dimension_is_near_the_one_found() -> None:
    for tree in (Hierarchy.perfect_tree(4, 5), Hierarchy.perfect_tree(3, 20)):
        pairs = tree.pairs()
        found = smallest_separating(pairs)
        assert 0.6 < found.dim / expected_dimension(pairs) < 1.6
        assert found.dim < guaranteed_dimension(pairs)


def test_the_smallest_dimension_separates_with_every_seed_and_the_one_below_failed() -> None:
    pairs = Hierarchy.perfect_tree(3, 6).pairs()
    found = smallest_separating(pairs, seeds=(5, 6))
    assert all(construct(pairs, found.dim, seed=seed).margin > 0 for seed in (5, 6))
    assert any(construct(pairs, found.failed_at, seed=seed).margin <= 0 for seed in (5, 6))
    assert found.failed_at < found.dim <= 1.05 * found.failed_at + 1


@given(st.integers(1, 3_000), st.integers(1, 3_000))
def test_the_search_ends_next_to_the_edge_wherever_it_starts(edge: int, start: int) -> None:
    asked: list[int] = []

    def works(dim: int) -> bool:
        asked.append(dim)
        return dim >= edge

    dim, failed = lowest(works, start)
    assert failed < edge <= dim
    assert dim - failed == 1 or dim <= 1.05 * failed
    assert len(asked) == len(set(asked)) < 40


def test_pairs_of_one_query_and_one_document_need_one_dimension() -> None:
    pairs = Pairs.from_table([("sandals", "sandals", 0)])
    assert smallest_separating(pairs).dim == 1
    assert torch.isfinite(construct(pairs, 1).query_vectors()).all()


def test_shares_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="failure in"):
        guaranteed_dimension(SHOES, failure=0.0)
    with pytest.raises(InputError, match="gap in"):
        guaranteed_dimension(SHOES, gap=1.0)
