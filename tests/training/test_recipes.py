import math

import pytest
from pydantic import ValidationError

from rootward.errors import InputError
from rootward.hierarchy import Hierarchy
from rootward.training import Recipe, Stage, recipes
from rootward.training.defaults import resolve
from shoes import shoes

ALL = [
    recipes.decoupled(),
    recipes.ordered(epochs=2.5),
    recipes.regular(candidates="all"),
    recipes.rebalanced(0.03),
    recipes.pretrain_finetune(),
]


def test_pretrain_finetune_is_the_papers():
    # arXiv 2509.16411: regular pairs at tau 20 with SGD and batches of 4,096; then heavy-tail pairs only, a
    # thousandth of the learning rate, tau 500; the best validated vectors in both stages; 50,000 and 700 steps.
    first, second = recipes.pretrain_finetune().stages
    assert (first.sampler, second.sampler) == ("regular", "heavy_tail")
    assert second.learning_rate == pytest.approx(first.learning_rate / 1000)
    assert (first.scale, first.scale_end, second.scale, second.scale_end) == (20, 20, 500, 500)
    assert (first.steps, second.steps) == (50_000, 700)
    for stage in (first, second):
        assert (stage.loss, stage.optimizer, stage.batch_size) == ("softmax", "sgd", 4096)
        assert stage.keep == "best"
        assert stage.decay == "constant"
        assert stage.momentum > 0
        assert not stage.log_q
    assert second.validate_every < second.steps / 10, "choosing the best needs validations to choose from"
    assert recipes.pretrain_finetune().start == "free"


def test_both_stages_of_pretrain_finetune_take_the_candidates_asked_for():
    for candidates in ("batch", "all"):
        assert [stage.candidates for stage in recipes.pretrain_finetune(candidates=candidates).stages] == [
            candidates
        ] * 2
    stages = recipes.pretrain_finetune(finetune_candidates="all").stages
    assert [stage.candidates for stage in stages] == ["batch", "all"]


def test_finetuning_follows_the_first_stages_rate_and_tau():
    first, second = recipes.pretrain_finetune(learning_rate=3.0, scale=2.0, steps=7, finetune_steps=5).stages
    assert (first.learning_rate, first.scale, first.steps) == (3.0, 2.0, 7)
    assert (second.learning_rate, second.scale, second.scale_end, second.steps) == (0.003, 50.0, 50.0, 5)


@pytest.mark.parametrize("make", [recipes.regular, recipes.pretrain_finetune, lambda **f: recipes.rebalanced(0.1, **f)])
def test_another_tau_of_a_paper_recipe_stays_put_as_the_papers_does(make):
    first = make(scale=40.0).stages[0]
    assert (first.scale, first.scale_end) == (40.0, 40.0)
    first = make(scale=40.0, scale_end=80.0).stages[0]
    assert (first.scale, first.scale_end) == (40.0, 80.0)


def test_rebalanced_keeps_its_share():
    assert recipes.rebalanced(0.03).stages[0].regular_share == 0.03
    with pytest.raises(InputError, match=r"regular_share: .* less than or equal to 1, got 1\.5"):
        recipes.rebalanced(1.5)
    with pytest.raises(InputError, match="as p; leave out regular_share"):
        recipes.rebalanced(0.1, regular_share=0.2)


def test_ordered_ranks_and_decoupled_only_separates():
    assert recipes.ordered().stages[0].loss == "listwise"
    assert recipes.decoupled().stages[0].loss == "decoupled"


@pytest.mark.parametrize("recipe", ALL, ids=lambda recipe: recipe.name)
def test_a_recipe_is_the_same_after_json(recipe):
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def test_with_changes_the_first_stage_of_a_copy():
    before = recipes.pretrain_finetune()
    after = before.with_(steps=3, learning_rate=0.5)
    assert (after.stages[0].steps, after.stages[0].learning_rate) == (3, 0.5)
    assert after.stages[1:] == before.stages[1:]
    assert before == recipes.pretrain_finetune()


def test_epochs_take_the_place_of_steps_and_the_other_way_round():
    by_steps = recipes.regular()
    by_epochs = by_steps.with_(epochs=2)
    assert (by_epochs.stages[0].epochs, by_epochs.stages[0].steps) == (2, None)
    again = by_epochs.with_(steps=9)
    assert (again.stages[0].epochs, again.stages[0].steps) == (None, 9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Stage(rate=1),
        lambda: recipes.decoupled(rate=1),
        lambda: recipes.decoupled().with_(rate=1),
        lambda: Recipe(name="mine", stages=(Stage(),), seed=1),
        lambda: recipes.pretrain_finetune(rate=1),
    ],
)
def test_unknown_fields_are_refused_by_name(make):
    with pytest.raises(InputError, match=r"^a (Stage|Recipe) has no field '(rate|seed)'"):
        make()


def test_a_field_that_is_nearly_one_names_it():
    with pytest.raises(InputError, match=r"^a Stage has no field 'learning_rat'\. Did you mean 'learning_rate'\?$"):
        recipes.decoupled(learning_rat=0.1)


def test_several_wrong_fields_are_told_in_one_message():
    with pytest.raises(InputError) as caught:
        recipes.decoupled(epochs=-1, loss="sofmax")
    assert str(caught.value).count("\n") == 0
    assert "epochs: Input should be greater than 0, got -1" in str(caught.value)
    assert "loss: Input should be 'softmax'" in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"steps": 3, "epochs": 1},
        {"steps": 0},
        {"learning_rate": 0},
        {"scale": -1},
        {"momentum": 1.0},
        {"sampler": "rebalanced"},
        {"regular_share": 0.5},
        {"loss": "listwise", "sampler": "regular"},
        {"loss": "hinge"},
        {"negatives": 0},
        {"epochs": float("inf")},
        {"learning_rate": float("nan")},
    ],
    ids=str,
)
def test_values_that_mean_nothing_are_refused(fields):
    with pytest.raises(InputError):
        Stage(**fields)
    with pytest.raises(InputError):
        recipes.decoupled().with_(**fields)


def test_a_recipe_needs_a_stage_and_each_stage_a_name_of_its_own():
    with pytest.raises(InputError):
        Recipe(name="nothing", stages=())
    with pytest.raises(InputError, match="two stages are called 'train'"):
        Recipe(name="twice", stages=(Stage(), Stage(sampler="heavy_tail")))


def test_recipes_and_stages_do_not_change():
    with pytest.raises(ValidationError):
        recipes.decoupled().stages[0].steps = 3


def test_by_name_makes_each_recipe():
    for name, make in recipes.RECIPES.items():
        arguments = {"p": 0.5} if name == "rebalanced" else {}
        assert recipes.by_name(name, **arguments) == make(**arguments)
        assert make(**arguments).name == name


def test_by_name_says_which_argument_is_missing():
    with pytest.raises(InputError, match=r"'rebalanced' needs p: recipes\.by_name\('rebalanced', p="):
        recipes.by_name("rebalanced")


@pytest.mark.parametrize("make", [recipes.regular, recipes.pretrain_finetune, lambda **f: recipes.rebalanced(0.1, **f)])
def test_epochs_of_a_paper_recipe_take_the_place_of_its_steps(make):
    first, *others = make(epochs=3).stages
    assert (first.epochs, first.steps) == (3, None)
    assert [stage.steps for stage in others] == [stage.steps for stage in make().stages[1:]]
    assert make(steps=9).stages[0].steps == 9
    assert make(steps=None).stages[0].steps is None, "left to the data, or to a time budget"
    with pytest.raises(InputError, match="epochs or steps, not both"):
        make(epochs=3, steps=9)


@pytest.mark.parametrize("field", ["learning_rate", "scale"])
def test_what_finetuning_is_made_from_cannot_be_left_open(field):
    with pytest.raises(InputError, match=f"second stage's {field} from the first's, .* the recipe's (1|20)\\."):
        recipes.pretrain_finetune(**{field: None})
    assert getattr(recipes.regular(**{field: None}).stages[0], field) is None


def test_pretrain_finetune_keeps_the_best_and_says_so():
    with pytest.raises(InputError, match="keeps the best vectors of both stages"):
        recipes.pretrain_finetune(keep="last")


def test_a_recipes_stages_cannot_be_given_another_name():
    for make in (recipes.decoupled, recipes.regular, recipes.pretrain_finetune):
        with pytest.raises(InputError, match="leave out name='mine'"):
            make(name="mine")


def test_a_recipe_that_is_not_there_names_those_that_are():
    with pytest.raises(InputError, match=r"No recipe 'decuopled'; there are .*Did you mean 'decoupled'\?"):
        recipes.by_name("decuopled")


def test_incomplete_is_decoupled_with_a_low_tau_that_stays() -> None:
    (stage,) = recipes.incomplete(steps=7).stages
    assert (stage.loss, stage.soft, stage.steps) == ("decoupled", True, 7)
    found = resolve(stage, shoes().pairs(), 16)
    assert found.scale == found.scale_end == pytest.approx(4 / 3 * math.log(12)), "12 documents"
    (softer,) = recipes.incomplete(scale=2.0).stages
    found = resolve(softer, shoes().pairs(), 16)
    assert (found.scale, found.scale_end) == (2.0, 2.0)


def test_the_soft_tau_grows_with_the_documents_alone() -> None:
    taus = {
        (n, dim): resolve(recipes.incomplete().stages[0], Hierarchy.random_dag(n, max_depth=4).pairs(), dim).scale
        for n in (100, 10_000)
        for dim in (8, 64)
    }
    assert taus[100, 8] == taus[100, 64] == pytest.approx(6.14, abs=0.005)
    assert taus[10_000, 8] == taus[10_000, 64] == pytest.approx(2 * taus[100, 8])
