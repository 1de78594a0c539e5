"""Row-to-id tables: ids are the user's labels, rows are integers; in memory or mapped from disk."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rootward.errors import InputError, UnknownIdError, did_you_mean

Rows = npt.NDArray[np.int64]

CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
"""No id may hold these: control characters other than tabs and line ends."""
_CONTROL = re.compile(CONTROL)
_FLOATS = (float, np.floating, np.datetime64, np.timedelta64)  # what may be no number, and then differs from itself


def id_text(value: object) -> str:
    """The text of an id: 1 and 1.0 are both "1", as they are one number; "" for None, NaN, NA and NaT.

    Bytes, as NumPy and HDF5 hold them, are read as UTF-8.
    """
    if type(value) is str:
        return value
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, _FLOATS) and value != value)
    ):
        return ""
    if isinstance(value, float | np.floating) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal):
        if value.is_nan():
            return ""
        return str(int(value)) if value == value.to_integral_value() else str(value)
    return str(value)


def refuse_text(labels: object, what: str = "ids") -> None:
    """Raise an InputError for one text or number where a list is needed: letters of a text would be read as ids."""
    if isinstance(labels, str | bytes):
        raise InputError(f"Needed a list of {what}, got the text {labels!r}. Write [{labels!r}].")
    if not isinstance(labels, Iterable):
        raise InputError(f"Needed a list of {what}, got {labels!r:.80}. Write [{labels!r:.80}].")


def refuse_surrogates(texts: Iterable[str], what: str) -> None:
    """Raise an InputError for a text that holds half a character (a lone surrogate), which no file can hold."""
    held = texts if isinstance(texts, tuple) else tuple(texts)
    try:
        "".join(held).encode()
    except UnicodeEncodeError:
        broken = next((text for text in held if _SURROGATE.search(text)), "".join(held[:3]))
        raise InputError(
            f"The {what} {broken!a:.80} holds half a character (a surrogate), which no file can hold; write it anew."
        ) from None


_SURROGATE = re.compile("[\ud800-\udfff]")


class Ids(Sequence[str]):
    """Immutable table of unique ids; row i holds the i-th id, as text.

    Anything hashable may be given (integers, UUIDs, strings); it is kept as `id_text` gives it. Look-ups find an id in
    whichever Unicode form (NFC or NFD) it is written.

    `old` has ids that these replaced, such as those of merged terms, each with the id that stands for it now: `row`
    and `rows` know them. They are no ids of the table: `in`, `find` and all comparisons leave them out.

    Raises:
        InputError: an id is empty or missing, or two ids are the same text, or one holds half a character.
    """

    old: Mapping[str, str] = {}

    __slots__ = ("__dict__", "_labels")

    def __init__(self, labels: Iterable[Hashable], *, what: str = "id", old: Mapping[str, str] | None = None) -> None:
        self._labels: Sequence[str] = tuple(label if type(label) is str else id_text(label) for label in labels)
        refuse_surrogates(self._labels, what)
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
        if old:
            self.old = {label: new for label in old if (new := _newest(label, old)) in self._row_of and new != label}

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
        text = label if isinstance(label, str) else id_text(label)
        return any(form in self._row_of for form in _forms(text))

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
        text = id_text(label)
        row = next((self._row_of[form] for form in _forms(self.old.get(text, text)) if form in self._row_of), None)
        if row is None:
            raise UnknownIdError(f"No id {text!r} among {len(self):,}.{did_you_mean(text, self.like(text))}")
        return row

    def like(self, label: str) -> Iterable[str]:
        """Ids to search for a similar spelling: all of them."""
        return self._labels

    def hash_into(self, digest: Any) -> None:
        """Feed all ids to a hash of `hashlib`, with a unit separator between two of them."""
        digest.update(_joined(self._labels))

    def rows(self, labels: Iterable[Hashable]) -> Rows:
        """The rows of several ids, in their order (int64).

        Raises:
            UnknownIdError: one of them is not there.
        """
        refuse_text(labels)
        labels = labels if isinstance(labels, Sequence) else list(labels)  # read again where one is no text
        table = self._row_of
        try:
            return np.fromiter((table[label] for label in labels), np.int64)  # type: ignore[index]
        except (KeyError, TypeError):
            return np.fromiter((self.row(label) for label in labels), np.int64)

    def find(self, labels: Iterable[str]) -> Rows:
        """The rows of several ids, in their order (int64); -1 for those that are not there."""
        if labels is self or labels == self:
            return np.arange(len(self), dtype=np.int64)
        table = self._row_of

        def row(label: str) -> int:
            found = table.get(label, -1)
            if found < 0 and not label.isascii():
                return next((table[form] for form in _forms(label) if form in table), -1)
            return found

        return np.fromiter(map(row, labels), np.int64)

    def take(self, rows: npt.ArrayLike) -> Ids:
        """The ids of these rows, as a table of its own."""
        return Ids((self._labels[row] for row in np.asarray(rows, np.int64).tolist()), old=self.old)


def _joined(labels: Sequence[str]) -> bytes:
    """The ids with a unit separator between two of them; one that is in an id is written in two other characters."""
    text = "\x1f".join(labels)
    if "\x1e" in text or text.count("\x1f") >= max(1, len(labels)):
        text = "\x1f".join(label.replace("\x1e", "\x1e0").replace("\x1f", "\x1e1") for label in labels)
    return text.encode()


def _newest(label: str, old: Mapping[str, str]) -> str:
    """What an old id became in the end; the id itself where it runs in a circle."""
    seen = {label}
    new = old[label]
    while new in old and new not in seen:
        seen.add(new)
        new = old[new]
    return label if new in seen else new


def _forms(label: str) -> tuple[str, ...]:
    """A label as it is written, and in both Unicode forms."""
    return (label,) if label.isascii() else (label, *(unicodedata.normalize(form, label) for form in ("NFC", "NFD")))


def holds_control(label: str) -> bool:
    """Whether a label cannot be an id because of a control character in it."""
    return _CONTROL.search(label) is not None


def spaced(ids: Ids, what: str) -> tuple[str, ...]:
    """A note on ids that equal others but for white space around them: most often one thing in two spellings."""
    found = [label for label in ids if label != label.strip() and label.strip() in ids]
    return note_on_spaced(len(found), min(found, default=""), what) + _cased(ids, what)


def _cased(ids: Ids, what: str) -> tuple[str, ...]:
    """A note on ids that equal others in all that a reader sees: see `folded`."""
    first: dict[str, str] = {}
    found = [(label, other) for label in ids if (other := first.setdefault(folded(label), label)) is not label]
    found = [(label, other) for label, other in found if label.strip() != other.strip()]  # see `spaced`
    return note_on_cased(len(found), *(found[0] if found else ("", "")), what)


def note_on_cased(n: int, label: str, other: str, what: str) -> tuple[str, ...]:
    """The sentence on n ids that differ from others only in how they are written; none for n=0."""
    others = f"{what} is another" if n == 1 else f"{what}s are others"
    written = "case or invisible characters, white space, quotes, dashes or the Unicode form"
    return (f"{n:,} {others} but for {written}, kept apart: {label!a} beside {other!a}.",) if n else ()


_ALIKE = {
    ord(each): to
    for to, alike in {
        "'": "\u2018\u2019\u00b4`",
        '"': "\u201c\u201d\u201e",
        "-": "\u2010\u2011\u2013\u2014\u2212",
    }.items()
    for each in alike
}


def folded(label: str) -> str:
    """A label without case, invisible characters, runs of white space, kinds of quotes and dashes, Unicode forms."""
    if label.isascii():
        return " ".join(label.casefold().split()) if not label.isalnum() else label.casefold()
    form = unicodedata.normalize("NFKC", label).casefold().translate(_ALIKE)
    return " ".join("".join(each for each in form if unicodedata.category(each) != "Cf").split())


def note_on_spaced(n: int, first: str, what: str) -> tuple[str, ...]:
    """The sentence on n such ids, the first of them as an example; none for n=0."""
    if not n:
        return ()
    others, it = (f"{what} is another", "it") if n == 1 else (f"{what}s are others", "them")
    return (f"{n:,} {others} with white space around {it}, kept apart: {first!r} beside {first.strip()!r}.",)


BATCH = 1 << 16
_ROWS_AT_A_TIME = 1 << 22
_LIKE = 1_000  # ids on either side of the place of a label


class MappedIds(Ids):
    """`Ids` in two files. A look-up takes some 25 reads in place of a dictionary of all ids.

    Args:
        labels: the Arrow file that `write_labels` wrote. It must not change, and Arrow trusts what is in it: check its
            checksum before.
        order: the .npy file of the rows in alphabetical order (int32).

    Raises:
        InputError: the files are damaged, or do not belong together.
    """

    def __init__(self, labels: Path, order: Path) -> None:
        self._files = labels, order
        self._labels = self._column = _Labels(labels)
        self._order = load_npy(order, np.int32, len(self._labels), mapped=True)
        check_rows(order, self._order, len(self._labels))

    @cached_property
    def _row_of(self) -> Mapping[str, int]:
        return _RowOf(self._column, self._order)

    def like(self, label: str) -> Iterable[str]:
        """The ids near this label in alphabetical order."""
        place = bisect_left(self._order, label, key=self._labels.__getitem__)
        return [self._labels[row] for row in self._order[max(0, place - _LIKE) : place + _LIKE].tolist()]

    def hash_into(self, digest: Any) -> None:
        """As `Ids.hash_into`, in batches."""
        for place, batch in enumerate(self._column.batches):
            if place:
                digest.update(b"\x1f")
            digest.update(_joined(batch.to_pylist()))

    def copy(self, name: str, write: Callable[[str, Callable[[Path], object]], object]) -> None:
        """Hard-link, or else copy, both files; `write` gets the name of each, and what makes it at a path."""

        def link(source: Path, path: Path) -> None:
            try:
                os.link(source, path)
            except OSError:  # another disk, or one without links
                shutil.copyfile(source, path)

        for file in self._files:
            write(f"{name}{file.suffix}", partial(link, file))


def load_npy(path: Path, kind: npt.DTypeLike, n: int | None = None, *, mapped: bool = False) -> npt.NDArray[Any]:
    """A one-dimensional array from a .npy file.

    Args:
        path, kind, n: the file, and what it must hold: entries of this type, and so many where that is known.
        mapped: map the file, read-only, in place of reading it.

    Raises:
        InputError: it holds something else, or cannot be read.
    """
    try:
        array = np.asarray(np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False))
    except Exception as error:  # of a damaged header NumPy raises whatever its parser does
        raise InputError(f"{path} cannot be read as an array: {error}") from error
    wanted = np.dtype(kind)
    if array.dtype != wanted or array.ndim != 1 or n not in (None, len(array)):
        length = "" if n is None else f" of length {n:,}"
        raise InputError(f"{path} must hold one array of {wanted}{length}, got {array.dtype}, shape {array.shape}.")
    return array


def check_rows(path: Path, rows: npt.NDArray[Any], n: int) -> None:
    """Raise an InputError unless all rows are at least 0 and below n; `path` is where they are from."""
    for start in range(0, len(rows), _ROWS_AT_A_TIME):
        block = rows[start : start + _ROWS_AT_A_TIME]
        if block.min() < 0 or block.max() >= n:
            raise InputError(f"{path} names rows that are not there: there are {n:,}, the first is 0.")


LABELS = pa.schema([("id", pa.large_string())])


def write_labels(path: Path, labels: Iterable[pa.Array]) -> int:
    """Write the Arrow file of a table of ids from arrays of them; how many there are."""
    n = 0
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, LABELS) as file:
        for array in labels:
            for start in range(0, len(array), BATCH):
                file.write_batch(pa.record_batch([array[start : start + BATCH].cast(pa.large_string())], schema=LABELS))
            n += len(array)
    return n


class _Labels(Sequence[str]):
    """The labels of a mapped table, a column of text."""

    def __init__(self, path: Path) -> None:
        try:
            self._table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()  # maps, reads nothing
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} cannot be read as Arrow: {error}") from error
        if self._table.schema != LABELS:
            raise InputError(f"{path} must hold one column of ids, got {self._table.schema.names}.")
        self.batches: list[Any] = self._table.column(0).chunks
        self._starts = np.cumsum([0, *map(len, self.batches)]).tolist()

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str]: ...
    def __getitem__(self, row: int | slice) -> str | Sequence[str]:
        if isinstance(row, slice):
            return tuple(self[each] for each in range(*row.indices(len(self))))
        place = int(row) + (len(self) if row < 0 else 0)
        if not 0 <= place < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        which = bisect_right(self._starts, place) - 1
        label: str = self.batches[which][place - self._starts[which]].as_py()
        return label

    def __iter__(self) -> Iterator[str]:
        for batch in self.batches:
            yield from batch.to_pylist()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Labels):
            return self is other or bool(self._table.equals(other._table))
        if not isinstance(other, Sequence) or len(other) != len(self):
            return False
        return all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))  # that of an equal tuple


class _RowOf(Mapping[str, int]):
    """Label to row, by bisection of the rows in alphabetical order: that of code points, in Python as on disk."""

    def __init__(self, labels: _Labels, order: npt.NDArray[np.integer]) -> None:
        self._labels, self._order = labels, order

    def __getitem__(self, label: str) -> int:
        place = bisect_left(self._order, label, key=self._labels.__getitem__)
        row = int(self._order[place]) if place < len(self._order) else -1
        if row < 0 or self._labels[row] != label:
            raise KeyError(label)
        return row

    def __len__(self) -> int:
        return len(self._labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)
