"""The engines, each through the contract."""

import pytest

from retrieval.contract import EngineContract
from rootward.retrieval import Exact


class TestExact(EngineContract):
    @pytest.fixture
    def make(self):
        return Exact
