"""Answer sets of queries that have no threshold of their own; and repair of what was found."""

import json

import numpy as np
import pytest
import torch

from calibration.scaled import scaled
from rootward.calibration.calibrate import calibrate
from rootward.encoders import DualEncoder
from rootward.errors import InputError
from rootward.ids import Ids
from rootward.retrieval import Index
from shoes import ANCESTORS, shoes


@pytest.fixture(scope="module")
def model_and_pairs():
    return scaled()


def sets(hits):
    return [set(ids) for ids in hits.ids]


def relevant(pairs):
    return [{label for label, _ in pairs.relevant(query)} for query in pairs.query_ids]


# -- by calibration ----------------------------------------------------------------------------------------------


def test_bare_vectors_get_the_right_number_of_answers(model_and_pairs):
    model, pairs = model_and_pairs
    index = Index.build(model)
    with pytest.raises(InputError, match=r"200 of 200 queries have no threshold.*rootward\.calibrate"):
        index.answers(model.query_vectors())
    known = index.calibrated(calibrate(model, pairs))
    assert sets(known.answers(model.query_vectors())) == relevant(pairs)
    assert sets(known.answers(model.queries())) == relevant(pairs)
    other, new = scaled(20, seed=5)
    assert sets(known.answers(other.query_vectors())) == relevant(new)
    assert sets(known.answers(other.query_vectors(), threshold=99.0)) == [set()] * 20
    assert index.calibration is None


@pytest.mark.parametrize("engine", ["exact", "ivf"])
def test_an_index_keeps_its_calibration_on_disk(model_and_pairs, tmp_path, engine):
    model, pairs = model_and_pairs
    index = Index.build(model, engine, pairs=pairs, out=tmp_path / "index").calibrated(calibrate(model, pairs))
    index.commit()
    again = Index.load(tmp_path / "index")
    assert again.calibration == index.calibration
    assert again.answers(model.query_vectors()) == index.answers(model.query_vectors())
    index.calibrated(None).commit()
    assert Index.load(tmp_path / "index").calibration is None
    assert not list((tmp_path / "index").glob("calibration*"))


def test_a_calibration_ends_with_the_model_it_is_of(model_and_pairs):
    model, pairs = model_and_pairs
    index = Index.build(model).calibrated(calibrate(model, pairs))
    index.upsert(["new"], model.document_vectors()[:1])
    assert index.calibration is not None
    index.upsert(["newer"], model.document_vectors()[:1], fingerprint="of the model as it is now")
    assert index.calibration is None


def test_searching_shows_the_calibrated_set_first_and_nearest_first(model_and_pairs):
    model, pairs = model_and_pairs
    index = Index.build(model).calibrated(calibrate(model, pairs))
    hits = index.search(model.query_vectors([3]), 10)
    n = pairs.sizes[3]
    assert set(hits.ids[0][:n]) == relevant(pairs)[3]
    assert hits.accepted[0].tolist() == [True] * n + [False] * (10 - n)
    heights = [model.heights[model.document_ids.row(label)] for label in hits.ids[0][:n]]
    assert heights == sorted(heights)


def test_a_threshold_of_its_own_comes_before_the_calibrated_one(model_and_pairs):
    model, pairs = scaled()
    calibration = calibrate(model, pairs)
    model.thresholds[0] = torch.inf
    index = Index.build(model).calibrated(calibration)
    hits = index.answers(model.queries(["q0", "q1"]))
    assert sets(hits) == [set(), relevant(pairs)[1]]


def test_an_expected_size_is_a_number_of_documents(model_and_pairs):
    model, pairs = model_and_pairs
    calibration = calibrate(model, pairs, rule="size")
    vectors = model.query_vectors()
    sizes = np.floor(calibration.rule.expected(vectors.numpy().astype(float)))
    jitter = torch.arange(30) * 1e-3  # no two documents score the same
    spread = DualEncoder.from_vectors(pairs, vectors, model.document_vectors() + jitter[:, None])
    index = Index.build(spread)
    found = index.calibrated(calibrate(spread, pairs, rule="size"))
    assert [len(ids) for ids in found.answers(vectors).ids] == sizes.clip(0).tolist()


def test_an_abstaining_calibration_gives_empty_sets(model_and_pairs):
    _, pairs = model_and_pairs
    for rule in ("universal", "size"):
        blind = DualEncoder.from_vectors(pairs, torch.ones(200, 1), torch.arange(30.0)[:, None])
        calibration = calibrate(blind, pairs, rule=rule, by="precision", floor=0.99)
        assert sets(Index.build(blind).calibrated(calibration).answers(torch.ones(2, 1))) == [set(), set()]


def test_another_models_calibration_is_refused(model_and_pairs):
    model, pairs = model_and_pairs
    with pytest.raises(InputError, match="of another model"):
        Index.build(scaled(seed=1)[0]).calibrated(calibrate(model, pairs))
    index = Index.build(model).calibrated(calibrate(model, pairs))
    with pytest.raises(InputError, match="31 columns"):
        index.answers(torch.ones(2, 7))
    with pytest.raises(InputError, match="NaN or infinite"):
        index.answers(torch.full((2, 31), torch.nan))


# -- upward ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop():
    """Every query scores its exact match 1, the root 0.5 and boots 0.2."""
    pairs = shoes().pairs()
    queries = torch.eye(12)
    queries[:, 0] += 0.5
    queries[:, pairs.document_ids.row("boots")] += 0.2
    model = DualEncoder.from_vectors(pairs, queries, torch.eye(12))
    return model, pairs, Index.build(model)


def test_what_stands_above_an_accepted_document_is_added_and_told(shop):
    model, pairs, index = shop
    hits = index.answers(model.queries(["flip-flops", "footwear"]), threshold=0.9)
    assert hits.ids == [["flip-flops"], ["footwear"]]
    for above in (shoes(), pairs):
        whole = hits.repaired(above)
        assert sets(whole) == [{label for label, _ in ANCESTORS["flip-flops"]}, {"footwear"}]
        assert whole.ids[0][0] == "flip-flops"
        assert [flags.tolist() for flags in whole.accepted] == [[True, False, False, False], [True]]
        assert whole.added.tolist() == [False, True, True, True, False]
    assert sets(hits.repaired(pairs, max_distance=1)) == [{"flip-flops", "sandals"}, {"footwear"}]
    told = json.loads(whole.marked(pairs).to_json())["queries"][0]
    assert [document["added"] for document in told["documents"]] == [False, True, True, True]
    assert told["documents"][1]["score"] is None
    assert told["missing"] == 0
    assert "added, as they stand above accepted ones:" in str(whole)
    assert "nan" not in str(whole)


def test_what_was_found_below_the_threshold_moves_up_and_keeps_its_score(shop):
    model, pairs, index = shop
    hits = index.calibrated(None).search(model.queries(["rain boots"]), 4)
    found = hits.repaired(pairs)  # no threshold is known, so nothing is accepted and nothing added
    assert found.ids == hits.ids
    model.thresholds = torch.full((12,), 0.9)
    hits = index.search(model.queries(["rain boots"]), 4)
    assert hits.ids[0][:3] == ["rain boots", "footwear", "boots"]
    found = hits.repaired(pairs)
    assert found.ids[0] == hits.ids[0]
    assert found.added.tolist() == [False, True, True, False]
    np.testing.assert_allclose(found.scores[0], [1, 0.5, 0.2, 0], rtol=1e-6)
    assert found.first(2).added.tolist() == [False, True]
    assert found.marked(pairs).hops.tolist() == [0, 2, 1, -1]


def test_documents_in_another_order_are_repaired_alike(shop):
    _, pairs, _ = shop
    turned = Ids(reversed(list(pairs.document_ids)))
    rows = 11 - pairs.documents
    other = type(pairs).from_arrays(pairs.query_ids, turned, pairs.query_of, rows, pairs.distances)
    model = DualEncoder.from_vectors(other, torch.eye(12), torch.eye(12).flip(0))
    hits = Index.build(model).answers(model.queries(["kids' sneakers"]), threshold=0.9)
    assert sets(hits.repaired(pairs)) == [{label for label, _ in ANCESTORS["kids' sneakers"]}]
