"""Pairs on disk train to the very bits of those in memory, also in parts, stopped and resumed."""

import csv
import json

import numpy as np
import pytest
import torch

from letters import Letters
from rootward.encoders import DualEncoder, features, new_encoder
from rootward.errors import RunFolderError
from rootward.evaluation import evaluate
from rootward.hierarchy import Hierarchy
from rootward.ids import MappedIds
from rootward.pairs import Pairs
from rootward.pairs.samplers import HeavyTail, Rebalanced, Regular
from rootward.retrieval import Index
from rootward.training import Run, recipes, resume, train
from training.runs import LOSSES, QUIET, fitted, same
from training.stopping import RECIPES, assert_same, begun


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A tree of 20 queries as CSV."""
    pairs, path = Hierarchy.perfect_tree(3, 4, root=False).pairs(), tmp_path_factory.mktemp("table") / "tree.csv"
    with path.open("w", newline="") as file:
        rows = [(f"shoe {q}", f"shoe {d}", hops) for q in pairs.query_ids for d, hops in pairs.relevant(q)]
        csv.writer(file).writerows([("query", "document", "distance"), *rows])
    return path


@pytest.fixture(scope="module")
def in_memory(table) -> Pairs:
    return Pairs.from_table(table)


@pytest.fixture(scope="module")
def on_disk(table) -> Pairs:
    return Pairs.from_table(table, on_disk=table.with_name("pairs"))


@pytest.fixture
def in_parts(monkeypatch):
    """A few pairs at a time, and few queries to watch and to measure."""
    monkeypatch.setattr("rootward.pairs.arrays.PAIRS_AT_A_TIME", 5)
    monkeypatch.setattr("rootward.training.session.VALIDATED_QUERIES", 6)
    monkeypatch.setattr("rootward.training.session.MEASURED_SCORES", 0)


def assert_alike(one: Run, other: Run) -> None:
    assert same(one.model, other.model)
    assert torch.equal(one.model.thresholds.isnan(), other.model.thresholds.isnan())
    assert torch.equal(one.model.thresholds.nan_to_num(), other.model.thresholds.nan_to_num())
    assert one.model.fingerprint() == other.model.fingerprint()
    assert one.report.overall == other.report.overall
    assert [record.by_distance for record in one.history] == [record.by_distance for record in other.history]


@pytest.mark.parametrize("name", ["decoupled", "pretrain_finetune", "sampled"])
def test_a_table_of_vectors_has_the_same_bits(name, in_memory, on_disk, in_parts):
    assert_alike(fitted(in_memory, LOSSES[name]), fitted(on_disk, LOSSES[name]))


@pytest.mark.parametrize("name", ["hard", "hard in batch"])
def test_so_have_hard_negatives(name, in_memory, on_disk, in_parts):
    assert_alike(fitted(in_memory, RECIPES[name]), fitted(on_disk, RECIPES[name]))


@pytest.mark.parametrize("documents", ["tied", "lookup"])
def test_a_tower_that_finds_features_late_has_the_same_bits(documents, in_memory, on_disk, monkeypatch):
    runs = []
    for pairs, late in ((in_memory, False), (on_disk, False), (on_disk, True)):
        monkeypatch.setattr(features, "LATE_FROM", 0 if late else 1 << 18)
        monkeypatch.setattr(features, "_WAITING", 9 if late else 1 << 21)
        model = DualEncoder.text(pairs, "static", dim=8, documents=documents)
        assert isinstance(model.query_tower.bags, features.LateBags) == late
        runs.append(train(model, pairs, recipes.decoupled(steps=20), settings=QUIET))
    for run in runs[1:]:
        assert_alike(runs[0], run)
        asked = ["shoe 7", "boots"]
        assert torch.equal(run.model.encode_queries(asked).vectors, runs[0].model.encode_queries(asked).vectors)


@pytest.mark.parametrize("tower", ["frozen", "joint", pytest.param("full", marks=pytest.mark.slow)])
def test_so_have_towers_on_an_encoder(tower, in_memory, on_disk, tmp_path):
    small = {"layers": 1, "width": 8, "heads": 2, "mlp": 8, "vocabulary": 40, "longest": 8}
    encoder = new_encoder(in_memory.query_ids, tmp_path / "new", **small) if tower == "full" else Letters()
    runs = []
    for pairs in (in_memory, on_disk):
        model = DualEncoder.text(pairs, tower, dim=4, encoder=encoder, cache=tmp_path / "cache")
        runs.append(train(model, pairs, recipes.decoupled(steps=4), settings=QUIET))
    assert_alike(*runs)


@pytest.mark.parametrize("kind", [Regular, HeavyTail, lambda pairs: Rebalanced(pairs, 0.3)])
def test_samplers_draw_and_weigh_alike_in_parts(kind, in_memory, on_disk, in_parts):
    one, other = kind(in_memory), kind(on_disk)
    assert one.weights.tolist() == other.weights.tolist()
    parts = [other.weights_of(rows) for rows, _ in on_disk.parts()]
    assert len(parts) == 9
    assert np.concatenate(parts).tolist() == one.weights.tolist()
    assert one.draw(np.random.default_rng(3), 500).tolist() == other.draw(np.random.default_rng(3), 500).tolist()


# -- the run folder ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [7, 20])
def test_stopped_and_resumed_is_as_never_stopped(step, on_disk, tmp_path, ctrl_c):
    begun(RECIPES["hard"], tmp_path / "whole", on_disk)
    ctrl_c(step)
    assert not begun(RECIPES["hard"], tmp_path / "parts", on_disk).finished
    ctrl_c(None)
    run = resume(tmp_path / "parts", settings=QUIET)
    assert run.pairs.folder == on_disk.folder
    assert_same(tmp_path / "whole", tmp_path / "parts")


def test_a_tower_that_reads_is_resumed_too(on_disk, tmp_path, ctrl_c):
    def begin(out):
        return train(DualEncoder.text(on_disk, dim=4), on_disk, RECIPES["lazy adam"], out=out, settings=QUIET)

    begin(tmp_path / "whole")
    ctrl_c(9)
    begin(tmp_path / "parts")
    ctrl_c(None)
    resume(tmp_path / "parts", settings=QUIET)
    assert_same(tmp_path / "whole", tmp_path / "parts")


def test_a_run_says_where_its_pairs_are_and_has_its_own_ids(on_disk, tmp_path):
    run = fitted(on_disk, out=tmp_path / "run")
    assert not (tmp_path / "run" / "pairs.parquet").exists()
    assert not (tmp_path / "run" / "ids.parquet").exists()
    again = Run.load(tmp_path / "run")
    assert again.pairs.folder == on_disk.folder
    assert isinstance(again.model.query_ids, MappedIds)
    assert again.model.fingerprint() == run.model.fingerprint()
    assert evaluate(again.model, again.pairs).overall == run.report.overall
    ids = again.model.queries(["shoe 3.1"])
    hits = Index.build(again.model).search(ids, k=3)
    assert hits.ids[0][0] == "shoe 3.1"
    assert again.model.find("shoe 3.1") == ["shoe 3.1"]


def test_pairs_that_have_gone_or_are_others(table, in_memory, tmp_path):
    fitted(Pairs.from_table(table, on_disk=tmp_path / "pairs"), out=tmp_path / "run")
    (tmp_path / "pairs").rename(tmp_path / "elsewhere")
    with pytest.raises(RunFolderError, match=r"on disk, in .*pairs: .* is no folder; .* write where they are now into"):
        Run.load(tmp_path / "run")
    assert DualEncoder.load(tmp_path / "run").find("shoe 3") == ["shoe 3"]  # the model needs no pairs
    reference = tmp_path / "run" / "pairs.json"
    said = json.loads(reference.read_text())
    reference.write_text(json.dumps({**said, "folder": str(tmp_path / "elsewhere")}))
    assert len(Run.load(tmp_path / "run").pairs) == len(in_memory)
    Pairs.from_table([("a", "b", 0)], on_disk=tmp_path / "pairs")
    reference.write_text(json.dumps(said))
    with pytest.raises(RunFolderError, match=r"pairs holds other pairs \(fingerprint .*\) than the run in"):
        Run.load(tmp_path / "run")
