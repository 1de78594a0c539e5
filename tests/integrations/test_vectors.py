"""`export(run, folder, "vectors")`: from the files alone, a few lines of numpy give the answers that rootward gives."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import rootward as rw
from calibration.scaled import scaled
from integrations.conftest import named_shoes
from rootward.calibration import calibrate
from rootward.cli.app import app
from rootward.encoders import DualEncoder, new_encoder
from rootward.errors import InputError, RunFolderError
from shoes import ANCESTORS, shoes
from training.runs import QUIET

TOWERS = ("lookup", "static", "frozen", "joint", "full")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    sizes = {"layers": 1, "width": 16, "heads": 2, "mlp": 32, "vocabulary": 60, "longest": 16}
    return new_encoder(shoes().ids, tmp_path_factory.mktemp("encoders") / "tiny", **sizes)


def run_of(tower, encoder, folder):
    pairs = shoes().pairs() if tower == "lookup" else named_shoes()
    if tower == "lookup":
        model = DualEncoder.lookup(pairs, 8)
    else:
        options = {} if tower == "static" else {"encoder": encoder}
        options |= {"cache": folder.parent / "cache"} if tower in ("frozen", "joint") else {}
        model = DualEncoder.text(pairs, tower, dim=16, **options)
    return rw.train(model, pairs, rw.recipes.decoupled(steps=30), out=folder, settings=QUIET)


def answer_sets(folder) -> dict[str, list[str]]:
    """The answer set of every query that has a threshold, in order; by what vectors.json says."""
    documents, queries = (pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("documents", "queries"))
    scores = np.load(folder / "queries.npy") @ np.load(folder / "documents.npy").T
    found = {}
    for query in queries:
        if query["threshold"] is not None:
            kept = [each for each in documents if scores[query["row"], each["row"]] >= query["threshold"]]
            kept.sort(key=lambda each: (each["height"], -scores[query["row"], each["row"]], each["row"]))
            found[query["id"]] = [each["id"] for each in kept]
    return found


@pytest.mark.parametrize("tower", TOWERS)
def test_files_of_any_run_give_its_answer_sets(tower, encoder, tmp_path):
    run = run_of(tower, encoder, tmp_path / "run")
    folder = rw.export(run, tmp_path / "vectors", "vectors")
    found = answer_sets(folder)
    searcher = rw.Searcher.open(tmp_path / "run")
    assert len(found) == len(run.model.query_ids)
    for query, result in zip(found, searcher.answers(list(found)), strict=True):
        assert (result.query, result.ids) == (query, found[query])
    about = json.loads((folder / "vectors.json").read_text())
    assert about["model"] == run.model.fingerprint()
    assert about["queries_with_threshold"] == len(found)
    assert ("encode_queries" in about["other_texts"]) == (tower != "lookup")
    table = pq.read_table(folder / "documents.parquet")
    np.testing.assert_array_equal(
        np.array(table["vector"].to_pylist(), np.float32), run.model.document_vectors().numpy(force=True)
    )
    assert list(about["files"]["documents"]["columns"]) == table.column_names


def test_documents_have_their_names_and_all_that_stands_above(encoder, tmp_path):
    folder = rw.export(run_of("static", encoder, tmp_path / "run"), tmp_path / "vectors", "vectors")
    documents = {each["id"]: each for each in pq.read_table(folder / "documents.parquet").to_pylist()}
    for node, ancestors in ANCESTORS.items():
        above = [each for each, hops in ancestors if hops > 0]
        assert sorted(documents[node]["ancestors"]) == sorted(above)
        assert documents[node]["depth"] == (0 if not above else max(hops for _, hops in ancestors))
    assert documents["sandals"]["name"] == "Sandals"
    assert documents["sneakers"]["synonyms"] == ["trainers"]
    assert documents["sandals"]["definition"] == "Open shoes held on by straps."
    assert documents["footwear"]["ancestors"] == []
    assert documents["footwear"]["height"] > documents["shoes"]["height"] > documents["sandals"]["height"]


def test_queries_without_a_threshold_take_that_of_the_calibration(tmp_path):
    model, pairs = scaled()
    model.save(tmp_path / "model")
    bare = rw.export(model, tmp_path / "bare", "vectors")
    assert not (bare / "documents.parquet").read_bytes().count(b"ancestors")
    run = rw.train(model, pairs, rw.recipes.decoupled(steps=1), out=tmp_path / "run", settings=QUIET)
    run.model.thresholds[:] = float("nan")
    without = rw.export(run, tmp_path / "without", "vectors")
    assert answer_sets(without) == {}
    calibration = calibrate(run.model, pairs)
    calibration.save(tmp_path / "run")
    found = answer_sets(rw.export(run, tmp_path / "with", "vectors"))
    hits = rw.Index.build(run.model).calibrated(calibration).answers(run.model.queries())
    assert {query: set(ids) for query, ids in found.items()} == {
        query: set(ids) for query, ids in zip(hits.queries, hits.ids, strict=True)
    }


def test_the_command_writes_them_once_and_without_a_report(encoder, tmp_path):
    run_of("lookup", encoder, tmp_path / "run")
    command = ["export", str(tmp_path / "run"), "--format", "vectors", "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "SHA256SUMS", "SHA256SUMS.sha256",
        "documents.npy", "documents.parquet", "queries.npy", "queries.parquet", "vectors.json",
    ]  # fmt: skip
    run = rw.Run.load(tmp_path / "run")
    with pytest.raises(RunFolderError, match="there already"):
        rw.export(run, tmp_path / "out", "vectors")
    with pytest.raises(InputError, match="leave it out"):
        rw.export(run, tmp_path / "other", "vectors", report=run.report)
    with pytest.raises(InputError, match="format='vectors' writes these"):
        rw.export(run, tmp_path / "other")
    assert not (tmp_path / "other").exists()
