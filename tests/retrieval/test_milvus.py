"""Milvus through the contract, against a real server process, and what is particular to a server."""

import re
import secrets
import threading
import time

import numpy as np
import pytest
import torch

from milvus_server import FORGETFUL, QUICK, MilvusServer
from retrieval.contract import DOCUMENTS, QUERIES, EngineContract, table
from rootward.encoders import DualEncoder
from rootward.errors import InputError, RootwardError
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Filter, Index, Where
from rootward.retrieval import storage as loading
from rootward.retrieval.engines.milvus import LIMIT, Collection, Milvus
from shoes import shoes

_made: dict[str, str] = {}


def collection_of(server, kind, documents):
    """A collection that holds just these documents. Making one takes seconds, so they are mended and used again."""
    name = f"contract_{kind.replace('-', '_')}"
    if kind not in _made:
        Milvus.prepared(documents, uri=server.uri, collection=name, kind=kind).close()
        _made[kind] = name
    engine = Milvus.opened(server.uri, name)
    there = {} if not engine.count() else content(engine)
    wanted = {row: vector.tolist() for row, vector in table(documents).items()}
    engine.delete([row for row in there if row not in wanted])
    wrong = [row for row in wanted if there.get(row) != wanted[row]]
    if wrong:
        engine.upsert(wrong, documents[wrong])
    if wrong or there.keys() - wanted.keys():
        engine.commit()
    return engine


def content(engine):
    """{row: vector} of what the server holds, read past the engine."""
    held = engine.collection.call(
        "query", filter="row >= 0", output_fields=["row", "vector"], consistency_level="Strong"
    )
    return {entity["row"]: [float(x) for x in entity["vector"]] for entity in held}


class OnTheServer(EngineContract):
    kind: str

    @pytest.fixture
    def make(self, milvus):
        engines = []

        def make(documents):
            engines.append(collection_of(milvus, self.kind, documents))
            return engines[-1]

        yield make
        for engine in engines:
            engine.close()


class TestExact(OnTheServer):
    kind = "exact"


class TestLists(OnTheServer):
    kind = "ivf"


@pytest.mark.slow
class TestQuantisedLists(OnTheServer):
    kind = "ivf-sq8"


# -- the index on a server -------------------------------------------------------------------------------------------


@pytest.fixture
def name(milvus):
    """A name that is free, and is again afterwards."""
    name = f"test_{secrets.token_hex(4)}"
    yield name
    client = Collection(milvus.uri, name)
    if client.exists():
        client.call("drop_collection")
    client.close()


def wide_model(n=2_500, dim=8, seed=0):
    """As many random queries as documents, each its own answer."""
    vectors = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32))
    ids = Ids(f"d{i}" for i in range(n))
    pairs = Pairs.from_arrays(ids, ids, np.arange(n), np.arange(n), np.zeros(n, int))
    return DualEncoder.from_vectors(pairs, vectors, vectors)


@pytest.mark.parametrize("kind", ["exact", "ivf"])
def test_several_vectors_a_document_are_merged_and_opened_elsewhere(milvus, name, kind, tmp_path):
    tree = shoes()
    model = DualEncoder.lookup(tree.pairs(), dim=8)
    rng = np.random.default_rng(0)
    owners = [*model.document_ids] * 3
    vectors = torch.from_numpy(rng.integers(-3, 4, (36, 8)).astype(np.float32))
    options = {"hierarchy": tree, "vectors": vectors, "owners": owners}
    there = Index.build(model, kind, uri=milvus.uri, collection=name, out=tmp_path / "index", **options)
    local = Index.build(model, **options)
    queries = torch.from_numpy(rng.integers(-3, 4, (9, 8)).astype(np.float32))
    connected = Index.connect(model, milvus.uri, name, tree, owners)
    assert len(Index.build(model, kind, uri=milvus.uri, collection=name, **options)) == 12  # the same again: no change
    for index in (there, connected):
        index.engine.effort = 100
        assert (len(index), index.engine.count()) == (12, 36)
        for where in (None, Filter.below("sandals"), Filter.levels(1, 2), Filter.only(["boots", "shoes"])):
            got, wanted = (each.answers(queries, threshold=5.0, where=where) for each in (index, local))
            assert (got.ids, [*map(list, got.scores)]) == (wanted.ids, [*map(list, wanted.scores)])
            got, wanted = index.search(queries, 4, where=where), local.search(queries, 4, where=where)
            assert [*map(list, got.scores)] == [*map(list, wanted.scores)]
            assert got == wanted or kind == "ivf"  # which of equal scores comes last is free there
    for index in (there, local):
        index.upsert(["boots"] * 5 + ["shoes"], vectors[:6] + 1)
        index.delete(["sandals"])
        index.commit()
    again = Index.load(tmp_path / "index")
    again.engine.effort = 100
    assert again.answers(queries, threshold=3.0).ids == local.answers(queries, threshold=3.0).ids
    for index in (there, connected, again):
        index.close()


def test_shoes_are_found_below_footwear_by_whoever_connects(milvus, name, tmp_path):
    tree = shoes()
    pairs = tree.pairs()
    model = DualEncoder.lookup(pairs, dim=8)
    built = Index.build(model, uri=milvus.uri, collection=name, hierarchy=tree, out=tmp_path / "index")
    local = Index.build(model, hierarchy=tree)
    queries = model.queries()
    for where in (
        None,
        Filter.below("shoes"),
        Filter.below("shoes", within=1),
        Filter.above("sandals") & Filter.levels(1),
    ):
        answers = [index.search(queries, 5, where=where) for index in (built, local)]
        assert answers[0].ids == answers[1].ids
        for got, wanted in zip(answers[0].scores, answers[1].scores, strict=True):
            np.testing.assert_allclose(got, wanted, atol=1e-6)
    built.close()
    for index in (Index.connect(model, milvus.uri, name, hierarchy=tree), Index.load(tmp_path / "index")):
        assert index.search(queries, 5).ids == local.search(queries, 5).ids
        index.close()


def test_a_filter_is_right_though_the_documents_were_loaded_without_their_hierarchy(milvus, name):
    tree = shoes()
    model = DualEncoder.lookup(tree.pairs(), dim=8)
    Index.build(model, uri=milvus.uri, collection=name).close()
    index = Index.connect(model, milvus.uri, name, hierarchy=tree)
    hits = index.search(model.queries(["boots"]), 12, where=Filter.below("boots"))
    assert set(hits.ids[0]) == {"boots", "rain boots", "hiking boots"}
    index.close()


def test_another_models_documents_are_refused(milvus, name):
    first, second = wide_model(50, seed=1), wide_model(50, seed=2)
    Index.build(first, uri=milvus.uri, collection=name).close()
    with pytest.raises(InputError, match="50 documents of another model"):
        Index.build(second, uri=milvus.uri, collection=name)
    with pytest.raises(InputError, match="holds the documents of another model"):
        Index.connect(second, milvus.uri, name)
    index = Index.connect(first, milvus.uri, name)
    with pytest.raises(InputError, match="another model"):
        index.search(second.queries(["d1"]), 3)
    index.upsert(["new"], torch.ones(1, 8))
    index.commit()
    index.close()
    with pytest.raises(InputError, match="has grown by 1 documents"):
        Index.connect(first, milvus.uri, name)


def test_what_is_wrong_with_an_address_or_a_name_is_said(milvus, name):
    model = wide_model(3)
    with pytest.raises(InputError, match=re.escape("No Milvus server answers at 'http://127.0.0.1:9'")):
        Index.build(model, uri="http://127.0.0.1:9", collection=name, timeout=2)
    with pytest.raises(InputError, match="has no collection"):
        Index.connect(model, milvus.uri, name)
    with pytest.raises(InputError, match="letters, digits and underscores"):
        Index.build(model, uri=milvus.uri, collection="word-net")
    with pytest.raises(InputError, match="HNSW is left out"):
        Index.build(model, "hnsw", uri=milvus.uri, collection=name)
    stranger = Collection(milvus.uri, name)
    stranger.create(8, False, {})
    with pytest.raises(InputError, match="was not made by rootward"):
        Index.build(model, uri=milvus.uri, collection=name)


def test_what_a_limit_of_50_cuts_off_is_told(milvus, monkeypatch):
    engine = collection_of(milvus, "exact", DOCUMENTS)
    monkeypatch.setattr("rootward.retrieval.engines.milvus.LIMIT", 50)
    lowest = np.full(len(QUERIES), -1e6, np.float32)
    for found in (engine.search(QUERIES, 60), engine.range(QUERIES, lowest)):
        assert np.diff(found.offsets).tolist() == [50] * len(QUERIES)
        assert found.truncated.all()
    whole = Where(np.arange(40))
    for found in (engine.search(QUERIES, 50), engine.search(QUERIES, 60, whole), engine.range(QUERIES, lowest, whole)):
        assert found.truncated is None or not found.truncated.any()
    engine.close()


@pytest.mark.slow
def test_more_than_the_server_returns_is_told_as_truncated(milvus, name):
    n = LIMIT + 700
    vectors = torch.arange(n, dtype=torch.float32)[:, None] / n
    engine = Milvus.prepared(vectors, uri=milvus.uri, collection=name, kind="exact", facts=False)
    engine.upsert(np.arange(n), vectors)
    engine.commit()
    one = torch.ones(1, 1)
    for found in (engine.search(one, n), engine.range(one, np.zeros(1, np.float32))):
        assert found.rows.tolist() == list(range(n - 1, n - 1 - LIMIT, -1))
        assert found.truncated.tolist() == [True]
    for found in (engine.search(one, LIMIT), engine.range(one, np.array([0.5], np.float32))):
        assert found.truncated is None or not found.truncated.any()
    below = Where(np.arange(1_000))
    assert len(engine.search(one, n, below).rows) == 1_000
    engine.close()


def test_scores_of_quantised_documents_are_true_products(milvus, name):
    model = wide_model(300, dim=16)
    index = Index.build(model, "ivf-sq8", uri=milvus.uri, collection=name, recall=0.9)
    hits = index.search(model.queries(), 5, nearest_first=False)
    scores = model.query_vectors().numpy() @ model.document_vectors().numpy().T
    np.testing.assert_allclose(hits.found.scores, scores[hits.found.place, hits.found.rows], rtol=1e-5, atol=1e-5)
    assert index.tuned.recall >= 0.9
    index.close()


def test_nobody_sees_what_was_deleted_once_it_is_committed(milvus):
    engine = collection_of(milvus, "exact", DOCUMENTS)
    other = Milvus.opened(milvus.uri, engine.collection.name)
    for gone in range(0, 12, 4):
        engine.delete([gone])
        assert gone not in engine.search(QUERIES, 300).rows
        engine.commit()
        assert gone not in other.search(QUERIES, 300).rows
        assert other.count() == engine.count() == 299 - gone // 4
    engine.close()
    other.close()


def test_a_server_killed_in_the_middle_of_a_load_loses_and_doubles_nothing(
    milvus, milvus_programs, tmp_path, monkeypatch
):
    """SIGKILL while a batch is under way; the load fails, goes on after the restart, and every score is right."""
    monkeypatch.setattr(loading, "BATCH", 500)
    server = MilvusServer(tmp_path / "server", milvus_programs, QUICK | FORGETFUL)
    server.start()
    try:
        model, whole = wide_model(6_000, dim=16), Milvus.upsert
        at = {"uri": server.uri, "collection": "killed", "timeout": 3.0}
        sent = []

        def upsert(self, rows, *given):
            sent.append(int(rows[0]))
            if len(sent) == 5:
                threading.Timer(0.01, server.kill).start()
            whole(self, rows, *given)

        monkeypatch.setattr(Milvus, "upsert", upsert)
        with pytest.raises(RootwardError, match="Milvus at http"):
            Index.build(model, **at)
        while server.process is not None:
            time.sleep(0.05)
        before, sent[:] = len(sent), [None] * 10
        assert 5 <= before < 12
        server.start()
        at["timeout"] = 60.0
        with pytest.raises(InputError, match="is half loaded"):
            Index.connect(model, server.uri, "killed")
        index = Index.build(model, **at)
        # The server may forget the very last note; then that batch is sent twice, which changes nothing.
        assert 500 * (before - 2) <= sent[10] <= 500 * (before - 1), "it goes on where it was"
        assert len(index) == index.engine.collection.count() == 6_000
        queries = model.query_vectors()[:3]
        found = index.engine.search(queries, 6_000)
        wanted = queries.numpy() @ model.document_vectors().numpy().T
        for i in range(3):
            part = slice(found.offsets[i], found.offsets[i + 1])
            assert sorted(found.rows[part].tolist()) == list(range(6_000))
            np.testing.assert_allclose(found.scores[part], wanted[i][found.rows[part]], atol=1e-5)
        index.close()
    finally:
        server.stop()
