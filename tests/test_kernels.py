"""Answers do not depend on the processor: the numeric tests pass with the kernels of others, and on other threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FOLDERS = ("evaluation", "calibration", "retrieval", "training", "geometry", "growth", "diagnosis", "test_scoring.py")
KERNELS = {
    "any x86-64": {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"},
    "AVX2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "this processor": {},
}


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kernels", KERNELS)
def test_the_numeric_tests_pass_with_other_kernels_and_threads(kernels, threads):
    names = ("ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= KERNELS[kernels] | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    # a Milvus server computes on its own, and takes minutes
    options = ["-m", "not slow", "-p", "no:cacheprovider", f"--ignore={TESTS / 'retrieval' / 'test_milvus.py'}"]
    command = [sys.executable, "-m", "pytest", *options, *(str(TESTS / name) for name in FOLDERS)]
    done = subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
