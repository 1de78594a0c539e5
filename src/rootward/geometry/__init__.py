"""Geometry: embeddings without training, how far their scores stand apart, and the dimension that takes."""

from rootward.geometry.bound import expected_dimension, guaranteed_dimension
from rootward.geometry.construct import METHODS, Constructed, construct
from rootward.geometry.separation import Separation, separation
from rootward.geometry.smallest import Smallest, smallest_separating

__all__ = [
    "METHODS",
    "Constructed",
    "Separation",
    "Smallest",
    "construct",
    "expected_dimension",
    "guaranteed_dimension",
    "separation",
    "smallest_separating",
]
