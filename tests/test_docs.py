"""README and docs do what they say: Python runs, commands have the options they show, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rootward.cli.app import app
from rootward_paper.__main__ import app as paper

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
HISTORY = ("lab-log.md",)  # keeps commands as they were when it was written
NOT_RUN = ("custom-loss.md", "paper.md")  # the first has a test of its own, the second trains for hours


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if blocks(p, "python") and p.name not in (*HISTORY, *NOT_RUN)],
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
    (page, shlex.split(line, comments=True))
    for page in PAGES
    if page.name not in HISTORY
    for block in blocks(page, "sh")
    for line in block.replace("\\\n", " ").splitlines()
    if line.startswith(("rootward ", "rootward-paper "))
]


@pytest.mark.parametrize(
    ("page", "command"), COMMANDS, ids=lambda value: value.name if isinstance(value, Path) else None
)
def test_commands_of_a_page_have_the_options_they_show(page, command) -> None:
    program, verb, *words = command
    shown = CliRunner().invoke(paper if program == "rootward-paper" else app, [verb, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, f"{page.name}: there is no command {program} {verb}"
    for word in words:
        if word.startswith("-") and word != "-":
            assert re.search(rf"(?<!\S){re.escape(word)}(?![\w-])", shown.output), f"{program} {verb} has no {word}"


PHRASE_OF_NO_TERM = """format-version: 1.2

[Term]
id: HP:0000366
name: Abnormality of the nose

[Term]
id: HP:0000422
name: Abnormal nasal bridge morphology
is_a: HP:0000366

[Term]
id: HP:0000431
name: Wide nasal bridge
synonym: "Broad bridge of nose" EXACT []
is_a: HP:0000422

[Term]
id: HP:0000446
name: Narrow nasal bridge
is_a: HP:0000422
"""


def test_commands_of_the_readme_run_one_after_the_other(tmp_path, monkeypatch) -> None:
    """On a small part of the ontology: the phrase of the README finds its term first and all that stands above it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hp.obo").write_text(PHRASE_OF_NO_TERM)
    printed = ""
    for page, command in COMMANDS:
        if page == README:
            done = CliRunner().invoke(app, command[1:])
            assert done.exit_code == 0, done.output
            printed = done.output
    found = re.findall(r"HP:\d+", printed)
    assert [each for each in found if each != "HP:0000446"][:3] == ["HP:0000431", "HP:0000422", "HP:0000366"]


def test_commands_of_the_page_on_labels_run_with_the_files_that_it_shows(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "labels.md"
    (tmp_path / "categories.txt").write_text(blocks(page, "text")[0])
    (tmp_path / "titles.csv").write_text(blocks(page, "csv")[0])
    (tmp_path / "more.csv").write_text(blocks(page, "csv")[0].replace("for", "and other"))
    printed = {}
    for other, command in COMMANDS:
        if other == page:
            done = CliRunner().invoke(app, command[1:])
            assert done.exit_code == 0, done.output
            printed[command[1]] = done.stdout
    assert re.findall(r"^ +\d  (.*?)  ", printed["search"], flags=re.MULTILINE) == [
        "Footwear > Boots > Rain boots",
        "Footwear > Boots",
        "Footwear",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_of_a_page_lead_to_files(page) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


def test_the_readme_is_a_front_page() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= 1000


def test_the_documentation_builds_as_pages_without_a_warning(tmp_path) -> None:
    """In a process of its own, as `make docs` does."""
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        ROOT / "docs",
        tmp_path / "html",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "rootward.Searcher" in (tmp_path / "html" / "api.html").read_text(encoding="utf-8")


def test_every_pinned_package_is_on_the_page_of_licences_and_copyleft_is_said() -> None:
    head, _, table = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8").partition("|---|---|---|---|\n")
    rows = {name: (version, licence) for name, version, licence, _ in (row.split(" | ") for row in table.splitlines())}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert {name: rows.get(f"| {name}", ("missing",))[0] for name in pinned} == pinned
    assert not [name for name, (_, licence) in rows.items() if licence == "not stated"]
    copyleft = {name[2:] for name, (_, licence) in rows.items() if re.search("GPL|GNU|MPL|EPL|CDDL|EUPL", licence)}
    assert copyleft == set(re.findall(r"^- (\S+) \(", head, flags=re.MULTILINE))
