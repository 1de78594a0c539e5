"""Where something was measured: processor, versions, and the commit where the package is run from its sources."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import torch

_SOURCES = Path(__file__).parents[3]
_CPUINFO = Path("/proc/cpuinfo")


def machine() -> dict[str, Any]:
    """Date, commit (None of an installed package), processor, cores, load before, Python, torch, threads."""
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
    if not (_SOURCES / ".git").exists():
        return None
    try:
        done, changed = (
            subprocess.run(["git", "-C", str(_SOURCES), *asked], capture_output=True, text=True, check=False).stdout
            for asked in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "src"])
        )
    except OSError:
        return None
    return done.strip() + ("+changes" if changed.strip() else "") or None


def _processor() -> str:
    for line in _CPUINFO.read_text().splitlines() if _CPUINFO.exists() else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
