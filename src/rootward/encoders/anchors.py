"""Which queries that training knew are nearest to a vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

_BLOCK = 512  # vectors compared with all anchors at a time
_SHARPNESS = 40.0  # of several, one that scores 0.1 less weighs a fiftieth; see docs/lab-log.md


class Anchored:
    """The vectors of a tower's anchors, kept until what makes them changes: a search would else encode all of them."""

    def __init__(self) -> None:
        self._versions: list[int] = []
        self._vectors: Tensor | None = None

    def nearest(
        self, vectors: Tensor, encode: Callable[[Any], Tensor], anchors: Tensor, made_of: Sequence[Tensor], n: int = 1
    ) -> tuple[Tensor, Tensor]:
        """The anchor nearest to each vector: its row (int64, -1 for a vector of zeros) and its own vector.

        Args:
            vectors: queries x dim.
            encode: from rows to their vectors.
            anchors: int64, the rows to choose from.
            made_of: the tensors whose changes change vectors.
            n: of more than one the vector is the mean of the n nearest, weighted by softmax(40 inner product).
        """
        known = self._known(encode, anchors, made_of)
        if not len(known):
            return torch.full((len(vectors),), -1), torch.zeros_like(vectors)
        blocks = [(part @ known.T).topk(min(n, len(known))) for part in torch.split(vectors, _BLOCK)]
        scores, best = (torch.cat([block[i] for block in blocks]) for i in (0, 1))
        weights = torch.softmax(_SHARPNESS * scores, 1)
        near = torch.einsum("qn,qnd->qd", weights, known[best])
        something = vectors.any(1)
        rows = torch.where(something, anchors.to(best.device)[best[:, 0]], -1)
        return rows, torch.where(something[:, None], near, 0.0)

    def _known(self, encode: Callable[[Any], Tensor], anchors: Tensor, made_of: Sequence[Tensor]) -> Tensor:
        versions = [-1 if tensor.is_inference() else tensor._version for tensor in made_of]
        if self._vectors is None or versions != self._versions or min(versions) < 0:
            self._versions, self._vectors = versions, encode(anchors.cpu().numpy())
        return self._vectors
