"""Figure C.1: rebalanced training on the (4, 5)-tree at every share of regular pairs, beside pretrain-finetune.

The text at hand names this figure and does not say what it shows. Our reading: the appendix's answer to "is there no
share p that does it in one stage?", which the two shares in Table 1 (0.01 and 0.03) ask on WordNet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from rootward.evaluation.report import plain_table
from rootward.experiments.beside import overall_cell, slice_cells
from rootward.experiments.diverged import FAILED, converged, mark_diverged
from rootward.experiments.figure3 import DIM, LOOKS, curve, training
from rootward.experiments.fit import mean
from rootward.experiments.study import Experiment, Job, Study
from rootward.experiments.table1 import TWO_STAGES
from rootward.plots import figure_at, plain_ticks, save_figure
from rootward.training.recipes import Candidates

SHARES = {"tiny": (0.03, 0.5), "cpu": (0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)}
SHARES["paper"] = SHARES["cpu"]
AGAINST: dict[str, Candidates] = {"rebalanced": "batch", "rebalanced, all documents": "all"}
"""One stage in-batch as in the paper, and against all documents as figure 3's finetuning is: else the two would differ
in what competes as well."""


def measure(scale: str, seeds: Sequence[int]) -> Iterator[Job]:
    """Rebalanced training at each share, in-batch and against all documents, then pretrain-finetune, as in figure 3."""
    looks = LOOKS[scale]
    for seed in seeds:
        for method, candidates in AGAINST.items():
            for share in SHARES[scale]:
                recipe = training("rebalanced", scale, regular_share=share, candidates=candidates)
                yield Job({"method": method, "share": share, "seed": seed}, partial(curve, recipe, seed, looks=looks))
        key = {"method": TWO_STAGES, "share": None, "seed": seed}
        yield Job(key, partial(curve, training(TWO_STAGES, scale), seed, looks=looks))


def table(study: Study) -> str:
    """Recall at the end by share and distance."""
    lines = []
    for method, share in dict.fromkeys((row["method"], row["share"]) for row in study.rows):
        rows = study.where(method=method, share=share)
        name = method if share is None else f"{method}, p = {share:g}"
        lines.append([name, *slice_cells(rows, 3), overall_cell(rows)])
    header = ["training", "0", "1", "2", "overall"]
    return (
        f"Recall at |S(q)| in % on the (4, 5)-tree, dim {DIM}, seeds: {study.seeds}; rebalanced goes against the "
        f"batch's documents unless said, and of pretrain-finetune the second stage against all\n"
        f"{plain_table(header, lines)}"
    )


def draw(study: Study, path: Path) -> Path:
    """Recall against the share of regular pairs, a line a distance; pretrain-finetune as a level."""
    there = [method for method in AGAINST if study.where(method=method)]
    figure, axes = figure_at(path, columns=len(there))
    for method, side in zip(there, axes, strict=True):
        shares = sorted({row["share"] for row in study.where(method=method)})
        for place in (0, 1, 2, None):
            recalls = [_recall(study, method, share, place) for share in shares]
            label, colour = ("overall", "black") if place is None else (f"distance {place}", f"C{place}")
            side.plot(shares, recalls, marker="o", markersize=4, color=colour, label=label)
        mark_diverged(side, [row["share"] for row in study.where(method=method) if FAILED in row])
        level = _recall(study, TWO_STAGES, None, None)
        side.axhline(level, linestyle="--", color="0.5", label=f"{TWO_STAGES}, overall")
        competing = "in-batch" if AGAINST[method] == "batch" else "against all documents"
        side.set(title=f"one stage, {competing}", xlabel="share of regular pairs p", ylim=(-2, 102), xscale="log")
        plain_ticks(side.xaxis)
        side.grid(alpha=0.3)
    axes[0].set_ylabel("recall at |S(q)| (%)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return save_figure(figure, path)


def _recall(study: Study, method: str, share: float | None, distance: int | None) -> float:
    rows = converged(study.where(method=method, share=share))
    values = [row["overall"] if distance is None else row["by_distance"][distance] for row in rows]
    return 100 * mean(values).value if values else math.nan


FIGUREC1 = Experiment("rebalanced training at every share of regular pairs, on the (4, 5)-tree", measure, table, draw)
