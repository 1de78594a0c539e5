"""What a grown shop answers."""

import numpy as np
import pytest
import torch

from growth.answers import answers, wanted
from rootward.encoders import DualEncoder
from rootward.errors import CycleError, HierarchyError, InputError, PairsError, UnknownIdError
from rootward.growth import Diff, add_documents, add_nodes, add_queries, diff, grow, remove
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Index
from rootward.texts import Texts
from shoes import EDGES, shoes


def test_sandals_for_dogs_retrieve_sandals_shoes_and_footwear(dogs):
    hits = Index.build(dogs.model).answers(dogs.model.queries(["sandals for dogs"]))
    assert hits.ids[0][0] == "sandals for dogs"
    assert set(hits.ids[0]) == {"sandals for dogs", "sandals", "shoes", "footwear"}
    assert dogs.added_queries == dogs.added_documents == ("sandals for dogs",)
    assert answers(dogs.model) == wanted(dogs.pairs)


def test_a_new_leaf_moves_nothing_that_was_there(shop, dogs):
    model, pairs = shop
    queries, documents = dogs.pairs.query_ids.rows(pairs.query_ids), dogs.pairs.document_ids.rows(pairs.document_ids)
    assert dogs.moved == ()
    assert torch.equal(dogs.model.query_vectors(queries), model.query_vectors())
    assert torch.equal(dogs.model.document_vectors(documents), model.document_vectors())
    assert torch.equal(dogs.model.thresholds[queries], model.thresholds)


def test_new_vectors_stand_on_the_sphere(dogs):
    lengths = torch.linalg.vector_norm(dogs.model.query_vectors(), dim=1)
    assert torch.allclose(lengths, torch.ones(13), atol=1e-5)


def test_pairs_of_another_source_are_refused(shop):
    planets = Hierarchy.from_edges([("moon", "earth"), ("earth", "sun")]).pairs()
    with pytest.raises(PairsError, match=r"None of the 3 documents, such as '\w+', is one of the 12 .* another source"):
        grow(*shop, planets)


def test_open_shoes_between_sandals_and_shoes(shop):
    grown = add_nodes(*shop, {"open shoes": ["shoes"]}, children={"open shoes": ["sandals"]})
    assert grown.pairs.relevant("flip-flops") == [
        ("flip-flops", 0),
        ("sandals", 1),
        ("open shoes", 2),
        ("shoes", 3),
        ("footwear", 4),
    ]
    assert set(grown.moved) == {"sandals", "flip-flops", "hiking sandals"}
    assert answers(grown.model) == wanted(grown.pairs)


def test_two_new_nodes_one_below_the_other(shop):
    grown = add_nodes(*shop, {"for dogs": ["footwear"], "boots for dogs": ["for dogs", "boots"]})
    assert answers(grown.model) == wanted(grown.pairs)
    assert grown.pairs.relevant("boots for dogs")[1:] == [("boots", 1), ("for dogs", 1), ("footwear", 2)]


def test_growing_and_removing_gives_the_very_model_back(shop, dogs):
    model, _ = shop
    back = remove(dogs.model, dogs.pairs, ["sandals for dogs"])
    assert back.model.fingerprint() == model.fingerprint()
    assert torch.equal(back.model.thresholds, model.thresholds)
    assert np.array_equal(back.model.heights, model.heights)
    assert back.removed_queries == ("sandals for dogs",)
    assert answers(back.model) == answers(model)


def test_the_model_that_is_grown_stays_as_it_was(shop):
    model, pairs = shop
    before = model.fingerprint(), model.thresholds.clone(), model.generality.copy()
    add_nodes(model, pairs, {"open shoes": ["shoes"]}, children={"open shoes": ["sandals"]})
    assert model.fingerprint() == before[0]
    assert torch.equal(model.thresholds, before[1])
    assert np.array_equal(model.generality, before[2])


def test_same_seed_same_bits_and_another_seed_others(shop, dogs):
    again, other = (add_nodes(*shop, {"sandals for dogs": ["sandals"]}, seed=seed) for seed in (0, 1))
    assert again.model.fingerprint() == dogs.model.fingerprint()
    assert other.model.fingerprint() != dogs.model.fingerprint()


def test_answers_do_not_depend_on_the_order_of_additions(shop):
    first, second = {"sandals for dogs": ["sandals"]}, {"clogs": ["shoes"]}
    one = add_nodes(*shop, first)
    one = add_nodes(one.model, one.pairs, second)
    other = add_nodes(*shop, second)
    other = add_nodes(other.model, other.pairs, first)
    both = add_nodes(*shop, first | second)
    assert answers(one.model) == answers(other.model) == answers(both.model) == wanted(both.pairs)


def test_generality_heights_and_names_follow(shop):
    model, pairs = shop
    names = Texts(tuple(label.title() for label in pairs.query_ids), ((),) * 12, ("",) * 12)
    model = DualEncoder.from_vectors(pairs, model.query_vectors(), model.document_vectors())
    model.query_texts = model.document_texts = names
    grown = add_nodes(model, pairs, {"sandals for dogs": ["sandals"]}, names={"sandals for dogs": "Dog sandals"})
    assert np.array_equal(grown.model.generality, grown.pairs.generality)
    assert np.array_equal(grown.model.heights, grown.pairs.heights)
    assert grown.model.find("dog sandals") == ["sandals for dogs"]
    plain = grow(model, pairs, Hierarchy.from_edges([*EDGES, ("clogs", "shoes")]).pairs())
    assert plain.model.find("Sandals") == ["sandals"]
    assert plain.model.find("clogs") == ["clogs"]


def test_a_moved_branch_is_found_below_its_new_parent(shop):
    model, pairs = shop
    edges = [("sandals", "boots") if edge == ("sandals", "shoes") else edge for edge in EDGES]
    grown = grow(model, pairs, Hierarchy.from_edges(edges).pairs())
    assert answers(grown.model)["flip-flops"] == {"flip-flops", "sandals", "boots", "footwear"}
    assert set(grown.moved) == {"sandals", "flip-flops", "hiking sandals"}
    documents = grown.model.document_vectors(grown.pairs.document_ids.rows(pairs.document_ids))
    assert torch.equal(documents, model.document_vectors())


def test_removing_an_inner_node_moves_nobody(shop):
    grown = remove(*shop, ["sandals"])
    assert grown.moved == ()
    assert answers(grown.model) == wanted(grown.pairs)
    assert answers(grown.model)["flip-flops"] == {"flip-flops", "shoes", "footwear"}


def test_a_bound_on_distances_and_what_is_left_out_hold_for_new_nodes_too():
    pairs = shoes().pairs(max_distance=1, leave_out=["footwear"])
    model = DualEncoder.lookup(pairs, 8)
    grown = add_nodes(model, pairs, {"sandals for dogs": ["sandals"]})
    assert grown.pairs.relevant("sandals for dogs") == [("sandals for dogs", 0), ("sandals", 1)]
    assert grown.pairs.relevant("boots") == [("boots", 0)]


def test_a_change_of_the_whole_tree_fits_pairs_that_leave_its_root_out():
    pairs = shoes().pairs(leave_out=["footwear"])
    edges = [edge for edge in EDGES if edge[0] not in ("boots", "rain boots", "hiking boots")]
    newer = Hierarchy.from_edges([*edges, ("hats", "footwear"), ("caps", "hats")])
    grown = grow(DualEncoder.lookup(pairs, 8), pairs, diff(shoes(), newer))
    assert grown.pairs.relevant("caps") == [("caps", 0), ("hats", 1)]
    assert set(grown.removed_queries) == {"boots", "rain boots", "hiking boots"}


def test_queries_and_documents_from_example_pairs():
    pairs = Pairs.from_table([("red pump", "pump", 0), ("red pump", "shoe", 1), ("wader", "boot", 0)])
    model = DualEncoder.lookup(pairs, 8)
    grown = add_queries(model, pairs, [("blue pump", "pump", 0), ("blue pump", "shoe", 1)])
    assert answers(grown.model) == wanted(grown.pairs)
    assert grown.added_queries == ("blue pump",)
    assert grown.added_documents == ()
    grown = add_documents(grown.model, grown.pairs, [("wader", "rubber boot", 1)])
    assert answers(grown.model)["wader"] == {"boot", "rubber boot"}
    assert answers(grown.model) == wanted(grown.pairs)
    assert grown.moved == ("wader",)


def test_nothing_to_do_changes_nothing(shop):
    model, pairs = shop
    same = grow(model, pairs, pairs)
    assert same.model.fingerprint() == model.fingerprint()
    assert (same.moved, same.added_queries, same.removed_queries) == ((), (), ())


def test_a_change_from_a_file_is_the_change(shop, dogs, tmp_path):
    model, pairs = shop
    newer = Hierarchy.from_edges([*EDGES, ("sandals for dogs", "sandals")])
    change = Diff.load(diff(pairs, newer).save(tmp_path / "change.json"))
    assert grow(model, pairs, change).model.fingerprint() == dogs.model.fingerprint()


def test_a_tree_grows_by_a_fifth_and_finds_the_new_ones_and_the_old():
    tree = Hierarchy.perfect_tree(4, 5, root=False)
    gone = set(tree.leaves[::5])
    pairs = tree.induced([node for node in tree.ids if node not in gone]).pairs()
    from training.runs import fitted  # noqa: PLC0415

    model = fitted(pairs, dim=16).model
    grown = grow(model, pairs, tree.pairs())
    found, right = answers(grown.model), wanted(grown.pairs)
    assert np.mean([found[node] == right[node] for node in gone]) >= 0.9
    kept = [node for node in pairs.query_ids if answers(model)[node] == right[node]]
    assert np.mean([found[node] == right[node] for node in kept]) >= 0.98


@pytest.mark.parametrize(
    ("error", "says", "change"),
    [
        (HierarchyError, "there already", {"sandals": ["shoes"]}),
        (UnknownIdError, "Did you mean 'sandals'", {"clogs": ["sandal"]}),
        (CycleError, "circle", {"a": ["b"], "b": ["a"]}),
        (InputError, "Write \\['sandals'\\]", {"clogs": "sandals"}),
    ],
)
def test_what_cannot_be_added_is_refused_and_nothing_is_done(shop, error, says, change):
    before = shop[0].fingerprint()
    with pytest.raises(error, match=says):
        add_nodes(*shop, change)
    assert shop[0].fingerprint() == before


def test_pairs_of_no_hierarchy_take_pairs_and_no_parents():
    ids = Ids(["a", "b", "c", "d"])
    queries, documents = [0, 1, 2, 3, 0, 1, 2, 0], [0, 1, 2, 3, 1, 2, 3, 2]
    pairs = Pairs.from_arrays(ids, ids, queries, documents, [0, 0, 0, 0, 1, 1, 1, 2])  # b knows no d, two hops up
    model = DualEncoder.lookup(pairs, 4)
    with pytest.raises(PairsError, match="are not all ancestors in a hierarchy"):
        add_nodes(model, pairs, {"e": ["a"]})
    with pytest.raises(InputError, match="other ids"):
        grow(model, shoes().pairs(), pairs)
    with pytest.raises(UnknownIdError):
        remove(model, pairs, ["e"])
