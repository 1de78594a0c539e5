"""`diagnose`: any vectors and their pairs in, a `Diagnosis` out."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.csr import levels_of
from rootward.diagnosis.diagnosis import RECOVERED, Diagnosis, generalises_badly, is_biased, is_healthy, verdict
from rootward.diagnosis.facts import (
    Contradictions,
    Facts,
    Group,
    Known,
    Margin,
    alignment,
    answers,
    bias,
    geometry,
    hubness,
    support,
)
from rootward.diagnosis.probe import probe
from rootward.errors import InputError, PairsError
from rootward.evaluation import Ranks, Report, rank_pairs, recall
from rootward.evaluation.naming import TextsOf
from rootward.folders import REPORT, read_config
from rootward.pairs import Pairs
from rootward.progress import Progress
from rootward.rng import stream
from rootward.scoring import checked
from rootward.training.log import read_log
from rootward.training.run import About

MEASURED_SCORES = 2_000_000_000  # at most: 24,000 queries of WordNet, about 5 s
ANSWERED_SCORES = 20_000_000  # of the pass that tries corrections: 240 queries of WordNet
PROBED_QUERIES = 4_000  # at most, that a probe is measured on
WIDE = 16  # at least so many coordinates in the second probe, which has twice as many as the vectors
EXAMPLES = 8


def diagnose(
    queries: npt.ArrayLike | Tensor,
    documents: npt.ArrayLike | Tensor,
    pairs: Pairs,
    *,
    probes: bool = True,
    known: Known | None = None,
    texts: TextsOf | None = None,
    label: str = "",
    seed: int = 0,
    progress: bool = False,
) -> Diagnosis:
    """Why the recall of these vectors is what it is: bias, capacity, too little training, wrong pairs, or healthy.

    Works for the vectors of any library. Large data are measured on a sample of queries; wrong pairs are looked for
    among all. Probes take longest by far, for a number of steps that does not grow with the data.

    Args:
        queries: n_queries x dim, float; row i belongs to query row i of `pairs`.
        documents: n_documents x dim, the same for documents. All of them compete.
        pairs: what is relevant. Scores are inner products.
        probes: train copies of the vectors a little to tell too little training from too few dimensions; made only
            where recall is poor and not explained already.
        known: what is known of the training.
        texts: whether training knew the answers of these texts, where queries are texts: those that it was trained on
            tell nothing of others, and are never called healthy; of held-out ones no copies are trained where it is
            known that those trained on are found.
        label: what to call it in headings.
        seed: of every random choice; the same seed gives the same diagnosis.
        progress: show a bar, where standard error is a terminal.

    Raises:
        InputError: vectors that are no numbers, not finite, of two widths, or not one a row of the pairs.
        PairsError: there are no pairs.
    """
    began = time.perf_counter()
    if not len(pairs):
        raise PairsError("There are no pairs to diagnose with; give pairs with at least one query that has an answer.")
    sides = _checked(queries, documents, pairs)
    with Progress(progress) as bar:
        bar.begin("Measuring")
        facts = _facts(*sides, pairs, known, texts, seed)
        if probes and not (is_healthy(facts) or is_biased(facts) or generalises_badly(facts)):
            facts = _probed(facts, *sides, pairs, seed, bar)
    seconds = round(time.perf_counter() - began, 2)
    return Diagnosis(label=label, facts=facts, verdict=verdict(facts), seed=seed, seconds=seconds)


def _checked(queries: npt.ArrayLike | Tensor, documents: npt.ArrayLike | Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Both sides as float matrices that fit the pairs."""
    try:
        sides = [
            torch.as_tensor(side) if isinstance(side, Tensor) else torch.from_numpy(np.array(side))
            for side in (queries, documents)
        ]
    except (TypeError, ValueError) as error:
        raise InputError(f"Vectors must be two matrices of numbers: {error}") from error
    found = checked(sides[0], sides[1])
    for side, n, name in ((found[0], pairs.n_queries, "query"), (found[1], pairs.n_documents, "document")):
        if len(side) != n:
            raise InputError(
                f"The pairs have {n:,} {name} ids and need as many {name} vectors, row i for the i-th id; got "
                f"{len(side):,}."
            )
    return found


def _facts(
    queries: Tensor, documents: Tensor, pairs: Pairs, known: Known | None, texts: TextsOf | None, seed: int
) -> Facts:
    measured = _some(pairs, max(1_000, MEASURED_SCORES // pairs.n_documents), seed, "measured")
    ranks = rank_pairs(queries, documents, measured)
    answered = np.flatnonzero(measured.sizes)
    n_scored = min(len(answered), max(64, ANSWERED_SCORES // pairs.n_documents))
    rows = np.sort(stream(seed, "diagnosis", "answers").choice(answered, n_scored, replace=False))
    found = answers(queries, documents, pairs, rows, pairs.generality)
    general = pairs.generality[measured.documents]
    as_arrays = queries.numpy(), documents.numpy()
    margins = (ranks.floor[answered] - ranks.ceiling[answered]).astype(np.float64)
    margins = margins[np.isfinite(margins)]
    quantiles = np.quantile(margins, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist() if len(margins) else [0.0] * 5
    names = ("low", "lower", "median", "upper", "high")
    return Facts(
        dim=queries.shape[1],
        n_queries=int(np.count_nonzero(pairs.sizes)),
        n_documents=pairs.n_documents,
        n_pairs=len(pairs),
        n_measured=len(answered),
        mean_size=float(pairs.sizes[pairs.sizes > 0].mean()),
        overall=recall(ranks).overall,
        by_distance=_groups(ranks, ranks.distances, None),
        by_depth=_groups(ranks, measured.depths[ranks.query_of], None),
        by_generality=_groups(ranks, general, _edges(int(pairs.generality.max()))),
        queries=geometry(as_arrays[0]),
        documents=geometry(as_arrays[1]),
        hubness=hubness(found, pairs.generality),
        margin=Margin(**dict(zip(names, quantiles, strict=True)), positive=float(ranks.whole[answered].mean())),
        bias=bias(found, ranks, general),
        contradictions=_contradictions(pairs, measured, ranks, seed),
        alignment=alignment(*as_arrays, pairs, stream(seed, "diagnosis", "alignment")),
        known=known,
        texts=texts,
    )


def _some(pairs: Pairs, at_most: int, seed: int, name: str) -> Pairs:
    """The pairs of some queries, drawn at random; all of them where there are few."""
    answered = np.flatnonzero(pairs.sizes)
    if len(answered) <= at_most:
        return pairs
    return pairs.of_queries(stream(seed, "diagnosis", name).choice(answered, at_most, replace=False))


def _edges(highest: int) -> list[int]:
    """Where the bins of generality begin: 1, 3, 10, 32, 100, ... as far as there is anything."""
    return [edge for half in range(2 * len(str(highest)) + 1) if (edge := round(10 ** (half / 2))) <= highest]


def _groups(ranks: Ranks, values: npt.NDArray[np.integer], edges: list[int] | None) -> tuple[Group, ...]:
    """The recall of the pairs with each value, or with values between two edges; a pair weighs 1 / |S(q)|."""
    weights = 1.0 / ranks.sizes[ranks.query_of]
    bins = values if edges is None else np.searchsorted(edges, values, side="right") - 1
    levels, of = levels_of(bins)
    n_pairs, weighed, hit = np.bincount(of), np.bincount(of, weights), np.bincount(of, weights * ranks.hits)
    groups = []
    for i, which in enumerate(levels.tolist()):
        name = str(which)
        if edges is not None:  # "3-9", or "100+" for the last
            name = f"{edges[which]:,}" + (f"-{edges[which + 1] - 1:,}" if which + 1 < len(edges) else "+")
        groups.append(Group(name=name, n_pairs=int(n_pairs[i]), recall=min(1.0, float(hit[i] / weighed[i]))))
    return tuple(groups)


def _contradictions(pairs: Pairs, measured: Pairs, ranks: Ranks, seed: int) -> Contradictions:
    """What the support of pairs comes to, beside the recall of those measured."""
    found = support(pairs, stream(seed, "diagnosis", "support"))
    n = found.at_least_wrong
    index = np.flatnonzero((measured.sizes > 0)[pairs.query_of])  # of the pairs measured
    doubted, checked = found.doubtful[index], found.rare[index]
    # examples have the least support; of two for one document, that with the other queries more alike
    where = np.flatnonzero(found.doubtful)
    rows, documents = pairs.query_of[where], pairs.documents[where]
    order = np.lexsort((where, -pairs.generality[documents], found.values[where]))[:EXAMPLES]
    return Contradictions(
        tells=found.tells,
        n_checked=int(found.rare.sum()),
        n=n,
        share=n / max(1, found.n_compared),
        recall=float(ranks.hits[doubted].mean()) if doubted.any() else None,
        others=float(ranks.hits[checked & ~doubted].mean()) if (checked & ~doubted).any() else None,
        examples=tuple((pairs.query_ids[rows[i]], pairs.document_ids[documents[i]]) for i in order.tolist()),
    )


def _probed(facts: Facts, queries: Tensor, documents: Tensor, pairs: Pairs, seed: int, bar: Progress) -> Facts:
    """The facts with a probe at the same dim and, unless that explains it all, one with more."""
    measured = _some(pairs, PROBED_QUERIES, seed, "probed")
    bar.begin(f"Training a little at dim {facts.dim}")
    same = probe(queries, documents, pairs, measured, facts.dim, seed, bar.update)
    if same.recovered >= RECOVERED:
        return facts.model_copy(update={"same_dim": same})
    dim = max(2 * facts.dim, WIDE)
    bar.begin(f"Training a little at dim {dim}")
    wide = probe(queries, documents, pairs, measured, dim, seed, bar.update)
    return facts.model_copy(update={"same_dim": same, "wide_dim": wide})


def known_of(folder: Path) -> Known | None:
    """The recipe and the course of a run; None of a model that was saved without one.

    Raises:
        RunFolderError: no such folder, or none of ours.
    """
    config = read_config(folder)
    if "run" not in config:
        return None
    about = About.read(folder, config)
    stages = about.recipe.stages
    last = stages[-1]
    recalls = [each.recall for each in read_log(folder) if each.stage == last.name and each.recall is not None]
    return Known(
        recipe=about.recipe.name,
        in_batch=any(stage.candidates == "batch" and not stage.log_q for stage in stages),
        far_only=last.sampler == "heavy_tail" or (last.regular_share is not None and last.regular_share < 0.5),
        finished=about.finished,
        rise=None if len(recalls) < 5 else recalls[-1] - recalls[-1 - max(1, len(recalls) // 5)],
        recall=Report.load(folder / REPORT).overall.value if (folder / REPORT).is_file() else None,
    )
