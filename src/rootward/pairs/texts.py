"""What the ids are called: names, synonyms and definitions, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rootward.errors import InputError
from rootward.pairs.ids import Ids


@dataclass(frozen=True)
class Texts:
    """Texts of n nodes; row i belongs to the id with row i.

    Attributes:
        names: the preferred name, "" where there is none.
        synonyms: other names of the same thing, the preferred one left out.
        definitions: a gloss or description, "" where there is none.
    """

    names: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...]
    definitions: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.synonyms) == len(self.definitions):
            raise InputError(
                f"Texts need one row per node in each column, got {len(self.names)} names, "
                f"{len(self.synonyms)} lists of synonyms and {len(self.definitions)} definitions."
            )

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: npt.ArrayLike) -> Texts:
        """The texts of these rows, in their order."""
        wanted = np.asarray(rows, np.int64).tolist()
        return Texts(
            tuple(self.names[row] for row in wanted),
            tuple(self.synonyms[row] for row in wanted),
            tuple(self.definitions[row] for row in wanted),
        )

    def all_names(self, row: int) -> tuple[str, ...]:
        """The preferred name, if there is one, and the synonyms."""
        return ((self.names[row],) if self.names[row] else ()) + self.synonyms[row]


def what_is_read(ids: Ids, texts: Texts | None) -> Sequence[str]:
    """The text that stands for each row: its name; its id where it has none, as in labelled tables."""
    if texts is None:
        return ids
    return [name or label for name, label in zip(texts.names, ids, strict=True)]
