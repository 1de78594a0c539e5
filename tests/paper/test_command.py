"""`rootward-paper` from the shell: a study, a part of one, and the page of both."""

import json

import pytest
from typer.testing import CliRunner

from rootward_paper import STUDIES
from rootward_paper.__main__ import app

pytest.importorskip("matplotlib")


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """Run a command in an empty folder; .exit_code, .stdout and .stderr come back."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


def test_a_study_prints_its_table_and_keeps_results_and_figures(paper, tmp_path):
    result = paper("noise", "--seeds", "1")
    assert result.exit_code == 0, result.stderr
    assert "(4, 5)-tree: recall at |S(q)| in %, margin" in result.stdout
    assert "share 0.3" in result.stderr
    kept = tmp_path / "reports" / "noise"
    assert {path.name for path in kept.iterdir()} == {"results.json", "measured.jsonl", "noise.png", "noise.svg"}
    assert json.loads((kept / "results.json").read_text())["seeds"] == 1
    again = paper("noise", "--seeds", "1")
    assert (again.exit_code, "holds results already" in again.stderr) == (2, True)


def test_a_study_that_is_not_there_is_refused(paper):
    result = paper("figure22")
    assert result.exit_code == 2
    assert "Did you mean 'figure2'" in result.stderr


def test_help_names_every_study(paper):
    listed = paper("--help").stdout.replace("│", " ").split()
    assert [name for name in [*STUDIES, "report"] if name not in listed] == []


def test_one_row_of_a_table_alone_goes_to_a_folder_of_its_own_and_says_so(paper, tmp_path):
    result = paper("table1", "--source", "tree", "--seeds", "1", "--dim", "16", "--method", "regular", "--quiet")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("Measured in part: dim 16; method regular.\n")
    kept = json.loads((tmp_path / "reports" / "table1-16-regular" / "results.json").read_text())
    assert [(row["dim"], row["method"], row["seed"]) for row in kept["rows"]] == [(16, "regular", 0)]
    assert kept["options"] == {"source": "tree", "dim": [16], "method": ["regular"]}
    assert paper("report", "reports", "-o", "page.html", "--quiet").exit_code == 0
    page = (tmp_path / "page.html").read_text()
    assert "(tiny, in part: dim 16; method regular)" in page
    assert "rootward-paper table1 --scale tiny --seeds 1 --source tree --dim 16 --method regular" in page
    whole = paper("table1", "--source", "tree", "--seeds", "2", "--out", "reports/table1-16-regular")
    assert whole.exit_code == 2
    assert "holds results of study table1, scale tiny, source tree, dim [16], method ['regular']" in whole.stderr


def test_half_of_a_part_is_no_half_of_the_whole(paper, tmp_path):
    (tmp_path / "out").mkdir()
    request = {"study": "noise", "scale": "tiny", "dim": [64]}
    (tmp_path / "out" / "measured.jsonl").write_text(json.dumps(request) + "\n")
    result = paper("noise", "--seeds", "1", "--out", "out")
    assert result.exit_code == 2
    assert "is of another study (study noise, scale tiny, dim [64])" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table1", "--dim", "17"], "table1 has no dim 17; there are 16, 32, 64."),
        (["table1", "--method", "regulr"], "table1 has no method 'regulr'; there are 'ours (decoupled)', 'regular'"),
        (["table1", "--method", "regulr"], "Did you mean 'regular'"),
        (
            ["table1", "--dim", "16", "--method", "rebalanced p=0.01"],
            "no method 'rebalanced p=0.01' with dim 16; there",
        ),
        (["losses", "--method", "in-bach"], "losses has no method 'in-bach'; there are 'in-batch', 'in-batch, log-Q'"),
        (["figure4", "--dim", "64"], "figure4 cannot be measured by dim: its measurements differ by source, seed."),
        (["noise", "--method", "x"], "noise cannot be measured by method"),
    ],
)
def test_a_part_that_is_not_there_is_refused_with_what_is(paper, tmp_path, arguments, message):
    result = paper(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "reports").exists()


def test_what_could_not_be_written_is_refused_first(paper, tmp_path):
    (tmp_path / "file.csv").write_text("mine")
    for arguments in (["best", "--out", "file.csv/new"], ["report", "none", "--out", "file.csv/page.html"]):
        result = paper(*arguments)
        assert result.exit_code == 2
        assert "cannot be written: file.csv is no folder. Name another" in result.stderr
