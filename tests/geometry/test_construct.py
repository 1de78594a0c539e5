"""Constructions: exact where they say so, and encoders like any other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rootward import DualEncoder, Hierarchy, Index, Pairs, construct, evaluate
from rootward.errors import InputError, RunFolderError
from rootward.geometry import METHODS
from rootward.geometry.constructions import arcs, moment_curve
from shoes import EDGES, SECOND_PARENT

SHOES = Hierarchy.from_edges(EDGES).pairs()
TREE = Hierarchy.from_edges([edge for edge in EDGES if edge != SECOND_PARENT]).pairs()


def random_tree(n: int, seed: int, n_roots: int = 1) -> Hierarchy:
    return Hierarchy.random_dag(n, seed=seed, n_roots=n_roots, multi_parent_share=0.0, max_depth=12)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_the_shoe_shop(method: str) -> None:
    points = construct(TREE, 300 if method == "gaussian" else None, method)  # type: ignore[arg-type]
    assert points.separation.separated == points.separation.at_threshold == 1.0
    assert points.margin > 0
    index = Index.build(points)
    hits = index.answers(points.queries(["flip-flops", "footwear"]))
    assert set(hits.ids[0]) == {"flip-flops", "sandals", "shoes", "footwear"}
    assert set(hits.ids[1]) == {"footwear"}
    assert evaluate(points, TREE).overall.value == 1.0


def test_gaussian_is_algorithm_1() -> None:
    points = construct(SHOES, 40, seed=3)
    documents, queries = points.document_vectors(), points.query_vectors()
    row = SHOES.query_ids.row("sandals")
    relevant = [SHOES.document_ids.row(name) for name in ("sandals", "shoes", "footwear")]
    torch.testing.assert_close(queries[row], torch.nn.functional.normalize(documents[relevant].sum(0), dim=0))
    torch.testing.assert_close(documents.norm(dim=1), torch.ones(12))
    again = construct(SHOES, 40, seed=3)
    assert torch.equal(points.query_vectors(), again.query_vectors())
    assert not torch.equal(documents, construct(SHOES, 40, seed=4).document_vectors())


def test_exact_methods_take_the_dimensions_they_say() -> None:
    assert construct(TREE, method="arcs").dim == 3
    assert construct(SHOES, method="moment_curve").dim == 2 * 5  # kids' sneakers have five answers
    assert construct(SHOES, method="one_hot").dim == 12
    with pytest.raises(InputError, match="has 10 dimensions for these pairs, got dim=8"):
        construct(SHOES, 8, "moment_curve")


def test_exact_methods_score_as_they_say() -> None:
    one_hot = construct(SHOES, method="one_hot").separation
    assert one_hot.largest_other == 0.0
    assert one_hot.smallest_match == pytest.approx(1 / np.sqrt(5))
    curve = construct(SHOES, method="moment_curve").separation
    assert curve.smallest_match == pytest.approx(1.0, abs=1e-12)
    assert curve.largest_other < 1
    points = construct(TREE, method="arcs")
    assert points.separation.smallest_match > 0 > points.separation.largest_other  # threshold 0 serves all


def test_the_moment_curve_is_the_product_it_comes_from() -> None:
    """1 - score = the product of 1 - cos over the relevant documents, divided by its mean over the circle."""
    queries, documents = moment_curve(SHOES)
    angles = 2 * np.pi * np.arange(12) / 12
    row = SHOES.query_ids.row("kids' sneakers")
    relevant = [SHOES.document_ids.row(name) for name, _ in SHOES.relevant("kids' sneakers")]
    circle = np.linspace(0, 2 * np.pi, 1_000, endpoint=False)
    mean = np.mean(np.prod(1 - np.cos(circle[:, None] - angles[relevant]), axis=1))
    product = np.prod(1 - np.cos(angles[:, None] - angles[relevant]), axis=1)
    np.testing.assert_allclose(1 - documents @ queries[row], product / mean, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 120), st.integers(0, 10_000), st.integers(1, 4))
def test_arcs_hold_every_forest_in_any_order_of_rows(n: int, seed: int, n_roots: int) -> None:
    tree = random_tree(n, seed, min(n, n_roots))
    pairs = tree.pairs()
    rng = np.random.default_rng(seed)
    shuffled = [
        (pairs.query_ids[q], pairs.document_ids[d], int(hops))
        for q, d, hops in zip(pairs.query_of, pairs.documents, pairs.distances, strict=True)
    ]
    rng.shuffle(shuffled)
    for given_pairs in (pairs, Pairs.from_table(shuffled)):
        found = construct(given_pairs, method="arcs").separation
        assert found.smallest_match > 0 > found.largest_other


@pytest.mark.parametrize("shape", ["chain", "star", "binary", "caterpillar"])
def test_arcs_hold_every_shape(shape: str) -> None:
    n = 500
    parents = {
        "chain": np.arange(-1, n - 1),
        "star": np.r_[-1, np.zeros(n - 1, int)],
        "binary": (np.arange(n) - 1) // 2,
        "caterpillar": np.r_[-1, (np.arange(1, n) - 1) // 2 * 2],
    }[shape]
    queries, documents = arcs(parents)
    inside = np.zeros((n, n), bool)
    for node in range(n):
        above = node
        while above != -1:
            inside[node, above] = True
            above = parents[above]
    np.testing.assert_array_equal(queries @ documents.T >= 0, inside)


def test_arcs_name_the_node_with_two_parents() -> None:
    with pytest.raises(InputError, match=r"\"kids' sneakers\" has 2 parents: 'sneakers', \"kids' shoes\""):
        construct(SHOES, method="arcs")


def test_arcs_say_that_a_bound_on_the_distance_cuts_sets() -> None:
    with pytest.raises(InputError, match="without max_distance"):
        construct(random_tree(50, 0).pairs(max_distance=1), method="arcs")


def test_arcs_leave_a_query_without_answers_outside_of_all() -> None:
    pairs = TREE.keep(TREE.query_of != TREE.query_ids.row("boots"))
    points = construct(pairs, method="arcs")
    hits = Index.build(points).answers(points.queries(["boots"]))
    assert hits.ids == [[]] or not list(hits.ids[0])


def test_arcs_refuse_parents_in_a_circle() -> None:
    with pytest.raises(InputError, match="2 of 3 nodes are below no root"):
        arcs([-1, 2, 1])


def test_float32_is_measured_beside_float64() -> None:
    points = construct(random_tree(400, 0).pairs(), method="moment_curve")
    assert (points.separation.dtype, points.in_float32.dtype) == ("float64", "float32")
    assert points.in_float32.separated < points.separation.separated
    assert "rounded to float32" in str(points)


def test_a_construction_saves_loads_and_answers_the_same(tmp_path: Path) -> None:
    points = construct(TREE, method="arcs")
    points.save(tmp_path / "arcs")
    again = DualEncoder.load(tmp_path / "arcs")
    assert again.query_vectors().dtype == torch.float64
    assert torch.equal(again.query_vectors(), points.query_vectors())
    assert torch.equal(again.thresholds, points.thresholds)
    assert again.fingerprint() == points.fingerprint()
    told = json.loads((tmp_path / "arcs" / "config.json").read_text())["construction"]
    assert told["method"] == "arcs"
    assert told["separation"]["margin"] == points.margin
    (tmp_path / "arcs" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(RunFolderError, match="damaged"):
        DualEncoder.load(tmp_path / "arcs")


def test_bad_requests_are_refused() -> None:
    with pytest.raises(InputError, match="Did you mean 'gaussian'"):
        construct(SHOES, 8, "gausian")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="needs a dim of at least 1, got None"):
        construct(SHOES)
    with pytest.raises(InputError, match="nothing to construct"):
        construct(SHOES.keep(np.zeros(len(SHOES), bool)), 8)
    with pytest.raises(InputError, match=r"one_hot takes a dimension for each of 20,001 documents"):
        construct(Hierarchy.perfect_tree(2, 20_000).pairs(), method="one_hot")
