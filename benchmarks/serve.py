"""`rootward serve` under load: latency, overload, takeovers and a soak, over HTTP on this machine.

    python benchmarks/serve.py RUN_OR_TASK [--seconds 20] [--reloads 50] [--soak 30] [--scenes latency steady ...]

RUN_OR_TASK is a run, or a folder with edges.csv, nodes.csv, train.csv and test.csv, of which two static text towers are
trained and asked for the texts of test.csv. A run is asked for the names of its queries, or for the column "text" of
--texts FILE; a second run may follow it, for the reloads. Clients are coroutines of this process, on the same machine,
so they share its cores. A request is one text with k = 10 and everything that explains it.

latency     closed loop: 1 client, then 8 that send the next request once they have the answer
steady      8 clients that send --rate requests a second together (default: half of what 8 clients were answered);
            a request's time counts from when it was due, so a server that stalls is not asked less
overload    open loop: four times as many requests a second as 8 clients were answered, whether or not answers came
reloads     a new run in the watched folder while 4 clients search, two models in turn; an answer counts as mixed if it
            is not that of the model of its generation
soak        minutes of 4 clients, slow bodies, connections that are dropped, bodies that are too large and no JSON;
            resident memory of the server at a tenth of the time and at the end

Every scene starts servers of its own and can run alone. All of them together write benchmarks/results/serve.json, one
alone writes serve_SCENE.json.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import save

import rootward as rw

Figures = dict[str, Any]
CLIENTS = 8
MOST_SECONDS_A_RELOAD = 300
READY = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
NOTE = "clients share the machine's cores; times in ms of requests that were answered with 200"


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

        return {
            "answered_per_s": round(len(good) / seconds, 1),
            "p50_ms": at(0.5),
            "p99_ms": at(0.99),
            "statuses": {str(status): n for status, n in sorted(statuses.items())},
            "failed": dict(self.failed),
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


async def one(connection: Connection, text: str, outcomes: Outcomes, due: float | None = None) -> None:
    """Send one text and note what came of it; its time counts from `due`, or from now."""
    began = time.perf_counter() if due is None else due
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


async def steady_load(port: int, texts: list[str], clients: int, per_second: float, seconds: float) -> Outcomes:
    """So many requests a second from so many clients, one at a time; a late one counts from when it was due."""
    outcomes, began = Outcomes(), time.perf_counter()

    async def client(seed: int) -> None:
        draw, connection = random.Random(seed), Connection(port)
        due = began + seed / per_second
        while due < began + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await one(connection, draw.choice(texts), outcomes, due)
            due += clients / per_second
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


@dataclass
class Server:
    """A server in a process of its own."""

    process: subprocess.Popen[bytes]
    errors: Path
    port: int = 0

    def said(self) -> str:
        """What it wrote on standard error."""
        return self.errors.read_text(encoding="utf-8", errors="replace")

    def memory(self) -> float:
        """Resident MiB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return round(next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024, 1)

    def wait_for(self, ready: Callable[[], bool], seconds: float) -> None:
        """Until it is ready; exits if the server ends or takes longer."""
        end = time.perf_counter() + seconds
        while not ready():
            if self.process.poll() is not None or time.perf_counter() > end:
                sys.exit(f"The server did not start: {self.said()[-2_000:]}")
            time.sleep(0.1)


@contextmanager
def served(*arguments: Any) -> Iterator[Server]:
    """A server that is ready. What it says goes to a file: a pipe that nobody reads would stop it once it is full."""
    command = [sys.executable, "-m", "rootward", "serve", *map(str, arguments), "--port", "0"]
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as said:
        with open(said.name, "w", encoding="utf-8") as errors:
            server = Server(subprocess.Popen(command, stderr=errors), Path(said.name))
        try:
            server.wait_for(lambda: " at http" in server.said(), 60)
            server.port = int(server.said().splitlines()[0].rsplit(":", 1)[1])
            server.wait_for(lambda: asyncio.run(status_of(server.port, READY)) == 200, 600)
            yield server
        finally:
            server.process.send_signal(signal.SIGTERM)
            try:
                server.process.wait(60)
            except subprocess.TimeoutExpired:
                server.process.kill()
        if server.process.returncode:
            sys.exit(f"The server ended with {server.process.returncode}: {server.said()[-2_000:]}")


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


# -- scenes ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """What is served and asked, and how much; see the command line."""

    runs: tuple[Path, Path]
    texts: list[str]
    seconds: float
    reloads: int
    soak: float
    rate: float | None

    def capacity(self, port: int) -> float:
        """Requests a second that 8 clients are answered, after a warm-up."""
        asyncio.run(closed_loop(port, self.texts, CLIENTS, min(2.0, self.seconds)))
        seconds = min(5.0, self.seconds)
        answered = asyncio.run(closed_loop(port, self.texts, CLIENTS, seconds)).figures(seconds)["answered_per_s"]
        return max(1.0, float(answered))


def latency(load: Load) -> list[Figures]:
    """1 client and 8, as fast as they are answered."""
    rows = []
    with served(load.runs[0]) as server:
        load.capacity(server.port)
        for clients in (1, CLIENTS):
            outcomes = asyncio.run(closed_loop(server.port, load.texts, clients, load.seconds))
            rows.append({"scene": "latency", "clients": clients, **outcomes.figures(load.seconds)})
            rows[-1]["rss_mib"] = server.memory()
    return rows


def steady(load: Load) -> list[Figures]:
    """8 clients at a rate that the server can keep up with."""
    with served(load.runs[0]) as server:
        rate = load.capacity(server.port) / 2 if load.rate is None else load.rate
        outcomes = asyncio.run(steady_load(server.port, load.texts, CLIENTS, rate, load.seconds))
        figures = {"sent_per_s": round(rate, 1), **outcomes.figures(load.seconds)}
        return [{"scene": "steady", "clients": CLIENTS, **figures, "rss_mib": server.memory()}]


def overload(load: Load) -> list[Figures]:
    """Four times as many requests as can be answered: the rest must be refused at once."""
    with served(load.runs[0]) as server:
        wanted = 4 * load.capacity(server.port)
        outcomes = asyncio.run(open_loop(server.port, load.texts, wanted, load.seconds))
        sent = (len(outcomes.taken) + outcomes.failed.total()) / load.seconds
        figures = {"wanted_per_s": round(wanted, 1), "sent_per_s": round(sent, 1), **outcomes.figures(load.seconds)}
        others = sum(status not in (200, 429, 503) for status, _ in outcomes.taken) + outcomes.failed.total()
        return [{"scene": "overload", **figures, "errors": others, "rss_mib": server.memory()}]


def reloads(load: Load) -> list[Figures]:
    """New runs taken over while clients search; every answer is compared with that of its generation's model."""
    texts = load.texts[:100]
    known = [[json.loads(body)["results"] for body in answers_of(run, texts)] for run in load.runs]
    outcomes, mixed, generations, taken_over = Outcomes(), 0, Counter[int](), list[float]()
    with tempfile.TemporaryDirectory() as folder, served(load.runs[0], "--watch", folder) as server:
        stop = False

        async def client(seed: int) -> None:
            nonlocal mixed
            draw, connection = random.Random(seed), Connection(server.port)
            while not stop:
                place, began = draw.randrange(len(texts)), time.perf_counter()
                try:
                    status, body = await connection.search(texts[place])
                except (OSError, asyncio.IncompleteReadError) as error:
                    outcomes.failed[type(error).__name__] += 1
                    await asyncio.sleep(0.05)
                    continue
                outcomes.taken.append((status, time.perf_counter() - began))
                if status == 200:
                    values = json.loads(body)
                    generations[values["generation"]] += 1
                    mixed += not alike(values["results"], known[(values["generation"] - 1) % 2][place])

        async def reload() -> None:
            nonlocal stop
            for i in range(1, load.reloads + 1):
                began = time.perf_counter()
                put(load.runs[i % 2], Path(folder) / f"run{i}")
                while max(generations, default=0) <= i:
                    if server.process.poll() is not None or time.perf_counter() - began > MOST_SECONDS_A_RELOAD:
                        stop = True
                        sys.exit(
                            f"Reload {i} was not taken over in {MOST_SECONDS_A_RELOAD} s: {server.said()[-2_000:]}"
                        )
                    await asyncio.sleep(0.05)
                taken_over.append(time.perf_counter() - began)
                shutil.rmtree(Path(folder) / f"run{i - 1}", ignore_errors=True)
                if i % 10 == 0:
                    print(f"{i} reloads, {sum(taken_over):.0f} s", file=sys.stderr, flush=True)
            stop = True

        async def all_of_it() -> None:
            await asyncio.gather(reload(), *map(client, range(4)))

        began = time.perf_counter()
        asyncio.run(all_of_it())
        figures = outcomes.figures(time.perf_counter() - began)
        others = len(outcomes.taken) - figures["statuses"].get("200", 0) + outcomes.failed.total()
        return [
            {
                "scene": "reloads",
                "clients": 4,
                "reloads": load.reloads,
                "generations": len(generations),
                "s_to_take_over": round(sum(taken_over) / len(taken_over), 2),
                **figures,
                "errors": others,
                "mixed": mixed if load.runs[0] != load.runs[1] else None,
                "rss_mib": server.memory(),
            }
        ]


def put(run: Path, target: Path) -> None:
    """A run as `train` would write it there: everything, and its `config.json` last and whole.

    Files are hard links where both folders are on one disk.
    """

    def link(source: str, to: str) -> None:
        try:
            os.link(source, to)
        except OSError:
            shutil.copy2(source, to)

    def but_its_config(folder: str, _: list[str]) -> list[str]:
        return ["config.json"] if Path(folder) == run else []  # a classifier's own config is copied

    shutil.copytree(run, target, ignore=but_its_config, copy_function=link)
    shutil.copy(run / "config.json", target / "config.part")
    (target / "config.part").rename(target / "config.json")


def alike(a: Any, b: Any) -> bool:
    """Whether two answers are the same but for the last digits of scores, which depend on who was searched with."""
    if a == b:
        return True
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, abs_tol=1e-4)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    return isinstance(a, list) and isinstance(b, list) and len(a) == len(b) and all(map(alike, a, b))


def answers_of(run: Path, texts: list[str]) -> list[bytes]:
    """What a server of one run answers to each text."""

    async def each(port: int) -> list[bytes]:
        connection = Connection(port)
        found = [(await connection.search(text))[1] for text in texts]
        connection.close()
        return found

    with served(run) as server:
        return asyncio.run(each(server.port))


def soak(load: Load) -> list[Figures]:
    """Good clients beside bad ones for a while; memory must not grow."""
    texts, minutes = load.texts, load.soak
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

    async def watch(server: Server) -> None:
        while time.perf_counter() < end:
            memory.append(server.memory())
            await asyncio.sleep(min(1.0, 60 * minutes / 20))

    async def all_of_it(server: Server) -> None:
        nonlocal end
        end = time.perf_counter() + 60 * minutes
        work = [good(server.port, seed) for seed in range(4)] + [hostile(server.port, seed) for seed in range(8)]
        await asyncio.gather(watch(server), *work)

    with served(load.runs[0]) as server:
        asyncio.run(all_of_it(server))
    figures = outcomes.figures(60 * minutes)
    about = {"scene": "soak", "clients": 4, "minutes": minutes, **figures, "hostile": bad.total()}
    early = memory[len(memory) // 10]
    return [{**about, "rss_early_mib": early, "rss_mib": memory[-1], "rss_most_mib": max(memory)}]


SCENES: dict[str, Callable[[Load], list[Figures]]] = {
    "latency": latency,
    "steady": steady,
    "overload": overload,
    "reloads": reloads,
    "soak": soak,
}


def train(folder: Path, *arguments: Any) -> Path:
    """A run, trained unless it is there."""
    if not (folder / "config.json").is_file():
        command = [sys.executable, "-m", "rootward", "train", *map(str, arguments), "--out", str(folder), "--quiet"]
        subprocess.run(command, check=True)
    return folder


def texts_of(run: Path) -> list[str]:
    """What a run is asked: names of its queries, or their ids."""
    model = rw.DualEncoder.load(run)
    names = () if model.query_texts is None else model.query_texts.names
    return list(dict.fromkeys(filter(str.strip, names))) or list(model.query_ids)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="RUN_OR_TASK", help="a run, or the folder of a task")
    parser.add_argument("other", type=Path, nargs="?", help="of reloads: a second run (default: the same one again)")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES), help="default: all of them")
    parser.add_argument("--seconds", type=float, default=20, help="of each load (default: 20)")
    parser.add_argument("--rate", type=float, help="requests a second of the steady load")
    parser.add_argument("--reloads", type=int, default=50, help="default: 50")
    parser.add_argument("--soak", type=float, default=30, help="minutes (default: 30)")
    parser.add_argument("--texts", type=Path, help="CSV whose column text a run is asked for")
    parser.add_argument("--keep", type=Path, help="folder of a task's trained runs, used again if they are there")
    options = parser.parse_args()
    source, is_run = options.source, (options.source / "config.json").is_file()
    if not is_run and not (source / "edges.csv").is_file():
        parser.error(f"{source} is neither a run nor a folder with edges.csv, nodes.csv, train.csv and test.csv")
    with tempfile.TemporaryDirectory() as temporary:
        if is_run:
            runs = source, options.other or source
        else:
            labelled = (f"edges:{source}/edges.csv", "--read", f"nodes={source}/nodes.csv")
            static = (*labelled, "--labels", f"{source}/train.csv", "--tower", "static")
            folder = options.keep or Path(temporary)
            runs = (train(folder / "0", *static, "--seed", 0), train(folder / "1", *static, "--seed", 1))
        file = options.texts or (None if is_run else source / "test.csv")
        if file is None:
            texts = texts_of(source)
        else:
            with file.open(encoding="utf-8", newline="") as lines:
                texts = [row["text"] for row in csv.DictReader(lines)]
        texts = random.Random(0).sample(texts, min(500, len(texts)))
        load = Load(runs, texts, options.seconds, options.reloads, options.soak, options.rate)
        figures: list[Figures] = []
        for scene in options.scenes:
            figures += [{"run": source.name, **row} for row in SCENES[scene](load)]
            print(json.dumps(figures[-1]), file=sys.stderr, flush=True)
    whole = set(options.scenes) == set(SCENES)
    amounts = f"--seconds {options.seconds:g} --reloads {options.reloads} --soak {options.soak:g}"
    amounts += "" if options.rate is None else f" --rate {options.rate:g}"
    scenes = "" if whole else f" --scenes {' '.join(options.scenes)}"
    command = f"python benchmarks/serve.py {source.name} {amounts}{scenes}"
    save("serve" if whole else f"serve_{'_'.join(options.scenes)}", command, figures, NOTE)


if __name__ == "__main__":
    main()
