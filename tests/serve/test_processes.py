"""`rootward serve` as a process: takeovers under load, slow clients, a graceful stop, several workers."""

import os
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from rootward.cli.app import app
from rootward.serve.processes import Watch
from serve.conftest import serving, shop, trained
from shoes import EDGES

SLIPPERS = ("slippers", "shoes")
HEAD = b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "


@pytest.fixture(scope="session")
def newer_run(tmp_path_factory):
    """The shop with slippers, which the first run does not know."""
    return trained(tmp_path_factory.mktemp("served") / "newer", tree=shop([*EDGES, SLIPPERS]))


def put(run, folder):
    """Copy a run, its config.json last, as training writes it."""
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("config.json"))
    time.sleep(0.7)  # a look at the folder in between
    shutil.copy(run / "config.json", folder / "config.json")


class Clients:
    """Threads that search without a pause, and what they got."""

    def __init__(self, address, n=4):
        self.answers, self._stop = [], threading.Event()
        self._threads = [threading.Thread(target=self._search, args=(address,)) for _ in range(n)]

    def _search(self, address):
        with httpx.Client(base_url=address, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    response = client.get("/v1/search", params={"q": "boots", "k": 12, "threshold": -9})
                    self.answers.append((response.status_code, response.json()))
                except httpx.HTTPError as error:
                    self.answers.append((0, repr(error)))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def generation_of(client, run="shop"):
    return client.get("/readyz").json()["generations"][run]


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_watch_finds_whole_runs_once(tmp_path, lookup_run, newer_run):
    shutil.copytree(lookup_run, tmp_path / "first")
    watch = Watch(tmp_path)
    assert watch.new() is None
    assert watch.newest() == tmp_path / "first"
    (tmp_path / "file").write_text("no run")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "model.safetensors").write_bytes(b"")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"index": {}}')
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.json").write_text('{"towers": {}, "run": {"finished": false}}')
    assert watch.new() is None
    put(newer_run, tmp_path / "second")
    assert watch.new() == tmp_path / "second"
    assert watch.new() is None
    shutil.rmtree(tmp_path / "first")
    put(newer_run, tmp_path / "first")  # written anew under its name
    assert watch.new() == tmp_path / "first"
    (tmp_path / "second" / "calibration.safetensors").write_bytes(b"")
    assert watch.new() == tmp_path / "second"


def one_of_each(clients):
    """The generations that answered; each answer is wholly of one run, and none failed."""
    assert {status for status, _ in clients.answers} == {200}
    generations = set()
    for _, answer in clients.answers:
        found = {document["id"] for document in answer["results"][0]["documents"]}
        assert ("slippers" in found) == (answer["generation"] > 1)
        generations.add(answer["generation"])
    return generations


def test_new_runs_are_taken_over_under_load_without_a_failed_or_mixed_answer(tmp_path, lookup_run, newer_run):
    with serving(lookup_run, "--watch", tmp_path) as (client, process):
        with Clients(client.base_url) as clients:
            until(lambda: clients.answers)
            put(newer_run, tmp_path / "second")
            until(lambda: generation_of(client) == 2)
            shutil.copytree(newer_run, tmp_path / "damaged", ignore=shutil.ignore_patterns("config.json"))
            (tmp_path / "damaged" / "model.safetensors").write_bytes(b"no tensors")
            shutil.copy(newer_run / "config.json", tmp_path / "damaged" / "config.json")
            until(lambda: 'takeovers_total{outcome="failed"} 1.0' in client.get("/metrics").text)
            assert client.get("/v1/search?q=boots").json()["generation"] == 2
            put(newer_run, tmp_path / "third")
            until(lambda: clients.answers[-1][1].get("generation", 0) > 2)
        assert one_of_each(clients) >= {1, 2}
        assert process.poll() is None


@pytest.mark.slow
def test_several_workers_take_over_and_one_that_dies_is_replaced(tmp_path, lookup_run, newer_run):
    with serving(lookup_run, "--watch", tmp_path, "--workers", 2) as (client, process):
        address = str(client.base_url)
        with Clients(address) as clients:
            until(lambda: clients.answers)
            put(newer_run, tmp_path / "second")
            until(lambda: all(generation_of(httpx.Client(base_url=address)) == 2 for _ in range(8)))
        assert one_of_each(clients) == {1, 2}
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        workers = [each for each in children if "spawn_main" in Path(f"/proc/{each}/cmdline").read_text()]
        assert len(workers) == 2
        os.kill(int(workers[0]), signal.SIGKILL)
        while "starting another" not in process.stderr.readline():
            pass
        for _ in range(10):  # the new worker begins with the run that the others serve
            assert httpx.get(f"{address}/v1/search?q=boots", timeout=60).json()["generation"] == 2
        assert 'route="/v1/search",status="200"' in client.get("/metrics").text


def test_sigterm_answers_what_is_in_work_and_ends_with_0(lookup_run):
    with serving(lookup_run) as (client, process):
        body = b'{"texts": ["boots"]}'
        with socket.create_connection((client.base_url.host, client.base_url.port)) as slow:
            head = (
                f"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            )
            slow.sendall(head.encode() + b"\r\n\r\n" + body[:5])
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{client.base_url}/healthz")
            slow.sendall(body[5:])
            assert slow.recv(100).startswith(b"HTTP/1.1 200")
        assert process.wait(20) == 0


def test_silent_slow_and_oversized_clients_do_not_stop_others(lookup_run):
    with serving(lookup_run, "--timeout", "1", "--in-flight", "2", "--max-body", "2000") as (client, _):
        address = client.base_url.host, client.base_url.port
        slow = {
            "silent": b"",
            "half a header": HEAD,
            "half a body": HEAD + b"100\r\n\r\n{",
            "a large body": HEAD + b"2001\r\n\r\n",
            "half a header again": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /v1",
        }
        sockets = {name: [socket.create_connection(address) for _ in range(5)] for name in slow}
        for name, some in sockets.items():
            for each in some:
                each.sendall(slow[name])
        for _ in range(20):
            assert client.get("/v1/search?q=boots").status_code == 200
        for name, start in (("silent", b""), ("half a body", b"HTTP/1.1 408"), ("a large body", b"HTTP/1.1 413")):
            for each in sockets[name]:
                each.settimeout(10)
                assert each.recv(100).startswith(start)
        for name in ("half a header", "half a header again"):
            for each in sockets[name]:
                each.settimeout(10)
                while each.recv(4_096):
                    pass
        for each in (each for some in sockets.values() for each in some):
            each.close()


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name a run to serve"),
        (("nowhere",), "does not exist"),
        (("RUN", "--token", "NO_SUCH_VARIABLE"), "neither an environment variable nor a file"),
        (("RUN", "--watch", "nowhere"), "is no folder"),
        (("--watch", "EMPTY"), "holds no run yet"),
        (("RUN", "--host", "no.such.host.invalid"), "Cannot listen at"),
    ],
)
def test_what_cannot_be_served_is_said_before_it_is_loaded(tmp_path, lookup_run, arguments, message):
    words = {"RUN": str(lookup_run), "EMPTY": str(tmp_path)}
    result = CliRunner().invoke(app, ["serve", *(words.get(each, each) for each in arguments)])
    assert result.exit_code == 2
    assert message in result.output


@pytest.fixture
def command(monkeypatch):
    """Runs `rootward serve` up to the point where it would load and listen; gives the options."""

    def run(*arguments, env=None):
        found = []
        monkeypatch.setattr("rootward.serve.processes.serve", lambda *given: found.append(given))
        result = CliRunner().invoke(app, ["serve", *map(str, arguments), "--port", "0"], env=env)
        for given in found:
            given[1].close()
        return (found[0][0] if found else None), result

    return run


def test_a_token_from_the_environment_or_a_file_is_never_shown(tmp_path, lookup_run, command):
    (tmp_path / "token").write_text("correct-horse\n")
    for name, env in ((tmp_path / "token", {}), ("SHOP_TOKEN", {"SHOP_TOKEN": "correct-horse"})):
        options, result = command(lookup_run, "--token", name, env=env)
        assert options.token == "correct-horse"
        assert "horse" not in result.output + repr(options)
    (tmp_path / "short").write_text("abc")
    options, result = command(lookup_run, "--token", tmp_path / "short")
    assert options is None
    assert "8 or more ASCII characters" in result.output
    assert "abc" not in result.output


def test_an_open_address_without_a_token_is_told(lookup_run, command):
    assert "--token asks for a token" in command(lookup_run, "--host", "0.0.0.0")[1].output
    assert "--token" not in command(lookup_run)[1].output


def test_the_newest_run_of_a_watched_folder_is_served_under_the_name_of_the_folder(tmp_path, lookup_run, command):
    folder = tmp_path / "models"
    folder.mkdir()
    put(lookup_run, folder / "monday")
    (source,) = command("--watch", folder)[0].sources
    assert (source.folder, source.name, source.generation) == (folder / "monday", "models", 1)


def test_runs_of_one_name_are_told_apart(tmp_path, lookup_run, command):
    shutil.copytree(lookup_run, tmp_path / "shop")
    assert [source.name for source in command(lookup_run, tmp_path / "shop")[0].sources] == ["shop", "shop-2"]
