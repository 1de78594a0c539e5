"""The paper is a guest: it imports the library, which does not know of it, and its files do not import in circles."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from rootward_paper import STUDIES

ROOT = Path(__file__).parents[2]
FILES = {path.stem: path for path in sorted((ROOT / "paper" / "src" / "rootward_paper").glob("*.py"))}
MOST_FILES, LONGEST = 28, 800


def imports_of(path: Path) -> set[str]:
    """Files of the package that a file imports, at its top or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name.removeprefix("rootward_paper.") for name in found if name.startswith("rootward_paper.")} & set(FILES)


@pytest.mark.parametrize("word", ["rootward_paper", "rootward-paper", "rootward reproduce", "rootward report"])
def test_the_library_does_not_know_of_the_paper(word: str) -> None:
    sources = [path for path in (ROOT / "src").rglob("*") if path.suffix in (".py", ".json", ".html", ".js")]
    assert sources
    assert [path.name for path in sources if word in path.read_text(encoding="utf-8")] == []


def test_there_are_no_import_circles_and_only_the_command_line_and_the_page_import_the_registry() -> None:
    graph = {name: imports_of(path) for name, path in FILES.items()}
    TopologicalSorter(graph).prepare()
    assert {name for name, others in graph.items() if "registry" in others} == {"__main__", "page"}


def test_files_are_few_and_of_a_readable_size() -> None:
    assert len(FILES) <= MOST_FILES
    assert {name: n for name, path in FILES.items() if (n := len(path.read_text().splitlines())) > LONGEST} == {}


def test_the_makefile_measures_every_study_that_needs_no_data() -> None:
    line = next(line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("STUDIES"))
    assert set(line.split(":=")[1].split()) == set(STUDIES) - {"figure5", "table2"}
