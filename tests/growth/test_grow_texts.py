"""A shop whose queries are read grows, too."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from growth.answers import wanted
from letters import Letters
from rootward.encoders import DualEncoder, LookupTower, OwnTower
from rootward.errors import InputError
from rootward.evaluation import answer_thresholds, rank_pairs
from rootward.growth import add_documents, add_nodes, add_queries, grow, remove
from rootward.retrieval import Index
from rootward.texts import Texts
from rootward.training import recipes, train
from shoes import shoes
from training.runs import QUIET

DOGS = {"sandals for dogs": ["sandals"]}


def reading_shop(documents="tied", pairs=None):
    pairs = shoes().pairs() if pairs is None else pairs
    model = DualEncoder.text(pairs, dim=16, documents=documents)
    return train(model, pairs, recipes.decoupled(steps=150), settings=QUIET).model, pairs


@pytest.fixture(scope="module", params=["tied", "text", "lookup"])
def shop(request):
    return reading_shop(request.param)


@pytest.fixture(scope="module")
def tied():
    return reading_shop()


def found(model, text, k):
    return Index.build(model).search(model.encode_queries([text]), k=k, nearest_first=False).ids[0]


def test_a_new_node_is_read_and_what_was_there_stays(shop):
    model, pairs = shop
    grown = add_nodes(*shop, DOGS)
    queries, documents = grown.pairs.query_ids.rows(pairs.query_ids), grown.pairs.document_ids.rows(pairs.document_ids)
    assert grown.moved == ()
    assert torch.equal(grown.model.query_vectors(queries), model.query_vectors())
    assert torch.equal(grown.model.document_vectors(documents), model.document_vectors())
    assert torch.equal(grown.model.thresholds[queries], model.thresholds)
    assert torch.allclose(
        grown.model.query_vectors([grown.pairs.query_ids.row("sandals for dogs")]),
        model.encode_queries(["sandals for dogs"], lean=0).vectors,
        atol=1e-6,
    )


def test_a_new_document_stands_where_its_queries_look_for_it(shop):
    model = add_nodes(*shop, DOGS).model
    assert "sandals for dogs" in found(model, "sandals for dogs", 4)
    assert "sandals for dogs" not in found(model, "boots", 2)
    assert model.encode_queries(["sandals for dog"]).thresholds.isfinite().all()


def test_a_new_query_shows_its_own_document_first(tied):
    grown = add_nodes(*tied, DOGS)
    hits = Index.build(grown.model).search(grown.model.queries(["sandals for dogs"]), k=4)
    assert hits.ids[0][0] == "sandals for dogs"
    assert set(hits.ids[0]) == wanted(grown.pairs)["sandals for dogs"]


def test_a_document_with_a_strange_name_is_put_where_examples_want_it(tied):
    """Its name says nothing; "boots" and what stands below ask for it, so they find it, and sandals do not."""
    asking = ["boots", "rain boots", "hiking boots"]
    grown = add_documents(*tied, [(query, "xqz", 2) for query in asking])
    index = Index.build(grown.model)
    assert grown.moved == ()
    for query in asking:
        size = len(wanted(grown.pairs)[query])
        assert "xqz" in index.search(grown.model.queries([query]), k=size, nearest_first=False).ids[0]
    assert "xqz" not in index.search(grown.model.queries(["flip-flops"]), k=4, nearest_first=False).ids[0]


def test_a_new_query_is_leant_on(tied):
    """Words of no other text: "galoshes" ask for what boots ask for, once somebody said so."""
    model, pairs = tied
    grown = add_queries(model, pairs, [("galoshes", "boots", 1), ("galoshes", "footwear", 2)])
    known = grown.model.query_tower.anchors
    assert grown.pairs.query_ids.row("galoshes") in known.tolist()
    assert model.query_tower.anchors.tolist() == list(range(12))


def test_synonyms_come_and_go_with_newer_pairs():
    def version(*synonyms):
        pairs = shoes().pairs()
        told = tuple(synonyms if node == "boots" else () for node in pairs.query_ids)
        texts = Texts(tuple(pairs.query_ids), told, ("",) * 12)
        return replace(pairs, query_texts=texts, document_texts=texts).by_name()

    before, after = version("big shoes"), version("big shoes", "shoes for winter")
    model, _ = reading_shop(pairs=before)
    grown = grow(model, before, after)
    assert grown.added_queries == ("boots: shoes for winter",)
    assert grown.added_documents == ()
    assert torch.equal(grown.model.document_vectors(), model.document_vectors())
    back = remove(grown.model, after, ["boots: shoes for winter"])
    assert back.model.fingerprint() == model.fingerprint()


def test_a_renamed_query_moves_and_its_tied_document_stays(tied):
    model, pairs = tied
    names = tuple("wellingtons" if node == "rain boots" else node for node in pairs.query_ids)
    texts = Texts(names, ((),) * 12, ("",) * 12)
    grown = grow(model, pairs, replace(pairs, query_texts=texts, document_texts=texts))
    assert grown.moved == ("rain boots",)
    assert torch.allclose(grown.model.document_vectors(), model.document_vectors(), atol=1e-6)


def test_same_seed_same_bits_and_a_saved_one_is_the_same(shop, tmp_path):
    grown, again = (add_nodes(*shop, DOGS).model for _ in range(2))
    assert grown.fingerprint() == again.fingerprint()
    loaded = DualEncoder.load(grown.save(tmp_path / "grown"))
    assert loaded.fingerprint() == grown.fingerprint()
    assert torch.equal(loaded.document_vectors(), grown.document_vectors())
    assert torch.equal(loaded.encode_queries(["dogs"]).vectors, grown.encode_queries(["dogs"]).vectors)


@pytest.mark.parametrize("tower", ["frozen", "joint"])
def test_encoders_read_what_is_new(tower):
    pairs = shoes().pairs()
    model = DualEncoder.text(pairs, tower, encoder=Letters(), dim=16)
    train(model, pairs, recipes.decoupled(steps=20), settings=QUIET)
    grown = add_nodes(model, pairs, DOGS)
    new = grown.pairs.query_ids.row("sandals for dogs")
    alone = model.encode_queries(["sandals for dogs"], lean=0).vectors
    assert torch.allclose(grown.model.query_vectors([new]), alone, atol=1e-6)
    assert grown.model.query_tower.anchors.tolist() == list(range(13))
    documents = grown.pairs.document_ids.rows(pairs.document_ids)
    assert torch.equal(grown.model.document_vectors(documents), model.document_vectors())


def test_a_tower_of_ones_own_is_its_owners(tied):
    class Fixed(OwnTower):
        def __len__(self):
            return 12

        def vectors(self, rows, weights):
            return weights["rows"][torch.from_numpy(np.asarray(rows))]

    _, pairs = tied
    own = DualEncoder.from_towers(pairs, Fixed({"rows": torch.randn(12, 4)}), LookupTower(torch.randn(12, 4)))
    with pytest.raises(InputError, match="cannot add rows to a tower of your own"):
        add_nodes(own, pairs, DOGS)


@pytest.mark.parametrize("documents", ["tied", "lookup"])
def test_a_new_root_that_every_query_wants_finds_its_place(documents):
    """No query stays as it was, so nothing holds the new document back; it still has to move."""
    pairs = shoes().pairs()
    model, _ = reading_shop(documents, pairs)
    grown = add_nodes(model, pairs, {"xqz": []}, children={"xqz": ["footwear"]})
    scores = grown.model.query_vectors() @ grown.model.document_vectors().T
    place = grown.pairs.document_ids.row("xqz")
    for query in ("sandals", "boots", "footwear"):
        row = grown.pairs.query_ids.row(query)
        wanted_here = len(wanted(grown.pairs)[query])
        assert place in scores[row].topk(wanted_here).indices.tolist(), query


def test_a_renamed_document_that_is_read_moves_and_thresholds_follow():
    model, pairs = reading_shop("text")
    names = tuple("wellingtons" if node == "rain boots" else node for node in pairs.document_ids)
    grown = grow(model, pairs, replace(pairs, document_texts=Texts(names, ((),) * 12, ("",) * 12)))
    assert grown.moved == ()
    assert grown.moved_documents == ("rain boots",)
    ranks = rank_pairs(grown.model.query_vectors(), grown.model.document_vectors(), pairs, heights=pairs.heights)
    assert torch.allclose(grown.model.thresholds, torch.from_numpy(answer_thresholds(ranks)), atol=1e-6)
