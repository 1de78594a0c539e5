"""`rootward grow`: Tuesday's shop."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from rootward.encoders import DualEncoder
from rootward.folders import read_config
from rootward.training import Run
from shoes import EDGES


@pytest.fixture
def tuesday(tmp_path):
    """The shop with sandals for dogs and without hiking boots."""
    path = tmp_path / "tuesday.csv"
    edges = [edge for edge in EDGES if edge[0] != "hiking boots"]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("child", "parent"), *edges, ("sandals for dogs", "sandals")])
    return path


def test_a_changed_shop_is_grown_searched_and_measured(rootward, run, tuesday):
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    done = rootward("grow", run, f"edges:{tuesday}", "--out", "tuesday")
    assert done.exit_code == 0, done.stderr
    assert "added               1  sandals for dogs" in done.stdout
    assert "removed             1  hiking boots" in done.stdout
    assert "verdict: " in done.stdout
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    found = rootward("search", "tuesday", "sandals for dogs", "--threshold", "auto", "--json")
    assert json.loads(found.stdout)["text"] == "sandals for dogs"
    assert rootward("search", "tuesday", "Sandals").exit_code == 0  # names are kept
    grown = Run.load("tuesday")
    assert grown.finished
    assert grown.report is not None
    assert grown.pairs.n_queries == 12
    assert rootward("evaluate", "tuesday").exit_code == 0


def test_a_run_that_reads_grows_by_reading(rootward, tuesday):
    with Path("monday.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("child", "parent"), *EDGES])
    done = rootward("train", "edges:monday.csv", "--tower", "static", "--dim", "16", "--epochs", "60", "--out", "words")
    assert done.exit_code == 0, done.stderr
    assert rootward("grow", "words", f"edges:{tuesday}", "--out", "read").exit_code == 0
    grown = Run.load("read")
    assert "sandals for dogs" in grown.pairs.query_ids
    assert "hiking boots" not in grown.pairs.document_ids
    assert grown.model.reads_texts
    found = rootward("search", "read", "sandals for dogs", "-k", "4", "--json")
    assert "sandals for dogs" in found.stdout
    assert rootward("grow", "words", f"edges:{tuesday}", "--glosses", "--out", "glosses").exit_code == 0


def test_glosses_are_no_matter_of_lookup_tables(rootward, plain_run, tuesday):
    refused = rootward("grow", plain_run, f"edges:{tuesday}", "--glosses", "--out", "tuesday")
    assert refused.exit_code == 2
    assert "looks its queries up" in refused.stderr


def test_growths_add_up_in_the_config(rootward, plain_run, tuesday, shop):
    assert rootward("grow", plain_run, f"edges:{tuesday}", "--out", "tuesday", "-q").exit_code == 0
    told = rootward("grow", "tuesday", f"edges:{shop}", "--out", "wednesday", "-q", "--json", "-")
    assert told.exit_code == 0, told.stderr
    drift = read_config(Path("wednesday"))["growth"]
    assert [(step["added"], step["removed"]) for step in drift["steps"]] == [(1, 1), (1, 1)]
    assert json.loads(told.stdout)["drift"] == drift
    assert json.loads(told.stdout)["diff"]["added"] == ["hiking boots"]


def test_the_bound_on_distances_of_the_run_holds_for_the_newer_shop(rootward, shop, tuesday):
    short = ["--dim", "4", "--steps", "5", "-q", "--threads", "1"]
    assert rootward("train", f"edges:{shop}", "--read", "max_distance=1", *short, "--out", "near").exit_code == 0
    assert rootward("grow", "near", f"edges:{tuesday}", "--out", "tuesday", "-q").exit_code == 0
    assert Run.load("tuesday").pairs.max_distance == 1


def test_a_saved_change_does_the_same(rootward, plain_run, tuesday):
    assert (
        rootward("grow", plain_run, f"edges:{tuesday}", "--out", "one", "-q", "--save-diff", "change.json").exit_code
        == 0
    )
    assert rootward("grow", plain_run, "--diff", "change.json", "--out", "two", "-q").exit_code == 0
    one, two = (DualEncoder.load(name) for name in ("one", "two"))
    assert set(one.query_ids) == set(two.query_ids)
    assert Run.load("one").report.overall.value == pytest.approx(1.0, abs=0.05)


def test_every_change_of_texts_is_told_and_the_calibration_goes_along(rootward, text_run, shop, nodes, tmp_path):
    """Boots are called wellingtons now, sandals have another synonym, clogs are new; the run reads synonyms."""
    (tmp_path / "shop.csv").write_text(shop.read_text() + "clogs,shoes\n")
    with nodes.open(newline="") as file:
        rows = [dict(row) for row in csv.DictReader(file)]
    for row in rows:
        row["name"] = "Wellingtons" if row["id"] == "rain boots" else row["name"]
        row["synonyms"] += "|velcro shoes" if row["id"] == "sandals" else ""
    with (tmp_path / "nodes.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows, {"id": "clogs", "name": "Clogs", "synonyms": ""}])
    shutil.copytree(text_run, tmp_path / "run")
    assert rootward("calibrate", "run", "--abstain", "-q").exit_code == 0
    done = rootward("grow", "run", "edges:shop.csv", "--read", "nodes=nodes.csv", "--out", "grown")
    assert done.exit_code == 0, done.stderr
    assert "added               1  clogs" in done.stdout
    assert "renamed             1  rain boots: Rain Boots -> Wellingtons" in done.stdout
    assert "texts gained        1  velcro shoes (sandals)" in done.stdout
    assert "moved" not in done.stdout.partition("slice")[0]
    assert "sandals: velcro shoes" in Run.load("grown").pairs.query_ids
    assert json.loads((tmp_path / "grown" / "diff.json").read_text())["texts"]["sandals"]
    told = "is carried over" if "verdict: retrain now" not in done.stdout else "is dropped"
    assert f"The calibration of run {told}" in done.stderr
    assert rootward("search", "grown", "velcro shoes", "--threshold", "auto").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--out is needed"),
        (["--out", "new"], "Give the newer version"),
        (["TUESDAY", "--diff", "x.json", "--out", "new"], "Give the newer version"),
        (["TUESDAY", "--out", "RUN"], "holds a run already"),
        (["edges:none.csv", "--out", "new"], "none.csv"),
    ],
)
def test_what_cannot_be_grown_is_refused_and_leaves_nothing(rootward, plain_run, tuesday, tmp_path, arguments, says):
    given = [{"TUESDAY": f"edges:{tuesday}", "RUN": plain_run}.get(each, each) for each in arguments]
    done = rootward("grow", plain_run, *given)
    assert done.exit_code == 2
    assert says in done.stderr
    assert not (tmp_path / "new" / "config.json").exists()


def test_a_run_that_was_cut_off_while_written_is_no_run(rootward, plain_run, tuesday, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(DualEncoder, "save", fail)
    assert rootward("grow", plain_run, f"edges:{tuesday}", "--out", "new", "-q").exit_code == 1
    assert rootward("search", tmp_path / "new", "sandals").exit_code == 2
    assert Run.load(plain_run).finished
