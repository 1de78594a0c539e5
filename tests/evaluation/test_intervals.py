import numpy as np
import pytest
import torch

from evaluation.naive import case
from rootward.errors import InputError
from rootward.evaluation import Ranks, compare, rank_pairs
from rootward.evaluation.intervals import bootstrap, interval, p_value
from rootward.evaluation.metrics import query_sums, recall
from rootward.ids import Ids
from rootward.pairs import Pairs


def coin_flips(seed: int, n: int = 400, chance: float = 0.7) -> Ranks:
    """n queries with one answer each, found with this chance: recall is a binomial share."""
    pairs = Pairs.from_arrays(Ids(range(n)), Ids("ab"), np.arange(n), np.zeros(n), np.zeros(n))
    found = np.random.default_rng(seed).random(n) < chance
    return rank_pairs(torch.from_numpy(np.where(found, 1.0, -1.0)[:, None]), torch.tensor([[1.0], [0.0]]), pairs)


def random_ranks(seed: int, pairs: Pairs | None = None) -> Ranks:
    queries, documents, drawn = case(seed, n_queries=80, n_documents=60, dim=5, spread=4, fill=0.1, deepest=4)
    return rank_pairs(torch.from_numpy(queries), torch.from_numpy(documents), drawn if pairs is None else pairs)


def test_the_interval_is_as_wide_as_a_binomial_one_and_covers_95_times_in_100():
    covered, widths = 0, []
    for seed in range(150):
        (draws,) = bootstrap((query_sums(coin_flips(seed)),), n=300, seed=seed)
        low, high = interval(draws.overall)
        covered += low <= 0.7 <= high
        widths.append(high - low)
    assert 132 <= covered <= 150  # 142.5 expected, standard deviation 2.7
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 400), rel=0.05)


def test_draws_stand_around_the_figure_and_repeat_with_the_seed():
    ranks = random_ranks(0)
    (draws,) = bootstrap((query_sums(ranks),), n=2_000, seed=3)
    exact = recall(ranks)
    assert draws.overall.mean() == pytest.approx(exact.overall, abs=0.005)
    assert draws.by_distance.mean(0) == pytest.approx(exact.by_distance, abs=0.02)
    (again,) = bootstrap((query_sums(ranks),), n=2_000, seed=3)
    assert np.array_equal(draws.by_distance, again.by_distance)
    (other,) = bootstrap((query_sums(ranks),), n=2_000, seed=4)
    assert not np.array_equal(draws.overall, other.overall)


def test_a_draw_is_what_drawing_the_queries_gives():
    """One query hits, one misses: the figures of a draw can only be 0, 1/2 or 1, and half of them are 1/2."""
    pairs = Pairs.from_arrays(Ids("qr"), Ids("ab"), [0, 1], [0, 1], [0, 0])
    ranks = rank_pairs(torch.ones(2, 1), torch.tensor([[1.0], [0.0]]), pairs)
    (draws,) = bootstrap((query_sums(ranks),), n=4_000, seed=0)
    values, counts = np.unique(draws.overall, return_counts=True)
    assert values.tolist() == [0.0, 0.5, 1.0]
    assert counts / 4_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_a_perfect_run_has_no_width():
    (draws,) = bootstrap((query_sums(coin_flips(0, chance=1.1)),), n=100, seed=0)
    assert interval(draws.overall) == interval(draws.minimum) == (1.0, 1.0)


def test_a_run_against_itself_differs_by_nothing():
    ranks = random_ranks(1)
    found = compare(ranks, ranks, bootstrap=200)
    assert [row.slice for row in found.rows] == ["0", "1", "2", "3", "4", "min", "overall"]
    assert all((row.value, row.low, row.high, row.p) == (0, 0, 0, 1) for row in found.rows)


def test_a_better_run_is_found_better_and_the_other_way_round():
    _, _, pairs = case(2, n_queries=80, n_documents=60, dim=5, spread=4, fill=0.1, deepest=4)
    poor = random_ranks(2)
    queries = torch.zeros(80, 60)
    queries[pairs.query_of, pairs.documents] = 1
    good = rank_pairs(queries, torch.eye(60), pairs)
    up, down = compare(poor, good, bootstrap=200).overall, compare(good, poor, bootstrap=200).overall
    assert up.p < 0.02
    assert 0 < up.low < up.value < up.high
    assert (down.value, down.low, down.high, down.p) == pytest.approx((-up.value, -up.high, -up.low, up.p))
    assert up.b == recall(good).overall == 1.0
    assert up.a == pytest.approx(recall(poor).overall)
    assert "overall" in str(compare(poor, good, bootstrap=200))


def test_pairing_sees_what_two_intervals_cannot():
    """b finds four answers more among 400: within the noise of either, beyond the noise of the difference."""
    a, b = coin_flips(0), coin_flips(0, chance=0.725)
    row = compare(a, b, bootstrap=500).overall
    (draws,) = bootstrap((query_sums(a),), n=500)
    low, high = interval(draws.overall)
    assert row.b > row.a
    assert row.high - row.low < (high - low) / 2


def test_runs_on_different_pairs_are_not_compared():
    with pytest.raises(InputError, match="different pairs"):
        compare(random_ranks(1), random_ranks(2))


def test_p_value():
    assert p_value(np.zeros(99)) == 1.0
    assert p_value(np.ones(99)) == pytest.approx(0.02)
    assert p_value(np.r_[np.ones(98), -1, np.nan]) == pytest.approx(0.04)


def test_no_draws_are_refused():
    with pytest.raises(InputError, match="at least one draw"):
        bootstrap((query_sums(random_ranks(1)),), n=0)
