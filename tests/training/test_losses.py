import math

import pytest
import torch
from torch.testing import assert_close

from rootward.training import losses
from training import naive, pure


def drawn(seed: int, n_rows: int = 7, n_columns: int = 11, share: float = 0.3):
    """Scores in float64 and a mask with some rows of no target, one of all, distances with ties."""
    rng = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(n_rows, n_columns, generator=rng, dtype=torch.float64)
    mask = torch.rand(n_rows, n_columns, generator=rng) < share
    mask[1] = False
    mask[2, 0] = True
    distances = torch.randint(0, 4, mask.shape, generator=rng)
    return scores, mask, distances


def dyadic(mask: torch.Tensor) -> torch.Tensor:
    """Weights that differ from target to target and are exact in float32."""
    return mask * (torch.arange(mask.numel()).reshape(mask.shape) % 8 + 1) / 64


# -- against torch and against the formulas ----------------------------------------------------------------------


def test_softmax_with_one_target_a_row_is_torchs_cross_entropy():
    rng = torch.Generator().manual_seed(0)
    scores = (4 * torch.randn(9, 13, generator=rng, dtype=torch.float64)).requires_grad_()
    aims = torch.randint(0, 13, (9,), generator=rng)
    expected = torch.nn.functional.cross_entropy(scores, aims, reduction="sum")
    (by_autograd,) = torch.autograd.grad(expected, scores)
    value, gradient = pure.softmax(scores.detach(), torch.nn.functional.one_hot(aims, 13).bool())
    assert_close(value, expected.detach(), rtol=1e-12, atol=0)
    assert_close(gradient, by_autograd, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_softmax_with_several_weighted_targets(seed):
    scores, mask, _ = drawn(seed)
    weights = dyadic(mask)
    value, gradient = pure.softmax(scores, mask, weights=weights)
    expected = naive.value_and_gradient(naive.softmax, scores, mask, weights)
    assert_close((value, gradient), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_decoupled_is_softplus_of_the_non_targets_lead(seed):
    scores, mask, _ = drawn(seed)
    weights = dyadic(mask)
    value, gradient = pure.decoupled(scores, mask, weights=weights)
    expected = naive.value_and_gradient(naive.decoupled, scores, mask, weights)
    assert_close((value, gradient), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", range(5))
def test_listwise_is_the_loop_over_targets_ties_in_distance_included(seed):
    scores, mask, distances = drawn(seed, share=0.5)
    weights = dyadic(mask)
    value, gradient = pure.listwise(scores, mask, distances, weights=weights)
    expected = naive.value_and_gradient(naive.listwise, scores, mask, distances, weights)
    assert_close((value, gradient), expected, rtol=1e-10, atol=1e-12)


def test_without_weights_a_target_counts_one_over_the_size_of_its_set():
    scores, mask, distances = drawn(4)
    shares = naive.shares(mask)
    close = {"rtol": 1e-6, "atol": 1e-7}  # weights are float32
    assert_close(pure.softmax(scores, mask).value, naive.softmax(scores, mask, shares), **close)
    assert_close(pure.decoupled(scores, mask).value, naive.decoupled(scores, mask, shares), **close)
    value = pure.listwise(scores, mask, distances).value
    assert_close(value, naive.listwise(scores, mask, distances, shares), **close)


class AsFunction(torch.autograd.Function):
    """A loss with its own gradient, as autograd sees it."""

    @staticmethod
    def forward(ctx, scores, loss):
        value, gradient = loss(scores)
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    def backward(ctx, above):
        return above * ctx.saved_tensors[0], None


@pytest.mark.parametrize("name", losses.LOSSES)
def test_the_gradient_is_the_slope_of_the_value(name):
    scores, mask, distances = drawn(7, 4, 6, share=0.5)
    arguments = (mask, distances) if name == "listwise" else (mask,)
    counts = torch.linspace(-1, 1, 6, dtype=torch.float64)
    loss = getattr(pure, name)
    assert torch.autograd.gradcheck(
        lambda s: AsFunction.apply(s, lambda x: loss(x, *arguments, weights=dyadic(mask), log_counts=counts)),
        scores.requires_grad_(),
    )


# -- what each loss wants, by hand -------------------------------------------------------------------------------


def test_one_query_and_three_documents_worked_out_by_hand():
    # exp of the scores: 2 for the exact match, 1 for its parent, 3 for a stranger.
    scores = torch.tensor([[2.0, 1.0, 3.0]], dtype=torch.float64).log()
    mask = torch.tensor([[True, True, False]])
    hops = torch.tensor([[0, 1, 0]])
    # Everything competes: 2/6 and 1/6 of the mass are right, so -log(1/3)/2 - log(1/6)/2.
    value, gradient = pure.softmax(scores, mask)
    assert value.item() == pytest.approx((math.log(3) + math.log(6)) / 2)
    assert_close(gradient, torch.tensor([[2 / 6 - 0.5, 1 / 6 - 0.5, 3 / 6]], dtype=torch.float64))
    # The exact match against the stranger: 2 of 5; the parent against the stranger: 1 of 4.
    value, gradient = pure.decoupled(scores, mask)
    assert value.item() == pytest.approx((math.log(5 / 2) + math.log(4)) / 2)
    assert_close(gradient, torch.tensor([[-3 / 10, -3 / 8, 3 / 10 + 3 / 8]], dtype=torch.float64))
    # The exact match against its parent too: 2 of 6; the parent as before, and pushed down by 1/6 of a half.
    value, gradient = pure.listwise(scores, mask, hops)
    assert value.item() == pytest.approx((math.log(3) + math.log(4)) / 2)
    assert_close(gradient, torch.tensor([[-4 / 12, -3 / 8 + 1 / 12, 3 / 12 + 3 / 8]], dtype=torch.float64))


def test_decoupled_never_sets_two_targets_against_each_other():
    scores, mask, _ = drawn(1, share=0.5)
    _, before = pure.decoupled(scores, mask)
    for b, d in mask.nonzero().tolist():
        moved = scores.clone()
        moved[b, d] += 5.0
        _, after = pure.decoupled(moved, mask)
        others = mask.clone()
        others[b, d] = False
        assert torch.equal(before[others], after[others]), "a target felt another target's score"
    assert (before[mask] <= 0).all()
    assert (before[~mask] >= 0).all()


def test_listwise_lets_targets_of_one_distance_alone():
    scores, mask, _ = drawn(1, share=0.5)
    nowhere_farther = torch.full(mask.shape, 2)
    listwise = pure.listwise(scores, mask, nowhere_farther, weights=dyadic(mask))
    assert_close(listwise, pure.decoupled(scores, mask, weights=dyadic(mask)), rtol=1e-10, atol=1e-12)


def test_listwise_pushes_the_farther_of_two_targets_below_the_nearer():
    scores = torch.zeros(1, 3, dtype=torch.float64)
    mask = torch.tensor([[True, True, False]])
    _, gradient = pure.listwise(scores, mask, torch.tensor([[0, 1, 0]]))
    assert gradient[0, 0] < gradient[0, 1] < 0 < gradient[0, 2]


# -- documents that stand for several, or for a share ------------------------------------------------------------


def test_a_document_drawn_twice_is_two_columns_of_the_in_batch_softmax():
    rng = torch.Generator().manual_seed(0)
    scores = torch.randn(4, 3, generator=rng, dtype=torch.float64)
    mask = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]]).bool()  # document 1 was drawn twice
    twice = torch.tensor([0, 1, 1, 2])
    aims = torch.tensor([0, 1, 3, 2])  # each query its own column among the four
    value, gradient = pure.softmax(scores, mask, log_counts=torch.tensor([1.0, 2.0, 1.0]).log())
    plain = pure.softmax(scores[:, twice], torch.nn.functional.one_hot(aims, 4).bool())
    assert_close(value, plain.value, rtol=1e-6, atol=0)
    summed = torch.zeros_like(scores).index_add_(1, twice, plain.gradient)
    assert_close(gradient, summed, rtol=1e-6, atol=1e-7)


def test_counts_do_not_touch_the_target_itself_when_it_stands_for_itself():
    scores, mask, _ = drawn(0)
    log_counts = torch.linspace(-1, 2, scores.shape[1], dtype=torch.float64)
    counts = log_counts.exp().expand_as(scores).clone()
    all_count = pure.softmax(scores, mask, weights=dyadic(mask), log_counts=log_counts)
    assert_close(all_count.value, naive.softmax(scores, mask, dyadic(mask), counts), rtol=1e-10, atol=0)
    counts[mask] = 1.0
    own = pure.softmax(scores, mask, weights=dyadic(mask), log_counts=log_counts, own_counts=False)
    expected = naive.value_and_gradient(naive.softmax, scores, mask, dyadic(mask), counts)
    assert_close(tuple(own), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("own_counts", [True, False])
def test_a_farther_target_competes_as_often_as_it_counts_unless_own_targets_stand_for_themselves(own_counts):
    scores, mask, distances = drawn(2, share=0.5)
    log_counts = torch.linspace(-1, 2, scores.shape[1], dtype=torch.float64)
    counts = log_counts.exp().expand_as(scores).clone()
    if not own_counts:
        counts[mask] = 1.0
    found = pure.listwise(scores, mask, distances, weights=dyadic(mask), log_counts=log_counts, own_counts=own_counts)
    expected = naive.value_and_gradient(naive.listwise, scores, mask, distances, dyadic(mask), counts)
    assert_close(tuple(found), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["softmax", "decoupled"])
def test_sampled_denominators_are_right_on_average(name):
    # A non-target is a column with chance p and then counts 1/p: on average as much as when all are columns.
    rng = torch.Generator().manual_seed(0)
    n, n_targets, n_draws = 40, 3, 3_000
    scores = torch.randn(n, generator=rng, dtype=torch.float64)
    chance = torch.rand(n, generator=rng, dtype=torch.float64) * 0.8 + 0.1
    there = torch.rand(n_draws, n, generator=rng, dtype=torch.float64) < chance
    there[:, :n_targets] = True
    mask = torch.zeros(n_draws, n, dtype=torch.bool)
    mask[:, 0] = True
    if name == "softmax":
        chance[:n_targets] = 1.0
    else:
        mask[:, :n_targets] = True
    log_counts = -chance.log()
    # columns that were not drawn are worth nothing to anybody
    rows = torch.where(there, scores, -1e30)
    weights = torch.zeros(n_draws, n)
    weights[:, 0] = 1
    extra = {"own_counts": False} if name == "softmax" else {}
    estimates = torch.stack(
        [
            getattr(pure, name)(
                rows[i : i + 1], mask[i : i + 1], weights=weights[i : i + 1], log_counts=log_counts, **extra
            )[0]
            for i in range(n_draws)
        ]
    )
    if name == "softmax":
        denominators, full = (estimates + scores[0]).exp(), scores.exp().sum()
    else:
        denominators, full = torch.expm1(estimates) * scores[0].exp(), scores[n_targets:].exp().sum()
    assert denominators.mean().item() == pytest.approx(full.item(), rel=0.02)


# -- odd rows and odd scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_query_without_targets_adds_nothing(name):
    scores, mask, distances = drawn(3)
    loss = getattr(pure, name)
    hops = (distances,) if name == "listwise" else ()
    value, gradient = loss(scores, mask, *hops)
    some = mask.any(1)
    assert not some.all()
    assert not gradient[~some].any()
    without = loss(scores[some], mask[some], *(each[some] for each in hops))
    assert_close(value, without.value)
    assert_close(gradient[some], without.gradient)
    nothing = loss(scores, torch.zeros_like(mask), *hops)
    assert nothing.value == 0
    assert not nothing.gradient.any()


@pytest.mark.parametrize("name", ["decoupled", "listwise"])
def test_where_everything_is_relevant_at_one_distance_there_is_nothing_to_learn(name):
    scores = torch.randn(2, 5)
    everything = torch.ones(2, 5, dtype=torch.bool)
    hops = (torch.zeros(2, 5, dtype=torch.int64),) if name == "listwise" else ()
    value, gradient = getattr(pure, name)(scores, everything, *hops)
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("size", [1e4, 1e-30])
def test_extreme_scores_stay_finite(name, size):
    rng = torch.Generator().manual_seed(0)
    scores = size * (torch.randint(0, 2, (6, 9), generator=rng) * 2.0 - 1)
    mask = torch.rand(6, 9, generator=rng) < 0.4
    mask[4], mask[5] = True, False
    hops = (torch.randint(0, 3, mask.shape, generator=rng),) if name == "listwise" else ()
    value, gradient = getattr(pure, name)(scores, mask, *hops)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()
    assert_close(gradient.sum(1), torch.zeros(6), atol=1e-3, rtol=0)  # a shift of all scores changes nothing


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_lead_of_twenty_thousand_costs_twenty_thousand(name):
    scores = torch.tensor([[-1e4, 1e4]])
    mask = torch.tensor([[True, False]])
    hops = (torch.zeros(1, 2, dtype=torch.int64),) if name == "listwise" else ()
    value, gradient = getattr(pure, name)(scores, mask, *hops)
    assert value.item() == 2e4
    assert gradient.tolist() == [[-1.0, 1.0]]


@pytest.mark.parametrize("name", losses.LOSSES)
def test_built_in_losses_write_the_gradient_over_the_scores(name):
    scores, mask, distances = drawn(0)
    hops = (distances,) if name == "listwise" else ()
    expected = getattr(pure, name)(scores, mask, *hops)
    value = losses.LOSSES[name](scores, pure.targets_of(mask, None, *hops))
    assert torch.equal(value, expected.value)
    assert torch.equal(scores, expected.gradient)


def test_targets_of_a_mask_stand_by_row_and_nearest_first():
    mask = torch.tensor([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0]]).bool()
    hops = torch.tensor([[3, 0, 9, 1], [9, 9, 9, 9], [0, 2, 1, 0]])
    found = pure.targets_of(mask, distances=hops)
    assert found.rows.tolist() == [0, 0, 0, 2, 2]
    assert found.columns.tolist() == [1, 3, 0, 2, 1]
    assert found.distances.tolist() == [0, 1, 3, 1, 2]
    assert found.weights.tolist() == pytest.approx([1 / 3] * 3 + [1 / 2] * 2)
