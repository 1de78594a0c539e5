"""Retrieval: an index over a model's documents, and the hits that come out of it."""

from rootward.retrieval.catalogue import Ancestors
from rootward.retrieval.engines.engine import Condition, Engine, Found, Tunable, Where
from rootward.retrieval.engines.exact import Exact
from rootward.retrieval.filters import Filter
from rootward.retrieval.hits import Hits
from rootward.retrieval.index import Index
from rootward.retrieval.searcher import Match, Result, Results, Searcher
from rootward.retrieval.tuning import Tuned

__all__ = [
    "Ancestors",
    "Condition",
    "Engine",
    "Exact",
    "Filter",
    "Found",
    "Hits",
    "Index",
    "Match",
    "Result",
    "Results",
    "Searcher",
    "Tunable",
    "Tuned",
    "Where",
]
