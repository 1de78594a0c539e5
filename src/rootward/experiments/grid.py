"""Studies that are grids: a job for every combination of settings, recall by distance of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from rootward.experiments.beside import percent, recall_line, recall_table
from rootward.experiments.curves import Trained, measured, trained
from rootward.experiments.diverged import FAILED, converged, mark_diverged
from rootward.experiments.kept import Row
from rootward.experiments.study import Job, Study
from rootward.pairs import Pairs
from rootward.plots import figure_at, save_figure
from rootward.training import Recipe


def grid(measure: Callable[..., Iterable[Row]], **axes: Iterable[Any]) -> Iterator[Job]:
    """A job for every combination of the values of these axes, the last axis fastest.

    The combination is the job's key, and `measure` gets it as keywords.
    """
    for values in product(*axes.values()):
        key = dict(zip(axes, values, strict=True))
        yield Job(key, partial(measure, **key))


def outcome(pairs: Pairs, recipe: Recipe, dim: int, seed: int, *, looks: int | None = None) -> Iterator[Row]:
    """One row: recall over all pairs at the end and the curve up to there."""
    yield measured_row(trained(pairs, recipe, dim, seed, looks=looks), pairs)


def measured_row(found: Trained, pairs: Pairs) -> Row:
    """Recall over all pairs, the curve up to there, how it was trained and how long."""
    told = {"curve": found.curve, "recipe": found.recipe, "seconds": round(found.run.seconds, 1)}
    return {**measured(found.model, pairs)[0], **told}


def grid_table(study: Study, names: Sequence[str], about: str, more: Sequence[str] = ()) -> str:
    """A line a combination of the columns `names`: recall by distance over seeds, then the shares in columns `more`."""
    distances = max(len(row["by_distance"]) for row in study.rows)
    lines = []
    for values in dict.fromkeys(tuple(row[name] for name in names) for row in study.rows):
        rows = study.where(**dict(zip(names, values, strict=True)))
        told = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
        beside = [percent([row.get(name) for row in rows]) for name in more]
        lines.append(([*told, *beside], recall_line(rows)))
    return f"{about}, in %, seeds: {study.seeds}\n{recall_table(lines, [*names, *more], distances)}"


def draw_grid(study: Study, path: Path, along: str, line: str, label: str, value: str = "overall") -> Path:
    """The mean of a share against the column `along`, in one colour for each value of the column `line`.

    Numbers are joined by lines; words, which have no order, are dots side by side. Crosses diverged.
    """
    places = list(dict.fromkeys(row[along] for row in study.rows))
    lines = list(dict.fromkeys(row[line] for row in study.rows))
    joined = not any(isinstance(place, str) for place in places)
    figure, axes = figure_at(path)
    for number, name in enumerate(lines):
        aside = 0.0 if joined else 0.12 * (number - (len(lines) - 1) / 2)
        rows = study.where(**{line: name})
        at = [place + aside for place in range(len(places))]
        means = [_mean([row[value] for row in converged(rows) if row[along] == place]) for place in places]
        (drawn,) = axes.plot(at, means, "o-" if joined else "o", markersize=4, label=str(name))
        mark_diverged(axes, [at[places.index(row[along])] for row in rows if FAILED in row], drawn.get_color())
    axes.set(xlabel=label, ylabel=f"{value.replace('_', ' ')} recall (%)", ylim=(-2, 102))
    slanted = {} if joined else {"rotation": 30, "ha": "right"}
    axes.set_xticks(range(len(places)), [str(place) for place in places], fontsize=7, **slanted)
    axes.grid(alpha=0.3)
    figure.legend(frameon=False, fontsize=7, loc="outside upper center", ncols=3)  # no dot may lie under it
    return save_figure(figure, path)


def _mean(shares: Sequence[float]) -> float:
    return 100 * sum(shares) / len(shares) if shares else math.nan
