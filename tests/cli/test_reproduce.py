"""`rootward reproduce`: a study from the shell."""

import json

import pytest

pytest.importorskip("matplotlib")


def test_a_study_prints_its_table_and_keeps_results_and_figures(rootward, tmp_path):
    result = rootward("reproduce", "noise", "--seeds", "1")
    assert result.exit_code == 0, result.stderr
    assert "(4, 5)-tree: recall at |S(q)| in %, margin" in result.stdout
    assert "share 0.3" in result.stderr
    kept = tmp_path / "reports" / "noise"
    assert {path.name for path in kept.iterdir()} == {"results.json", "measured.jsonl", "noise.png", "noise.svg"}
    assert json.loads((kept / "results.json").read_text())["seeds"] == 1
    again = rootward("reproduce", "noise", "--seeds", "1")
    assert (again.exit_code, "holds results already" in again.stderr) == (2, True)


def test_a_study_that_is_not_there_is_refused(rootward):
    result = rootward("reproduce", "figure22")
    assert result.exit_code == 2
    assert "Did you mean 'figure2'" in result.stderr
