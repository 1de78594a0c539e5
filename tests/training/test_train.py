import numpy as np
import pytest
import torch

from rootward.encoders import DualEncoder
from rootward.errors import InputError, PairsError, UnknownIdError
from rootward.evaluation import evaluate
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.training import Settings, recipes, train
from training.runs import LOSSES, QUIET, SHORT, fitted, same, vectors

# -- what it learns ----------------------------------------------------------------------------------------------


def test_the_default_recipe_learns_every_shoe_and_the_papers_tree(shoes, tree):
    for pairs in (shoes, tree):
        run = fitted(pairs, recipes.decoupled(steps=300), dim=16)
        assert run.finished
        assert run.report.overall.value == 1.0
        assert run.report.order.whole == 1.0
        assert run.seconds < 10


def test_ordered_puts_the_nearest_first_by_score_alone(shoes):
    run = fitted(shoes, recipes.ordered(steps=300), dim=16)
    assert run.report.overall.value == 1.0
    assert run.report.order.exact_first_by_score == 1.0
    assert run.report.order.in_order_by_score == 1.0


@pytest.mark.parametrize("name", LOSSES)
def test_every_recipe_learns_something_and_stays_on_the_sphere(name, tree):
    before = DualEncoder.lookup(tree, 8, start="random")
    untrained = evaluate(before, tree, bootstrap=0).overall.value
    run = train(before, tree, LOSSES[name], settings=QUIET)
    assert run.report.overall.value > untrained + 0.05
    for side in vectors(run.model):
        torch.testing.assert_close(side.norm(dim=1), torch.ones(len(side)), rtol=0, atol=1e-5)


def test_a_query_without_answers_trains_beside_the_others(shoes):
    gaps = shoes.keep(shoes.query_of % 3 != 1)
    start = DualEncoder.lookup(gaps, 16)
    before = vectors(start)[0]
    run = train(start, gaps, recipes.decoupled(steps=200), settings=QUIET)
    assert run.report.overall.value == 1.0
    assert run.report.n_queries == 8
    unanswered = torch.from_numpy(gaps.sizes == 0)
    assert torch.equal(run.model.query_vectors()[unanswered], before[unanswered]), "nothing was said about these"
    assert torch.isnan(run.model.thresholds[unanswered]).all()


def test_the_model_given_is_the_model_trained(shoes):
    model = DualEncoder.lookup(shoes, 8)
    queries = model.query_vectors()
    before = queries.clone()
    run = train(model, shoes, SHORT, settings=QUIET)
    assert run.model is model
    assert model.query_vectors() is queries
    assert not torch.equal(queries, before)


def test_what_the_user_made_the_model_from_stays_as_it_was(shoes):
    given = np.random.default_rng(0).standard_normal((12, 8)).astype(np.float32)
    before = given.copy()
    model = DualEncoder.from_vectors(shoes, given, given)
    train(model, shoes, SHORT, settings=QUIET)
    assert np.array_equal(given, before)
    assert not torch.equal(*vectors(model)), "queries and documents were one table"


@pytest.mark.parametrize("optimizer", ["lazy_adam", "adam", "sgd"])
def test_vectors_of_ones_own_are_put_on_the_sphere_before_the_first_step(shoes, optimizer):
    queries, documents = 30 * np.random.default_rng(0).standard_normal((2, 12, 8)).astype(np.float32)
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in (queries, documents)]
    recipe = recipes.decoupled(steps=1, optimizer=optimizer, batch_size=1, learning_rate=1e-9)
    model = train(DualEncoder.from_vectors(shoes, queries, documents), shoes, recipe, settings=QUIET).model
    for mine, start in zip(vectors(model), unit, strict=True):
        torch.testing.assert_close(mine, torch.from_numpy(start), rtol=0, atol=1e-5)


# -- the same bits -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["decoupled", "pretrain_finetune", "sampled"])
def test_the_same_seed_gives_the_same_bits_and_another_other_bits(name, tree):
    one, again, other = (fitted(tree, LOSSES[name], seed=seed) for seed in (3, 3, 4))
    assert same(one.model, again.model)
    assert torch.equal(one.model.thresholds, again.model.thresholds)
    assert not same(one.model, other.model)


def test_nothing_in_settings_but_the_blocks_rounding_changes_what_is_learned(tree):
    one = fitted(tree)
    unmeasured = fitted(tree, settings=Settings(device="cpu", progress=False, measure=False))
    assert same(one.model, unmeasured.model)
    assert unmeasured.report is None
    assert unmeasured.finished
    blocks = fitted(tree, settings=Settings(device="cpu", progress=False, block_bytes=1))
    for mine, theirs in zip(vectors(one.model), vectors(blocks.model), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-2)


def test_writing_a_run_changes_nothing_about_it(tree, tmp_path):
    assert same(fitted(tree).model, fitted(tree, out=tmp_path / "run").model)


# -- answer sets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [2, 4, 16])
def test_documents_at_or_above_the_threshold_are_the_relevant_set_where_it_can_be_told(tree, dim, tmp_path):
    run = fitted(tree, recipes.decoupled(steps=150), dim=dim, out=tmp_path / "run")
    model, ranks = DualEncoder.load(tmp_path / "run"), run.report.ranks
    scores = model.query_vectors() @ model.document_vectors().T
    apart = np.flatnonzero(ranks.floor > ranks.ceiling + 1e-6)
    assert len(apart) >= (5 if dim < 16 else 150)
    for q in apart.tolist():
        found = set((scores[q] >= model.thresholds[q]).nonzero()[:, 0].tolist())
        assert found == set(tree.documents[tree.offsets[q] : tree.offsets[q + 1]].tolist())


def test_thresholds_of_an_earlier_training_do_not_outlive_it(shoes, tmp_path):
    run = fitted(shoes)
    assert not torch.isnan(run.model.thresholds).any()
    unmeasured = Settings(device="cpu", progress=False, measure=False)
    train(run.model, shoes, SHORT, settings=unmeasured, out=tmp_path / "run")
    assert torch.isnan(run.model.thresholds).all()
    assert torch.isnan(DualEncoder.load(tmp_path / "run").thresholds).all()


def test_a_reloaded_run_serves_whole_answer_sets(shoes, tmp_path):
    fitted(shoes, recipes.decoupled(steps=200), dim=16, out=tmp_path / "run")
    model = DualEncoder.load(tmp_path / "run")
    asked = model.queries(["kids' sneakers"])
    scores = asked.vectors @ model.document_vectors().T
    found = {model.document_ids[d] for d in (scores[0] >= asked.thresholds[0]).nonzero()[:, 0].tolist()}
    assert found == {"kids' sneakers", "sneakers", "kids' shoes", "shoes", "footwear"}


# -- validation and time -----------------------------------------------------------------------------------------


def test_validation_pairs_of_ones_own_are_what_is_watched(tree):
    watched = tree.near(0)
    run = fitted(tree, validation=watched)
    assert all(len(record.by_distance) == 1 for record in run.history)
    assert run.history[-1].recall == pytest.approx(evaluate(run.model, watched, bootstrap=0).overall.value)
    assert run.report.n_pairs == len(tree), "the report is about all pairs all the same"


def test_watching_changes_nothing_that_is_learned(tree):
    assert same(fitted(tree).model, fitted(tree, validation=tree.far(1)).model)


def test_validation_pairs_may_name_fewer_ids_in_another_order(shoes):
    few = Pairs.from_table([("sandals", "footwear", 1), ("boots", "boots", 0)])
    assert fitted(shoes, validation=few).history[-1].recall is not None


@pytest.mark.parametrize(
    ("validation", "error"),
    [
        (Pairs.from_arrays(Ids("ab"), Ids("ab"), [], [], []), PairsError),
        (Pairs.from_table([("hats", "footwear", 1)]), UnknownIdError),
    ],
    ids=["empty", "unknown ids"],
)
def test_validation_pairs_that_cannot_be_watched_are_refused_before_any_training(shoes, validation, error, tmp_path):
    model = DualEncoder.lookup(shoes, 8)
    before = vectors(model)
    with pytest.raises(error):
        train(model, shoes, SHORT, validation=validation, out=tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(before, vectors(model), strict=True))
    assert not (tmp_path / "run").exists()


def test_a_time_budget_sets_the_steps(tree):
    short, long = (fitted(tree, recipes.decoupled(), minutes=m).recipe.stages[0].steps for m in (0.001, 0.01))
    assert 1 <= short < long
    assert fitted(tree, recipes.decoupled(), minutes=0.01).seconds < 5


def test_a_time_budget_for_a_recipe_with_steps_of_its_own_is_refused_and_not_forgotten(tree, tmp_path):
    for recipe, lengths in ((SHORT, "decoupled 40 steps"), (recipes.regular(), "regular 50,000 steps")):
        with pytest.raises(InputError, match=rf"leaves none \({lengths}\)\. Open the first with .*steps=None"):
            fitted(tree, recipe, minutes=5.0, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_time_budget_sets_the_open_stages_and_leaves_the_others(tree):
    recipe = recipes.pretrain_finetune(steps=None, finetune_steps=7, batch_size=64)
    first, second = fitted(tree, recipe, minutes=0.01).recipe.stages
    assert 1 <= first.steps < 50_000
    assert second.steps == 7


def test_timing_trains_nothing(tree):
    budget = fitted(tree, recipes.decoupled(), minutes=0.002)
    plain = fitted(tree, recipes.decoupled(steps=budget.recipe.stages[0].steps))
    assert same(budget.model, plain.model)
