"""What the studies train on, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from rootward.errors import InputError, did_you_mean
from rootward.hierarchy import NAMED, Hierarchy
from rootward.pairs import Pairs


@cache
def nouns() -> Hierarchy:
    """The nouns of WordNet, hypernyms only; read once."""
    return Hierarchy.wordnet()


SOURCES: dict[str, tuple[str, Callable[[], Pairs]]] = {
    "tree": ("the (4, 5)-tree of figure 3 without its root", lambda: Hierarchy.perfect_tree(4, 5, root=False).pairs()),
    "dag": (
        "a random DAG of 300, a third of it under several parents",
        lambda: Hierarchy.random_dag(300, multi_parent_share=0.3, max_depth=5).pairs(),
    ),
    "animal": (
        "WordNet below animal, at most 8 hops",
        lambda: nouns().below("animal.n.01").pairs(max_distance=8),
    ),
    "wordnet": ("WordNet nouns as in the paper", lambda: NAMED["wordnet"].pairs()),
}


@cache
def pairs_of(source: str) -> Pairs:
    """The pairs of this name.

    Raises:
        InputError: no source is called so.
    """
    if source not in SOURCES:
        told = ", ".join(f"{name} ({about})" for name, (about, _) in SOURCES.items())
        raise InputError(f"No source {source!r} for studies; there are {told}.{did_you_mean(source, SOURCES)}")
    return SOURCES[source][1]()
