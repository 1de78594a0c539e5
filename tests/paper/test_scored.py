"""Order embeddings, boxes and classifiers: scores by hand, and what training makes of them."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from rootward import Pairs
from rootward.errors import InputError, TrainingError
from rootward.texts import Texts
from rootward_paper.baseline_models import (
    Boxes,
    InnerProduct,
    OrderEmbeddings,
    latency,
    one_versus_all,
    query_features,
    relevance,
    scored_recall,
    scores_in,
    scores_of,
    softmax_loss,
    train_scored,
)
from rootward_paper.baselines import best_rows
from rootward_paper.registry import reproduce, study_table
from rootward_paper.study import Study
from rootward_paper.xr_linear import predicted
from shoes import shoes


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return shoes().pairs()


def every(pairs: Pairs) -> np.ndarray:
    return np.flatnonzero(pairs.sizes)


def test_an_ancestor_violates_no_order_and_the_violation_is_what_it_is_by_hand() -> None:
    model = OrderEmbeddings(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 1.0], [0.5, 3.0], [-2.0, 4.0]]))
    assert model.scores(model.queries, model.documents).tolist() == [[0.0, -1.0, -5.0]]
    # one pair that violates by 1, and negatives at 0 and at 5: one lacks the whole margin, the other nothing
    assert float(OrderEmbeddings.loss(torch.tensor([-1.0]), torch.tensor([[0.0, -5.0]]))) == 2.0


def box(low: float, side: float) -> list[float]:
    return [low, math.log(math.expm1(side))]


def test_a_box_inside_another_is_its_child_and_not_the_other_way_round() -> None:
    small, large, away = box(0.0, 2.0), box(-8.0, 20.0), box(30.0, 2.0)
    model = Boxes(torch.tensor([small, large]), torch.tensor([large, small, away]))
    scores = model.scores(model.queries, model.documents)
    assert float(scores[0, 0]) == pytest.approx(0, abs=1e-3)
    assert float(scores[1, 1]) == pytest.approx(math.log((2.0 - 0.1 * 2 * 0.5772) / (20.0 - 0.1 * 2 * 0.5772)), abs=0.1)
    assert float(scores[0, 2]) < -100
    assert (scores <= 0).all()


@pytest.mark.parametrize("made", [OrderEmbeddings, Boxes])
def test_regions_learn_the_shoes(made, pairs) -> None:
    model = made.begin(pairs, 4, 0)
    before = scored_recall(scores_of(model), pairs, every(pairs)).overall
    given = {"steps": 100, "batch_size": 32, "negatives": 12, "learning_rate": 0.1}
    train_scored(model, pairs, made.loss, **given, seed=0)
    assert before < 0.7
    assert scored_recall(scores_of(model), pairs, every(pairs)).overall > 0.9


def test_negatives_are_neverrelevance_documents(pairs) -> None:
    queries, documents = np.array([3, 0, 3]), np.arange(0, pairs.n_documents, 2)
    mask = relevance(pairs, queries, documents)
    for row, q in enumerate(queries):
        mine = set(pairs.documents[pairs.offsets[q] : pairs.offsets[q + 1]].tolist())
        assert mask[row].tolist() == [d in mine for d in documents.tolist()]


def test_a_rate_that_is_far_too_high_is_said_to_be(pairs) -> None:
    model = OrderEmbeddings.begin(pairs, 4, 0)
    with pytest.raises(TrainingError, match="Lower the learning rate"):
        train_scored(model, pairs, model.loss, steps=9, batch_size=8, negatives=4, learning_rate=1e30, seed=0)


def test_a_softmax_is_over_the_pair_and_its_negatives() -> None:
    loss = softmax_loss(2.0)(torch.tensor([1.0]), torch.tensor([[0.5, -torch.inf]]))
    assert float(loss) == pytest.approx(math.log(1 + math.exp(2 * (0.5 - 1.0))))


def test_classifiers_are_read_off_vectors_that_stay_and_each_knows_its_queries(pairs) -> None:
    vectors = torch.eye(pairs.n_queries)
    model = one_versus_all(pairs, vectors, epochs=60, batch_size=4, learning_rate=0.1, seed=0)
    assert torch.equal(model.queries[:, :-1], vectors)
    assert scored_recall(scores_of(model), pairs, every(pairs)).overall == 1.0


def test_scores_of_a_sparse_matrix_put_the_rest_below_everything(pairs) -> None:
    place, index = pairs.of(every(pairs))
    shape = (pairs.n_queries, pairs.n_documents)
    held = csr_array((np.full(len(index), -3.0, np.float32), (place, pairs.documents[index])), shape=shape)
    assert scored_recall(scores_in(held), pairs, every(pairs)).overall == 1.0
    assert scored_recall(scores_in(csr_array(shape, dtype=np.float32)), pairs, every(pairs)).overall == 0.0


def test_features_are_names_where_there_are_some_and_else_the_query_itself(pairs) -> None:
    n = pairs.n_queries
    texts = Texts(tuple(pairs.query_ids), ((),) * n, ("",) * n)
    named = Pairs.from_arrays(
        pairs.query_ids,
        pairs.document_ids,
        pairs.query_of,
        pairs.documents,
        pairs.distances,
        query_texts=texts,
    )
    matrix, what = query_features(named)
    assert what == "names"
    assert np.allclose(matrix.multiply(matrix).sum(1), 1)
    bare = Pairs.from_arrays(pairs.query_ids, pairs.document_ids, pairs.query_of, pairs.documents, pairs.distances)
    assert query_features(bare)[0].nnz == bare.n_queries


def test_an_interpreter_without_libpecos_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    for python in ("/nowhere/python", sys.executable):
        with pytest.raises(InputError, match=r"libpecos there: python3 -m venv|libpecos: python3 -m venv"):
            reproduce("baselines", "tiny", 1, data=python, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_interpreter_that_is_not_there_is_told_with_how_to_get_libpecos() -> None:
    one = csr_array(np.eye(2, dtype=np.float32))
    with pytest.raises(InputError, match=r"libpecos: python3 -m venv pecos"):
        predicted(one, one, one, "/nowhere/python")


def test_latency_is_milliseconds_a_query(pairs) -> None:
    model = InnerProduct(torch.ones(pairs.n_queries, 2), torch.ones(pairs.n_documents, 2))
    assert 0 < latency(scores_of(model), pairs, 50, times=1) < 100


def test_the_table_takes_each_method_at_its_better_rate() -> None:
    cost = {"by_distance": [0.5], "minimum": 0.5, "seconds": 1.0, "mb": 0.1, "peak_mb": None, "ms_1": 1, "ms_1000": 1}
    rows = [
        {"source": "tree", "method": "order embeddings", "rate": rate, "seed": 0, "overall": overall, **cost}
        for rate, overall in ((0.02, 0.4), (0.1, 0.6))
    ]
    rows.append({"source": "tree", "method": "XR-Linear", "rate": None, "seed": None, "left_out": "no libpecos here"})
    study = Study("baselines", "tiny", 1, tuple(rows), {})
    assert [row["rate"] for row in best_rows(study, "order embeddings")] == [0.1]
    told = study_table(study)
    assert "60.0" in told
    assert "40.0" not in told
    assert "XR-Linear is left out: no libpecos here" in told
