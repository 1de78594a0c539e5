"""Milvus through the contract, against a real server process, and what is particular to a server."""

import pytest

from retrieval.contract import EngineContract, table
from rootward.retrieval.milvus import Milvus

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
    held = engine.collection.ask(
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


class TestQuantisedLists(OnTheServer):
    kind = "ivf-sq8"
