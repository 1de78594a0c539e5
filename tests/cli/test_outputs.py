"""Where results go is looked at before the work is done."""

import os

import pytest

NOWHERE = "edges:nowhere.csv"  # what would be complained of next


@pytest.mark.parametrize(
    "command",
    [
        f"train {NOWHERE} --json",
        f"construct {NOWHERE} --json",
        f"plan {NOWHERE} --json",
        f"grow none {NOWHERE} --out new --json",
        f"grow none {NOWHERE} --out new --save-diff",
        "evaluate none --json",
        "evaluate none --markdown",
        "evaluate none --plot",
        "calibrate none --json",
        "diagnose none --json",
    ],
)
def test_a_file_that_cannot_be_written_is_refused_first_and_by_its_own_name(rootward, tmp_path, command):
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "file.csv").write_text("mine")
    flag = command.split()[-1]
    for target, why in (("folder.svg", "a folder stands there"), ("file.csv/x.svg", "file.csv is no folder")):
        result = rootward(*command.split(), target)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr == f"Error: {flag} {target} cannot be written: {why}. Name another file.\n"
    assert (tmp_path / "file.csv").read_text() == "mine"


@pytest.mark.parametrize(
    "command",
    [f"train {NOWHERE}", f"construct {NOWHERE}", f"grow none {NOWHERE}", "index none", "export none"],
)
def test_a_folder_that_cannot_be_made_is_refused_first(rootward, tmp_path, command):
    (tmp_path / "file.csv").write_text("mine")
    result = rootward(*command.split(), "--out", "file.csv/new")
    assert result.exit_code == 2
    assert "--out file.csv/new cannot be written: file.csv is no folder. Name another folder." in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_link_and_an_existing_file_are_no_obstacle(rootward, run, tmp_path):
    (tmp_path / "old.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "old.json")
    assert rootward("evaluate", run, "--json", "link.json", "--bootstrap", "0").exit_code == 0
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "old.json").read_text().startswith("{")
