"""`rootward serve`: runs in, answers over HTTP out."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from rootward.cli.flags import EncoderAgain, Quiet, panel, say
from rootward.errors import InputError, MissingExtraError
from rootward.folders import read_config

_where, _runs, _limits = panel("Where"), panel("Runs"), panel("Limits")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHORTEST_TOKEN = 8


def serve(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN ...]", help="Run folders; the first one is the default.")
    ] = None,
    host: Annotated[str, _where("--host ADDRESS", "Where to listen. Default: 127.0.0.1, this machine alone.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, _where("--port N", "Default: 8000; 0 takes a free one.", min=0, max=65535)] = 8000,
    workers: Annotated[int, _where("--workers N", "Processes. Default: 1.", min=1, max=256)] = 1,
    token: Annotated[
        str | None,
        _where(
            "--token NAME", "Require a bearer token: the name of an environment variable, or a file, that holds it."
        ),
    ] = None,
    watch: Annotated[
        Path | None,
        _runs("--watch FOLDER", "Take over from the first run to each new run that appears in this folder."),
    ] = None,
    index: Annotated[Path | None, _runs("--index FOLDER", "An index of the first run; see rootward index.")] = None,
    encoder: EncoderAgain = None,
    in_flight: Annotated[
        int, _limits("--in-flight N", "Requests in work of a process; more get 503. Default: 16.", min=1, max=10_000)
    ] = 16,
    timeout: Annotated[
        float, _limits("--timeout SECONDS", "For a body to arrive, and for an answer. Default: 10.", min=0.1, max=3_600)
    ] = 10.0,
    max_body: Annotated[int, _limits("--max-body BYTES", "Of a request. Default: 1048576.", min=1_000, max=1 << 30)] = 1
    << 20,
    max_texts: Annotated[int, _limits("--max-texts N", "Of a request. Default: 256.", min=1, max=256)] = 256,
    max_k: Annotated[int, _limits("--max-k N", "Documents of a text. Default: 1000.", min=1, max=1_000)] = 1_000,
    quiet: Quiet = False,
) -> None:
    """Answer over HTTP: the right node and everything above it, as JSON and on a page for people.

    Several runs are told apart by the names of their folders. With --watch, a run that is trained into the folder is
    loaded beside the one that is served, and answers from the next request on; no request fails. Ctrl-C or SIGTERM
    answers what is in work and stops. Needs the extra serve.

    \b
      rootward serve runs/wordnet              a page and answers at http://127.0.0.1:8000
      curl 'http://127.0.0.1:8000/v1/search?q=recliner&k=3'
      rootward serve runs/new runs/old         two runs, compared on the page
      rootward serve --watch models            the newest run there, and those to come
      rootward serve runs/shop --host 0.0.0.0 --token SHOP_TOKEN --workers 4
    """
    try:
        from rootward.serve.limits import Limits  # noqa: PLC0415
        from rootward.serve.processes import Options, Source, Watch  # noqa: PLC0415
        from rootward.serve.processes import serve as serve_until_stopped  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("rootward serve", "serve") from error

    folders = list(runs or [])
    if watch is not None and not watch.is_dir():
        raise InputError(f"--watch {watch} is no folder; make it, and train runs into it: --out {watch / 'NAME'}")
    names = [folder.resolve().name for folder in folders]
    if not folders:
        newest = None if watch is None else Watch(watch).newest()
        if watch is None or newest is None:
            what = "Name a run to serve" if watch is None else f"{watch} holds no run yet; name one to begin with"
            raise InputError(f"{what}: rootward serve RUN")
        folders, names = [newest], [watch.resolve().name]
    for folder in folders:
        read_config(folder)
    sources = tuple(map(Source, folders, _distinct(names)))
    limits = Limits(in_flight, timeout, max_body, max_texts, max_k)
    secret = None if token is None else _token(token)
    listening = _listen(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    say(f"Serving {', '.join(source.name for source in sources)} at {address}", quiet)
    if host not in _LOOPBACK and secret is None:
        say("Anybody who reaches this address can search; --token asks for a token.", quiet)
    options = Options(sources, index, encoder, secret, limits, quiet=quiet)
    serve_until_stopped(options, listening, watch, workers)


def _distinct(names: list[str]) -> list[str]:
    """The names, a number added to those that are there already."""
    found: list[str] = []
    for name in names:
        number, distinct = 1, name
        while distinct in found:
            number += 1
            distinct = f"{name}-{number}"
        found.append(distinct)
    return found


def _token(name: str) -> str:
    """The token in an environment variable or a file."""
    if name in os.environ:
        token, where = os.environ[name].strip(), f"The environment variable {name}"
    elif Path(name).is_file():
        token, where = Path(name).read_text(encoding="utf-8").strip(), f"The file {name}"
    else:
        raise InputError(
            f"--token {name if name.isidentifier() else '...'} is neither an environment variable nor a file. Put the "
            "token into one, such as TOKEN, and say --token TOKEN; tokens on the command line are seen by others."
        )
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"{where} must hold one token of {_SHORTEST_TOKEN} or more ASCII characters without blanks.")
    return token


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, or what to do where there can be none."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        raise InputError(f"Cannot listen at {host}, port {port}: {error.strerror}. Try --port 0.") from None
    found.set_inheritable(True)
    return found
