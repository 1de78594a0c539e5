"""Whether tensors are still the ones that a fingerprint was taken of."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from rootward.pairs import Ids


@dataclass(frozen=True, eq=False)
class Seen:
    """Which tensors and ids a fingerprint was taken of, and torch's count of the changes each tensor had seen.

    Holding the tensors keeps their memory from being given to others, so that the same address means the same one.
    """

    tensors: list[Tensor]
    versions: list[int]
    ids: list[Ids]

    @classmethod
    def of(cls, tensors: list[Tensor], ids: list[Ids]) -> Seen | None:
        """None where changes are not counted: tensors made in inference mode."""
        if any(tensor.is_inference() for tensor in tensors):
            return None
        return cls(tensors, [tensor._version for tensor in tensors], ids)

    def same(self, other: Seen) -> bool:
        """Whether nothing has changed in between."""
        return (
            self.versions == other.versions
            and all(a is b for a, b in zip(self.ids, other.ids, strict=True))
            and [(each.data_ptr(), each.shape) for each in self.tensors]
            == [(each.data_ptr(), each.shape) for each in other.tensors]
        )
