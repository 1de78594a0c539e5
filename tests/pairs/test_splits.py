import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootward.errors import InputError, PairsError
from rootward.pairs import Pairs


def triples(pairs: Pairs) -> set:
    return {(q, d, hops) for q in pairs.query_ids for d, hops in pairs.relevant(q)}


@settings(deadline=None)
@given(st.sampled_from(["pairs", "queries"]), st.floats(0, 0.45), st.floats(0, 0.45), st.integers(0, 99))
def test_parts_are_disjoint_and_together_everything(by, validation, test, seed):
    pairs = Pairs.from_table([(q, d, abs(q - d)) for q in range(9) for d in range(7)])
    split = pairs.split(by, validation=validation, test=test, seed=seed)
    parts = [triples(split.train), triples(split.validation), triples(split.test)]
    assert set.union(*parts) == triples(pairs)
    assert sum(map(len, parts)) == len(pairs)


def test_held_out_pairs_are_the_share_asked_for_and_far_enough(paper_tree):
    split = paper_tree.split(test=0.1, validation=0.2, low=1)
    n_far = len(paper_tree.far(1))
    assert (len(split.test), len(split.validation)) == (round(0.1 * n_far), round(0.2 * n_far))
    assert split.test.distances.min() == split.validation.distances.min() == 1
    assert triples(paper_tree.near(0)) <= triples(split.train)
    assert split.test.query_ids is paper_tree.query_ids


def test_a_query_held_out_takes_all_its_pairs(shoes):
    split = shoes.split("queries", test=0.25, validation=0.25)
    for query in shoes.query_ids:
        found = [part.relevant(query) for part in (split.train, split.validation, split.test)]
        assert sorted(found, key=len)[:2] == [[], []]
        assert max(found, key=len) == shoes.relevant(query)
    assert np.count_nonzero(split.test.sizes) == 3


def test_only_queries_that_have_pairs_are_dealt(shoes):
    pairs = shoes.far(2)  # seven queries
    assert np.count_nonzero(pairs.split("queries", test=0.43).test.sizes) == 3


@pytest.mark.parametrize("by", ["pairs", "queries"])
def test_a_shuffled_source_is_split_alike(by, shoe_rows):
    shuffled = [shoe_rows[i] for i in np.random.default_rng(0).permutation(len(shoe_rows))]
    one, other = Pairs.from_table(shoe_rows).split(by, test=0.3), Pairs.from_table(shuffled).split(by, test=0.3)
    assert triples(one.test) == triples(other.test)


@pytest.mark.parametrize("by", ["pairs", "queries"])
def test_the_validation_share_does_not_move_the_test_part(by, shoes):
    assert triples(shoes.split(by, test=0.2).test) == triples(shoes.split(by, test=0.2, validation=0.3).test)


def test_seeds_decide(paper_tree):
    assert triples(paper_tree.split(seed=1).test) == triples(paper_tree.split(seed=1).test)
    assert triples(paper_tree.split(seed=1).test) != triples(paper_tree.split(seed=2).test)


@pytest.mark.parametrize(
    "shares", [{"test": 1.0}, {"test": -0.1}, {"validation": 0.6, "test": 0.5}, {"test": float("nan")}]
)
def test_shares_must_leave_something(shoes, shares):
    with pytest.raises(InputError, match="leave something for training"):
        shoes.split(**shares)


def test_splits_that_are_not_offered(shoes):
    with pytest.raises(InputError, match="by='documents' is not known"):
        shoes.split("documents")
    with pytest.raises(InputError, match="Use by='pairs'"):
        shoes.split("queries", low=2)


def test_a_sample_tells_what_it_drew(shoes):
    sample = shoes.sample(train=50, validation=5, test=7).train
    assert len(sample) == 50
    for q, d, hops in zip(sample.queries, sample.documents, sample.distances, strict=True):
        assert (shoes.document_ids[d], hops) in shoes.relevant(shoes.query_ids[q])


def test_a_sample_is_regular(paper_tree):
    sample = paper_tree.sample(train=100_000).train
    np.testing.assert_allclose(np.bincount(sample.distances) / 100_000, paper_tree.shares(), atol=0.01)


def test_each_part_of_a_sample_has_its_own_stream(shoes):
    one, other = shoes.sample(train=9, validation=9, test=9), shoes.sample(train=5000, validation=0, test=9)
    assert np.array_equal(one.test.index, other.test.index)
    assert not np.array_equal(one.test.index, one.validation.index)


def test_nothing_to_sample_from(shoes):
    with pytest.raises(PairsError, match="no pairs"):
        shoes.far(9).sample()
    with pytest.raises(InputError, match="train=-1"):
        shoes.sample(train=-1)
