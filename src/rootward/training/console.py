"""What a person sees of a training: a bar on a terminal, some lines elsewhere; and the key that stops it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from rootward.training.loop import Progress
from rootward.training.stage import Stage

LINE_SECONDS = 2.0
"""Between two lines of validations where there is no terminal, at least; a stage's last one comes at once."""

SILENT_SECONDS = 30.0
"""After so long without a line there, the next step is told: between two validations an hour may pass."""

BAR_SECONDS = 0.1
"""Between two moves of the bar, at least: some of a millisecond's steps, each of a minute's."""


class Display:
    """Shows a training on standard error; nothing at all unless `shown`."""

    def __init__(self, shown: bool) -> None:
        self.shown, self.terminal = shown, shown and sys.stderr.isatty()
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}  recall {task.fields[recall]}  {task.fields[speed]} pairs/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not self.terminal,
        )
        self._task: TaskID | None = None
        self._first_step, self._began, self._said, self._moved = 0, 0.0, 0.0, 0.0

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """One line for the person."""
        if self.terminal:
            self._bar.console.print(text, highlight=False, markup=False)
        elif self.shown:
            print(text, file=sys.stderr, flush=True)

    def ended(self) -> None:
        """Training is over: its bar stays as it is, and what follows may show its own."""
        self._bar.stop()

    def began(self, stage: Stage, step: int, recall: float | None) -> None:
        """A stage starts, or goes on after this step, where its last validation gave this recall."""
        self._first_step, self._began = step, time.monotonic()
        self._said, self._moved = self._began, 0.0
        if self.terminal:
            self._task = self._bar.add_task(
                stage.name, total=stage.steps, completed=step, loss="...", recall=_percent(recall), speed="..."
            )

    def stepped(self, stage: Stage, step: int, loss: float) -> None:
        """Move the bar, or say a line where nothing was said for long."""
        if not self.shown:
            return
        now = time.monotonic()
        if self._task is not None and (now - self._moved >= BAR_SECONDS or step == stage.steps):
            self._moved = now
            self._bar.update(self._task, completed=step, loss=f"{loss:.3f}")
        elif self._task is None and now - self._said >= SILENT_SECONDS and step != stage.steps:
            assert stage.steps is not None
            self._line(stage.name, step, stage.steps, f"loss {loss:.3f}")

    def reported(self, record: Progress) -> None:
        """Show a validation."""
        recall, now = _percent(record.recall), time.monotonic()
        if self._task is not None:
            self._bar.update(self._task, recall=recall, speed=f"{record.pairs_per_second:,.0f}")
        elif record.step == record.steps or now - self._said >= LINE_SECONDS:
            told = f"loss {record.loss:.3f}  recall {recall}  {record.pairs_per_second:,.0f} pairs/s"
            self._line(record.stage, record.step, record.steps, told)

    def _line(self, stage: str, step: int, steps: int, told: str) -> None:
        """A line of progress: how far it is, what is told, and how long the rest of the stage takes."""
        self._said = time.monotonic()
        left = (steps - step) * (self._said - self._began) / max(1, step - self._first_step)
        self.say(f"{stage} {step:,}/{steps:,}  {told}" + (f"  about {left:.0f} s left" if left else ""))


def _percent(recall: float | None) -> str:
    return "..." if recall is None else f"{100 * recall:.1f} %"


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C ask for a stop at the end of a step instead of tearing one apart; a second one interrupts at once.

    Yields a function that says whether a stop was asked for. Outside the main thread, where signals cannot be
    caught, Ctrl-C stays what it was.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
