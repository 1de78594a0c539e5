"""`rootward info`: what a folder is."""

import json
import shutil

import pytest

from rootward.folders import seal


@pytest.fixture
def told(rootward):
    def info(folder):
        result = rootward("info", folder, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return info


def test_a_run_is_told_with_figures_and_whose_they_are(rootward, told, run):
    about = told(run)
    assert about["is"].startswith("a finished run")
    assert about["source"].startswith("edges:")
    assert about["sizes"] == {"queries": 12, "documents": 12, "pairs": 37}
    assert (about["dim"], about["tower"]["query"]) == (8, "lookup")
    assert about["recipe"].startswith("decoupled: decoupled (60 steps); seed 0")
    assert about["figures"]["recall"]["overall"] == 1
    assert about["figures"]["recall"]["of"] == "the 12 queries that it was trained on; none were held out"
    assert about["files"]["model.safetensors"] == (run / "model.safetensors").stat().st_size
    text = rootward("info", run).stdout
    assert "overall 100.00 %" in text
    for command in about["next"]:
        assert command in text


def test_what_it_says_to_do_next_works(rootward, told, plain_run, shop, tmp_path):
    copied = shutil.copytree(plain_run, tmp_path / "run")
    commands = told(copied)["next"]
    assert len(commands) == 4
    for command in commands:
        words = [{"TEXT": "boots", "SOURCE": f"edges:{shop}"}.get(word, word) for word in command.split()[1:]]
        assert rootward(*words).exit_code == 0, command
    assert told(copied)["figures"]["answer sets"]["of"] == "3 queries that were not calibrated on"
    grown = told(f"{copied}-2")
    assert grown["is"].startswith("a grown run (1 step(s) since it was trained; drift: fine)")
    assert grown["figures"]["recall"]["of"] == "the 12 queries of the grown run, 0 of them added since"


def test_an_unfinished_run_says_how_to_go_on(told, run, tmp_path):
    shutil.copytree(run, tmp_path / "cut")
    config = json.loads((tmp_path / "cut" / "config.json").read_text())
    config["run"] |= {"finished": False, "measured": False}
    (tmp_path / "cut" / "config.json").write_text(seal(config))
    (tmp_path / "cut" / "report.json").unlink()
    about = told("cut")
    assert about["is"].startswith("an unfinished run")
    assert about["next"] == ["rootward train --resume cut"]
    assert about["figures"] == {}


def test_models_without_a_run_and_indexes_are_told_too(rootward, told, run, shop):
    assert rootward("construct", f"edges:{shop}", "--dim", "60", "--out", "made", "-q").exit_code == 0
    made = told("made")
    assert made["is"].startswith("a constructed model, made without training")
    assert made["recipe"].startswith("construction gaussian: margin ")
    assert made["next"] == ["rootward search made TEXT", "rootward evaluate made"]
    assert rootward("index", run, "--out", "index", "-q").exit_code == 0
    index = told("index")
    assert (index["engine"], index["sizes"]) == ("exact", {"documents": 12})
    assert index["is"].startswith("an index")
    assert "exact" in rootward("info", "index").stdout


def test_a_model_saved_from_python_has_no_pairs(told, run, tmp_path):
    shutil.copytree(run, tmp_path / "model")
    (tmp_path / "model" / "pairs.parquet").unlink()
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    del config["run"]
    (tmp_path / "model" / "config.json").write_text(seal(config))
    about = told("model")
    assert about["is"].startswith("a model without a run")
    assert about["sizes"] == {"queries and documents": 24}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no config.json"),
        ({"config.json": "{}"}, "is of no run, model or index"),
        ({"log.jsonl": ""}, "a training that was cut off"),
        ({"loading.json": "{}"}, "an index that was cut off"),
    ],
)
def test_another_folder_is_an_error_that_says_what_it_is(rootward, tmp_path, files, message):
    (tmp_path / "folder").mkdir()
    for name, text in files.items():
        (tmp_path / "folder" / name).write_text(text)
    result = rootward("info", "folder")
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_folder_of_pairs_is_said_to_be_a_source(rootward, tmp_path):
    (tmp_path / "clicks.csv").write_text("query,document,distance\nboot,boots,0\n")
    flags = ["--read", "on_disk=kept", "--dim", "2", "--steps", "1", "-q", "--out", "run"]
    assert rootward("train", "pairs:clicks.csv", *flags).exit_code == 0
    assert "rootward train kept" in rootward("info", "kept").stderr
    shutil.rmtree("kept")
    assert "trained on pairs on disk" in rootward("info", "run").stdout


def test_an_export_is_checked_whole(rootward, told, run):
    assert rootward("export", run, "--format", "vectors", "--out", "vectors").exit_code == 0
    about = told("vectors")
    assert about["is"] == "an exported model; all 5 files are as they were written"
    assert about["next"] == ["cat vectors/vectors.json"]
    with open("vectors/SHA256SUMS", "r+") as sums:
        sums.truncate(0)
    cut = rootward("info", "vectors")
    assert cut.exit_code == 2
    assert "vectors/SHA256SUMS is not the list that SHA256SUMS.sha256 has the checksum of" in cut.stderr
