"""Whether to train again."""

import pytest

from rootward.growth import Drift, add_nodes, drift, remove
from rootward.growth.drift import Slice, Step, branches, judge
from rootward.rng import stream
from shoes import shoes


def test_a_growth_that_cost_nothing_is_fine(shop, dogs):
    told = drift(*shop, dogs)
    everything = next(each for each in told.slices if each.kind == "all")
    assert (everything.trained, everything.now, everything.n_queries) == (1.0, 1.0, 12)
    assert told.added == ("sandals for dogs",)
    assert told.added_recall == 1.0
    assert told.added_documents_recall is None  # no query that was trained wants it
    assert told.verdict == "fine"
    assert "1 queries added and 0 removed in 1 growth, 8.33 % of the 12 trained" in told.reasons[-1]


def test_growths_add_up(shop, dogs):
    first = drift(*shop, dogs)
    more = add_nodes(dogs.model, dogs.pairs, {"clogs": ["shoes"], "loafers": ["shoes"]})
    second = drift(dogs.model, dogs.pairs, more, history=first)
    assert [step.added for step in second.steps] == [1, 2]
    assert second.added == ("clogs", "loafers", "sandals for dogs")
    assert second.trained == first.trained
    assert second.trained_queries == 12
    assert "25.00 % of the 12 trained" in second.reasons[-1]
    back = remove(more.model, more.pairs, ["clogs"])
    assert drift(more.model, more.pairs, back, history=second).added == ("loafers", "sandals for dogs")


def test_slices_are_by_distance_depth_and_branch(shop, dogs):
    names = {(each.kind, each.name): each.n_queries for each in drift(*shop, dogs).slices}
    assert names["distance", "0"] == 12
    assert names["distance", "3"] == 4  # running shoes, kids' sneakers, flip-flops and hiking sandals want footwear
    assert names["depth", "1"] == 2  # shoes and boots
    assert names["branch", "boots"] == 3


def test_a_branch_is_the_most_general_document_that_half_of_all_may_want():
    pairs = shoes().pairs()
    found = dict(zip(pairs.query_ids, branches(pairs).tolist(), strict=True))
    assert pairs.document_ids[found["rain boots"]] == "boots"
    assert pairs.document_ids[found["flip-flops"]] == "sandals"
    assert found["footwear"] == -1


def test_what_was_recorded_is_read_again(shop, dogs):
    told = drift(*shop, dogs)
    assert Drift.model_validate_json(told.model_dump_json()) == told
    assert "verdict: fine" in str(told)


@pytest.mark.parametrize(
    ("lost", "changed", "short", "verdict"),
    [
        (0.0, 0.02, 0.0, "fine"),
        (0.02, 0.02, 0.0, "retrain soon"),
        (0.06, 0.02, 0.0, "retrain now"),
        (0.0, 0.6, 0.0, "retrain soon"),
        (0.0, 2.5, 0.0, "retrain now"),
        (0.0, 0.02, 0.06, "retrain soon"),
        (0.0, 0.02, 0.2, "retrain now"),
        (0.02, 2.5, 0.0, "retrain now"),
    ],
)
def test_the_worst_figure_decides(lost, changed, short, verdict):
    slices = (
        Slice(kind="all", name="", n_queries=1000, trained=0.99, now=0.99),
        Slice(kind="distance", name="3", n_queries=500, trained=0.95, now=0.95 - lost),
        Slice(kind="branch", name="few", n_queries=3, trained=1.0, now=0.0),  # too few to count
    )
    step = Step(date="2026-11-22", added=round(1000 * changed), removed=0, moved=0, seconds=1.0)
    found, reasons = judge(slices, (step,), 1000, 0.99 - short)
    assert found == verdict
    assert len(reasons) == 3


def test_a_sample_is_of_the_same_queries_before_and_after(shop, dogs):
    told = drift(*shop, dogs, measured_scores=5 * 12, seed=int(stream(0, "test").integers(100)))
    assert {each.n_queries for each in told.slices if each.kind == "all"} == {5}


def test_where_nothing_that_was_trained_is_left_it_is_time_to_train():
    step = Step(date="2026-11-22", added=5, removed=5, moved=0, seconds=0.1)
    found, reasons = judge((), (step,), 5, 0.97)
    assert found == "retrain now"
    assert "recall of added queries 97.00 %, and none that was trained is left" in reasons[1]
