import numpy as np
import pytest
from scipy.stats import chisquare

from rootward.errors import InputError, PairsError
from rootward.ids import Ids
from rootward.pairs import AllTargets, HeavyTail, Pairs, Rebalanced, Regular
from rootward.rng import stream


def samplers(pairs):
    return [Regular(pairs), HeavyTail(pairs), Rebalanced(pairs, 0.3), Rebalanced(pairs, 0.0), Rebalanced(pairs, 1.0)]


def test_regular_shares_of_the_papers_tree_are_38_35_27(paper_tree):
    assert paper_tree.n_queries == 155
    exact = np.array([5 + 25 / 2 + 125 / 3, 25 / 2 + 125 / 3, 125 / 3]) / 155
    np.testing.assert_allclose(paper_tree.shares(Regular(paper_tree).weights), exact)
    assert np.round(100 * exact).tolist() == [38, 35, 27]


def test_heavy_tail_shares_of_the_papers_tree_by_its_formula(paper_tree):
    # 25 queries have one far document, at distance 1; 125 have two, drawn 1 : 2. The five at the top have none.
    exact = np.array([0, 25 + 125 * 1 / 3, 125 * 2 / 3]) / 150
    np.testing.assert_allclose(paper_tree.shares(HeavyTail(paper_tree).weights), exact)
    assert np.round(100 * exact).tolist() == [0, 44, 56]


def test_heavy_tail_weights_of_a_shoe(shoes):
    weights = HeavyTail(shoes).weights
    _, index = shoes.of([shoes.query_ids.row("trail runners")])
    # Distances 0 1 1 2 3 add up to 7; ten of the twelve queries have something far.
    np.testing.assert_allclose(weights[index], np.array([0, 1, 1, 2, 3]) / 7 / 10)


def test_rebalanced_weights_mix_the_two(shoes):
    mixed = 0.03 * Regular(shoes).weights + 0.97 * HeavyTail(shoes).weights
    np.testing.assert_allclose(Rebalanced(shoes, 0.03).weights, mixed)


def test_weights_add_up_to_one(shoes):
    for sampler in [*samplers(shoes), AllTargets(shoes)]:
        assert sampler.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("which", range(5))
def test_draws_follow_the_weights(shoes, which):
    gaps = shoes.keep(shoes.query_of % 5 != 2)  # queries without pairs among the others
    sampler, n = samplers(gaps)[which], 60_000
    index = sampler.draw(stream(0, "test", which), n)
    seen, expected = np.bincount(index, minlength=len(gaps)), sampler.weights * n
    assert index.dtype == np.int64
    assert not seen[expected == 0].any()
    assert chisquare(seen[expected > 0], expected[expected > 0]).pvalue > 1e-4


def test_the_regular_share_of_a_batch_is_a_count_not_a_chance(paper_tree):
    near_only = [
        np.count_nonzero(paper_tree.distances[Rebalanced(paper_tree, 0.5).draw(stream(s), 1000)] == 0)
        for s in range(50)
    ]
    # 500 regular draws, each at distance 0 with chance 0.38: less spread than 1,000 independent ones would have.
    share = paper_tree.shares()[0]
    assert np.mean(near_only) == pytest.approx(500 * share, abs=6)
    assert np.std(near_only) < 1.4 * np.sqrt(500 * share * (1 - share))


def test_a_batch_of_one_is_regular_now_and_then(paper_tree):
    sampler, rng = Rebalanced(paper_tree, 0.5), stream(0)
    drawn = np.concatenate([sampler.draw(rng, 1) for _ in range(4000)])
    assert np.mean(paper_tree.distances[drawn] == 0) == pytest.approx(0.5 * paper_tree.shares()[0], abs=0.03)


def test_any_slice_of_a_large_draw_has_both_kinds(paper_tree):
    drawn = paper_tree.distances[Rebalanced(paper_tree, 0.5).draw(stream(0), 20_000)]
    assert np.mean(drawn[:10_000] == 0) == pytest.approx(np.mean(drawn[10_000:] == 0), abs=0.02)


def test_the_same_seed_gives_the_same_bits(shoes):
    for sampler in samplers(shoes):
        assert np.array_equal(sampler.draw(stream(3, "b"), 99), sampler.draw(stream(3, "b"), 99))
        assert not np.array_equal(sampler.draw(stream(3, "b"), 99), sampler.draw(stream(4, "b"), 99))
        assert len(sampler.draw(stream(0), 0)) == 0


def test_an_epoch_meets_every_answered_query_once(shoes):
    pairs = shoes.far(2)
    batches = list(AllTargets(pairs).epoch(stream(0), 3))
    assert [len(rows) for rows in batches] == [3, 3, 1]
    assert sorted(np.concatenate(batches)) == np.flatnonzero(pairs.sizes).tolist()
    place, index = pairs.of(batches[0])
    assert np.array_equal(pairs.query_of[index], batches[0][place])


def test_epochs_differ_and_repeat_by_seed(shoes):
    first, second, again = (
        np.concatenate(list(AllTargets(shoes).epoch(stream(0, "epoch", epoch), 4))).tolist() for epoch in (0, 1, 0)
    )
    assert first == again != second


def test_what_cannot_be_drawn_from_says_so(shoes):
    for make in (Regular, AllTargets, HeavyTail, lambda pairs: Rebalanced(pairs, 0.5)):
        with pytest.raises(PairsError, match="no pairs to draw from"):
            make(shoes.far(9))
    for make in (HeavyTail, lambda pairs: Rebalanced(pairs, 0.5)):
        with pytest.raises(PairsError, match="all of these are at distance 0"):
            make(shoes.near(0))
    for p in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="from 0 to 1"):
            Rebalanced(shoes, p)
    with pytest.raises(InputError, match="batch=0"):
        AllTargets(shoes).epoch(stream(0), 0)


def test_large_distances_do_not_overflow():
    far = 2**31 - 1
    pairs = Pairs.from_arrays(Ids("a"), Ids("xyz"), [0, 0, 0], [0, 1, 2], [0, far, far])
    drawn = HeavyTail(pairs).draw(stream(0), 1000)
    assert np.bincount(drawn, minlength=3)[0] == 0
    assert np.bincount(drawn)[1] == pytest.approx(500, abs=80)
