"""`rootward train --tower static` and searching it with words that it has never seen."""

import json
import os
import re
import shutil
from dataclasses import fields
from inspect import signature

import pytest
from typer.testing import CliRunner

from rootward.cli import app
from rootward.cli.towers import TowerFlags, tower_settings
from rootward.cli.train import RecipeFlags
from rootward.encoders import DualEncoder, LookupTower, new_encoder
from rootward.encoders.static import StaticTower
from rootward.folders import seal
from rootward.pairs import Pairs
from rootward.training import Run

QUICK = ["--dim", "16", "--steps", "120", "--threads", "1", "--quiet"]


@pytest.fixture(scope="module")
def words(shop, nodes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "words"
    arguments = ["train", f"edges:{shop}", "--read", f"nodes={nodes}", "--tower", "static", *QUICK, "--out", folder]
    result = CliRunner().invoke(app, [os.fspath(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return folder


def test_words_never_seen_find_the_nearest_and_what_stands_above(rootward, words):
    result = rootward("search", words, "boots for the rain", "-k", "3")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "boots for the rain"
    assert [line.split(maxsplit=1)[1].split("  ")[0] for line in lines[2:5]] == ["rain boots", "boots", "footwear"]
    assert "✓" not in result.stdout, "what is right for it nobody knows"


def test_known_and_unknown_words_are_answered_in_the_order_asked(rootward, words):
    found = rootward("search", words, "hiking sandal", "trainers", "wet boots", "sneakers", "--json")
    answers = [json.loads(line) for line in found.stdout.splitlines()]
    assert [answer["text"] for answer in answers] == ["hiking sandal", "trainers", "wet boots", "sneakers"]
    assert [answer["query"] for answer in answers] == ["hiking sandal", "sneakers: trainers", "wet boots", "sneakers"]
    assert ["missing" in answer for answer in answers] == [False, True, False, True]
    assert all(answer["documents"][0]["accepted"] for answer in answers)


def test_words_never_seen_are_measured_and_calibrated_on(rootward, words, tmp_path):
    names = ("rain boots", "hiking sandals", "running shoes", "boots")
    asked = [f"{what} {name},{name},0" for what in ("some", "new") for name in names]
    (tmp_path / "held.csv").write_text("\n".join(["query,document,distance", *asked, "boots,boots,0"]) + "\n")
    told = rootward("evaluate", words, "pairs:held.csv", "--json", "-", "--quiet")
    report = json.loads(told.stdout)
    assert (report["n_queries"], report["n_unseen"]) == (9, 8)
    assert report["overall"]["value"] > 0.25
    assert "unseen queries, read as a search reads them: 8" in rootward("evaluate", words, "pairs:held.csv").stdout
    copied = shutil.copytree(words, tmp_path / "copied")
    assert rootward("calibrate", copied, "pairs:held.csv", "--quiet").exit_code == 0


def test_words_of_which_nothing_is_known_are_refused(rootward, words):
    result = rootward("search", words, "漢字")
    assert result.exit_code == 2
    assert "No part of '漢字' was among the texts" in result.stderr


def test_a_lookup_run_still_says_what_is_close(rootward, run):
    result = rootward("search", run, "sneakres")
    assert result.exit_code == 2
    assert "Did you mean 'Sneakers'" in result.stderr


def test_an_unknown_tower_is_refused(rootward, shop):
    result = rootward("train", f"edges:{shop}", "--tower", "statik")
    assert result.exit_code == 2
    assert (
        "No tower 'statik'; there are lookup, auto, static, frozen, joint, full. Did you mean 'static'?"
        in result.stderr
    )


def test_ids_are_the_texts_where_a_source_has_no_names(rootward, shop, tmp_path):
    assert rootward("train", f"edges:{shop}", "--tower", "static", *QUICK, "--out", tmp_path / "run").exit_code == 0
    assert "hiking boots" in rootward("search", tmp_path / "run", "boot for hiking", "-k", "1").stdout


def test_a_frozen_encoder_by_its_folder(rootward, shop, nodes, minilm, tmp_path, monkeypatch):
    monkeypatch.setenv("ROOTWARD_CACHE", str(tmp_path / "cache"))
    source = ["train", f"edges:{shop}", "--read", f"nodes={nodes}", "--tower", "frozen", "--encoder", minilm]
    trained = rootward(*source, *QUICK, "--out", tmp_path / "run")
    assert trained.exit_code == 0, trained.output
    assert "hiking sandals" in rootward("search", tmp_path / "run", "sandals of a hiker", "-k", "3").stdout.casefold()


def test_a_joint_tower_is_made_of_its_flags_and_searched(rootward, shop, told, tmp_path, monkeypatch):
    monkeypatch.setenv("ROOTWARD_CACHE", str(tmp_path / "cache"))
    encoder = new_encoder(["shoes", "boots"], tmp_path / "tiny", layers=1, width=8, heads=1, mlp=8, longest=8)
    source = ["train", f"edges:{shop}", "--read", f"nodes={told}", "--tower", "joint", "--encoder", encoder]
    trained = rootward(*source, "--word-pairs", "--glosses", "--set", "hidden=12", *QUICK, "--out", tmp_path / "run")
    assert trained.exit_code == 0, trained.output
    model = DualEncoder.load(tmp_path / "run")
    assert model.query_tower.static.vocabulary.grams.pairs
    assert [tuple(each.shape) for each in model.query_tower.frozen.head] == [(8, 12), (12, 16)]
    assert "sandals (definition)" in list(model.query_ids)
    assert f"query: joint on {encoder}" in rootward("info", tmp_path / "run").stdout
    assert rootward("index", tmp_path / "run", "--out", tmp_path / "index", "--quiet").exit_code == 0
    found = rootward("search", tmp_path / "run", "hiking sandal", "-k", "1", "--index", tmp_path / "index")
    assert "hiking sandals" in found.stdout.casefold(), found.output
    for verb in (["evaluate"], ["diagnose", "--quick"]):
        asked = rootward(verb[0], tmp_path / "run", *verb[1:])
        assert asked.exit_code == 0, asked.output
    for format, whole in (("sentence-transformers", "modules.json"), ("onnx", "query.onnx")):
        asked = rootward("export", tmp_path / "run", "--out", tmp_path / format, "--format", format)
        assert asked.exit_code == 0, asked.output
        assert (tmp_path / format / whole).exists()


def test_a_run_whose_encoder_and_cache_have_moved_is_told_where_by_a_flag(rootward, shop, tmp_path, monkeypatch):
    monkeypatch.setenv("ROOTWARD_CACHE", str(tmp_path / "cache"))
    encoder = new_encoder(["shoes", "boots"], tmp_path / "tiny", layers=1, width=8, heads=1, mlp=8, longest=8)
    source = ["train", f"edges:{shop}", "--tower", "frozen", "--encoder", "tiny"]
    trained = rootward(*source, *QUICK, "--out", "run")
    assert (trained.exit_code, trained.stderr) == (0, "")
    moved = encoder.rename(tmp_path / "moved")
    (tmp_path / "cache").rename(tmp_path / "gone")
    verbs = [
        ["search", "run", "wet boots", "--quiet"],
        ["evaluate", "run", "--against", "run", "--quiet"],
        ["calibrate", "run", "--quiet", "--abstain"],
        ["index", "run", "--out", "index", "--quiet"],
        ["diagnose", "run", "--quick", "--quiet"],
        ["grow", "run", f"edges:{shop}", "--out", "grown", "--quiet"],
        ["export", "run", "--out", "exported", "--quiet"],
    ]
    lost = rootward(*verbs[0])
    assert lost.exit_code == 2
    assert re.search(r"there is no such folder.*--encoder on the command line", lost.stderr)
    for verb in verbs:
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        told = rootward(*verb, "--encoder", moved)
        assert (told.exit_code, told.stderr) == (0, ""), (verb, told.output)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["run"]["finished"] = False
    (tmp_path / "run" / "config.json").write_text(seal(config))
    resumed = rootward("train", "--resume", "run", "--encoder", moved, "--quiet")
    assert (resumed.exit_code, resumed.stderr) == (0, ""), resumed.output


def test_a_run_without_an_encoder_is_not_diagnosed_by_one(rootward, run):
    result = rootward("diagnose", run, "--encoder", "all-MiniLM-L6-v2")
    assert result.exit_code == 2
    assert "leave out --encoder, or the run" in result.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--tower", "frozen"], "--tower frozen needs a sentence encoder; name one"),
        (["--tower", "joint"], "--encoder all-MiniLM-L6-v2"),
        (["--encoder", "all-MiniLM-L6-v2"], "--encoder belongs to --tower frozen or joint or full"),
    ],
)
def test_an_encoder_belongs_to_a_tower_on_one(rootward, shop, flags, says):
    result = rootward("train", f"edges:{shop}", *flags)
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.parametrize("format", [[], ["--format", "onnx"]])
def test_a_run_that_reads_is_exported_with_its_report(rootward, words, tmp_path, format):
    result = rootward("export", words, "--out", tmp_path / "model", *format)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "says how to use it" in result.stderr
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| overall" in card
    assert ("query.onnx" in card) == bool(format)


def test_a_run_is_exported_with_the_report_of_other_queries(rootward, words, tmp_path):
    (tmp_path / "held.csv").write_text("query,document,distance\nsandals to hike in,hiking sandals,0\n")
    assert rootward("evaluate", words, "pairs:held.csv", "--json", "held.json", "--quiet").exit_code == 0
    assert rootward("export", words, "--report", "held.json", "--out", "model", "--format", "onnx").exit_code == 0
    assert "of 1 queries that training did not see" in (tmp_path / "model" / "README.md").read_text()
    result = rootward("export", words, "--report", "none.json", "--out", "other")
    assert (result.exit_code, "no file none.json" in result.stderr) == (2, True)


def test_a_lookup_run_is_not_exported(rootward, run, tmp_path):
    result = rootward("export", run, "--out", tmp_path / "model")
    assert result.exit_code == 2
    assert "looks its queries up" in result.stderr


def test_a_text_without_letters_is_named_by_its_line_and_can_be_skipped(rootward, tmp_path):
    (tmp_path / "clicks.csv").write_text("query,document,distance\nred shoe,a,0\n?!,b,0\nboot,b,0\n")
    train = ["train", "pairs:clicks.csv", "--tower", "static", *QUICK[:-1], "--out", "run"]
    refused = rootward(*train)
    assert refused.exit_code == 2
    assert "'?!' (row 3 of clicks.csv)" in refused.stderr
    done = rootward(*train, "--skip-unreadable")
    assert done.exit_code == 0, done.stderr
    assert "Left out 1 query without a letter or digit in its text: '?!' (row 3 of clicks.csv)." in done.stderr


def test_one_text_with_two_answers_is_told_once(rootward, tmp_path):
    (tmp_path / "clicks.csv").write_text("query,document,distance\nred shoe,b,0\nRed  Shoe,c,0\nboot,b,0\n")
    done = rootward("train", "pairs:clicks.csv", "--tower", "static", *QUICK[:-1], "--out", "run")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("vector: 'red shoe' and 'Red  Shoe'. Merge these queries") == 1


def test_names_of_several_nodes_are_left_out_unless_asked_for(rootward, shop, nodes):
    train = [
        "train",
        f"edges:{shop}",
        "--read",
        f"nodes={nodes}",
        "--tower",
        "static",
        *QUICK[:-1],
    ]  # "sporty" means two things
    alone = rootward(*train, "--out", "alone")
    assert "Left out 2 synonyms that are names of several nodes." in alone.stderr, alone.stderr
    assert not [each for each in Run.load("alone").pairs.query_ids if "sporty" in each]
    both = rootward(*train, "--ambiguous", "--out", "both")
    assert "'running shoes: sporty'" in both.stderr, both.stderr
    assert {"sneakers: sporty", "running shoes: sporty"} <= set(Run.load("both").pairs.query_ids)
    grow = [f"edges:{shop}", "--read", f"nodes={nodes}", "--quiet", "--out"]
    assert rootward("grow", "alone", *grow, "alone again").exit_code == 0
    assert set(Run.load("alone again").pairs.query_ids) == set(Run.load("alone").pairs.query_ids)
    assert rootward("grow", "both", *grow, "both again", "--ambiguous").exit_code == 0
    assert set(Run.load("both again").pairs.query_ids) == set(Run.load("both").pairs.query_ids)


def test_whether_names_are_ambiguous_belongs_to_a_tower_that_reads(rootward, shop, run):
    assert "--ambiguous belongs to --tower static" in rootward("train", f"edges:{shop}", "--ambiguous").stderr
    assert "leave out --ambiguous" in rootward("train", "--resume", run, "--ambiguous").stderr
    assert "reads texts" in rootward("grow", run, f"edges:{shop}", "--out", "grown", "--ambiguous").stderr


# -- what a tower is made of ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(nodes, tmp_path_factory):
    """The nodes of the shop with a definition: of sandals "Open shoes held on by straps." and an example."""
    path = tmp_path_factory.mktemp("told") / "nodes.csv"
    header, *rows = nodes.read_text().splitlines()
    gloss = '"Open shoes held on by straps; ""she wore thongs at the beach"""'
    lines = [f"{row},{gloss if row.startswith('sandals,') else ''}" for row in rows]
    path.write_text("\n".join([f"{header},definition", *lines]) + "\n")
    return path


def test_every_flag_of_a_static_tower_reaches_it(rootward, shop, told, tmp_path):
    source = ["train", f"edges:{shop}", "--read", f"nodes={told}", "--tower", "static", "--documents", "text"]
    trained = rootward(*source, "--word-pairs", "--glosses", *QUICK, "--out", tmp_path / "run")
    assert trained.exit_code == 0, trained.output
    model = DualEncoder.load(tmp_path / "run")
    assert model.query_tower.vocabulary.grams.pairs
    assert isinstance(model.document_tower, StaticTower)
    asked = [each for each in model.query_ids if each.startswith("sandals")]
    assert asked == ["sandals", "sandals (definition)", "sandals (example 1)"]


def test_every_flag_of_a_full_tower_reaches_it(rootward, shop, tmp_path):
    encoder = new_encoder(["shoes", "boots"], tmp_path / "tiny", layers=1, width=8, heads=1, mlp=8, longest=8)
    flags = ["--tower", "full", "--encoder", encoder, "--documents", "lookup", "--set", "hidden=12", "--set", "chunk=3"]
    quick = ["--dim", "4", "--steps", "2", "--threads", "1", "--quiet"]
    trained = rootward("train", f"edges:{shop}", *flags, *quick, "--out", tmp_path / "run")
    assert trained.exit_code == 0, trained.output
    model = DualEncoder.load(tmp_path / "run")
    assert [tuple(each.shape) for each in model.query_tower.head] == [(8, 12), (12, 4)]
    assert model.query_tower.chunk == 3
    assert isinstance(model.document_tower, LookupTower)


@pytest.mark.parametrize("documents", ["tied", "lookup"])
def test_what_is_told_of_a_full_tower_is_what_is_trained(rootward, shop, tmp_path, documents):
    encoder = new_encoder(["shoes", "boots"], tmp_path / "tiny", layers=1, width=8, heads=1, mlp=8, longest=8)
    flags = ["--tower", "full", "--encoder", encoder, "--documents", documents, "--dim", "4", "--threads", "1"]
    trained = rootward("train", f"edges:{shop}", *flags, "--set", "steps=2", "--out", "run")
    assert trained.exit_code == 0, trained.output
    (stage,) = Run.load("run").recipe.stages
    assert f"{stage.steps} steps of {stage.batch_size} queries" in trained.stderr
    assert stage.warmup == (0.1 if documents == "tied" else 0.0)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--documents", "text"], "--documents belongs to --tower static or frozen or joint or full, the tower"),
        (["--skip-unreadable"], "--skip-unreadable belongs to --tower static or frozen or joint or full"),
        (["--glosses"], "--glosses belongs to --tower static or frozen or joint or full"),
        (
            ["--tower", "static", "--set", "hidden=9"],
            "--set hidden belongs to --tower frozen or joint or full, the tower",
        ),
        (
            ["--set", "drop=0.2"],
            "--set drop belongs to --tower static or frozen or joint or full, the tower here is look",
        ),
        (
            ["--tower", "static", "--set", "cache=x"],
            "--set cache belongs to --tower frozen or joint, the tower here is",
        ),
        (["--tower", "static", "--set", "pace=9"], "--set pace belongs to --tower full, the tower here is static"),
        (["--tower", "static", "--set", "chunk=9"], "--set chunk belongs to --tower full, the tower here is static"),
        (["--set", "dim=9"], "dim has a flag of its own, --dim"),
        (["--tower", "full", "--encoder", "x", "--word-pairs"], "--word-pairs belongs to --tower static or joint"),
        (
            ["--tower", "static", "--documents", "txt"],
            "No kind of --documents 'txt'; there are tied, text, lookup. Did",
        ),
    ],
)
def test_a_flag_of_another_tower_is_refused(rootward, shop, flags, message):
    result = rootward("train", f"edges:{shop}", *flags)
    assert result.exit_code == 2
    assert message in result.stderr


def test_defaults_in_the_help_are_those_of_python(rootward):
    told = " ".join(rootward("train", "--help").stdout.replace("│", " ").split())
    parameters = signature(DualEncoder.text).parameters
    for name, end in (("dim", "--documents"), ("documents", "--glosses")):
        help_ = told.split(f" --{name} ", 1)[1].split(end, 1)[0]
        assert re.search(rf"(Default: |; ){parameters[name].default}\b", help_)
    listed = " ".join(rootward("settings").stdout.split())
    for name in ("drop", "hidden", "cache", "chunk", "pace"):
        default = parameters[name].default
        assert re.search(rf" {name} [^;]*.*?default {'none' if default is None else default}\b", listed)
    assert signature(Pairs.by_name).parameters["unambiguous"].default, "--ambiguous says that it is not so"


def test_every_argument_of_a_text_tower_has_a_flag_or_setting_of_its_name():
    flags = {field.name for field in fields(TowerFlags)} | {field.name for field in fields(RecipeFlags)}
    assert set(signature(DualEncoder.text).parameters) - {"pairs", "progress"} <= flags | set(tower_settings())


def test_drop_and_cache_reach_a_frozen_tower_and_pace_a_full_one(rootward, shop, tmp_path, monkeypatch):
    monkeypatch.setenv("ROOTWARD_CACHE", str(tmp_path / "other"))
    encoder = new_encoder(["shoes", "boots"], tmp_path / "tiny", layers=1, width=8, heads=1, mlp=8, longest=8)
    train = ["train", f"edges:{shop}", "--encoder", encoder, "--dim", "4", "--steps", "2", "--threads", "1", "--quiet"]
    frozen = rootward(
        *train, "--tower", "frozen", "--set", "drop=0.25", "--set", f"cache={tmp_path / 'kept'}", "--out", "frozen"
    )
    assert frozen.exit_code == 0, frozen.output
    assert list((tmp_path / "kept").iterdir())
    assert DualEncoder.load("frozen").query_tower.drop == 0.25
    full = rootward(*train, "--tower", "full", "--set", "drop=0", "--set", "pace=0.001", "--out", "full")
    assert full.exit_code == 0, full.output
    tower = DualEncoder.load("full").query_tower
    assert (tower.drop, tower.pace) == (0.0, 0.001)


def test_a_thesaurus_names_what_the_source_has_no_word_for(rootward, shop, nodes, tmp_path):
    (tmp_path / "synonyms.txt").write_text("sneakers, plimsolls\nrain boots, wellies, gumboots\n")
    more = tmp_path / "more.csv"
    more.write_text("id,name,synonyms\n1,boots,bovver boots\n")
    arguments = [
        f"edges:{shop}",
        "--read",
        f"nodes={nodes}",
        "--read",
        f"thesaurus={tmp_path / 'synonyms.txt'}",
        "--read",
        f"thesaurus={more}",
    ]
    told = rootward(
        "train", *arguments, "--tower", "static", "--dim", "8", "--steps", "60", "--threads", "1", "--out", "run"
    )
    assert told.exit_code == 0, told.output
    assert "Added 3 synonyms of 2 nodes from synonyms.txt." in told.stderr
    assert "Added 1 synonym of 1 node from more.csv." in told.stderr
    answer = json.loads(rootward("search", "run", "gumboots", "-k", "1", "--json").stdout)
    assert answer["query"] == "rain boots: gumboots"
    assert set(Run.load("run").pairs.query_ids) >= {"sneakers: plimsolls", "rain boots: wellies", "boots: bovver boots"}


def test_a_thesaurus_does_not_go_with_pairs(rootward, tmp_path):
    (tmp_path / "pairs.csv").write_text("query,document,distance\na,b,0\n")
    result = rootward("train", "pairs:pairs.csv", "--read", "thesaurus=synonyms.txt")
    assert result.exit_code == 2
    assert "pairs: has no setting 'thesaurus'" in result.stderr


def test_a_thesaurus_of_no_known_kind_is_refused(rootward, shop):
    result = rootward("train", f"edges:{shop}", "--read", "thesaurus=wordnets")
    assert result.exit_code == 2
    assert "wordnets has the suffix ''" in result.stderr
