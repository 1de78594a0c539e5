"""What is measured of vectors and pairs, as values; the verdict is drawn from these alone."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Fact(BaseModel):
    """A value that says what it is made of and refuses anything else."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(Fact):
    """Some of the pairs, what they have in common, how many they are, and the recall of them (0 to 1)."""

    name: str
    n_pairs: int
    recall: float


class Geometry(Fact):
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


class Hubness(Fact):
    """Who takes the answers: over some queries, each with its |S(q)| best documents.

    Attributes:
        skewness, true_skewness: of how often each document is an answer, and of how often it should be.
        top_share, true_top_share: share of all answers that the 1 % of documents with the greatest generality take,
            and should take. Frequent documents that get less than their share are held down by training.
        most_taken: share of all answers taken by the 1 % of documents that take most.
    """

    skewness: float
    true_skewness: float
    top_share: float
    true_top_share: float
    most_taken: float


class Margin(Fact):
    """The lowest relevant score minus the highest other one, a query: quantiles, and the share above 0."""

    low: float
    lower: float
    median: float
    upper: float
    high: float
    positive: float


class Bias(Fact):
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


class Contradictions(Fact):
    """Pairs that the other pairs speak against: see `rootward.diagnosis.measures`.

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


class Alignment(Fact):
    """Whether rows are those of their ids.

    Attributes:
        matches: the chance that a match outscores a random document; 0.5 says that scores know nothing of the pairs.
        relatives: the chance that two documents of one query are nearer each other than two random ones.
    """

    matches: float
    relatives: float


class Probe(Fact):
    """What some more training did: recall before and after (0 to 1), at which dim, and for how many epochs."""

    dim: int
    epochs: float
    before: float
    after: float

    @property
    def recovered(self) -> float:
        """The share of the misses that are gone; negative where it did harm."""
        return (self.after - self.before) / max(1e-9, 1 - self.before)


class Known(Fact):
    """What a run says about its own training.

    Attributes:
        recipe: its name.
        in_batch: whether a stage draws its candidates from the batch without log-Q correction.
        far_only: whether its last stage draws mostly far pairs (heavy-tail or rebalanced sampling).
        finished: False where it was interrupted.
        rise: recall gained in the last fifth of the last stage's validations; None where there are too few.
    """

    recipe: str
    in_batch: bool
    far_only: bool
    finished: bool
    rise: float | None = None


class Facts(Fact):
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
        The rest: see their classes.
    """

    dim: int
    n_queries: int
    n_documents: int
    n_pairs: int
    n_measured: int
    mean_size: float
    overall: float
    by_distance: tuple[Part, ...]
    by_depth: tuple[Part, ...]
    by_generality: tuple[Part, ...]
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
