"""The card of an exported model: what it is, how well it finds, how it is used."""

from __future__ import annotations

from rootward.encoders import DualEncoder
from rootward.encoders.frozen import FrozenTower
from rootward.encoders.full import FullTower
from rootward.encoders.static import StaticTower
from rootward.evaluation import Report
from rootward.pairs.normal import LONGEST

_HEAD = """---
library_name: {library}
pipeline_tag: sentence-similarity
tags:
- hierarchical-retrieval
- dual-encoder
- rootward
---

# {title}

A dual encoder for hierarchical retrieval: a query's exact match and everything above it, by one inner product.
{n_queries:,} queries and {n_documents:,} documents were known to its training; vectors have {dim} dimensions and lie on
the unit sphere. Query tower: {query}. Documents: {documents}. Made with rootward.
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
"""

_FEATURES = "`features`, `weights`, `texts` and `n_texts`, as `rootward.exporting.graph.features_of` makes them"
_TOKENS = "token ids and masks, as `tokenizer.json` makes them"
_TRUST = """
The static tower hashes words and n-grams, which no standard module does: rootward must be installed
(`pip install rootward`), and `trust_remote_code=True` lets its module be imported.
"""
_TABLE = """
Documents are a table: `encode_document` takes their ids, or names that only one of them has; other texts give zeros.
"""
_CONTROL = """
Texts are read as the encoder's own tokeniser reads them; rootward itself takes control characters for spaces, reads
{longest:,} characters at most and gives zeros for a text without a letter or digit.
"""


def card(model: DualEncoder, report: Report | None, format: str) -> str:
    """The model card in Markdown; `report` is shown as it was measured, without one the card says so."""
    modules = format == "sentence-transformers"
    static = isinstance(model.query_tower, StaticTower)
    head = _HEAD.format(
        library="sentence-transformers" if modules else "onnx",
        title="Hierarchical retrieval",
        n_queries=len(model.query_ids),
        n_documents=len(model.document_ids),
        dim=model.dim,
        query=_tower(model),
        documents=_documents(model),
    )
    measured = "Not measured." if report is None else report.to_markdown().strip()
    recall = f"\n## Recall at |S(q)| by distance\n\n{measured}\n"
    if not modules:
        return head + recall + _GRAPH.format(inputs=_FEATURES if static else _TOKENS)
    reads = type(model.document_tower) is type(model.query_tower)
    remark = (_TRUST if static else _CONTROL.format(longest=LONGEST)) + ("" if reads else _TABLE)
    trust = ", trust_remote_code=True" if static else ""
    asked = '"a document"' if reads else repr(model.document_ids[0])
    return head + recall + _MODULES.format(trust=trust, asked=asked, remark=remark)


def _tower(model: DualEncoder) -> str:
    tower = model.query_tower
    if isinstance(tower, FrozenTower | FullTower):
        how = "frozen" if isinstance(tower, FrozenTower) else "trained on"
        return f"the encoder `{tower.encoder.name.rstrip('/').rpartition('/')[2]}`, {how}, and a trained head"
    return "words and character n-grams, summed" if isinstance(tower, StaticTower) else str(tower.settings()["kind"])


def _documents(model: DualEncoder) -> str:
    kind = str(model.document_tower.settings()["kind"])
    known = {"tied": "the vector of their name and one of their own", "lookup": "a table"}
    return known.get(kind, "a tower of their own that reads their texts")
