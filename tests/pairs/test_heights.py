"""Heights: the nearer of two relevant documents stands lower."""

from __future__ import annotations

import numpy as np

from rootward.ids import Ids
from rootward.pairs import Pairs

#   kid's sandals -> sandals -> shoes,  boots -> shoes;  one query a node
ROWS = [(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 1, 0), (1, 2, 1), (2, 2, 0), (3, 3, 0), (3, 2, 1)]


def pairs_of(rows: list[tuple[int, int, int]], n_documents: int = 4) -> Pairs:
    queries, documents, distances = zip(*rows, strict=True)
    documents_ids = Ids(["kid's sandals", "sandals", "shoes", "boots", "hats"][:n_documents])
    return Pairs.from_arrays(Ids(["a", "b", "c", "d"]), documents_ids, queries, documents, distances)


def test_a_chain_rises_from_its_leaf_to_its_root() -> None:
    heights = pairs_of(ROWS).heights
    assert heights[0] < heights[1] < heights[2]
    assert heights[3] < heights[2]


def test_every_relevant_set_of_a_tree_is_in_order() -> None:
    pairs = pairs_of(ROWS)
    for row in range(pairs.n_queries):
        part = slice(pairs.offsets[row], pairs.offsets[row + 1])
        assert (np.diff(pairs.heights[pairs.documents[part]]) > 0).all()


def test_renumbering_documents_renumbers_heights() -> None:
    new = np.array([2, 0, 3, 1])
    moved = pairs_of([(q, int(new[d]), hops) for q, d, hops in ROWS])
    np.testing.assert_allclose(moved.heights[new], pairs_of(ROWS).heights, rtol=1e-6)


def test_a_document_that_answers_nothing_comes_last() -> None:
    heights = pairs_of(ROWS, n_documents=5).heights
    assert heights[4] > heights[:4].max()


def test_cut_off_distances_do_not_lower_the_top() -> None:
    """A root that is cut off from most of what is below it keeps its place; its generality would lose it."""
    # a chain d0 < d1 < d2 < d3 of four queries, pairs within 2 hops only: d3 answers as many queries as d2 and d1 do
    rows = [(q, d, d - q) for q in range(4) for d in range(q, min(q + 3, 4))]
    pairs = pairs_of(rows)
    assert pairs.generality.tolist() == [1, 2, 3, 3]
    assert pairs.heights[3] > pairs.heights[2]


def test_no_pairs_have_heights_too() -> None:
    empty = pairs_of(ROWS).keep(np.zeros(len(ROWS), bool))
    assert np.isfinite(empty.heights).all()
