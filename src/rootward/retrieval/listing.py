"""A list of answers as people see it: aligned text, or a table on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

_TO_THE_LEFT = ("id", "name", "")


@dataclass(frozen=True)
class Listing:
    """Answers to one query.

    Attributes:
        title: the query.
        columns: heading to one cell a row.
        accepted: one truth value a row: it belongs to the answer set. A line, and a dim style, set the others apart.
        remarks: lines below.
    """

    title: str
    columns: Mapping[str, Sequence[str]]
    accepted: tuple[bool, ...]
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        widths = [max(map(len, (name, *cells))) for name, cells in self.columns.items()]
        lines = [self._line(list(self.columns), widths)]
        for i, row in enumerate(self._rows()):
            if self._ends_before(i):
                lines.append("-" * len(lines[0]))
            lines.append(self._line(row, widths))
        if not self.accepted:
            lines.append("(nothing)")
        return "\n".join([self.title, *lines, *self.remarks])

    def __rich__(self) -> Table:
        table = Table(
            title=Text(self.title, "bold"),
            title_justify="left",
            caption=Text("\n".join(self.remarks)) if self.remarks else None,
            caption_justify="left",
        )
        for name in self.columns:
            style = {"id": "cyan", "": "green"}.get(name)
            table.add_column(name, justify="left" if name in _TO_THE_LEFT else "right", style=style)
        for i, row in enumerate(self._rows()):
            if self._ends_before(i):
                table.add_section()
            table.add_row(*map(Text, row), style=None if self.accepted[i] else "dim")
        return table

    def _rows(self) -> Iterator[tuple[str, ...]]:
        return zip(*self.columns.values(), strict=True)

    def _ends_before(self, i: int) -> bool:
        """Whether the answer set ends between row i - 1 and row i."""
        return i > 0 and self.accepted[i - 1] and not self.accepted[i]

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        padded = (
            cell.ljust(width) if name in _TO_THE_LEFT else cell.rjust(width)
            for name, cell, width in zip(self.columns, cells, widths, strict=True)
        )
        return "  ".join(padded).rstrip()
