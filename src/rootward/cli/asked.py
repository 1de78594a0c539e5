"""What `rootward search` is asked: texts from arguments and standard input, and what of them the model understands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rootward.errors import InputError, UnknownIdError, quoted

if TYPE_CHECKING:
    from rootward.encoders import DualEncoder


@dataclass(frozen=True)
class Asked:
    """One query as a person gave it.

    Attributes:
        text: as it was typed.
        place: where, for messages: 'Line 3', 'Query 2'.
        meanings: the query ids that it can mean; none for words that only a text tower understands.
        error: why it has no answer; None where it has one.
    """

    text: str
    place: str
    meanings: tuple[str, ...] = ()
    error: InputError | None = None

    @property
    def message(self) -> str:
        """The error with its place."""
        return f"{self.place}: {self.error}"

    def understood(self, model: DualEncoder) -> Asked:
        """With what it means to a model, or why nothing."""
        if self.error is not None:
            return self
        try:
            return replace(self, meanings=tuple(meanings(model, self.text)))
        except InputError as error:
            return replace(self, error=error)


def asked_of(texts: list[str]) -> list[Asked]:
    """The texts, with the lines of standard input in place of "-"; empty lines are none.

    Raises:
        InputError: there is none.
    """
    asked: list[Asked] = []
    for i, text in enumerate(texts, start=1):
        asked += _lines() if text == "-" else [Asked(text, f"Query {i}")]
    if not asked:
        raise InputError("There is no query on standard input; needed one a line.")
    return asked


def _lines() -> Iterator[Asked]:
    """The lines of standard input, each decoded by itself, so that one that is no text spoils no other."""
    for i, line in enumerate(sys.stdin.buffer, start=1):
        encoding, place = sys.stdin.encoding or "utf-8", f"Line {i}"
        text = line.decode(encoding, errors="replace").removeprefix("\ufeff").strip()
        if not text:
            continue
        try:
            line.decode(encoding)
        except UnicodeDecodeError as error:
            fault = f"byte {error.start + 1}, 0x{line[error.start]:02x}, is no {encoding}"
            yield Asked(text, place, error=InputError(f"{fault}; needed one query a line, as text."))
        else:
            yield Asked(text, place)


def meanings(model: DualEncoder, text: str) -> list[str]:
    """The query ids that a text can mean, none for words that only a text tower understands.

    Raises:
        UnknownIdError: nothing is called so, and the model looks its queries up.
        InputError: a text tower that knows no part of it.
    """
    try:
        return model.find(text)
    except UnknownIdError:
        if not model.reads_texts:
            raise
    if not bool(model.encode_queries([text]).vectors.any()):
        raise InputError(
            f"No part of {quoted(text)} was among the texts that this model has learnt from; try other words for it."
        )
    return []
