"""Hierarchies that have a name: `rootward train wordnet` needs no file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rootward.hierarchy.hierarchy import Hierarchy
from rootward.pairs import Pairs


@dataclass(frozen=True)
class NamedSource:
    """A hierarchy and how its pairs are made.

    Attributes:
        load: reads the hierarchy.
        description: one line for people.
        max_distance, keep_roots, leave_out: for `Hierarchy.pairs`.
    """

    load: Callable[[], Hierarchy]
    description: str
    max_distance: int | None = None
    keep_roots: bool = True
    leave_out: tuple[str, ...] = ()

    def pairs(self) -> Pairs:
        """The pairs that go by this name."""
        return self.load().pairs(max_distance=self.max_distance, keep_roots=self.keep_roots, leave_out=self.leave_out)


NAMED: dict[str, NamedSource] = {
    "wordnet": NamedSource(
        Hierarchy.wordnet,
        "WordNet 3.0 nouns as in the paper: hypernyms only, at most 8 hops, 'entity' left out",
        max_distance=8,
        leave_out=("entity.n.01",),  # the other 7,725 roots are instances whose edges up are not read; they stay
    ),
    "wordnet-instances": NamedSource(
        lambda: Hierarchy.wordnet(instances=True),
        "WordNet 3.0 nouns with instance hypernyms, every ancestor, the root kept",
    ),
}
