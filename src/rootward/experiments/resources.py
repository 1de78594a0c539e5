"""What a piece of work took: wall seconds, and how far resident memory rose above where it began."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Took:
    """Filled in when the work is done.

    Attributes:
        seconds: wall time.
        peak_mb: the highest resident memory less that at the start, in 10^6 bytes; None where the system does not
            tell (it is Linux that does).
    """

    seconds: float = 0.0
    peak_mb: float | None = None


@contextmanager
def watched() -> Iterator[Took]:
    """Watch the work inside. What was freed before is given back first, so that it is not used again unseen."""
    took = Took()
    gc.collect()
    before = _start_anew()
    began = time.perf_counter()
    yield took
    took.seconds = time.perf_counter() - began
    highest = _megabytes("VmHWM")
    if before is not None and highest is not None:
        took.peak_mb = max(0.0, highest - before)


def _start_anew() -> float | None:
    """Resident memory in MB after the peak so far was forgotten; None where that cannot be had."""
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        _RESET.write_text("5")  # the peak is from now on, see proc(5)
    except OSError:
        return None
    return _megabytes("VmRSS")


def _megabytes(field: str) -> float | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{field}:")), None)
