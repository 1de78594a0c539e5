"""A real Milvus server as a child process, from the `milvus` package: started, killed, started again on the same data.

The package's own starter takes one etcd port for granted and waits a second on each stop; this one lets several
sessions test at once on one machine.
"""

from __future__ import annotations

import ctypes
import lzma
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

INSTALL = "pip install milvus==2.3.5"
START_SECONDS = 120

QUICK = {
    # Waiting times of the server, seconds long by default, that tests would spend asleep ...
    "QUERYCOORD_CHANNELCHECKINTERVAL": "50",
    "QUERYCOORD_SEGMENTCHECKINTERVAL": "50",
    "QUERYCOORD_DISTPULLINTERVAL": "50",
    "QUERYCOORD_CHECKHANDOFFINTERVAL": "200",
    "QUERYCOORD_UPDATENEXTTARGETINTERVAL": "1",
    "DATACOORD_SEGMENT_ASSIGNMENTEXPIRATION": "200",
    "PROXY_TIMETICKINTERVAL": "50",
    # ... and an index also for small sets; below 1,024 documents the server would look at all of them.
    "INDEXCOORD_SEGMENT_MINSEGMENTNUMROWSTOENABLEINDEX": "64",
}


FORGETFUL = {"COMMON_SESSION_TTL": "8"}
"""For a server that is killed and started again: seconds after which the new process takes the old one for dead, 30 by
default. On a machine so busy that a server cannot say that it is alive for so long, it ends itself."""


class NoServerError(RuntimeError):
    """The server cannot run here, and why."""


class MilvusServer:
    """A server over a data folder. `start` and `kill` may follow each other; `uri` stays the same.

    Args:
        folder: where its data are kept.
        programs: where the package's binaries are unpacked, once (250 MB).
        environment: settings of the server, as Milvus reads them.
    """

    def __init__(self, folder: Path, programs: Path, environment: dict[str, str] | None = None) -> None:
        self.folder, self.programs, self.environment = folder, programs, environment or {}
        self.process: subprocess.Popen[bytes] | None = None
        self._config = None
        self._ports: dict[str, int] = {}

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._ports['proxy_port']}"

    def start(self) -> None:
        """Raises NoServerError with the reason where the server does not come up."""
        unpack(self.programs)
        if self._config is None:
            self._configure()
        environment = os.environ | self.environment
        environment |= {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._ports["metrics"]),
            "MILVUS_RUN_DIR": str(self.folder / "run"),
            "ETCD_CONFIG_PATH": str(self.folder / "etcd.yaml"),
            "LD_LIBRARY_PATH": f"{self.programs}:{os.environ.get('LD_LIBRARY_PATH', '')}",
        }
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(self.programs / "milvus"), "run", "standalone"],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for pytest, which stops the server in its own time
                preexec_fn=_die_with_parent,
            )
        self._wait()

    def kill(self) -> None:
        """SIGKILL: what a power cut or an out-of-memory killer does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def stop(self) -> None:
        """Nothing is left running, and no data either."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _configure(self) -> None:
        from milvus import MilvusServerConfig  # noqa: PLC0415

        for part in ("", "run"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        config = MilvusServerConfig(data_dir=str(self.folder))
        names = [name for name in config.configurable_items if name.endswith("_port")]
        self._ports = dict(zip([*names, "metrics", "etcd_peer"], free_ports(len(names) + 2), strict=True))
        config.update(**{name: self._ports[name] for name in names})
        config.resolve()
        client, peer = (f"http://127.0.0.1:{self._ports[name]}" for name in ("etcd_port", "etcd_peer"))
        (self.folder / "etcd.yaml").write_text(
            f"name: default\nlisten-client-urls: {client}\nadvertise-client-urls: {client}\nlisten-peer-urls: {peer}\n"
            f"initial-advertise-peer-urls: {peer}\ninitial-cluster: default={peer}\n"
        )
        self._config = config

    def _wait(self) -> None:
        health, end = f"http://127.0.0.1:{self._ports['metrics']}/healthz", time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise NoServerError(f"the server ended with status {self.process.returncode}: {self._last_words()}")
            try:
                with urllib.request.urlopen(health, timeout=5) as answer:
                    if b"OK" in answer.read():
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.1)
        self.kill()
        raise NoServerError(f"the server did not come up within {START_SECONDS} s: {self._last_words()}")

    def _last_words(self) -> str:
        log = self.folder / "server.log"
        return log.read_text(errors="replace")[-300:].replace("\n", " ") if log.exists() else "it wrote nothing"


def _die_with_parent() -> None:
    """A server must not outlive tests that were killed; 1 is PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def unpack(programs: Path) -> None:
    """The package's binaries, each whole or not there."""
    try:
        import milvus  # noqa: PLC0415
    except ImportError:
        raise NoServerError(f"the server's package is not installed; {INSTALL}") from None
    programs.mkdir(parents=True, exist_ok=True)
    packed = sorted((Path(milvus.__file__).parent / "data" / "bin").glob("*.lzma"), key=lambda p: -p.stat().st_size)
    if not packed:
        raise NoServerError("the milvus package has no server for this platform")

    def one(file: Path) -> None:
        target = programs / file.stem
        if not target.exists():
            partial = target.with_name(f"{file.stem}.{os.getpid()}")
            with lzma.open(file) as source, open(partial, "wb") as sink:
                shutil.copyfileobj(source, sink, 2**20)
            partial.chmod(0o755)
            partial.replace(target)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(one, packed))


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
