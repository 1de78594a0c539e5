"""The construction under missing and wrong pairs: the theorem assumes exact relevant sets, which nobody has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

from rootward.evaluation.results import plain_table
from rootward.geometry import construct
from rootward.geometry.constructions import against, corrupt
from rootward.hierarchy import Hierarchy
from rootward.pairs import Pairs
from rootward_paper.drawing import mean, new_figure
from rootward_paper.measuring import grid, pairs_of
from rootward_paper.study import Experiment, Job, Row, Study

SHARES = {"tiny": (0.0, 0.1, 0.3), "cpu": (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)}
SHARES["paper"] = SHARES["cpu"]
DIMS = {"tiny": (64,), "cpu": (64, 256, 1_024)}
DIMS["paper"] = DIMS["cpu"]


SOURCES: dict[str, Callable[[], Pairs]] = {
    "(4, 5)-tree": partial(pairs_of, "tree"),
    "random DAG of 2,000": cache(lambda: Hierarchy.random_dag(2_000, multi_parent_share=0.3, max_depth=6).pairs()),
}
"""A tree and a DAG; the scale "tiny" has the tree alone."""


def measure(scale: str, seeds: Sequence[int]) -> Iterator[Job]:
    """Recall and margin against the true pairs, for every share of missing and of wrong pairs, dimension and seed."""
    for source in list(SOURCES)[: 1 if scale == "tiny" else None]:
        for kind in ("dropped", "added"):
            shares = [share for share in SHARES[scale] if kind == "added" or share < 1]
            yield from grid(_row, source=[source], kind=[kind], share=shares, seed=seeds, dim=DIMS[scale])


def _row(*, source: str, kind: str, share: float, seed: int, dim: int) -> Iterator[Row]:
    true = SOURCES[source]()
    found = against(construct(corrupt(true, seed=seed, **{kind: share}), dim, seed=seed), true)
    yield {name: found[name] for name in ("recall", "margin", "separated")}


def table(study: Study) -> str:
    """Recall (percent) and margin by share, a block a source and kind."""
    blocks = []
    for source in dict.fromkeys(row["source"] for row in study.rows):
        for kind in ("dropped", "added"):
            rows = study.where(source=source, kind=kind)
            dims = sorted({row["dim"] for row in rows})
            lines = [
                [f"{100 * share:g} %", *(_cell(study, source, kind, share, dim) for dim in dims)]
                for share in sorted({row["share"] for row in rows})
            ]
            header = [kind, *(f"dim {dim}" for dim in dims)]
            blocks.append(f"{source}: recall at |S(q)| in %, margin\n{plain_table(header, lines)}")
    return "\n\n".join(blocks)


def _cell(study: Study, source: str, kind: str, share: float, dim: int) -> str:
    rows = study.where(source=source, kind=kind, share=share, dim=dim)
    recall, margin = (mean([row[name] for row in rows]).value for name in ("recall", "margin"))
    return f"{100 * recall:.1f}, {margin:+.2f}"


def draw(study: Study) -> Any:
    """Recall against the share of missing pairs, and against that of wrong ones."""
    figure, axes = new_figure(columns=2)
    for kind, side in zip(("dropped", "added"), axes, strict=True):
        for source, style in zip(dict.fromkeys(row["source"] for row in study.rows), ("-", "--"), strict=False):
            for place, dim in enumerate(sorted({row["dim"] for row in study.rows})):
                rows = study.where(source=source, kind=kind, dim=dim)
                shares = sorted({row["share"] for row in rows})
                recalls = [100 * mean([r["recall"] for r in rows if r["share"] == share]).value for share in shares]
                places = [100 * share for share in shares]
                side.plot(places, recalls, style, color=f"C{place}", marker="o", markersize=3, label=f"{source}, {dim}")
        side.set(xlabel=f"pairs {kind} (% of all)", ylim=(-2, 102))
        side.grid(alpha=0.3)
    axes[0].set_ylabel("recall at |S(q)| of the true pairs (%)")
    axes[0].plot([0, 50], [100, 50], ":", color="0.5", label="what is given")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


NOISE = Experiment(measure, table, draw)
