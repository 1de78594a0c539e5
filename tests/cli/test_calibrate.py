"""`rootward calibrate`, and what search makes of it."""

import csv
import json
import shutil

import pytest
import torch

from rootward.calibration.calibrate import Calibration
from rootward.calibration.set_report import SetReport
from rootward.encoders import DualEncoder


@pytest.fixture
def copied(plain_run, tmp_path):
    """The shop's run, to be written into."""
    return shutil.copytree(plain_run, tmp_path / "run")


def test_it_prints_the_report_and_writes_into_the_run(rootward, copied, tmp_path):
    result = rootward("calibrate", copied, "--json", tmp_path / "sets.json", "--plot", tmp_path / "curve.svg")
    assert result.exit_code == 0, result.stderr
    assert "3 queries that were not calibrated on (6 + 3 were)" in result.stdout
    assert "repaired upward" in result.stdout
    assert "calibration.safetensors; search --threshold auto uses it" in result.stderr
    calibration = Calibration.load(copied)
    assert SetReport.load(tmp_path / "sets.json") == calibration.report
    assert calibration.fingerprint == DualEncoder.load(copied).fingerprint()
    assert "<svg" in (tmp_path / "curve.svg").read_text()


def test_json_to_standard_output_is_json_alone(rootward, copied):
    result = rootward("calibrate", copied, "--json", "-", "--quiet", "--rule", "universal", "--by", "precision=0.4")
    report = json.loads(result.stdout)
    assert (report["rule"], report["by"], report["floor"], result.stderr) == ("universal", "precision", 0.4, "")


def test_other_pairs_are_given_as_for_train(rootward, copied, shop, tmp_path):
    assert "not calibrated on" in rootward("calibrate", copied, f"edges:{shop}").stdout
    pairs = tmp_path / "few.csv"
    with pairs.open("w", newline="") as file:
        csv.writer(file).writerows([("query", "document", "distance"), ("boots", "boots", 0)])
    result = rootward("calibrate", copied, f"pairs:{pairs}")
    assert (result.exit_code, "needs at least 8 with answers, got 1" in result.stderr) == (2, True)


def test_a_precision_out_of_reach_is_an_error_and_keeps_the_calibration_there_was(rootward, copied):
    asked = ("calibrate", copied, "--by", "precision=1", "--json", "-", "--quiet")
    refused = rootward(*asked)
    assert (refused.exit_code, json.loads(refused.stdout)["met"]) == (2, False)
    assert "every query would abstain. Nothing was written." in refused.stderr
    assert rootward("calibrate", copied, "--quiet").exit_code == 0
    before = Calibration.load(copied)
    assert "The calibration that it had stays." in rootward(*asked).stderr
    assert Calibration.load(copied) == before
    assert rootward(*asked, "--abstain").exit_code == 0
    assert not Calibration.load(copied).report.met


@pytest.mark.parametrize("by", ["recall", "precision=often", "f1=0.9"])
def test_an_aim_that_is_none_is_refused(rootward, copied, by):
    result = rootward("calibrate", copied, "--by", by)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--by is f1 or precision=P with a share P such as 0.95; got {by!r}" in result.stderr
    assert rootward("calibrate", copied, "--plot", "curve.gif").exit_code == 2


def test_search_takes_the_calibrated_end_where_training_found_none(rootward, copied):
    model = DualEncoder.load(copied)
    model.thresholds[model.query_ids.row("flip-flops")] = torch.nan
    config = json.loads((copied / "config.json").read_text())
    model.save(copied, config={"run": config["run"]}, more_files={"pairs.parquet": None})
    asked = ("search", copied, "flip-flops", "--threshold", "auto", "--json")
    refused = rootward(*asked)
    assert (refused.exit_code, "have no threshold" in refused.stderr) == (2, True)
    assert rootward("calibrate", copied, "--quiet").exit_code == 0
    found = json.loads(rootward(*asked).stdout)
    threshold = Calibration.load(copied).thresholds(model.query_vectors(model.query_ids.rows(["flip-flops"])), None)
    assert found["threshold"] == pytest.approx(float(threshold[0]), rel=1e-5)
    assert all(document["score"] >= found["threshold"] for document in found["documents"])


def test_a_calibration_of_other_vectors_is_left_out_and_said(rootward, copied, run):
    assert rootward("calibrate", run, "--quiet").exit_code == 0
    shutil.move(run / "calibration.safetensors", copied)
    result = rootward("search", copied, "boots", "-k", "2")
    assert result.exit_code == 0
    assert "is of another model and left out; calibrate again" in result.stderr


def test_upward_adds_what_stands_above(rootward, copied):
    result = rootward("search", copied, "flip-flops", "--threshold", "99", "--upward")
    assert "(nothing)" in result.stdout
    plain = json.loads(rootward("search", copied, "flip-flops", "--threshold", "auto", "--upward", "--json").stdout)
    assert [document["id"] for document in plain["documents"]] == ["flip-flops", "sandals", "shoes", "footwear"]
    assert plain["missing"] == 0
    low = min(document["score"] for document in plain["documents"])
    stop = str(low + 1e-4)
    found = json.loads(rootward("search", copied, "flip-flops", "--threshold", stop, "--upward", "--json").stdout)
    assert any(document["added"] for document in found["documents"])
    assert found["missing"] == 0
