"""What a study has measured so far, on disk: an hour of training is not done twice because somebody pressed Ctrl-C."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.numpy import save_file

from rootward.errors import RunFolderError
from rootward.evaluation import Ranks
from rootward.files import atomic_write, write_text

Row = dict[str, Any]
MEASURED = "measured.jsonl"
RANKS, TRAININGS = "ranks", "trainings"


@dataclass
class Kept:
    """The parts of a study that are done, in memory or in a folder as well.

    Attributes:
        folder: where `measured.jsonl` grows by a line a part, and `ranks/` by a file; `trainings/` holds the longest
            trainings until the study is done. None keeps nothing.
        asked: what the study was asked for, the first line there.
        parts: (key, rows) of each part done.
        seconds: that all parts took, in this process and those before.
    """

    folder: Path | None = None
    asked: Row = field(default_factory=dict)
    parts: list[tuple[Row, list[Row]]] = field(default_factory=list)
    seconds: float = 0.0
    began: float = field(default_factory=time.perf_counter)

    @classmethod
    def begin(cls, folder: Path, asked: Mapping[str, Any]) -> Kept:
        """Start in a folder, or go on with what an earlier process that was asked for the same left there.

        Raises:
            RunFolderError: it was asked for something else.
        """
        path, wanted = folder / MEASURED, json.loads(json.dumps(dict(asked)))
        if not path.exists():
            return cls(folder, wanted)
        lines = _whole_lines(path)
        if not lines or lines[0] != wanted:
            raise RunFolderError(
                f"{path} is of a study that was asked for {lines[0] if lines else 'something else'}; to go on, ask for "
                "the same; to start anew, choose another folder."
            )
        write_text(path, "".join(json.dumps(line) + "\n" for line in lines))  # a line cut off is gone
        parts = [(line["key"], line["rows"]) for line in lines[1:]]
        return cls(folder, wanted, parts, sum(line["seconds"] for line in lines[1:]))

    def rows_of(self, key: Row, measure: Callable[[], Iterable[Row]]) -> list[Row]:
        """The rows of this part: those kept, or measured now and kept."""
        wanted = json.loads(json.dumps(key))
        for done, rows in self.parts:
            if done == wanted:
                return rows
        rows = [{**key, **self._without_ranks(key, row)} for row in measure()]
        took = self.lap()
        if self.folder is not None:
            self.parts.append((wanted, rows))
            path = self.folder / MEASURED
            if not path.exists():
                write_text(path, json.dumps(self.asked) + "\n")
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": wanted, "rows": rows, "seconds": round(took, 2)}) + "\n")
        return rows

    @property
    def trainings(self) -> Path | None:
        """The folder for trainings that are not done; None keeps nothing."""
        return None if self.folder is None else self.folder / TRAININGS

    def done(self) -> None:
        """All is measured: what was kept to go on with is deleted."""
        if self.trainings is not None:
            shutil.rmtree(self.trainings, ignore_errors=True)

    def lap(self) -> float:
        """Seconds since the last part, counted to the study's."""
        now = time.perf_counter()
        took, self.began = now - self.began, now
        self.seconds += took
        return took

    def _without_ranks(self, key: Row, row: Row) -> Row:
        """The row with `Ranks` written to a file and replaced by its name; left out where nothing is kept."""
        ranks = row.pop("ranks", None)
        if isinstance(ranks, Ranks) and self.folder is not None:
            path = self.folder / RANKS / f"{file_name(key.values())}.safetensors"
            about = {"fingerprint": ranks.fingerprint, "n_documents": str(ranks.n_documents)}
            atomic_write(path, lambda to: save_file({"ranks": ranks.ranks}, to, about))
            row["ranks"] = f"{RANKS}/{path.name}"
        return row


def file_name(parts: Iterable[object]) -> str:
    """What a file or folder is called that belongs to these values."""
    return re.sub(r"[^\w.=]+", "-", "-".join(map(str, parts)))


def kept_in(folder: Path | None, *parts: object) -> Path | None:
    """The folder of one training among those of a study; None where nothing is kept."""
    return None if folder is None else folder / file_name(parts)


def _whole_lines(path: Path) -> list[Any]:
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines
