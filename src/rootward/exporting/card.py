"""The card of an exported model: what it is, how well it finds, how it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rootward.encoders import DualEncoder, Tower
from rootward.encoders.frozen import FrozenTower
from rootward.encoders.full import FullTower
from rootward.encoders.joint import JointTower
from rootward.encoders.queries import usual_lean
from rootward.encoders.static import StaticTower
from rootward.encoders.tied import TiedTower
from rootward.evaluation import Report
from rootward.exporting.modules import reads_documents
from rootward.pairs.normal import LONGEST

Format = Literal["sentence-transformers", "onnx"]

_HEAD = """---
library_name: {library}
pipeline_tag: sentence-similarity
tags:
- hierarchical-retrieval
- dual-encoder
- rootward
---

# Hierarchical retrieval

A dual encoder for hierarchical retrieval: a query's exact match and everything above it, by one inner product.
{n_queries:,} queries and {n_documents:,} documents were known to its training; vectors have {dim} dimensions, those of
queries lie on the unit sphere. Query tower: {query}. Documents: {documents}. Made with rootward.
"""

_MODULES = """
## Use

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder"{trust})
queries = model.encode_query(["a text"])
documents = model.encode_document([{asked}])
scores = queries @ documents.T
```
{remark}"""

_GRAPH = """
## Use

`query.onnx` gives `vectors` of {inputs}. `documents.safetensors` holds the documents' vectors, `documents.json` their
ids, row by row; the score of a pair is the inner product.
{remark}"""

_MADE = "as `rootward.exporting.graph.features_of` makes them of the run's query tower and some texts"
_FEATURES = f"`features`, `weights`, `texts` and `n_texts`, {_MADE}"
_TOKENS = "token ids and masks, as `tokenizer.json` makes them"
_BOTH = f"an encoder's tokens and masks beside `features`, `weights`, `texts` and `heard`, {_MADE}"

_TRUST = """
Words and n-grams are hashed, which no standard module does: rootward must be installed (`pip install rootward`), and
`trust_remote_code=True` lets its modules be imported.
"""
_TABLE = """
Documents are a table: `encode_document` takes their ids, or names that only one of them has; other texts give zeros.
"""
_CONTROL = """
Texts are read as the encoder's own tokeniser reads them; rootward itself takes control characters for spaces, reads
{longest:,} characters at most and gives zeros for a text without a letter or digit.
"""
_MEASURED_LEANING = """
Queries that training did not see were measured leaning on known ones, as rootward searches; more on that below.
"""
_LEAN = """
Vectors are the texts' own: rootward's `encode_queries(texts, lean=0)`. Its searches let a text that training never saw
lean on the nearest query that training knew (here `lean={lean:g}`); that is not in this folder.
"""


def card(model: DualEncoder, report: Report | None, format: Format) -> str:
    """The model card in Markdown; `report` is shown as it was measured, with its queries; without one it says so."""
    modules = format == "sentence-transformers"
    head = _HEAD.format(
        library="sentence-transformers" if modules else "onnx",
        n_queries=len(model.query_ids),
        n_documents=len(model.document_ids),
        dim=model.dim,
        query=_tower(model.query_tower),
        documents=_documents(model),
    )
    return head + _recall(report) + (_modules_used(model) if modules else _graph_used(model))


def _recall(report: Report | None) -> str:
    """The figures under a title that says whose they are: what training knew is no measure of what it did not."""
    title = "## Recall at |S(q)| by distance"
    if report is None:
        return f"\n{title}\n\nNot measured.\n"
    seen, unseen = report.n_queries - report.n_unseen, report.n_unseen
    counts = ((seen, "training queries"), (unseen, "queries that training did not see"))
    whose = " and ".join(f"{count:,} {kind}" for count, kind in counts if count)
    leaning = _MEASURED_LEANING if unseen else ""
    return f"\n{title}, of {whose}\n\n{report.to_markdown().strip()}\n{leaning}"


def _modules_used(model: DualEncoder) -> str:
    reads = reads_documents(model)
    towers = [model.query_tower, model.document_tower] if reads else [model.query_tower]
    hashes = any(isinstance(tower, StaticTower | JointTower) for tower in towers)
    remark = (_TRUST if hashes else "") + _remarks(towers, model) + ("" if reads else _TABLE)
    asked = '"a document"' if reads else repr(model.document_ids[0])
    return _MODULES.format(trust=", trust_remote_code=True" if hashes else "", asked=asked, remark=remark)


def _graph_used(model: DualEncoder) -> str:
    tower = model.query_tower
    inputs = {StaticTower: _FEATURES, JointTower: _BOTH}.get(type(tower), _TOKENS)
    return _GRAPH.format(inputs=inputs, remark=_remarks([tower], model))


def _remarks(towers: Sequence[Tower], model: DualEncoder) -> str:
    control = any(isinstance(tower, FrozenTower | FullTower) for tower in towers)
    return (_CONTROL.format(longest=LONGEST) if control else "") + _LEAN.format(lean=usual_lean(model.generality))


def _tower(tower: Tower) -> str:
    if isinstance(tower, JointTower):
        return f"{_tower(tower.static)}, and {_tower(tower.frozen)}, in equal shares"
    if isinstance(tower, FrozenTower | FullTower):
        how = "frozen" if isinstance(tower, FrozenTower) else "trained on"
        return f"the encoder `{tower.encoder.name.rstrip('/').rpartition('/')[2]}`, {how}, and a trained head"
    return "words and character n-grams, summed" if isinstance(tower, StaticTower) else str(tower.settings()["kind"])


def _documents(model: DualEncoder) -> str:
    if reads_documents(model):
        return "a tower of their own that reads their texts"
    tied = isinstance(model.document_tower, TiedTower)
    return "the vector of their name and one of their own" if tied else "a table"
