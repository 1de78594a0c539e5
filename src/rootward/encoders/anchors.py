"""Which query that training knew is nearest to a vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_BLOCK = 512  # vectors compared with all anchors at a time


class Anchored:
    """The vectors of a tower's anchors, kept until what makes them changes: a search would else encode all of them."""

    def __init__(self) -> None:
        self._versions: list[int] = []
        self._vectors: Tensor | None = None

    def nearest(
        self, vectors: Tensor, encode: Callable[[Any], Tensor], anchors: Tensor, made_of: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The anchor nearest to each vector: its row (int64, -1 for a vector of zeros) and its own vector.

        Args:
            vectors: n x dim.
            encode: from rows to their vectors.
            anchors: int64, the rows to choose from.
            made_of: the tensors whose changes change vectors.
        """
        known = self._known(encode, anchors, made_of)
        if not len(known):
            return torch.full((len(vectors),), -1), torch.zeros_like(vectors)
        blocks = [(vectors[i : i + _BLOCK] @ known.T).argmax(1) for i in range(0, len(vectors), _BLOCK)]
        best = torch.cat(blocks) if blocks else torch.empty(0, dtype=torch.int64)
        something = vectors.any(1)
        rows = torch.where(something, anchors.to(best.device)[best], -1)
        return rows, torch.where(something[:, None], known[best], 0.0)

    def _known(self, encode: Callable[[Any], Tensor], anchors: Tensor, made_of: Sequence[Tensor]) -> Tensor:
        versions = [-1 if tensor.is_inference() else tensor._version for tensor in made_of]
        if self._vectors is None or versions != self._versions or min(versions) < 0:
            self._versions, self._vectors = versions, encode(anchors.cpu().numpy())
        return self._vectors
