"""Where something was measured, and what it took: processor, versions and commit; wall seconds and peak memory.

Nothing outside the standard library is imported at the top: XR-Linear's worker reads this file in an environment that
has neither rootward nor torch.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[3]
_CPUINFO = Path("/proc/cpuinfo")
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def machine() -> dict[str, Any]:
    """Date, commit (None of an installed package), processor, cores, load before, Python, torch, threads."""
    import torch  # noqa: PLC0415

    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def _commit() -> str | None:
    if not (_ROOT / ".git").exists():
        return None
    try:
        done, changed = (
            subprocess.run(["git", "-C", str(_ROOT), *command], capture_output=True, text=True, check=False).stdout
            for command in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "src", "paper/src"])
        )
    except OSError:
        return None
    return done.strip() + ("+changes" if changed.strip() else "") or None


def _processor() -> str:
    for line in _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


@dataclass
class Took:
    """What a piece of work took; filled in when it is done.

    Attributes:
        seconds: wall time.
        peak_mb: the highest resident memory less that at the start, in 10^6 bytes; None where the system does not
            tell (Linux does).
    """

    seconds: float = 0.0
    peak_mb: float | None = None


@contextmanager
def watched() -> Iterator[Took]:
    """Measure the time and peak memory of the work inside. Memory freed before it is returned to the system first."""
    took = Took()
    gc.collect()
    before = _reset_peak()
    began = time.perf_counter()
    yield took
    took.seconds = time.perf_counter() - began
    highest = _megabytes("VmHWM")
    if before is not None and highest is not None:
        took.peak_mb = max(0.0, highest - before)


def _reset_peak() -> float | None:
    """Reset the recorded peak; resident memory in MB now, None where that cannot be had."""
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        _RESET.write_text("5")  # the peak counts from now on, see proc(5)
    except OSError:
        return None
    return _megabytes("VmRSS")


def _megabytes(field: str) -> float | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{field}:")), None)
