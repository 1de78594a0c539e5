"""Figure 2: the dimension that retrieval needs, against the height and the width of a tree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from rootward.evaluation.results import plain_table
from rootward.geometry.planner import constructed_recall, smallest_learned
from rootward.geometry.separation import lowest
from rootward.hierarchy import Hierarchy
from rootward.pairs import Pairs
from rootward.plots import plain_ticks
from rootward.training import recipes
from rootward_paper.drawing import Interval, mean, new_figure, slope
from rootward_paper.measuring import grid
from rootward_paper.published import published_figure
from rootward_paper.study import Experiment, Job, Row, Study

TARGET = 0.95
WIDTH = 2
"""Width of the trees of growing height: (10, 2) has 1,022 nodes."""

HEIGHT = 4
"""Height of the trees of growing width."""

WAYS = ("constructed", "learned")
PUBLISHED = {
    panel: tuple(published_figure(place, name) for name in ("slope", "slope, theory"))
    for panel, place in (("height", "Figure 2a"), ("width", "Figure 2b"))
}
"""Published slope and the theory's, of log d against log H and of d against ln W (arXiv 2509.16411, figure 2)."""

TREES: dict[str, list[tuple[str, int, int]]] = {
    "tiny": [("height", h, WIDTH) for h in (3, 4)] + [("width", 3, w) for w in (2, 4)],
    "cpu": [("height", h, WIDTH) for h in range(3, 11)] + [("width", HEIGHT, w) for w in (2, 3, 5, 8, 12, 20, 30)],
}
TREES["paper"] = TREES["cpu"]
RECIPES = {"tiny": recipes.decoupled().with_(steps=100)}


def measure(scale: str, seeds: Sequence[int]) -> Iterator[Job]:
    """For every tree and seed the smallest dimension with more than 95 % recall, constructed and learned."""
    for panel, height, width in TREES[scale]:
        yield from grid(partial(_row, scale), panel=[panel], height=[height], width=[width], way=WAYS, seed=seeds)


def _row(scale: str, *, panel: str, height: int, width: int, way: str, seed: int) -> Iterator[Row]:
    pairs = Hierarchy.perfect_tree(height, width, root=False).pairs()
    row: Row = {"documents": pairs.n_documents}
    if way == "constructed":
        yield {**row, "dim": smallest_constructed(pairs, TARGET, seed=seed, start=16)}
    else:
        found = smallest_learned(pairs, TARGET, recipe=RECIPES.get(scale), seed=seed, start=3)
        yield {**row, "dim": found.dim, "recall": found.recall}


def slopes(study: Study, panel: str, way: str) -> Interval:
    """The slope of log d against log H ("height"), or of d against ln W ("width")."""
    rows = [row for row in study.where(panel=panel, way=way) if row.get("dim") is not None]
    x = [math.log(row[panel]) for row in rows]
    y = [math.log(row["dim"]) if panel == "height" else float(row["dim"]) for row in rows]
    return slope(x, y)


def table(study: Study) -> str:
    """Dimensions by tree, then slopes beside the published ones and the theory's."""
    lines, ways = [], [way for way in WAYS if study.where(way=way)]
    for panel, height, width in TREES[study.scale]:
        rows = study.where(panel=panel, height=height, width=width)
        cells = [
            str(mean([float(row["dim"]) for row in rows if row["way"] == way and row.get("dim") is not None]))
            for way in ways
        ]
        lines.append([panel, str(height), str(width), f"{rows[0]['documents']:,}", *cells])
    dims = plain_table(["panel", "H", "W", "documents", *(f"{way}, dim" for way in ways)], lines)
    lines = [
        [
            "log d / log H" if panel == "height" else "d / ln W",
            *(str(slopes(study, panel, way)) for way in ways),
            *(f"{figure:g}" for figure in PUBLISHED[panel]),
        ]
        for panel in PUBLISHED
    ]
    fitted = plain_table(["slope", *ways, "published", "theory"], lines)
    return f"Smallest dimension with recall above 95 %, 95 % intervals, seeds: {study.seeds}\n{dims}\n\n{fitted}"


def draw(study: Study) -> Any:
    """Two panels, as in the paper: against height on log axes, and against ln W."""
    figure, axes = new_figure(columns=2)
    for panel, side in zip(PUBLISHED, axes, strict=True):
        for way, marker in zip(WAYS, "os", strict=True):
            _points(side, study, panel, way, marker)
        side.grid(alpha=0.3)
        side.legend(frameon=False, fontsize=8)
    axes[0].set(xscale="log", yscale="log", xlabel=f"height H (W = {WIDTH})", ylabel="dimension for 95 % recall")
    heights = sorted({row["height"] for row in study.where(panel="height")})
    plain_ticks(axes[0].xaxis, heights)
    plain_ticks(axes[0].yaxis)
    axes[1].set(xlabel="ln W")
    return figure


def _points(axes: Any, study: Study, panel: str, way: str, marker: str) -> None:
    rows = [row for row in study.where(panel=panel, way=way) if row.get("dim") is not None]
    if not rows:
        return
    places = sorted({row[panel] for row in rows})
    means = [mean([float(row["dim"]) for row in rows if row[panel] == place]).value for place in places]
    x = places if panel == "height" else [math.log(place) for place in places]
    found = slopes(study, panel, way)
    label = f"{way}: slope {found}" + (f" (published {PUBLISHED[panel][0]})" if way == "constructed" else "")
    axes.plot(x, means, marker=marker, markersize=4, label=label)


FIGURE2 = Experiment(measure, table, draw, method="way")


def smallest_constructed(pairs: Pairs, target: float = 0.95, *, seed: int = 0, start: int = 32) -> int:
    """The smallest dimension, to 2 %, at which the Gaussian construction has a higher recall than `target`."""
    dim, _ = lowest(lambda dim: constructed_recall(pairs, dim, seed=seed) > target, start, 1.02)
    return dim
