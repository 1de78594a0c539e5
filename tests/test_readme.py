"""The README does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rootward.cli.app import app
from rootward_paper.__main__ import app as paper

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def unseen_words() -> str:
    """What the README shows for words that nobody has seen."""
    shown = re.search(r"^```\n(sandals for a kid\n.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    assert shown
    return shown[1]


def without_scores(text: str) -> str:
    """Scores are those of a machine; who comes after whom is not."""
    return re.sub(r" 0\.\d{3}$", "", text, flags=re.MULTILINE)


def test_the_python_runs_and_finds_what_it_claims(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    code = blocks("python")
    assert code
    names: dict[str, object] = {}
    for block in code:
        exec(compile(block, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "overall" in printed
    assert str(["kid's sandals", "sandals", "shoes"]) in printed
    assert without_scores(printed).count(without_scores(unseen_words())) == 1


COMMANDS = [
    shlex.split(line, comments=True)
    for block in blocks("sh")
    for line in block.splitlines()
    if line.startswith(("rootward ", "rootward-paper "))
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_flag_of_a_command_is_one_it_has(command) -> None:
    program, verb, *words = command
    shown = CliRunner().invoke(paper if program == "rootward-paper" else app, [verb, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for word in words:
        if word.startswith("-"):
            assert re.search(rf"(?<!\S){re.escape(word)}(?!\S)", shown.output), f"{verb} has no {word}"


def test_files_that_the_readme_links_to_are_there() -> None:
    root = Path(__file__).parents[1]
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (root / link).exists(), link
