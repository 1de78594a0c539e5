"""The engines, each through the contract."""

import pytest
import torch

from retrieval.contract import EngineContract
from rootward.retrieval import Exact
from rootward.retrieval.hnsw import Hnsw
from rootward.retrieval.ivf import Ivf, IvfSq8


def filled(kind):
    """From documents to an engine that holds them as rows 0, 1, ..., put in by two batches."""

    def make(documents):
        engine = kind.prepared(documents)
        rows = torch.arange(len(documents))
        for part in (slice(0, 200), slice(200, None)):
            engine.upsert(rows[part].numpy(), documents[part])
        engine.commit()
        return engine

    return make


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


class TestHnsw(EngineContract):
    @pytest.fixture
    def make(self):
        return filled(Hnsw)
