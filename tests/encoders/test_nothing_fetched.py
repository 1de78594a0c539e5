"""A saved model asks no hub, and its cache is entered by well-formed names alone and through no link."""

import json
import socket

import numpy as np
import pytest

from rootward.encoders import DualEncoder
from rootward.encoders.pretrained import Encoder, asks_hubs, encode_cached
from rootward.errors import InputError
from rootward.folders import CONFIG
from rootward.hierarchy import Hierarchy
from shoes import EDGES

TEXTS = ["shoes", "boots", "sandals"]


class Lengths:
    """Encodes a text as its length; counts what it is asked."""

    def __init__(self, fingerprint):
        self.fingerprint, self.asked = fingerprint, 0

    def encode(self, texts):
        self.asked += len(texts)
        return np.array([[len(text), 1.0] for text in texts], np.float32)


@pytest.fixture
def no_network(monkeypatch):
    """Fails a test that opens a connection."""

    def refuse(*arguments, **_):
        raise AssertionError(f"a connection was opened: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


def test_a_config_that_names_an_encoder_of_a_hub_asks_none_for_it(no_network):
    settings = {"encoder": "someone/some-encoder", "by_name": True, "fingerprint": "0" * 16}
    encoder = Encoder.from_settings(settings)
    with pytest.raises(InputError, match=r"not on this machine.*online=True.*--online"):
        encoder.encode(["shoes"])
    assert encoder.offline
    assert not Encoder.from_settings(settings, online=True).offline
    token = asks_hubs.set(True)  # rootward --online
    try:
        assert not Encoder.from_settings(settings).offline
    finally:
        asks_hubs.reset(token)


def test_a_run_whose_config_was_changed_asks_no_hub(no_network, tmp_path):
    pairs = Hierarchy.from_edges(EDGES).pairs()
    cache = tmp_path / "cache"
    model = DualEncoder.text(pairs, "frozen", dim=2, encoder=Lengths("0" * 16), cache=cache)
    model.save(tmp_path / "run")
    path = tmp_path / "run" / CONFIG
    config = json.loads(path.read_text())
    for tower in config["towers"].values():
        if "encoder" in tower:
            tower |= {"encoder": "someone/some-encoder", "by_name": True, "cache": str(tmp_path / "empty")}
    path.write_text(json.dumps(config))
    with pytest.raises(InputError):
        DualEncoder.load(tmp_path / "run", cache=tmp_path / "empty").encode_queries(["a new text"])


@pytest.mark.parametrize("fingerprint", ["../../../planted", "/planted", "..", "", "0" * 15, "A" * 16, "0" * 16 + "\n"])
def test_a_fingerprint_that_is_a_path_writes_nothing_outside_the_cache(tmp_path, fingerprint):
    cache = tmp_path / "deep" / "er" / "cache"
    encoder = Lengths(fingerprint)
    first = encode_cached(encoder, TEXTS, cache)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 1
    assert written[0].parent.parent == cache / "outputs"
    assert set(written[0].parent.name) <= set("0123456789abcdef")
    again = encode_cached(encoder, TEXTS, cache)
    assert encoder.asked == len(TEXTS)  # the second time it was found
    assert np.array_equal(first[np.arange(3)], again[np.arange(3)])


def test_a_well_formed_fingerprint_is_the_name_of_its_folder(tmp_path):
    for fingerprint in ("0123456789abcdef", "0123456789abcdef-fedcba9876543210"):
        encode_cached(Lengths(fingerprint), TEXTS, tmp_path)
        assert (tmp_path / "outputs" / fingerprint).is_dir()


@pytest.mark.parametrize("which", ["outputs", "folder", "file"])
def test_nothing_is_written_or_read_through_a_link_in_the_cache(tmp_path, which):
    cache, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"
    encode_cached(Lengths("0" * 16), TEXTS, cache)
    (block,) = cache.rglob("*.npy")
    place = {"outputs": cache / "outputs", "folder": block.parent, "file": block}[which]
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    if which == "file":
        elsewhere.write_bytes(b"what somebody else keeps")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    encoder = Lengths("0" * 16)
    outputs = encode_cached(encoder, TEXTS, cache)
    assert encoder.asked == len(TEXTS)
    assert outputs[np.arange(3)][:, 0].tolist() == [5, 5, 7]
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-4],
        lambda data: data.replace(b"(3, 2)", b"(3000000000000, 2)"),
        lambda data: data.replace(b"'<f4'", b"'|O4'"),
        lambda data: data[:9] + b"(" * 40 + data[49:],
        lambda data: b"",
    ],
    ids=["cut", "huge", "objects", "brackets", "empty"],
)
def test_a_damaged_block_of_the_cache_is_encoded_again(tmp_path, damage):
    encode_cached(Lengths("0" * 16), TEXTS, tmp_path)
    (block,) = tmp_path.rglob("*.npy")
    block.write_bytes(damage(block.read_bytes()))
    encoder = Lengths("0" * 16)
    assert encode_cached(encoder, TEXTS, tmp_path)[np.arange(3)][:, 0].tolist() == [5, 5, 7]
    assert encoder.asked == len(TEXTS)
