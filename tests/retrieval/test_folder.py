"""An index on disk: it answers the same after loading, says what is broken, and an interrupted build goes on."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from rootward.encoders import DualEncoder
from rootward.errors import InputError, RunFolderError, UnknownIdError
from rootward.folders import seal
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Filter, Index
from rootward.retrieval import storage as loading
from rootward.retrieval.engines.ivf import Ivf, IvfSq8
from rootward.texts import Texts
from shoes import shoes

ENGINES = ["exact", "ivf", "ivf-sq8", "hnsw"]


def shop_model(dim=12, names=False):
    """A perfect encoder of the shop: queries are the indicators of their relevant sets, documents unit vectors."""
    tree = shoes()
    pairs = tree.pairs()
    if names:
        texts = Texts(tuple(label.title() for label in tree.ids), ((),) * 12, ("",) * 12)
        pairs = replace(pairs, query_texts=texts, document_texts=texts)
    queries = np.zeros((12, dim), np.float32)
    queries[pairs.query_of, pairs.documents] = 1
    model = DualEncoder.from_vectors(pairs, queries, np.eye(12, dim, dtype=np.float32))
    model.thresholds = torch.full((12,), 0.5)
    return model, pairs, tree


@pytest.mark.parametrize("engine", ENGINES)
def test_a_loaded_index_answers_the_same(engine, tmp_path):
    model, pairs, tree = shop_model(names=True)
    built = Index.build(model, engine, pairs=pairs, hierarchy=tree)
    built.save(tmp_path / "shop")
    loaded = Index.load(tmp_path / "shop")
    queries = model.queries()
    assert loaded.answers(queries) == built.answers(queries)
    assert loaded.search(queries, 3) == built.search(queries, 3)
    below = Filter.below("sandals")
    assert loaded.search(queries, 3, where=below) == built.search(queries, 3, where=below)
    assert loaded.answers(model.queries(["flip-flops"])).name(1) == "Shoes"
    assert (repr(loaded), loaded.tuned, len(loaded)) == (repr(built), built.tuned, 12)
    for label, found in zip(queries.ids, loaded.answers(queries).ids, strict=True):
        assert set(found) == {pairs.document_ids[row] for row in tree.ancestors([label]).ancestors.tolist()}


@pytest.mark.parametrize("engine", ENGINES)
def test_changes_are_there_after_a_commit_and_a_load(engine, tmp_path):
    model, _, _ = shop_model(dim=13)
    index = Index.build(model, engine, out=tmp_path / "shop")
    vector = np.zeros((2, 13), np.float32)
    vector[0, 12], vector[1, 0] = 1, 0.25  # something new, and a weaker footwear
    index.upsert(["clogs", "footwear"], vector, heights=[1, 9], names={"clogs": "Clogs"})
    index.delete(["boots"])
    index.commit()
    asked = torch.zeros(1, 13)
    asked[0, [0, 8, 12]] = 1
    for each in (index, Index.load(tmp_path / "shop")):
        assert len(each) == 12
        hits = each.search(asked, 3, nearest_first=False)
        assert sorted(hits.ids[0][:2]) == ["clogs", "flip-flops"]
        assert hits.ids[0][2] == "footwear"
        assert hits.scores[0].tolist() == [1, 1, 0.25]
        assert "boots" not in each.search(asked, 99).ids[0]
        assert each.heights[[each.document_ids.row("clogs"), each.document_ids.row("footwear")]].tolist() == [1, 9]
    with pytest.raises(UnknownIdError, match="'boots': it was deleted"):
        index.delete(["boots"])
    index.upsert(["boots"], np.eye(13, dtype=np.float32)[2:3])
    assert len(index) == 13
    assert len(Index.load(tmp_path / "shop")) == 12


def test_what_was_refused_changed_nothing(tmp_path):
    model, _, _ = shop_model()
    index = Index.build(model)
    before = index.answers(model.queries())
    for ids, vectors, message in (
        (["clogs"], torch.full((1, 12), torch.nan), "NaN"),
        (["clogs", "clogs"], torch.ones(2, 12), "unique"),
        (["clogs"], torch.ones(1, 3), "12 columns"),
    ):
        with pytest.raises(InputError, match=message):
            index.upsert(ids, vectors)
    with pytest.raises(UnknownIdError, match="Did you mean 'boots'"):
        index.delete(["sandals", "bots"])
    assert "clogs" not in index.document_ids
    assert index.answers(model.queries()) == before


def test_queries_of_another_model_are_refused_after_loading_too(tmp_path):
    model, _, _ = shop_model()
    other, _, _ = shop_model(dim=13)
    folder = Index.build(model, out=tmp_path / "shop").folder
    with pytest.raises(InputError, match="another model"):
        Index.load(folder).answers(other.queries())


def test_a_grown_model_brings_its_new_fingerprint(tmp_path):
    model, _, _ = shop_model()
    index = Index.build(model)
    old = model.queries()
    with torch.no_grad():
        model.query_vectors()[0, 0] = 2
    index.upsert(["footwear"], torch.eye(12)[:1], fingerprint=model.fingerprint())
    assert index.answers(model.queries(["footwear"])).ids == [["footwear"]]
    with pytest.raises(InputError, match="trained further"):
        index.answers(old)


def test_damage_is_named(tmp_path):
    model, _, _ = shop_model()
    folder = Index.build(model, "ivf-sq8", out=tmp_path / "shop").folder
    for name in sorted(path.name for path in folder.iterdir() if path.name != "config.json"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(RunFolderError, match=f"{name} is damaged.*build the index again"):
            Index.load(folder)
        (folder / name).unlink()
        with pytest.raises(RunFolderError, match=f"{name} is missing"):
            Index.load(folder)
        (folder / name).write_bytes(whole)
    assert len(Index.load(folder)) == 12
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(seal({**config, "format": 99, "made_by": "rootward 9"}))
    with pytest.raises(RunFolderError, match="written by rootward 9 in format 99"):
        Index.load(folder)


def test_folders_that_hold_something_else_are_refused(tmp_path):
    model, _, _ = shop_model()
    run = model.save(tmp_path / "run")
    with pytest.raises(RunFolderError, match="holds a trained model and no index"):
        Index.load(run)
    with pytest.raises(RunFolderError, match="an index needs a folder of its own"):
        Index.build(model, out=run)
    with pytest.raises(RunFolderError, match=r"does not exist, so it is no index.*rootward index RUN"):
        Index.load(tmp_path / "nowhere")
    assert len(DualEncoder.load(run).document_ids) == 12


def test_a_generation_leaves_no_file_of_the_one_before(tmp_path):
    model, _, _ = shop_model()
    index = Index.build(model, "ivf-sq8", out=tmp_path / "shop")
    index.delete(["boots"])
    index.commit()
    names = sorted(path.name for path in (tmp_path / "shop").iterdir())
    assert names == ["config.json", "documents-0002.parquet", "ivf-sq8-0002.faiss", "ivf-sq8-0002.npy"]


def test_a_change_that_is_cut_off_leaves_the_index_as_it_was(tmp_path, monkeypatch):
    model, _, _ = shop_model()
    index = Index.build(model, "hnsw", out=tmp_path / "shop")
    index.delete(["boots"])
    monkeypatch.setattr("rootward.retrieval.storage.write_config", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        index.commit()
    assert len(Index.load(tmp_path / "shop")) == 12
    monkeypatch.undo()
    index.commit()
    assert len(Index.load(tmp_path / "shop")) == 11


# -- interrupted builds ------------------------------------------------------------------------------------------

CUT_OFF = """
import os, sys
import numpy as np
from rootward.pairs import Ids, Pairs
from rootward.encoders import DualEncoder
from rootward.retrieval import Index
from rootward.retrieval import storage as loading
from rootward.retrieval.engines.engine import engine_class
from retrieval.test_folder import big_model

loading.BATCH, loading.SNAPSHOT_SECONDS = 100, 0.0
kind, n = engine_class(sys.argv[1]), 0
upsert = kind.upsert
def dying(self, *given):
    global n
    n += 1
    if n == 4:
        os._exit(9)
    upsert(self, *given)
kind.upsert = dying
Index.build(big_model(), sys.argv[1], out=sys.argv[2])
"""


def big_model(n=700, dim=8):
    vectors = np.random.default_rng(3).standard_normal((n, dim)).astype(np.float32)
    pairs = Pairs.from_arrays(Ids(range(n)), Ids(range(n)), np.arange(n), np.arange(n), np.zeros(n, int))
    return DualEncoder.from_vectors(pairs, vectors, vectors)


def test_a_killed_build_goes_on_and_nothing_is_doubled_or_lost(tmp_path, monkeypatch):
    folder = tmp_path / "index"
    code = [sys.executable, "-c", CUT_OFF, "ivf-sq8", folder]
    paths = os.pathsep.join(sys.path)  # as here, so that the other process finds this file too
    environment = {**os.environ, "PYTHONPATH": paths}
    killed = subprocess.run(code, capture_output=True, text=True, check=False, env=environment)
    assert killed.returncode == 9, killed.stderr
    with pytest.raises(RunFolderError, match="cut off while it was built"):
        Index.load(folder)
    put, upsert = [], IvfSq8.upsert
    monkeypatch.setattr(loading, "BATCH", 100)
    monkeypatch.setattr(IvfSq8, "upsert", lambda self, rows, *more: (put.extend(rows), upsert(self, rows, *more)))
    model = big_model()
    index, whole = Index.build(model, "ivf-sq8", out=folder), Index.build(model, "ivf-sq8")
    assert put[:400] == list(range(300, 700)), "three batches were safe"
    assert len(index) == len(Index.load(folder)) == 700
    assert index.search(model.queries(), 5) == whole.search(model.queries(), 5)
    assert not [path.name for path in folder.iterdir() if "loading" in path.name]


def test_a_build_of_another_model_does_not_go_on_from_it(tmp_path, monkeypatch):
    folder = tmp_path / "index"
    monkeypatch.setattr(loading, "BATCH", 100)
    monkeypatch.setattr(loading, "SNAPSHOT_SECONDS", 0.0)
    stop = iter([None, None, KeyboardInterrupt()])

    def dying(self, *given, _do=Ivf.upsert):
        if (error := next(stop, None)) is not None:
            raise error
        _do(self, *given)

    monkeypatch.setattr(Ivf, "upsert", dying)
    with pytest.raises(KeyboardInterrupt):
        Index.build(big_model(), "ivf", out=folder)
    other = big_model(650)
    assert len(Index.build(other, "ivf", out=folder)) == 650
    assert Index.load(folder).fingerprint == other.fingerprint()


def test_progress_is_told_in_lines_where_there_is_no_terminal(capsys):
    Index.build(big_model(), progress=True)
    assert capsys.readouterr().err == "exact: documents 700/700\n"
    Index.build(big_model())
    assert capsys.readouterr().err == ""


def test_options_that_an_engine_does_not_take_are_refused():
    with pytest.raises(InputError, match=r"'ivf' takes lists=, seed=; got list=\. Did you mean 'lists'"):
        Index.build(big_model(), "ivf", list=3)
    with pytest.raises(InputError, match="from 1 to the 700 documents, got 701"):
        Index.build(big_model(), "ivf", lists=701)
    assert Index.build(big_model(), "ivf", lists=3).engine.lists == 3
