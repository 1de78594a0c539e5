"""Training time and memory against the number of nodes, the depth and the dimension, and what a second stage adds.

Random trees of one root, the default recipe at its own length; one of the three is varied while the others stay. Then
four trainings of the middle tree in one run: the paper's single stage, the paper's two with as small a second one as on
WordNet (700 of 50,000 steps), `incomplete` and the default.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

from rootward.evaluation.results import plain_table
from rootward.hierarchy import Hierarchy
from rootward.plots import plain_ticks
from rootward.training import Recipe, recipes
from rootward_paper.drawing import Interval, legend_name, mean, mean_cell, new_figure, overall_cell, slope
from rootward_paper.machine import watched
from rootward_paper.measuring import grid, measured, trained
from rootward_paper.study import Experiment, Job, Row, Study, converged
from rootward_paper.table1 import LENGTHS, OUR_LENGTH, OURS

VARIED: dict[str, dict[str, tuple[int, ...]]] = {
    "tiny": {"nodes": (50, 100), "depth": (3, 6), "dim": (8, 16)},
    "cpu": {"nodes": (1_000, 3_000, 10_000, 30_000), "depth": (3, 6, 12, 24), "dim": (8, 16, 32, 64, 128)},
    "paper": {"nodes": (1_000, 10_000, 100_000, 300_000), "depth": (3, 6, 12, 24), "dim": (8, 16, 32, 64, 128)},
}
CENTRE = {
    "tiny": {"nodes": 100, "depth": 6, "dim": 16},
    "cpu": {"nodes": 10_000, "depth": 6, "dim": 32},
    "paper": {"nodes": 100_000, "depth": 6, "dim": 32},
}
SECOND_STAGE = 700 / 50_000
STANDARD = "standard (regular)"
COLUMNS = {"seconds": "train s", "ms_a_step": "ms a step", "mb": "MB", "peak_mb": "peak MB"}


def methods(scale: str) -> dict[str, Callable[[], Recipe]]:
    """The trainings that are compared at the centre, the standard one first."""
    length, ours = LENGTHS[scale], OUR_LENGTH[scale]
    second = max(1, round(SECOND_STAGE * length.get("steps", 50_000)))
    return {
        STANDARD: partial(recipes.regular, **length),
        "pretrain-finetune": partial(recipes.pretrain_finetune, finetune_steps=second, **length),
        "incomplete": partial(recipes.incomplete, **ours),
        OURS: partial(recipes.decoupled, **ours),
    }


def measure(scale: str, seeds: Sequence[int]) -> Iterator[Job]:
    """Every size with the default recipe, then every training at the centre."""
    centre = CENTRE[scale]
    for name, values in VARIED[scale].items():
        others = {name: [value for value in values if value != centre[name]]}
        axes = {**{key: [value] for key, value in centre.items()}, **others}
        yield from grid(partial(_row, scale), **axes, method=[OURS], seed=seeds)
    at = {key: [value] for key, value in centre.items()}
    for seed in seeds:  # one after the other, so that a ratio is of neighbours in time
        yield from grid(partial(_row, scale), **at, method=methods(scale), seed=[seed])


def _row(scale: str, *, nodes: int, depth: int, dim: int, method: str, seed: int) -> Iterator[Row]:
    pairs = Hierarchy.random_dag(nodes, seed=seed, max_depth=depth, multi_parent_share=0.0).pairs()
    recipe = methods(scale)[method]()
    _warm_up()
    with watched() as took:
        found = trained(pairs, recipe, dim, seed)
    recall = measured(found.model, pairs)[0]
    tables = (found.model.query_vectors(), found.model.document_vectors())
    yield {
        **recall,
        "pairs": len(pairs),
        "steps": found.steps,
        "seconds": round(took.seconds, 3),
        "ms_a_step": round(1000 * took.seconds / found.steps, 3),
        "mb": round(sum(each.numel() * each.element_size() for each in tables) / 1e6, 3),
        "peak_mb": None if took.peak_mb is None else round(took.peak_mb, 1),
        "recipe": found.recipe,
    }


@cache
def _warm_up() -> None:
    """A first training of a process, whose one-time cost is not measured."""
    trained(Hierarchy.perfect_tree(3, 3).pairs(), recipes.decoupled(steps=4), 4, 0)


def along(study: Study, name: str) -> list[tuple[int, list[Row]]]:
    """(value, rows) of the default recipe at every value of one size, the others at the centre; smallest first."""
    others = {key: value for key, value in CENTRE[study.scale].items() if key != name}
    rows = study.where(**others, method=OURS)
    return [(value, [row for row in rows if row[name] == value]) for value in sorted({row[name] for row in rows})]


def exponent(study: Study, name: str, column: str) -> Interval | None:
    """The slope of log(column) against log(size); None where it was not measured at two sizes."""
    points = [
        (math.log(value), math.log(row[column]))
        for value, rows in along(study, name)
        for row in converged(rows)
        if row[column]
    ]
    x, y = [point[0] for point in points], [point[1] for point in points]
    return slope(x, y) if len(set(x)) > 1 else None


def table(study: Study) -> str:
    """Costs by size with the exponents of their growth; then the trainings at the centre beside the standard one."""
    lines = []
    for name in VARIED[study.scale]:
        for value, rows in along(study, name):
            there = converged(rows)
            cells = [f"{there[0][key]:,}" if there else "-" for key in ("pairs", "steps")]
            lines.append([name, f"{value:,}", *cells, *(mean_cell(there, c) for c in COLUMNS), overall_cell(rows)])
    header = ["varied", "value", "pairs", "steps", *COLUMNS.values(), "recall"]
    centre = ", ".join(f"{key} {value:,}" for key, value in CENTRE[study.scale].items())
    grown = [
        f"{label} ~ {name}^{found}"
        for name in VARIED[study.scale]
        for column, label in (("seconds", "time"), ("peak_mb", "memory"))
        if (found := exponent(study, name, column)) is not None
    ]
    return (
        f"{OURS} on random trees around {centre}, seeds: {study.seeds}\n{plain_table(header, lines)}\n"
        f"Growth: {'; '.join(grown) or 'not known'}.\n\nFour trainings of the middle tree\n{_stages(study)}\n"
        "MB: both tables. Peak MB: resident memory above the start of training. Ratios are of the same seed."
    )


def _stages(study: Study) -> str:
    lines = []
    for method in methods(study.scale):
        rows = study.where(**CENTRE[study.scale], method=method)
        if not rows:
            continue
        there = converged(rows)
        steps = f"{there[0]['steps']:,}" if there else "-"
        ratios = [_ratio(study, there, column) for column in ("seconds", "peak_mb")]
        lines.append([method, steps, *(mean_cell(there, column) for column in COLUMNS), *ratios, overall_cell(rows)])
    header = ["training", "steps", *COLUMNS.values(), "time : standard", "memory : standard", "recall"]
    return plain_table(header, lines)


def _ratio(study: Study, rows: Sequence[Row], column: str) -> str:
    """The mean over seeds of the ratio to the standard training of the same seed."""
    standard = study.where(**CENTRE[study.scale], method=STANDARD)
    by_seed = {row["seed"]: row[column] for row in converged(standard) if row[column]}
    ratios = [row[column] / by_seed[row["seed"]] for row in rows if row["seed"] in by_seed and row[column] is not None]
    if not ratios:
        return "-"
    found = mean(ratios)
    return f"{found.value:.2f}" if len(ratios) == 1 else f"{found.value:.2f} ±{found.high - found.value:.2f}"


def draw(study: Study) -> Any:
    """Seconds and peak memory against each size, both axes logarithmic; the exponents in the legend."""
    figure, panels = new_figure(columns=len(VARIED[study.scale]), sharey=True)
    for name, side in zip(VARIED[study.scale], panels, strict=True):
        for column, label, marker in (("seconds", "time (s)", "o"), ("peak_mb", "memory (MB)", "s")):
            points = [(value, row[column]) for value, rows in along(study, name) for row in converged(rows)]
            shown = [(value, cost) for value, cost in points if cost]
            found = exponent(study, name, column)
            told = label if found is None else f"{label}, {name}^{found.value:.2f}"
            side.plot(*zip(*shown, strict=True) if shown else ([], []), marker, markersize=5, alpha=0.7, label=told)
        rows = [row for _, part in along(study, name) for row in part]
        side.set(xlabel=name, title=legend_name(rows, name))
        if converged(rows):
            side.set(xscale="log", yscale="log")
            plain_ticks(side.xaxis, [value for value, _ in along(study, name)])
            plain_ticks(side.yaxis)
        side.grid(alpha=0.3, which="both")
        side.legend(frameon=False, fontsize=8)
    return figure


COST = Experiment(measure, table, draw)
