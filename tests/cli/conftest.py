"""The shop as a file, one small run of it, and the command line in this process."""

import csv
import os

import pytest
from typer.testing import CliRunner

from rootward.cli import app
from shoes import EDGES, SYNONYMS

QUICK = ["--dim", "8", "--steps", "60", "--threads", "1"]


@pytest.fixture
def rootward(tmp_path, monkeypatch):
    """Run a command in an empty folder; .exit_code, .stdout and .stderr come back."""
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *arguments, stdin=None: runner.invoke(app, [os.fspath(each) for each in arguments], input=stdin)


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """The edges of the shop as CSV."""
    path = tmp_path_factory.mktemp("source") / "shop.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("child", "parent"), *EDGES])
    return path


@pytest.fixture(scope="session")
def nodes(tmp_path_factory):
    """The nodes of the shop with names; "trainers" means sneakers, "sporty" two things."""
    path = tmp_path_factory.mktemp("nodes") / "nodes.csv"
    synonyms = {
        node: [*SYNONYMS.get(node, ()), *(["sporty"] * (node in ("sneakers", "running shoes")))] for node, _ in EDGES
    }
    with path.open("w", newline="") as file:
        rows = [(node, node.title(), "|".join(names)) for node, names in synonyms.items()]
        csv.writer(file).writerows([("id", "name", "synonyms"), *rows])
    return path


@pytest.fixture(scope="session")
def run(shop, nodes, tmp_path_factory):
    """A run folder of the shop, with names."""
    folder = tmp_path_factory.mktemp("runs") / "shop"
    arguments = ["train", f"edges:{shop}", "--read", f"nodes={nodes}", *QUICK, "--out", folder, "--quiet"]
    result = CliRunner().invoke(app, [os.fspath(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="session")
def plain_run(shop, tmp_path_factory):
    """A run folder of the shop without names, from another seed."""
    folder = tmp_path_factory.mktemp("runs") / "plain"
    arguments = ["train", f"edges:{shop}", *QUICK, "--seed", "7", "--out", folder, "--quiet"]
    assert CliRunner().invoke(app, [os.fspath(each) for each in arguments]).exit_code == 0
    return folder


@pytest.fixture(scope="session")
def text_run(shop, nodes, tmp_path_factory):
    """A run folder of the shop that reads texts."""
    folder = tmp_path_factory.mktemp("runs") / "texts"
    arguments = ["train", f"edges:{shop}", "--read", f"nodes={nodes}", "--tower", "static", *QUICK]
    result = CliRunner().invoke(app, [os.fspath(each) for each in (*arguments, "--out", folder, "--quiet")])
    assert result.exit_code == 0, result.output
    return folder
