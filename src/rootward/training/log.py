"""`log.jsonl` of a run: one line a validation."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rootward.errors import RunFolderError
from rootward.evaluation.naming import TextsOf
from rootward.files import atomic_write, refuse_link, sha256_of, writing
from rootward.folders import LOG, faults, parse_json

_CHECK = "check"


@dataclass(frozen=True)
class LogRecord:
    """One line of `log.jsonl`: the state of a training after a validation, and after the last step of a stage.

    Attributes:
        stage, step, steps: the stage's name, its steps done and in all.
        loss: mean over the steps since the last report, of the mean over a batch's queries.
        learning_rate, scale: at this step.
        pairs_per_second: (query, target) pairs trained on since the last report.
        recall: overall recall at |S(q)| of the validation queries, None where there was no validation.
        by_distance: the same at distance 0, 1, ..., up to 1,000; None at a distance without pairs.
        seconds: since training began, all stages and earlier processes counted, validation left out.
        texts: whether training knows the answers of the texts that recall is of; None where queries are looked up.
    """

    stage: str
    step: int
    steps: int
    loss: float
    learning_rate: float
    scale: float
    pairs_per_second: float
    recall: float | None
    by_distance: list[float | None] | None
    seconds: float
    texts: TextsOf | None = None


_RECORD = TypeAdapter(LogRecord)


def append_log(folder: Path, record: LogRecord, place: int) -> None:
    """Add a line to `log.jsonl`, which has `place` lines already."""
    refuse_link(folder / LOG)
    with writing(folder / LOG):
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        with open(os.open(folder / LOG, flags, 0o666), "a", encoding="utf-8") as file:
            file.write(_line(record, place))


def rewrite_log(folder: Path, records: list[LogRecord]) -> None:
    """Replace `log.jsonl` by these records."""
    text = "".join(_line(record, place) for place, record in enumerate(records))
    atomic_write(folder / LOG, lambda to: to.write_text(text, encoding="utf-8"), links=False)


def read_log(folder: Path) -> list[LogRecord]:
    """The records of `log.jsonl`; a last line that was cut off in writing is left out.

    Raises:
        RunFolderError: a line is not as it was written.
    """
    path = folder / LOG
    refuse_link(path)
    if not path.is_file():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    records = []
    for place, line in enumerate(whole.split(b"\n") if whole else ()):
        try:
            records.append(_record(line, place))
        except (ValueError, TypeError) as error:
            why = faults(error) if isinstance(error, ValidationError) else error
            raise RunFolderError(
                f"{path}, line {place + 1}, is damaged: {why}. Restore it; or delete the file, which costs the history "
                "of the validations and nothing else."
            ) from error
    return records


def _record(line: bytes, place: int) -> LogRecord:
    values: Any = parse_json(line)
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    check = values.pop(_CHECK, None)
    record = _RECORD.validate_python(values)
    if check != _check(json.dumps(values), place):
        raise ValueError("its checksum is not the one it was written with")
    return record


def _line(record: LogRecord, place: int) -> str:
    values = asdict(record)
    return json.dumps({**values, _CHECK: _check(json.dumps(values), place)}) + "\n"


def _check(text: str, place: int) -> str:
    """Eight hex digits over a line and its place among all."""
    return sha256_of([f"{place} {text}".encode()])[:8]
