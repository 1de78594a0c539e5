"""Encoders: queries and documents to vectors whose inner product is the score."""

from rootward.encoders.dual_encoder import DualEncoder, Queries
from rootward.encoders.pretrained import new_encoder
from rootward.encoders.towers import LookupTower, OwnTower, Table, TextTower, Tower

__all__ = ["DualEncoder", "LookupTower", "OwnTower", "Queries", "Table", "TextTower", "Tower", "new_encoder"]
