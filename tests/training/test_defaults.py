from itertools import pairwise

import pytest

from rootward.encoders import DualEncoder, new_encoder
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.training import Stage, recipes
from rootward.training.defaults import CHEAP, ENCODED, costs_of, resolve
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


# -- where documents go through a network ------------------------------------------------------------------------------

AS_EVER = {
    "tree of 200": {"candidates": "all", "negatives": None, "batch_size": 32, "steps": 2_000, "validate_every": 100},
    "large flat catalogue": {"candidates": "sampled", "negatives": 2_048, "batch_size": 512, "steps": 2_000},
}


def test_tables_and_texts_of_no_network_are_trained_as_ever():
    for name, expected in AS_EVER.items():
        filled = resolve(Stage(), DATA[name], 64).model_dump()
        assert filled | expected | {"warmup": 0.0} == filled
        assert (filled["learning_rate"], filled["momentum"]) == (0.2, 0.8)


def test_documents_that_are_encoded_in_each_step_are_few_and_trained_for_less_long():
    tree = Hierarchy.random_dag(366, multi_parent_share=0.0).pairs()
    filled = resolve(Stage(), tree, 128, ENCODED)
    assert (filled.candidates, filled.negatives, filled.log_q) == ("sampled", 64, True)
    assert (filled.steps, filled.warmup, filled.batch_size) == (200, 0.1, 45)
    assert filled.validate_every == 10
    large = resolve(Stage(), DATA["large flat catalogue"], 128, ENCODED)
    assert (large.batch_size, large.steps, large.validate_every) == (64, 3 * 469, 469)
    drawn = resolve(Stage(sampler="regular", loss="softmax"), DATA["large flat catalogue"], 128, ENCODED)
    assert (drawn.batch_size, drawn.steps) == (64, 3 * 469)


@pytest.mark.parametrize("stage", STAGES, ids=lambda s: f"{s.name}-{s.loss}-{s.optimizer}")
@pytest.mark.parametrize("name", DATA)
def test_what_is_given_stays_there_too_and_filling_in_twice_changes_nothing(name, stage):
    filled = resolve(stage, DATA[name], 16, ENCODED)
    assert resolve(filled, DATA[name], 16, ENCODED) == filled
    assert resolve(filled, DATA[name], 16) == filled
    assert 1 <= filled.validate_every <= max(filled.steps, stage.validate_every or 1)
    given = Stage(**GIVEN, warmup=0.0, candidates="all")
    assert resolve(given, DATA[name], 16, ENCODED).model_dump() | GIVEN | {"warmup": 0.0, "candidates": "all"} == (
        resolve(given, DATA[name], 16, ENCODED).model_dump()
    )


def test_only_a_full_tower_that_reads_documents_encodes_them(tmp_path):
    ids = Ids(["boots", "rain boots"])
    pairs = Pairs.from_arrays(ids, ids, [0, 1, 1], [0, 1, 0], [0, 0, 1])
    encoder = new_encoder(["shoes", "boots"], tmp_path / "tiny", layers=1, width=8, heads=1, mlp=8, longest=8)
    on = {"dim": 4, "encoder": encoder, "cache": tmp_path / "cache"}
    full = {
        kind: costs_of(DualEncoder.text(pairs, "full", documents=kind, **on)) for kind in ("tied", "text", "lookup")
    }
    assert full == {"tied": ENCODED, "text": ENCODED, "lookup": CHEAP}
    others = [DualEncoder.lookup(pairs, 4), DualEncoder.text(pairs, dim=4)]
    others += [DualEncoder.text(pairs, tower, **on) for tower in ("frozen", "joint")]
    assert [costs_of(model) for model in others] == [CHEAP] * 4
