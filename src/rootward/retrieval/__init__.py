"""Retrieval: an index over a model's documents, and the hits that come out of it."""

from rootward.retrieval.engine import Engine, Found
from rootward.retrieval.exact import Exact
from rootward.retrieval.hits import Hits
from rootward.retrieval.index import Index

__all__ = ["Engine", "Exact", "Found", "Hits", "Index"]
