"""The softmax over all 82,115 documents, loss and both gradients: ours against PyTorch's.

    python benchmarks/full_softmax.py [DIM]         # 64 unless given

One batch of 512 queries with one target each; the contenders take turns in one process, and the ratios are of medians.
`linear_cross_entropy` (PyTorch 2.13) is called with its default options and in chunks of its own choosing;
`cross_entropy` holds the whole 512 x 82,115 matrix.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch
from machine import save
from torch import Tensor
from torch.nn import functional

from rootward.training.batches import Batch
from rootward.training.loop import gradients
from rootward.training.losses import Targets, softmax_

N_QUERIES, N_DOCUMENTS, ROUNDS, SCALE = 512, 82_115, 7, 20.0


def ours(queries: Tensor, documents: Tensor, target: Tensor) -> tuple[float, Tensor, Tensor]:
    rows = torch.arange(len(queries))
    share = torch.full((len(queries),), 1 / len(queries))
    targets = Targets(rows, target, share, torch.zeros_like(rows))
    batch = Batch(rows, torch.arange(len(documents)), None, True, targets, len(rows))
    value, by_query, by_document = gradients(softmax_, queries, documents, batch, SCALE)
    return float(value), by_query, by_document


def torchs(name: str) -> Callable[[Tensor, Tensor, Tensor], tuple[float, Tensor, Tensor]]:
    def run(queries: Tensor, documents: Tensor, target: Tensor) -> tuple[float, Tensor, Tensor]:
        q, d = queries.clone().requires_grad_(), documents.clone().requires_grad_()
        if name == "linear_cross_entropy":
            loss = functional.linear_cross_entropy(q * SCALE, d, target)
        else:
            loss = functional.cross_entropy((q * SCALE) @ d.T, target)
        loss.backward()
        assert q.grad is not None
        assert d.grad is not None
        return float(loss.detach()), q.grad, d.grad

    return run


def main(dim: int) -> None:
    generator = torch.Generator().manual_seed(0)
    queries = functional.normalize(torch.randn(N_QUERIES, dim, generator=generator))
    documents = functional.normalize(torch.randn(N_DOCUMENTS, dim, generator=generator))
    target = torch.randint(N_DOCUMENTS, (N_QUERIES,), generator=generator)
    contenders = {"rootward": ours, "cross_entropy": torchs("cross_entropy")}
    if hasattr(functional, "linear_cross_entropy"):
        contenders["linear_cross_entropy"] = torchs("linear_cross_entropy")
    expected = ours(queries, documents, target)
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for name, contender in contenders.items():
        for got, wanted in zip(contender(queries, documents, target)[1:], expected[1:], strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-6, msg=name)
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            began = time.perf_counter()
            contender(queries, documents, target)
            took[name].append(time.perf_counter() - began)
    median = {name: statistics.median(seconds) for name, seconds in took.items()}
    figures = [
        {"loss": name, "median_s": round(seconds, 3), "times ours": round(seconds / median["rootward"], 2)}
        for name, seconds in median.items()
    ]
    save("full_softmax", f"python benchmarks/full_softmax.py {dim}", figures)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 64)
