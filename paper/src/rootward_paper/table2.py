"""Table 2: HyperLex, Spearman's rho of a model's score with people's rating of 2,163 noun pairs.

A word can mean several synsets. "best senses" takes the best score over all senses of X and all of Y, since the raters
read words without a context, and X is a type of Y if it is in some sense; "first senses" takes each word's commonest.
A pair with a word that has no synset, or none in the hierarchy trained on, counts as the lowest score. The vectors are
trained on WordNet pairs alone; nothing is fitted to the ratings.

HyperLex (Vulic et al. 2017) is not shipped, because it states no licence; its authors offer it at
https://people.ds.cam.ac.uk/iv250/hyperlex.html. Needed is its file of nouns, or the whole one, whose other lines are
skipped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from rootward.encoders import DualEncoder
from rootward.errors import InputError, TableError
from rootward.evaluation.results import plain_table
from rootward.hierarchy import Hierarchy
from rootward.training import Recipe
from rootward_paper.drawing import legend_name, mean, new_figure, with_diverged
from rootward_paper.measuring import nouns, pairs_of, trained
from rootward_paper.published import published_figure
from rootward_paper.study import FAILED, Experiment, Job, Row, Study, converged
from rootward_paper.table1 import OURS, methods
from rootward_paper.tablec1 import neighbourhood

TRAININGS = {
    "tiny": ((OURS, 16),),
    "cpu": ((OURS, 64), (OURS, 5), ("pretrain-finetune", 5)),
    "paper": ((OURS, 64), (OURS, 16), (OURS, 5), ("regular", 5), ("pretrain-finetune", 5)),
}
"""(training, dim) by scale. The paper's vectors have 5 dimensions here."""

NO_TRAINING = 0.744
"""Another oracle by information content, as reported elsewhere; ours is measured beside it."""

HOW_TO_GET = (
    "table2 needs the HyperLex file of noun pairs, which states no licence and so does not come with the package. "
    "Download hyperlex-data.zip from its authors (https://people.ds.cam.ac.uk/iv250/hyperlex.html) and name the file: "
    "rootward-paper table2 --data hyperlex-data/Nouns-Verbs/HyperLex-Nouns.txt"
)
COLUMNS = ("WORD1", "WORD2", "POS", "AVG_SCORE")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rated:
    """Noun pairs with their rating.

    Attributes:
        pairs: (X, Y).
        ratings: float64, 0 (no type of it at all) to 6, one a pair.
    """

    pairs: tuple[tuple[str, str], ...]
    ratings: Floats


def read_hyperlex(path: str | os.PathLike[str] | None) -> Rated:
    """The noun pairs of a HyperLex file.

    Raises:
        InputError: no file was named; the message says how to get it.
        TableError: no such file, or one without the columns of HyperLex.
    """
    if path is None:
        raise InputError(HOW_TO_GET)
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise TableError(f"There is no file {os.fspath(path)}. {HOW_TO_GET}") from None
    except IsADirectoryError:
        raise TableError(
            f"{os.fspath(path)} is a folder; needed is the file of noun pairs in it. {HOW_TO_GET}"
        ) from None
    header = lines[0].split() if lines else []
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise TableError(f"{os.fspath(path)} has no column {missing[0]!r} in its first row, so it is no HyperLex file.")
    word, other, kind, rating = (header.index(column) for column in COLUMNS)
    pairs, ratings = [], []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split()
        if not cells or cells[kind : kind + 1] not in ([], ["N"]):
            continue
        try:
            ratings.append(float(cells[rating]))
        except (IndexError, ValueError):
            raise TableError(
                f"Row {number} of {os.fspath(path)} has no rating in column AVG_SCORE: {line!r}."
            ) from None
        pairs.append((cells[word], cells[other]))
    if not pairs:
        raise TableError(f"{os.fspath(path)} has no noun pairs: no row with N in column POS.")
    return Rated(tuple(pairs), np.array(ratings))


class Senses:
    """The synsets that a word can mean, by row, in WordNet's own order of senses.

    A word that names no synset is looked up again without its plural ending, and with a space or hyphen in place of an
    underscore; one that is still unknown has no senses.
    """

    def __init__(self, hierarchy: Hierarchy) -> None:
        found: dict[str, list[tuple[int, int]]] = {}
        texts = hierarchy.texts
        assert texts is not None
        for row, node in enumerate(hierarchy.ids):
            number = int(node.rsplit(".", 1)[1])
            for place, name in enumerate((texts.names[row], *texts.synonyms[row])):
                # A lemma that does not name the synset has no number in the id; such senses follow, in row order.
                found.setdefault(_plain(name), []).append((number if place == 0 else 100 + number, row))
        self.rows = {name: [row for _, row in sorted(senses)] for name, senses in found.items()}

    def of(self, word: str) -> list[int]:
        """Rows of the synsets of this word, the commonest first as far as ids tell."""
        plain = _plain(word)
        for form in (plain, re.sub(r"s$", "", plain), re.sub(r"es$", "", plain), re.sub(r"ies$", "y", plain)):
            if form in self.rows:
                return self.rows[form]
        return []


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip().casefold())


def correlation(scores: Floats, rated: Rated) -> float:
    """Spearman's rho of scores and ratings over all pairs; a pair without a score (NaN) has the lowest."""
    filled = np.where(np.isnan(scores), np.nanmin(scores, initial=0.0) - 1.0, scores)
    return float(spearmanr(filled, rated.ratings).statistic)


def information(hierarchy: Hierarchy) -> Floats:
    """Information content of every node from the shape alone (Seco et al. 2004).

    1 - log(nodes at or below) / log(all nodes): 1 for a leaf, 0 for a root of everything.
    """
    below = np.bincount(hierarchy.ancestors().ancestors, minlength=len(hierarchy))
    return np.asarray(1 - np.log(below) / np.log(len(hierarchy)), np.float64)


def oracle(hierarchy: Hierarchy, rated: Rated, senses: Senses) -> Floats:
    """Scores by the hierarchy itself, without any training: the information that X and Y share, for each pair.

    The information content of the most informative common ancestor of any sense of X and any of Y, divided by Y's own:
    1 if Y is above X. NaN where a word has no sense.
    """
    content = information(hierarchy)
    rows = sorted({row for pair in rated.pairs for word in pair for row in senses.of(word)})
    found = hierarchy.ancestors([hierarchy.ids[row] for row in rows])
    stretches = zip(found.offsets[:-1].tolist(), found.offsets[1:].tolist(), strict=True)
    above = {row: set(found.ancestors[a:b].tolist()) for row, (a, b) in zip(rows, stretches, strict=True)}
    out = np.full(len(rated.pairs), np.nan)
    for place, (word, other) in enumerate(rated.pairs):
        best = [
            max((content[row] for row in above[x] & above[y]), default=0.0) / max(content[y], 1e-9)
            for x in senses.of(word)
            for y in senses.of(other)
        ]
        out[place] = max(best, default=np.nan)
    return out


# -- the study ------------------------------------------------------------


def measure(scale: str, seeds: Sequence[int], *, data: str | None = None) -> Iterator[Job]:
    """The oracle without training, then every training: rho by how senses are chosen."""
    rated = read_hyperlex(data)
    yield Job({"method": "no training: shared information", "dim": None, "seed": None}, partial(_untrained, rated))
    for method, dim in TRAININGS[scale]:
        for seed in seeds:
            recipe = methods(scale)[method]
            key = {"method": method, "dim": dim, "seed": seed}
            yield Job(key, partial(_learned, rated, scale, recipe, dim, seed))


@cache
def wordnet_senses() -> tuple[Hierarchy, Senses]:
    """WordNet's nouns with instances, and the senses of its words; read once."""
    hierarchy = Hierarchy.wordnet(instances=True)
    return hierarchy, Senses(hierarchy)


def _untrained(rated: Rated) -> Iterator[Row]:
    hierarchy, senses = wordnet_senses()
    scores = oracle(hierarchy, rated, senses)
    yield {"senses": "best", "rho": correlation(scores, rated), "pairs": len(scores), "unknown": _unknown(scores)}


def _learned(rated: Rated, scale: str, recipe: Callable[[], Recipe], dim: int, seed: int) -> Iterator[Row]:
    pairs = neighbourhood() if scale == "tiny" else pairs_of("wordnet")
    made = trained(pairs, recipe(), dim, seed)
    senses = Senses(nouns().induced(list(pairs.query_ids)))
    for choice in ("best", "first"):
        scores = pair_scores(made.model, rated, senses, first=choice == "first")
        about = {"pairs": len(scores), "unknown": _unknown(scores), "recipe": made.recipe}
        yield {"senses": choice, "rho": correlation(scores, rated), **about}


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
    n_pairs = next((f"{row['pairs']:,}" for row in converged(study.rows)), "?")
    return f"HyperLex, {n_pairs} noun pairs, seeds: {study.seeds}\n{plain_table(header, lines)}"


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


def draw(study: Study) -> Any:
    """A bar a method, published ones hatched."""
    figure, axes = new_figure()
    bars = [
        (
            legend_name(study.where(method=method, dim=dim), f"{method}, {dim}" if dim else method),
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
    return figure


def _best(study: Study, method: str, dim: int | None) -> float:
    rhos = [row["rho"] for row in study.where(method=method, dim=dim, senses="best")]
    return mean(rhos).value if rhos else 0.0


TABLE2 = Experiment(measure, table, draw)
