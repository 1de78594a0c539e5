"""Table C.1: what is retrieved for "cat", "recliner" and "motorist", beside the right answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import torch

from rootward.encoders import DualEncoder
from rootward.evaluation.results import plain_table
from rootward.pairs import Pairs
from rootward.training import Recipe
from rootward_paper.drawing import legend_name, mark_diverged, new_figure
from rootward_paper.measuring import nouns, pairs_of, trained
from rootward_paper.study import Experiment, Job, Row, Study, converged
from rootward_paper.table1 import OURS, methods

QUERIES = ("cat.n.01", "recliner.n.01", "motorist.n.01")
METHODS = ("regular", "pretrain-finetune", OURS)
DIM = {"tiny": 16, "cpu": 64, "paper": 64}


@cache
def neighbourhood() -> Pairs:
    """A small WordNet: the three queries, their ancestors, and up to 30 children of each of these."""
    whole = nouns()
    above = {whole.ids[row] for row in whole.ancestors(QUERIES).ancestors.tolist()}
    beside = {child for node in above for child in whole.children_of(node)[:30]}
    return whole.induced(sorted(above | beside)).pairs(max_distance=8, leave_out=["entity.n.01"])


def measure(scale: str, seeds: Sequence[int]) -> Iterator[Job]:
    """The |S(q)| best documents by score of each query, for the first of the seeds: examples are of one training."""
    seed = seeds[0]
    for method in METHODS:
        recipe = methods(scale)[method]
        yield Job({"method": method, "seed": seed}, partial(_lists, scale, recipe, seed))


def _lists(scale: str, recipe: Callable[[], Recipe], seed: int) -> Iterator[Row]:
    pairs, dim = neighbourhood() if scale == "tiny" else pairs_of("wordnet"), DIM[scale]
    made = trained(pairs, recipe(), dim, seed)
    for query in QUERIES:
        found = best_of(made.model, pairs, query)
        yield {"query": query, "dim": dim, "truth": pairs.relevant(query), "found": found, "recipe": made.recipe}


def best_of(model: DualEncoder, pairs: Pairs, query: str) -> list[str]:
    """Ids of the |S(q)| best-scoring documents, best first; equal scores by row."""
    row = pairs.query_ids.row(query)
    scores = model.document_vectors() @ model.query_vectors([row])[0]
    best = torch.argsort(scores, descending=True, stable=True)[: int(pairs.sizes[row])]
    return [pairs.document_ids[document] for document in best.tolist()]


def table(study: Study) -> str:
    """A table a query: the right answers with distances, then each training's list, best first, hits marked *."""
    blocks, there = [], [method for method in METHODS if study.where(method=method)]
    for query in QUERIES:
        rows = {row["method"]: row for row in study.where(query=query)}
        truth: list[list[Any]] = next((row["truth"] for row in rows.values()), [])
        right = {document for document, _ in truth}
        lines = [
            [str(hops), document, *(_place(rows.get(method), place, right) for method in there)]
            for place, (document, hops) in enumerate(truth)
        ]
        blocks.append(f"{query}\n{plain_table(['hops', 'truth', *there], lines)}")
    return "\n\n".join(blocks) + "\n\n* is relevant. Lists are by score, best first; the truth is by distance."


def _place(row: Row | None, place: int, right: set[str]) -> str:
    """The cell of a training (None if it diverged) at a place of its list."""
    if row is None:
        return "diverged" if place == 0 else ""
    found = row["found"][place]
    return f"{found}{' *' if found in right else '  '}"


def draw(study: Study) -> Any:
    """The share of each query's right answers that its list holds."""
    figure, axes = new_figure()
    there = [method for method in METHODS if study.where(method=method)]
    width = 0.8 / len(there)
    for place, method in enumerate(there):
        rows = study.where(method=method)
        shares = {
            row["query"]: 100 * len(dict(row["truth"]).keys() & set(row["found"])) / len(row["truth"])
            for row in converged(rows)
        }
        places = np.arange(len(QUERIES)) + place * width
        axes.bar(places, [shares.get(query, 0.0) for query in QUERIES], width, label=legend_name(rows, method))
        mark_diverged(axes, [at for at in places if not shares], f"C{place}")
    axes.set_xticks(np.arange(len(QUERIES)) + 0.4 - width / 2, QUERIES)
    axes.set(ylabel="relevant among the |S(q)| best (%)", ylim=(0, 105))
    figure.legend(frameon=False, fontsize=8, loc="outside upper center", ncols=3)
    return figure


TABLEC1 = Experiment(measure, table, draw)
