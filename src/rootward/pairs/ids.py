"""Ids are the user's labels, rows are integers; this is the table between them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from rootward.errors import InputError, UnknownIdError, did_you_mean

Rows = npt.NDArray[np.int64]

CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
"""Not in any id that is read: control characters, other than tabs and line ends. Some of them end texts elsewhere."""
_CONTROL = re.compile(CONTROL)


class Ids(Sequence[str]):
    """Immutable table of unique ids; row i holds the i-th id, as text.

    Anything hashable may be given (integers, UUIDs, strings); it is kept as `str(id)`.

    Raises:
        InputError: an id is empty, or two ids are the same text.
    """

    __slots__ = ("__dict__", "_labels")

    def __init__(self, labels: Iterable[Hashable], *, what: str = "id") -> None:
        self._labels: Sequence[str] = tuple(label if type(label) is str else str(label) for label in labels)
        if len(self._row_of) != len(self._labels):
            first_row: dict[str, int] = {}
            for row, label in enumerate(self._labels):
                if label in first_row:
                    raise InputError(
                        f"{what} {label!r} stands in rows {first_row[label]} and {row}; every {what} must be unique."
                    )
                first_row[label] = row
        if "" in self._row_of:
            raise InputError(f"The {what} in row {self._row_of['']} is empty; every {what} needs a text.")

    @cached_property
    def _row_of(self) -> Mapping[str, int]:
        return {label: row for row, label in enumerate(self._labels)}

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        return self._labels[row]

    def __len__(self) -> int:
        return len(self._labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __contains__(self, label: object) -> bool:
        return (label if isinstance(label, str) else str(label)) in self._row_of

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Ids) and self._labels == other._labels)

    def __hash__(self) -> int:
        return hash(self._labels)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self._labels[:3]))
        return f"Ids({len(self):,}: {shown}{', ...' if len(self) > 3 else ''})"

    def row(self, label: Hashable) -> int:
        """The row of one id.

        Raises:
            UnknownIdError: no such id; the message names the nearest ones.
        """
        text = str(label)
        row = self._row_of.get(text)
        if row is None:
            raise UnknownIdError(f"No id {text!r} among {len(self):,}.{did_you_mean(text, self.like(text))}")
        return row

    def like(self, label: str) -> Iterable[str]:
        """The ids among which one that is spelled a little otherwise would be: all of them."""
        return self._labels

    def hash_into(self, digest: Any) -> None:
        """Feed all ids to a hash of `hashlib`, with a unit separator between two of them."""
        digest.update("\x1f".join(self._labels).encode())

    def rows(self, labels: Iterable[Hashable]) -> Rows:
        """The rows of several ids, in their order (int64).

        Raises:
            UnknownIdError: one of them is not there.
        """
        table = self._row_of
        try:
            return np.fromiter((table[label] for label in labels), np.int64)  # type: ignore[index]
        except (KeyError, TypeError):
            return np.fromiter((self.row(label) for label in labels), np.int64)

    def take(self, rows: npt.ArrayLike) -> Ids:
        """The ids of these rows, as a table of its own."""
        return Ids(self._labels[row] for row in np.asarray(rows, np.int64).tolist())


def holds_control(label: str) -> bool:
    """Whether a label cannot be an id because of a control character in it."""
    return _CONTROL.search(label) is not None


def spaced(ids: Ids, what: str) -> tuple[str, ...]:
    """A note on ids that are others with white space around them: as a rule one thing, spelled in two ways."""
    found = [label for label in ids if label != label.strip() and label.strip() in ids]
    return note_on_spaced(len(found), min(found, default=""), what)


def note_on_spaced(n: int, first: str, what: str) -> tuple[str, ...]:
    """The sentence about n such ids, the first of them as an example; none for none."""
    if not n:
        return ()
    others, it = (f"{what} is another", "it") if n == 1 else (f"{what}s are others", "them")
    return (f"{n:,} {others} with white space around {it}, kept apart: {first!r} beside {first.strip()!r}.",)
