"""`rootward train --tower static` and searching it with words that it has never seen."""

import json
import os

import pytest
from typer.testing import CliRunner

from rootward.cli import app

QUICK = ["--dim", "16", "--steps", "120", "--threads", "1", "--quiet"]


@pytest.fixture(scope="module")
def words(shop, nodes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "words"
    arguments = ["train", "--edges", shop, "--nodes", nodes, "--tower", "static", *QUICK, "--out", folder]
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


def test_words_of_which_nothing_is_known_are_refused(rootward, words):
    result = rootward("search", words, "漢字")
    assert result.exit_code == 2
    assert "No part of '漢字' was among the texts" in result.stderr


def test_a_lookup_run_still_says_what_is_close(rootward, run):
    result = rootward("search", run, "sneakres")
    assert result.exit_code == 2
    assert "Did you mean 'Sneakers'" in result.stderr


def test_an_unknown_tower_is_refused(rootward, shop):
    result = rootward("train", "--edges", shop, "--tower", "statik")
    assert result.exit_code == 2
    assert "No tower 'statik'; there are lookup, static, frozen, full. Did you mean 'static'?" in result.stderr


def test_ids_are_the_texts_where_a_source_has_no_names(rootward, shop, tmp_path):
    assert rootward("train", "--edges", shop, "--tower", "static", *QUICK, "--out", tmp_path / "run").exit_code == 0
    assert "hiking boots" in rootward("search", tmp_path / "run", "boot for hiking", "-k", "1").stdout


def test_a_frozen_encoder_by_its_folder(rootward, shop, nodes, minilm, tmp_path, monkeypatch):
    monkeypatch.setenv("ROOTWARD_CACHE", str(tmp_path / "cache"))
    source = ["train", "--edges", shop, "--nodes", nodes, "--tower", "frozen", "--encoder", minilm]
    trained = rootward(*source, *QUICK, "--out", tmp_path / "run")
    assert trained.exit_code == 0, trained.output
    assert "hiking sandals" in rootward("search", tmp_path / "run", "sandals of a hiker", "-k", "3").stdout.casefold()


@pytest.mark.parametrize("flags", [["--tower", "frozen"], ["--encoder", "all-MiniLM-L6-v2"]])
def test_an_encoder_belongs_to_a_frozen_tower(rootward, shop, flags):
    result = rootward("train", "--edges", shop, *flags)
    assert result.exit_code == 2
    assert "give both or neither" in result.stderr


@pytest.mark.parametrize("format", [[], ["--format", "onnx"]])
def test_a_run_that_reads_is_exported_with_its_report(rootward, words, tmp_path, format):
    result = rootward("export", words, "--out", tmp_path / "model", *format)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "how it is used stands in" in result.stderr
    card = (tmp_path / "model" / "README.md").read_text()
    assert "| overall" in card
    assert ("query.onnx" in card) == bool(format)


def test_a_lookup_run_is_not_exported(rootward, run, tmp_path):
    result = rootward("export", run, "--out", tmp_path / "model")
    assert result.exit_code == 2
    assert "looks its queries up" in result.stderr
