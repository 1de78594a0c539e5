"""The shoe shop as runs to serve, and a server as a process of its own."""

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

import rootward as rw
from rootward.hierarchy import Hierarchy
from rootward.texts import Texts
from shoes import EDGES, SYNONYMS, shoes


def shop(edges=EDGES):
    """The shop with names and synonyms."""
    tree = Hierarchy.from_edges(edges)
    names = tuple(label.title() for label in tree.ids)
    texts = Texts(names, tuple(SYNONYMS.get(label, ()) for label in tree.ids), ("",) * len(names))
    return Hierarchy(tree.ids, tree.parent_offsets, tree.parents, texts)


def trained(folder, make=lambda pairs: rw.DualEncoder.lookup(pairs, dim=16), tree=None):
    pairs = (shop() if tree is None else tree).pairs()
    settings = rw.Settings(device="cpu", progress=False)
    rw.train(make(pairs), pairs, rw.recipes.decoupled(steps=200), out=folder, settings=settings)
    return folder


@pytest.fixture(scope="session")
def lookup_run(tmp_path_factory):
    """A run that knows its own queries only."""
    assert shoes().ids == shop().ids
    return trained(tmp_path_factory.mktemp("served") / "shop")


@pytest.fixture(scope="session")
def words_run(tmp_path_factory):
    """A run that reads texts."""
    return trained(tmp_path_factory.mktemp("served") / "words", lambda pairs: rw.DualEncoder.text(pairs, dim=32))


@contextmanager
def serving(*arguments, env=None):
    """(a client, the process) of `rootward serve` on a free port, once it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rootward", "serve", *map(str, arguments), "--port", "0"],
        env={**os.environ, **(env or {})},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = None
        while address is None:
            line = process.stderr.readline()
            assert line, "the server ended"
            address = re.search(r"http://127\.0\.0\.1:\d+", line)
        with httpx.Client(base_url=address[0], timeout=30) as client:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                try:
                    if client.get("/readyz").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield client, process
    finally:
        process.terminate()
        process.communicate(timeout=30)
