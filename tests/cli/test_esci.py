"""ESCI from the shell: train on its queries, measure and search with queries that training has not seen."""

from __future__ import annotations

import json

import pytest

from readers.esci_files import slice_rows, write_files


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("esci"), slice_rows())


def test_shopping_queries_are_trained_measured_and_searched(rootward, folder):
    options = ("--tower", "static", "--dim", "64", "--steps", "20", "--threads", "1", "--out", "run", "-q")
    done = rootward("train", f"esci:{folder}", *options)
    assert done.exit_code == 0, done.stderr
    measured = rootward("evaluate", "run", f"esci:{folder}", "--read", "part=test", "--json", "-", "-q")
    assert measured.exit_code == 0, measured.stderr
    report = json.loads(measured.stdout)
    assert (report["n_queries"], report["n_documents"], report["n_pairs"]) == (38, 200, 38)
    assert report["overall"]["value"] > 0.05  # the best of 200 products; by chance 0.005
    found = rootward("search", "run", "formal dresses for teens, knee length", "-k", "3")
    assert found.exit_code == 0, found.stderr
    assert "dress" in found.stdout.lower()


def test_options_of_esci_are_checked(rootward, folder, tmp_path):
    assert "us" in rootward("train", f"esci:{folder}", "--read", "locale=uk").stderr
    wrong = rootward("train", f"esci:{folder}", "--read", "child=x")
    assert wrong.exit_code == 2
    assert "esci: has no setting 'child'" in " ".join(wrong.stderr.split())
    none = rootward("train", f"esci:{tmp_path}")
    assert none.exit_code == 2
    assert "git clone" in " ".join(none.stderr.split())


def test_the_small_version_and_labels_are_flags(rootward, folder):
    options = (
        f"esci:{folder}",
        "--read",
        "version=small",
        "--read",
        "levels=exact=0,irrelevant=1",
        "--tower",
        "static",
    )
    done = rootward("train", *options, "--dim", "8", "--steps", "5", "--threads", "1", "--out", "run")
    assert done.exit_code == 0, done.stderr
    assert "75 queries, 200 documents, distances 0..1" in " ".join(done.stderr.split())
