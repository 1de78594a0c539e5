"""The closure against a walk anybody can check."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootward.hierarchy import Hierarchy, closure
from shoes import shoe_tree, shoes


def walked(hierarchy, node):
    """{ancestor: hops} by breadth-first search, one node at a time."""
    hops, waiting = {node: 0}, deque([node])
    while waiting:
        here = waiting.popleft()
        for above in hierarchy.parents_of(here):
            if above not in hops:
                hops[above] = hops[here] + 1
                waiting.append(above)
    return hops


def answers(hierarchy, **options):
    """{node: {ancestor: hops}} of the closure."""
    return {node: dict(hierarchy.pairs(**options).relevant(node)) for node in hierarchy.ids}


@st.composite
def dags(draw):
    n = draw(st.integers(1, 25))
    edges = [(f"n{i}", None) for i in range(n)]
    for i in range(1, n):
        above = draw(st.lists(st.integers(0, i - 1), max_size=3, unique=True))
        edges += [(f"n{i}", f"n{j}") for j in above]
    return draw(st.permutations(edges))


@given(dags(), st.one_of(st.none(), st.integers(0, 6)))
@settings(deadline=None, max_examples=60)
def test_the_closure_is_what_a_walk_finds(edges, max_distance):
    hierarchy = Hierarchy.from_edges(edges)
    limit = len(hierarchy) if max_distance is None else max_distance
    expected = {
        node: {above: hops for above, hops in walked(hierarchy, node).items() if hops <= limit}
        for node in hierarchy.ids
    }
    assert answers(hierarchy, max_distance=max_distance) == expected


@given(dags())
@settings(deadline=None, max_examples=40)
def test_depth_is_the_distance_of_the_nearest_root(edges):
    hierarchy = Hierarchy.from_edges(edges)
    roots = set(hierarchy.roots)
    for node, depth in zip(hierarchy.ids, hierarchy.depth.tolist(), strict=True):
        assert depth == min(hops for above, hops in walked(hierarchy, node).items() if above in roots)


@given(dags(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=40)
def test_permuting_the_nodes_changes_no_answer(edges, random):
    hierarchy = Hierarchy.from_edges(edges)
    order = list(hierarchy.ids)
    random.shuffle(order)
    assert answers(Hierarchy.from_edges(edges, nodes=order)) == answers(hierarchy)


@given(dags(), st.integers(1, 9))
@settings(deadline=None, max_examples=40)
def test_blocks_add_up_to_the_whole(edges, block):
    hierarchy = Hierarchy.from_edges(edges)
    whole, pieces = hierarchy.ancestors(), list(hierarchy.iter_ancestors(block=block))
    assert all(len(piece.rows) <= block for piece in pieces)
    for name in ("rows", "ancestors", "distances"):
        assert np.array_equal(np.concatenate([getattr(piece, name) for piece in pieces]), getattr(whole, name))
    assert np.array_equal(hierarchy.ancestors(block=block).offsets, whole.offsets)


@given(dags())
@settings(deadline=None, max_examples=40)
def test_answers_are_ordered_by_distance_then_row(edges):
    found = Hierarchy.from_edges(edges).ancestors()
    owner = np.repeat(np.arange(len(found.rows)), np.diff(found.offsets))
    order = np.lexsort((found.ancestors, found.distances, owner))
    assert np.array_equal(order, np.arange(len(found)))


def test_a_stream_of_a_deep_forest_comes_in_pieces_that_fit(monkeypatch):
    chain = Hierarchy.from_edges([(i, i - 1) for i in range(1, 50)])
    monkeypatch.setattr(closure, "_PAIRS_AT_A_TIME", 100)
    pieces = list(chain.iter_ancestors())
    assert max(map(len, pieces)) <= 100
    assert sum(map(len, pieces)) == 50 * 51 // 2
    assert len(chain.ancestors()) == 50 * 51 // 2


def test_small_cells_give_the_same_answers(monkeypatch):
    dag = Hierarchy.random_dag(400, seed=5, multi_parent_share=0.5)
    whole = dag.ancestors()
    monkeypatch.setattr(closure, "_CELLS", 900)
    again = dag.ancestors()
    assert np.array_equal(whole.ancestors, again.ancestors)
    assert np.array_equal(whole.distances, again.distances)


def test_thirty_parents_each():
    n = 300
    dag = Hierarchy.from_edges([(i, j) for i in range(1, n) for j in range(max(0, i - 30), i)])
    found = dag.ancestors()
    assert len(found) == n * (n + 1) // 2
    assert dag.pairs().relevant("299")[-1] == ("0", 10)


def test_a_long_chain_and_a_wide_star():
    n = 2_000
    chain = Hierarchy.from_edges([(i, i - 1) for i in range(1, n)])
    assert len(chain.ancestors()) == n * (n + 1) // 2
    star = Hierarchy.from_edges([(i, "top") for i in range(n)])
    assert len(star.ancestors()) == 2 * n + 1


@pytest.mark.parametrize("block", [0, -1])
def test_a_block_of_nothing_is_refused(block):
    for hierarchy in (shoes(), shoe_tree()):
        with pytest.raises(ValueError, match="block"):
            hierarchy.ancestors(block=block)
