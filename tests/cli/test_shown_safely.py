"""Names that would colour a terminal, turn a line, or be taken for markup are shown as they are written."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from rich.console import Console

import rootward as rw
from rootward.errors import as_json, visible
from rootward.evaluation import BesideRow, evaluate
from rootward.evaluation.results import markdown_table, markdown_text
from rootward.integrations.export import card
from rootward.plots import figure_at, save_figure

ESCAPE, CSI, OVERRIDE = "\x1b[31mred", "\x9b31m", "evil\u202etxt.exe"
BAD = (ESCAPE, CSI, OVERRIDE, "\u2066a\u2069", "a\u2028b", "bell\x07", "back\x08\x08", "\ufeffmark", "x\x7f")


def unsafe(text):
    """Characters that a terminal or a reader's eye must not get, line ends apart."""
    return [each for each in text if visible(each) != each and each != "\n"]


@pytest.mark.parametrize("name", BAD)
def test_what_would_move_a_cursor_or_turn_a_line_is_written_out(name):
    assert not unsafe(visible(name))
    assert "\\x" in visible(name) or "\\u" in visible(name)
    assert json.loads(as_json([name])) == [name]
    assert not unsafe(as_json([name]))


def test_what_people_write_stays():
    for name in ("shoes", "Größe 42", "靴", "کفش", "नमस्ते", "👩\u200d🔬", "a\xa0b", "✓", "naïve"):
        assert visible(name) == name
    assert visible("a\nb\tc") == "a\\nb\\tc"
    assert visible("a\nb\tc", lines=True) == "a\nb\tc"
    assert visible("\ud800") == "\\ud800"


@pytest.fixture
def names():
    """A shop whose names and ids (as far as ids may) do all of it."""
    ids = [f"id{i}\x9b\u202e" for i in range(len(BAD))]
    tree = rw.Hierarchy.from_nested([{"id": node, "name": name} for node, name in zip(ids, BAD, strict=True)], ids="id")
    return tree.pairs()


def test_no_search_prints_a_raw_control_character(names, rootward, tmp_path):
    model = rw.DualEncoder.lookup(names, dim=4)
    model.save(tmp_path / "run")
    results = rw.Searcher(model, pairs=names).search([*names.query_ids, "nothing\x1b[2J"], k=9, errors="keep")
    colours = Console(force_terminal=False, width=200)
    with colours.capture() as capture:
        colours.print(results)
    for text in (str(results), results.to_json(), capture.get(), str(results[0]), str(results[-1])):
        assert not unsafe(text)
    assert "\\x1b[31mred" in str(results)
    for flags in ((), ("--json",), ("--quiet",)):
        result = rootward("search", tmp_path / "run", names.query_ids[0], ESCAPE, *flags)
        assert not unsafe(result.stdout)
        assert not unsafe(result.stderr)
    assert not unsafe(rootward("search", tmp_path / "run", OVERRIDE + CSI).stderr)
    assert not unsafe(rootward("info", tmp_path / f"run{CSI}").stderr)


def test_a_label_cannot_write_into_a_report_or_a_model_card(names):
    label = "\x1b[31m<script>alert(1)</script> [click](http://e.org) `x` | **b** [/bold] _i_\n# Title"
    model = rw.DualEncoder.lookup(names, dim=4)
    report = evaluate(model, names, label=label, bootstrap=0, extras={"note": label})
    report = report.with_beside(BesideRow(label=label, by_distance=(0.5,), overall=0.5, note=label))
    for text in (report.to_markdown(), card(model, report, "sentence-transformers")):
        assert "<script>" not in text.replace("\\<script", "")
        assert "](http" not in text.replace("\\](http", "")
        assert "\n# Title" not in text
        assert not unsafe(text)
    rows = [line for line in report.to_markdown().splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1  # no cell of the label's own
    console = Console(width=300)
    with console.capture() as capture:
        console.print(report)
    assert not unsafe(capture.get())
    assert "[/bold]" in capture.get()
    assert not unsafe(str(report))


def test_markdown_shows_figures_as_ever():
    assert markdown_text("recall: at |S(q)|, 50.00 % of 3 - 4") == "recall: at |S(q)|, 50.00 % of 3 - 4"
    assert markdown_text("wordnet_nouns 0.5") == "wordnet_nouns 0.5"
    assert markdown_table(["a", "b|c"], [["1", "2"]]) == "| a | b\\|c |\n| ---: | ---: |\n| 1 | 2 |"


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_run_called_like_a_broken_formula_is_drawn(names, tmp_path, suffix):
    for label in (r"$\bad{$", "$x$", "$", f"{ESCAPE}{OVERRIDE}<&>", r"\$"):
        report = evaluate(rw.DualEncoder.lookup(names, dim=4), names, label=label, bootstrap=0)
        path = report.plot(tmp_path / f"plot{suffix}")
        if suffix == ".svg":
            ET.parse(path)  # a control character would be no XML
    figure, axes = figure_at(path)
    axes.set(title=r"$\bad{$", xlabel=CSI, ylabel=r"$\frac{$")
    axes.text(0, 0, ESCAPE)
    axes.plot([0, 1], label=r"$\also{$")
    axes.legend(title=r"$\no{$")
    figure.suptitle(r"$\more{$")
    save_figure(figure, path)


@pytest.mark.parametrize(
    "settings", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}]
)
def test_different_ids_stay_different_in_any_locale(tmp_path, settings):
    ids = ["é", "ü", "靴", "کفش"]
    pairs = rw.Pairs.from_arrays(ids, ids, range(4), range(4), np.zeros(4))
    rw.DualEncoder.lookup(pairs, dim=4).save(tmp_path / "run")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHONIO"))}

    def printed(*flags):
        command = [sys.executable, "-m", "rootward", "search", str(tmp_path / "run"), "-", "-k", "4", *flags]
        done = subprocess.run(
            command,
            input="é\n".encode(),
            capture_output=True,
            env=environment | settings | {"COLUMNS": "200"},
            timeout=120,
        )
        return done.returncode, done.stdout

    status, table = printed()
    found = printed("--json")[1]
    assert b"?" not in table
    assert b"?" not in found
    if status == 0:
        assert len({line.split()[1] for line in table.splitlines()[2:6]}) == 4
        assert {each["id"] for each in json.loads(found)["documents"]} == set(ids)
