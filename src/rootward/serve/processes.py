"""Processes of a server: one that serves, or several on one socket; and the watch for new runs."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rootward.calibration.calibrate import NAME as CALIBRATION
from rootward.errors import InputError, RootwardError, RunFolderError
from rootward.folders import CLASSIFIER, CONFIG, read_config
from rootward.serve.app import Server, create_app
from rootward.serve.limits import Limits
from rootward.serve.metrics import FOLDER, Metrics
from rootward.serve.runs import ServedRun

_SECONDS_BETWEEN_LOOKS = 0.5
_MOST_CONNECTIONS = 1_000  # of a process
_SECONDS_TO_START = 600


@dataclass(frozen=True)
class Source:
    """Where a run is read, and the name and generation that it is served under."""

    folder: Path
    name: str
    generation: int = 1


@dataclass(frozen=True)
class Options:
    """How to serve.

    Attributes:
        sources: the runs, the default first.
        index: of the first run; None for an exact search of its own vectors.
        encoder: path of the runs' sentence encoder, if it has moved.
        token: bearer token; None for none.
        limits: of a process.
        threads: that search, of a process.
        quiet: no lines on standard error but errors.
    """

    sources: tuple[Source, ...]
    index: Path | None = None
    encoder: str | None = None
    token: str | None = field(default=None, repr=False)
    limits: Limits = field(default_factory=Limits)
    threads: int = 1
    quiet: bool = False

    def load(self, source: Source) -> ServedRun:
        """Read a run; the index is that of the first run as it was at the start."""
        index = self.index if source == self.sources[0] else None
        return ServedRun.load(source.folder, source.name, source.generation, index=index, encoder=self.encoder)


class Watch:
    """Finds runs that appear in a folder.

    A run is complete once it has its `config.json`, the file that is written last, and that says that it is finished.
    What is there at the start counts as known. Of several new ones the last written is taken; a run that is written
    anew in its folder, or gets a classifier or a calibration, is a new one.

    Args:
        folder: holds one folder a run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known = set(self._runs())

    def new(self) -> Path | None:
        """The folder of the newest run that was not there at the last look; None for none."""
        now = self._runs()
        fresh = [mark for mark in now if mark not in self._known]
        self._known = set(now)
        return now[max(fresh)] if fresh else None

    def newest(self) -> Path | None:
        """The folder of the run that was written last; None where there is none."""
        runs = self._runs()
        return runs[max(runs)] if runs else None

    def _runs(self) -> dict[tuple[int, str, int, tuple[int, ...]], Path]:
        """(time of the config, name, inode, times of what may follow it) -> folder of every finished run."""
        found = {}
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.folder):
                with contextlib.suppress(OSError, RunFolderError):  # no run, or one that is being written
                    folder = Path(entry.path)
                    state, config = (folder / CONFIG).stat(), read_config(folder)
                    if "towers" in config and config.get("run", {}).get("finished", True):
                        later = tuple(map(_time_of, (folder / CLASSIFIER / CONFIG, folder / CALIBRATION)))
                        found[(state.st_mtime_ns, entry.name, state.st_ino, later)] = folder
        return found


def _time_of(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


class Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, with an end to connections that send no request.

    uvicorn closes a connection that is silent after an answer, not one that never sends a whole header, and takes any
    number of them.
    """

    header_seconds = 10.0
    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request; refuse more connections than a process should hold."""
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()
            return
        self._await_header()

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; the wait ends with a whole header."""
        super().data_received(data)
        if self._no_request():
            self._await_header()
        elif self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def on_response_complete(self) -> None:
        """Wait for the rest of a request that began to arrive before the answer to the one before it."""
        super().on_response_complete()
        if self._no_request() and self.conn.trailing_data[0]:
            self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait."""
        if self._header_timer is not None:
            self._header_timer.cancel()
        super().connection_lost(exc)

    def _no_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_header(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.header_seconds, self._give_up)

    def _give_up(self) -> None:
        self._header_timer = None
        if self._no_request():
            self.transport.close()


def serve(options: Options, listening: socket.socket, watch: Path | None, workers: int) -> None:
    """Serve until SIGTERM or Ctrl-C; then answer what is in work, and return.

    Args:
        options: see `Options`.
        listening: a bound socket.
        watch: folder in which new runs appear, which the first run is replaced by.
        workers: processes. Each holds tables of its own and shares the pages of mapped vectors with the others.

    Raises:
        RunFolderError, InputError: a run that cannot be loaded.
    """
    if workers == 1:
        changes = None if watch is None else _Changes(options.sources[0], watch)
        _serve_here(options, listening, changes)
    else:
        _Workers(options, listening, watch, workers).run()


class _Changes:
    """The sources that replace the first run, as a watched folder gives them."""

    def __init__(self, first: Source, watch: Path) -> None:
        self.current, self._watch = first, Watch(watch)

    def next(self) -> Source | None:
        """The next source; None while there is no new run."""
        folder = self._watch.new()
        if folder is None:
            return None
        self.current = Source(folder, self.current.name, self.current.generation + 1)
        return self.current


def _serve_here(
    options: Options,
    listening: socket.socket,
    changes: _Changes | _Orders | None,
    started: Callable[[], object] = lambda: None,
) -> None:
    """Serve in this process."""
    runs = {source.name: options.load(source) for source in options.sources}
    server = Server(runs, options.limits, Metrics(), options.threads)
    Protocol.header_seconds = options.limits.seconds
    config = uvicorn.Config(
        create_app(server, options.token),
        http=Protocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=int(options.limits.seconds) + 1,
        backlog=1_024,
    )
    stop = threading.Event()
    if changes is not None:
        threading.Thread(target=_follow, args=(changes, server, options, stop), daemon=True, name="watch").start()
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises the signal again once it has stopped
    started()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        stop.set()


def _follow(changes: _Changes | _Orders, server: Server, options: Options, stop: threading.Event) -> None:
    """Load each new run beside the one that is served, then serve it."""
    while not stop.wait(_SECONDS_BETWEEN_LOOKS):
        source = changes.next()
        if source is None:
            continue
        try:
            run = options.load(source)
        except (RootwardError, OSError, KeyError, ValueError) as error:
            server.metrics.takeovers.labels("failed").inc()
            print(f"{source.folder} is left out, and the run before it serves on: {error}", file=sys.stderr, flush=True)
            continue
        server.take_over(run)
        server.metrics.takeovers.labels("done").inc()
        if not options.quiet:
            print(f"Took over {source.folder} as {run.name}, generation {run.generation}.", file=sys.stderr, flush=True)


# -- several processes -------------------------------------------------------------------------------------------------


class _Orders:
    """The sources that a parent process sends to a worker."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def next(self) -> Source | None:
        """The last source that was sent; None for none. The process ends with its parent."""
        found = None
        try:
            while self._pipe.poll():
                found = self._pipe.recv()
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGTERM)
        return found


def _worker(options: Options, listening: socket.socket, pipe: Connection, n: int) -> None:
    """What one of n worker processes does: send None once it serves, or the message of what prevents it."""
    torch.set_num_threads(max(1, torch.get_num_threads() // n))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and stops its workers
    try:
        _serve_here(options, listening, _Orders(pipe), lambda: pipe.send(None))
    except (RootwardError, OSError) as error:
        pipe.send(str(error))


class _Workers:
    """Worker processes on one socket: started, told of new runs, replaced when one dies, stopped together."""

    def __init__(self, options: Options, listening: socket.socket, watch: Path | None, n: int) -> None:
        self._options, self._listening, self._n = options, listening, n
        self._changes = None if watch is None else _Changes(options.sources[0], watch)
        self._spawn = multiprocessing.get_context("spawn")
        self._alive: list[tuple[BaseProcess, Connection]] = []
        self._stopping = False

    def run(self) -> None:
        """Until SIGTERM or Ctrl-C.

        Raises:
            RunFolderError: a worker cannot load a run.
        """
        metrics = tempfile.mkdtemp(prefix="rootward-metrics-")
        os.environ[FOLDER] = metrics
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            for _ in range(self._n):
                self._start()
            for _, pipe in self._alive:
                self._wait_for(pipe)
            while not self._stopping:
                self._look()
        finally:
            for process, _ in self._alive:
                process.terminate()
            for process, _ in self._alive:
                process.join(self._options.limits.seconds + 5)
                if process.is_alive():
                    process.kill()
            shutil.rmtree(metrics, ignore_errors=True)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start(self) -> None:
        options = self._options
        if self._changes is not None:  # a worker that replaces another begins with the run that the others serve
            options = Options(**{**vars(options), "sources": (self._changes.current, *options.sources[1:])})
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(target=_worker, args=(options, self._listening, theirs, self._n))
        process.start()
        theirs.close()
        self._alive.append((process, ours))

    def _wait_for(self, pipe: Connection) -> None:
        """Wait until a worker serves."""
        end = time.monotonic() + _SECONDS_TO_START
        while not pipe.poll(0.2):
            if self._stopping:
                return
            if time.monotonic() > end:
                raise RunFolderError(f"A worker process did not start within {_SECONDS_TO_START} s.")
        try:
            message = pipe.recv()
        except EOFError:
            message = "A worker process ended while it started; see its message above."
        if message is not None:
            raise InputError(message)

    def _look(self) -> None:
        """Wait for a moment; replace workers that have ended, pass on a new run."""
        wait([process.sentinel for process, _ in self._alive], _SECONDS_BETWEEN_LOOKS)
        source = None if self._changes is None else self._changes.next()
        for process, pipe in list(self._alive):
            if not process.is_alive() and not self._stopping:
                print(f"Worker {process.pid} ended ({process.exitcode}); starting another.", file=sys.stderr)
                self._alive.remove((process, pipe))
                time.sleep(1)
                self._start()
            elif source is not None:
                with contextlib.suppress(OSError):
                    pipe.send(source)
