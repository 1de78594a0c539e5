"""`rootward train --labels` with labels enough to hold some out, and `rootward predict`."""

import csv
import json
import shutil

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from rootward.cli import app
from rootward.encoders import DualEncoder
from rootward.folders import seal
from rootward.training import Run

QUICK = ["--dim", "16", "--steps", "60", "--threads", "1"]
KINDS = {
    "flip-flops": ("thong", ["beach", "summer", "pool", "rubber", "surf", "holiday"]),
    "rain boots": ("wellie", ["garden", "puddle", "green", "farm", "storm", "mud"]),
}


@pytest.fixture(scope="module")
def folder(shop, tmp_path_factory):
    """A folder with titles, new titles, and a run of the titles; no sentence encoder is used."""
    here = tmp_path_factory.mktemp("labelled")
    with (here / "titles.csv").open("w", newline="") as file:
        rows = [
            (f"{one} {two} {noun}", node)
            for node, (noun, words) in KINDS.items()
            for i, one in enumerate(words)
            for two in words[i + 1 :]
        ]
        csv.writer(file).writerows([("title", "category"), *rows])
    (here / "new.csv").write_text("title\nmud green wellie\nsurf beach thong\nqqqq zzzz\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rootward.encoders.pretrained.packaged_encoder", lambda: None)
        labels = ["--labels", f"{here}/titles.csv", "--text", "title", "--node", "category"]
        arguments = ["train", f"edges:{shop}", *labels, *QUICK, "--out", f"{here}/run", "--json", f"{here}/report.json"]
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    assert "held-out texts" in result.stdout
    assert "rootward predict" in result.stderr
    return here


def test_the_report_is_of_held_out_texts(folder):
    report = json.loads((folder / "report.json").read_text())
    assert report["texts"] == "held-out"
    assert report["accuracy"]["value"] > 0.9


def test_info_says_whose_figures(rootward, folder):
    result = rootward("info", folder / "run", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["figures"]["named node"]["of"] == "20 held-out texts; then everything was trained again on all texts"
    assert told["figures"]["named node"]["right"] > 0.9
    assert f"rootward predict {folder / 'run'} FILE --text COLUMN" in told["next"]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_a_line_a_text_in_order(rootward, folder, tmp_path, suffix):
    out = tmp_path / f"said{suffix}"
    result = rootward("predict", folder / "run", folder / "new.csv", "--text", "title", "--out", out)
    assert result.exit_code == 0, result.stderr
    if suffix == ".jsonl":
        said = [json.loads(line) for line in out.read_text().splitlines()]
    elif suffix == ".csv":
        said = list(csv.DictReader(out.open()))
        said = [{**each, "node": each["node"] or None, "answers": json.loads(each["answers"])} for each in said]
    else:
        said = pq.read_table(out).to_pylist()
    assert [each["node"] for each in said] == ["rain boots", "flip-flops", None]
    assert set(said[0]["answers"]) == {"rain boots", "boots", "footwear"}
    assert said[2]["answers"] == []
    assert float(said[0]["probability"]) > 0.4


def test_lines_go_to_standard_output(rootward, folder):
    result = rootward("predict", folder / "run", folder / "new.csv", "--text", "title", "-q")
    assert [json.loads(line)["node"] for line in result.stdout.splitlines()] == ["rain boots", "flip-flops", None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new.csv"], "--text"),
        (["none.csv", "--text", "title"], "none.csv"),
        (["new.csv", "--text", "title", "--out", "said.txt"], ".jsonl, .csv, .parquet"),
    ],
)
def test_what_cannot_be_read_or_written_is_refused(rootward, folder, arguments, message):
    result = rootward("predict", folder / "run", folder / arguments[0], *arguments[1:])
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_run_of_no_labels_says_what_is_needed(rootward, run, folder):
    result = rootward("predict", run, folder / "new.csv", "--text", "title")
    assert result.exit_code == 2
    assert "--labels FILE makes one" in result.stderr


@pytest.mark.parametrize("per_node", [1, 3])
def test_labels_too_few_to_hold_some_out_name_nodes_and_say_that_nothing_is_measured(rootward, tmp_path, per_node):
    (tmp_path / "edges.csv").write_text("child,parent\nt,f\nb,f\n")  # no names
    kinds = dict(zip("tb", KINDS.values(), strict=True))
    rows = [f"{words[i]} {noun},{node}\n" for node, (noun, words) in kinds.items() for i in range(per_node)]
    (tmp_path / "titles.csv").write_text("text,node\n" + "".join(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rootward.encoders.pretrained.packaged_encoder", lambda: None)
        told = rootward("train", "edges:edges.csv", "--labels", "titles.csv", *QUICK, "--out", "run")
    assert told.exit_code == 0, told.stderr
    assert "Nothing is held out here" in told.stderr
    assert "No text was held out, so nothing is measured" in told.stderr
    assert "held-out" not in told.stdout
    assert "texts it was trained on" in told.stdout
    (tmp_path / "new.csv").write_text("text\nsurf thong\nstorm wellie\n???\n")
    said = [json.loads(line) for line in rootward("predict", "run", "new.csv").stdout.splitlines()]
    assert [each["node"] for each in said] == ["t", "b", None]
    assert said[0]["answers"] == ["t", "f"]
    for command in (["info"], ["evaluate"], ["diagnose", "--quick"]):
        result = rootward(*command, "run")
        assert result.exit_code == 0, result.stderr
        assert "held-out texts" not in result.stdout
    (tmp_path / "newer.csv").write_text("child,parent\nt,f\nb,f\nz,f\n")
    grown = rootward("grow", "run", "edges:newer.csv", "--out", "grown")
    assert grown.exit_code == 0, grown.stderr
    assert "No text was held out" in grown.stderr
    assert json.loads(rootward("predict", "grown", "new.csv").stdout.splitlines()[0])["node"] == "t"


def test_the_figures_of_a_named_tower_are_of_held_out_texts_too(rootward, shop, folder, tmp_path):
    labels = ["--labels", folder / "titles.csv", "--text", "title", "--node", "category", "--tower", "static"]
    told = rootward("train", f"edges:{shop}", *labels, *QUICK, "--out", "run")
    assert told.exit_code == 0, told.stderr
    assert "Holding out 20 texts to measure; then everything is trained again on all texts." in told.stderr
    assert "recall of held-out texts" in told.stdout
    assert "trained again on all texts" in told.stdout
    assert "named node right" in told.stdout
    run = Run.load("run")
    assert run.pairs.n_queries == 12 + 30  # nodes and titles: all are trained on
    assert (run.report.n_queries, run.report.n_unseen, run.report.texts) == (20, 20, "held-out")
    assert (
        "20 of them unknown to training"
        in json.loads(rootward("info", "run", "--json").stdout)["figures"]["recall"]["of"]
    )
    told = rootward("train", f"edges:{shop}", *labels, *QUICK, "--set", "measure=false", "--out", "other")
    assert told.exit_code == 0, told.stderr
    assert "Holding out" not in told.stderr


def test_minutes_are_of_one_tower(rootward, shop, folder):
    labels = ["--labels", folder / "titles.csv", "--text", "title", "--node", "category"]
    result = rootward("train", f"edges:{shop}", *labels, "--minutes", "1", "--out", "run")
    assert result.exit_code == 2
    assert "--tower static" in result.stderr


def test_grow_trains_the_classifier_anew_and_keeps_the_labels(rootward, shop, folder, tmp_path):
    (tmp_path / "newer.csv").write_text(shop.read_text() + "clogs,shoes\n")
    (tmp_path / "more.csv").write_text("text,node\n" + "".join(f"wooden {i} clog,clogs\n" for i in range(3)))
    shutil.copytree(folder / "run", tmp_path / "run")
    assert rootward("calibrate", "run", "--abstain", "-q").exit_code == 0
    result = rootward("grow", "run", "edges:newer.csv", "--labels", "more.csv", "--out", "grown", "--save-diff", "d")
    assert result.exit_code == 0, result.stderr
    assert "added               1  clogs" in result.stdout
    assert "texts gained        3  wooden 0 clog (clogs)" in result.stdout
    assert "held-out texts" in result.stdout
    assert "The calibration of run is dropped" in result.stderr
    change = json.loads((tmp_path / "grown" / "diff.json").read_text())
    assert change["added"] == ["clogs"]
    assert (tmp_path / "d").read_text() == (tmp_path / "grown" / "diff.json").read_text()
    assert rootward("predict", "grown", folder / "new.csv", "--text", "title").exit_code == 0
    assert rootward("info", "grown").exit_code == 0


def test_a_classifier_of_another_model_is_refused(rootward, folder, tmp_path):
    shutil.copytree(folder / "run", tmp_path / "run")
    config = json.loads((tmp_path / "run" / "classifier" / "config.json").read_text())
    config["classifier"]["model"] = "0" * 64
    (tmp_path / "run" / "classifier" / "config.json").write_text(seal(config))
    result = rootward("predict", tmp_path / "run", folder / "new.csv", "--text", "title")
    assert result.exit_code == 2
    assert "is of another model than" in result.stderr


def test_evaluate_measures_what_the_classifier_names(rootward, folder):
    (folder / "more.csv").write_text(
        "title,category\nmud green garden wellie,rain boots\n"
        "surf thong beach,flip-flops\nstorm mud farm wellie,flip-flops\n"
    )
    labels = ["--labels", folder / "more.csv", "--text", "title", "--node", "category"]
    result = rootward("evaluate", folder / "run", *labels, "--json", "-", "--bootstrap", "10")
    assert result.exit_code == 0, result.stderr
    nodes = json.loads(result.stdout)["nodes"]
    assert nodes["texts"] == "held-out"
    assert nodes["n_queries"] == 3
    assert nodes["accuracy"]["value"] == pytest.approx(2 / 3)  # the last label is wrong
    assert "those of the run's classifier" in result.stderr


LABELS = ["--text", "title", "--node", "category"]


@pytest.fixture
def more(folder):
    """Texts that are in no training, labelled."""
    (folder / "held.csv").write_text(
        "title,category\nmud green garden wellie,rain boots\nsurf thong beach,flip-flops\n"
    )
    return ["--labels", folder / "held.csv", *LABELS]


def test_without_test_texts_evaluate_says_whose_figures_it_has(rootward, folder):
    result = rootward("evaluate", folder / "run", "--json", "-", "--bootstrap", "0")
    told = json.loads(result.stdout)
    assert told["texts"] == "trained on"
    assert (told["nodes"]["texts"], told["nodes"]["n_queries"]) == ("held-out", 20)
    assert "texts that" in result.stderr
    assert "was trained on" in result.stderr
    assert "Named nodes are of texts that were held out" in result.stderr


def test_two_runs_are_compared_by_what_they_name(rootward, folder, more, monkeypatch):
    opened = []
    load = DualEncoder.load.__func__
    monkeypatch.setattr(
        DualEncoder, "load", classmethod(lambda cls, *args, **more: opened.append(args) or load(cls, *args, **more))
    )
    shutil.copytree(folder / "run", "other")
    result = rootward("evaluate", folder / "run", "--against", "other", *more, "--bootstrap", "20")
    assert result.exit_code == 0, result.stderr
    assert len(opened) == 2  # each run once
    assert f"a: {folder / 'run'}\nb: other\n" in result.stdout
    assert "named node right: no difference that could not be chance" in result.stdout
    assert "hF: no difference" in result.stdout
    told = json.loads(rootward("evaluate", "other", "--against", folder / "run", *more, "--json", "-").stdout)
    compared = {row["slice"]: row for row in told["comparison"]["nodes"]}
    assert told["comparison"]["label_a"] == "other"
    assert compared["named node right"]["a"] == compared["named node right"]["b"] == 1
    assert compared["hF"]["low"] == compared["hF"]["high"] == 0


def test_calibrate_and_diagnose_take_the_held_out_texts(rootward, folder):
    shutil.copytree(folder / "run", "run")
    result = rootward("calibrate", "run", "--abstain")
    assert result.exit_code == 0, result.stderr
    assert "5 held-out texts that were not calibrated on (10 + 5 were)" in result.stdout
    assert "before it was trained on these texts too" in result.stdout
    assert "5 held-out texts" in json.loads(rootward("info", "run", "--json").stdout)["figures"]["answer sets"]["of"]
    refused = rootward("calibrate", "run", "--rule", "size")
    assert refused.exit_code == 2
    assert "--rule universal" in refused.stderr
    told = rootward("diagnose", "run", "--quick").stdout
    assert "20 held-out texts" in told
    shutil.rmtree("run/classifier")
    told = rootward("calibrate", "run", "--abstain")
    assert "texts it was trained on that were not calibrated on" in told.stdout
    assert "These are texts that run was trained on" in told.stderr
    told = rootward("diagnose", "run", "--quick").stdout
    assert "texts it was trained on" in told
    assert "Healthy" not in told
