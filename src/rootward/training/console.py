"""What a person sees of a training: a bar on a terminal, a line a validation elsewhere; and the key that stops it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from rootward.training.loop import Progress
from rootward.training.stage import Stage


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
        self._stage = ""

    def __enter__(self) -> Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """One line for the person."""
        if self.terminal:
            self._bar.console.print(text, highlight=False)
        elif self.shown:
            print(text, file=sys.stderr, flush=True)

    def stepped(self, stage: Stage, step: int, loss: float) -> None:
        """Move the bar; a stage that has not been seen gets a bar of its own."""
        if not self.terminal:
            return
        if self._task is None or self._stage != stage.name:
            self._stage = stage.name
            self._task = self._bar.add_task(stage.name, total=stage.steps, loss="...", recall="...", speed="...")
        if step % 10 == 0 or step == stage.steps:
            self._bar.update(self._task, completed=step, loss=f"{loss:.3f}")

    def reported(self, record: Progress) -> None:
        """Show a validation."""
        recall = "..." if record.recall is None else f"{100 * record.recall:.1f} %"
        if self._task is not None:
            self._bar.update(self._task, recall=recall, speed=f"{record.pairs_per_second:,.0f}")
        elif self.shown:
            left = (record.steps - record.step) * record.seconds / max(1, record.step)
            self.say(
                f"{record.stage} {record.step:,}/{record.steps:,}  loss {record.loss:.3f}  recall {recall}  "
                f"{record.pairs_per_second:,.0f} pairs/s  about {left:.0f} s left"
            )


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
