"""A distance may be any whole number up to 2^31: one cell with a date in it must not cost gigabytes or minutes."""

import resource
import time

import numpy as np
import pytest
import torch

import rootward as rw
from rootward.csr import levels_of
from rootward.errors import InputError, PairsError
from rootward.evaluation.metrics import query_sums, recall, sampled_recall
from rootward.evaluation.ranks import rank_pairs
from rootward.pairs.samplers import HeavyTail
from rootward.training.session import validate

FAR = 10**9
ROWS = [("a", "a", 0), ("a", "b", 1), ("a", "c", FAR), ("b", "b", 0), ("b", "c", 20_210_101), ("c", "c", 0)]


@pytest.fixture
def frugal():
    """Fails what takes more than 20 s or 300 MB."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    yield
    assert time.process_time() - began < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@pytest.fixture
def far():
    return rw.Pairs.from_table(ROWS)


def test_a_date_in_the_distance_column_trains_and_is_measured(frugal, far, tmp_path):
    start = rw.DualEncoder.lookup(far, dim=4)
    model = rw.train(start, far, rw.recipes.decoupled(steps=4), out=tmp_path / "run").model
    report = rw.evaluate(model, far)
    assert [(each.distance, each.n_pairs) for each in report.slices] == [(0, 3), (1, 1), (20_210_101, 1), (FAR, 1)]
    assert all(each.recall.low is not None for each in report.slices)
    assert str(FAR) in str(report)
    assert len(validate(model, far)[1]) == 2  # distances 0 and 1; the log has no list of a thousand million numbers


def test_recall_of_distances_with_gaps_is_that_of_each(frugal, far):
    vectors = np.eye(3, dtype=np.float32)
    ranks = rank_pairs(torch.from_numpy(vectors), torch.from_numpy(vectors), far)
    found = recall(ranks)
    assert found.distances.tolist() == [0, 1, 20_210_101, FAR]
    assert found.n_pairs.tolist() == [3, 1, 1, 1]
    assert found.shares.sum() == pytest.approx(1)
    assert len(found.by_distance) == 2
    assert query_sums(ranks).weights.sum(1) == pytest.approx(1)
    assert sampled_recall(ranks, n=1_000).distances.tolist() == found.distances.tolist()


def test_heavy_tail_of_a_far_pair_draws_it_in_proportion(frugal, far):
    drawn = HeavyTail(far).draw(np.random.default_rng(0), 1_000)
    assert set(far.distances[drawn].tolist()) == {FAR, 20_210_101}


def test_shares_of_a_far_distance_are_refused_in_words(frugal, far):
    with pytest.raises(PairsError, match=r"largest distance is 1,000,000,000.*near"):
        far.shares()


def test_more_slices_than_anyone_reads_have_no_intervals(frugal):
    pairs = rw.Pairs.from_table([("a", f"d{i}", 7 * i) for i in range(1_200)])
    ranks = rank_pairs(torch.ones(1, 2), torch.ones(1_200, 2), pairs)
    assert rw.Report.from_ranks(ranks, dim=2).bootstrap == 0
    with pytest.raises(InputError, match="1,200 different distances"):
        query_sums(ranks)


def test_levels_are_the_different_values_and_their_places():
    for top in (5, 10**9):
        levels, places = levels_of(np.array([top, 0, top, 2], np.int32))
        assert (levels.tolist(), places.tolist()) == ([0, 2, top], [2, 0, 2, 1])
    assert levels_of(np.empty(0, np.int32))[0].tolist() == []
