"""Attacks on every folder that rootward writes: writers are killed, two of them race, files are damaged.

    python benchmarks/attack.py [--scale 0.1] [--seed 0] [--part kills --part races --part corruptions --part readers]

Every case runs in a process of its own, forked from one that has everything loaded, and ends as one of

    detected     an error of ours
    harmless     the same answers as before, or all that was written is there
    WRONG        other answers, a lost commit, a mixture, something left over
    traceback    an error that is not ours
    crash        a signal ended the process
    hang         nothing after 20 seconds

The last four are faults: each is printed with what repeats it, and the exit status is 1. At scale 1 there are 500
kills, 4 races of every pair of writing verbs, 5,000 corruptions, and 20,000 mutants of files for every reader.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import random
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from fuzz_readers import READERS, fuzz
from safetensors.torch import load_file

import rootward as rw
from rootward import folders
from rootward.classification import Classifier
from rootward.errors import RootwardError
from rootward.folders import REPORT, add_file
from rootward.growth.runs import grow_run
from rootward.ids import Ids
from rootward.texts import Texts
from rootward.training import resume, train

QUIET = rw.Settings(progress=False)
ENGINES = ("exact", "ivf", "ivf-sq8", "hnsw")
HANG_SECONDS = 20.0
MORE_MEMORY = 3 << 30  # bytes of addresses beyond what the process has: mapped files count too
FAULTS = ("WRONG", "traceback", "crash", "hang")


# -- cases in a process of their own -------------------------------------------------------------------------------


class Ended(NamedTuple):
    """How a case ended: what it returned, or the kind of error and its text."""

    how: str
    what: Any = None


def isolated(case: Callable[[], Any], kill_after: float | None = None) -> Ended:
    """Run a case in a forked process: "value", "ours", "traceback", "killed", "crash" or "hang"."""
    return collected(started(case), kill_after)


def started(case: Callable[[], Any]) -> tuple[int, int]:
    """Start a case; its process and where it answers."""
    sys.stdout.flush()
    there, answer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(answer)
        return pid, there
    os.close(there)
    try:
        devnull = os.open(os.devnull, os.O_RDWR)
        os.dup2(devnull, 1)
        os.dup2(devnull, 2)
        with open("/proc/self/statm", encoding="ascii") as file:
            addresses = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (addresses + MORE_MEMORY, addresses + MORE_MEMORY))
        try:
            found = Ended("value", case())
        except RootwardError as error:
            found = Ended("ours", f"{type(error).__name__}: {error}")
        except BaseException as error:
            found = Ended("traceback", f"{type(error).__name__}: {error}")
        with os.fdopen(answer, "wb") as pipe:
            pipe.write(pickle.dumps(tuple(found)))
    finally:
        os._exit(0)


def collected(process: tuple[int, int], kill_after: float | None = None) -> Ended:
    """Wait for a case to end."""
    pid, there = process
    began, text = time.monotonic(), b""
    with os.fdopen(there, "rb", buffering=0) as pipe:  # ends with the process
        while True:
            left = HANG_SECONDS - (time.monotonic() - began)
            if kill_after is not None:
                left = min(left, max(0.0, kill_after - (time.monotonic() - began)))
            if select.select([pipe], [], [], left)[0]:
                if not (block := pipe.read(1 << 20)):
                    break
                text += block
                continue
            os.kill(pid, signal.SIGKILL)
            if kill_after is None:
                os.waitpid(pid, 0)
                return Ended("hang")
            kill_after = None
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return Ended("killed" if os.WTERMSIG(status) == signal.SIGKILL else "crash", os.WTERMSIG(status))
    return Ended(*pickle.loads(text)) if text else Ended("crash", "no answer")


# -- what is written -----------------------------------------------------------------------------------------------

EDGES = [("shoes", "")] + [(f"kind {i}", "shoes") for i in range(4)]
EDGES += [(f"model {i}", f"kind {i % 4}") for i in range(16)] + [(f"shoe {i}", f"model {i % 16}") for i in range(48)]
LATER = [*EDGES, *((f"new shoe {i}", f"model {i}") for i in range(4))]
RECIPE = rw.recipes.decoupled(steps=12, validate_every=4, batch_size=16)


def labelled() -> rw.Pairs:
    """Two kinds of things with texts that people use for them."""
    parents = {"all": None, "boots": "all", "saws": "all"}
    words = {"boots": "leather winter ankle hiking rubber work red", "saws": "hand band hack coping circular chain big"}
    texts = [(f"{a} {b} {node[:-1]}", node) for node, some in words.items() for a in some.split() for b in some.split()]
    ids, rows, documents, distances = list(parents), [], [], []
    for row, node in enumerate([*ids, *(node for _, node in texts)]):
        up: str | None = node
        hops = 0
        while up is not None:
            rows.append(row)
            documents.append(ids.index(up))
            distances.append(hops)
            up, hops = parents[up], hops + 1
    names = (*ids, *(text for text, _ in texts))
    read = Texts(names, ((),) * len(names), ("",) * len(names))
    queries = Ids([*ids, *(f"text {i}" for i in range(len(texts)))])
    arrays = np.array(rows), np.array(documents), np.array(distances)
    few = read.take(np.arange(len(ids)))
    return rw.Pairs.from_arrays(queries, Ids(ids), *arrays, query_texts=read, document_texts=few)


class Shop:
    """Every artefact, made once below `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.pairs = rw.Hierarchy.from_edges(EDGES).pairs()
        self.later = rw.Hierarchy.from_edges(LATER).pairs()
        self.texts = labelled()
        self.table = home / "table.csv"
        rows = (f"{q},{d},{h}" for q, d, h in triples(self.pairs))
        self.table.write_text("query,document,distance\n" + "\n".join(rows) + "\n", encoding="utf-8")
        self.run, self.half = home / "run", home / "half"
        self.trained(self.run)
        rw.calibrate(rw.DualEncoder.load(self.run), self.pairs, progress=False).save(self.run)
        self.interrupted(self.half)
        self.model = rw.DualEncoder.load(self.run)
        self.text_run = home / "text"
        Classifier.fit(self.texts, recipe=RECIPE, dim=8, out=self.text_run, settings=QUIET)
        for engine in ENGINES:
            self.built(home / engine, engine)
        self.on_disk(home / "pairs")
        self.exported(home / "onnx")

    def trained(self, out: Path) -> None:
        train(rw.DualEncoder.lookup(self.pairs, 8), self.pairs, RECIPE, out=out, settings=QUIET)

    def interrupted(self, out: Path) -> None:
        """A run that is stopped after 6 of 12 steps, its checkpoint at step 6."""
        from rootward.training.session import Display  # noqa: PLC0415

        plain = Display.stepped

        def stop(self: Display, stage: Any, step: int, loss: float) -> None:
            if step == 6:
                os.kill(os.getpid(), signal.SIGTERM)

        Display.stepped = stop  # type: ignore[method-assign]
        try:
            self.trained(out)
        finally:
            Display.stepped = plain  # type: ignore[method-assign]

    def resumed(self, folder: Path) -> None:
        resume(folder, settings=QUIET)

    def grown(self, out: Path) -> None:
        grow_run(rw.Run.load(self.run), self.later, out, progress=False)

    def saved(self, out: Path) -> None:
        self.model.save(out)

    def calibrated(self, folder: Path) -> None:
        model = rw.DualEncoder.load(folder)
        rw.calibrate(model, self.pairs, progress=False).save(folder)

    def reported(self, folder: Path) -> None:
        report = rw.Run.load(folder).report
        if report is None:
            raise RootwardError(f"{folder} has no report to replace.")
        add_file(folder, REPORT, lambda path: path.write_text(report.to_json(), encoding="utf-8"), "attack")

    def built(self, out: Path, engine: str = "exact") -> None:
        options = {} if engine in ("exact", "hnsw") else {"lists": 4}
        calibration = rw.Calibration.load(self.run)
        rw.Index.build(self.model, engine, hierarchy=self.pairs, out=out, **options)
        index = rw.Index.load(out).calibrated(calibration)
        index.commit()

    def committed(self, folder: Path, name: str = "extra") -> None:
        index = rw.Index.load(folder)
        vectors = torch.randn(5, 8, generator=torch.Generator().manual_seed(len(name)))
        index.upsert([f"{name} {i}" for i in range(5)], vectors)
        index.commit()

    def on_disk(self, out: Path) -> None:
        rw.Pairs.from_table(self.table, on_disk=out)

    def exported(self, out: Path) -> None:
        rw.export(rw.Run.load(self.text_run), out, "onnx")


def triples(pairs: rw.Pairs) -> Iterator[tuple[str, str, int]]:
    for query, document, hops in zip(pairs.query_of, pairs.documents, pairs.distances, strict=True):
        yield pairs.query_ids[int(query)], pairs.document_ids[int(document)], int(hops)


# -- what a folder answers -----------------------------------------------------------------------------------------


def digest(*values: Any) -> str:
    """Sixteen digits of values and arrays."""
    found = hashlib.sha256()
    for value in values:
        array = value.numpy() if isinstance(value, torch.Tensor) else value
        found.update(np.ascontiguousarray(array).tobytes() if isinstance(array, np.ndarray) else repr(array).encode())
    return found.hexdigest()[:16]


def answers(folder: Path) -> dict[str, str | None]:
    """What a folder of any kind answers, by part; None for a part that may be missing, and is."""
    if any((folder / name).exists() for name in (folders.SUMS, folders.SEAL, "query.onnx")):
        command = ["sha256sum", "--check", "--strict", folders.SEAL, folders.SUMS]  # as docs/files.md tells users
        checked = subprocess.run(command, cwd=folder, capture_output=True)
        if checked.returncode:
            raise RootwardError(checked.stdout.decode(errors="replace"))
        names = sorted(path.name for path in folder.iterdir() if path.name not in (folders.SEAL, folders.SUMS))
        return {"files": digest(names, *((folder / name).read_bytes() for name in names))}
    sections = folders.read_config(folder)
    if "index" in sections:
        return index_answers(folder)
    if "pairs" in sections:
        pairs = rw.Pairs.load(folder)
        arrays = pairs.offsets, pairs.documents, pairs.distances, pairs.generality, pairs.heights
        ids = [tuple(pairs.query_ids), tuple(pairs.document_ids), pairs.document_ids.rows(["shoes", "shoe 7"]).tolist()]
        return {"pairs": digest(*arrays, ids, pairs.notes)}
    if "run" not in sections:
        return {"model": rw.DualEncoder.load(folder).fingerprint()}
    run = rw.Run.load(folder)
    model, parts = run.model, {}
    parts["model"] = digest(
        model.fingerprint(), model.thresholds, model.generality, model.heights, run.seed, run.recipe
    )
    parts["pairs"] = digest(*triples(run.pairs))
    parts["report"] = None if run.report is None else digest(run.report.model_dump())
    parts["log"] = digest(run.history) if run.history else None
    parts["calibration"] = None
    if (folder / "calibration.safetensors").is_file():
        calibration = rw.Calibration.load(folder)
        assert calibration.fingerprint == model.fingerprint() or calibration.report is not None
        parts["calibration"] = digest(calibration._about(), *calibration._tensors().values())
    if (folder / "classifier").is_dir():
        named = Classifier.load(run)
        parts["classifier"] = digest(
            [named.answer(text) for text in ("red boot", "big hand saw", "zebra")], named.about
        )
    return parts


def index_answers(folder: Path) -> dict[str, str | None]:
    """Of an index: searches, answer sets, and a filtered search."""
    index = rw.Index.load(folder)
    vectors = torch.randn(8, 8, generator=torch.Generator().manual_seed(5))
    hits = [index.search(vectors, 5), index.answers(vectors), index.search(vectors, 3, where=rw.Filter.below("shoes"))]
    found = [value for each in hits for value in (each.ids, np.concatenate(each.scores))]
    return {"index": digest(*found, tuple(index.document_ids), index.heights, index.fingerprint)}


TIMES = {"seconds", "wall_seconds", "train_seconds", "pairs_per_second", "date"}
"""Keys of JSON objects that differ by nature: what took how long, and when."""
OVER_TIMES = {"sha256", "check", "files", "generation"}
"""Keys with checksums of files with times in them, and how often a folder was written."""


def bits(folder: Path) -> dict[str, str]:
    """The bytes of every file by its name, without generations; of JSON without times, of a checkpoint its tensors."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = re.sub(r"-\d{4,9}\.", ".", str(path.relative_to(folder)))
        if path.suffix in (".json", ".jsonl"):
            lines = path.read_text(encoding="utf-8").splitlines() if path.suffix == ".jsonl" else [path.read_bytes()]
            found[name] = digest(*(without_times(json.loads(line)) for line in lines))
        elif path.parent.name == "checkpoints":
            found[name] = digest(*(value for pair in sorted(load_file(path).items()) for value in pair))
        else:
            found[name] = digest(path.read_bytes())
    return found


def without_times(value: Any) -> Any:
    """A JSON value without what differs by nature; names of files without their generation."""
    if isinstance(value, dict):
        return {key: without_times(each) for key, each in sorted(value.items()) if key not in TIMES | OVER_TIMES}
    if isinstance(value, list):
        return [without_times(each) for each in value]
    return re.sub(r"-\d{4,9}\.", ".", value) if isinstance(value, str) else value


def left_over(folder: Path) -> list[str]:
    """Files that a finished writer should not have left."""
    here = [path.name for path in folder.rglob(".*")] if folder.is_dir() else []
    return here + [path.name for path in folder.parent.glob(f".{folder.name}.rootward-*")]


# -- kills ---------------------------------------------------------------------------------------------------------

Fault = tuple[str, str, str]


def kills(shop: Shop, scale: float, rng: random.Random) -> tuple[Counter[str], list[Fault]]:
    """Kill a writer, most often just before a rename, unlink or link; read; write again: the same bits as never killed.

    Times and the number of the generation differ by nature; everything else must not: see `bits`.
    """
    verbs: dict[str, tuple[Path | None, Callable[[Path], None]]] = {
        "train": (None, shop.trained),
        "resume": (shop.half, shop.resumed),
        "grow": (None, shop.grown),
        "save": (None, shop.saved),
        "calibrate": (shop.run, shop.calibrated),
        "report": (shop.run, shop.reported),
        "pairs": (None, shop.on_disk),
        "export": (None, shop.exported),
        **{f"build {engine}": (None, lambda out, engine=engine: shop.built(out, engine)) for engine in ENGINES},
        **{f"commit {engine}": (shop.home / engine, shop.committed) for engine in ENGINES},
    }
    counts: Counter[str] = Counter()
    faults: list[Fault] = []
    once = {name: writes_of(shop, start, verb) for name, (start, verb) in verbs.items()}
    for case in range(max(len(verbs), round(500 * scale))):
        name = list(verbs)[case % len(verbs)]
        start, verb = verbs[name]
        folder = shop.home / "victim"
        place(start, folder)
        n_calls, seconds, final = once[name]
        at = rng.randrange(n_calls) if case % 3 else None
        ended = isolated(
            lambda folder=folder, verb=verb, at=at: dying(verb, folder, at),
            None if at is not None else rng.uniform(0, seconds),
        )
        where = f"{name}, killed {'at some time' if at is None else f'before call {at} of {n_calls}'}"
        how, why = after_kill(folder, start, verb, name, ended, final)
        counts[how] += 1
        if how in FAULTS:
            faults.append((how, where, why))
    return counts, faults


def place(start: Path | None, folder: Path) -> None:
    """Begin with a copy of a folder, or with none."""
    shutil.rmtree(folder, ignore_errors=True)
    if start is not None:
        shutil.copytree(start, folder)


CALLS = ("replace", "rename", "unlink", "remove", "link")


def dying(verb: Callable[[Path], None], folder: Path, at: int | None) -> int:
    """Write a folder, and die before the call of this number; without one, how many calls there were."""
    n = 0

    def counted(plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal n
            if n == at:
                os.kill(os.getpid(), signal.SIGKILL)
            n += 1
            return plain(*arguments, **more)

        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))
    verb(folder)
    return n


def writes_of(shop: Shop, start: Path | None, verb: Callable[[Path], None]) -> tuple[int, float, dict[str, str]]:
    """How many renames and the like a verb takes, how long, and the bits of the folder then."""
    folder = shop.home / "whole"
    place(start, folder)
    began = time.monotonic()
    ended = isolated(lambda: dying(verb, folder, None))
    assert ended.how == "value", ended
    return ended.what, time.monotonic() - began, isolated(lambda: whole(folder)).what


def whole(folder: Path) -> dict[str, str]:
    """The bits of a folder that can be read; an index with calibrations beside it is still one."""
    answers(folder)
    return bits(folder)


def after_kill(
    folder: Path,
    start: Path | None,
    verb: Callable[[Path], None],
    name: str,
    ended: Ended,
    final: dict[str, str],
) -> tuple[str, str]:
    """Read what a killed writer has left, write again unless all is written, and compare every bit."""
    if ended.how not in ("killed", "value"):
        return ended.how if ended.how in FAULTS else "traceback", str(ended.what)
    read = isolated(lambda: answers(folder))
    if read.how in FAULTS:
        return read.how, f"read: {read.what}"
    if start is not None and read.how != "value":
        return "WRONG", f"the folder that it had is gone: {read.what}"
    done = name.startswith("commit") and read.how == "value" and isolated(lambda: bits(folder)).what == final
    again = Ended("value") if done else isolated(lambda: verb(folder))
    if again.how == "ours" and (
        "holds a run already" in again.what or "is finished" in again.what or "there already" in again.what
    ):
        if "holds a run already" in again.what and read.how == "value":
            again = isolated(lambda: resume(folder, settings=QUIET))
            if again.how == "ours" and "is finished" in again.what:
                again = Ended("value")
        else:
            again = Ended("value")
    if again.how != "value":
        return "WRONG" if again.how == "ours" else again.how, f"write again: {again.what}"
    last = isolated(lambda: whole(folder))
    if last.how != "value":
        return "WRONG" if last.how == "ours" else last.how, f"read again: {last.what}"
    if other := sorted(name for name in final.keys() | last.what.keys() if final.get(name) != last.what.get(name)):
        return "WRONG", f"other bits than without the kill: {', '.join(other)}"
    if some := left_over(folder):
        return "WRONG", f"left over: {some}"
    return "harmless" if read.how == "value" else "detected", ""


# -- races ---------------------------------------------------------------------------------------------------------


def races(shop: Shop, scale: float, rng: random.Random) -> tuple[Counter[str], list[Fault]]:
    """Two writers on one folder, every pair of verbs: the folder is whole, and what was said to be written is there."""
    verbs: dict[str, tuple[Path | None, Callable[[Path], None]]] = {
        "train": (None, shop.trained),
        "grow": (None, shop.grown),
        "save": (None, shop.saved),
        "pairs": (None, shop.on_disk),
        "export": (None, shop.exported),
        "build": (None, shop.built),
        "commit": (shop.home / "exact", shop.committed),
        "resume": (shop.half, shop.resumed),
        "calibrate": (shop.run, shop.calibrated),
        "report": (shop.run, shop.reported),
    }
    counts: Counter[str] = Counter()
    faults: list[Fault] = []
    names = list(verbs)
    pairs = [(one, two) for place_, one in enumerate(names) for two in names[place_:]]
    for _ in range(max(1, round(4 * scale))):
        for one, two in pairs:
            start = verbs[one][0] or verbs[two][0]
            folder = shop.home / "contested"
            place(start, folder)
            first, second = (
                started(partial(slowly, shop, verbs[name][1], name, folder, rng.random(), mark))
                for name, mark in ((one, "a"), (two, "b"))
            )
            ends = collected(first), collected(second)
            how, why = after_race(folder, (one, two), ends)
            counts[how] += 1
            if how in FAULTS:
                faults.append((how, f"{one} and {two}", why))
    return counts, faults


def slowly(shop: Shop, verb: Callable[[Path], None], name: str, folder: Path, seed: float, mark: str) -> None:
    """Write a folder with pauses before renames, so that two writers meet everywhere."""
    rng = random.Random(seed)
    plain = os.replace

    def late(*arguments: Any, **more: Any) -> None:
        time.sleep(rng.choice((0, 0, 0.01, 0.05)))
        plain(*arguments, **more)

    os.replace = late
    time.sleep(rng.choice((0, 0, 0.02)))
    if name == "commit":
        shop.committed(folder, mark)
    else:
        verb(folder)


def after_race(folder: Path, names: tuple[str, str], ends: tuple[Ended, Ended]) -> tuple[str, str]:
    """Whether the folder is whole, and has what was said to be written."""
    for name, ended in zip(names, ends, strict=True):
        if ended.how not in ("value", "ours"):
            return ended.how if ended.how in FAULTS else "crash", f"{name}: {ended.what}"
    read = isolated(lambda: answers(folder))
    told = "; ".join(f"{name}: {ended.what or 'done'}" for name, ended in zip(names, ends, strict=True))
    if read.how != "value" and (read.how != "ours" or any(ended.how == "value" for ended in ends)):
        return "WRONG" if read.how == "ours" else read.how, f"{read.what}; {told}"
    if names == ("commit", "commit"):
        done = sum(ended.how == "value" for ended in ends)
        n = isolated(lambda: len(rw.Index.load(folder)))
        if n.what != len(EDGES) + 5 * done:
            return "WRONG", f"{n.what} documents after {done} commits"
    if some := left_over(folder):
        return "WRONG", f"left over: {some}; {told}"
    return ("detected" if any(ended.how == "ours" for ended in ends) else "harmless"), ""


# -- corruptions ---------------------------------------------------------------------------------------------------


def corruptions(shop: Shop, scale: float, rng: random.Random) -> tuple[Counter[str], list[Fault]]:
    """Flip a bit or a digit, cut off, swap or delete files of every artefact: the same answers, or an error of ours."""
    artefacts = [shop.run, shop.text_run, shop.half, *(shop.home / engine for engine in ENGINES)]
    artefacts += [shop.home / "pairs", shop.home / "pairs", shop.home / "onnx"]
    counts: Counter[str] = Counter()
    faults: list[Fault] = []
    before = {folder: isolated(lambda folder=folder: whole_answers(shop, folder, folder)) for folder in artefacts}
    for folder, ended in before.items():
        assert ended.how == "value", (folder, ended)
    for case in range(max(len(artefacts), round(5_000 * scale))):
        folder = artefacts[case % len(artefacts)]
        victim = shop.home / "damaged"
        place(folder, victim)
        what = damage(victim, rng)
        folders._LARGE = rng.choice((1, 1 << 22))  # compared in a thread, as the files of large folders are
        ended = isolated(lambda victim=victim, folder=folder: whole_answers(shop, victim, folder))
        how, why = judged(ended, before[folder].what)
        counts[how] += 1
        if how in FAULTS:
            faults.append((how, f"{folder.name}: {what}", why))
    return counts, faults


def whole_answers(shop: Shop, folder: Path, of: Path) -> dict[str, str | None]:
    """What a folder answers; of an unfinished run also the bits that it ends with."""
    found = answers(folder)
    if of != shop.half:
        return found
    copy = folder.with_name("resumed")
    place(folder, copy)
    resume(copy, settings=QUIET)
    final = rw.DualEncoder.load(copy)
    return {**found, "resumed": digest(final.fingerprint(), final.thresholds)}


def damage(folder: Path, rng: random.Random) -> str:
    """Damage one file, or two; says how."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    path = rng.choice(files)
    name, data = str(path.relative_to(folder)), bytearray(path.read_bytes())
    kind = rng.choice(("flip", "flip", "flip", "digit", "cut", "swap", "delete", "zeros"))
    digits = [place_ for place_, byte in enumerate(data) if chr(byte).isdigit()] if kind == "digit" else []
    if kind == "delete":
        path.unlink()
        return f"{name} deleted"
    if kind == "swap":
        other = rng.choice(files)
        path.write_bytes(other.read_bytes())
        other.write_bytes(data)
        return f"{name} swapped with {other.relative_to(folder)}"
    if kind == "cut":
        n = rng.randrange(len(data))
        path.write_bytes(data[:n])
        return f"{name} cut to {n} of {len(data)} bytes"
    at = rng.choice(digits) if digits else rng.randrange(len(data))
    if digits:
        data[at] = ord(rng.choice([each for each in "0123456789" if each != chr(data[at])]))
    elif kind == "zeros":
        data[at : at + 16] = bytes(len(data[at : at + 16]))
    else:
        data[at] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return f"{name}, byte {at}: {kind}"


def judged(ended: Ended, before: dict[str, str | None]) -> tuple[str, str]:
    """What became of a damaged artefact."""
    if ended.how == "ours":
        return "detected", ""
    if ended.how != "value":
        return ended.how if ended.how in FAULTS else "crash", str(ended.what)
    other = [name for name, value in ended.what.items() if value not in (None, before.get(name))]
    return ("WRONG", f"other answers: {', '.join(other)}") if other else ("harmless", "")


def readers(shop: Shop, scale: float, rng: random.Random) -> tuple[Counter[str], list[Fault]]:
    """20,000 mutants of small valid files for every reader: read, or refused by an error of ours."""
    counts: Counter[str] = Counter()
    faults: list[Fault] = []
    seed = rng.randrange(1 << 30)
    for reader in READERS:
        found = fuzz(reader, max(1, round(20_000 * scale)), seed)
        counts += found.outcomes
        faults += [(how, f"{reader}, mutant {number} of seed {seed}", why) for number, how, why in found.fell]
    return counts, faults


# A part takes the artefacts, the scale and random numbers, and gives counts by outcome and its faults.
PARTS: dict[str, Callable[[Shop, float, random.Random], tuple[Counter[str], list[Fault]]]] = {
    "kills": kills,
    "races": races,
    "corruptions": corruptions,
    "readers": readers,
}


def main() -> int:
    """Run the parts; 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.1, help="share of the cases of a full run (default: 0.1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", action="append", choices=list(PARTS), help="may be repeated; default: all")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    import faiss  # noqa: PLC0415

    faiss.omp_set_num_threads(1)
    found: dict[str, Any] = {"seed": options.seed, "scale": options.scale}
    n_faults = 0
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk in memory, which flushes in no time
    with tempfile.TemporaryDirectory(prefix="rootward-attack-", dir=memory) as home:
        began = time.monotonic()
        shop = Shop(Path(home))
        print(f"artefacts: {time.monotonic() - began:.0f} s", flush=True)
        for name in options.part or PARTS:
            began = time.monotonic()
            counts, faults = PARTS[name](shop, options.scale, random.Random(f"{options.seed} {name}"))
            seconds = round(time.monotonic() - began)
            print(f"{name}: {sum(counts.values()):,} cases, {seconds} s: {dict(counts)}", flush=True)
            for how, where, why in faults:
                print(f"  {how}: {where}: {why[:300]}", flush=True)
            found[name] = {**counts, "seconds": seconds}
            n_faults += len(faults)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print("no faults" if not n_faults else f"{n_faults} faults")
    return int(n_faults > 0)


if __name__ == "__main__":
    sys.exit(main())
