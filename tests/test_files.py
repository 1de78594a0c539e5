"""Writing where something stands already, and where the system refuses."""

import errno
import hashlib
import os
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rootward import files
from rootward.errors import InputError, WriteError
from rootward.files import atomic_write, sha256, write_text, writing


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real" / "r.json")
    for text in ("first", "second"):  # the first time it points nowhere yet
        assert write_text(link, text) == link
        assert link.is_symlink()
        assert (tmp_path / "real" / "r.json").read_text() == text


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_a_named_pipe_is_written_into_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe.npy"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    atomic_write(pipe, lambda to: np.save(to, np.arange(3)))
    reader.join(timeout=10)
    assert pipe.is_fifo()
    assert read[0].startswith(b"\x93NUMPY")
    assert list(tmp_path.iterdir()) == [pipe]


def no_room(*_):
    raise OSError(errno.ENOSPC, "whatever")


WRAPPED = {
    "the system": no_room,
    "safetensors": lambda _: fail("Error while serializing: I/O error: File too large (os error 27)"),
    "parquet": lambda _: fail("[Errno 27] Error writing bytes to file. Detail: [errno 27] File too large", OSError),
    "faiss": lambda _: fail("write error in x.faiss: 10 != 20 (No space left on device)"),
}


def fail(text, kind=RuntimeError):
    raise kind(text)


@pytest.mark.parametrize("who", WRAPPED)
def test_no_room_is_one_error_that_names_the_file_and_not_the_temporary_one(tmp_path, who):
    path = tmp_path / "model.bin"
    with pytest.raises(WriteError) as caught:
        atomic_write(path, WRAPPED[who])
    assert str(caught.value).startswith(f"{path} could not be written: ")
    assert str(caught.value).endswith("Make room there, raise the limit on it, or choose another place.")
    assert isinstance(caught.value, InputError)
    assert isinstance(caught.value, OSError)
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="limits on files")
def test_a_real_limit_is_recognised_in_what_safetensors_says(tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        with pytest.raises(WriteError, match=r"t\.safetensors could not be written: File too large"):
            atomic_write(tmp_path / "t.safetensors", lambda to: save_file({"x": torch.zeros(1_000)}, to))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_folder_in_its_place_and_a_file_on_the_way_are_said_of_the_users_path(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"^\S+/folder could not be written: Is a directory"):
        write_text(tmp_path / "folder", "x")
    with pytest.raises(WriteError, match=r"^\S+/file/x could not .* A file stands where a folder is needed"):
        write_text(tmp_path / "file" / "x", "x")


def test_other_errors_of_a_writer_are_its_own():
    with pytest.raises(KeyError), writing("x"):
        raise KeyError("x")
    with pytest.raises(WriteError, match="x could not be written: 64 requested and 0 written"), writing("x"):
        raise OSError("64 requested and 0 written")


def test_a_large_file_is_read_once_until_it_is_written_again(tmp_path, monkeypatch):
    path, n_read, plain = tmp_path / "vectors.npy", [], files.sha256_of
    monkeypatch.setattr(files, "_known", {})
    monkeypatch.setattr(files, "sha256_of", lambda chunks: n_read.append(1) or plain(chunks))
    first, second = (bytes([fill]) * (1 << 20) for fill in (1, 2))
    path.write_bytes(first)
    assert sha256(path, known=True) == sha256(path, known=True) == hashlib.sha256(first).hexdigest()
    assert len(n_read) == 2, "a file of this moment may be written again within one tick of the disk's clock"
    monkeypatch.setattr(files, "_SETTLED_NS", -1)
    assert sha256(path, known=True) == sha256(path, known=True) == hashlib.sha256(first).hexdigest()
    assert len(n_read) == 3
    assert sha256(path) == hashlib.sha256(first).hexdigest()
    assert len(n_read) == 4, "read again, as nobody has said that a known one will do"
    times = path.stat()
    path.write_bytes(second)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert sha256(path, known=True) == hashlib.sha256(second).hexdigest(), "another file with the time of the first"


def test_the_checksum_of_a_file_is_that_of_all_its_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_BLOCK_BYTES", 7)
    for n in (0, 1, 6, 7, 8, 14, 100):
        (tmp_path / "file").write_bytes(bytes(range(n)))
        assert sha256(tmp_path / "file") == hashlib.sha256(bytes(range(n))).hexdigest()
