"""Filters that know the hierarchy: by the graph, and by a stored list of ancestors."""

import numpy as np
import pytest

from retrieval.test_folder import shop_model
from rootward.errors import InputError, UnknownIdError
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Ancestors, Condition, Filter, Index
from shoes import ANCESTORS, shoes

TREE = shoes()
SANDALS = {"sandals", "flip-flops", "hiking sandals"}
CASES = [
    (lambda **of: Filter.below("sandals", **of), SANDALS),
    (lambda **of: Filter.below("shoes", within=1, **of), {"shoes", "sneakers", "sandals", "kids' shoes"}),
    (lambda **of: Filter.above("kids' sneakers", **of), {label for label, _ in ANCESTORS["kids' sneakers"]}),
    (lambda **of: Filter.above("kids' sneakers", within=1, **of), {"kids' sneakers", "sneakers", "kids' shoes"}),
    (lambda **of: Filter.above("flip-flops", within=0, **of), {"flip-flops"}),
    (lambda **of: Filter.levels(0, 1, **of), {"footwear", "shoes", "boots"}),
    (lambda **of: Filter.levels(3, **of), {"running shoes", "kids' sneakers", "flip-flops", "hiking sandals"}),
    (lambda **of: Filter.below("shoes", **of) & Filter.levels(2, 2, **of), {"sneakers", "sandals", "kids' shoes"}),
    (lambda **of: Filter.below("boots", **of) & Filter.below("shoes", **of), set()),
    (lambda **_: Filter.only(["boots", "sandals"]), {"boots", "sandals"}),
    (lambda **of: Filter.only(["boots", "sandals"]) & Filter.below("shoes", **of), {"sandals"}),
]  # fmt: skip


def named(where, ids=TREE.ids):
    return {ids[row] for row in where.rows.tolist()}


@pytest.mark.parametrize(("make", "allowed"), CASES)
def test_the_graph_the_stored_lists_and_the_pairs_say_the_same(make, allowed):
    assert named(make(of=TREE).where(TREE.ids)) == allowed
    for source in (TREE, TREE.pairs(), TREE.pairs(max_distance=1)):
        where = make().where(TREE.ids, Ancestors.of(source, TREE.ids))
        assert named(where) == allowed
        assert (np.diff(where.rows) > 0).all()


@pytest.mark.parametrize("engine", ["exact", "ivf", "hnsw"])
@pytest.mark.parametrize(("make", "allowed"), CASES)
def test_a_search_finds_the_allowed_documents_and_no_others(engine, make, allowed):
    model, _, tree = shop_model()
    index = Index.build(model, engine)
    found = index.search(model.queries(["flip-flops"]), 12, where=make(of=tree))
    assert sorted(found.ids[0]) == sorted(allowed)
    answers = index.answers(model.queries(["flip-flops"]), where=make(of=tree)).ids[0]
    assert answers == [label for label in ("flip-flops", "sandals", "shoes", "footwear") if label in allowed]


def test_conditions_say_what_the_rows_say():
    """What a server is told in place of rows; `ancestors` and `depth` are the facts it was given."""
    ancestors = Ancestors.of(TREE, TREE.ids)
    facts = {
        "row": lambda row: [row],
        "depth": lambda row: [int(ancestors.depth[row])],
        "ancestors": lambda row: ancestors.take([row]).rows.tolist(),
    }
    told = [where for make, _ in CASES if (where := make().where(TREE.ids, ancestors)).conditions is not None]
    assert len(told) == len(CASES) - 1, "below within some hops is the one that facts cannot say"
    for where in told:
        held = [
            all(any(fact in each.values for fact in facts[each.field](row)) for each in where.conditions)
            for row in range(12)
        ]
        assert np.flatnonzero(held).tolist() == where.rows.tolist()
    assert Filter.below("sandals").where(TREE.ids, ancestors).conditions == (
        Condition("ancestors", (TREE.ids.row("sandals"),)),
    )


def test_documents_may_be_some_of_the_nodes_in_another_order():
    ids = Ids(["flip-flops", "clogs", "shoes", "sandals"])
    ancestors = Ancestors.of(TREE, ids)
    assert ancestors.depth.tolist() == [3, -1, 1, 2]
    assert ancestors.take([0]).rows.tolist() == [0, 3, 2]
    assert ancestors.take([0]).hops.tolist() == [0, 1, 2]
    assert named(Filter.below("shoes").where(ids, ancestors), ids) == {"flip-flops", "shoes", "sandals"}
    assert named(Filter.below("footwear", of=TREE).where(ids), ids) == {"flip-flops", "shoes", "sandals"}
    assert named(Filter.levels(0).where(ids, ancestors), ids) == {"flip-flops", "shoes", "sandals"}


def test_all_nodes_of_a_random_dag_are_filtered_as_its_closure_says():
    tree = Hierarchy.random_dag(200, seed=1, multi_parent_share=0.5)
    ancestors, closure = Ancestors.of(tree, tree.ids), tree.ancestors()
    node_of = np.repeat(np.arange(200), np.diff(closure.offsets))
    for row in range(0, 200, 7):
        for within in (None, 1, 2):
            near = closure.distances <= (99 if within is None else within)
            below = np.sort(node_of[near & (closure.ancestors == row)]).tolist()
            above = np.sort(closure.ancestors[near & (node_of == row)]).tolist()
            for of in ({}, {"of": tree}):
                label = tree.ids[row]
                assert Filter.below(label, within=within, **of).where(tree.ids, ancestors).rows.tolist() == below
                assert Filter.above(label, within=within, **of).where(tree.ids, ancestors).rows.tolist() == above


def test_new_documents_stand_where_the_hierarchy_puts_them():
    model, _, tree = shop_model()
    index = Index.build(model, hierarchy=tree)
    grown = Hierarchy.from_edges([*tree.edges(), ("clogs", "sandals")])
    index.upsert(["clogs", "loafers"], np.eye(12, dtype=np.float32)[:2], hierarchy=None)
    below = Filter.below("sandals")
    assert set(index.search(model.queries(["footwear"]), 20, where=below).ids[0]) == SANDALS
    index.upsert(["clogs"], np.eye(12, dtype=np.float32)[:1], hierarchy=grown)
    assert set(index.search(model.queries(["footwear"]), 20, where=below).ids[0]) == SANDALS | {"clogs"}
    index.delete(["flip-flops"])
    assert "flip-flops" not in index.search(model.queries(["footwear"]), 20, where=below).ids[0]


def test_what_cannot_be_filtered_is_refused():
    model, _, tree = shop_model()
    index = Index.build(model)
    queries = model.queries(["sandals"])
    with pytest.raises(InputError, match="does not know where its documents stand"):
        index.search(queries, 3, where=Filter.below("sandals"))
    with pytest.raises(UnknownIdError, match="Did you mean 'sandals'"):
        index.search(queries, 3, where=Filter.below("sandal", of=tree))
    with pytest.raises(InputError, match="within is a number of hops from 0 up, got -1"):
        Filter.above("sandals", within=-1)
    with pytest.raises(InputError, match="got 3 to 1"):
        Filter.levels(3, 1)
    clicks = Pairs.from_arrays(Ids(["a click"]), tree.ids, [0], [3], [0])
    with pytest.raises(InputError, match="no query is a document"):
        Ancestors.of(clicks, tree.ids)


def test_conditions_that_are_given_are_joined():
    assert Filter.joined() is None
    assert Filter.joined(below="shoes") == Filter.below("shoes")
    wanted = Filter.below("shoes", within=2) & Filter.above("boots", within=2) & Filter.levels(1, None)
    assert Filter.joined(below="shoes", above="boots", levels=(1, None), within=2) == wanted
