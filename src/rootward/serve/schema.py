"""What requests and answers hold, as OpenAPI tells it: every field with its limits and an example."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rootward.ids import CONTROL, holds_control
from rootward.serve.runs import MOST_DOCUMENTS, Question
from rootward.texts import LONGEST

MOST_TEXTS = 256
_LONGEST_ID = 4_096  # each character takes up to 12 in an address, of which servers read 64 KiB
_MOST_HOPS = 10_000
_PATTERN = {"pattern": CONTROL.replace("[", "^[^", 1) + "*$"}  # told, not used: `_readable` has a better message


def _readable(text: str) -> str:
    if holds_control(text):
        raise ValueError("control characters are no text; leave them out")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty; give at least one letter or digit")
    return text


Text = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST,
        examples=["recliner"],
        description="Words, or the id of a known query.",
        json_schema_extra=_PATTERN,
    ),
    AfterValidator(_readable),
    AfterValidator(_not_blank),
]
Id = Annotated[
    str,
    Field(min_length=1, max_length=_LONGEST_ID, examples=["chair.n.01"], json_schema_extra=_PATTERN),
    AfterValidator(_readable),
]
RunName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=_LONGEST_ID,
        examples=["wordnet"],
        description="Which run, by a name of GET /v1/runs. Default: the first one.",
        json_schema_extra=_PATTERN,
    ),
    AfterValidator(_readable),
]
K = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=MOST_DOCUMENTS,
        examples=[10],
        description="How many documents. With a threshold: the best that are not accepted follow, up to so many.",
    ),
]
Hops = Annotated[
    int, Field(strict=True, ge=0, le=_MOST_HOPS, examples=[2], description="With below or above: at most so far away.")
]
Level = Annotated[int, Field(strict=True, ge=0, le=_MOST_HOPS, examples=[2])]
Score = Annotated[float, Field(strict=True, ge=-1e6, le=1e6, allow_inf_nan=False, examples=[0.5])]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SearchRequest(_Model):
    """Texts to search, and how."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"texts": ["recliner"], "k": 5}, {"texts": ["car"], "threshold": "auto"}]},
    )

    texts: list[Text] = Field(min_length=1, max_length=MOST_TEXTS, description="Each is searched by itself.")
    run: RunName | None = None
    k: K = 10
    threshold: Literal["auto"] | Score | None = Field(
        None,
        examples=["auto"],
        description='null: the k best. "auto": the answer set of each text, as many documents as are right. A number: '
        "all documents that score at least this.",
    )
    below: Id | None = Field(None, description="Only this document and its descendants.", examples=["chair.n.01"])
    above: Id | None = Field(None, description="Only this document and its ancestors.", examples=["chair.n.01"])
    levels: Annotated[list[Level], Field(min_length=2, max_length=2)] | None = Field(
        None, description="Only documents that are [first, last] hops below a root, both included.", examples=[[2, 4]]
    )
    hops: Hops | None = None
    explain: bool = Field(True, strict=True, examples=[True], description="Add paths, probabilities, names and edges.")

    @property
    def question(self) -> Question:
        """How the texts are searched."""
        levels = None if self.levels is None else (self.levels[0], self.levels[1])
        threshold = self.threshold if self.threshold in (None, "auto") else float(self.threshold)
        return Question(self.k, threshold, self.below, self.above, self.hops, levels, self.explain)


class Document(_Model):
    """A document that was found."""

    rank: int
    id: str
    name: str = Field(description='"" where it has none.')
    score: float | None = Field(description="Inner product; null for what was added because it stands above others.")
    accepted: bool | None = Field(description="Whether it is in the answer set; null where no threshold is known.")
    added: bool
    hops: int | None = Field(None, description="Distance from the query, where it is known to be right.")
    relevant: bool | None = Field(None, description="Whether it is right; null where that is unknown.")
    margin: float | None = Field(None, description="Score minus threshold.")
    probability: float | None = Field(None, description="Calibrated chance that it is right; null where nothing fits.")
    path: list[str] = Field([], description="Ids from a root down to it.")
    ancestors: list[str] = Field([], description="Ids of everything above it, nearest first.")


class SearchResult(_Model):
    """What was found for one text."""

    text: str
    query: str = Field(description="Id of the known query that the text names; else the text.")
    others: list[str] = Field([], description="Ids of other known queries that the text can name, 20 at most.")
    unseen: bool = Field(description="It names no known query; a text tower read it.")
    node: str | None = Field(description="The node that the text names, of a run that learnt from labelled texts.")
    probability: float | None = Field(description="Calibrated chance that `node` is right.")
    nothing_fits: bool = Field(description="No document is an answer to this text.")
    threshold: float | None = Field(description="Score at which the answer set ends.")
    notes: list[str]
    documents: list[Document]
    missing: list[str] = Field([], description="Right answers that were not returned, where they are known.")
    truncated: bool = Field(False, description=f"The answer set has more than {MOST_DOCUMENTS:,} documents.")
    error: str | None = Field(None, description="Why there is no answer to this text.")


class SearchResponse(_Model):
    """One result a text, all of one generation of one run."""

    run: str
    generation: int
    results: list[SearchResult]
    names: dict[str, str] = Field({}, description="Names of all documents in paths and ancestors. With explain.")
    edges: list[tuple[str, str]] = Field([], description="[child, parent] among these documents. With explain.")


class RunSummary(_Model):
    """A run in the list."""

    name: str
    documents: int
    queries: int
    tower: str
    source: str | None
    labelled: bool = Field(description="It has a classifier of labelled texts.")
    calibrated: bool = Field(description="Answer sets end at calibrated thresholds for any text.")
    generation: int


class RecallAt(_Model):
    """Recall of the pairs at one distance."""

    distance: int
    recall: float
    n: int


class Figures(_Model):
    """Figures of a run in percent."""

    kind: Literal["held-out", "trained"] = Field(description="Whether training knew the queries measured.")
    recall: float | None
    by_distance: list[RecallAt]
    nodes: dict[str, Any] | None = Field(description="Of the named node: accuracy, hierarchical precision, recall, F1.")


class ModelCard(RunSummary):
    """A run with its figures."""

    figures: Figures
    remarks: list[str]


class RunList(_Model):
    """The runs that are served; the first is the default."""

    runs: list[RunSummary]


class NodeBrief(_Model):
    """A node by id and name."""

    id: str
    name: str


class Ancestor(NodeBrief):
    """A node above another."""

    distance: int


class Node(NodeBrief):
    """A node with what stands around it."""

    synonyms: list[str]
    depth: int | None = Field(description="Hops below the nearest root; null where the hierarchy is unknown.")
    parents: list[NodeBrief]
    children: list[NodeBrief] = Field(description="The first 200.")
    n_children: int
    ancestors: list[Ancestor] = Field(description="Everything above it, nearest first.")


class Suggestions(_Model):
    """Completions of a prefix."""

    suggestions: list[NodeBrief]


class Fault(_Model):
    """What was wrong, for programs and for people."""

    code: str = Field(examples=["invalid"])
    message: str


class ErrorResponse(_Model):
    """Every error has this form."""

    error: Fault
