"""Hierarchies: readers for every format, ancestors with hops, and the pairs they make."""

from rootward.hierarchy.closure import Closure
from rootward.hierarchy.hierarchy import Hierarchy
from rootward.hierarchy.named import NAMED, NamedSource

__all__ = ["NAMED", "Closure", "Hierarchy", "NamedSource"]
