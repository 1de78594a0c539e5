import pytest
import torch
from torch.testing import assert_close

from rootward.training.batches import Batch
from rootward.training.loop import gradients
from rootward.training.losses import LOSSES
from training import naive, pure

SCALE = 7.0


def drawn(seed: int = 0, n_queries: int = 23, n_documents: int = 31, dim: int = 5):
    """Unit vectors in float64 and a batch of them, some queries without targets."""
    rng = torch.Generator().manual_seed(seed)
    queries, documents = (
        torch.nn.functional.normalize(torch.randn(n, dim, generator=rng, dtype=torch.float64))
        for n in (n_queries, n_documents)
    )
    mask = torch.rand(n_queries, n_documents, generator=rng) < 0.2
    mask[[3, 22]] = False
    distances = torch.randint(0, 3, mask.shape, generator=rng)
    return queries, documents, mask, distances


def batch_of(mask, distances, log_counts=None, own_counts=True) -> Batch:
    targets = pure.targets_of(mask, None, distances)
    return Batch(torch.arange(len(mask)), torch.arange(mask.shape[1]), log_counts, own_counts, targets, int(mask.sum()))


def by_autograd(name, queries, documents, mask, distances):
    queries, documents = queries.clone().requires_grad_(), documents.clone().requires_grad_()
    scores = SCALE * queries @ documents.T
    hops = (distances,) if name == "listwise" else ()
    value = getattr(naive, name)(scores, mask, *hops, naive.shares(mask))
    return value.detach(), *torch.autograd.grad(value, (queries, documents))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("n_rows", [1, 4, 23, 1000])
def test_in_blocks_of_any_size_it_is_the_gradient_of_the_whole_expression(name, n_rows):
    queries, documents, mask, distances = drawn()
    batch = batch_of(mask, distances)
    found = gradients(LOSSES[name], queries, documents, batch, SCALE, 4 * len(documents) * n_rows)
    assert_close(found, by_autograd(name, queries, documents, mask, distances), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_blocks_agree_in_float32_with_counts(name):
    queries, documents, mask, distances = drawn(1)
    queries, documents = queries.float(), documents.float()
    batch = batch_of(mask, distances, torch.linspace(-2, 2, len(documents)), own_counts=False)
    whole = gradients(LOSSES[name], queries, documents, batch, SCALE)
    for n_rows in (1, 5, 22):
        blocks = gradients(LOSSES[name], queries, documents, batch, SCALE, 4 * len(documents) * n_rows)
        assert_close(blocks, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("block_bytes", "most"), [(1, 31), (4 * 31 * 6 + 5, 31 * 6), (1 << 20, 31 * 23)])
def test_scores_held_at_a_time_stay_within_the_budget_but_for_one_row(block_bytes, most):
    queries, documents, mask, distances = drawn()
    seen = []

    def loss(scores, targets, log_counts, own_counts):
        seen.append((tuple(scores.shape), scores.untyped_storage().nbytes()))
        assert targets.rows.min() >= 0
        assert targets.rows.max() < len(scores)
        return LOSSES["decoupled"](scores, targets, log_counts, own_counts)

    mask[:, 0] = True
    gradients(loss, queries.float(), documents.float(), batch_of(mask, distances), SCALE, block_bytes)
    assert sum(shape[0] for shape, _ in seen) == len(queries)
    assert all(shape[1] == len(documents) for shape, _ in seen)
    assert max(shape[0] * shape[1] for shape, _ in seen) == most
    assert max(held for _, held in seen) == 4 * most, "the buffer behind the block is larger than the block"


def test_vectors_are_left_alone():
    queries, documents, mask, distances = drawn()
    before = queries.clone(), documents.clone()
    gradients(LOSSES["decoupled"], queries, documents, batch_of(mask, distances), SCALE, 4 * 31 * 5)
    assert torch.equal(before[0], queries)
    assert torch.equal(before[1], documents)


@pytest.mark.parametrize("name", LOSSES)
def test_bfloat16_is_close_to_float32(name):
    queries, documents, mask, distances = drawn(2, 40, 60, 16)
    queries, documents = queries.float(), documents.float()
    batch = batch_of(mask, distances)
    exact = gradients(LOSSES[name], queries, documents, batch, SCALE)
    rough = gradients(LOSSES[name], queries, documents, batch, SCALE, precision=torch.bfloat16)
    assert all(each.dtype == torch.float32 for each in rough)
    assert rough[0].item() == pytest.approx(exact[0].item(), rel=0.01)
    for one, other in zip(rough[1:], exact[1:], strict=True):
        assert (one - other).norm() < 0.02 * other.norm()
        assert not torch.equal(one, other)


def test_a_single_query_and_a_single_document():
    one = torch.tensor([[1.0, 0.0]])
    batch = batch_of(torch.tensor([[True]]), torch.tensor([[0]]))
    for name, loss in LOSSES.items():
        value, by_query, by_document = gradients(loss, one, one.clone(), batch, SCALE)
        assert value == 0, name
        assert not by_query.any()
        assert not by_document.any()
