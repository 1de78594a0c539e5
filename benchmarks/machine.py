"""Where a figure was measured, and where it is written: every benchmark prints and saves through here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rootward_paper.machine import machine

RESULTS = Path(__file__).parent / "results"


def save(name: str, command: str, figures: list[dict[str, Any]], note: str = "") -> None:
    """Print the figures as a table and write them to results/NAME.json."""
    record = {"benchmark": name, "command": command, "machine": machine(), "note": note, "figures": figures}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record["machine"]))
    columns = list(dict.fromkeys(key for row in figures for key in row))
    print("  ".join(columns))
    for row in figures:
        print("  ".join(_shown(row.get(key)) for key in columns))


def timed_process(command: list[str]) -> dict[str, Any]:
    """Run a command to its end: wall seconds and peak memory of that process, as the system counts them.

    `ru_maxrss` of a child is read from `os.wait4`, so that it is this child's and no earlier one's.
    """
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return {
        "wall_s": round(time.perf_counter() - began, 1),
        "peak_mib": round(usage.ru_maxrss / 1024),
        "output": output,
    }


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
