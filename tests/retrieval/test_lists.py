"""Where the lists of ivf stand, and where documents go that come later."""

import numpy as np
import pytest
import torch

from rootward.encoders import DualEncoder
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval import Exact, Index
from rootward.retrieval import storage as loading
from rootward.retrieval.engines.ivf import Ivf
from rootward.retrieval.engines.lists import nearby_lists

N_QUERIES, N_EACH, DIM = 600, 5, 16


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def wanting(*, obeys):
    """600 queries that want five documents each; those stand beside their query, or anywhere."""
    draw = np.random.default_rng(0)
    queries = unit(draw.standard_normal((N_QUERIES, DIM)))
    documents = np.repeat(queries, N_EACH, axis=0) + 0.05 * draw.standard_normal((N_QUERIES * N_EACH, DIM))
    if not obeys:
        documents = draw.standard_normal(documents.shape)
    place = np.repeat(np.arange(N_QUERIES), N_EACH)
    wanted = np.arange(N_QUERIES * N_EACH)
    pairs = Pairs.from_arrays(Ids(range(N_QUERIES)), Ids(range(len(wanted))), place, wanted, np.zeros(len(wanted), int))
    return DualEncoder.from_vectors(pairs, queries, unit(documents)), pairs


def kept(index, queries, documents, k=N_EACH):
    """The share of exact search's k best among these documents, row by row, that the index finds."""
    found, best = (each.search(queries, k).rows.reshape(-1, k) for each in (index.engine, Exact(documents)))
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(found.tolist(), best.tolist(), strict=True)])


@pytest.mark.parametrize("engine", ["ivf", "ivf-sq8"])
def test_an_encoder_that_finds_what_pairs_want_gets_lists_around_queries(engine):
    model, pairs = wanting(obeys=True)
    index = Index.build(model, engine, pairs=pairs)
    assert "1 probe of lists around queries: 100.00 % of exact search" in str(index.tuned)


@pytest.mark.parametrize("engine", ["ivf", "ivf-sq8"])
def test_an_encoder_that_finds_something_else_gets_lists_around_documents(engine, tmp_path):
    model, pairs = wanting(obeys=False)
    index = Index.build(model, engine, pairs=pairs, out=tmp_path / "index")
    assert index.tuned.name == "probes of lists around documents"
    assert index.tuned.recall >= 0.98
    assert 1 < index.tuned.effort < index.engine.lists
    again = Index.load(tmp_path / "index")
    assert again.engine.effort_name == index.tuned.name == again.tuned.name
    assert again.search(model.queries(), 5) == index.search(model.queries(), 5)


def test_a_build_that_was_cut_off_goes_on_with_the_lists_that_it_chose(tmp_path, monkeypatch):
    model, pairs = wanting(obeys=False)
    monkeypatch.setattr(loading, "BATCH", 1000)
    monkeypatch.setattr(loading, "SNAPSHOT_SECONDS", 0.0)
    put, upsert = [], Ivf.upsert

    def dying(self, rows, *more):
        if len(put) == 2:
            raise KeyboardInterrupt
        put.append(rows[0])
        upsert(self, rows, *more)

    monkeypatch.setattr(Ivf, "upsert", dying)
    with pytest.raises(KeyboardInterrupt):
        Index.build(model, "ivf", pairs=pairs, out=tmp_path / "index")
    monkeypatch.setattr(Ivf, "upsert", upsert)
    monkeypatch.setattr(Ivf, "prepared", lambda *_, **__: pytest.fail("lists were placed again"), raising=True)
    monkeypatch.setattr(loading, "check_options", lambda *_: None)
    monkeypatch.setattr("rootward.retrieval.index.uses_relevance", lambda _: True)
    index = Index.build(model, "ivf", pairs=pairs, out=tmp_path / "index")
    assert index.tuned.name == "probes of lists around documents"
    assert len(index) == len(Index.load(tmp_path / "index")) == N_QUERIES * N_EACH


# -- documents that come later --------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["ivf", "ivf-sq8"])
def test_documents_that_come_later_go_to_lists_once_they_are_many(engine, tmp_path):
    """The last document of each query comes later."""
    model, pairs = wanting(obeys=True)
    vectors, queries = model.document_vectors().detach(), model.query_vectors().detach()
    later = np.arange(len(vectors)) % N_EACH == N_EACH - 1
    n = int(np.count_nonzero(~later))
    query_of, none = np.repeat(np.arange(N_QUERIES), N_EACH - 1), np.zeros(n, int)
    first = Pairs.from_arrays(pairs.query_ids, Ids(range(n)), query_of, np.arange(n), none)
    before = DualEncoder.from_vectors(first, queries.numpy(), vectors[~later].numpy())
    index = Index.build(before, engine, pairs=first, out=tmp_path / "i")
    new = [f"new {row}" for row in range(N_QUERIES)]
    index.upsert(new[:10], vectors[later][:10])
    index.commit()
    assert len(index.engine._unlisted.rows) == 10, "fewer than a probed list holds: they are scanned"
    index.upsert(new[10:], vectors[later][10:])
    index.commit()
    assert len(index.engine._unlisted.rows) < 60
    assert kept(index, queries, torch.cat([vectors[~later], vectors[later]])) >= 0.99
    again = Index.load(tmp_path / "i")
    assert len(again) == len(index) == N_QUERIES * N_EACH
    assert again.search(queries, 5) == index.search(queries, 5)
    again.delete(new)
    assert kept(again, queries, vectors[~later], 4) >= 0.99


def test_documents_whose_vectors_point_nowhere_stay_apart_and_are_found():
    """A hierarchy of four children a node; a query is the sum of what stands above it, so no document says where."""
    draw = np.random.default_rng(0)
    n = sum(4**level for level in range(6))
    documents = unit(draw.standard_normal((n, 256)))
    above = [[node] for node in range(n)]
    for node in range(1, n):
        above[node] += above[(node - 1) // 4]
    queries = unit(np.array([documents[path].sum(axis=0) for path in above]))
    early = n - 100
    place = np.repeat(np.arange(early), [len(path) for path in above[:early]])
    wanted = np.concatenate(above[:early])
    pairs = Pairs.from_arrays(Ids(range(early)), Ids(range(early)), place, wanted, np.zeros(len(wanted), int))
    index = Index.build(DualEncoder.from_vectors(pairs, queries[:early], documents[:early]), "ivf", pairs=pairs)
    assert index.tuned.name == "probes of lists around queries"
    index.upsert(range(early, n), documents[early:])
    index.commit()
    asked = torch.from_numpy(queries[early:]).float()
    assert kept(index, asked, torch.from_numpy(documents).float(), 6) >= 0.99


def test_a_document_goes_to_the_lists_that_it_points_at():
    faiss = pytest.importorskip("faiss")
    centres = faiss.IndexFlatIP(12)
    centres.add(np.eye(12, dtype=np.float32))
    vectors = np.zeros((3, 12), np.float32)
    vectors[0, 4] = 1
    vectors[1, [2, 7]] = 1, 0.95
    vectors[2] = 1
    place, lists = nearby_lists(vectors, centres, 0.1)
    assert list(zip(place.tolist(), lists.tolist(), strict=True)) == [(0, 4), (1, 2), (1, 7)]
