"""From a run to a service: `rootward serve`, requests by httpx, and a newer run taken over while requests run.

    python examples/backend.py [FOLDER]     # default: tutorial-backend

The taxonomy is real: the 520 vehicles of WordNet. It needs the extras `serve` and `plots`, httpx, and no network but
this machine's own. docs/tutorial-backend.md shows what it prints.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

import rootward as rw
from rootward.plots import figure_at, save_figure

STEPS = 100
MISSING = "electric.n.01"
"""The electric car, which the first run does not know."""


def train(tree: rw.Hierarchy, out: Path) -> None:
    """Train a model that reads texts on the names and synonyms of a taxonomy."""
    named = tree.pairs().by_name()
    model = rw.DualEncoder.text(named, dim=64)
    settings = rw.Settings(progress=False)
    rw.train(model, named, rw.recipes.decoupled(steps=STEPS), out=out, settings=settings)


def is_ready(client: httpx.Client) -> bool:
    """Whether the server listens and has loaded its run."""
    try:
        return client.get("/readyz").status_code == 200
    except httpx.ConnectError:
        return False


@contextmanager
def serving(models: Path) -> Iterator[httpx.Client]:
    """A client of `rootward serve --watch models` on a free port, once it is ready; it is stopped by SIGTERM."""
    command = [sys.executable, "-m", "rootward", "serve", "--watch", str(models), "--port", "0"]
    print(f"\n$ rootward serve --watch {models.name} --port 0", flush=True)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"http://\S+", line):
                break
        else:
            raise SystemExit("The server ended before it listened.")
        threading.Thread(target=process.stderr.read, daemon=True).start()  # so that its messages never fill the pipe
        with httpx.Client(base_url=found[0], timeout=30) as client:
            while not is_ready(client):
                time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        print(f"\nSIGTERM: the server ended with status {process.wait(timeout=30)}")


def show(client: httpx.Client, text: str) -> None:
    """Ask for the answers to one text and print them."""
    answer = client.get("/v1/search", params={"q": text, "k": 6}).raise_for_status().json()
    (result,) = answer["results"]
    print(f"\nGET /v1/search?q={text}&k=6: run {answer['run']}, generation {answer['generation']}")
    for document in result["documents"]:
        print(f"  {document['rank']}  {document['name']:24} {document['score']:.2f}")


class Requests(threading.Thread):
    """Searches without a pause until it is stopped; keeps (seconds, status, generation) of every request."""

    def __init__(self, address: httpx.URL) -> None:
        super().__init__()
        self.address = address
        self.done: list[tuple[float, int, int]] = []
        self.stopped = threading.Event()

    def run(self) -> None:
        """Search; a request without an answer has status 0."""
        with httpx.Client(base_url=self.address, timeout=30) as client:
            while not self.stopped.is_set():
                begin = time.perf_counter()
                try:
                    response = client.post("/v1/search", json={"texts": ["fire engine", "sports car"], "k": 6})
                    status, generation = response.status_code, response.json().get("generation", 0)
                except httpx.HTTPError:
                    status, generation = 0, 0
                self.done.append((time.perf_counter() - begin, status, generation))
                time.sleep(0.01)


def main(folder: str = "tutorial-backend") -> None:
    """Run the tutorial in a folder."""
    models = Path(folder) / "models"
    if models.exists():
        raise SystemExit(f"{models} is there already; remove it, or name another folder.")
    models.mkdir(parents=True)
    vehicles = rw.Hierarchy.wordnet().below("vehicle.n.01")
    older = vehicles.induced(node for node in vehicles.ids if node != MISSING)
    train(older, models / "monday")
    print(f"models/monday: {older!r}")

    with serving(models) as client:
        show(client, "a fast sports car")
        show(client, "electric automobile")
        wrong = client.post("/v1/search", json={"texts": []})
        print(f"\nPOST /v1/search without texts: {wrong.status_code} {wrong.json()['error']['message']}")

        requests = Requests(client.base_url)
        requests.start()
        train(vehicles, models / "tuesday")
        print(f"\nmodels/tuesday: {vehicles!r}")
        end = time.monotonic() + 60
        while max((each[2] for each in requests.done), default=0) < 2 and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(1)
        requests.stopped.set()
        requests.join()
        statuses = [status for _, status, _ in requests.done]
        of = [generation for _, _, generation in requests.done]
        print(f"{len(of)} requests meanwhile, {sum(status != 200 for status in statuses)} of them failed")
        print(f"answered by generation 1: {of.count(1)}, by newer ones: {sum(each > 1 for each in of)}")
        show(client, "electric automobile")
        metrics = client.get("/metrics").text
        print(*re.findall(r"^rootward_takeovers_total.*$", metrics, flags=re.MULTILINE), sep="\n")

    path = Path(folder) / "takeover.svg"
    figure, axes = figure_at(path, size=(6.4, 2.8))
    for generation in sorted(set(of)):
        drawn = [(i, 1000 * seconds) for i, (seconds, _, own) in enumerate(requests.done) if own == generation]
        axes.plot(*zip(*drawn, strict=True), ".", markersize=5, label=f"generation {generation}")
    axes.set(xlabel="request", ylabel="milliseconds", yscale="log", title="Answers before and after the takeover")
    axes.legend(frameon=False)
    save_figure(figure, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
