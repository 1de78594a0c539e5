"""`Diagnosis`: facts about vectors and pairs, the verdict that follows, and both in words; measures nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from rootward.diagnosis.facts import Facts, Group, Probe
from rootward.evaluation.naming import texts_in_words
from rootward.evaluation.results import Result, Value, plain_table
from rootward.plots import figure_at, save_figure

Cause: TypeAlias = Literal[
    "healthy", "data", "sampling bias", "generalisation", "under-training", "capacity", "unclear"
]

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
        """ "healthy", "data", "sampling bias", "generalisation", "under-training", "capacity" or "unclear"."""
        return self.verdict.cause

    def __repr__(self) -> str:
        return f"Diagnosis({self.cause}: recall {percent(self.facts.overall)}, dim {self.facts.dim})"

    def __str__(self) -> str:
        f, v = self.facts, self.verdict
        some = "" if f.n_measured == f.n_queries else f", measured on {f.n_measured:,} of them"
        kind = texts_in_words(f.texts) if f.texts else "queries"
        head = (
            f"{f'{self.label}: ' if self.label else ''}{f.n_queries:,} {kind}{some}, {f.n_documents:,} documents, "
            f"{f.n_pairs:,} pairs, dim {f.dim}\nrecall at |S(q)|: {percent(f.overall)}"
        )
        blocks = [head]
        by = (("distance", f.by_distance), ("depth of query", f.by_depth), ("generality", f.by_generality))
        for name, groups in by:
            rows = [[each.name, f"{each.n_pairs:,}", percent(each.recall).removesuffix(" %")] for each in groups]
            blocks.append(plain_table([name, "pairs", "recall %"], rows))
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
        blocks.append(
            plain_table(["", "norm", "copies %", "collapsed %", "effective rank", "participation"], sides)
            + f"\nmargin: median {m.median:+.3f}, middle half {m.lower:+.3f} to {m.upper:+.3f}, above 0 for "
            f"{100 * m.positive:.1f} % of queries\n"
            f"hubness: skewness {h.skewness:.1f} (true sets: {h.true_skewness:.1f}); the most general 1 % of "
            f"documents get {100 * h.top_share:.1f} % of the answers (true sets: {100 * h.true_top_share:.1f} %)"
        )
        also = [f"Also: {', '.join(v.also)}."] if v.also else []
        evidence, advice = ([f"  - {line}" for line in lines] for lines in (v.evidence, v.advice))
        return "\n\n".join([*blocks, "\n".join([v.finding, *evidence, *also, "Next:", *advice])])

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw recall by distance, by depth of the query and by generality; the finding is the title.

        Raises:
            MissingExtraError: matplotlib is not installed.
            InputError: a suffix other than .png and .svg.
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


def verdict(facts: Facts) -> Verdict:
    """The first cause that the facts show, in the order in which to fix them."""
    unclear = _memorised(facts) if is_healthy(facts) else _unclear(facts)
    found = [(cause, words(facts)) for cause, shows, words in _CAUSES if shows(facts)] or [("unclear", unclear)]
    first, words = found[0]
    evidence = [line for _, each in found for line in each.evidence] or unclear.evidence
    return Verdict(
        cause=first,
        finding=words.finding,
        evidence=tuple(evidence + _remarks(facts)),
        also=tuple(cause for cause, _ in found[1:] if cause != "healthy"),
        advice=tuple(words.advice),
    )


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


def generalises_badly(facts: Facts) -> bool:
    """Of texts that training did not know, most of what is missed would be found had it known them."""
    if facts.texts not in ("held-out", "partly held-out") or facts.known is None or facts.known.recall is None:
        return False
    missed = 1 - facts.overall
    return not is_healthy(facts) and not is_biased(facts) and facts.known.recall - facts.overall >= missed / 2


def is_undertrained(facts: Facts) -> bool:
    """A little more training finds much of what is missed; without a probe, the run's own record tells."""
    if is_healthy(facts) or is_biased(facts) or generalises_badly(facts):
        return False
    if facts.same_dim is not None:
        return facts.same_dim.recovered >= RECOVERED
    known = facts.known
    return known is not None and (not known.finished or (known.rise or 0.0) >= 0.1 * (1 - facts.overall))


def lacks_dimensions(facts: Facts) -> bool:
    """More dimensions find what more training does not; without a probe, fewer dimensions than documents a query."""
    if is_healthy(facts) or is_biased(facts) or generalises_badly(facts) or is_undertrained(facts):
        return False
    if facts.same_dim is not None and facts.wide_dim is not None:
        return facts.wide_dim.recovered >= max(0.0, facts.same_dim.recovered) + CAPACITY
    return facts.same_dim is None and facts.dim < facts.mean_size


class _Words(NamedTuple):
    """What to say of a cause; evidence is given of every cause found, the rest of the first."""

    finding: str
    evidence: list[str]
    advice: list[str]


def _memorised(facts: Facts) -> _Words:
    found = percent(facts.overall)
    return _Words(
        f"Unclear: {found} of the relevant documents are found, for texts that it was trained on.",
        ["how other texts fare, these cannot tell"],
        ["Diagnose with texts that it was not trained on: rootward diagnose RUN --labels FILE."],
    )


def _generalisation(facts: Facts) -> _Words:
    assert facts.known is not None and facts.known.recall is not None
    known, found = percent(facts.known.recall), percent(facts.overall)
    return _Words(
        "Generalisation: what it was trained on is found, other texts are not.",
        [
            f"recall {found} for {texts_in_words(facts.texts or 'held-out')}, {known} for what it was trained on",
            f"recall by distance: {_line(facts.by_distance)}",
        ],
        [
            "Give more labelled texts, first for nodes with few; names and synonyms of nodes count too.",
            "Read with a sentence encoder as well, which knows words that no label has: rootward train ... --labels "
            "FILE with rootward[minilm], or --tower joint --encoder NAME.",
            "More dimensions or longer training will not help.",
        ],
    )


def _healthy(facts: Facts) -> _Words:
    found = percent(facts.overall)
    return _Words(
        f"Healthy: {found} of the relevant documents are found.",
        [f"recall {found}, and {percent(facts.margin.positive)} of queries whole"],
        ["Nothing to mend."],
    )


def _data(facts: Facts) -> _Words:
    wrong = facts.contradictions
    finding = f"Wrong pairs: at least {wrong.n:,} pairs contradict all the others."
    evidence, advice = (
        [],
        [
            "Look at the pairs in doubt (contradictions.examples, --json), mend their source, and train again.",
            "Then diagnose once more: wrong pairs hide other causes.",
        ],
    )
    if is_misaligned(facts):
        finding = "The rows do not belong to the ids: matches score like strangers."
        evidence.append(
            f"a match outscores a random document {percent(facts.alignment.matches)} of the time, though documents "
            f"of one query are nearer each other than strangers {percent(facts.alignment.relatives)} of the time"
        )
        advice = [
            "Check the order of the ids: row i of each table must be the vector of the i-th id "
            "(--query-ids, --document-ids)."
        ]
    if has_wrong_pairs(facts):
        evidence.append(
            f"{wrong.n:,} pairs at least ({percent(wrong.share)} of all) join a query to a document whose other "
            f"queries share next to nothing with it; on hierarchies that are in order it is below 0.1 %"
        )
        if wrong.recall is not None and wrong.others is not None:
            evidence.append(
                f"recall of the pairs in doubt {percent(wrong.recall)}, of comparable ones {percent(wrong.others)}"
            )
        if wrong.examples:
            evidence.append("look at: " + "; ".join(f"{query} → {document}" for query, document in wrong.examples))
    return _Words(finding, evidence, advice)


def _bias(facts: Facts) -> _Words:
    bias, hubs, known = facts.bias, facts.hubness, facts.known
    finding = "Sampling bias: training favoured the documents that are relevant to many queries over the near ones."
    converges = ""
    advice = ["Train on all distances together: rootward train ... --recipe decoupled, not on far pairs at the end."]
    if bias.lean < 0:
        finding = "Sampling bias: training held down the documents that are relevant to many queries."
        converges = " (an in-batch softmax converges to -1)"
        advice = [
            "Train with candidates that do not depend on how often a document is relevant: "
            "rootward train ... --recipe decoupled.",
            "Keeping an in-batch loss: correct it for how often documents are drawn, recipes.regular(log_q=True).",
            f"Until then add {bias.strength:g} standard deviations of log generality to the scores.",
        ]
    evidence = [
        f"within a relevant set, score and log generality correlate by {bias.lean:+.2f}{converges}",
        f"adding {bias.strength:+g} standard deviations of log generality to the scores, with no training at all, "
        f"lifts recall from {percent(bias.before)} to {percent(bias.after)}",
        f"the most general 1 % of documents get {percent(hubs.top_share)} of the answers; "
        f"{percent(hubs.true_top_share)} would be right",
        f"recall by generality: {_line(facts.by_generality)}",
    ]
    if known is not None and known.in_batch:
        evidence.append(f"the run's recipe, {known.recipe}, draws its candidates from the batch, uncorrected")
    if known is not None and known.far_only:
        evidence.append(f"the run's recipe, {known.recipe}, ends with far pairs only")
    return _Words(finding, evidence, advice)


def _training(facts: Facts) -> _Words:
    evidence, known = _probed(facts.same_dim, "as they are"), facts.known
    if known is not None and not known.finished:
        evidence.append("the run was interrupted before its end")
    if known is not None and known.rise is not None and known.rise > 0.005:
        evidence.append(f"recall rose by {100 * known.rise:.1f} points in the last fifth of the run's training")
    return _Words(
        "Under-training: a little more training finds much of what is missed.",
        evidence,
        ["Train longer: rootward train ... --epochs N, with twice the epochs or more."],
    )


def _capacity(facts: Facts) -> _Words:
    evidence, more = [], 2 * facts.dim
    if facts.wide_dim is not None:
        more = facts.wide_dim.dim
        evidence = _probed(facts.same_dim, "as they are") + _probed(facts.wide_dim, f"with {more} coordinates")
    used = facts.documents.effective_rank
    return _Words(
        f"Capacity: {facts.dim} dimensions are too few for these relevant sets.",
        [
            *evidence,
            f"documents use {used:.1f} of {facts.dim} directions, and a query has {facts.mean_size:.1f} of them",
            f"recall by distance: {_line(facts.by_distance)}",
        ],
        [
            f"Use more dimensions: rootward train ... --dim {more}.",
            "At this dimension, a sharper end may still help: recipes.decoupled(epochs=..., scale_end=...).",
        ],
    )


def _unclear(facts: Facts) -> _Words:
    evidence = _probed(facts.same_dim, "as they are") + _probed(facts.wide_dim, "with more coordinates")
    advice = "Train longer and with more dimensions: rootward train ... --epochs N --dim N, and diagnose again."
    return _Words(
        "Unclear: something is missed, and none of the known causes shows.",
        evidence or ["no probe was made, and too little training and too few dimensions look alike without"],
        ["Let it probe: leave --quick out." if facts.same_dim is None else advice],
    )


_CAUSES: tuple[tuple[Cause, Callable[[Facts], bool], Callable[[Facts], _Words]], ...] = (
    ("data", lambda facts: is_misaligned(facts) or has_wrong_pairs(facts), _data),
    ("healthy", lambda facts: is_healthy(facts) and facts.texts != "trained on", _healthy),
    ("sampling bias", is_biased, _bias),
    ("generalisation", generalises_badly, _generalisation),
    ("under-training", is_undertrained, _training),
    ("capacity", lacks_dimensions, _capacity),
)


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


def _probed(probe: Probe | None, how: str) -> list[str]:
    """What a probe did, where one was made."""
    if probe is None:
        return []
    return [
        f"trained on for {probe.epochs:g} epochs {how}: recall {percent(probe.before)} → {percent(probe.after)} "
        f"({percent(max(0.0, probe.recovered))} of the misses found)"
    ]


def _line(groups: tuple[Group, ...]) -> str:
    return ", ".join(f"{each.name}: {100 * each.recall:.0f}" for each in groups)


def percent(share: float) -> str:
    """'99.9 %'; 100.0 only for all of them."""
    return f"{99.9 if 0.9995 <= share < 1 else 100 * share:.1f} %"
