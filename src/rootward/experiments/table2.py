"""Table 2: HyperLex, Spearman's rho of a model's score with people's rating of 2,163 noun pairs.

A word can mean several synsets. "best senses" takes the best score over all senses of X and all of Y, since the raters
saw words without a context and a pair is a type of another if some reading of it is; "first senses" takes each word's
commonest. A pair with a word that has no synset, or none in the hierarchy trained on, counts as the lowest score.
The vectors are trained on WordNet pairs alone; nothing is fitted to the ratings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from rootward.encoders import DualEncoder
from rootward.evaluation.published import published_figure
from rootward.evaluation.report import plain_table
from rootward.experiments.curves import trained
from rootward.experiments.data import nouns, pairs_of
from rootward.experiments.diverged import FAILED, converged, labelled, with_diverged
from rootward.experiments.fit import mean
from rootward.experiments.hyperlex import Floats, Rated, Senses, correlation, oracle, read_hyperlex
from rootward.experiments.kept import Row
from rootward.experiments.study import Experiment, Job, Study
from rootward.experiments.table1 import OURS, methods
from rootward.experiments.tablec1 import neighbourhood
from rootward.hierarchy import Hierarchy
from rootward.plots import figure_at, save_figure
from rootward.training import Recipe

TRAININGS = {
    "tiny": ((OURS, 16),),
    "cpu": ((OURS, 64), (OURS, 5), ("pretrain-finetune", 5)),
    "paper": ((OURS, 64), (OURS, 16), (OURS, 5), ("regular", 5), ("pretrain-finetune", 5)),
}
"""The paper's vectors have 5 dimensions here."""

NO_TRAINING = 0.744
"""Another information-content oracle, as reported elsewhere; ours is measured beside it."""


def measure(scale: str, seeds: Sequence[int], *, data: str | None = None) -> Iterator[Job]:
    """The oracle without training, then every training: rho by how senses are chosen."""
    rated = read_hyperlex(data)
    yield Job({"method": "no training: shared information", "dim": None, "seed": None}, partial(_untrained, rated))
    for method, dim in TRAININGS[scale]:
        for seed in seeds:
            recipe = methods(scale)[method]
            key = {"method": method, "dim": dim, "seed": seed}
            yield Job(key, partial(_learned, rated, scale, recipe, dim, seed))


def _untrained(rated: Rated) -> Iterator[Row]:
    hierarchy = Hierarchy.wordnet(instances=True)
    scores = oracle(hierarchy, rated, Senses(hierarchy))
    yield {"senses": "best", "rho": correlation(scores, rated), "pairs": len(scores), "unknown": _unknown(scores)}


def _learned(rated: Rated, scale: str, recipe: Callable[[], Recipe], dim: int, seed: int) -> Iterator[Row]:
    pairs = neighbourhood() if scale == "tiny" else pairs_of("wordnet")
    made = trained(pairs, recipe(), dim, seed)
    senses = Senses(nouns().induced(list(pairs.query_ids)))
    for choice in ("best", "first"):
        scores = pair_scores(made.model, rated, senses, first=choice == "first")
        told = {"pairs": len(scores), "unknown": _unknown(scores), "recipe": made.recipe}
        yield {"senses": choice, "rho": correlation(scores, rated), **told}


def pair_scores(model: DualEncoder, rated: Rated, senses: Senses, *, first: bool) -> Floats:
    """Inner product of query X and document Y, over their first or their best senses; NaN where there are none."""
    queries, documents = (np.asarray(vectors) for vectors in (model.query_vectors(), model.document_vectors()))
    out = np.full(len(rated.pairs), np.nan)
    for place, (word, other) in enumerate(rated.pairs):
        x, y = senses.of(word), senses.of(other)
        if x and y:
            stop = 1 if first else None
            out[place] = (queries[x[:stop]] @ documents[y[:stop]].T).max()
    return out


def _unknown(scores: Floats) -> int:
    return int(np.isnan(scores).sum())


def table(study: Study) -> str:
    """Spearman's rho with half of the 95 % interval over seeds, published ones below."""
    lines = []
    for method, dim, senses in _settings(study):
        rows = study.where(method=method, dim=dim, senses=senses)
        failed = [row for row in study.where(method=method, dim=dim) if FAILED in row]
        rho = with_diverged([*rows, *failed], _rho([row["rho"] for row in rows]))
        unknown = str(max((row["unknown"] for row in rows), default="-"))
        lines.append([method, str(dim or "-"), f"{senses} senses", rho, unknown])
    for name, width in (("regular", "5"), ("pretrain-finetune", "5"), ("Poincare", "-")):
        lines.append([f"published: {name}", width, "not stated", f"{published_figure('Table 2', name):.3f}", "-"])
    lines.append(["elsewhere: information content", "-", "not stated", f"{NO_TRAINING:.3f}", "-"])
    header = ["method", "dim", "sense choice", "rho", "pairs without a sense"]
    n_pairs = converged(study.rows)[0]["pairs"]
    return f"HyperLex, {n_pairs:,} noun pairs, seeds: {study.seeds}\n{plain_table(header, lines)}"


def _settings(study: Study) -> list[tuple[str, int | None, str]]:
    """(method, dim, sense choice) of every line, also of trainings that diverged."""
    there = dict.fromkeys((row["method"], row["dim"], row.get("senses")) for row in study.rows)
    choices = {setting[:2]: [c for m, d, c in there if (m, d) == setting[:2] and c] for setting in there}
    return [(*setting, choice) for setting, found in choices.items() for choice in found or ["best", "first"]]


def _rho(values: Sequence[float]) -> str:
    if not values:
        return "-"
    found = mean(values)
    return f"{found.value:.3f}" if len(values) == 1 else f"{found.value:.3f} ±{found.high - found.value:.3f}"


def draw(study: Study, path: Path) -> Path:
    """A bar a method, published ones hatched."""
    figure, axes = figure_at(path)
    bars = [
        (
            labelled(study.where(method=method, dim=dim), f"{method}, {dim}" if dim else method),
            _best(study, method, dim),
            "",
        )
        for method, dim in dict.fromkeys((row["method"], row["dim"]) for row in study.rows)
    ]
    names = ("regular", "pretrain-finetune", "Poincare")
    bars += [(f"published: {name}", published_figure("Table 2", name), "//") for name in names]
    bars.append(("elsewhere: information content", NO_TRAINING, "//"))
    for place, (name, value, hatch) in enumerate(bars):
        axes.barh(place, value, color="C0" if not hatch else "0.8", hatch=hatch)
        if name.endswith(": diverged"):
            axes.plot([0], [place], "x", color="black", clip_on=False)
        else:
            axes.text(max(value, 0.0) + 0.01, place, f"{value:.2f}", va="center", fontsize=8)
    axes.set_yticks(range(len(bars)), [name for name, _, _ in bars])
    axes.set(xlabel="Spearman's rho with people's ratings", xlim=(min(-0.05, *(value for _, value, _ in bars)), 1))
    axes.axvline(0, color="black", linewidth=0.8)
    return save_figure(figure, path)


def _best(study: Study, method: str, dim: int | None) -> float:
    rhos = [row["rho"] for row in study.where(method=method, dim=dim, senses="best")]
    return mean(rhos).value if rhos else 0.0


TABLE2 = Experiment("HyperLex: rank correlation with people's ratings", measure, table, draw)
