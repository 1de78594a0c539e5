"""What a hierarchy answers, on the shoe shop and on WordNet."""

import numpy as np
import pytest

from rootward.errors import CycleError, HierarchyError, InputError, UnknownIdError
from rootward.hierarchy import NAMED, Hierarchy
from rootward.ids import Ids
from rootward.texts import Texts
from shoes import ANCESTORS, EDGES, SECOND_PARENT, shoe_tree, shoes


def test_the_shop_has_one_root_its_leaves_and_its_depths():
    shop = shoes()
    assert (len(shop), shop.n_nodes, shop.n_edges) == (12, 12, 12)
    assert shop.roots == ["footwear"]
    assert set(shop.leaves) == {
        *("running shoes", "kids' sneakers", "flip-flops", "hiking sandals", "rain boots", "hiking boots")
    }
    depth = dict(zip(shop.ids, shop.depth.tolist(), strict=True))
    assert (depth["footwear"], depth["boots"], depth["kids' shoes"], depth["flip-flops"]) == (0, 1, 2, 3)
    assert repr(shop) == "Hierarchy(12 nodes, 12 edges, 1 roots, 6 leaves, depth 3)"


def test_parents_and_children_are_one_hop_away():
    shop = shoes()
    assert shop.parents_of("kids' sneakers") == ["sneakers", "kids' shoes"]
    assert shop.parents_of("footwear") == []
    assert shop.children_of("shoes") == ["sneakers", "sandals", "kids' shoes"]
    assert set(shop.edges()) == {edge for edge in EDGES if edge[1]}


@pytest.mark.parametrize("node", ANCESTORS)
def test_ancestors_come_nearest_first_with_their_hops(node):
    shop = shoes()
    found = shop.ancestors([node])
    assert [(shop.ids[a], d) for a, d in zip(found.ancestors, found.distances, strict=True)] == ANCESTORS[node]
    assert shop.pairs().relevant(node) == ANCESTORS[node]


def test_ancestors_answer_in_the_order_asked_also_twice():
    shop = shoes()
    found = shop.ancestors(["sandals", "footwear", "sandals"])
    assert np.diff(found.offsets).tolist() == [3, 1, 3]
    assert found.ancestors[:3].tolist() == found.ancestors[4:].tolist()
    assert len(shop.ancestors([])) == 0


def test_max_distance_leaves_out_what_is_farther():
    assert shoes().pairs(max_distance=1).relevant("flip-flops") == [("flip-flops", 0), ("sandals", 1)]
    assert len(shoes().pairs(max_distance=0)) == 12
    assert len(shoe_tree().pairs(max_distance=0)) == 12
    with pytest.raises(InputError, match="max_distance"):
        shoes().ancestors(max_distance=-1)


def test_a_text_in_place_of_a_list_of_ids_is_refused():
    with pytest.raises(InputError, match=r"\['sandals'\]"):
        shoes().ancestors("sandals")


def test_leaving_the_root_out_keeps_it_in_the_id_tables():
    pairs = shoes().pairs(keep_roots=False)
    assert pairs.relevant("flip-flops") == [("flip-flops", 0), ("sandals", 1), ("shoes", 2)]
    assert pairs.relevant("footwear") == []
    assert "footwear" in pairs.query_ids
    assert pairs.n_documents == 12


def test_a_node_joined_to_nothing_keeps_its_exact_match_when_roots_are_left_out():
    pairs = Hierarchy.from_edges([*EDGES, ("gift card", None)]).pairs(keep_roots=False)
    assert pairs.relevant("gift card") == [("gift card", 0)]


def test_every_root_with_something_below_is_left_out_however_little():
    large = [(f"item {i}", "everything") for i in range(30)]
    pairs = Hierarchy.from_edges([*large, ("b", "a")]).pairs(keep_roots=False)
    assert pairs.relevant("item 7") == [("item 7", 0)]
    assert pairs.relevant("b") == [("b", 0)]
    assert pairs.relevant("a") == pairs.relevant("everything") == []


def test_documents_named_in_leave_out_are_in_no_relevant_set():
    pairs = shoes().pairs(leave_out=["shoes", "boots"])
    assert pairs.relevant("flip-flops") == [("flip-flops", 0), ("sandals", 1), ("footwear", 3)]
    assert pairs.relevant("boots") == [("footwear", 1)]
    assert "shoes" in pairs.document_ids
    both = shoes().pairs(keep_roots=False, leave_out=iter(["shoes"]))
    assert both.relevant("flip-flops") == [("flip-flops", 0), ("sandals", 1)]


def test_leave_out_refuses_what_is_not_there():
    with pytest.raises(UnknownIdError, match="Did you mean 'sandals'"):
        shoes().pairs(leave_out=["sandal"])
    with pytest.raises(InputError, match=r"\['sandals'\]"):
        shoes().pairs(leave_out="sandals")


def test_pairs_carry_the_notes_of_their_hierarchy():
    tree = Hierarchy.from_edges([("b", "a"), ("b", "a")])
    assert tree.pairs().notes == tree.notes == ("Left out 1 duplicate edge.",)


def test_induced_keeps_the_edges_between_the_kept_nodes():
    part = shoes().induced(["kids' sneakers", "shoes", "sneakers", "sneakers"])
    assert list(part.ids) == ["shoes", "sneakers", "kids' sneakers"]
    assert part.edges() == [("sneakers", "shoes"), ("kids' sneakers", "sneakers")]
    assert len(shoes().induced([])) == 0


def test_below_is_a_node_and_everything_under_it():
    part = shoes().below("shoes")
    assert part.roots == ["shoes"]
    assert len(part) == 8
    assert part.parents_of("kids' sneakers") == ["sneakers", "kids' shoes"]
    assert list(shoes().below("flip-flops").ids) == ["flip-flops"]


def test_texts_go_along_into_parts_and_pairs():
    ids = Ids(["boot", "footwear"])
    tree = Hierarchy(ids, [0, 1, 1], [1], Texts(("Boot", "Footwear"), (("bootee",), ()), ("", "")))
    assert tree.induced(["boot"]).texts == Texts(("Boot",), (("bootee",),), ("",))
    assert tree.pairs().query_texts is tree.texts


def test_unknown_ids_are_told_with_the_nearest():
    for ask in (shoes().below, shoes().parents_of, lambda node: shoes().induced([node])):
        with pytest.raises(UnknownIdError, match="Did you mean 'sandals'"):
            ask("sandal")


def test_nothing_can_be_changed():
    shop = shoes()
    for array in (shop.parents, shop.parent_offsets, shop.children, shop.depth, shop.root_rows):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError):
        shop.parents = None


def test_making_one_leaves_the_callers_array_writable():
    parents = np.array([1], np.int32)
    shop = Hierarchy(Ids("ab"), np.array([0, 1, 1]), parents)
    parents[0] = 1
    assert parents.flags.writeable
    assert not shop.parents.flags.writeable


@pytest.mark.parametrize(
    ("offsets", "parents", "error"),
    [
        ([0, 1], [1], HierarchyError),
        ([0, 1, 1], [2], HierarchyError),
        ([0, 2, 2], [1, 1], HierarchyError),
        ([0, 1, 2], [1, 0], CycleError),
        ([0, 1, 1], [0], CycleError),
    ],
)
def test_arrays_that_are_no_hierarchy_are_refused(offsets, parents, error):
    with pytest.raises(error):
        Hierarchy(Ids("ab"), np.array(offsets), np.array(parents))


def test_an_enormous_closure_is_refused_with_its_size():
    n = 100_000
    chain = Hierarchy(Ids(range(n)), np.r_[0, np.arange(n)], np.arange(n - 1))
    with pytest.raises(InputError, match=r"5,000,050,000 .*max_distance"):
        chain.ancestors()
    assert len(chain.ancestors(max_distance=2)) == 3 * n - 3
    assert len(next(chain.iter_ancestors(block=3))) == 6


def test_the_second_parent_makes_the_only_difference_between_shop_and_tree():
    assert set(shoes().edges()) - set(shoe_tree().edges()) == {SECOND_PARENT}
    assert len(shoes().pairs()) - len(shoe_tree().pairs()) == 1


# -- WordNet ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wordnet():
    return Hierarchy.wordnet()


def test_wordnet_has_its_nouns_and_hypernyms(wordnet):
    assert (len(wordnet), wordnet.n_edges) == (82_115, 75_850)
    assert wordnet.parents_of("cat.n.01") == ["feline.n.01"]
    assert wordnet.notes == ()


def test_wordnet_texts_are_lemmas_and_gloss(wordnet):
    row = wordnet.ids.row("cat.n.01")
    assert wordnet.texts.all_names(row) == ("cat", "true cat")
    assert wordnet.texts.definitions[row].startswith("feline mammal")


def test_wordnet_pairs_are_those_of_the_paper(wordnet):
    source = NAMED["wordnet"]
    assert (source.max_distance, source.keep_roots, source.leave_out) == (8, True, ("entity.n.01",))
    assert len(wordnet.pairs(max_distance=8)) == 675_156
    pairs = source.pairs()
    assert len(pairs) == 626_780
    assert np.count_nonzero(pairs.sizes) == 82_114
    assert pairs.relevant("entity.n.01") == []
    np.testing.assert_allclose(100 * pairs.shares(), [21.1, 11.8, 12.1, 12.3, 12.1, 11.1, 9.2, 6.3, 4.0], atol=0.06)


def test_instances_whose_edges_up_are_not_read_are_roots_of_wordnet(wordnet):
    assert len(wordnet.roots) == 7_726


def test_the_whole_closure_with_instances_has_the_known_size():
    """743,241 counts (synset, proper ancestor) pairs, without each synset's pair with itself."""
    everything = NAMED["wordnet-instances"].load()
    assert everything.n_edges == 84_427
    assert everything.roots == ["entity.n.01"]
    assert len(everything.ancestors()) - len(everything) == 743_241


def test_the_animals_are_3998_below_animal(wordnet):
    assert len(wordnet.below("animal.n.01")) == 1 + 3_998


# -- made trees ------------------------------------------------------------------------------------------------


def test_a_perfect_tree_with_and_without_its_root():
    tree, forest = Hierarchy.perfect_tree(4, 5), Hierarchy.perfect_tree(height=4, width=5, root=False)
    assert (len(tree), len(forest)) == (156, 155)
    assert forest.roots == ["0", "1", "2", "3", "4"]
    assert tree.parents_of("3") == ["root"]
    assert tree.parents_of("3.0.4") == forest.parents_of("3.0.4") == ["3.0"]
    assert np.bincount(tree.depth).tolist() == [1, 5, 25, 125]
    np.testing.assert_allclose(forest.pairs().shares(), [0.38, 0.35, 0.27], atol=0.006)


@pytest.mark.parametrize("bad", [{"height": 0, "width": 2}, {"height": 1, "width": 2, "root": False}])
def test_a_perfect_tree_of_nothing_is_refused(bad):
    with pytest.raises(InputError, match="height"):
        Hierarchy.perfect_tree(**bad)


def test_a_perfect_tree_of_one_level_is_its_root():
    assert list(Hierarchy.perfect_tree(1, 3).ids) == ["root"]


def test_a_random_dag_is_as_asked():
    dag = Hierarchy.random_dag(2000, seed=3, n_roots=4, max_depth=6, multi_parent_share=0.3, max_parents=5)
    n_parents = np.diff(dag.parent_offsets)
    assert len(dag) == 2000
    assert len(dag.roots) == 4
    assert dag.depth.max() <= 6
    assert n_parents.max() <= 5
    assert np.count_nonzero(n_parents > 1) == round(0.3 * (2000 - 4))
    assert Hierarchy.random_dag(2000, multi_parent_share=0, max_depth=9).depth.max() == 9


def test_a_random_dag_is_irregular_where_asked():
    def widest(irregularity):
        return np.diff(Hierarchy.random_dag(3000, irregularity=irregularity, multi_parent_share=0).child_offsets).max()

    assert widest(2.0) > 3 * widest(0.0)


def test_the_same_seed_gives_the_same_dag():
    one, same, other = (Hierarchy.random_dag(500, seed=seed) for seed in (1, 1, 2))
    assert one.edges() == same.edges()
    assert one.edges() != other.edges()


@pytest.mark.parametrize(
    "bad",
    [
        {"n_nodes": 0},
        {"n_nodes": 3, "n_roots": 4},
        {"n_nodes": 9, "branching": 0},
        {"n_nodes": 9, "max_depth": 0},
        {"n_nodes": 9, "multi_parent_share": 1.5},
        {"n_nodes": 9, "max_parents": 1},
    ],
)
def test_a_random_dag_that_cannot_be_is_refused(bad):
    with pytest.raises(InputError, match="got"):
        Hierarchy.random_dag(**bad)
