"""Plans of trees whose dimensions are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rootward import Hierarchy, Pairs, construct, plan
from rootward.errors import InputError, PairsError
from rootward.geometry import Plan, guaranteed_dimension
from rootward.geometry.planner import smallest_learned
from rootward.training import recipes
from shoes import EDGES, SECOND_PARENT

SHOES = Hierarchy.from_edges(EDGES).pairs()
TREE = Hierarchy.from_edges([edge for edge in EDGES if edge != SECOND_PARENT]).pairs()
QUICK = recipes.decoupled().with_(steps=100)


@pytest.fixture(scope="module")
def planned() -> Plan:
    return plan(SHOES, recipe=QUICK)


def test_sizes_are_those_of_the_shop(planned: Plan) -> None:
    assert (planned.n_queries, planned.n_documents, planned.n_pairs) == (12, 12, 37)
    assert (planned.max_size, planned.depth) == (5, 3)
    assert planned.guaranteed == guaranteed_dimension(SHOES)


def test_the_dimension_found_separates_with_every_seed(planned: Plan) -> None:
    assert planned.gaussian is not None
    for seed in range(3):
        assert construct(SHOES, planned.gaussian.dim, seed=seed).separation.at_threshold == 1.0
    assert planned.constant == planned.gaussian.dim / planned.order
    dims, recalls = zip(*planned.constructed_recall, strict=True)
    assert list(dims) == sorted(dims)
    assert recalls[-1] == 1.0


def test_the_learned_dimension_reaches_the_target_and_the_one_below_does_not(planned: Plan) -> None:
    learned = planned.learned
    assert learned is not None
    assert learned.dim is not None
    best = {dim: max(t.recall for t in learned.tried if t.dim == dim) for dim in {t.dim for t in learned.tried}}
    assert best[learned.dim] == learned.recall >= learned.target
    assert all(recall < learned.target for dim, recall in best.items() if dim <= learned.failed_at)


def test_a_tree_is_told_apart_from_a_dag(planned: Plan) -> None:
    assert planned.no_arcs is not None
    assert "kids' sneakers" in planned.no_arcs
    assert plan(TREE, gaussian=False, learned=False).no_arcs is None


def test_a_plan_prints_saves_and_draws(planned: Plan, tmp_path: Path) -> None:
    text = str(planned)
    for line in ("s ln m = 12", "gaussian, found", "gaussian, guaranteed", "learned", "moment curve"):
        assert line in text
    told = json.loads(planned.to_json())
    assert told["gaussian"]["dim"] == planned.gaussian.dim
    assert told["constant"] == planned.constant
    planned.plot(tmp_path / "plan.svg")
    assert "constructed (Algorithm 1)" in (tmp_path / "plan.svg").read_text()


def test_a_dimension_that_is_not_reached_is_said_to_be_beyond() -> None:
    found = smallest_learned(SHOES, 1.0, recipe=recipes.decoupled().with_(steps=2), most=2)
    assert found.dim is None
    assert found.failed_at == 2


def test_same_seed_same_plan() -> None:
    few = recipes.decoupled().with_(steps=20)
    assert smallest_learned(SHOES, recipe=few, seed=4) == smallest_learned(SHOES, recipe=few, seed=4)


def test_what_cannot_be_planned_is_refused() -> None:
    with pytest.raises(InputError, match="target is a share"):
        plan(SHOES, 95)
    with pytest.raises(InputError, match="at least one seed"):
        plan(SHOES, seeds=())
    with pytest.raises(PairsError, match="nothing to plan for"):
        plan(Pairs.from_table([("a", "x", 0)]).far(1))
