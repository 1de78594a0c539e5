"""`rootward serve` under load: latency, overload, takeovers and a soak, over HTTP on this machine.

    python benchmarks/serve.py ../shared/tasks/naics [--seconds 20] [--reloads 50] [--soak 30] [--keep FOLDER]

Two runs are served, each by one process: WordNet nouns at dim 64 (lookup tables, 82,115 documents), asked for names of
its nodes, and a static text tower on the NAICS task, asked for texts of its test file. Clients are coroutines of this
process, on the same machine, so they share its cores. A request is one text with k = 10 and everything that explains
it.

latency     closed loop: 1 client, then 8 that send the next request once they have the answer
overload    open loop: four times as many requests a second as 8 clients were given, whether or not answers came
reloads     a new run in the watched folder while 4 clients search, two models in turn; an answer counts as mixed if it
            is not, word for word, that of the model of its generation
soak        minutes of 4 clients, slow bodies, connections that are dropped, bodies that are too large and no JSON;
            resident memory of the server at a tenth of the time and at the end

Results go to benchmarks/results/serve.json.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import save

import rootward as rw

Figures = dict[str, Any]


@dataclass
class Outcomes:
    """Answers as they came: status and seconds of each; what became of those that did not."""

    taken: list[tuple[int, float]] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)

    def figures(self, seconds: float) -> Figures:
        good = sorted(took for status, took in self.taken if status == 200)
        statuses = Counter(status for status, _ in self.taken)

        def at(share: float) -> float | None:
            return round(1_000 * good[min(int(share * len(good)), len(good) - 1)], 2) if good else None

        shed = statuses[429] + statuses[503]
        return {
            "answered_per_s": round(len(good) / seconds, 1),
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
            "answered": len(good),
            "shed": shed,
            "errors": len(self.taken) - len(good) - shed + self.failed.total(),
        }


class Connection:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def search(self, text: str, **more: Any) -> tuple[int, bytes]:
        """(status, body) of one text."""
        if self.streams is None:
            self.streams = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.streams
        writer.write(post(json.dumps({"texts": [text], **more}).encode()))
        try:
            return await answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            raise

    def close(self) -> None:
        if self.streams is not None:
            self.streams[1].close()
        self.streams = None


def post(body: bytes, length: int | None = None) -> bytes:
    head = "POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    return f"{head}{len(body) if length is None else length}\r\n\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    return int(head[9:12]), await reader.readexactly(length)


async def one(connection: Connection, text: str, outcomes: Outcomes) -> None:
    """Send one text and note what came of it."""
    began = time.perf_counter()
    try:
        status, _ = await connection.search(text)
        outcomes.taken.append((status, time.perf_counter() - began))
    except (OSError, asyncio.IncompleteReadError) as error:
        outcomes.failed[type(error).__name__] += 1


async def closed_loop(port: int, texts: list[str], clients: int, seconds: float) -> Outcomes:
    """So many clients, each with one request at a time."""
    outcomes, end = Outcomes(), time.perf_counter() + seconds

    async def client(seed: int) -> None:
        draw, connection = random.Random(seed), Connection(port)
        while time.perf_counter() < end:
            await one(connection, draw.choice(texts), outcomes)
        connection.close()

    await asyncio.gather(*map(client, range(clients)))
    return outcomes


async def open_loop(port: int, texts: list[str], per_second: float, seconds: float) -> Outcomes:
    """So many requests a second, answered or not; connections are used again once they are free."""
    outcomes, draw = Outcomes(), random.Random(0)
    free: list[Connection] = []
    running: set[asyncio.Task[None]] = set()

    async def send() -> None:
        connection = free.pop() if free else Connection(port)
        await one(connection, draw.choice(texts), outcomes)
        free.append(connection)

    began, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - began) < seconds:
        while sent < now * per_second:
            task = asyncio.create_task(send())
            running.add(task)
            task.add_done_callback(running.discard)
            sent += 1
        await asyncio.sleep(0.001)
    await asyncio.gather(*running)
    for connection in free:
        connection.close()
    return outcomes


@contextmanager
def served(*arguments: Any) -> Iterator[tuple[int, int]]:
    """(port, process id) of a server that is ready."""
    command = [sys.executable, "-m", "rootward", "serve", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        port = int(process.stderr.readline().rsplit(":", 1)[1])
        while asyncio.run(status_of(port, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")) != 200:
            if process.poll() is not None:
                sys.exit("the server ended")
            time.sleep(0.2)
        os.set_blocking(process.stderr.fileno(), False)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        if process.returncode:
            sys.exit(f"the server ended with {process.returncode}")


async def status_of(port: int, request: bytes) -> int:
    """The status of one answer; 0 for none."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        status, _ = await answer(reader)
        writer.close()
    except (OSError, asyncio.IncompleteReadError):
        return 0
    return status


def memory_of(process: int) -> float:
    """Resident MiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024, 1)


def load_figures(name: str, run: Path, texts: list[str], seconds: float) -> list[Figures]:
    """Latency and overload of one run."""
    rows: list[Figures] = []
    with served(run) as (port, process):
        asyncio.run(closed_loop(port, texts, 8, min(2.0, seconds)))  # warm
        for clients in (1, 8):
            outcomes = asyncio.run(closed_loop(port, texts, clients, seconds))
            rows.append({"run": name, "scene": "latency", "clients": clients, **outcomes.figures(seconds)})
        wanted = 4 * rows[-1]["answered_per_s"]
        outcomes = asyncio.run(open_loop(port, texts, wanted, seconds))
        rows.append({"run": name, "scene": "overload", "sent_per_s": wanted, **outcomes.figures(seconds)})
        rows[-1]["rss_mib"] = memory_of(process)
    return rows


def reload_figures(name: str, runs: tuple[Path, Path], texts: list[str], n: int) -> Figures:
    """New runs taken over while clients search; every answer is compared with that of its generation's model."""
    known = [[json.loads(body)["results"] for body in answers_of(run, texts)] for run in runs]
    outcomes, mixed, generations = Outcomes(), 0, Counter[int]()
    with tempfile.TemporaryDirectory() as folder, served(runs[0], "--watch", folder) as (port, process):
        stop = False

        async def client(seed: int) -> None:
            nonlocal mixed
            draw, connection = random.Random(seed), Connection(port)
            while not stop:
                place, began = draw.randrange(len(texts)), time.perf_counter()
                try:
                    status, body = await connection.search(texts[place])
                except (OSError, asyncio.IncompleteReadError) as error:
                    outcomes.failed[type(error).__name__] += 1
                    continue
                outcomes.taken.append((status, time.perf_counter() - began))
                if status == 200:
                    values = json.loads(body)
                    generations[values["generation"]] += 1
                    mixed += values["results"] != known[(values["generation"] - 1) % 2][place]

        async def reload() -> None:
            nonlocal stop
            for i in range(1, n + 1):
                target, source = Path(folder) / f"run{i}", runs[i % 2]
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("config.json"), copy_function=os.link)
                shutil.copy(source / "config.json", target / "config.json")
                while max(generations, default=0) <= i:
                    await asyncio.sleep(0.05)
                shutil.rmtree(Path(folder) / f"run{i - 1}", ignore_errors=True)
            stop = True

        async def all_of_it() -> None:
            await asyncio.gather(reload(), *map(client, range(4)))

        began = time.perf_counter()
        asyncio.run(all_of_it())
        seconds = time.perf_counter() - began
        rss = memory_of(process)
    figures = outcomes.figures(seconds)
    return {"run": name, "scene": "reloads", "reloads": n, **figures, "mixed": mixed, "rss_mib": rss}


def answers_of(run: Path, texts: list[str]) -> list[bytes]:
    """What a server of one run answers to each text."""

    async def each(port: int) -> list[bytes]:
        connection = Connection(port)
        found = [(await connection.search(text))[1] for text in texts]
        connection.close()
        return found

    with served(run) as (port, _):
        return asyncio.run(each(port))


def soak_figures(name: str, run: Path, texts: list[str], minutes: float) -> Figures:
    """Good clients beside bad ones for a while; memory must not grow."""
    outcomes, bad = Outcomes(), Counter[str]()
    end = 0.0
    memory: list[float] = []

    async def good(port: int, seed: int) -> None:
        draw, connection = random.Random(seed), Connection(port)
        while time.perf_counter() < end:
            await one(connection, draw.choice(texts), outcomes)
            await asyncio.sleep(0.01)
        connection.close()

    async def hostile(port: int, seed: int) -> None:
        draw = random.Random(seed)
        while time.perf_counter() < end:
            kind = draw.choice(("slow", "dropped", "oversized", "no JSON", "half a header"))
            bad[kind] += 1
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                if kind == "slow":
                    body = json.dumps({"texts": [draw.choice(texts)]}).encode()
                    writer.write(post(body[:3], len(body)))
                    await asyncio.sleep(draw.uniform(0.1, 3))
                    writer.write(body[3:])
                    await answer(reader)
                elif kind == "dropped":
                    writer.write(post(b'{"texts": ["a"]}', draw.choice((16, 100))))
                elif kind == "oversized":
                    writer.write(post(b"x" * (1 << 16), 1 << 24))
                    await answer(reader)
                elif kind == "no JSON":
                    writer.write(post(draw.randbytes(200)))
                    await answer(reader)
                else:
                    writer.write(b"POST /v1/search HT")
                    await asyncio.sleep(draw.uniform(0.1, 2))
                writer.close()
            await asyncio.sleep(0.02)

    async def watch(process: int) -> None:
        while time.perf_counter() < end:
            memory.append(memory_of(process))
            await asyncio.sleep(min(1.0, 60 * minutes / 20))

    async def all_of_it(port: int, process: int) -> None:
        nonlocal end
        end = time.perf_counter() + 60 * minutes
        work = [good(port, seed) for seed in range(4)] + [hostile(port, seed) for seed in range(8)]
        await asyncio.gather(watch(process), *work)

    with served(run) as (port, process):
        asyncio.run(all_of_it(port, process))
    figures = outcomes.figures(60 * minutes)
    early = memory[len(memory) // 10]
    return {
        "run": name,
        "scene": "soak",
        "minutes": minutes,
        **figures,
        "hostile": bad.total(),
        "rss_early_mib": early,
        "rss_mib": memory[-1],
        "rss_most_mib": max(memory),
    }


def train(folder: Path, *arguments: Any) -> Path:
    """A run, trained unless it is there."""
    if not (folder / "config.json").is_file():
        command = [sys.executable, "-m", "rootward", "train", *map(str, arguments), "--out", str(folder), "--quiet"]
        subprocess.run(command, check=True)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", type=Path, help="folder of the NAICS task: edges.csv, nodes.csv, train.csv, test.csv")
    parser.add_argument("--seconds", type=float, default=20, help="of each load (default: 20)")
    parser.add_argument("--reloads", type=int, default=50, help="of each run (default: 50)")
    parser.add_argument("--soak", type=float, default=30, help="minutes (default: 30)")
    parser.add_argument("--keep", type=Path, help="folder of the trained runs, used again if they are there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, task = options.keep or Path(temporary), options.task
        labelled = (f"edges:{task}/edges.csv", "--read", f"nodes={task}/nodes.csv", "--labels", f"{task}/train.csv")
        static = (*labelled, "--text", "text", "--node", "node", "--tower", "static")
        runs = {
            "wordnet": [train(folder / f"wordnet-{i}", "wordnet", "--dim", 64, "--seed", i) for i in (0, 1)],
            "naics": [train(folder / f"naics-{i}", *static, "--seed", i) for i in (0, 1)],
        }
        model = rw.DualEncoder.load(runs["wordnet"][0])
        assert model.query_texts is not None
        names = [name for name in model.query_texts.names if name]
        with (task / "test.csv").open(encoding="utf-8", newline="") as file:
            tested = [row["text"] for row in csv.DictReader(file)]
        draw = random.Random(0)
        texts = {"wordnet": draw.sample(names, 500), "naics": draw.sample(tested, 500)}
        figures: list[Figures] = []
        for name, (run, other) in runs.items():
            figures += load_figures(name, run, texts[name], options.seconds)
            figures.append(reload_figures(name, (run, other), texts[name][:100], options.reloads))
            print(json.dumps(figures[-4:], indent=1), flush=True)
        figures.append(soak_figures("wordnet", runs["wordnet"][0], texts["wordnet"], options.soak))
        arguments = f"--seconds {options.seconds:g} --reloads {options.reloads} --soak {options.soak:g}"
        save(
            "serve", f"python benchmarks/serve.py TASKS/naics {arguments}", figures, "clients share the machine's cores"
        )


if __name__ == "__main__":
    main()
