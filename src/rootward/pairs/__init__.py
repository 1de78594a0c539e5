"""Pairs: matching (query, document) pairs, their samplers, splits and files."""

from rootward.ids import Ids
from rootward.pairs.labels import Labels
from rootward.pairs.pairs import Pairs
from rootward.pairs.samplers import AllTargets, HeavyTail, Rebalanced, Regular, Sampler
from rootward.pairs.splits import PairSample, Split
from rootward.texts import Texts

__all__ = [
    "AllTargets",
    "HeavyTail",
    "Ids",
    "Labels",
    "PairSample",
    "Pairs",
    "Rebalanced",
    "Regular",
    "Sampler",
    "Split",
    "Texts",
]
