"""The package is as docs/architecture.md says: rooms in order, no import circles, files of a readable size."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import rootward

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "rootward"
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FILES = sorted(SOURCE.rglob("*.py"))
MODULES = {
    ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES
}
LONGEST, MOST_FILES, MOST_LINES, MOST_SMALL, SMALL, MOST_NAMES = 800, 160, 38_000, 10, 40, 30


def rooms_of_the_map() -> list[str]:
    section = MAP.split("## Rooms of", 1)[1].split("## ", 1)[0]
    return re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "rootward"


@cache
def imports_of(module: str) -> frozenset[str]:
    """Modules of the package that a module imports anywhere in it: at its top, for types, or inside a function."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import; the package imports by full names"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
    return frozenset(name for name in found if name in MODULES) - {module}


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


INSIDE = [module for module in MODULES if module not in ("rootward", "rootward.__main__")]


def test_every_room_is_on_the_map_and_every_room_of_the_map_exists() -> None:
    assert set(rooms_of_the_map()) == {room_of(module) for module in INSIDE}


@pytest.mark.parametrize("module", INSIDE)
def test_rooms_import_only_rooms_above_them(module: str) -> None:
    order = rooms_of_the_map()
    own = room_of(module)
    below = {
        name
        for name in imports_of(module)
        if name not in ("rootward", module) and room_of(name) != own and order.index(room_of(name)) > order.index(own)
    }
    assert not below, f"{own} stands above {below} on the map"


def test_no_import_circles_with_deferred_and_type_imports_counted() -> None:
    packages = {module for module, path in MODULES.items() if path.name == "__init__.py"}
    graph = {
        module: {name for name in imports_of(module) if not (name in packages and module.startswith(f"{name}."))}
        for module in INSIDE
    }
    graph = {module: names - {"rootward"} for module, names in graph.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(error.args[1])}")


def test_files_are_whole_nouns_that_a_reader_can_take_in() -> None:
    long = {path.name: lines_of(path) for path in FILES if lines_of(path) > LONGEST}
    small = [path.name for path in FILES if path.name != "__init__.py" and lines_of(path) < SMALL]
    assert not long
    assert len(small) <= MOST_SMALL, small
    assert len(FILES) <= MOST_FILES
    assert sum(map(lines_of, FILES)) <= MOST_LINES


BANNED = {"heard", "given", "asked", "seen", "taken", "placing", "demand", "shifts", "parts", "pieces"}


def test_no_file_or_public_function_has_a_name_that_says_nothing() -> None:
    named = {path.stem for path in FILES}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                named.add(node.name)
    assert not named & BANNED


def test_public_names_are_few_and_there() -> None:
    assert len(rootward.__all__) <= MOST_NAMES
    for name in rootward.__all__:
        assert getattr(rootward, name) is not None
        assert name in dir(rootward)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        rootward.trian  # noqa: B018


def test_importing_rootward_does_nothing_heavy() -> None:
    code = "import sys, rootward; print(sorted({'torch', 'numpy', 'scipy', 'pyarrow', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
