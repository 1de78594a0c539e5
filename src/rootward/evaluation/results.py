"""`Result`: a value that is saved as JSON; figures with intervals, percentages and tables in print."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.table import Table
from rich.text import Text

from rootward.errors import InputError, visible
from rootward.files import write_text

Scalar: TypeAlias = str | int | float | bool | None


class Value(BaseModel):
    """A value that cannot be changed and refuses fields that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Result(Value):
    """A value that is saved as JSON.

    Attributes:
        noun: what error messages call it.
        format: version of the fields; the default is the current one.
    """

    noun: ClassVar[str]
    format: int

    def to_json(self) -> str:
        """Everything as JSON."""
        return self.model_dump_json(indent=2) + "\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write `to_json`, with the suffix .json; whole or not at all.

        Raises:
            InputError: another suffix.
        """
        if Path(path).suffix.lower() != ".json":
            raise InputError(f"A {self.noun} is saved as .json, got {os.fspath(path)!r}.")
        return write_text(path, self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load what `save` wrote as JSON.

        Raises:
            InputError: no such file, of something else, damaged, or from a newer version.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"There is no file {path} to load a {cls.noun} from.")
        try:
            return cls.from_json(path.read_text("utf-8"), path.name)
        except UnicodeDecodeError as error:
            raise InputError(f"{path.name} is not a {cls.noun} that {cls.__name__}.save wrote: {error}") from error

    @classmethod
    def from_json(cls, text: str, name: str = "The text") -> Self:
        """What `to_json` made this text of; `name` says in errors where the text is from.

        Raises:
            InputError: the text is of something else, damaged, or from a newer version.
        """
        current = cls.model_fields["format"].default
        try:
            version = json.loads(text)["format"]
            if version > current:
                raise InputError(
                    f"{name} was written by a newer rootward (format {version}, this one reads up to {current}); "
                    f"update rootward to open it."
                )
            return cls.model_validate_json(text)
        except (ValidationError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(f"{name} is not a {cls.noun} that {cls.__name__}.save wrote as JSON: {error}") from error


class TableResult(Result):
    """A result that prints as a table with remarks below it, and is saved as JSON or Markdown."""

    @property
    def title(self) -> str:
        """What was measured, in a line."""
        raise NotImplementedError

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """(header, rows) of the table."""
        raise NotImplementedError

    def remarks(self) -> list[str]:
        """The lines below the table."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n".join([self.title, plain_table(*self.cells()), *self.remarks()])

    def __rich__(self) -> Any:
        header, rows = self.cells()
        caption = Text("\n".join(self.remarks()))
        table = Table(title=Text(self.title), caption=caption, caption_justify="left", title_style="bold")
        for place, name in enumerate(header):
            style = {"%": "bold green", "95 % interval": "dim"}.get(name)
            table.add_column(Text(name), justify="right" if place else "left", style=style)
        for row in rows:
            table.add_row(*map(Text, row))
        return table

    def to_markdown(self) -> str:
        """The table and what stands below it, for a README or an issue."""
        lines = [f"**{markdown_text(self.title)}**", "", markdown_table(*self.cells()), ""]
        return "\n".join([*lines, *(f"- {markdown_text(remark)}" for remark in self.remarks())]) + "\n"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write `to_json` or `to_markdown`, by the suffix .json or .md; whole or not at all.

        Raises:
            InputError: another suffix.
        """
        writers = {".json": self.to_json, ".md": self.to_markdown}
        suffix = Path(path).suffix.lower()
        if suffix not in writers:
            raise InputError(f"A {self.noun} is saved as .json or .md, got {os.fspath(path)!r}.")
        return write_text(path, writers[suffix]())


class Figure(Value):
    """A share from 0 to 1 with its 95 % bootstrap interval; None when no queries were drawn again."""

    value: float
    low: float | None = None
    high: float | None = None


def percent(share: float | None) -> str:
    """'99.98'; 100.00 only for all of them, 0.00 only for none; nothing for None and NaN."""
    if share is None or math.isnan(share):
        return ""
    rounded = round(100 * share, 2)
    if share < 1:
        rounded = min(rounded, 99.99)
    return f"{max(rounded, 0.01) if share > 0 else rounded:.2f}"


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned to the right, two spaces apart."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


_MARKDOWN = re.compile(r"[\\`*\[\]<>]|^#|(?<!\w)_|_(?!\w)")


def markdown_text(text: str) -> str:
    """A text that Markdown shows as it stands: no links, HTML, code or headings of a label's own."""
    return _MARKDOWN.sub(r"\\\g<0>", visible(text).replace("&", "&amp;"))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A GitHub table."""
    shown = [[markdown_text(cell).replace("|", "\\|") for cell in line] for line in (header, *rows)]
    lines = [shown[0], ["---:"] * len(header), *shown[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
