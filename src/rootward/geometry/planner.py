"""`plan`: the dimensions that a hierarchy needs, as a `Plan` that prints, saves and plots itself."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rootward.encoders import DualEncoder
from rootward.errors import InputError, PairsError
from rootward.evaluation import evaluate
from rootward.evaluation.results import plain_table
from rootward.geometry.constructions import forest_arcs
from rootward.geometry.separation import Smallest, expected_dimension, guaranteed_dimension, lowest, smallest_separating
from rootward.pairs import Pairs
from rootward.plots import figure_at, plain_ticks, save_figure
from rootward.progress import Progress
from rootward.rng import stream
from rootward.training import Recipe, Settings, recipes, train
from rootward.training.defaults import resolve

FAILURE = 0.01


@dataclass(frozen=True)
class Plan:
    """Dimensions for one set of pairs: what is guaranteed, what was found, what training needs.

    Attributes:
        n_queries, n_documents, n_pairs: sizes; queries without relevant documents are not counted.
        max_size, mean_size: of the relevant sets, s = max_size.
        depth: the largest distance of any pair.
        guaranteed: dimension of our form of theorem 3.1, for all but a share `failure` of the random draws.
        expected: where the extremes of normal variables put the separation.
        gaussian: the smallest dimension found to separate every query with every seed; None where not searched.
        constructed_recall: (dimension, overall recall) of Algorithm 1 on up to 2,000 queries, seed 0.
        learned: the smallest dimension at which training reached its target; None where not searched.
        no_arcs: why the pairs are no forest, None where 3 dimensions hold them exactly.
    """

    n_queries: int
    n_documents: int
    n_pairs: int
    max_size: int
    mean_size: float
    depth: int
    guaranteed: int
    failure: float
    expected: int
    gaussian: Smallest | None
    constructed_recall: tuple[tuple[int, float], ...]
    learned: SmallestLearned | None
    no_arcs: str | None

    @property
    def order(self) -> float:
        """The theorem's order of dimension, s ln m."""
        return self.max_size * math.log(max(2, self.n_documents))

    @property
    def constant(self) -> float | None:
        """Fitted here: the dimension found for the construction, as a multiple of s ln m."""
        return None if self.gaussian is None else self.gaussian.dim / self.order

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values, with the order and its constant."""
        return {**asdict(self), "order": self.order, "constant": self.constant}

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    def __str__(self) -> str:
        head = (
            f"{self.n_queries:,} queries, m = {self.n_documents:,} documents, {self.n_pairs:,} pairs, "
            f"depth {self.depth}\nrelevant sets of up to s = {self.max_size} documents, {self.mean_size:.1f} on "
            f"average; s ln m = {self.order:,.0f}"
        )
        rows = [[what, dim] for what, dim, _ in self.rows()]
        table = plain_table(["", "dim"], rows).splitlines()
        remarks = ["what it says", *(remark for *_, remark in self.rows())]
        return head + "\n\n" + "\n".join(f"{line}  {remark}" for line, remark in zip(table, remarks, strict=True))

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw recall at |S(q)| against dimension: constructed and learned, with the dimensions named here.

        Raises:
            MissingExtraError: matplotlib is not installed.
            InputError: a suffix other than .png and .svg.
        """
        figure, axes = figure_at(path)
        curves = [("constructed (Algorithm 1)", "o", dict(self.constructed_recall))]
        if self.learned is not None:  # the best recall of each dimension, the last one sorted
            tried = sorted((each.dim, each.recall) for each in self.learned.tried)
            curves.append(("learned", "s", dict(tried)))
            axes.axhline(100 * self.learned.target, color="0.7", linewidth=0.8)
        for label, marker, recalls in curves:
            if recalls:
                axes.plot(list(recalls), [100 * each for each in recalls.values()], marker, ls="-", ms=4, label=label)
        if self.gaussian is not None:
            axes.axvline(self.gaussian.dim, color="C0", linestyle="--", label="all queries at one threshold: found")
        axes.axvline(self.guaranteed, color="0.5", linestyle=":", label="... guaranteed by the theorem")
        axes.set_xscale("log")
        plain_ticks(axes.xaxis)
        axes.set(xlabel="dimension", ylabel="recall at |S(q)| (%)", ylim=(-2, 102))
        axes.grid(alpha=0.3)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        return save_figure(figure, path)

    def rows(self) -> list[tuple[str, str, str]]:
        """(method, dimension, what the number means), fewest dimensions first where known."""
        rows = [("arcs", "-", "no forest with all its ancestors, so 3 dimensions do not hold it")]
        if self.no_arcs is None:
            rows = [("arcs", "3", "a forest: every set exactly at threshold 0, in float64")]
        if (found := self.learned) is not None:
            dim, target = f"> {found.failed_at:,}", f"{100 * found.target:.4g} %"
            says = f"recall at |S(q)| stayed below {target}"
            if found.dim is not None:
                dim, below = f"{found.dim:,}", f"; below {target} at {found.failed_at:,}" if found.failed_at else ""
                says = f"recall at |S(q)| {100 * found.recall:.1f} % on these pairs, seed {found.seed}{below}"
                says += "; nothing about unseen pairs"
            rows.append(("learned", dim, says))
        exact = "holds any such sets exactly, on paper: the margins are tiny"
        rows.append(("moment curve", f"{2 * self.max_size:,}", exact))
        if self.gaussian is not None:
            n_seeds = len({each.seed for each in self.gaussian.tried})
            seeds = "one seed" if n_seeds == 1 else f"all of {n_seeds} seeds"
            below = f", {self.gaussian.failed_at:,} does not" if self.gaussian.failed_at else ""
            says = f"one threshold served all queries with {seeds}{below}; = {self.constant:.1f} s ln m"
            rows.append(("gaussian, found", f"{self.gaussian.dim:,}", says))
        estimate = "from the extremes of normal variables; an estimate"
        rows.append(("gaussian, expected", f"{self.expected:,}", estimate))
        says = f"theorem: one threshold serves all queries, for {100 * (1 - self.failure):.3g} % of the seeds"
        rows.append(("gaussian, guaranteed", f"{self.guaranteed:,}", says))
        return rows


def plan(
    pairs: Pairs,
    target: float = 0.95,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    gaussian: bool = True,
    learned: bool = True,
    recipe: Recipe | None = None,
    failure: float = FAILURE,
    progress: bool = False,
) -> Plan:
    """The dimensions that these pairs need: guaranteed, constructed and learned.

    Finding what the construction needs scores all queries against all documents a few times at some hundreds or
    thousands of dimensions; finding what training needs trains at a few dimensions. For WordNet (82,115 nouns) each
    takes some ten minutes on 2 cores, for a thousand nodes seconds.

    Args:
        pairs: what has to be retrieved.
        target: overall recall at |S(q)| that training has to reach, in (0, 1].
        seeds: with each of which the construction has to separate every query; the first one trains.
        gaussian, learned: whether to search at all.
        recipe: of the trainings; None takes `recipes.decoupled()`.
        failure: share of random draws for which the guaranteed dimension may fail.
        progress: say on standard error what is tried.

    Raises:
        InputError: shares out of range, or no seeds.
        PairsError: there are no pairs.
    """
    if not len(seeds):
        raise InputError("plan needs at least one seed, got none.")
    if not 0 < target <= 1:
        raise InputError(f"target is a share in (0, 1], such as 0.95; got {target}.")
    if not len(pairs):
        raise PairsError("There are no pairs, so nothing to plan for.")
    answered = pairs.sizes[pairs.sizes > 0]
    with Progress(progress) as shown:

        def say(text: str, total: int | None = None) -> None:
            shown.begin(text, total)
            if not shown.terminal:
                shown.say(text)

        def measured(dim: int, seed: int, n_queries: int) -> None:
            trial = f"construction at dim {dim:,}, seed {seed}"
            if shown.what != trial:
                say(trial, len(answered))
            shown.advance(n_queries)

        found, dims = None, list[int]()
        if gaussian:
            found = smallest_separating(pairs, seeds, progress=measured)
            say("recall of the construction by dimension")
            dims = [*(2**i for i in range(1, 20) if 2**i < found.dim), found.dim]
        no_arcs = None
        try:
            forest_arcs(pairs)
        except InputError as error:
            no_arcs = str(error)
        return Plan(
            n_queries=len(answered),
            n_documents=pairs.n_documents,
            n_pairs=len(pairs),
            max_size=int(answered.max()),
            mean_size=float(answered.mean()),
            depth=pairs.max_distance,
            guaranteed=guaranteed_dimension(pairs, failure=failure),
            failure=failure,
            expected=expected_dimension(pairs),
            gaussian=found,
            constructed_recall=tuple((dim, constructed_recall(pairs, dim, seed=seeds[0])) for dim in dims),
            learned=smallest_learned(pairs, target, recipe=recipe, seed=seeds[0], progress=say) if learned else None,
            no_arcs=no_arcs,
        )


RATIO = 1.25
"""Between two dimensions that are tried: each costs a training."""

START = 8
SHORT = 0.25
"""The share of the steps that is tried first: enough where the dimension is generous."""

HOPELESS = 0.5
"""A short training below this share of the target ends the trial of a dimension."""


@dataclass(frozen=True)
class Training:
    """One training: its dimension, steps and overall recall at |S(q)| over all pairs, in [0, 1]."""

    dim: int
    steps: int
    recall: float


@dataclass(frozen=True)
class SmallestLearned:
    """The smallest dimension, to 25 %, at which training reached the target.

    Attributes:
        dim: that dimension; None where the largest one tried did not reach it.
        recall: overall recall at |S(q)| reached there.
        failed_at: the largest dimension tried below, which did not reach it; 0 where dim is 1.
        target: recall to reach, in (0, 1].
        seed: of the trainings.
        tried: everything that was trained, in order.
    """

    dim: int | None
    recall: float
    failed_at: int
    target: float
    seed: int
    tried: tuple[Training, ...]


def smallest_learned(
    pairs: Pairs,
    target: float = 0.95,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    start: int = START,
    most: int = 1_024,
    progress: Callable[[str], object] | None = None,
) -> SmallestLearned:
    """Train at one dimension after the other until one reaches the target and the next lower one does not.

    Each dimension is first trained for a quarter of its steps, which is enough where it is generous and tells where
    it is hopeless; else at full length.

    Args:
        pairs: what to memorise, and to be measured on, all of them.
        target: overall recall at |S(q)|, in (0, 1].
        recipe: one stage or several; None takes `recipes.decoupled()`. Its lengths are what is shortened.
        seed: of every training.
        start: the first dimension to try.
        most: the largest.
        progress: called with a line before each training.

    Raises:
        InputError: a target out of range.
        PairsError: there are no pairs.
    """
    if not 0 < target <= 1:
        raise InputError(f"target is a share in (0, 1], such as 0.95; got {target}.")
    recipe = recipe or recipes.decoupled()
    tried: list[Training] = []

    def reached(dim: int, share: float) -> float:
        """Recall of a training at this dimension, for a share of the steps derived for it."""
        steps = [max(1, round(share * (resolve(stage, pairs, dim).steps or 0))) for stage in recipe.stages]
        total = sum(steps)
        if progress is not None:
            progress(f"training at dim {dim}, {total:,} steps")
        model = DualEncoder.lookup(pairs, dim, start=recipe.start, seed=seed)
        changes = [{"epochs": None, "steps": n} for n in steps]
        stages = tuple(stage.model_copy(update=c) for stage, c in zip(recipe.stages, changes, strict=True))
        shortened = recipe.model_copy(update={"stages": stages})
        train(model, pairs, shortened, seed=seed, settings=Settings(progress=False, measure=False))
        recall = float(evaluate(model, pairs, bootstrap=0).overall.value)
        tried.append(Training(dim, total, recall))
        return recall

    def works(dim: int) -> bool:
        if dim > most:
            return True  # ends the search; told apart below
        short = reached(dim, SHORT)
        return short >= target or (short >= HOPELESS * target and reached(dim, 1.0) >= target)

    dim, failed_at = lowest(works, min(start, most), RATIO)
    recall = max((each.recall for each in tried if each.dim == dim), default=0.0)
    return SmallestLearned(None if dim > most else dim, recall, min(failed_at, most), target, seed, tuple(tried))


SAMPLE = 2_000
"""Queries that recall is measured on, against all documents: enough for half a point."""


def constructed_recall(pairs: Pairs, dim: int, *, seed: int = 0, sample: int = SAMPLE) -> float:
    """Overall recall at |S(q)| of the Gaussian construction, in [0, 1], on `sample` of the queries or all of fewer."""
    answered = np.flatnonzero(pairs.sizes)
    some = pairs.of_queries(stream(seed, "constructed recall").permutation(answered)[:sample])
    model = DualEncoder.lookup(pairs, dim, seed=seed)
    return float(evaluate(model, some, bootstrap=0).overall.value)
