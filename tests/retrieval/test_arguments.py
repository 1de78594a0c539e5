"""What a caller may get wrong: every argument of another type is one clear error, the same in every engine."""

import numpy as np
import pytest
import torch

from rootward.encoders import DualEncoder
from rootward.errors import InputError
from rootward.hierarchy import Hierarchy
from rootward.retrieval import Filter, Index
from rootward.retrieval.searcher import Searcher
from shoes import EDGES

ENGINES = ("exact", "ivf", "ivf-sq8", "hnsw")
WRONG = (1.5, None, "3", True, np.float32(2), [3], 0, -1)


@pytest.fixture(scope="module")
def model():
    return DualEncoder.lookup(Hierarchy.from_edges(EDGES).pairs(), dim=8, seed=1)


@pytest.fixture(scope="module", params=ENGINES)
def index(request, model):
    return Index.build(model, request.param, hierarchy=Hierarchy.from_edges(EDGES))


def test_k_of_numpy_is_a_number(index, model):
    queries = model.queries(["sandals"])
    for k in (np.int64(3), np.int32(3), np.uint8(3)):
        assert index.search(queries, k) == index.search(queries, 3)
    assert index.answers(queries, threshold=np.float32(-9), cap=np.int64(2)) == index.answers(
        queries, threshold=-9.0, cap=2
    )
    assert len(index.answers(queries, threshold=np.int64(-9)).ids[0]) == 12


@pytest.mark.parametrize("wrong", WRONG)
def test_k_that_is_no_number_is_the_same_error_in_every_engine(index, model, wrong):
    queries = model.queries(["sandals"])
    for call in (lambda: index.search(queries, wrong), lambda: index.search(queries, 3).first(wrong)):
        with pytest.raises(InputError, match=r"k is how many documents .* and at least 1, got"):
            call()
    if wrong is not None:
        with pytest.raises(InputError, match=r"cap is how many documents .* at least 1, got"):
            index.answers(queries, threshold=0.5, cap=wrong)


@pytest.mark.parametrize("wrong", [None, "x", True, float("nan"), [0.5], np.float32("nan")])
def test_a_threshold_that_is_no_number_is_the_same_error_in_every_engine(index, model, wrong):
    with pytest.raises(InputError, match="threshold is a score or 'auto', got"):
        index.answers(model.queries(["sandals"]), threshold=wrong)


def test_a_filter_that_is_none_is_refused_where_it_is_made_or_used(index, model):
    for call in (
        lambda: Filter.levels("x"),
        lambda: Filter.levels(0, 1.5),
        lambda: Filter.levels(-1),
        lambda: Filter.below("shoes", within="2"),
        lambda: Filter.above("shoes", within=True),
        lambda: Filter.only(3),
        lambda: index.search(model.queries(["sandals"]), 3, where="shoes"),
    ):
        with pytest.raises(InputError):
            call()
    assert Filter.levels(np.int64(1), np.int32(2)) == Filter.levels(1, 2)
    found = index.search(model.queries(["sandals"]), 12, where=Filter.below("shoes", within=np.int64(1)))
    assert sorted(found.ids[0]) == ["kids' shoes", "sandals", "shoes", "sneakers"]


def test_a_searcher_takes_the_same_and_refuses_the_same(model):
    searcher = Searcher(model)
    assert searcher.search("sandals", np.int64(2)).ids == searcher.search("sandals", 2).ids
    for options in ({"k": 1.5}, {"k": "3"}, {"k": True}, {"threshold": "x"}, {"threshold": True}, {"where": "shoes"}):
        with pytest.raises(InputError):
            searcher.search("sandals", **options)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("value", [3e38, 1e20, float("nan"), float("inf")])
def test_documents_that_cannot_be_scored_are_refused_with_row_and_id(model, engine, value):
    vectors = model.document_vectors().clone()
    vectors[4, 2] = value
    with pytest.raises(InputError, match=r"1 document vector has.*row 4 \('sandals'\)"):
        Index.build(model, engine, vectors=vectors, owners=model.document_ids)
    if np.isfinite(value):
        pairs = Hierarchy.from_edges(EDGES).pairs()
        with pytest.raises(InputError, match=r"1 document vector has.*row 4 \('sandals'\)"):
            Index.build(DualEncoder.from_vectors(pairs, model.query_vectors(), vectors), engine)
        every = DualEncoder.from_vectors(pairs, model.query_vectors(), torch.full((12, 8), value))
        with pytest.raises(InputError, match=r"12 document vectors have.*row 0 \('footwear'\)"):
            Index.build(every, engine)
    with pytest.raises(InputError, match=r"row 0 \('boots'\)"):
        Index.build(model, engine).upsert(["boots"], torch.full((1, 8), value))


@pytest.mark.parametrize("value", [3e38, 1e20, float("nan"), float("inf")])
def test_a_query_that_cannot_be_scored_is_an_error_and_never_a_score_that_is_none(index, value):
    queries = torch.ones(3, 8)
    queries[1] = value
    for call in (lambda: index.search(queries, 3), lambda: index.answers(queries, threshold=0.0)):
        with pytest.raises(InputError, match=r"1 query vector has.*row 1"):
            call()


def test_long_vectors_within_the_limit_have_finite_scores(index):
    scores = index.search(torch.full((2, 8), 1e12), 3).scores
    assert np.isfinite(np.concatenate(scores)).all()


@pytest.mark.parametrize("wrong", ["abc", None, [["a"]], [[1j]], [[True]], [[1, 2], [3]]])
def test_vectors_that_are_no_numbers_are_refused(index, wrong):
    with pytest.raises(InputError):
        index.search(wrong, 3)
    with pytest.raises(InputError):
        index.upsert(["new"], wrong)
