"""`Drift`: recall lost by growing since the last training, slice by slice, and whether to train again."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from rootward.encoders import DualEncoder
from rootward.evaluation import ranks_of
from rootward.evaluation.results import percent, plain_table
from rootward.growth.grow import Grown
from rootward.ids import Ids, Rows
from rootward.pairs import Pairs
from rootward.rng import stream

MEASURED_SCORES = 1_000_000_000
"""Queries times documents that are measured, of the old model and of the new one; more queries are sampled."""

FEWEST = 30
"""A slice of fewer queries says nothing."""

Verdict = Literal["fine", "retrain soon", "retrain now"]
VERDICTS: list[Verdict] = ["fine", "retrain soon", "retrain now"]


# From where to retrain soon, and now, as shares (1 is all). Recall counts first. Numbers of changes say little: the
# animals of WordNet grew to three times their number and recall stayed above 99.8 % (docs/lab-log.md).
SLICE_LOST = 0.01, 0.05  # recall that a slice has lost since training
ADDED_SHORT = 0.05, 0.15  # by how much the recall of added queries is below that of the others
CHANGED = 0.5, 2.0  # queries added or removed since, as a share of those trained


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Slice(_Frozen):
    """Recall at |S(q)| of some queries that were there when the run was trained, shares from 0 to 1.

    Attributes:
        kind, name: "distance" 3: the pairs at 3 hops; "depth" 3: queries whose farthest document is 3 hops away;
            "branch" shoes: queries below shoes, or it itself; "all".
        n_queries: how many were measured.
        trained: recall when the run was trained; None where the slice was not there.
        now: recall now.
    """

    kind: Kind
    name: str
    n_queries: int
    trained: float | None
    now: float

    @property
    def lost(self) -> float:
        """Recall lost since training; negative where it was won."""
        return 0.0 if self.trained is None else self.trained - self.now


class Step(_Frozen):
    """One growth, counted in queries: those added, removed, and moved of those that stayed."""

    date: str
    added: int
    removed: int
    moved: int
    seconds: float


class Drift(_Frozen):
    """What growing has changed in a run since it was trained; growths add up.

    Attributes:
        trained_queries: how many queries it was trained on.
        trained: recall then, by "kind name".
        added: ids of the queries added since and still there.
        steps: one a growth.
        slices: of queries that were trained.
        added_recall: recall of added queries now; None where there are none.
        added_documents_recall: recall, among trained queries, of added documents; None where they want none.
        verdict: fine, retrain soon or retrain now.
        reasons: why, with the figures; what is fine too.
    """

    trained_queries: int
    trained: dict[str, float]
    added: tuple[str, ...]
    steps: tuple[Step, ...]
    slices: tuple[Slice, ...]
    added_recall: float | None
    added_documents_recall: float | None
    verdict: Verdict
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        rows = [
            *([s.kind, s.name, f"{s.n_queries:,}", percent(s.trained), percent(s.now)] for s in self.slices),
            ["added", "queries", f"{len(self.added):,}", "", percent(self.added_recall)],
            ["added", "documents", "", "", percent(self.added_documents_recall)],
        ]
        table = plain_table(["slice", "", "queries", "trained %", "now %"], rows)
        return "\n".join([table, f"verdict: {self.verdict}", *(f"  {reason}" for reason in self.reasons)])


def drift(
    model: DualEncoder,
    before: Pairs,
    grown: Grown,
    *,
    history: Drift | None = None,
    seed: int = 0,
    measured_scores: int = MEASURED_SCORES,
) -> Drift:
    """Measure a growth: the same queries with the model as it was and as it is.

    Args:
        model, before: as given to `grow`.
        grown: what it gave.
        history: of earlier growths since the last training, whose figures of then are the ones to compare with.
        seed: of the sample of queries.
        measured_scores: queries times documents measured, each time; every added query is measured besides.
    """
    added = {*(() if history is None else history.added), *grown.added_queries}
    added = {label for label in added if label in grown.pairs.query_ids}
    fit = np.flatnonzero((before.sizes > 0) & ~_among(before.query_ids, added))
    most = max(1, measured_scores // max(before.n_documents, 1))
    if len(fit) > most:
        fit = stream(seed, "drift").choice(fit, most, replace=False)
    sampled = {before.query_ids[row] for row in fit.tolist()}
    if history is None:
        first, _, _ = measured(model, before, sampled, set(), 4 * BRANCHES)  # other ones may be the largest one day
        trained = {f"{kind} {name}": recall for (kind, name), (_, recall) in first.items()}
    else:
        trained = history.trained
    found, added_recall, added_documents = measured(grown.model, grown.pairs, sampled, added)
    slices = tuple(
        Slice(kind=kind, name=name, n_queries=n, trained=trained.get(f"{kind} {name}"), now=recall)
        for (kind, name), (n, recall) in found.items()
    )
    step = Step(
        date=time.strftime("%Y-%m-%d"),
        added=len(grown.added_queries),
        removed=len(grown.removed_queries),
        moved=len(grown.moved),
        seconds=round(grown.seconds, 2),
    )
    steps = (*(() if history is None else history.steps), step)
    n_trained = before.n_queries if history is None else history.trained_queries
    verdict, reasons = judge(slices, steps, n_trained, added_recall)
    return Drift(
        trained_queries=n_trained,
        trained=trained,
        added=tuple(sorted(added)),
        steps=steps,
        slices=slices,
        added_recall=added_recall,
        added_documents_recall=added_documents,
        verdict=verdict,
        reasons=reasons,
    )


def judge(
    slices: tuple[Slice, ...], steps: tuple[Step, ...], n_trained: int, added_recall: float | None
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict, that of the worst figure, and its reasons: each figure beside its limits."""
    counted = [each for each in slices if each.trained is not None and each.n_queries >= FEWEST]
    lost, lost_by = 0.0, "no slice is large enough to compare"
    if counted:
        worst = max(counted, key=lambda each: each.lost)
        lost, name = worst.lost, f"{worst.kind} {worst.name}".strip()
        lost_by = f"the slice that lost most, {name}: {percent(worst.trained)} -> {percent(worst.now)} %"
    others = next((each.now for each in slices if each.kind == "all"), None)
    short, short_by = 0.0, "nothing was added"
    if added_recall is not None and others is None:
        short, short_by = 1.0, f"recall of added queries {percent(added_recall)} %, and none that was trained is left"
    elif added_recall is not None and others is not None:
        short = others - added_recall
        short_by = f"recall of added queries {percent(added_recall)} %, of the others {percent(others)} %"
    added, removed, moved = (sum(getattr(step, name) for step in steps) for name in ("added", "removed", "moved"))
    changed, times = (added + removed) / max(n_trained, 1), f"{len(steps)} growth{'s' * (len(steps) != 1)}"
    changed_by = (
        f"{added:,} queries added and {removed:,} removed in {times}, {percent(changed)} % of the {n_trained:,} "
        f"trained, besides {moved:,} moved"
    )
    figures = ((SLICE_LOST, lost, lost_by), (ADDED_SHORT, short, short_by), (CHANGED, changed, changed_by))
    levels, reasons = [], []
    for (soon, now), value, reason in figures:
        level: Verdict = "retrain now" if value >= now else "retrain soon" if value >= soon else "fine"
        levels.append(level)
        reasons.append(f"{reason}: {level} (soon from {100 * soon:g} points, now from {100 * now:g})")
    return max(levels, key=VERDICTS.index), tuple(reasons)


BRANCHES = 12
"""So many branches, the largest, have a slice of their own."""

Kind = Literal["all", "distance", "depth", "branch"]
Flags = npt.NDArray[np.bool_]


def measured(
    model: DualEncoder, pairs: Pairs, sampled: Collection[str], added: Collection[str], n_branches: int = BRANCHES
) -> tuple[dict[tuple[Kind, str], tuple[int, float]], float | None, float | None]:
    """Recall at |S(q)|, shares from 0 to 1, of the queries `sampled` and `added`; unknown ids are passed over.

    Returns:
        By slice (kind, name), how many queries that were trained were measured, and their recall; the recall of added
        queries, None where there are none; the recall of added documents among queries that were trained, None where
        these want none.
    """
    is_added = _among(pairs.query_ids, added)
    wanted = pairs.keep((is_added | _among(pairs.query_ids, sampled))[pairs.query_of])
    query, weights, hits = wanted.query_of, 1.0 / wanted.sizes[wanted.query_of], ranks_of(model, wanted).hits
    old, found = ~is_added[query], dict[tuple[Kind, str], tuple[int, float]]()

    def recall(which: Flags) -> float | None:
        return float((weights * hits)[which].sum() / weights[which].sum()) if which.any() else None

    def measure(kind: Kind, name: str, which: Flags) -> None:
        value = recall(old & which)
        if value is not None:
            found[kind, name] = len(np.unique(query[old & which])), value

    measure("all", "", old)
    depth = wanted.depths[query]
    for kind, values in (("distance", wanted.distances), ("depth", depth)):
        for value in np.unique(values).tolist():
            measure(cast(Kind, kind), str(value), values == value)
    branch = branches(pairs)
    counted = branch[np.unique(query)]
    rows, counts = np.unique(counted[counted >= 0], return_counts=True)
    for row in rows[np.lexsort((rows, -counts))[:n_branches]].tolist():  # the largest first
        measure("branch", pairs.document_ids[row], branch[query] == row)
    return found, recall(~old), recall(old & _among(pairs.document_ids, added)[wanted.documents])


def branches(pairs: Pairs) -> Rows:
    """The branch of each query, a document row; -1 where there is none (int64, n_queries).

    It is the most general document that the query wants and at most half of all queries want: in a shop of shoes and
    boots where most are shoes, boots is a branch, and what stands right below shoes.
    """
    general = pairs.generality.copy()
    general[2 * general > np.count_nonzero(pairs.sizes)] = 0
    order = np.lexsort((general[pairs.documents], pairs.query_of))
    top = pairs.documents[order[pairs.offsets[1:][pairs.sizes > 0] - 1]]
    out = np.full(pairs.n_queries, -1)
    out[pairs.sizes > 0] = np.where(general[top] > 0, top, -1)
    return out


def _among(ids: Ids, labels: Collection[str]) -> Flags:
    return np.fromiter((label in labels for label in ids), np.bool_, len(ids))
