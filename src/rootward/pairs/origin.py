"""Where the queries of a table stand in it, looked up in the file once a message needs it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from rootward.errors import InputError
from rootward.pairs.columns import Format, Source, column_blocks

_AT_A_TIME = 250_000  # rows


@dataclass(frozen=True)
class Origin:
    """The column of a file that the ids of queries were read from; nothing of it is kept in memory.

    Attributes:
        path: of the file.
        column: the one with the ids.
        format, delimiter: as `Pairs.from_table` takes them.
    """

    path: Path
    column: str
    format: Format | None = None
    delimiter: str | None = None

    @classmethod
    def of(cls, source: Source, column: str, format: Format | None, delimiter: str | None) -> Origin | None:
        """The origin of what is read from this source; None where it is no file."""
        return cls(Path(source), column, format, delimiter) if isinstance(source, (str, os.PathLike)) else None

    def first_rows(self, labels: Sequence[str]) -> dict[str, int]:
        """The first row of each of these ids, counted as in every complaint about the file.

        Empty where the file is not there any more, or not as it was: a message is better without rows than not told.
        """
        found: dict[str, int] = {}
        try:
            for block in column_blocks(
                self.path, (self.column,), rows=_AT_A_TIME, format=self.format, delimiter=self.delimiter
            ):
                rows = {label: pc.index(block[self.column], label).as_py() for label in labels if label not in found}
                there = {label: row for label, row in rows.items() if row >= 0}
                found.update(zip(there, block.place_of([*there.values()]), strict=True))
                if len(found) == len(labels):
                    break
        except (InputError, OSError, KeyError):
            return {}
        return found


def places_of(origin: Origin | None, labels: Sequence[str]) -> list[str]:
    """Of each id "row 42 of clicks.csv", "" where that is not known."""
    if origin is None:
        return [""] * len(labels)
    rows = origin.first_rows(labels)
    return [f"row {rows[label]} of {origin.path.name}" if label in rows else "" for label in labels]
