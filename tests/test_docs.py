"""README and docs do what they say: Python runs, commands have the options they show, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rootward.cli.app import app

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
HISTORY = ("lab-log.md",)  # keeps commands as they were when it was written


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if blocks(p, "python") and p.name not in (*HISTORY, "custom-loss.md")],
    ids=lambda p: p.name,
)
def test_python_of_a_page_runs(page, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    code = blocks(page, "python")
    for block in code[:1] if page.name == "towers.md" else code:
        exec(compile(block, page.name, "exec"), names)
    assert capsys.readouterr().out


COMMANDS = [
    (page, shlex.split(line, comments=True)[1:])
    for page in PAGES
    if page.name not in HISTORY
    for block in blocks(page, "sh")
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith("rootward ")
]


@pytest.mark.parametrize(
    ("page", "command"), COMMANDS, ids=lambda value: value.name if isinstance(value, Path) else None
)
def test_commands_of_a_page_have_the_options_they_show(page, command) -> None:
    shown = CliRunner().invoke(app, [command[0], "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, f"{page.name}: there is no command {command[0]}"
    for word in command:
        if word.startswith("-") and word != "-":
            assert re.search(rf"(?<!\S){re.escape(word)}(?![\w-])", shown.output), f"{command[0]} has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_of_a_page_lead_to_files(page) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_the_readme_is_a_front_page() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= 1000
