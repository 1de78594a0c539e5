import dataclasses

import numpy as np
import pytest
import torch

from rootward.errors import PairsError
from rootward.ids import Ids
from rootward.pairs import HeavyTail, Pairs, Rebalanced, Regular
from rootward.rng import stream
from rootward.training import Stage
from rootward.training.batches import Batches
from rootward.training.loop import gradients
from rootward.training.losses import LOSSES


def stage(**fields) -> Stage:
    return Stage.model_validate({"batch_size": 16, "candidates": "all", "steps": 100, **fields})


def with_gaps(pairs: Pairs) -> Pairs:
    """The same pairs with every fifth query left without."""
    return pairs.keep(pairs.query_of % 5 != 2)


def relevant_in(batch, pairs) -> dict[int, dict[int, int]]:
    """query row -> {document row: distance} of the batch's targets."""
    found: dict[int, dict[int, int]] = {int(q): {} for q in batch.queries}
    for row, column, hops in zip(batch.targets.rows, batch.targets.columns, batch.targets.distances, strict=True):
        found[int(batch.queries[row])][int(batch.documents[column])] = int(hops)
    return found


def answers(pairs: Pairs, query: int) -> dict[int, int]:
    part = slice(pairs.offsets[query], pairs.offsets[query + 1])
    return dict(zip(pairs.documents[part].tolist(), pairs.distances[part].tolist(), strict=True))


# -- all targets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [0, 3])
def test_an_epoch_visits_each_answered_query_once(tree, epoch):
    pairs = with_gaps(tree)
    batches = Batches(pairs, stage(), 0, 0)
    steps = range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch)
    visited = torch.cat([batches[step].queries for step in steps]).tolist()
    assert sorted(visited) == np.flatnonzero(pairs.sizes).tolist()
    assert visited != sorted(visited)


def test_each_epoch_has_an_order_of_its_own(tree):
    batches = Batches(tree, stage(), 0, 0)
    assert not torch.equal(batches[0].queries, batches[batches.steps_per_epoch].queries)


@pytest.mark.parametrize("candidates", ["all", "batch", "sampled"])
def test_targets_are_exactly_the_relevant_set_of_each_query(tree, candidates):
    batches = Batches(tree, stage(candidates=candidates, negatives=10), 0, 0)
    for step in (0, 5, batches.steps_per_epoch - 1):
        batch = batches[step]
        assert relevant_in(batch, tree) == {int(q): answers(tree, int(q)) for q in batch.queries}
        assert batch.n_pairs == len(batch.targets.rows)


@pytest.mark.parametrize("sampler", ["all_targets", "regular", "heavy_tail"])
def test_weights_of_a_batch_add_up_to_one(tree, sampler):
    batches = Batches(with_gaps(tree), stage(sampler=sampler), 0, 0)
    for step in range(4):
        assert batches[step].targets.weights.sum().item() == pytest.approx(1, abs=1e-6)


def test_every_query_counts_the_same_and_each_of_its_targets_too(shoes):
    batch = Batches(shoes, stage(batch_size=5), 0, 0)[0]
    for row, query in enumerate(batch.queries.tolist()):
        weights = batch.targets.weights[batch.targets.rows == row]
        np.testing.assert_allclose(weights, 1 / 5 / len(answers(shoes, query)), rtol=1e-6)


def test_targets_stand_by_row_and_nearest_first(shoes):
    targets = Batches(shoes, stage(batch_size=12), 0, 0)[0].targets
    keys = list(zip(targets.rows.tolist(), targets.distances.tolist(), strict=True))
    assert keys == sorted(keys)


# -- drawn pairs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "make"),
    [
        ({"sampler": "regular"}, Regular),
        ({"sampler": "heavy_tail"}, HeavyTail),
        ({"sampler": "rebalanced", "regular_share": 0.3}, lambda pairs: Rebalanced(pairs, 0.3)),
    ],
)
@pytest.mark.parametrize("candidates", ["all", "batch", "sampled"])
def test_weights_are_how_often_each_pair_was_drawn(tree, fields, make, candidates):
    pairs, size = with_gaps(tree), 200
    chosen = stage(**fields, candidates=candidates, batch_size=size, negatives=20)
    for step in (0, 7):
        batch = Batches(pairs, chosen, 3, 1)[step]
        drawn = make(pairs).draw(stream(3, "train", 1, "draw", step), size)
        times = {}
        for pair in drawn.tolist():
            key = int(pairs.query_of[pair]), int(pairs.documents[pair])
            times[key] = times.get(key, 0) + 1
        t = batch.targets
        found = {
            (int(batch.queries[row]), int(batch.documents[column])): round(float(weight) * size, 4)
            for row, column, weight in zip(t.rows, t.columns, t.weights, strict=True)
            if weight > 0
        }
        assert found == times
        assert batch.n_pairs == len(times)


@pytest.mark.parametrize("candidates", ["all", "sampled", "batch"])
def test_relevant_documents_that_were_not_drawn_are_known_as_relevant(tree, candidates):
    batch = Batches(tree, stage(sampler="regular", candidates=candidates, batch_size=60, negatives=60), 0, 0)[0]
    columns = set(batch.documents.tolist())
    expected = {int(q): {d: hops for d, hops in answers(tree, int(q)).items() if d in columns} for q in batch.queries}
    assert relevant_in(batch, tree) == expected
    assert (batch.targets.weights == 0).any()


# -- documents that compete --------------------------------------------------------------------------------------


def test_all_documents_compete_and_each_stands_for_itself(tree):
    batch = Batches(tree, stage(), 0, 0)[0]
    assert batch.documents.tolist() == list(range(tree.n_documents))
    assert batch.log_counts is None


def test_in_batch_candidates_are_the_documents_drawn_and_count_as_often(tree):
    chosen = stage(sampler="regular", candidates="batch", log_q=False, batch_size=90)
    batch = Batches(tree, chosen, 0, 0)[0]
    drawn = Regular(tree).draw(stream(0, "train", 0, "draw", 0), 90)
    documents, times = np.unique(tree.documents[drawn], return_counts=True)
    assert batch.documents.tolist() == documents.tolist()
    np.testing.assert_allclose(batch.log_counts.exp(), times, rtol=1e-6)
    assert batch.own_counts


def test_log_q_divides_by_how_often_a_document_was_to_be_expected(tree):
    plain, corrected = (
        Batches(tree, stage(sampler="regular", candidates="batch", log_q=log_q, batch_size=90), 0, 0)[0]
        for log_q in (False, True)
    )
    expected = 90 * np.bincount(tree.documents, tree.weights, tree.n_documents)
    ratio = (plain.log_counts - corrected.log_counts).exp()
    np.testing.assert_allclose(ratio, expected[plain.documents], rtol=1e-5)
    assert not corrected.own_counts


def test_in_batch_columns_count_one_each_on_average_under_log_q(tree):
    # E[c / E[c]] = 1 for every document: the corrected batch speaks for all documents alike.
    batches = Batches(tree, stage(sampler="regular", candidates="batch", batch_size=300), 0, 0)
    n, total = 400, np.zeros(tree.n_documents)
    for step in range(n):
        batch = batches[step]
        total[batch.documents] += batch.log_counts.exp().numpy()
    assert np.abs(total / n - 1).max() < 0.25
    assert (total / n).mean() == pytest.approx(1, abs=0.01)


def test_sampled_candidates_hold_every_target_and_uniform_others(tree):
    batches = Batches(tree, stage(candidates="sampled", negatives=12), 0, 0)
    for step in range(5):
        batch = batches[step]
        targets = {d for q in batch.queries.tolist() for d in answers(tree, q)}
        columns = batch.documents.tolist()
        assert targets <= set(columns)
        assert columns == sorted(set(columns))
        assert len(columns) <= len(targets) + 12
    assert Batches(tree, stage(candidates="sampled", negatives=12, log_q=False), 0, 0)[0].log_counts is None


@pytest.mark.parametrize(
    "fields",
    [
        {"sampler": "all_targets"},
        {"sampler": "regular", "batch_size": 400},
        {"sampler": "regular", "batch_size": 30},
        {"sampler": "heavy_tail", "batch_size": 100},
        {"sampler": "rebalanced", "regular_share": 0.3, "batch_size": 100},
    ],
    ids=lambda fields: f"{fields['sampler']}-{fields.get('batch_size', 16)}",
)
def test_log_counts_are_minus_the_log_of_the_chance_to_be_a_candidate(tree, fields):
    pairs, n = with_gaps(tree), 1_000
    batches = Batches(pairs, stage(candidates="sampled", negatives=15, **fields), 0, 0)
    if fields["sampler"] == "all_targets":  # the last batch of an epoch is smaller: its chances are its own
        steps = [step for step in range(2 * n) if (step + 1) % batches.steps_per_epoch][:n]
    else:
        steps = range(n)
    seen, chance = np.zeros(pairs.n_documents), np.full(pairs.n_documents, np.nan)
    for step in steps:
        batch = batches[step]
        seen[batch.documents] += 1
        chance[batch.documents] = (-batch.log_counts).exp().numpy()
    assert not np.isnan(chance).any()
    noise = 4.5 * np.sqrt(chance * (1 - chance) / n)
    off = np.abs(seen / n - chance)
    assert (off <= noise + 0.015).all(), f"off by {off.max():.3f} at document {off.argmax()}"


# -- the same from wherever one begins ---------------------------------------------------------------------------

KINDS = [
    {},
    {"candidates": "sampled", "negatives": 9},
    {"sampler": "regular", "candidates": "batch"},
    {"sampler": "heavy_tail", "candidates": "sampled", "negatives": 9},
]


def flat(batch) -> list[torch.Tensor]:
    counts = [] if batch.log_counts is None else [batch.log_counts]
    return [batch.queries, batch.documents, *counts, *vars(batch.targets).values()]


def same(one, other) -> bool:
    mine, theirs = flat(one), flat(other)
    return len(mine) == len(theirs) and all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("fields", KINDS)
def test_a_batch_depends_on_seed_stage_and_step_alone(tree, fields):
    chosen = stage(**fields)
    onwards = [Batches(tree, chosen, 1, 0)[step] for step in range(25)]
    jumping = Batches(tree, chosen, 1, 0)
    for step in (24, 3, 11, 0, 10, 3):
        assert same(jumping[step], onwards[step])
    assert not same(Batches(tree, chosen, 2, 0)[3], onwards[3])
    assert not same(Batches(tree, chosen, 1, 1)[3], onwards[3])
    assert not same(onwards[3], onwards[4])


def test_a_batch_on_its_own_device_is_itself(shoes):
    batch = Batches(shoes, stage(), 0, 0)[0]
    assert batch.to(torch.device("cpu")) is batch


def test_there_is_nothing_to_draw_from_no_pairs():
    nothing = Pairs.from_arrays(Ids("ab"), Ids("ab"), [], [], [])
    for sampler in ("all_targets", "regular"):
        with pytest.raises(PairsError, match="no pairs"):
            Batches(nothing, stage(sampler=sampler), 0, 0)[0]


def test_a_batch_is_a_value(shoes):
    with pytest.raises(dataclasses.FrozenInstanceError):
        Batches(shoes, stage(), 0, 0)[0].n_pairs = 3


def test_doubling_the_weight_of_a_query_is_having_it_twice():
    """Loss and gradients of a batch of all queries, by hand: the repeated query has both its gradients."""
    documents = Ids(["shoes", "boots", "sandals"])
    rows = [0, 1, 1, 2], [0, 1, 0, 2]
    weights = np.array([1.0, 2.0, 1.0])
    weighted = Pairs.from_arrays(Ids("abc"), documents, *rows, [0, 0, 1, 0], query_weights=weights)
    twice = Pairs.from_arrays(Ids("abcd"), documents, [*rows[0], 3, 3], [*rows[1], 1, 0], [0, 0, 1, 0, 0, 1])
    rng = np.random.default_rng(0)
    q, d = (torch.from_numpy(rng.standard_normal((3, 4)).astype(np.float32)) for _ in range(2))
    found = []
    for pairs, vectors in ((weighted, q), (twice, torch.cat([q, q[1:2]]))):
        batch = Batches(pairs, stage(batch_size=8, candidates="all", steps=1), 0, 0)[0]
        loss, by_query, by_document = gradients(LOSSES["decoupled"], vectors[batch.queries], d, batch, 5.0)
        out = torch.zeros_like(vectors)
        out[batch.queries] = by_query
        found.append((float(loss), out, by_document))
    (loss, by_query, by_document), (loss_twice, by_query_twice, by_document_twice) = found
    assert loss == pytest.approx(loss_twice, rel=1e-5)
    assert torch.allclose(by_document, by_document_twice, atol=1e-6)
    by_query_twice[1] += by_query_twice[3]
    assert torch.allclose(by_query, by_query_twice[:3], atol=1e-6)
