"""What a model answers, in ids, and what it ought to."""

from rootward.encoders import DualEncoder
from rootward.pairs import Pairs
from rootward.retrieval import Index


def answers(model: DualEncoder) -> dict[str, set[str]]:
    """The answer set of every query."""
    queries = model.queries()
    hits = Index.build(model).answers(queries)
    return {query: set(hits.ids[i]) for i, query in enumerate(queries.ids)}


def wanted(pairs: Pairs) -> dict[str, set[str]]:
    """S(q) of every query."""
    return {query: {document for document, _ in pairs.relevant(query)} for query in pairs.query_ids}
