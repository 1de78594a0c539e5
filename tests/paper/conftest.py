"""Every study at its smallest, measured once a session for all tests that look at one."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from readers.esci_files import slice_rows, write_files
from rootward_paper.registry import reproduce
from rootward_paper.study import Study

RATINGS = """WORD1 WORD2 POS TYPE AVG_SCORE AVG_SCORE_0_10 STD SCORES..
cat animal N hyp-4 5.9 9.8 0.2 6 6
recliner furniture N hyp-4 5.5 9.2 0.2 6 5
chair cat N no-rel 0.1 0.2 0.2 0 0
run move V hyp-1 5.0 8.3 0.2 5 5
animal cat N r-hyp-4 2.0 3.3 0.2 2 2
"""

Tiny = Callable[[str], tuple[Study, Path]]


@pytest.fixture(autouse=True)
def _quick_collections():
    """What earlier tests left is not searched again by each `gc.collect` before memory is measured."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ratings as HyperLex has them."""
    path = tmp_path_factory.mktemp("ratings") / "nouns.txt"
    path.write_text(RATINGS)
    return path


@pytest.fixture(scope="session")
def esci(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real slice of ESCI."""
    return write_files(tmp_path_factory.mktemp("esci"), slice_rows())


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, ratings: Path, esci: Path) -> Tiny:
    """tiny(name): the study with one seed and its folder, which tests may read and not write."""

    @cache
    def measured(name: str) -> tuple[Study, Path]:
        pytest.importorskip("matplotlib")
        if name == "margins":
            pytest.importorskip("faiss")
        folder = tmp_path_factory.mktemp("reports") / name
        data = {"table2": ratings, "figure5": esci}.get(name)
        return reproduce(name, "tiny", seeds=1, out=folder, data=data), folder

    return measured
