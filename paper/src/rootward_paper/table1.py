"""Table 1: the paper's trainings and ours on the nouns of WordNet, recall by distance at three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from rootward.training import Recipe, recipes
from rootward_paper.drawing import legend_name, mark_diverged, new_figure, recall_line, recall_table
from rootward_paper.measuring import Trained, finetuned, joined, measured, pairs_of, pretrained, trained
from rootward_paper.published import published_line, published_method, published_rows, worst_gap
from rootward_paper.study import FAILED, Experiment, Job, Row, Study, training_folder

OURS = "ours (decoupled)"
TWO_STAGES = "pretrain-finetune"
SOURCE = {"tiny": "dag", "cpu": "wordnet", "paper": "wordnet"}
LENGTHS: dict[str, dict[str, Any]] = {
    "tiny": {"steps": 24, "batch_size": 256, "validate_every": 8},
    "cpu": {"steps": 2_500},
    "paper": {},  # the recipes' own: 50,000 steps of 4,096 pairs, 700 of finetuning
}
FINETUNING = {"tiny": 10, "cpu": 700, "paper": 700}
OUR_LENGTH: dict[str, dict[str, Any]] = {"tiny": {"steps": 60, "validate_every": 20}, "cpu": {}, "paper": {}}


def methods(scale: str) -> dict[str, Callable[[], Recipe]]:
    """The recipes by the names that Table 1 has for them."""
    length = LENGTHS[scale]
    return {
        "regular": partial(recipes.regular, **length),
        "rebalanced p=0.01": partial(recipes.rebalanced, 0.01, **length),
        "rebalanced p=0.03": partial(recipes.rebalanced, 0.03, **length),
        TWO_STAGES: partial(recipes.pretrain_finetune, finetune_steps=FINETUNING[scale], **length),
        OURS: partial(recipes.decoupled, **OUR_LENGTH[scale]),
    }


def measure(
    scale: str, seeds: Sequence[int], *, source: str | None = None, trainings: Path | None = None
) -> Iterator[Job]:
    """Every published row of Table 1 and ours: recall over *all* pairs, its ranks, and the training's curve.

    The finetuning begins where the regular row ends, at its best validation, as in the paper. The rebalanced
    trainings, which share no stage, come last.
    """
    name = source or SOURCE[scale]
    published = [(row.method, row.dim) for row in published_rows()]
    wanted = [(OURS, dim) for dim in sorted({dim for _, dim in published})]
    for dim in sorted({dim for _, dim in published}):
        wanted += [(method, dim) for method in ("regular", TWO_STAGES) if (method, dim) in published]
    wanted += [row for row in published if row not in wanted]
    for seed in seeds:
        for method, dim in wanted:
            key = {"source": name, "dim": dim, "method": method, "seed": seed}
            yield Job(key, partial(_row, scale, name, dim, method, seed, trainings))


def _row(scale: str, source: str, dim: int, method: str, seed: int, trainings: Path | None) -> Iterator[Row]:
    pairs = pairs_of(source)
    if method in ("regular", TWO_STAGES):
        stages = [_pretrained(scale, source, dim, seed, trainings)]
        if method == TWO_STAGES:
            stages.append(finetuned(stages[0].model, pairs, methods(scale)[method](), seed))
    else:
        folder = training_folder(trainings, scale, source, dim, method, seed)
        stages = [trained(pairs, methods(scale)[method](), dim, seed, folder=folder)]
    recall, ranks = measured(stages[-1].model, pairs)
    yield {
        **recall,
        "steps": sum(each.steps for each in stages),
        "seconds": round(sum(each.run.seconds for each in stages), 1),
        "curve": joined(stages),
        "recipe": [stage for each in stages for stage in each.recipe],
        "ranks": ranks,
    }


@lru_cache(maxsize=1)
def _pretrained(scale: str, source: str, dim: int, seed: int, trainings: Path | None) -> Trained:
    """The first stage of pretrain-finetune, cached for the second: both rows are of one training, an hour long."""
    folder = training_folder(trainings, scale, source, dim, "regular", seed)
    return pretrained(pairs_of(source), methods(scale)[TWO_STAGES](), dim, seed, folder)


def table(study: Study) -> str:
    """Our rows and the published ones by turns, in percent with half of the 95 % interval over seeds; then how near."""
    source, seeds = study.rows[0]["source"], study.seeds
    distances = max(9, *(len(row["by_distance"]) for row in study.rows))
    lines, gaps = [], []
    for dim, method in dict.fromkeys((row["dim"], row["method"]) for row in _in_order(study)):
        rows = study.where(dim=dim, method=method)
        lines.append(([str(dim), method, "here"], recall_line(rows)))
        published = published_method(method, dim)
        if published is not None and source == "wordnet":
            lines.append(([str(dim), method, "published"], published_line(published)))
            gaps.append(f"{method}, dim {dim}: {worst_gap(rows, published):.1f}")
    about = f"Recall at |S(q)| in %, all pairs of {source}, {seeds} seed{'s' if seeds > 1 else ''}"
    near = (
        f"Largest difference of a slice, in points: {'; '.join(gaps)}."
        if gaps
        else "The published rows are of WordNet."
    )
    return f"{about}\n{recall_table(lines, ['dim', 'method', 'where'], distances)}\n{near}"


def _in_order(study: Study) -> list[Row]:
    """Rows by dimension, the paper's methods in its order and ours last."""
    order = list(methods("tiny"))
    return sorted(study.rows, key=lambda row: (row["dim"], order.index(row["method"])))


def draw(study: Study) -> Any:
    """Recall by distance, a panel a dimension: ours as lines, published as dashes of the same colour."""
    dims = sorted({row["dim"] for row in study.rows})
    figure, axes = new_figure(columns=len(dims))
    colours = {method: f"C{place}" for place, method in enumerate(methods("tiny"))}
    for dim, side in zip(dims, axes, strict=True):
        for method in dict.fromkeys(row["method"] for row in _in_order(study) if row["dim"] == dim):
            rows = study.where(dim=dim, method=method)
            mark_diverged(side, [0 for row in rows if FAILED in row], colours[method])
            for row in rows:
                shown = [None if value is None else 100 * value for value in row["by_distance"]]
                label = legend_name(rows, method) if row["seed"] == 0 else None
                side.plot(shown, color=colours[method], marker="o", markersize=3, label=label)
            published = published_method(method, dim)
            if published is not None and row["source"] == "wordnet":
                side.plot(published.by_distance, "--", color=colours[method])
        side.set(xlabel="distance (hops)", title=f"dim {dim}", ylim=(-2, 102))
        side.xaxis.get_major_locator().set_params(integer=True)
        side.grid(alpha=0.3)
    dashed = ", published dashed" if study.rows[0]["source"] == "wordnet" else ""
    axes[0].set_ylabel(f"recall at |S(q)| (%){dashed}")
    fullest = max(reversed(axes), key=lambda side: len(side.lines))  # a study may have been cut off
    fullest.legend(frameon=False, fontsize=8)
    return figure


TABLE1 = Experiment(measure, table, draw)
