"""Encoded queries, as models give them and indexes take them; how those that training never saw lean on others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders.static import unit
from rootward.encoders.towers import TextTower
from rootward.errors import InputError, UnknownIdError, did_you_mean, quoted
from rootward.ids import Ids
from rootward.texts import Texts

LEAN = 0.5
"""How far a text that training never saw leans on the nearest query that it did, see `usual_lean`."""


@dataclass(frozen=True)
class Queries:
    """Encoded queries, ready for an index.

    Attributes:
        ids: the users' labels.
        vectors: float32, n x dim.
        thresholds: float32, n, NaN where unknown: documents that score at least this are the query's answer set.
        fingerprint: of the model that made them, so that an index can refuse another model's queries.
    """

    ids: Sequence[str]
    vectors: Tensor
    thresholds: Tensor
    fingerprint: str

    def __len__(self) -> int:
        return len(self.ids)


def usual_lean(generality: npt.NDArray[np.int64]) -> float:
    """`LEAN` where most pairs are with documents that other queries want as well, else 0.

    In a hierarchy the nearest known query wants most of what an unseen one does; where every query has documents of its
    own, as searches in a shop, it wants others, and leaning on it only finds these (docs/lab-log.md).

    Args:
        generality: of each document, how many training queries want it.
    """
    return LEAN if 2 * int(generality[generality > 1].sum()) >= int(generality.sum()) else 0.0


def read_queries(
    tower: TextTower, asked: Sequence[object], thresholds: Tensor, lean: float, neighbours: int
) -> tuple[Tensor, Tensor]:
    """Vectors and thresholds of any texts, as `DualEncoder.encode_queries` describes them.

    Raises:
        InputError: something that is no text, lean outside 0..1, neighbours below 1.
    """
    for row, text in enumerate(asked):
        if not isinstance(text, str):
            raise InputError(f"Query {row} is {text!r}, a {type(text).__name__}; needed a text.")
    if not 0 <= lean <= 1:
        raise InputError(f"lean is from 0 (the text's own vector) to 1 (the nearest known query's), got {lean}.")
    if neighbours < 1:
        raise InputError(f"neighbours is how many known queries a text leans on, at least 1; got {neighbours}.")
    return leaning(tower, tower.encode_texts(map(str, asked)), thresholds, lean, neighbours)


def leaning(
    tower: TextTower, own: Tensor, thresholds: Tensor, lean: float, neighbours: int = 1
) -> tuple[Tensor, Tensor]:
    """Texts' own vectors, drawn towards the nearest queries that training knew (n x dim), and those ones' thresholds.

    Args:
        tower: that made the vectors.
        own: n x dim; a vector of zeros stays as it is and has no threshold.
        thresholds: one a row of the tower.
        lean: how far, from 0 to 1.
        neighbours: on how many, the nearer the more; the threshold is the nearest one's.
    """
    rows, nearest = tower.nearest_anchors(own, neighbours)
    return unit(torch.lerp(own, nearest, lean))[0], torch.where(rows >= 0, thresholds[rows], torch.nan)


@dataclass(frozen=True, eq=False)
class Names:
    """What the nodes are called, to be asked often: the table is built at the first question that needs it.

    Attributes:
        ids: of the nodes.
        texts: their names and synonyms, None where the source had none.
    """

    ids: Ids
    texts: Texts | None

    def of(self, ids: Ids, texts: Texts | None) -> bool:
        """Whether these are the very tables that the names are of."""
        return self.ids is ids and self.texts is texts

    def find(self, text: str) -> list[str]:
        """The ids that `text` can mean: the id itself, else every node named so, whatever the case.

        Nodes that have it as their preferred name come before those that have it as a synonym, ids in alphabetical
        order within each: "cat" gives cat.n.01 first, then the gossip and the tractor.

        Raises:
            UnknownIdError: nothing is called so; the message names what is close, ids and names.
        """
        if text in self.ids:
            return [text]
        found = self._meanings.get(text.strip().casefold())
        if found is None:
            known = self.ids.like(text.strip()) if self.texts is None else [*self._all_names(), *self.ids]
            nothing, what = ("No query", "") if self.texts is None else ("Nothing is called", " queries")
            close = did_you_mean(text.strip(), known)
            raise UnknownIdError(f"{nothing} {quoted(text)} among {len(self.ids):,}{what}.{close}")
        return [self.ids[row] for row in found]

    @cached_property
    def _meanings(self) -> dict[str, list[int]]:
        """Casefolded name to rows, best first."""
        if self.texts is None:
            return {}
        preferred: defaultdict[str, dict[int, bool]] = defaultdict(dict)  # name -> row -> it is the preferred name
        for row, (name, synonyms) in enumerate(zip(self.texts.names, self.texts.synonyms, strict=True)):
            for synonym in synonyms:
                preferred[synonym.casefold()][row] = False
            preferred[name.casefold()][row] = True
        preferred.pop("", None)
        return {name: sorted(rows, key=lambda row: (not rows[row], self.ids[row])) for name, rows in preferred.items()}

    def _all_names(self) -> list[str]:
        assert self.texts is not None
        return [name for row in range(len(self.ids)) for name in self.texts.all_names(row)]
