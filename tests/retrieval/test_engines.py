"""The engines, each through the contract."""

import numpy as np
import pytest
import torch

from retrieval.contract import N_DOCUMENTS, QUERIES, EngineContract
from rootward.retrieval import Exact
from rootward.retrieval.engines.hnsw import Hnsw
from rootward.retrieval.engines.ivf import Ivf, IvfSq8
from rootward.retrieval.engines.lists import Relevance


def filled(kind, **options):
    """From documents to an engine that holds them as rows 0, 1, ..., put in by two batches."""

    def make(documents):
        engine = kind.prepared(documents, **options)
        rows = torch.arange(len(documents))
        for part in (slice(0, 200), slice(200, None)):
            engine.upsert(rows[part].numpy(), documents[part])
        engine.commit()
        return engine

    return make


def relevance():
    """Twelve queries; every one wants the first five documents, and each document from 40 on is wanted by several."""
    query_of = np.concatenate([np.repeat(np.arange(12), 5), np.arange(40, 300) % 12, np.arange(40, 300) % 7])
    documents = np.concatenate([np.tile(np.arange(5), 12), np.arange(40, 300), np.arange(40, 300)])
    return Relevance(QUERIES[:12], query_of, documents)


class TestExact(EngineContract):
    @pytest.fixture
    def make(self):
        return filled(Exact)


class TestIvf(EngineContract):
    @pytest.fixture
    def make(self):
        return filled(Ivf)


class TestIvfSq8(EngineContract):
    @pytest.fixture
    def make(self):
        return filled(IvfSq8)


class TestIvfAroundQueries(EngineContract):
    """Documents in several lists, in none (kept apart), and in the one that is nearest."""

    @pytest.fixture
    def make(self):
        return filled(Ivf, lists=12, relevance=relevance())

    def test_documents_stand_where_they_are_wanted(self, engine):
        assert engine._unlisted.rows.tolist() == [0, 1, 2, 3, 4]
        assert engine._index.ntotal > N_DOCUMENTS
        assert not engine.search(QUERIES, 3).exact or engine.effort == 12


class TestIvfSq8AroundQueries(EngineContract):
    @pytest.fixture
    def make(self):
        return filled(IvfSq8, lists=12, relevance=relevance())


class TestHnsw(EngineContract):
    @pytest.fixture
    def make(self):
        return filled(Hnsw)
