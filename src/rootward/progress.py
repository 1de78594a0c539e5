"""How far long work is, on standard error: a bar on a terminal, lines elsewhere, nothing for who wants quiet."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from rootward.errors import visible

LINE_SECONDS = 2.0
"""Between two lines where there is no terminal, at least; the last one of a task comes at once."""

BAR_SECONDS = 0.1
"""Between two moves of a bar, at least: some of a millisecond's steps, each of a minute's."""


class Progress:
    """Shows one task after another; a context manager.

    Args:
        shown: False shows nothing.
        lines: print lines where standard error is no terminal; else only what is said is printed there.
        keep: leave the bars on the terminal when they are done.
    """

    def __init__(self, shown: bool, *, lines: bool = False, keep: bool = False) -> None:
        self.shown, self.terminal, self.lines, self.keep = shown, shown and sys.stderr.isatty(), lines, keep
        self.what = ""
        self._task: TaskID | None = None
        if self.terminal:
            self._bar = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None if keep else 40),
                TextColumn("{task.fields[count]}  {task.fields[text]}", markup=False),
                TimeRemainingColumn(elapsed_when_finished=True),
                console=Console(stderr=True),
                transient=not keep,
            )

    def __enter__(self) -> Self:
        if self.terminal:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the bar; what follows may show its own."""
        if self.terminal:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        text = visible(text, lines=True)
        if self.terminal:
            self._bar.console.print(text, highlight=False, markup=False)
        elif self.shown:
            print(text, file=sys.stderr, flush=True)

    def begin(self, what: str, total: int | None = None, done: int = 0, text: str = "") -> None:
        """Start a task, of which so much is done; `total` None is as much as it takes."""
        self.what, self.total, self.done = what, total, done
        self._first, self._began = done, time.monotonic()
        self._said, self._moved = self._began, -math.inf
        if self.terminal:
            if self._task is not None and not self.keep:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(what, total=total, completed=done, count=self._count(), text=text)

    def advance(self, n: int) -> None:
        """So much more of the task is done."""
        self.update(self.done + n)

    def update(self, done: int, total: int | None = None, text: str = "", pause: float | None = None) -> None:
        """So much of the task is done in all.

        Args:
            done, total: `total` where it was not known, or has changed.
            text: what else there is to tell.
            pause: print a line only after so many seconds without one, and none at the end; None: LINE_SECONDS.
        """
        self.done, self.total = done, self.total if total is None else total
        now, ends = time.monotonic(), done == self.total
        if self._task is not None and (ends or now - self._moved >= BAR_SECONDS):
            self._moved = now
            self._bar.update(self._task, completed=done, total=self.total, count=self._count(), text=text)
        due = pause is None if ends else now - self._said >= (LINE_SECONDS if pause is None else pause)
        if self.shown and self.lines and not self.terminal and due:
            self._said = now
            left = ((self.total or done) - done) * (now - self._began) / max(1, done - self._first)
            about = f"about {left:.0f} s left" if left else ""
            self.say("  ".join(filter(None, (f"{self.what} {self._count()}", text, about))))

    def _count(self) -> str:
        return f"{self.done:,}/{self.total:,}" if self.total is not None else ""


@contextmanager
def bar(
    what: str, total: int, shown: bool, *, done: int = 0, lines: bool = False, keep: bool = False
) -> Iterator[Callable[[int], None]]:
    """A `Progress` of one task: gives what to call with how much more of it is done."""
    with Progress(shown, lines=lines, keep=keep) as progress:
        progress.begin(what, total, done)
        yield progress.advance
