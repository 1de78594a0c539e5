"""Approximate engines are set to the recall that was asked for, on the user's own queries."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rootward.encoders import DualEncoder
from rootward.errors import InputError
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Index, Where
from rootward.retrieval.engines.hnsw import Hnsw
from rootward.retrieval.engines.ivf import IvfSq8, lists_for, similar_thresholds
from rootward.retrieval.tuning import Tuned


def clustered(n=3000, dim=16, n_queries=300):
    """Documents around 30 centres, queries beside documents, each with 1 to 6 relevant ones."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((30, dim))
    documents = centres[rng.integers(30, size=n)] + 0.6 * rng.standard_normal((n, dim))
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    queries = documents[:n_queries] + 0.1 * rng.standard_normal((n_queries, dim))
    sizes = np.arange(n_queries) % 6 + 1
    best = np.argsort(-(queries @ documents.T), axis=1)
    place = np.repeat(np.arange(n_queries), sizes)
    relevant = np.concatenate([best[i, :size] for i, size in enumerate(sizes)])
    pairs = Pairs.from_arrays(Ids(range(n_queries)), Ids(range(n)), place, relevant, np.zeros(len(place), int))
    return DualEncoder.from_vectors(pairs, queries, documents), pairs


def recall(model, pairs, index):
    """The share of |S(q)| that the index finds, counted by hand."""
    found = index.search(model.queries(), 6, nearest_first=False)
    shares = []
    for i, size in enumerate(pairs.sizes.tolist()):
        relevant = set(pairs.documents[pairs.offsets[i] : pairs.offsets[i + 1]].tolist())
        shares.append(len(relevant & {int(label) for label in found.ids[i][:size]}) / size)
    return np.mean(shares)


@pytest.mark.parametrize("engine", ["ivf", "ivf-sq8", "hnsw"])
def test_the_recall_that_was_asked_for_is_reached_and_recorded(engine):
    model, pairs = clustered()
    low, high = (Index.build(model, engine, pairs=pairs, recall=target) for target in (0.5, 0.99))
    assert low.tuned.effort <= high.tuned.effort == high.engine.effort
    assert high.tuned.recall >= 0.98
    assert abs(recall(model, pairs, high) - high.tuned.recall) < 0.02
    assert (high.tuned.at, high.tuned.target, high.tuned.n_queries) == ("|S(q)|", 0.99, 150)
    assert str(replace(high.tuned, effort=2)).startswith(f"2 {high.tuned.name}: ")


def test_more_recall_takes_more_lists_and_lists_around_queries_take_few():
    model, pairs = clustered()
    few, many = (Index.build(model, "ivf", k=6, recall=target).tuned for target in (0.3, 1.0))
    assert few.effort == 1 < many.effort
    assert (many.at, many.n_queries) == ("k=6", 150)
    cost_around_queries = Index.build(model, "ivf", pairs=pairs, recall=1.0).tuned
    assert cost_around_queries.effort < many.effort
    assert cost_around_queries.recall == 1


def test_a_document_that_comes_later_is_found_at_once_whatever_the_lists():
    model, pairs = clustered()
    index = Index.build(model, "ivf", pairs=pairs)
    index.upsert(["new"], 2 * model.query_vectors([7]))
    hits = index.search(model.queries(["7"]), 1, nearest_first=False)
    assert hits.ids == [["new"]]
    index.delete(["new"])
    assert index.search(model.queries(["7"]), 1, nearest_first=False).ids != [["new"]]


def test_exact_search_has_nothing_to_tune():
    model, pairs = clustered()
    assert Index.build(model, pairs=pairs).tuned is None


def test_a_target_that_is_no_share_is_refused():
    model, _ = clustered()
    with pytest.raises(InputError, match=r"above 0 and at most 1, such as 0\.99; got 99"):
        Index.build(model, "ivf", recall=99)


def test_a_target_that_was_not_reached_says_so():
    assert str(Tuned("efSearch", 4096, 0.99, 0.9712, "k=10", 500)) == (
        "4096 efSearch: 97.12 % of exact search at k=10, short of 99 %"
    )


# -- what only single engines promise ------------------------------------------------------------------------------


def test_the_same_seed_places_the_same_lists():
    model, _ = clustered()
    asked = torch.from_numpy(np.random.default_rng(1).standard_normal((50, 16)))
    first, second = (Index.build(model, "ivf", lists=64) for _ in range(2))
    assert first.search(asked, 5) == second.search(asked, 5)


def test_lists_grow_with_the_root_of_the_documents():
    assert [lists_for(n) for n in (1, 10, 1000, 82_115, 1_000_000)] == [1, 1, 64, 512, 2048]


def test_bytes_are_scored_again_so_that_a_threshold_is_exact():
    """Scores are those of the float32 vectors, also of documents far outside of what the bytes were learned from."""
    model, _ = clustered()
    documents = model.document_vectors()
    engine = IvfSq8.prepared(documents, lists=4)
    far = torch.cat([documents, 50 * documents[:5]])
    engine.upsert(np.arange(len(far)), far)
    engine.effort = 4
    queries = documents[:7] + 0.01
    scores = (queries @ far.T).numpy()
    thresholds = np.sort(scores, axis=1)[:, -20]
    found = engine.range(queries, np.nextafter(thresholds, np.float32(-9)))
    assert np.diff(found.offsets).tolist() == [20] * 7
    np.testing.assert_allclose(found.scores.reshape(7, 20), -np.sort(-scores, axis=1)[:, :20], rtol=1e-5)
    assert engine.error > 1


def test_a_graph_is_built_again_when_a_tenth_of_it_is_gone():
    documents = clustered(1000)[0].document_vectors()
    engine = Hnsw.prepared(documents)
    engine.upsert(np.arange(1000), documents)
    for gone, nodes in ((50, 1000), (150, 850)):
        engine.delete(np.arange(gone))
        engine.commit()
        assert len(engine._rows) == nodes
        assert engine.count() == 1000 - gone
        assert engine.search(documents[:3], 5).rows.min() >= gone


def test_a_graph_is_never_asked_for_a_range_or_a_filtered_search(monkeypatch):
    documents = clustered(500)[0].document_vectors()
    engine = Hnsw.prepared(documents)
    engine.upsert(np.arange(500), documents)
    monkeypatch.setattr(engine._index, "search", lambda *_, **__: pytest.fail("the graph was walked"))
    assert engine.range(documents[:2], np.zeros(2, np.float32)).exact
    assert engine.search(documents[:2], 3, Where(np.arange(10))).exact


def test_thresholds_that_are_nearly_equal_share_a_pass():
    thresholds = np.array([0.9, 0.501, 0.1, np.inf, -np.inf, 0.502], np.float32)
    assert sorted(part.tolist() for part in similar_thresholds(thresholds)) == [[0], [1, 5], [2], [3], [4]]
    assert len(list(similar_thresholds(np.zeros(3, np.float32)))) == 1
