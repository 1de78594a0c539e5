"""Encoders: queries and documents to vectors whose inner product is the score."""

from rootward.encoders.dual_encoder import DualEncoder
from rootward.encoders.own import OwnTower
from rootward.encoders.pretrained import new_encoder
from rootward.encoders.queries import Queries
from rootward.encoders.towers import LookupTower, Table, TextTower, Tower

__all__ = ["DualEncoder", "LookupTower", "OwnTower", "Queries", "Table", "TextTower", "Tower", "new_encoder"]
