"""Hard negatives: what the model takes for right and what is not."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from rootward.encoders import DualEncoder
from rootward.errors import InputError
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval.engines.exact import Exact
from rootward.training import Settings, Stage, loop, recipes, train
from rootward.training.batches import Batches, Mined, mine
from rootward.training.defaults import resolve
from rootward.training.loop import gradients
from rootward.training.losses import LOSSES
from rootward.training.session import validate
from training import naive
from training.runs import QUIET

HARD = {"candidates": "sampled", "negatives": 3, "hard_negatives": 2, "batch_size": 6, "steps": 24, "mine_every": 4}


def relevant(pairs: Pairs, query: int) -> set[int]:
    return set(pairs.documents[pairs.offsets[query] : pairs.offsets[query + 1]].tolist())


def random_vectors(pairs: Pairs, dim: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(3)
    return torch.randn(pairs.n_queries, dim, generator=rng), torch.randn(pairs.n_documents, dim, generator=rng)


def test_sandals_are_taken_for_boots(shoes):
    # To "sandals" the shop shows sandals, boots, shoes, flip-flops, footwear: two of these are wrong.
    shown = {"sandals": 0.9, "boots": 0.8, "shoes": 0.7, "flip-flops": 0.6, "footwear": 0.5}
    documents = torch.tensor([[shown.get(name, 0.0)] for name in shoes.document_ids])
    row = shoes.query_ids.row("sandals")
    found = mine(torch.ones(1, 1), documents, np.array([row]), shoes, 2)
    assert [shoes.document_ids[each] for each in found.documents[0].tolist()] == ["boots", "flip-flops"]


def test_mined_is_what_exact_search_shows_without_what_is_relevant(tree):
    queries, documents = random_vectors(tree)
    rows = np.arange(0, tree.n_queries, 2)
    found = mine(queries[rows], documents, rows, tree, 4)
    everything = Exact(documents).search(queries, tree.n_documents)
    for row, mined in zip(rows.tolist(), found.documents.tolist(), strict=True):
        listed = everything.rows[everything.offsets[row] : everything.offsets[row + 1]].tolist()
        assert mined == [each for each in listed if each not in relevant(tree, row)][:4]


def test_where_little_is_wrong_little_is_mined():
    pairs = Pairs.from_arrays(Ids("ab"), Ids("xyz"), [0, 0, 1, 1, 1], [0, 1, 0, 1, 2], [0] * 5)
    queries, documents = random_vectors(pairs)
    found = mine(queries, documents, np.arange(2), pairs, 5)
    assert found.documents.tolist() == [[2, -1, -1, -1, -1], [-1] * 5]
    assert [each.tolist() for each in found.of(np.array([0, 1]))] == [[0], [2]]
    assert [each.tolist() for each in found.of(np.array([1]))] == [[], []]


# -- in a batch ----------------------------------------------------------------------------------------------------


def with_mined(pairs: Pairs, fields: dict, queries=None) -> Batches:
    """Batches of a stage with random vectors mined, for all queries or some."""
    rows = np.flatnonzero(pairs.sizes) if queries is None else queries
    vectors, documents = random_vectors(pairs)
    found = mine(vectors[rows], documents, rows, pairs, fields["hard_negatives"])
    return Batches(pairs, Stage(**fields), 0, 0, found)


@pytest.mark.parametrize("log_q", [True, False])
@pytest.mark.parametrize(
    "fields", [{}, {"candidates": "batch", "negatives": None}, {"sampler": "regular", "batch_size": 30}]
)
def test_what_was_mined_competes_and_is_no_target(tree, fields, log_q):
    batches = with_mined(tree, {**HARD, **fields, "log_q": log_q})
    for step in range(3):
        batch, plain = batches[step], Batches(tree, batches.stage, 0, 0)[step]
        places, documents = batches.mined.of(batch.queries.numpy())
        assert set(batch.documents.tolist()) == set(plain.documents.tolist()) | set(documents.tolist())
        assert len(documents) == 2 * len(batch.queries)
        targets = set(zip(batch.targets.rows.tolist(), batch.targets.columns.tolist(), strict=True))
        for place, document in zip(places.tolist(), documents.tolist(), strict=True):
            assert document not in relevant(tree, int(batch.queries[place]))
        if log_q:
            alone = list(zip(*(each.tolist() for each in batch.alone), strict=True))
            assert not set(alone) & targets
            assert [int(batch.documents[column]) for _, column in alone] == documents.tolist()
        else:
            assert batch.alone is None


@pytest.mark.parametrize("fields", [{}, {"sampler": "regular", "batch_size": 40}])
def test_log_counts_know_of_what_was_mined(tree, fields):
    batches, n = with_mined(tree, {**HARD, "mine_every": None, **fields}), 250
    seen, chance = np.zeros(tree.n_documents), np.full(tree.n_documents, np.nan)
    for step in range(n):
        batch = batches[step]
        if len(batch.queries) >= 6 or fields:  # the last batch of an epoch is smaller
            seen[batch.documents] += 1
            chance[batch.documents] = (-batch.log_counts).exp().numpy()
    assert not np.isnan(chance).any()
    noise = 4.5 * np.sqrt(chance * (1 - chance) / n)
    assert (np.abs(seen / n - chance) <= noise + 0.02).all()


def test_in_batch_columns_count_one_each_on_average_with_what_was_mined(tree):
    fields = {**HARD, "sampler": "regular", "candidates": "batch", "negatives": None, "batch_size": 200}
    batches, n, total = with_mined(tree, fields), 150, np.zeros(tree.n_documents)
    for step in range(n):
        batch = batches[step]
        total[batch.documents] += batch.log_counts.exp().numpy()
    assert (total / n).mean() == pytest.approx(1, abs=0.02)
    assert np.abs(total / n - 1).max() < 0.4


def test_some_queries_speak_for_all_in_the_chance_of_a_document(tree):
    whole = with_mined(tree, HARD)
    half = with_mined(tree, HARD, np.arange(0, tree.n_queries, 2))
    ones = np.ones(tree.n_queries)
    assert half._mined_by(ones).sum() == pytest.approx(whole._mined_by(ones).sum(), rel=0.02)


@pytest.mark.parametrize("loss", ["softmax", "decoupled"])
@pytest.mark.parametrize("n_rows", [2, 1000])
def test_hard_negatives_of_its_own_count_one_each_for_a_query(tree, loss, n_rows):
    batch = with_mined(tree, {**HARD, "batch_size": 9})[0]
    queries, documents = (side.double() for side in random_vectors(tree))
    queries, documents = queries[batch.queries], documents[batch.documents]
    counts = batch.log_counts.double().exp().expand(len(queries), -1).clone()
    counts[batch.alone] = 1.0
    targets = batch.targets
    counts[targets.rows, targets.columns] = 1.0
    mask = torch.zeros_like(counts, dtype=torch.bool)
    mask[targets.rows, targets.columns] = True
    weights = naive.shares(mask) / len(queries)
    leaves = [side.clone().requires_grad_() for side in (queries, documents)]
    scores = leaves[0] @ leaves[1].T
    if loss == "softmax":
        value = naive.softmax(scores, mask, weights, counts)
    else:
        value = naive.decoupled(scores + counts.log(), mask, weights)
    expected = [value.detach(), *torch.autograd.grad(value, leaves)]
    found = gradients(LOSSES[loss], queries.float(), documents.float(), batch, 1.0, 4 * len(documents) * n_rows)
    for one, other in zip(found, expected, strict=True):
        assert_close(one.double(), other, rtol=1e-4, atol=1e-5)


# -- in a training -------------------------------------------------------------------------------------------------


def test_it_is_mined_at_fixed_steps_for_the_queries_to_come(tree, monkeypatch):
    mined: list[Mined] = []
    monkeypatch.setattr(loop, "mine", lambda *given: mined.append(mine(*given)) or mined[-1])
    train(DualEncoder.lookup(tree, 4), tree, recipes.decoupled(**HARD), settings=QUIET)
    batches = Batches(tree, Stage(**HARD), 0, 0)
    assert len(mined) == 6
    for place, found in enumerate(mined):
        assert found.queries.tolist() == batches.queries_of(range(4 * place, 4 * place + 4)).tolist()
    assert any(not np.array_equal(one.documents[:6], other.documents[:6]) for one, other in pairwise(mined))


def test_with_few_negatives_the_hard_ones_find_more_at_equal_steps():
    pairs = Hierarchy.random_dag(400, seed=1).pairs()
    found = []
    for hard in (0, 4):
        model = DualEncoder.lookup(pairs, 8)
        stage = {"candidates": "sampled", "negatives": 4, "batch_size": 32, "steps": 60, "validate_every": 60}
        train(
            model,
            pairs,
            recipes.decoupled(**stage, hard_negatives=hard),
            settings=Settings(measure=False, progress=False),
        )
        found.append(validate(model, pairs)[0])
    assert found[1] > found[0] + 0.02, found


def test_a_time_budget_allows_for_mining(tree):
    recipe = recipes.decoupled(**{**HARD, "steps": None})
    run = train(DualEncoder.lookup(tree, 4), tree, recipe, minutes=0.005, settings=QUIET)
    assert run.finished
    assert run.recipe.stages[0].hard_negatives == 2


def test_where_all_documents_compete_nothing_is_mined(shoes):
    filled = resolve(Stage(hard_negatives=3), shoes, 8)
    assert (filled.candidates, filled.hard_negatives, filled.mine_every) == ("all", 0, None)
    large = Hierarchy.random_dag(300, seed=0).pairs()
    filled = resolve(Stage(hard_negatives=3, negatives=9), large, 8)
    assert filled.mine_every == Batches(large, filled, 0, 0).steps_per_epoch


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"candidates": "all", "hard_negatives": 2}, "with candidates='all' all do"),
        ({"mine_every": 5}, "mine_every belongs to hard_negatives"),
        ({"hard_negatives": -1}, "greater than or equal to 0, got -1"),
    ],
)
def test_fields_that_mean_nothing_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        Stage(**fields)
