"""Geometry: embeddings without training, how far their scores stand apart, and the dimension that takes."""

from rootward.geometry.constructions import METHODS, Constructed, construct
from rootward.geometry.planner import Plan, plan
from rootward.geometry.separation import (
    Separation,
    Smallest,
    expected_dimension,
    guaranteed_dimension,
    separation,
    smallest_separating,
)

__all__ = [
    "METHODS",
    "Constructed",
    "Plan",
    "Separation",
    "Smallest",
    "construct",
    "expected_dimension",
    "guaranteed_dimension",
    "plan",
    "separation",
    "smallest_separating",
]
