"""A loss of one's own beside two built-in ones: several seeds, intervals, and recall by distance as a plot.

    python examples/researcher.py [FOLDER]     # default: tutorial-researcher

The taxonomy is real: the 366 carnivores of WordNet, up to seven hops deep. It needs the extra `plots` and no network.
docs/tutorial-researcher.md shows what it prints.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from scipy import stats

import rootward as rw
from rootward.plots import figure_at, save_figure
from rootward.training.losses import LossGradient, Targets

DIM, STEPS, SEEDS = 8, 100, 5


def sigmoid(
    scores: torch.Tensor, targets: Targets, log_counts: torch.Tensor | None, own_counts: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logistic regression for each document by itself: is it relevant? Both answers weigh the same in a row."""
    rows, columns = targets.rows, targets.columns
    right = torch.zeros_like(scores)
    right[rows, columns] = targets.weights
    n_wrong = scores.shape[1] - torch.bincount(rows, minlength=len(scores))
    wrong = (right.sum(dim=1) / n_wrong)[:, None].repeat(1, scores.shape[1])
    wrong[rows, columns] = 0
    value = (right * torch.nn.functional.softplus(-scores) + wrong * torch.nn.functional.softplus(scores)).sum()
    return LossGradient(value, wrong * torch.sigmoid(scores) - right * torch.sigmoid(-scores))


def largest_error_of_gradient() -> float:
    """How far the gradient is from that of automatic differentiation, on random scores of three queries."""
    scores = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    rows, columns = torch.tensor([0, 0, 1, 2]), torch.tensor([1, 4, 0, 2])
    targets = Targets(rows, columns, torch.tensor([0.2, 0.2, 0.3, 0.3], dtype=torch.float64), torch.zeros(4).long())
    value, gradient = sigmoid(scores, targets, None, True)
    value.backward()
    return float((gradient.detach() - scores.grad).abs().max())


def recall_by_distance(pairs: rw.Pairs, loss: object, seed: int) -> list[float]:
    """Recall in % at distance 0, 1, ... and over all queries, after a training with this loss."""
    model = rw.DualEncoder.lookup(pairs, dim=DIM, seed=seed)
    recipe = rw.Recipe(name="own", stages=(rw.Stage(loss=loss, steps=STEPS),))
    rw.train(model, pairs, recipe, seed=seed, settings=rw.Settings(progress=False, measure=False))
    report = rw.evaluate(model, pairs, bootstrap=0)
    return [100 * each.recall.value for each in report.slices] + [100 * report.overall.value]


def half_interval(values: np.ndarray) -> np.ndarray:
    """Half of the 95 % interval of the mean over seeds (rows), by Student's t."""
    return stats.t.ppf(0.975, len(values) - 1) * values.std(axis=0, ddof=1) / len(values) ** 0.5


def main(folder: str = "tutorial-researcher") -> None:
    """Run the tutorial in a folder."""
    print(f"largest error of the gradient: {largest_error_of_gradient():.0e}")
    pairs = rw.Hierarchy.wordnet().below("carnivore.n.01").pairs()
    print(pairs)
    losses = {"decoupled (default)": "decoupled", "softmax": "softmax", "sigmoid (own)": sigmoid}
    recalls = {
        name: np.array([recall_by_distance(pairs, loss, seed) for seed in range(SEEDS)])
        for name, loss in losses.items()
    }

    print(f"\nrecall in %, dim {DIM}, mean of {SEEDS} seeds with its 95 % interval")
    print(f"{'loss':20}" + "".join(f"{distance:>8}" for distance in [*range(8), "overall"]) + "   +-")
    for name, values in recalls.items():
        means = "".join(f"{mean:8.1f}" for mean in values.mean(axis=0))
        print(f"{name:20}{means}  {half_interval(values)[-1]:.1f}")
    print("\ndifference from the default, seed by seed: overall, and at distance 0")
    default, *others = recalls
    for name in others:
        gain = recalls[name] - recalls[default]
        shown = [f"{gain[:, i].mean():+.1f} +- {half_interval(gain)[i]:.1f}" for i in (-1, 0)]
        print(f"{name:20}  {shown[0]:>15}  {shown[1]:>15}")

    Path(folder).mkdir(parents=True, exist_ok=True)
    path = Path(folder) / "recall.svg"
    figure, axes = figure_at(path, size=(6.4, 3.6))
    for name, values in recalls.items():
        distances, means, half = range(8), values.mean(axis=0)[:-1], half_interval(values)[:-1]
        (line,) = axes.plot(distances, means, marker="o", markersize=4, label=name)
        axes.fill_between(distances, means - half, means + half, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(xlabel="distance (hops)", ylabel="recall (%)", ylim=(0, 102), title=f"Carnivores of WordNet, dim {DIM}")
    axes.legend(loc="lower right", frameon=False)
    axes.grid(alpha=0.3)
    save_figure(figure, path)
    print(f"\nThe plot is {path}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
