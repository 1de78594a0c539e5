"""Hierarchies: constructors for every format, ancestors with their distance, and the pairs made of them."""

from rootward.hierarchy.closure import Closure
from rootward.hierarchy.hierarchy import NAMED, Hierarchy, NamedSource

__all__ = ["NAMED", "Closure", "Hierarchy", "NamedSource"]
