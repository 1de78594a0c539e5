import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootward.csr import expand, is_sorted, offsets_of
from rootward.errors import PairsError
from rootward.ids import Ids
from rootward.pairs import Pairs


def test_a_relevant_set_comes_nearest_first(shoes):
    assert shoes.relevant("trail runners") == [
        ("trail runners", 0),
        ("outdoor gear", 1),
        ("running shoes", 1),
        ("sneakers", 2),
        ("footwear", 3),
    ]


def test_footwear_is_relevant_to_every_shoe_but_not_to_gear(shoes):
    assert shoes.generality[shoes.document_ids.row("footwear")] == 11
    assert shoes.generality[shoes.document_ids.row("kids sandals")] == 1


def test_regular_shares_of_the_shoes(shoes):
    far = 1 / 5  # trail runners to footwear
    two = 4 * 1 / 3 + 2 * 1 / 4 + 1 / 5
    one = 3 * 1 / 2 + 4 * 1 / 3 + 2 * 2 / 4 + 2 / 5
    zero = 2 * 1 + 3 * 1 / 2 + 4 * 1 / 3 + 2 * 1 / 4 + 1 / 5
    np.testing.assert_allclose(shoes.shares() * 12, [zero, one, two, far])


def test_far_and_near_share_out_the_pairs_and_keep_ids(shoes):
    assert len(shoes.far(2)) + len(shoes.near(1)) == len(shoes)
    assert shoes.far(2).relevant("trail runners") == [("sneakers", 2), ("footwear", 3)]
    assert shoes.far(2).query_ids is shoes.query_ids


def test_of_names_the_place_and_the_pair(shoes):
    rows = shoes.query_ids.rows(["boots", "footwear"])
    place, index = shoes.of(rows)
    assert place.tolist() == [0, 0, 1]
    assert [shoes.document_ids[d] for d in shoes.documents[index]] == ["boots", "footwear", "footwear"]


@pytest.mark.parametrize("bad", [-1, 0.5, 2**31])
def test_a_distance_that_is_no_number_of_hops_is_refused_not_rounded(bad):
    with pytest.raises(PairsError, match=r"whole numbers of hops from 0; pair 1 has"):
        Pairs.from_arrays(Ids("ab"), Ids("xy"), [0, 1], [0, 1], [0, bad])


def test_a_pair_given_twice_is_named():
    with pytest.raises(PairsError, match=r"\('b', 'x'\) is given twice"):
        Pairs.from_arrays(Ids("ab"), Ids("xy"), [1, 1], [0, 0], [0, 1])


def test_columns_of_different_length_are_refused():
    with pytest.raises(PairsError, match="got 2, 1 and 2"):
        Pairs.from_arrays(Ids("ab"), Ids("xy"), [0, 1], [0], [0, 1])


def test_keep_wants_one_truth_value_a_pair(shoes):
    with pytest.raises(PairsError, match="one True or False for each of 33 pairs"):
        shoes.keep([3, 5])


def test_no_pairs_at_all_is_a_value():
    none = Pairs.from_arrays(Ids("ab"), Ids("xy"), [], [], [])
    assert (len(none), none.max_distance, none.sizes.tolist()) == (0, 0, [0, 0])
    assert none.shares().tolist() == [0.0]


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.data())
def test_expand_does_what_the_loop_does(sizes, data):
    rows = data.draw(st.lists(st.integers(0, len(sizes) - 1), max_size=20))
    offsets = offsets_of(sizes)
    place, index = expand(offsets, np.array(rows, np.int64))
    loop = [(i, k) for i, row in enumerate(rows) for k in range(offsets[row], offsets[row + 1])]
    assert list(zip(place.tolist(), index.tolist(), strict=True)) == loop


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), max_size=6))
def test_sorted_means_what_python_means(rows):
    keys = np.array(rows, np.int64).reshape(-1, 3).T
    assert is_sorted(*keys) == (rows == sorted(rows))
    assert is_sorted(*np.array(sorted(rows), np.int64).reshape(-1, 3).T)


def test_pairs_are_had_without_torch():
    code = "import sys, rootward.pairs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
