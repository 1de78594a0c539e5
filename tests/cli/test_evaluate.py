"""`rootward evaluate`: a run in, its report out in every form."""

import json
import shutil

import pytest

from rootward.evaluation import Report
from rootward.training import Run


def test_a_run_is_measured_on_its_own_pairs(rootward, run):
    result = rootward("evaluate", run)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "37 pairs" in result.stdout
    assert "overall" in result.stdout


def test_a_report_comes_in_every_form(rootward, run, tmp_path):
    pytest.importorskip("matplotlib")
    result = rootward("evaluate", run, "--json", "r.json", "--markdown", "r.md", "--plot", "r.svg", "--bootstrap", "50")
    assert result.exit_code == 0
    assert Report.load("r.json").bootstrap == 50
    assert "| overall |" in (tmp_path / "r.md").read_text()
    assert (tmp_path / "r.svg").read_text().lstrip().startswith("<?xml")


def test_json_alone_stands_on_standard_output(rootward, run):
    told = json.loads(rootward("evaluate", run, "--json", "-", "--bootstrap", "0", "--quiet").stdout)
    assert told["overall"]["value"] == 1
    assert told["overall"]["low"] is None


def test_other_pairs_can_be_given_as_for_train(rootward, run, tmp_path):
    (tmp_path / "few.csv").write_text("query,document,distance\nsandals,shoes,1\nsandals,footwear,2\n")
    result = rootward("evaluate", run, "pairs:few.csv", "--json", "-")
    assert json.loads(result.stdout)["n_pairs"] == 2


def test_a_run_that_reads_texts_says_which_nodes_they_name(rootward, run, text_run, tmp_path):
    assert json.loads(rootward("evaluate", run, "--json", "-", "--bootstrap", "0").stdout)["nodes"] is None
    result = rootward("evaluate", text_run, "--bootstrap", "20")
    assert "texts it was trained on, 12 nodes of 12" in result.stdout
    assert "recall of texts it was trained on" in result.stdout
    assert "which say little of other texts" in result.stderr
    assert "hierarchical F1 (hF)" in result.stdout


def test_simple_methods_stand_beside_a_run_on_held_out_texts(rootward, text_run, tmp_path):
    pytest.importorskip("sklearn")
    rows = ["rubber rain boots,rain boots,0", "rubber rain boots,boots,1", "rubber rain boots,footwear,2"]
    (tmp_path / "new.csv").write_text("\n".join(["query,document,distance", *rows]))
    result = rootward("evaluate", text_run, "pairs:new.csv", "--baselines", "--bootstrap", "20", "--markdown", "r.md")
    assert result.exit_code == 0, result.output
    assert "1 held-out texts" in result.stdout
    assert "tfidf" in result.stdout
    assert "| svm |" in (tmp_path / "r.md").read_text()
    told = json.loads(rootward("evaluate", text_run, "pairs:new.csv", "--baselines", "--json", "-").stdout)
    assert told["report"]["nodes"]["texts"] == "held-out"
    assert [row["name"] for row in told["baselines"]["rows"]] == ["tfidf", "svm"]
    assert told["baselines"]["rows"][0]["accuracy"]["slice"] == "accuracy"


def test_baselines_need_other_texts(rootward, text_run):
    result = rootward("evaluate", text_run, "--baselines")
    assert (result.exit_code, "held-out texts" in result.stderr) == (2, True)


def test_two_runs_are_compared_query_by_query(rootward, run, plain_run):
    result = rootward("evaluate", run, "--against", plain_run, "--bootstrap", "20")
    assert result.exit_code == 0
    assert f"a: {run}" in result.stdout
    assert f"b: {plain_run}" in result.stdout
    assert "overall: no difference that could not be chance" in result.stdout, "both are perfect"
    told = json.loads(rootward("evaluate", run, "--against", plain_run, "--json", "-").stdout)
    assert told["comparison"]["label_a"] == str(run)
    assert set(told) == {"report", "against", "comparison"}
    assert told["report"]["label"] == str(run)


def test_the_sign_of_a_difference_says_which_run_is_better(rootward, run, shop):
    bad = ["--dim", "1", "--steps", "1", "--set", "start=random", "--out", "bad", "--quiet"]
    assert rootward("train", f"edges:{shop}", *bad).exit_code == 0
    for first, second, sign in ((run, "bad", "-"), ("bad", run, "+")):
        lines = rootward("evaluate", first, "--against", second).stdout.splitlines()
        (overall,) = [
            line for line in lines if line.split()[:1] == ["overall"] and " to " in line and len(line.split()) > 7
        ]
        assert overall.split()[3].startswith(sign)
        assert lines[-1].startswith(f"overall: {run} is better, by ")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--plot", "r.pdf"], ".png or .svg"),
        (["--json", "-", "--markdown", "-"], "both want standard output"),
        (["--bootstrap", "-1"], "Invalid value for '--bootstrap'"),
        (["--against", "nowhere"], "nowhere does not exist"),
        (["--against", "nowhere", "--bootstrap", "0"], "--bootstrap at least 1"),
        (["--read", "child=x"], "name the source too"),
        (["paths:nowhere.txt"], "nowhere.txt does not exist"),
    ],
)
def test_what_the_user_got_wrong_ends_with_2(rootward, run, flags, message):
    result = rootward("evaluate", run, *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_folder_that_is_no_run_is_refused(rootward, tmp_path):
    result = rootward("evaluate", tmp_path)
    assert (result.exit_code, "has no config.json" in result.stderr) == (2, True)


def test_a_damaged_run_is_refused(rootward, run, tmp_path):
    shutil.copytree(run, tmp_path / "bad")
    with (tmp_path / "bad" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    result = rootward("evaluate", "bad")
    assert (result.exit_code, "damaged" in result.stderr) == (2, True)


def test_a_run_without_its_report_is_a_run_and_told_how_to_come_by_one(rootward, run, tmp_path):
    shutil.copytree(run, tmp_path / "gone")
    (tmp_path / "gone" / "report.json").unlink()
    assert Run.load("gone").report is None
    assert rootward("search", "gone", "boots").exit_code == 0
    result = rootward("evaluate", "gone")
    command = "rootward evaluate gone --json gone/report.json"
    assert (result.exit_code, command in result.stderr, command in str(Run.load("gone"))) == (0, True, True)
    assert rootward(*command.split()[1:], "--quiet").stderr == ""
    assert Run.load("gone").report.overall == Run.load(run).report.overall
    assert rootward("evaluate", "gone").stderr == ""


def test_a_report_is_written_as_a_page(rootward, run, text_run, tmp_path):
    result = rootward("evaluate", run, "--html", tmp_path / "report.html", "--quiet")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report.html").read_text()
    assert "queries, looked up: training knew them" in page
    assert "Named nodes" not in page
    (tmp_path / "heldout.csv").write_text("text,node\nsomething like flip-flops,flip-flops\nkids sneakers,boots\n")
    result = rootward("evaluate", text_run, "--labels", tmp_path / "heldout.csv", "--html", "-", "--quiet")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("<!doctype html>")
    assert "2 held-out texts" in result.stdout
    assert "kids sneakers" in result.stdout
    assert rootward("evaluate", run, "--html", "-", "--json", "-").exit_code == 2
