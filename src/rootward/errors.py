"""Exceptions that rootward raises on purpose.

Every message says what the input was, what was needed and what to do.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any


class RootwardError(Exception):
    """Base of all exceptions that rootward raises on purpose."""


class InputError(RootwardError, ValueError):
    """Input that cannot be used; the command line exits with 2."""


class TableError(InputError):
    """A file that cannot be read: its name and row, what stood there, what was needed."""


class HierarchyError(InputError):
    """Edges that are no hierarchy."""


class CycleError(HierarchyError):
    """Edges that run in a circle. `cycle` lists the ids, child before parent, the first one again at the end."""

    def __init__(self, message: str, cycle: Sequence[str]) -> None:
        super().__init__(message)
        self.cycle = tuple(cycle)


class PairsError(InputError):
    """Pairs that cannot be trained on or measured."""


class UnknownIdError(InputError):
    """An id that is not there; the message has the nearest that are."""


class RunFolderError(InputError):
    """A run folder that is missing, damaged or from a newer version."""


class InUseError(RunFolderError):
    """A folder that another process, or another thread, is writing; the message says which."""


class ChangedError(RunFolderError):
    """A folder that was written by somebody else after it was read; nothing of theirs is overwritten."""


class WriteError(InputError, OSError):
    """A file that could not be written (a full disk, ...); `errno` is the system's number for the reason, or None."""

    def __init__(self, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class MissingExtraError(InputError, ImportError):
    """An optional package is needed and is not installed; the message has the install line."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional package. Install it with: pip install 'rootward[{extra}]'")


class TrainingError(RootwardError):
    """Training that cannot go on, such as a loss that is not a number."""


def whole_number(value: object, what: str, least: int = 0) -> int:
    """An argument that has to be a whole number, as an int; NumPy's integers are.

    Args:
        value: as it was given.
        what: what it is, for the message: "k is how many documents to return and at least 1".
        least: the smallest that is allowed.

    Raises:
        InputError: it is none, such as 1.5, "3", True or None, or is smaller.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise InputError(f"{what}, got {value!r}.")
    return int(value)


def number(value: object, what: str) -> float:
    """An argument that has to be a number, as a float; NumPy's are, infinity is one, NaN is none.

    Raises:
        InputError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or math.isnan(value):
        raise InputError(f"{what}, got {value!r}.")
    return float(value)


def nearest(word: str, known: Iterable[str], n: int = 3) -> list[str]:
    """The known words most like `word`, best first, whatever the case.

    Among many ids only words of similar length that begin alike are compared, so that a million take little time.
    """
    if len(word) > 200:  # comparing takes the square of the length
        return []
    wanted = word.casefold()
    pool = [w for w in known if abs(len(w) - len(word)) <= 3]
    if len(pool) > 20_000:
        pool = [w for w in pool if w[:2].casefold() == wanted[:2]]
    spelled = {w.casefold(): w for w in reversed(pool)}
    return [spelled[close] for close in difflib.get_close_matches(wanted, spelled, n=n, cutoff=0.6)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """' Did you mean 'a' or 'b'?' with a leading space, or "" when no known word is close."""
    close = nearest(word, known)
    return f" Did you mean {' or '.join(repr(w) for w in close)}?" if close else ""


_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
"""Control characters, line separators, what turns the direction of writing, and halves of characters."""

_AS_WRITTEN = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def visible(text: str, *, lines: bool = False) -> str:
    """A text to show to people: what would move the cursor, colour the terminal or turn the line is written as \\x1b.

    All output goes through it: terminals, tables, Markdown and figures. Ids in JSON are escaped as JSON does.

    Args:
        text: such as the name of a node, or an error message.
        lines: keep line ends and tabs, of a text that has several lines.
    """
    if text.isprintable():
        return text

    def written(match: re.Match[str]) -> str:
        each = match[0]
        if lines and each in "\n\t":
            return each
        code = ord(each)
        return _AS_WRITTEN.get(each) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")

    return _HIDDEN.sub(written, text)


_NOT_IN_JSON = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")


def as_json(values: Any, *, indent: int | None = None, encoding: str = "utf-8") -> str:
    """Values as JSON text that reads back as they are, whatever the terminal does with it.

    Letters stay as they are where the encoding has them. Control characters and those that turn the direction of
    writing are escaped; so is all that is not ASCII, where the encoding lacks some of it.
    """
    text = json.dumps(values, ensure_ascii=False, indent=indent)
    try:
        text.encode(encoding, "surrogatepass" if encoding.lower().replace("-", "") == "utf8" else "strict")
    except (UnicodeEncodeError, LookupError):
        return json.dumps(values, indent=indent)
    return _NOT_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def quoted(text: str, most: int = 80) -> str:
    """A text in quotes for a message, cut where it is longer than `most`."""
    return repr(text) if len(text) <= most else f"{text[:most]!r}..."
