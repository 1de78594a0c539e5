"""Hierarchies that have a name: `rootward train wordnet` needs no file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rootward.hierarchy.hierarchy import Hierarchy


@dataclass(frozen=True)
class NamedSource:
    """A hierarchy and how its pairs are made.

    Attributes:
        load: reads the hierarchy.
        max_distance, keep_roots: for `Hierarchy.pairs`.
        description: one line for people.
    """

    load: Callable[[], Hierarchy]
    max_distance: int | None
    keep_roots: bool
    description: str


NAMED: dict[str, NamedSource] = {
    "wordnet": NamedSource(
        Hierarchy.wordnet,
        max_distance=8,
        keep_roots=False,
        description="WordNet 3.0 nouns as in the paper: hypernyms only, at most 8 hops, the root left out",
    ),
    "wordnet-instances": NamedSource(
        lambda: Hierarchy.wordnet(instances=True),
        max_distance=None,
        keep_roots=True,
        description="WordNet 3.0 nouns with instance hypernyms, every ancestor, the root kept",
    ),
}
