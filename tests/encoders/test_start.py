"""Untrained encoders: where lookup tables start, and vectors of one's own."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from rootward.encoders import DualEncoder, LookupTower
from rootward.errors import InputError, UnknownIdError
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs
from shoes import shoes as shop


@pytest.fixture
def shoes() -> Pairs:
    return shop().pairs()


@pytest.mark.parametrize("start", ["constructed", "random"])
@pytest.mark.parametrize("dim", [1, 5, 300])
def test_every_row_starts_on_the_unit_sphere(shoes, start, dim):
    model = DualEncoder.lookup(shoes, dim, start=start)
    for vectors in (model.query_vectors(), model.document_vectors()):
        assert vectors.shape == (12, dim)
        assert vectors.dtype == torch.float32
        assert_close(vectors.norm(dim=1), torch.ones(12), rtol=0, atol=1e-6)
    assert model.dim == dim


def test_a_constructed_query_is_the_normalised_sum_of_its_documents(shoes):
    model = DualEncoder.lookup(shoes, 16)
    for row, query in enumerate(shoes.query_ids):
        documents = model.document_ids.rows(document for document, _ in shoes.relevant(query))
        total = model.document_vectors(documents).sum(0)
        assert_close(model.query_vectors()[row], total / total.norm(), rtol=0, atol=1e-6)


def test_a_constructed_start_of_many_dimensions_has_the_answers_already(shoes):
    model = DualEncoder.lookup(shoes, 2000)
    scores = model.query_vectors() @ model.document_vectors().T
    for row, query in enumerate(shoes.query_ids):
        relevant = {document for document, _ in shoes.relevant(query)}
        best = scores[row].topk(len(relevant)).indices.tolist()
        assert {shoes.document_ids[d] for d in best} == relevant


def test_a_query_without_documents_starts_in_a_direction_of_its_own(shoes):
    gaps = shoes.keep(shoes.query_of % 3 != 1)
    vectors = DualEncoder.lookup(gaps, 16).query_vectors()
    assert_close(vectors.norm(dim=1), torch.ones(12), rtol=0, atol=1e-6)
    random = DualEncoder.lookup(gaps, 16, start="random").query_vectors()
    assert torch.equal(vectors[gaps.sizes == 0], random[gaps.sizes == 0])


def test_documents_start_the_same_in_both_ways_and_queries_do_not(shoes):
    one, other = (DualEncoder.lookup(shoes, 8, start=start) for start in ("constructed", "random"))
    assert torch.equal(one.document_vectors(), other.document_vectors())
    assert not torch.equal(one.query_vectors(), other.query_vectors())


def test_random_queries_and_documents_have_nothing_to_do_with_each_other(shoes):
    model = DualEncoder.lookup(shoes, 2000, start="random")
    assert (model.query_vectors() @ model.document_vectors().T).abs().max() < 0.15


@pytest.mark.parametrize("start", ["constructed", "random"])
def test_the_same_seed_gives_the_same_bits_and_another_other_bits(shoes, start):
    one, again, other = (DualEncoder.lookup(shoes, 8, seed=seed, start=start) for seed in (1, 1, 2))
    assert one.fingerprint() == again.fingerprint()
    assert torch.equal(one.query_vectors(), again.query_vectors())
    assert not torch.equal(one.document_vectors(), other.document_vectors())


def test_generality_is_how_many_queries_a_document_answers(shoes):
    model = DualEncoder.lookup(shoes, 4)
    found = dict(zip(model.document_ids, model.generality.tolist(), strict=True))
    assert found["footwear"] == 12
    assert found["sandals"] == 3
    assert found["kids' shoes"] == 2
    assert found["flip-flops"] == 1


@pytest.mark.parametrize("dim", [0, -3])
def test_a_dimension_below_one_is_refused(shoes, dim):
    with pytest.raises(InputError, match=f"dim must be at least 1, got {dim}"):
        DualEncoder.lookup(shoes, dim)


def test_an_unknown_start_is_refused(shoes):
    with pytest.raises(InputError, match="'constructed', 'random' or 'free', got 'zeros'"):
        DualEncoder.lookup(shoes, 4, start="zeros")


# -- vectors of one's own ----------------------------------------------------------------------------------------


def test_vectors_are_taken_as_they_are_and_as_a_copy(shoes):
    rng = np.random.default_rng(0)
    queries, documents = rng.standard_normal((2, 12, 3)).astype(np.float32)
    model = DualEncoder.from_vectors(shoes, queries, documents)
    assert np.array_equal(model.query_vectors().numpy(), queries)
    assert np.array_equal(model.document_vectors().numpy(), documents)
    model.query_vectors().zero_()
    assert queries.any()


def test_vectors_may_be_lists_doubles_or_tensors_that_want_gradients(shoes):
    plain = torch.arange(36.0).reshape(12, 3)
    for given in (plain.tolist(), plain.double().numpy(), plain.clone().requires_grad_(), plain.T.contiguous().T):
        model = DualEncoder.from_vectors(shoes, given, plain)
        assert torch.equal(model.query_vectors(), plain)
        assert not model.query_vectors().requires_grad
        assert model.query_vectors().is_contiguous()


def test_one_table_for_both_sides_can_be_saved(shoes, tmp_path):
    both = torch.randn(12, 4)
    model = DualEncoder.load(DualEncoder.from_vectors(shoes, both, both).save(tmp_path))
    assert torch.equal(model.query_vectors(), both)
    assert torch.equal(model.document_vectors(), both)


@pytest.mark.parametrize(
    ("queries", "documents", "message"),
    [
        (np.ones((11, 3)), np.ones((12, 3)), "12 query ids need as many vectors, got 11"),
        (np.ones((12, 3)), np.ones((13, 3)), "12 document ids need as many vectors, got 13"),
        (np.ones((12, 3)), np.ones((12, 4)), "one width, got 3 for queries and 4 for documents"),
        (np.ones(12), np.ones((12, 3)), "query vectors must be a matrix of numbers"),
        (np.ones((12, 3)), np.full((12, 3), np.inf), "finite"),
        (np.full((12, 3), np.nan), np.ones((12, 3)), "finite"),
        (np.full((12, 3), 1e300), np.ones((12, 3)), "finite"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(shoes, queries, documents, message):
    with pytest.raises(InputError, match=message):
        DualEncoder.from_vectors(shoes, queries, documents)


def test_a_tower_wants_a_floating_matrix():
    with pytest.raises(InputError, match=r"got torch.int64 of shape \(2, 2\)"):
        LookupTower(torch.ones(2, 2, dtype=torch.int64))


# -- asking ------------------------------------------------------------------------------------------------------


def test_rows_are_encoded_in_the_order_asked_for(shoes):
    model = DualEncoder.lookup(shoes, 4)
    rows = np.array([7, 0, 7])
    assert torch.equal(model.query_vectors(rows), model.query_vectors()[[7, 0, 7]])
    assert torch.equal(model.document_vectors([3]), model.document_vectors()[3:4])


def test_queries_come_with_their_ids_thresholds_and_model(shoes):
    model = DualEncoder.lookup(shoes, 4)
    model.thresholds = torch.arange(12.0)
    asked = model.queries(["sandals", "boots"])
    assert list(asked.ids) == ["sandals", "boots"]
    assert len(asked) == 2
    rows = model.query_ids.rows(["sandals", "boots"])
    assert torch.equal(asked.vectors, model.query_vectors(rows))
    assert asked.thresholds.tolist() == rows.tolist()
    assert asked.fingerprint == model.fingerprint()


def test_all_queries_are_asked_for_by_naming_none(shoes):
    model = DualEncoder.lookup(shoes, 4)
    asked = model.queries()
    assert list(asked.ids) == list(shoes.query_ids)
    assert torch.equal(asked.vectors, model.query_vectors())
    assert torch.isnan(asked.thresholds).all(), "an untrained model knows no answer sets"
    assert len(model.queries([])) == 0


def test_ids_that_are_no_text_are_asked_for_as_they_were_given():
    ids = Ids(range(3))
    model = DualEncoder.lookup(Pairs.from_arrays(ids, ids, range(3), range(3), [0] * 3), 4)
    assert list(model.queries([2, 0]).ids) == ["2", "0"]


def test_an_unknown_query_names_the_nearest(shoes):
    model = DualEncoder.lookup(shoes, 4)
    with pytest.raises(UnknownIdError, match=r"'sandels'.*Did you mean 'sandals'"):
        model.queries(["boots", "sandels"])


def test_a_model_says_what_it_is(shoes):
    assert repr(DualEncoder.lookup(shoes, 4)) == "DualEncoder(12 queries, 12 documents, dim 4)"


# -- fingerprints ------------------------------------------------------------------------------------------------


def with_changed(what, shoes):
    model = DualEncoder.lookup(shoes, 4)
    model.fingerprint()
    what(model)
    return model.fingerprint()


CHANGES = {
    "one entry of a query": lambda m: m.query_vectors()[3].add_(1e-3),
    "one entry of a document": lambda m: m.document_vectors()[11, 3:].mul_(2),
    "by index": lambda m: m.query_vectors().__setitem__((0, 0), 0.5),
    "a whole table": lambda m: m.document_vectors().copy_(torch.randn(12, 4)),
    "a tower": lambda m: setattr(m, "query_tower", LookupTower(torch.randn(12, 4))),
    "the tower's tensor": lambda m: setattr(m.query_tower, "vectors", torch.randn(12, 4)),
    "an id": lambda m: setattr(m, "query_ids", Ids([*list(m.query_ids)[:-1], "snow boots"])),
    "sides": lambda m: m.__dict__.update(query_tower=m.document_tower, document_tower=m.query_tower),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_fingerprint_changes_with(change, shoes):
    assert with_changed(CHANGES[change], shoes) != DualEncoder.lookup(shoes, 4).fingerprint()


def test_a_fingerprint_changes_with_training_under_no_grad(shoes):
    model = DualEncoder.lookup(shoes, 4)
    before = model.fingerprint()
    with torch.no_grad():
        model.query_vectors()[0].neg_()
    assert model.fingerprint() != before
    with torch.no_grad():
        model.query_vectors()[0].neg_()
    assert model.fingerprint() == before, "the same vectors have the same fingerprint, whatever became of them between"


def test_a_fingerprint_stays_while_nothing_changes(shoes):
    model = DualEncoder.lookup(shoes, 4)
    one = model.fingerprint()
    model.query_vectors([1, 2])
    model.queries()
    assert model.fingerprint() == one
    assert len(one) == 16
    assert int(one, 16) >= 0


def test_a_fingerprint_of_vectors_made_in_inference_mode(shoes):
    with torch.inference_mode():
        model = DualEncoder.from_vectors(shoes, torch.ones(12, 4), torch.ones(12, 4))
        before = model.fingerprint()
        model.query_vectors()[0].zero_()
        assert model.fingerprint() != before


def test_a_fingerprint_knows_which_side_an_id_is_on():
    vectors = np.ones((2, 2))
    one = Pairs.from_arrays(Ids("ab"), Ids("cd"), [0], [0], [0])
    other = Pairs.from_arrays(Ids("cd"), Ids("ab"), [0], [0], [0])
    prints = {DualEncoder.from_vectors(pairs, vectors, vectors).fingerprint() for pairs in (one, other)}
    assert len(prints) == 2


def test_hierarchies_of_many_parents_start_too():
    pairs = Hierarchy.random_dag(100, multi_parent_share=0.8, max_parents=4).pairs()
    model = DualEncoder.lookup(pairs, 8)
    assert_close(model.query_vectors().norm(dim=1), torch.ones(100), rtol=0, atol=1e-6)
