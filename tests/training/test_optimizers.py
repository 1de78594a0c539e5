import pytest
import torch
from torch.nn.functional import normalize
from torch.testing import assert_close

from rootward.training import Stage
from rootward.training.optimizers import SGD, Adam, LazyAdam, optimizer_of

N, DIM = 12, 5


def table(dtype=torch.float64) -> torch.Tensor:
    return normalize(torch.randn(N, DIM, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).to(dtype)


def steps(n: int = 8):
    """(rows, gradient) of some steps, each on a few rows; sizes from tiny to large."""
    rng = torch.Generator().manual_seed(1)
    for step in range(n):
        rows = torch.randperm(N, generator=rng)[: 3 + step % 4]
        yield rows, 10.0 ** (step % 3 - 1) * torch.randn(len(rows), DIM, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_torchs_with_rows_put_back_on_the_sphere(momentum):
    ours, theirs = table(), table().requires_grad_()
    mine, reference = SGD(ours, momentum), torch.optim.SGD([theirs], lr=0.1, momentum=momentum)
    for rows, gradient in steps():
        mine.step(rows, gradient, 0.1)
        theirs.grad = torch.zeros_like(theirs).index_add_(0, rows, gradient)
        reference.step()
        theirs.data = normalize(theirs.data)
        assert_close(ours, theirs.data, rtol=1e-10, atol=1e-12)


def test_adam_is_torchs_with_rows_put_back_on_the_sphere():
    ours, theirs = table(), table().requires_grad_()
    mine = Adam(ours, 0.9, 0.99)
    reference = torch.optim.Adam([theirs], lr=0.05, betas=(0.9, 0.99), eps=1e-12)
    for rows, gradient in steps():
        mine.step(rows, gradient, 0.05)
        theirs.grad = torch.zeros_like(theirs).index_add_(0, rows, gradient)
        reference.step()
        theirs.data = normalize(theirs.data)
        assert_close(ours, theirs.data, rtol=1e-9, atol=1e-10)


def test_lazy_adam_in_one_dimension_a_row_is_torchs_before_the_sphere():
    # With one entry a row the row's square is the entry's, so moments and step are Adam's.
    ours, theirs = torch.ones(N, 1, dtype=torch.float64), torch.zeros(N, 1, dtype=torch.float64).requires_grad_()
    mine = LazyAdam(ours, 0.9, 0.99)
    reference = torch.optim.Adam([theirs], lr=1.0, betas=(0.9, 0.99), eps=1e-12)
    rows = torch.arange(N)
    for _, gradient in zip(range(5), torch.randn(5, N, 1, dtype=torch.float64), strict=True):
        before = theirs.data.clone()
        mine.step(rows, gradient, 1e-9)
        theirs.grad = gradient
        reference.step()
        square = mine.square / (1 - 0.99**mine.count)
        step = mine.mean / (1 - 0.9 ** mine.count[:, None]) / square.sqrt()[:, None]
        assert_close(before - theirs.data, step, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("make", [LazyAdam, Adam, lambda t, m, s: SGD(t, m)], ids=["lazy_adam", "adam", "sgd"])
def test_rows_are_on_the_sphere_after_a_step(make):
    rows = table(torch.float32)
    optimizer = make(rows, 0.9, 0.99)
    for moved, gradient in steps():
        optimizer.step(moved, gradient.float(), 0.5)
        assert_close(rows.norm(dim=1), torch.ones(N), rtol=0, atol=1e-6)


def test_lazy_adam_leaves_rows_outside_the_batch_bit_by_bit():
    rows = 3 * table(torch.float32)  # not even on the sphere
    before, optimizer = rows.clone(), LazyAdam(rows, 0.9, 0.99)
    moved = torch.tensor([7, 2])
    for _ in range(3):
        optimizer.step(moved, torch.randn(2, DIM), 0.1)
    others = torch.ones(N, dtype=torch.bool)
    others[moved] = False
    assert torch.equal(rows[others], before[others])
    assert not optimizer.mean[others].any()
    assert optimizer.count.tolist() == [3.0 if row in (2, 7) else 0.0 for row in range(N)]


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("dim", [2, 8, 64])
def test_the_first_step_of_lazy_adam_turns_a_row_by_its_rate_whatever_dimension_and_gradient(size, dim):
    rows = normalize(torch.randn(1, dim))
    sideways = torch.randn(1, dim)
    sideways -= (sideways * rows).sum() * rows
    moved = rows.clone()
    LazyAdam(moved, 0.9, 0.99).step(torch.tensor([0]), size * normalize(sideways), 0.05)
    angle = torch.atan2((moved - (moved * rows).sum() * rows).norm(), (moved * rows).sum())
    assert angle.item() == pytest.approx(0.05, rel=2e-3)
    assert (moved * sideways).sum() < 0, "a step goes down the gradient"


def test_each_row_of_lazy_adam_counts_its_own_steps():
    # A row that joins at the fifth step takes a first step, as long as the others' first.
    rows, alone = table(), table()
    late, one = torch.tensor([4]), torch.tensor([[0.3, -0.1, 0.2, 0.0, 0.5]], dtype=torch.float64)
    optimizer = LazyAdam(rows, 0.9, 0.99)
    for _ in range(4):
        optimizer.step(torch.tensor([0, 1]), torch.randn(2, DIM, dtype=torch.float64), 0.1)
    optimizer.step(late, one, 0.1)
    LazyAdam(alone, 0.9, 0.99).step(late, one, 0.1)
    assert torch.equal(rows[4], alone[4])


@pytest.mark.parametrize("make", [LazyAdam, lambda t, m, s: SGD(t, m)], ids=["lazy_adam", "sgd"])
def test_turning_table_and_gradients_turns_the_result(make):
    turn, _ = torch.linalg.qr(torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    plain, turned = table(), table() @ turn
    one, other = make(plain, 0.9, 0.99), make(turned, 0.9, 0.99)
    for rows, gradient in steps():
        one.step(rows, gradient, 0.1)
        other.step(rows, gradient @ turn, 0.1)
    assert_close(plain @ turn, turned, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("make", [LazyAdam, Adam, lambda t, m, s: SGD(t, m)], ids=["lazy_adam", "adam", "sgd"])
def test_a_gradient_of_zero_moves_nothing(make):
    rows = table()
    before = rows.clone()
    make(rows, 0.9, 0.99).step(torch.arange(N), torch.zeros_like(rows), 0.5)
    assert_close(rows, before, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ["lazy_adam", "adam", "sgd"])
def test_the_state_is_all_there_is_to_go_on_with(name):
    stage = Stage(optimizer=name, momentum=0.8)
    whole, half = table(), table()
    first, second = list(steps())[:4], list(steps())[4:]
    straight, begun = optimizer_of(stage, whole), optimizer_of(stage, half)
    for rows, gradient in first:
        straight.step(rows, gradient, 0.1)
        begun.step(rows, gradient, 0.1)
    again = optimizer_of(stage, half)
    for key, tensor in again.state().items():
        tensor.copy_(begun.state()[key])
    for rows, gradient in second:
        straight.step(rows, gradient, 0.1)
        again.step(rows, gradient, 0.1)
    assert torch.equal(whole, half)


def test_a_stage_gets_the_optimizer_it_asks_for():
    kinds = {"sgd": SGD, "adam": Adam, "lazy_adam": LazyAdam}
    for name, kind in kinds.items():
        made = optimizer_of(Stage(optimizer=name, momentum=0.25, second_moment=0.5), table())
        assert type(made) is kind
        assert made.momentum == 0.25
