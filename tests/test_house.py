"""The house is as docs/architecture.md draws it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rootward

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "rootward"
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def rooms_of_the_map() -> list[str]:
    section = MAP.split("## Rooms of", 1)[1].split("## ", 1)[0]
    return re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)


def room_of(module: str) -> str:
    return module.split(".")[1]


def imports_of(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file}: relative import; the house imports by full names"
            found |= {node.module} if node.module != "rootward" else {f"rootward.{a.name}" for a in node.names}
    return {name for name in found if name.startswith("rootward.")}


FILES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or not path.name.startswith("__"))


def test_every_room_is_on_the_map_and_every_room_of_the_map_exists() -> None:
    there = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in FILES}
    assert set(rooms_of_the_map()) == there


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_rooms_import_only_rooms_above_them(file: Path) -> None:
    order = rooms_of_the_map()
    own = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    below = {
        name for name in imports_of(file) if room_of(name) != own and order.index(room_of(name)) > order.index(own)
    }
    assert not below, f"{own} stands above {below} on the map"


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_are_on_the_map_and_fit_a_reader(file: Path) -> None:
    if file.name != "__init__.py":
        assert file.name in MAP or file.stem in rooms_of_the_map(), f"docs/architecture.md does not name {file.name}"
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400


def test_public_names_are_those_promised() -> None:
    promised = {
        *("Hierarchy", "Pairs", "DualEncoder", "train", "resume", "recipes", "losses", "Stage", "Recipe", "Run"),
        *("Settings", "evaluate", "compare", "Report", "Ranks", "plot_recall"),
        *("construct", "Constructed", "separation", "Separation", "guaranteed_dimension", "plan", "Plan", "plot_plan"),
        *("Index", "Hits", "Filter"),
        *("reproduce", "Study"),
        *(
            "Calibration",
            "calibrate",
            "plot_calibration",
        ),
        *(
            "Diff",
            "Drift",
            "Grown",
            "add_documents",
            "add_nodes",
            "add_queries",
            "diff",
            "drift",
            "grow",
            "grow_run",
            "remove",
        ),
        *(
            "Diagnosis",
            "diagnose",
            "plot_diagnosis",
        ),
        "export",
        *("RootwardError", "InputError", "TableError", "HierarchyError", "CycleError", "PairsError", "UnknownIdError"),
        *("RunFolderError", "WriteError", "MissingExtraError", "TrainingError", "__version__"),
    }
    assert set(rootward.__all__) == promised
    for name in promised:
        assert getattr(rootward, name) is not None
    with pytest.raises(AttributeError):
        _ = rootward.no_such_name


def test_importing_rootward_does_nothing_heavy() -> None:
    code = "import sys, rootward; print(sorted({'torch', 'scipy', 'pyarrow', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
