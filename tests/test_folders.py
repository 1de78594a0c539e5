"""Folders under attack: two writers, killed writers, damaged files, hostile names; what a user would have seen."""

import hashlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np
import pytest
import torch

import rootward as rw
from rootward import folders
from rootward.classification import classifier as classifier_module
from rootward.errors import ChangedError, InputError, InUseError, RunFolderError, TableError, WriteError
from rootward.files import locked, reserve, sha256
from rootward.folders import CONFIG, LOCK, read_config, seal, writing_to
from rootward.growth.runs import grow_run
from rootward.ids import Ids
from rootward.training import log as log_module
from rootward.training import resume, train
from rootward.training.session import Display
from rootward.training.state import CHECKPOINT
from shoes import shoes
from training.runs import QUIET

PAIRS = shoes().pairs()
RECIPE = rw.recipes.decoupled(steps=12, validate_every=2, batch_size=6)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with a calibration, one that was stopped half way, an index, and pairs on disk."""
    home = tmp_path_factory.mktemp("made")
    train(rw.DualEncoder.lookup(PAIRS, 8), PAIRS, RECIPE, out=home / "run", settings=QUIET)
    model = rw.DualEncoder.load(home / "run")
    rw.calibrate(model, PAIRS, progress=False).save(home / "run")
    stopped(home / "half", signal.SIGTERM)
    rw.Index.build(model, "exact", out=home / "index")
    rows = zip(PAIRS.query_of.tolist(), PAIRS.documents.tolist(), PAIRS.distances.tolist(), strict=True)
    table = [(PAIRS.query_ids[q], PAIRS.document_ids[d], hops) for q, d, hops in rows]
    rw.Pairs.from_table(table, on_disk=home / "pairs")
    return home


@pytest.fixture
def copy(made, tmp_path):
    return lambda name: shutil.copytree(made / name, tmp_path / name)


def stopped(folder, number):
    """A training of 12 steps that gets a signal after the sixth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Display, "stepped", lambda self, stage, step, loss: os.kill(os.getpid(), number) if step == 6 else None
        )
        return train(rw.DualEncoder.lookup(PAIRS, 8), PAIRS, RECIPE, out=folder, settings=QUIET)


def flip(path, at, bits=1):
    data = bytearray(path.read_bytes())
    data[at] ^= bits
    path.write_bytes(data)


@contextmanager
def held_by_another(folder):
    """Another thread writes the folder meanwhile."""
    inside, done = threading.Event(), threading.Event()

    def hold():
        with writing_to(folder, "rootward train"):
            inside.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(20)
    try:
        yield done
    finally:
        done.set()
        thread.join()


# -- two writers ---------------------------------------------------------------------------------------------------


def test_of_two_commits_from_one_state_the_second_is_told_and_no_document_is_lost(copy):
    folder = copy("index")
    one, two = rw.Index.load(folder), rw.Index.load(folder)
    one.upsert(["clogs"], torch.ones(1, 8))
    two.upsert(["slippers"], torch.ones(1, 8))
    one.commit()
    with pytest.raises(ChangedError, match=r"was changed since it was opened.*Load it again"):
        two.commit()
    assert "clogs" in rw.Index.load(folder).document_ids
    again = rw.Index.load(folder)  # what the message says to do works
    again.upsert(["slippers"], torch.ones(1, 8))
    again.commit()
    assert {"clogs", "slippers"} <= set(rw.Index.load(folder).document_ids)
    two.save(folder.with_name("mine"))
    assert "slippers" in rw.Index.load(folder.with_name("mine")).document_ids
    one.delete(["clogs"])
    with pytest.raises(ChangedError):
        one.commit()


def test_one_index_commits_as_often_as_it_likes(copy):
    index = rw.Index.load(copy("index"))
    for n in range(3):
        index.upsert([f"clogs {n}"], torch.ones(1, 8))
        index.commit()
    assert len(rw.Index.load(index.folder)) == len(PAIRS.document_ids) + 3


def test_a_second_writer_is_told_who_writes(copy, made):
    run, index = copy("run"), rw.Index.load(copy("index"))
    who = rf"is being written by rootward train \(process {os.getpid()} on {socket.gethostname()}, since "
    with held_by_another(index.folder):
        index.upsert(["clogs"], torch.ones(1, 8))
        for write in (index.commit, lambda: rw.Index.build(rw.DualEncoder.load(run), out=index.folder)):
            with pytest.raises(InUseError, match=who):
                write()
        assert len(rw.Index.load(index.folder)) == len(PAIRS.document_ids), "readers do not wait"
    index.commit()
    model, empty = rw.DualEncoder.load(run), run.with_name("empty")
    calibration = rw.Calibration.load(run)
    with held_by_another(run), held_by_another(empty):
        for write in (
            lambda: calibration.save(run),
            lambda: model.save(run),
            lambda: resume(run, settings=QUIET),
            lambda: train(rw.DualEncoder.lookup(PAIRS, 8), PAIRS, RECIPE, out=empty, settings=QUIET),
            lambda: rw.Pairs.from_table([("a", "b", 1)], on_disk=empty),
        ):
            with pytest.raises(InUseError, match=who):
                write()
    calibration.save(run)


def test_a_second_writer_may_wait(copy):
    index = rw.Index.load(copy("index"))
    index.upsert(["clogs"], torch.ones(1, 8))
    with held_by_another(index.folder) as done:
        threading.Timer(0.2, done.set).start()
        index.commit(wait=20)
    assert "clogs" in rw.Index.load(index.folder).document_ids


def test_two_exports_to_one_folder_the_second_is_told(tmp_path):
    out = tmp_path / "model"
    with locked(tmp_path / ".model.rootward-lock", "rootward export", out):
        inside: list[BaseException] = []

        def other():
            try:
                with locked(tmp_path / ".model.rootward-lock", "rootward export", out):
                    pass
            except InUseError as error:
                inside.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "is being written by rootward export" in str(inside[0])
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_not_saved_over_an_index_or_pairs(copy, made):
    for name in ("index", "pairs"):
        with pytest.raises(RunFolderError, match="a model needs a folder of its own"):
            rw.DualEncoder.load(made / "run").save(copy(name))


def test_the_lock_of_a_process_that_was_killed_is_taken_over(copy):
    index = rw.Index.load(copy("index"))
    lock = index.folder / LOCK
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    lock.write_text(json.dumps({"host": socket.gethostname(), "pid": gone.pid, "since": "now", "what": "a commit"}))
    index.commit()
    assert not lock.exists()


def test_a_lock_that_another_machine_left_on_a_shared_disk_says_when_and_how_to_delete_it(copy):
    index = rw.Index.load(copy("index"))
    lock = index.folder / LOCK
    lock.write_text(json.dumps({"host": "elsewhere", "boot": "0-1", "pid": 7, "since": "noon", "what": "a commit"}))
    with pytest.raises(InUseError) as told:
        index.commit()
    assert "a commit (process 7 on elsewhere, since noon)" in str(told.value)
    assert "on elsewhere, `ps -p 7` does not show it" in str(told.value)
    command = str(told.value).rpartition("delete its lock: ")[2]
    subprocess.run(command, shell=True, check=True)
    index.commit()
    assert not lock.exists()


@pytest.mark.skipif(not os.path.exists("/proc/sys/kernel/random/boot_id"), reason="containers share a kernel on Linux")
def test_a_container_that_was_killed_leaves_no_lock_to_delete_by_hand(copy, monkeypatch):
    index = rw.Index.load(copy("index"))
    lock = index.folder / LOCK
    with monkeypatch.context() as container:
        container.setattr(socket, "gethostname", lambda: "3f1c0a")
        with writing_to(index.folder, "rootward index"):
            left = lock.read_bytes()
            with pytest.raises(InUseError, match=r"rootward index \(process \d+ on 3f1c0a"):
                _of_another_thread(index.commit)
    lock.write_bytes(left)  # the next container has another name, and the same kernel
    index.commit()
    assert not lock.exists()


def _of_another_thread(call):
    """What the call gives in another thread, which does not hold the locks of this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


def test_a_folder_that_is_written_while_it_is_read_is_read_again(copy, monkeypatch):
    run = copy("run")
    other = rw.DualEncoder.load(run)
    with torch.no_grad():
        other.document_vectors().mul_(2)
    plain, writes = folders.check_files, iter([True])

    def check(*arguments, **more):
        plain(*arguments, **more)
        if next(writes, False):  # after the checksums, before the files are read
            other.save(run)

    monkeypatch.setattr(folders, "check_files", check)
    assert rw.DualEncoder.load(run).fingerprint() == other.fingerprint()


# -- killed writers ------------------------------------------------------------------------------------------------


def test_what_a_killed_writer_left_neither_stands_in_the_way_nor_stays(tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    for name in (".0123456789ab.log.jsonl", ".0001.model.safetensors", ".0123456789ab..0001.pairs.parquet", LOCK):
        (out / name).write_bytes(b"")
    train(rw.DualEncoder.lookup(PAIRS, 8), PAIRS, RECIPE, out=out, settings=QUIET)
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]


def test_a_growing_that_was_killed_can_be_repeated_into_the_same_folder(copy, tmp_path):
    grown = tmp_path / "grown"
    grown.mkdir()
    for name in (".0001.model.safetensors", ".0001.diff.json", ".0001.held_out.safetensors"):
        (grown / name).write_bytes(b"half")
    (grown / "log.jsonl").write_bytes(b"")
    (grown / "calibration.safetensors").write_bytes(b"of the one that was killed")
    grow_run(rw.Run.load(copy("run")), PAIRS, grown, progress=False)
    assert rw.Calibration.load(grown).fingerprint == rw.Run.load(grown).model.fingerprint()
    assert not list(grown.glob(".*"))


def test_no_grown_run_is_there_before_its_calibration_is(copy, tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    run = rw.Run.load(copy("run"))
    monkeypatch.setattr(rw.Calibration, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        grow_run(run, PAIRS, tmp_path / "grown", progress=False)
    assert not (tmp_path / "grown" / CONFIG).exists()
    monkeypatch.undo()
    grow_run(run, PAIRS, tmp_path / "grown", progress=False)
    assert rw.Calibration.load(tmp_path / "grown")


def test_a_checkpoint_that_was_killed_half_written_does_not_stay_beside_the_next(copy):
    folder = copy("half")
    half = folder / "checkpoints" / ".0123456789ab.last.safetensors"
    half.write_bytes(b"half")
    resume(folder, settings=QUIET)
    assert [path.name for path in (folder / "checkpoints").glob("*")] == ["last.safetensors"]


def test_killed_between_the_config_and_the_names_the_new_files_are_read_and_named_later(copy):
    run = copy("run")
    before = rw.DualEncoder.load(run).fingerprint()
    number = read_config(run)["generation"]
    (run / "model.safetensors").rename(run / f".{number:04}.model.safetensors")
    assert rw.Run.load(run).model.fingerprint() == before
    rw.Calibration.load(run).save(run)  # the next writer
    assert (run / "model.safetensors").is_file()
    assert rw.Run.load(run).model.fingerprint() == before


def test_half_a_generation_of_an_index_is_removed_by_the_next_commit_and_nothing_else(copy):
    index = rw.Index.load(copy("index"))
    (index.folder / "exact-0002.safetensors").write_bytes(b"half")
    (index.folder / "ancestors-loading500.safetensors").write_bytes(b"half")
    for mine in ("notes-0001.txt", "exact-2024.safetensors", "thesis.docx"):
        (index.folder / mine).write_bytes(b"mine")
    index.commit()
    left = {path.name for path in index.folder.iterdir()}
    assert {"notes-0001.txt", "exact-2024.safetensors", "thesis.docx"} <= left
    assert "ancestors-loading500.safetensors" not in left
    assert len(rw.Index.load(index.folder)) == len(PAIRS.document_ids)


# -- names and links -----------------------------------------------------------------------------------------------

OUTSIDE = ["../victim.txt", "/tmp/victim.txt", "..", "a/b", "a\\b", ".hidden", "", "x\x1b[2J", "c:x"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_config_that_names_a_file_elsewhere_deletes_nothing(name, copy, made):
    folder = copy("index")
    index = rw.Index.load(folder)
    victim = folder.parent / "victim.txt"
    victim.write_text("precious")
    config = read_config(folder)
    config["files"][name] = [8, sha256(victim)]
    (folder / CONFIG).write_text(seal(config))
    for do in (index.commit, lambda: rw.Index.load(folder)):
        with pytest.raises(RunFolderError, match="no name of a file in the folder"):
            do()
    with pytest.raises(RunFolderError):
        rw.Index.build(rw.DualEncoder.load(made / "run"), out=folder)
    assert victim.read_text() == "precious"


def test_a_listed_file_that_rootward_does_not_write_is_not_deleted(copy):
    folder = copy("index")
    (folder / "thesis.docx").write_text("precious")
    config = read_config(folder)
    config["files"]["thesis.docx"] = [8, sha256(folder / "thesis.docx")]
    (folder / CONFIG).write_text(seal(config))
    rw.Index.load(folder).commit()
    assert (folder / "thesis.docx").read_text() == "precious"


def test_a_loading_file_that_names_a_file_elsewhere_deletes_nothing(made, tmp_path):
    victim, folder = tmp_path / "victim.txt", tmp_path / "index"
    folder.mkdir()
    victim.write_text("precious")
    for name in ("../victim.txt", str(victim)):
        state = {"about": {}, "done": 0, "settings": {}, "engine": [name], "files": {name: [8, sha256(victim)]}}
        (folder / "loading.json").write_text(seal(state))
        rw.Index.build(rw.DualEncoder.load(made / "run"), out=folder)
        assert victim.read_text() == "precious"


def test_nothing_is_read_or_written_through_a_link(copy, tmp_path):
    run, half = copy("run"), copy("half")
    victim = tmp_path / "victim"
    calibration = rw.Calibration.load(run)
    (run / "model.safetensors").rename(victim)
    (run / "model.safetensors").symlink_to(victim)
    with pytest.raises(RunFolderError, match=r"model\.safetensors is a link"):
        rw.DualEncoder.load(run)
    before = victim.read_bytes()
    (run / "calibration.safetensors").unlink()
    (run / "calibration.safetensors").symlink_to(victim)
    with pytest.raises(WriteError, match="is a link"):
        calibration.save(run)
    (half / "log.jsonl").unlink()
    (half / "log.jsonl").symlink_to(victim)
    with pytest.raises(WriteError, match=r"log\.jsonl is a link"):
        resume(half, settings=QUIET)
    (half / "log.jsonl").unlink()
    shutil.move(half / "checkpoints", tmp_path / "elsewhere")
    (half / "checkpoints").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WriteError, match="checkpoints is a link"):
        resume(half, settings=QUIET)
    assert victim.read_bytes() == before


# -- damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run", "index", "pairs"])
def test_no_digit_of_a_config_can_change_unnoticed(name, copy):
    folder = copy(name)
    text = (folder / CONFIG).read_bytes()
    places = [at for at, byte in enumerate(text) if chr(byte).isdigit()]
    for at in places[:: max(1, len(places) // 150)]:
        digit = b"7" if text[at : at + 1] != b"7" else b"1"
        (folder / CONFIG).write_bytes(text[:at] + digit + text[at + 1 :])
        with pytest.raises(InputError, match=r"config\.json cannot be relied on"):
            read_config(folder)


def test_no_bit_of_a_calibration_or_a_checkpoint_can_change_unnoticed(copy):
    run, half = copy("run"), copy("half")
    whole = rw.Calibration.load(run)
    for path, read in (
        (run / "calibration.safetensors", lambda: rw.Calibration.load(run)),
        (half / CHECKPOINT, lambda: resume(half, settings=QUIET)),
    ):
        data = path.read_bytes()
        head = 8 + int.from_bytes(data[:8], "little")
        for at in [*range(8, head, 29), *range(head, len(data), max(1, (len(data) - head) // 60))]:
            flip(path, at)
            with suppress(InputError):
                assert read() == whole
            path.write_bytes(data)


def test_the_step_of_a_checkpoint_cannot_change_unnoticed(copy):
    half = copy("half")
    data = (half / CHECKPOINT).read_bytes()
    assert b'\\"step\\":6' in data
    (half / CHECKPOINT).write_bytes(data.replace(b'\\"step\\":6', b'\\"step\\":4', 1))
    with pytest.raises(RunFolderError, match="damaged"):
        resume(half, settings=QUIET)


def test_a_checkpoint_of_another_run_is_refused(copy, tmp_path):
    half = copy("half")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Display, "stepped", lambda self, stage, n, loss: os.kill(os.getpid(), 2) if n == 6 else None)
        train(rw.DualEncoder.lookup(PAIRS, 8), PAIRS, RECIPE, seed=1, out=tmp_path / "other", settings=QUIET)
    shutil.copy(tmp_path / "other" / CHECKPOINT, half / CHECKPOINT)
    with pytest.raises(RunFolderError, match="is of another run"):
        resume(half, settings=QUIET)


LINES = {
    "a byte that is no text": lambda data: data.replace(b"loss", b"lo\xffs", 1),
    "another key": lambda data: data.replace(b"loss", b"lost", 1),
    "another digit": lambda data: data.replace(b'"step": 4', b'"step": 5', 1),
    "another type": lambda data: data.replace(b'"step": 4', b'"step": []', 1),
    "a line gone": lambda data: data.split(b"\n", 1)[1],
    "deep nesting": lambda data: b"[" * 100_000 + b"\n" + data,
}


@pytest.mark.parametrize("damage", LINES)
def test_a_damaged_log_is_one_clear_error_and_stops_no_resume(damage, copy):
    run, half = copy("run"), copy("half")
    for folder in (run, half):
        path = folder / "log.jsonl"
        assert LINES[damage](path.read_bytes()) != path.read_bytes()
        path.write_bytes(LINES[damage](path.read_bytes()))
        with pytest.raises(RunFolderError, match=r"log\.jsonl.* is damaged"):
            rw.Run.load(folder)
    assert resume(half, settings=QUIET).finished, "the checkpoint has the history"
    (run / "log.jsonl").unlink()
    assert rw.Run.load(run).history == []


def test_a_log_that_was_cut_off_in_writing_loses_its_last_line_only(copy):
    half = copy("half")
    n = len(rw.Run.load(half).history)
    with (half / "log.jsonl").open("ab") as file:
        file.write(b'{"stage": "dec')
    assert len(rw.Run.load(half).history) == n == 3
    assert log_module.read_log(half.with_name("nowhere")) == []


def test_a_report_with_another_digit_is_refused_and_measured_again_as_the_error_says(copy):
    run = copy("run")
    path = run / "report.json"
    path.write_text(path.read_text().replace('"dim": 8', '"dim": 9'))
    with pytest.raises(RunFolderError, match=rf"Measure again: rootward evaluate {run} --json {path}; or delete"):
        rw.Run.load(run)
    done = subprocess.run(
        [sys.executable, "-m", "rootward", "evaluate", str(run), "--json", str(path), "--quiet"], capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert rw.Run.load(run).report.dim == 8
    path.unlink()
    assert rw.Run.load(run).report is None


PAIRS_FILES = ["offsets", "documents", "distances", "generality", "heights", "query_ids", "document_ids"]


@pytest.mark.parametrize("name", PAIRS_FILES)
def test_pairs_on_disk_with_a_flipped_bit_are_refused(name, copy):
    folder = copy("pairs")
    data = (folder / f"{name}.npy").read_bytes()
    for at in range(0, len(data), 37):
        flip(folder / f"{name}.npy", at, 16)
        with pytest.raises(TableError, match=rf"{name}\.npy is damaged"):
            rw.Pairs.load(folder)
        (folder / f"{name}.npy").write_bytes(data)


def test_no_byte_of_the_ids_can_end_the_process(copy):
    folder = copy("pairs")
    data = (folder / "document_ids.arrow").read_bytes()
    for at in range(0, len(data), 13):
        flip(folder / "document_ids.arrow", at, 0x90)
        with pytest.raises(TableError, match=r"document_ids\.arrow is damaged"):
            rw.Pairs.load(folder, verify=False)
        (folder / "document_ids.arrow").write_bytes(data)


@pytest.mark.parametrize(("name", "read"), [("run", rw.Run.load), ("index", rw.Index.load)])
def test_damaged_vectors_are_refused_though_they_are_compared_in_a_thread_meanwhile(name, read, copy, monkeypatch):
    monkeypatch.setattr(folders, "_LARGE", 1)
    folder = copy(name)
    whole = read(folder)
    assert whole is not None
    for path in folder.glob("*.safetensors"):
        if path.name.startswith("calibration") and name == "run":
            continue  # it has a checksum of its own, and is no part of the model
        data = path.read_bytes()
        for at in (9, len(data) // 2, len(data) - 1):  # in the head, which then cannot be read, and in the numbers
            flip(path, at)
            with pytest.raises(RunFolderError, match=f"{path.name} is damaged: its checksum"):
                read(folder)
            path.write_bytes(data)
        path.unlink()
        with pytest.raises(RunFolderError, match=f"{path.name} is missing"):
            read(folder)
        path.write_bytes(data)
    assert read(folder) is not None


def test_swapped_arrays_of_pairs_are_refused(copy):
    folder = copy("pairs")
    (folder / "documents.npy").rename(folder / "x")
    (folder / "distances.npy").rename(folder / "documents.npy")
    (folder / "x").rename(folder / "distances.npy")
    with pytest.raises(TableError, match="is damaged"):
        rw.Pairs.load(folder)


WRONG_ARRAYS = {
    "offsets": lambda a: np.r_[a[:2], a[1], a[3:]][::-1].copy(),
    "documents": lambda a: np.where(np.arange(len(a)) == 3, 12, a).astype(a.dtype),
    "distances": lambda a: np.where(np.arange(len(a)) == 3, -1, a).astype(a.dtype),
    "generality": lambda a: a.astype(np.int32),
    "heights": lambda a: np.where(np.arange(len(a)) == 3, np.nan, a).astype(a.dtype),
    "query_ids": lambda a: a + 1,
}


@pytest.mark.parametrize("name", WRONG_ARRAYS)
def test_pairs_with_entries_out_of_range_are_refused_though_every_checksum_is_right(name, copy):
    folder = copy("pairs")
    path = folder / f"{name}.npy"
    np.save(path, WRONG_ARRAYS[name](np.load(path)))
    config = read_config(folder)
    config["files"][path.name] = [path.stat().st_size, sha256(path)]
    (folder / CONFIG).write_text(seal(config))
    with pytest.raises(TableError, match="is damaged"):
        rw.Pairs.load(folder)


def test_large_pairs_are_verified_when_a_training_starts(copy, monkeypatch):
    folder = copy("pairs")
    monkeypatch.setattr("rootward.pairs.storage.CHECKED_WHOLE", 10)
    flip(folder / "distances.npy", 140)
    pairs = rw.Pairs.load(folder)
    with pytest.raises(TableError, match="damaged"):
        rw.Pairs.load(folder, verify=True)
    with pytest.raises(TableError, match="damaged"):
        train(rw.DualEncoder.lookup(pairs, 8), pairs, RECIPE, settings=QUIET)


def nested(n):
    value = []
    for _ in range(n):
        value = [value]
    return value


HOSTILE = {
    "format": [None, "3", [], 3.5],
    "made_by": [None, 1],
    "generation": [None, 0, -1, "1", 10**30],
    "files": [None, 1, [], {"a": 1}, {"a": []}, {"a": [1]}, {"a": ["1", "2"]}, {"a": [-1, "x"]}, {"a": [1, 2]}],
    "towers": [None, 0, [], {}, {"query": 1, "document": {}}, {"query": {"kind": 5}, "document": {"kind": []}}],
    "run": [None, 0, [], {}, {"recipe": 1}, nested(200)],
    "index": [None, 0, [], {}, {"name": 1}],
    "pairs": [None, 0, [], {}, {"source": 1}],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_config_is_one_clear_error_that_names_the_file(name, copy):
    reads = {"run": rw.Run.load, "index": rw.Index.load, "pairs": rw.Pairs.load}
    for folder, read in [(copy(name), read) for name, read in reads.items()]:
        plain = read_config(folder)
        if name not in plain:
            continue
        for value in HOSTILE[name]:
            (folder / CONFIG).write_text(seal({**plain, name: value}))
            with pytest.raises(InputError, match=folder.name):
                read(folder)


TEXTS = ["", "null", "[]", "1", "{", "[" * 200_000, '{"a":' * 100_000, '{"sha256": 5}', '{"a": "\\ud800"}', "\xff\xfe"]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_config_or_a_loading_file_that_is_no_json_is_one_clear_error(text, copy, made, tmp_path):
    for name, read in (("run", rw.Run.load), ("index", rw.Index.load), ("pairs", rw.Pairs.load)):
        folder = copy(name)
        (folder / CONFIG).write_bytes(text.encode("latin-1"))
        with pytest.raises(InputError, match=r"config\.json|Pairs\.from_table"):
            read(folder)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "loading.json").write_bytes(text.encode("latin-1"))
    rw.Index.build(rw.DualEncoder.load(made / "run"), out=tmp_path / "new")
    assert not (tmp_path / "new" / "loading.json").exists()


def test_a_folder_of_an_older_version_says_so(copy):
    folder = copy("run")
    config = read_config(folder)
    del config["sha256"], config["generation"]
    (folder / CONFIG).write_text(json.dumps({**config, "format": 2, "made_by": "rootward 0.1"}))
    with pytest.raises(RunFolderError, match=r"written by rootward 0\.1 in format 2; this version reads format 3"):
        rw.Run.load(folder)


# -- signals, full disks, modes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_request_to_end_stops_a_training_with_a_checkpoint_as_ctrl_c_does(name, made, tmp_path):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    run = stopped(tmp_path / "run", number)
    assert signal.getsignal(number) == before
    assert not run.finished
    resume(tmp_path / "run", settings=QUIET)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (made / "run" / "model.safetensors").read_bytes()


def test_a_training_behind_nohup_goes_on_when_the_terminal_closes(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert stopped(tmp_path / "run", signal.SIGHUP).finished
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def files_up_to(n_bytes):
    """No file may get longer, as on a disk without room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_room_is_reserved_before_a_file_is_mapped(tmp_path):
    reserve(tmp_path / "x", 1 << 20)
    assert (tmp_path / "x").stat().st_blocks * 512 >= 1 << 20
    documents = PAIRS.document_ids
    vectors = torch.nn.functional.normalize(torch.randn(4_000, 8))
    ids = rw.DualEncoder.from_vectors(PAIRS, torch.eye(12, 8), torch.eye(12, 8))
    owners = [documents[i % 12] for i in range(4_000)]
    with files_up_to(60_000), pytest.raises(WriteError, match="Make room"):
        rw.Index.build(ids, "ivf-sq8", vectors=vectors, owners=owners, lists=4, out=tmp_path / "index")
    assert not list(tmp_path.rglob(".*"))


def test_an_export_on_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path):
    model = rw.DualEncoder.text(PAIRS, "static", dim=8)
    for format in ("onnx", "sentence-transformers"):
        for room in (0, 300, 2_000):
            with files_up_to(room), pytest.raises(WriteError, match=r"model could not be written: .*Make room"):
                rw.export(model, tmp_path / "model", format)
            assert list(tmp_path.iterdir()) == []


def test_a_group_that_may_read_a_run_may_read_its_vectors(tmp_path):
    before = os.umask(0o027)
    try:
        folder = rw.DualEncoder.lookup(PAIRS, 8).save(tmp_path / "model")
    finally:
        os.umask(before)
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == dict.fromkeys(
        [path.name for path in folder.iterdir()], "0o640"
    )


@pytest.mark.parametrize(("to", "status"), [(">&-", 0), ("> /dev/full", 2)])
def test_closed_and_full_output_end_quietly(to, status, made):
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m rootward info {made / 'run'} --json {to}"], capture_output=True, text=True
    )
    said = "" if status == 0 else "Error: Standard output could not be written: No space left on device.\n"
    assert (done.returncode, done.stderr) == (status, said)


def test_ids_with_a_separator_in_them_are_other_ids():
    def fingerprint(*labels):
        digest = hashlib.sha256()
        Ids(labels).hash_into(digest)
        return digest.hexdigest()

    lists = [
        ("a\x1fb", "c"),
        ("a", "b\x1fc"),
        ("a\x1f", "b"),
        ("a", "\x1fb"),
        ("a\x1e1b", "c"),
        ("a", "b"),
        ("a\x1fb",),
    ]
    assert len({fingerprint(*labels) for labels in lists}) == len(lists)


def test_classifiers_are_bound_to_the_model_of_their_run(copy, tmp_path):
    assert classifier_module._model_of(tmp_path) is None
    assert classifier_module._model_of(copy("run")) == sha256(tmp_path / "run" / "model.safetensors")
    assert folders.sections_in(tmp_path) == ()
