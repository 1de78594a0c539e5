from itertools import pairwise

import pytest

from rootward.hierarchy import Hierarchy
from rootward.pairs import Ids, Pairs
from rootward.training import Stage, recipes
from rootward.training.defaults import resolve
from rootward.training.loop import rate_at, scale_at


def flat(n: int) -> Pairs:
    """A catalogue without categories: everything answers for itself only."""
    ids = Ids(range(n))
    return Pairs.from_arrays(ids, ids, range(n), range(n), [0] * n)


DATA = {
    "tree of 200": Hierarchy.random_dag(200, multi_parent_share=0.0).pairs(),
    "many parents": Hierarchy.random_dag(500, multi_parent_share=0.9, max_parents=5).pairs(),
    "flat catalogue": flat(60),
    "large flat catalogue": flat(30_000),
    "one node": flat(1),
    "queries without answers": Hierarchy.perfect_tree(3, 4).pairs().far(1),
}
STAGES = [
    Stage(),
    Stage(loss="listwise"),
    Stage(candidates="all", optimizer="adam"),
    Stage(sampler="regular", loss="softmax", optimizer="sgd", candidates="batch"),
    *recipes.pretrain_finetune().stages,
]


@pytest.mark.parametrize("dim", [1, 2, 16, 64, 1024])
@pytest.mark.parametrize("stage", STAGES, ids=lambda s: f"{s.name}-{s.loss}-{s.optimizer}")
@pytest.mark.parametrize("name", DATA)
def test_whatever_is_left_open_is_filled_in(name, stage, dim):
    filled = resolve(stage, DATA[name], dim)
    assert filled.steps >= 1
    assert filled.epochs is None
    assert filled.batch_size >= 1
    assert filled.learning_rate > 0
    assert 0 < filled.scale <= filled.scale_end
    assert 1 <= filled.validate_every <= max(filled.steps, stage.validate_every or 1)
    assert filled.candidates != "sampled" or filled.negatives >= 1
    assert Stage.model_validate(filled.model_dump()) == filled, "what was filled in is not a stage one may write"
    assert resolve(filled, DATA[name], dim) == filled, "filling in twice changes something"


GIVEN = {
    "batch_size": 7,
    "learning_rate": 0.123,
    "scale": 3.0,
    "scale_end": 5.0,
    "steps": 11,
    "validate_every": 4,
    "keep": "best",
    "momentum": 0.0,
    "optimizer": "adam",
    "decay": "constant",
}


def test_values_that_are_given_are_kept(tree):
    assert resolve(Stage(**GIVEN), tree, 16).model_dump() | GIVEN == resolve(Stage(**GIVEN), tree, 16).model_dump()
    large = DATA["large flat catalogue"]
    assert resolve(Stage(negatives=100), large, 16).negatives == 100


def test_the_papers_rate_is_smaller_where_each_query_is_drawn_more_often():
    first, second = recipes.pretrain_finetune().stages
    rates = [(resolve(first, flat(n), 8).learning_rate, resolve(second, flat(n), 8).learning_rate) for n in (20, 5_000)]
    assert rates == [(pytest.approx(0.02), pytest.approx(2e-5)), (1.0, 0.001)]
    given = recipes.regular(learning_rate=3.0).stages[0]
    assert resolve(given, flat(20), 8).learning_rate == 3.0


@pytest.mark.parametrize(("epochs", "steps"), [(1, 10), (2.5, 25), (0.01, 1)])
def test_epochs_become_steps(tree, epochs, steps):
    assert resolve(Stage(epochs=epochs, batch_size=16), tree, 16).steps == steps  # 155 queries, 16 at a time


def test_an_epoch_of_drawn_pairs_is_as_many_as_there_are(tree):
    assert resolve(Stage(sampler="regular", epochs=1, batch_size=100), tree, 16).steps == 5  # 430 pairs


def test_queries_without_answers_are_in_no_epoch():
    # 5 of the 21 nodes have pairs at distance 1 or more ... all but the root: 20.
    assert resolve(Stage(epochs=1, batch_size=10), DATA["queries without answers"], 8).steps == 2


def test_on_small_data_all_documents_compete():
    for name in ("tree of 200", "flat catalogue", "one node"):
        assert resolve(Stage(), DATA[name], 16).candidates == "all"


def test_on_large_data_some_documents_compete():
    filled = resolve(Stage(), DATA["large flat catalogue"], 16)
    assert filled.candidates == "sampled"
    assert filled.negatives < 30_000 / 2


@pytest.mark.parametrize("candidates", ["all", "batch"])
def test_candidates_that_were_asked_for_stay(candidates):
    assert resolve(Stage(candidates=candidates), DATA["large flat catalogue"], 16).candidates == candidates


def test_short_vectors_and_large_sets_ask_for_no_less():
    # Small gaps need a larger tau, and more steps to open: never less at a smaller dimension.
    filled = [resolve(Stage(), DATA["many parents"], dim) for dim in (4, 16, 64, 256)]
    for shorter, longer in pairwise(filled):
        assert shorter.scale_end >= longer.scale_end
        assert shorter.steps >= longer.steps
    sets = [resolve(Stage(), DATA[name], 16).scale for name in ("flat catalogue", "tree of 200")]
    assert sets == sorted(sets)


def test_small_data_gets_several_steps_an_epoch():
    assert resolve(Stage(epochs=1), DATA["tree of 200"], 16).steps >= 4


def test_tau_rises_and_the_rate_falls_over_the_stage():
    stage = Stage(steps=100, scale=10, scale_end=40, learning_rate=0.5)
    assert (scale_at(stage, 0), scale_at(stage, 50), scale_at(stage, 100)) == pytest.approx((10, 20, 40))
    assert (rate_at(stage, 0), rate_at(stage, 50), rate_at(stage, 100)) == pytest.approx((0.5, 0.25, 0))
    constant = stage.model_copy(update={"decay": "constant"})
    assert rate_at(constant, 99) == 0.5
