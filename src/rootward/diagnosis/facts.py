"""What is measured of vectors and pairs, as values, and how; the verdict is drawn from these values alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_array
from torch import Tensor

from rootward.csr import expand
from rootward.evaluation import Ranks
from rootward.evaluation.naming import TextsOf
from rootward.evaluation.results import Value
from rootward.ids import Rows
from rootward.pairs import Pairs
from rootward.scoring import score_blocks

Vectors = npt.NDArray[np.floating[Any]]


class Group(Value):
    """Some of the pairs, what they have in common, how many they are, and the recall of them (0 to 1)."""

    name: str
    n_pairs: int
    recall: float


class Geometry(Value):
    """One side's vectors.

    Attributes:
        n: how many.
        norm_mean, norm_spread: mean length, and standard deviation over mean.
        duplicates: share of rows that are equal, entry by entry, to another row.
        collapsed: share of rows that are zero or point where the mean does (cosine above 0.99).
        participation: participation ratio of the covariance, (sum of eigenvalues)^2 / sum of their squares.
        effective_rank: exponential of the entropy of the eigenvalues (Roy and Vetterli 2007). Both are at most dim.
    """

    n: int
    norm_mean: float
    norm_spread: float
    duplicates: float
    collapsed: float
    participation: float
    effective_rank: float


class Hubness(Value):
    """How answers are distributed over documents: over some queries, each with its |S(q)| best documents.

    Attributes:
        skewness, true_skewness: of how often each document is an answer, and of how often it should be.
        top_share, true_top_share: share of all answers that are among the 1 % of documents with the greatest
            generality, and share that should be. Frequent documents with less are held down by training.
        most_found: share of all answers that are among the 1 % of documents found most often.
    """

    skewness: float
    true_skewness: float
    top_share: float
    true_top_share: float
    most_found: float


class Margin(Value):
    """The lowest relevant score minus the highest other one, a query: quantiles, and the share above 0."""

    low: float
    lower: float
    median: float
    upper: float
    high: float
    positive: float


class Bias(Value):
    """Whether scores lean against frequent documents, or for them.

    Attributes:
        lean: correlation, within each S(q), of score and log generality; -1 is what an in-batch softmax converges to
            (its optimum is log P(d|q) - log P(d)).
        strength: times log generality (in standard deviations of either) added to every score: the best of some,
            chosen on half of the queries.
        before, after: recall of the other half without and with it. No vector is changed.
    """

    lean: float
    strength: float
    before: float
    after: float


class Contradictions(Value):
    """Pairs that the other pairs speak against: see `support`.

    Attributes:
        tells: whether pairs hang together well enough for a contradiction to mean anything.
        n_checked: pairs of rarely relevant documents, the ones that can be checked.
        n: at least so many are wrong.
        share: of all pairs.
        recall, others: of the pairs in doubt, and of those checked and found in order; None where there are none.
        examples: some of those in doubt as (query, document), the least likely first.
    """

    tells: bool
    n_checked: int
    n: int
    share: float
    recall: float | None = None
    others: float | None = None
    examples: tuple[tuple[str, str], ...] = ()


class Alignment(Value):
    """Whether rows are those of their ids.

    Attributes:
        matches: the chance that a match outscores a random document; 0.5 says that scores know nothing of the pairs.
        relatives: the chance that two documents of one query are nearer each other than two random ones.
    """

    matches: float
    relatives: float


class Probe(Value):
    """What some more training did: recall before and after (0 to 1), at which dim, and for how many epochs."""

    dim: int
    epochs: float
    before: float
    after: float

    @property
    def recovered(self) -> float:
        """The share of the misses that are gone; negative where it did harm."""
        return (self.after - self.before) / max(1e-9, 1 - self.before)


class Known(Value):
    """What a run says about its own training.

    Attributes:
        recipe: its name.
        in_batch: whether a stage draws its candidates from the batch without log-Q correction.
        far_only: whether its last stage draws mostly far pairs (heavy-tail or rebalanced sampling).
        finished: False where it was interrupted.
        rise: recall gained in the last fifth of the last stage's validations; None where there are too few.
        recall: of what it was trained on, at its end; None where that is unknown.
    """

    recipe: str
    in_batch: bool
    far_only: bool
    finished: bool
    rise: float | None = None
    recall: float | None = None


class Facts(Value):
    """Everything that was measured.

    Attributes:
        dim: width of the vectors.
        n_queries, n_documents, n_pairs: of the pairs given; queries without pairs are not counted.
        n_measured: how many queries the recall is of, all of them where there are not too many.
        mean_size: mean |S(q)|.
        overall: mean over queries of the recall at |S(q)|.
        by_distance, by_depth, by_generality: the same for pairs at a distance, for queries whose farthest document is
            so many hops away, and for documents relevant to so many queries.
        same_dim, wide_dim: probes; None where none was made.
        known: None for vectors without a run.
        texts: whether training knew the answers of the queries' texts; None where queries are looked up, or unknown.
        The rest: see their classes.
    """

    dim: int
    n_queries: int
    n_documents: int
    n_pairs: int
    n_measured: int
    mean_size: float
    overall: float
    by_distance: tuple[Group, ...]
    by_depth: tuple[Group, ...]
    by_generality: tuple[Group, ...]
    queries: Geometry
    documents: Geometry
    hubness: Hubness
    margin: Margin
    bias: Bias
    contradictions: Contradictions
    alignment: Alignment
    same_dim: Probe | None = None
    wide_dim: Probe | None = None
    known: Known | None = None
    texts: TextsOf | None = None


SAME_WAY = 0.99  # cosine with the mean vector, above which a vector has collapsed
ALIGNMENT_PAIRS = 20_000


def geometry(vectors: Vectors) -> Geometry:
    """Everything that `Geometry` names, of vectors n x dim."""
    norms = np.linalg.norm(vectors, axis=1).astype(np.float64)
    mean = float(norms.mean())
    centre = vectors.mean(0, dtype=np.float64)
    with_centre = (vectors @ centre) / np.maximum(norms * np.linalg.norm(centre), 1e-30)
    rows = np.ascontiguousarray(vectors + 0.0)  # -0.0 becomes 0.0
    whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, which, times = np.unique(whole, return_inverse=True, return_counts=True)
    centred = vectors - vectors.mean(0)
    spectrum = np.maximum(np.linalg.eigvalsh((centred.T @ centred).astype(np.float64)), 0)
    total = spectrum.sum()
    shares = spectrum / total if total > 1e-12 * max(1, len(vectors)) else np.empty(0)
    shares = shares[shares > 1e-12]
    return Geometry(
        n=len(vectors),
        norm_mean=mean,
        norm_spread=float(norms.std() / mean) if mean else 0.0,
        duplicates=float((times[which] > 1).mean()),
        collapsed=float(((norms == 0) | (with_centre > SAME_WAY)).mean()),
        participation=float(1 / (shares**2).sum()) if len(shares) else 0.0,
        effective_rank=float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0,
    )


def alignment(queries: Vectors, documents: Vectors, pairs: Pairs, rng: np.random.Generator) -> Alignment:
    """Whether matches outscore random documents, and whether documents of one query are near each other."""
    chosen = rng.integers(len(pairs), size=min(len(pairs), ALIGNMENT_PAIRS))
    rows, found = pairs.query_of[chosen], pairs.documents[chosen]
    strangers = rng.integers(pairs.n_documents, size=len(chosen))
    seen = queries[rows]
    match = _above(_products(seen, documents[found]), _products(seen, documents[strangers]))
    other = pairs.documents[pairs.offsets[rows] + rng.integers(pairs.sizes[rows])]
    apart = np.flatnonzero(other != found)
    if not len(apart):
        return Alignment(matches=match, relatives=0.5)
    near = documents[found[apart]]
    relatives = _above(_products(near, documents[other[apart]]), _products(near, documents[strangers[apart]]))
    return Alignment(matches=match, relatives=relatives)


def _products(left: Vectors, right: Vectors) -> npt.NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", left, right, dtype=np.float64), np.float64)


def _above(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    """The share of entries where left is the greater; a tie counts half."""
    return float(((left > right) + 0.5 * (left == right)).mean())


STRENGTHS = (-0.8, -0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 0.8, 1.2)
"""Of the correction by log generality, in standard deviations of the scores a standard deviation of it."""

BLOCK_SCORES = 4_000_000


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers of some queries.

    Attributes:
        found, relevant: int64, n_documents; how often each document is among the |S(q)| best, and how often relevant.
        recalls: float64, n_queries looked at x len(STRENGTHS); recall at |S(q)| with each strength.
    """

    found: Rows
    relevant: Rows
    recalls: npt.NDArray[np.float64]


def answers(queries: Tensor, documents: Tensor, pairs: Pairs, rows: Rows, generality: Rows) -> Answers:
    """Score these query rows, ascending, against all documents, in blocks, once for each strength.

    A tie counts against a document, as everywhere.
    """
    log_generality = torch.from_numpy(np.log(np.maximum(generality, 0.5))).to(documents.dtype)
    spread = float(log_generality.std()) if len(log_generality) > 1 else 0.0
    found = np.zeros(pairs.n_documents, np.int64)
    recalls = np.zeros((len(rows), len(STRENGTHS)))
    sizes = np.zeros_like(pairs.sizes)
    sizes[rows] = pairs.sizes[rows]
    for block in score_blocks(queries, documents, sizes, BLOCK_SCORES * documents.element_size()):
        part, scores = block.rows, torch.from_numpy(block.scores)
        unit = float(scores.std()) / spread if spread else 0.0
        place, index = pairs.of(part)
        relevant = pairs.documents[index].astype(np.int64)
        for column, strength in enumerate(STRENGTHS):
            leaning = scores + strength * unit * log_generality
            best, whose = leaning.topk(min(pairs.n_documents, int(sizes[part].max()) + 1), dim=1)
            # the score right behind each query's |S(q)| best; -inf where every document is among them
            behind = np.pad(best.numpy(), ((0, 0), (0, 1)), constant_values=-np.inf)[np.arange(len(part)), sizes[part]]
            hit = leaning[place, relevant].numpy() > behind[place]
            recalls[np.searchsorted(rows, part), column] = np.bincount(place, hit, len(part)) / sizes[part]
            if strength == 0:
                inside = np.arange(best.shape[1]) < sizes[part][:, None]
                np.add.at(found, whose.numpy()[inside], 1)
    due = np.bincount(pairs.documents[pairs.of(rows)[1]], minlength=pairs.n_documents)
    return Answers(found, due, recalls)


def hubness(answers: Answers, generality: Rows) -> Hubness:
    """Skewness and shares of the answers, beside what they should be."""
    n_top = max(1, len(generality) // 100)
    general = np.argsort(-generality, kind="stable")[:n_top]
    total = max(1, int(answers.found.sum()))
    return Hubness(
        skewness=_skewness(answers.found),
        true_skewness=_skewness(answers.relevant),
        top_share=float(answers.found[general].sum() / total),
        true_top_share=float(answers.relevant[general].sum() / max(1, int(answers.relevant.sum()))),
        most_found=float(np.sort(answers.found)[-n_top:].sum() / total),
    )


def _skewness(counts: Rows) -> float:
    apart = counts - counts.mean()
    spread = float(np.sqrt((apart**2).mean()))
    return float((apart**3).mean() / spread**3) if spread else 0.0


def bias(found: Answers, ranks: Ranks, generality: Rows) -> Bias:
    """The lean of the scores, and the strength that mends most, chosen on every second query and tried on the rest."""
    chosen_on, tried_on = found.recalls[::2].mean(0), found.recalls[1::2]
    tried = tried_on.mean(0) if len(tried_on) else chosen_on
    neutral = STRENGTHS.index(0.0)
    best = int(np.argmax(chosen_on)) if chosen_on.max() > chosen_on[neutral] else neutral
    return Bias(
        lean=lean(ranks, generality), strength=STRENGTHS[best], before=float(tried[neutral]), after=float(tried[best])
    )


def lean(ranks: Ranks, generality: Rows) -> float:
    """Correlation, within each S(q), of score and log generality (one a pair); 0 where one of them does not vary."""
    n, rows = np.maximum(ranks.sizes, 1), ranks.query_of
    scores, general = (  # less their means within each S(q)
        values - (np.bincount(rows, values, len(n)) / n)[rows]
        for values in (ranks.scores.astype(np.float64), np.log(generality))
    )
    size = float(np.sqrt((scores**2).sum() * (general**2).sum()))
    return float((scores * general).sum() / size) if size > 1e-12 else 0.0


RARE = 5  # queries; a document with more is not looked at
COMMON = 0.5  # of all queries; a document relevant to more tells nothing about any of them
LITTLE = 1 / 3  # of what could be shared; less is a contradiction
COHERENT = 0.5  # the median support of frequent documents, below which pairs do not hang together
MOST_ENTRIES = 30_000_000  # of the lists that are compared; queries are drawn where there would be more


@dataclass(frozen=True, eq=False)
class Support:
    """How far the other pairs of each document speak for a pair.

    Attributes:
        values: float64, one a pair, 0..1; NaN where nothing can be said.
        generality: int64, one a pair: how many of the queries compared its document has.
        n_compared: how many pairs those queries have; all of them unless sets are very large.
    """

    values: npt.NDArray[np.float64]
    generality: Rows
    n_compared: int

    @property
    def rare(self) -> npt.NDArray[np.bool_]:
        """One truth value a pair: it can be checked, and its document is rare enough for the value to be relied on."""
        return np.isfinite(self.values) & (self.generality <= RARE)

    @property
    def doubtful(self) -> npt.NDArray[np.bool_]:
        """One truth value a pair: it can be checked, and next to nothing speaks for it."""
        return self.rare & (self.values < LITTLE)

    @property
    def tells(self) -> bool:
        """Whether pairs hang together; where they do not, as among clicks on single products, doubt means nothing."""
        frequent = self.values[np.isfinite(self.values) & (self.generality > RARE)]
        return len(frequent) > 0 and bool(np.median(frequent) >= COHERENT)

    @property
    def at_least_wrong(self) -> int:
        """The least number of wrong pairs behind the doubtful ones: one in two where a document has two queries."""
        of_two = self.generality == 2
        return int(np.count_nonzero(self.doubtful & ~of_two) + np.count_nonzero(self.doubtful & of_two) // 2)


def support(pairs: Pairs, rng: np.random.Generator) -> Support:
    """The support of every pair; `rng` draws queries where sets are too large to compare all."""
    some, couples = pairs, pairs.sizes**2
    if couples.sum() > MOST_ENTRIES:
        order = rng.permutation(pairs.n_queries)
        wanted = np.zeros(pairs.n_queries, np.bool_)
        wanted[order[np.cumsum(couples[order]) <= MOST_ENTRIES]] = True
        some = pairs.keep(wanted[pairs.query_of])
    n, n_documents, generality = len(some), some.n_documents, some.generality
    telling = generality <= max(1, COMMON * np.count_nonzero(some.sizes))
    half = (generality - 1) / 2
    # how many queries two documents have in common, columns ascending in every row
    table = csr_array((np.ones(n, np.int32), some.documents, some.offsets), shape=(some.n_queries, n_documents))
    together = csr_array(table.T @ table)
    together.sort_indices()
    rows = np.repeat(np.arange(n_documents), np.diff(together.indptr))
    shared_by_half = (together.data >= half[rows]) & (rows != together.indices) & telling[together.indices]
    shared = np.bincount(rows[shared_by_half], minlength=n_documents)
    # each pair's document, beside each other document of the same query that tells something
    pair, index = expand(some.offsets, some.query_of)
    document, other = some.documents[pair].astype(np.int64), some.documents[index].astype(np.int64)
    beside = (document != other) & telling[other]
    pair, document, other = pair[beside], document[beside], other[beside]
    times = together.data[np.searchsorted(rows * n_documents + together.indices, document * n_documents + other)]
    kept = np.bincount(pair[times - 1 >= half[document]], minlength=n)  # shared by half of d's queries without q
    counted = np.bincount(pair[times >= half[document]], minlength=n)
    possible = np.minimum(kept + shared[some.documents] - counted, np.bincount(pair, minlength=n))
    checked = (possible > 0) & (generality[some.documents] > 1)
    values = np.where(checked, kept / np.maximum(possible, 1), np.nan)
    place = np.arange(len(pairs)) if some is pairs else expand(pairs.offsets, np.flatnonzero(some.sizes))[1]
    everywhere, counts = np.full(len(pairs), np.nan), np.zeros(len(pairs), np.int64)
    everywhere[place], counts[place] = values, generality[some.documents]
    return Support(everywhere, counts, n)
