"""What every index promises, whatever its engine; a new engine joins `ENGINES` and is done."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from retrieval.contract import whole_effort
from rootward.encoders import DualEncoder
from rootward.errors import InputError, UnknownIdError
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Exact, Index
from rootward.scoring import best, top
from shoes import shoes

ENGINES = ["exact", "ivf", "ivf-sq8", "hnsw"]


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


def pairs_of(documents, relevant):
    """Pairs of one query a row of `relevant`: {query: {document: hops}}."""
    queries, ids = Ids(relevant), Ids(documents)
    rows = [(queries.row(q), ids.row(d), hops) for q, found in relevant.items() for d, hops in found.items()]
    return Pairs.from_arrays(queries, ids, *zip(*rows, strict=True))


def small_model():
    """Two queries and five documents on a line, so that every score can be said aloud."""
    pairs = pairs_of(
        ["footwear", "shoes", "sandals", "boots", "rain boots"],
        {"sandals": {"sandals": 0, "shoes": 1, "footwear": 2}, "rain boots": {"rain boots": 0, "boots": 1}},
    )
    queries = np.array([[1, 0], [0, 1]], np.float32)
    documents = np.array([[0.8, 0.1], [0.9, 0.2], [0.7, 0.3], [0.1, 0.6], [0.2, 0.5]], np.float32)
    model = DualEncoder.from_vectors(pairs, queries, documents)
    model.heights = np.array([12, 8, 3, 3, 1])
    model.thresholds = torch.tensor([0.5, 0.4])
    return model, pairs


def random_vectors(n_queries=40, n_documents=300, dim=6, seed=0):
    """Whole numbers: products are exact in every order of adding, and there are many ties."""
    rng = np.random.default_rng(seed)
    return tuple(torch.from_numpy(rng.integers(-3, 4, (n, dim)).astype(np.float32)) for n in (n_queries, n_documents))


def index_of(documents, engine):
    """An index over bare document vectors, called by their row; approximate ones look at everything."""
    n = len(documents)
    pairs = Pairs.from_arrays(Ids(range(n)), Ids(range(n)), np.arange(n), np.arange(n), np.zeros(n, int))
    index = Index.build(DualEncoder.from_vectors(pairs, documents, documents), engine)
    whole_effort(index.engine)
    return index


def naive(queries, documents, k):
    """(rows, scores) of the k best by NumPy: highest first, the lower row where scores are equal."""
    scores = queries.numpy() @ documents.numpy().T
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(scores, rows, 1)


# -- answers that can be said aloud ----------------------------------------------------------------------------


def test_id_j_owns_score_j(engine):
    model, _ = small_model()
    hits = Index.build(model, engine).search(model.queries(["rain boots"]), 3, nearest_first=False)
    assert hits.queries == ("rain boots",)
    assert hits.ids == [["boots", "rain boots", "sandals"]]
    np.testing.assert_allclose(hits.scores[0], [0.6, 0.5, 0.3], rtol=1e-6)
    assert hits.accepted[0].tolist() == [True, True, False]


def test_the_exact_match_is_shown_first_and_the_root_last(engine):
    model, _ = small_model()
    index = Index.build(model, engine)
    shown = index.search(model.queries(["sandals"]), 5)
    assert shown.ids == [["sandals", "shoes", "footwear", "rain boots", "boots"]]
    np.testing.assert_allclose(shown.scores[0], [0.7, 0.9, 0.8, 0.2, 0.1], rtol=1e-6)
    by_score = index.search(model.queries(["sandals"]), 5, nearest_first=False)
    assert by_score.ids == [["shoes", "footwear", "sandals", "rain boots", "boots"]]


def test_no_irrelevant_document_comes_before_a_relevant_one_when_k_is_large(engine):
    model, _ = small_model()
    hits = Index.build(model, engine).search(model.queries(), 100)
    assert [set(found[:n]) for found, n in zip(hits.ids, (3, 2), strict=True)] == [
        {"sandals", "shoes", "footwear"},
        {"rain boots", "boots"},
    ]


def test_equally_general_documents_are_shown_by_score(engine):
    model, _ = small_model()
    model.heights = np.ones(5, np.int64)
    assert Index.build(model, engine).search(model.queries(["sandals"]), 3).ids == [["shoes", "footwear", "sandals"]]


def test_without_a_threshold_the_order_is_that_of_the_scores(engine):
    model, _ = small_model()
    model.thresholds = torch.tensor([torch.nan, 0.4])
    hits = Index.build(model, engine).search(model.queries(), 3)
    assert hits.ids == [["shoes", "footwear", "sandals"], ["rain boots", "boots", "sandals"]]
    assert not hits.accepted[0].any()
    assert hits.to_dict()["queries"][0]["documents"][0]["accepted"] is None


def test_the_answers_are_those_that_reach_the_threshold(engine):
    model, _ = small_model()
    index = Index.build(model, engine)
    assert index.answers(model.queries()).ids == [["sandals", "shoes", "footwear"], ["rain boots", "boots"]]
    assert index.answers(model.queries(), threshold=0.85).ids == [["shoes"], []]
    assert index.answers(model.queries(["sandals"]), threshold=0.75, nearest_first=False).ids == [["shoes", "footwear"]]
    everything = index.answers(model.queries(["sandals"]), threshold=-1)
    assert len(everything.ids[0]) == 5
    assert all(everything.accepted[0])


def test_a_document_at_the_threshold_is_accepted(engine):
    model, _ = small_model()
    index = Index.build(model, engine)
    assert index.answers(model.queries(["rain boots"]), threshold=0.5).ids == [["rain boots", "boots"]]


def test_unknown_thresholds_are_refused_by_name(engine):
    model, _ = small_model()
    model.thresholds = torch.tensor([0.5, torch.nan])
    with pytest.raises(InputError, match="1 of 2 queries have no threshold, the first is 'rain boots'"):
        Index.build(model, engine).answers(model.queries())
    with pytest.raises(InputError, match="a score or 'auto', got 'otto'"):
        Index.build(model, engine).answers(model.queries(), threshold="otto")


# -- against NumPy -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 7, 50, 300])
def test_search_equals_argsort_ties_by_row(k):
    queries, documents = random_vectors()
    hits = index_of(documents, "exact").search(queries, k)
    rows, scores = naive(queries, documents, k)
    assert hits.ids == [[str(row) for row in found] for found in rows.tolist()]
    np.testing.assert_array_equal(np.stack(hits.scores), scores)
    assert hits.queries == tuple(map(str, range(40)))


@pytest.mark.parametrize("k", [1, 3, 40, 9_999, 10_000])
def test_long_rows_with_ties_give_what_sorting_gives(k):
    scores = np.random.default_rng(0).integers(0, 2_000, (3, 10_000)).astype(np.float32)
    scores[1] = 7  # collapsed
    _, columns, values = best(torch.eye(3), torch.from_numpy(scores.T.copy()), np.full(3, k))
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(columns.reshape(3, k), expected)
    np.testing.assert_array_equal(values.reshape(3, k), np.take_along_axis(scores, expected, 1))


@pytest.mark.parametrize("n", [64 * 8 - 1, 64 * 8, 64 * 8 + 1, 5_000])
def test_top_finds_the_highest_wherever_they_stand(n):
    for place in (0, 63, 64, n - 1):
        scores = torch.zeros(2, n)
        scores[1, place] = 1.0
        values, columns = top(scores, 1)
        assert (values[1].item(), columns[1].item()) == (1.0, place)


def test_range_equals_a_comparison_of_all_scores(engine):
    queries, documents = random_vectors()
    hits = index_of(documents, engine).answers(queries, threshold=20)
    rows, scores = naive(queries, documents, 300)
    assert hits.ids == [
        [str(row) for row, score in zip(*found, strict=True) if score >= 20]
        for found in zip(rows.tolist(), scores.tolist(), strict=True)
    ]
    assert any(not found for found in hits.ids)


def test_collapsed_vectors_give_the_first_rows():
    hits = index_of(torch.ones(20, 3), "exact").search(torch.ones(2, 3), 4)
    assert hits.ids == [["0", "1", "2", "3"]] * 2


def test_asking_for_more_than_there_are_gives_all(engine):
    model, _ = small_model()
    hits = Index.build(model, engine).search(model.queries(["sandals"]), 1_000_000)
    assert sorted(hits.ids[0]) == sorted(model.document_ids)


def test_one_query_or_many_one_block_or_many_give_the_same():
    queries, documents = random_vectors()
    whole = index_of(documents, "exact")
    pieces = replace(whole, engine=Exact(documents, block_bytes=1))
    assert pieces.search(queries, 9) == whole.search(queries, 9)
    assert pieces.answers(queries, threshold=10) == whole.answers(queries, threshold=10)
    assert whole.search(queries[3:4], 9).ids[0] == whole.search(queries, 9).ids[3]


def test_permuting_the_documents_permutes_the_answers(engine):
    rng = np.random.default_rng(5)
    queries, documents = (torch.from_numpy(rng.standard_normal((n, 8)).astype(np.float32)) for n in (20, 200))
    order = rng.permutation(200)
    before = index_of(documents, engine).search(queries, 10)
    after = index_of(documents[order], engine).search(queries, 10)
    assert before.ids == [[str(order[int(row)]) for row in found] for found in after.ids]


def test_no_queries_give_no_hits(engine):
    model, _ = small_model()
    index = Index.build(model, engine)
    for hits in (index.search(model.queries([]), 3), index.answers(model.queries([]))):
        assert (len(hits), hits.ids, str(hits)) == (0, [], "")


def test_vectors_may_be_an_array_or_of_another_type(engine):
    queries, documents = random_vectors()
    index = index_of(documents, engine)
    assert index.search(queries.double().numpy(), 5) == index.search(queries, 5)


# -- refused -----------------------------------------------------------------------------------------------------


def test_queries_of_another_model_are_refused(engine):
    model, pairs = small_model()
    other = DualEncoder.lookup(pairs, 2, seed=1)
    with pytest.raises(InputError, match="another model"):
        Index.build(model, engine).search(other.queries(["sandals"]), 2)


def test_an_index_keeps_what_it_was_built_from_and_refuses_the_model_once_trained_further(engine):
    model, _ = small_model()
    index, before = Index.build(model, engine), model.queries(["sandals"])
    answer = index.search(before, 3)
    with torch.no_grad():
        model.document_vectors().mul_(-1)
    assert index.search(before, 3) == answer
    with pytest.raises(InputError, match="trained further"):
        index.search(model.queries(["sandals"]), 3)


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (torch.ones(2, 3), "2 columns"),
        (torch.ones(2), "matrix"),
        (torch.full((1, 2), torch.nan), "NaN"),
        (["sandals"], "model.queries"),
    ],
)
def test_vectors_that_cannot_be_scored_are_refused(engine, queries, message):
    model, _ = small_model()
    with pytest.raises(InputError, match=message):
        Index.build(model, engine).search(queries, 2)


def test_k_below_one_and_unknown_engines_are_refused():
    model, _ = small_model()
    with pytest.raises(InputError, match="at least 1, got 0"):
        Index.build(model).search(model.queries(), 0)
    with pytest.raises(InputError, match=r"No engine 'exakt'; there are 'exact', .*'hnsw'\. Did you mean 'exact'"):
        Index.build(model, "exakt")


# -- fingerprints ------------------------------------------------------------------------------------------------


def test_a_fingerprint_is_kept_until_a_vector_changes(monkeypatch):
    model, _ = small_model()
    first = model.fingerprint()
    monkeypatch.setattr("hashlib.sha256", lambda: pytest.fail("hashed again"))
    assert model.fingerprint() == first
    monkeypatch.undo()
    with torch.no_grad():
        model.query_vectors()[0, 0] = 0.25
    changed = model.fingerprint()
    assert changed != first
    model.document_ids = Ids("abcde")
    assert model.fingerprint() not in (first, changed)


def test_equal_models_have_equal_fingerprints_also_in_inference_mode():
    model, pairs = small_model()
    with torch.inference_mode():
        again = DualEncoder.from_vectors(pairs, model.query_vectors().clone(), model.document_vectors().clone())
    assert again.fingerprint() == again.fingerprint() == model.fingerprint()


# -- the shop ----------------------------------------------------------------------------------------------------


def test_a_perfect_encoder_of_the_shop_answers_with_all_above(engine):
    """Queries are indicator vectors of their relevant sets, documents unit vectors."""
    pairs = shoes().pairs()
    queries = np.zeros((12, 12), np.float32)
    queries[pairs.query_of, pairs.documents] = 1
    model = DualEncoder.from_vectors(pairs, queries, np.eye(12, dtype=np.float32))
    model.thresholds = torch.full((12,), 0.5)
    hits = Index.build(model, engine).answers(model.queries()).marked(pairs)
    assert [hits.n_missing(i) for i in range(12)] == [0] * 12
    assert (hits.hops >= 0).all()
    flip_flops = hits.ids[hits.queries.index("flip-flops")]
    assert flip_flops == ["flip-flops", "sandals", "shoes", "footwear"]


def test_marking_needs_pairs_of_the_same_documents_and_known_queries():
    model, pairs = small_model()
    index = Index.build(model)
    with pytest.raises(InputError, match="other documents"):
        index.search(model.queries(), 2).marked(shoes().pairs())
    with pytest.raises(UnknownIdError, match="bare vectors"):
        index.search(model.query_vectors(), 2).marked(pairs)
