"""What a person sees while dimensions are tried: a bar on a terminal, a line a trial elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


@dataclass(eq=False)
class Watch:
    """Says what is tried; nothing where nobody looks."""

    shown: bool
    bar: Progress
    n_queries: int
    _trial: tuple[int, int] | None = field(default=None, init=False)
    _task: TaskID | None = field(default=None, init=False)

    def measured(self, dim: int, seed: int, n_queries: int) -> None:
        """So many more queries were measured at this dimension with this seed."""
        if (dim, seed) != self._trial:
            self._trial = (dim, seed)
            self.say(f"construction at dim {dim:,}, seed {seed}", self.n_queries)
        if self._task is not None:
            self.bar.advance(self._task, n_queries)

    def say(self, text: str, total: int | None = None) -> None:
        """What is tried now, and how many queries that takes where it is known."""
        if self.bar.disable:
            if self.shown:
                print(text, file=sys.stderr, flush=True)
            return
        if self._task is not None:
            self.bar.remove_task(self._task)
        self._task = self.bar.add_task(text, total=total)


@contextmanager
def watching(shown: bool, n_queries: int) -> Iterator[Watch]:
    """A watch on standard error while dimensions are tried."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    terminal = shown and sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not terminal) as bar:
        yield Watch(shown, bar, n_queries)
