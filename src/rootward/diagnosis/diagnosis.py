"""`Diagnosis`: facts about vectors and pairs, the verdict that follows, and both in words; measures nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from rootward.diagnosis.facts import Facts, Group, Probe
from rootward.evaluation.report import Result, Value, plain_table
from rootward.plots import figure_at, save_figure

Cause: TypeAlias = Literal["healthy", "data", "sampling bias", "under-training", "capacity", "unclear"]

VERSION = 1

HEALTHY = 0.98  # overall recall
WRONG = 0.01  # of the pairs, at least
STRANGE, RELATED = 0.6, 0.65  # matches hardly above chance, while documents of one query are near each other
LEAN = 0.35  # correlation of score and log generality
MENDED = 0.3  # of the misses gone by the correction alone
RECOVERED = 0.35  # of the misses gone by a little training
CAPACITY = 0.15  # of the misses gone with more dimensions beyond what training alone recovers


class Verdict(Value):
    """The cause in one word, the finding in one sentence, its evidence, what else was found, and what to try next."""

    cause: Cause
    finding: str
    evidence: tuple[str, ...]
    also: tuple[Cause, ...]
    advice: tuple[str, ...]


class Diagnosis(Result):
    """Why recall is what it is.

    Attributes:
        label: what was looked at, for headings.
        facts: everything measured.
        verdict: cause, finding, evidence, what else was found, advice.
        seed: of every random choice.
        seconds: how long it took.
    """

    noun = "diagnosis"
    format: int = VERSION
    label: str
    facts: Facts
    verdict: Verdict
    seed: int
    seconds: float

    @property
    def cause(self) -> Cause:
        """ "healthy", "data", "sampling bias", "under-training", "capacity" or "unclear"."""
        return self.verdict.cause

    def __repr__(self) -> str:
        return f"Diagnosis({self.cause}: recall {percent(self.facts.overall)}, dim {self.facts.dim})"

    def __str__(self) -> str:
        f, v = self.facts, self.verdict
        some = "" if f.n_measured == f.n_queries else f", measured on {f.n_measured:,} of them"
        head = (
            f"{f'{self.label}: ' if self.label else ''}{f.n_queries:,} queries{some}, {f.n_documents:,} documents, "
            f"{f.n_pairs:,} pairs, dim {f.dim}\nrecall at |S(q)|: {percent(f.overall)}"
        )
        tables = [
            plain_table(
                [name, "pairs", "recall %"],
                [[each.name, f"{each.n_pairs:,}", percent(each.recall).removesuffix(" %")] for each in groups],
            )
            for name, groups in (
                ("distance", f.by_distance),
                ("depth of query", f.by_depth),
                ("generality", f.by_generality),
            )
        ]
        sides = [
            [
                name,
                f"{side.norm_mean:.2f} ± {side.norm_mean * side.norm_spread:.2f}",
                f"{100 * side.duplicates:.1f}",
                f"{100 * side.collapsed:.1f}",
                f"{side.effective_rank:.1f} of {f.dim}",
                f"{side.participation:.1f}",
            ]
            for name, side in (("queries", f.queries), ("documents", f.documents))
        ]
        m, h = f.margin, f.hubness
        geometry = "\n".join(
            [
                plain_table(["", "norm", "copies %", "collapsed %", "effective rank", "participation"], sides),
                f"margin: median {m.median:+.3f}, middle half {m.lower:+.3f} to {m.upper:+.3f}, above 0 for "
                f"{100 * m.positive:.1f} % of queries",
                f"hubness: skewness {h.skewness:.1f} (true sets: {h.true_skewness:.1f}); the most general 1 % of "
                f"documents get {100 * h.top_share:.1f} % of the answers (true sets: {100 * h.true_top_share:.1f} %)",
            ]
        )
        also = [f"Also: {', '.join(v.also)}."] if v.also else []
        evidence = [f"  - {line}" for line in v.evidence]
        words = "\n".join([v.finding, *evidence, *also, "Next:", *(f"  - {line}" for line in v.advice)])
        return "\n\n".join([head, *tables, geometry, words])

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw recall by distance, by depth of the query and by generality; the finding is the title.

        Args:
            path: where to draw, with the suffix .png or .svg.

        Raises:
            MissingExtraError: matplotlib is not installed.
            InputError: another suffix.
        """
        facts = self.facts
        panels = (
            ("distance (hops)", facts.by_distance),
            ("depth of the query (hops)", facts.by_depth),
            ("generality (queries a document)", facts.by_generality),
        )
        figure, columns = figure_at(path, len(panels), size=(10, 3.6), sharey=True)
        for axes, (name, groups) in zip(columns, panels, strict=True):
            axes.bar([each.name for each in groups], [100 * each.recall for each in groups], color="tab:blue")
            axes.set(xlabel=name, ylim=(0, 102))
            axes.tick_params(axis="x", labelrotation=45 if len(groups) > 6 else 0)
            axes.grid(axis="y", alpha=0.3)
        figure.axes[0].set_ylabel("recall at |S(q)| (%)")
        figure.suptitle(self.verdict.finding, fontsize="medium")
        return save_figure(figure, path)


# -- the verdict -----------------------------------------------------------------------------------------------------


def verdict(facts: Facts) -> Verdict:
    """The first cause that the facts show, in the order in which to fix them."""
    found = [cause for cause, shows in _SIGNS if shows(facts)]
    first: Cause = found[0] if found else "unclear"
    evidence = [line for cause in found for line in _EVIDENCE[cause](facts)]
    if not evidence:
        probes = ((facts.same_dim, "as they are"), (facts.wide_dim, "with more coordinates"))
        evidence = [_in_words(each, how) for each, how in probes if each is not None]
        evidence = evidence or ["no probe was made, and too little training and too few dimensions look alike without"]
    return Verdict(
        cause=first,
        finding=_FINDINGS[first](facts),
        evidence=tuple(evidence + _remarks(facts)),
        also=tuple(each for each in found[1:] if each != "healthy"),
        advice=tuple(_ADVICE[first](facts)),
    )


# -- what shows a cause --------------------------------------------------------------------------------------------


def is_misaligned(facts: Facts) -> bool:
    """Documents of one query are near each other but matches are not: the rows are not those of the ids."""
    return facts.alignment.matches < STRANGE and facts.alignment.relatives > RELATED


def has_wrong_pairs(facts: Facts) -> bool:
    """More contradictions than a healthy hierarchy ever shows."""
    wrong = facts.contradictions
    return wrong.tells and wrong.share >= WRONG and wrong.n >= 2


def is_healthy(facts: Facts) -> bool:
    """Next to nothing is missed."""
    return facts.overall >= HEALTHY


def is_biased(facts: Facts) -> bool:
    """Scores lean against frequent documents (or for them), and leaning the other way finds what is missed."""
    bias = facts.bias
    mended = (bias.after - bias.before) / max(1e-9, 1 - bias.before)
    against, towards = bias.lean <= -LEAN and bias.strength > 0, bias.lean >= LEAN and bias.strength < 0
    return not is_healthy(facts) and (against or towards) and mended >= MENDED


def is_undertrained(facts: Facts) -> bool:
    """A little more training finds much of what is missed; without a probe, the run's own record tells."""
    if is_healthy(facts) or is_biased(facts):
        return False
    if facts.same_dim is not None:
        return facts.same_dim.recovered >= RECOVERED
    known = facts.known
    return known is not None and (not known.finished or (known.rise or 0.0) >= 0.1 * (1 - facts.overall))


def lacks_dimensions(facts: Facts) -> bool:
    """More dimensions find what more training does not; without a probe, fewer dimensions than documents a query."""
    if is_healthy(facts) or is_biased(facts) or is_undertrained(facts):
        return False
    if facts.same_dim is not None and facts.wide_dim is not None:
        return facts.wide_dim.recovered >= max(0.0, facts.same_dim.recovered) + CAPACITY
    return facts.same_dim is None and facts.dim < facts.mean_size


_SIGNS: tuple[tuple[Cause, Callable[[Facts], bool]], ...] = (
    ("data", lambda facts: is_misaligned(facts) or has_wrong_pairs(facts)),
    ("healthy", is_healthy),
    ("sampling bias", is_biased),
    ("under-training", is_undertrained),
    ("capacity", lacks_dimensions),
)


# -- findings, evidence and advice, in words -----------------------------------------------------------------------


_FINDINGS: dict[Cause, Callable[[Facts], str]] = {
    "healthy": lambda facts: f"Healthy: {percent(facts.overall)} of the relevant documents are found.",
    "data": lambda facts: (
        "The rows do not belong to the ids: matches score like strangers."
        if is_misaligned(facts)
        else f"Wrong pairs: at least {facts.contradictions.n:,} pairs contradict all the others."
    ),
    "sampling bias": lambda facts: (
        "Sampling bias: training held down the documents that are relevant to many queries."
        if facts.bias.lean < 0
        else "Sampling bias: training favoured the documents that are relevant to many queries over the near ones."
    ),
    "under-training": lambda _: "Under-training: a little more training finds much of what is missed.",
    "capacity": lambda facts: f"Capacity: {facts.dim} dimensions are too few for these relevant sets.",
    "unclear": lambda _: "Unclear: something is missed, and none of the known causes shows.",
}


def _data_evidence(facts: Facts) -> list[str]:
    lines, wrong = [], facts.contradictions
    if is_misaligned(facts):
        lines.append(
            f"a match outscores a random document {percent(facts.alignment.matches)} of the time, though documents "
            f"of one query are nearer each other than strangers {percent(facts.alignment.relatives)} of the time"
        )
    if has_wrong_pairs(facts):
        lines.append(
            f"{wrong.n:,} pairs at least ({percent(wrong.share)} of all) join a query to a document whose other "
            f"queries share next to nothing with it; on hierarchies that are in order it is below 0.1 %"
        )
        if wrong.recall is not None and wrong.others is not None:
            lines.append(
                f"recall of the pairs in doubt {percent(wrong.recall)}, of comparable ones {percent(wrong.others)}"
            )
        if wrong.examples:
            lines.append("look at: " + "; ".join(f"{query} → {document}" for query, document in wrong.examples))
    return lines


def _bias_evidence(facts: Facts) -> list[str]:
    bias, hubs = facts.bias, facts.hubness
    lines = [
        f"within a relevant set, score and log generality correlate by {bias.lean:+.2f}"
        + (" (an in-batch softmax converges to -1)" if bias.lean < 0 else ""),
        f"adding {bias.strength:+g} standard deviations of log generality to the scores, with no training at all, "
        f"lifts recall from {percent(bias.before)} to {percent(bias.after)}",
        f"the most general 1 % of documents get {percent(hubs.top_share)} of the answers; "
        f"{percent(hubs.true_top_share)} would be right",
        f"recall by generality: {_line(facts.by_generality)}",
    ]
    known = facts.known
    if known is not None and known.in_batch:
        lines.append(f"the run's recipe, {known.recipe}, draws its candidates from the batch, uncorrected")
    if known is not None and known.far_only:
        lines.append(f"the run's recipe, {known.recipe}, ends with far pairs only")
    return lines


def _training_evidence(facts: Facts) -> list[str]:
    lines = [_in_words(facts.same_dim, "as they are")] if facts.same_dim is not None else []
    known = facts.known
    if known is not None and not known.finished:
        lines.append("the run was interrupted before its end")
    if known is not None and known.rise is not None and known.rise > 0.005:
        lines.append(f"recall rose by {100 * known.rise:.1f} points in the last fifth of the run's training")
    return lines


def _capacity_evidence(facts: Facts) -> list[str]:
    lines = []
    if facts.same_dim is not None and facts.wide_dim is not None:
        lines += [
            _in_words(facts.same_dim, "as they are"),
            _in_words(facts.wide_dim, f"with {facts.wide_dim.dim} coordinates"),
        ]
    used = facts.documents.effective_rank
    lines.append(f"documents use {used:.1f} of {facts.dim} directions, and a query has {facts.mean_size:.1f} of them")
    lines.append(f"recall by distance: {_line(facts.by_distance)}")
    return lines


_EVIDENCE: dict[Cause, Callable[[Facts], list[str]]] = {
    "healthy": lambda facts: [
        f"recall {percent(facts.overall)}, and {percent(facts.margin.positive)} of queries whole"
    ],
    "data": _data_evidence,
    "sampling bias": _bias_evidence,
    "under-training": _training_evidence,
    "capacity": _capacity_evidence,
}


def _remarks(facts: Facts) -> list[str]:
    """What a careful reader should know whatever the cause."""
    lines = []
    for side, name in ((facts.queries, "query"), (facts.documents, "document")):
        if side.duplicates > 0.01:
            lines.append(
                f"{percent(side.duplicates)} of {name} vectors are copies of another: no score tells them apart"
            )
        if side.collapsed > 0.1:
            lines.append(f"{percent(side.collapsed)} of {name} vectors point the same way: they have collapsed")
    if facts.documents.norm_spread > 0.05:
        lines.append(
            f"document vectors differ in length (by {percent(facts.documents.norm_spread)} of the mean), and scores "
            f"are inner products: normalise them if cosines were meant"
        )
    if not facts.contradictions.tells:
        lines.append("the pairs share too little to be checked against each other for wrong ones")
    return lines


def _data_advice(facts: Facts) -> list[str]:
    if is_misaligned(facts):
        return [
            "Check the order of the ids: row i of each table must be the vector of the i-th id "
            "(--query-ids, --document-ids)."
        ]
    return [
        "Look at the pairs in doubt (contradictions.examples, --json), mend their source, and train again.",
        "Then diagnose once more: wrong pairs hide other causes.",
    ]


def _bias_advice(facts: Facts) -> list[str]:
    if facts.bias.lean > 0:
        return ["Train on all distances together: rootward train ... --recipe decoupled, not on far pairs at the end."]
    return [
        "Train with candidates that do not depend on how often a document is relevant: "
        "rootward train ... --recipe decoupled.",
        "Keeping an in-batch loss: correct it for how often documents are drawn, recipes.regular(log_q=True).",
        f"Until then add {facts.bias.strength:g} standard deviations of log generality to the scores.",
    ]


_ADVICE: dict[Cause, Callable[[Facts], list[str]]] = {
    "healthy": lambda _: ["Nothing to mend."],
    "data": _data_advice,
    "sampling bias": _bias_advice,
    "under-training": lambda _: ["Train longer: rootward train ... --epochs N, with twice the epochs or more."],
    "capacity": lambda facts: [
        f"Use more dimensions: rootward train ... --dim {facts.wide_dim.dim if facts.wide_dim else 2 * facts.dim}.",
        "At this dimension, a sharper end may still help: recipes.decoupled(epochs=..., scale_end=...).",
    ],
    "unclear": lambda facts: (
        ["Let it probe: leave --quick out."]
        if facts.same_dim is None
        else ["Train longer and with more dimensions: rootward train ... --epochs N --dim N, and diagnose again."]
    ),
}


def _in_words(probe: Probe, how: str) -> str:
    return (
        f"trained on for {probe.epochs:g} epochs {how}: recall {percent(probe.before)} → {percent(probe.after)} "
        f"({percent(max(0.0, probe.recovered))} of the misses found)"
    )


def _line(groups: tuple[Group, ...]) -> str:
    return ", ".join(f"{each.name}: {100 * each.recall:.0f}" for each in groups)


def percent(share: float) -> str:
    """'99.9 %'; 100.0 only for all of them."""
    return f"{99.9 if 0.9995 <= share < 1 else 100 * share:.1f} %"
