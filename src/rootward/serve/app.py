"""The HTTP application: routes over runs, errors of one form, the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

import rootward as rw
from rootward.errors import InputError, nearest
from rootward.serve.limits import Gate, Limits, error_body
from rootward.serve.metrics import Metrics
from rootward.serve.runs import ServedRun
from rootward.serve.schema import (
    ErrorResponse,
    Id,
    ModelCard,
    Node,
    RunList,
    RunName,
    SearchRequest,
    SearchResponse,
    Suggestions,
    Text,
)
from rootward.serve.work import SearchThreads, json_bytes

_JSON = "application/json"
STATIC = Path(__file__).parent / "static"
_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 422: "invalid"}
_WHEN = {
    400: "The body is no JSON.",
    401: "The bearer token is missing or wrong.",
    404: "No such run or node.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    422: "A parameter is outside its limits, or cannot be used with this run.",
    503: "Too many requests are in flight, or this one took too long; Retry-After says when to try again.",
}


@dataclass
class Server:
    """What the routes of one process work with.

    Attributes:
        runs: by name, the default first; replaced one by one by `take_over`.
        limits, metrics, threads: see their classes.
        n_threads: that search.
        stopping: the process is about to end; no longer ready.
    """

    runs: dict[str, ServedRun]
    limits: Limits = field(default_factory=Limits)
    metrics: Metrics = field(default_factory=Metrics)
    threads: SearchThreads = field(init=False)
    n_threads: InitVar[int] = 1
    stopping: bool = False

    def __post_init__(self, n_threads: int) -> None:
        self.threads = SearchThreads(n_threads, self.metrics.searched)
        for run in self.runs.values():
            self.metrics.generation.labels(run.name).set(run.generation)

    def take_over(self, run: ServedRun) -> None:
        """Serve this run under its name from the next request on; requests in work end with the old one."""
        self.runs[run.name] = run
        self.metrics.generation.labels(run.name).set(run.generation)

    def run(self, name: str | None) -> ServedRun:
        """The run of this name, the first one for None; 404 where there is none."""
        if name is None:
            return next(iter(self.runs.values()))
        found = self.runs.get(name)
        if found is None:
            close = "".join(f" Did you mean {other!r}?" for other in nearest(name[:100], self.runs, 1))
            raise HTTPException(404, f"No run of this name is served.{close} GET /v1/runs lists them.")
        return found


def create_app(server: Server, token: str | None = None) -> Gate:
    """The whole application, behind its limits, for any ASGI server."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        server.stopping = True
        server.threads.close()

    app = FastAPI(
        title="rootward",
        version=rw.__version__,
        summary="A text goes to the right node of a taxonomy and to everything above it.",
        description="Every error is {error: {code, message}}. Errors 503 have the header Retry-After.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=_name_of,
        responses={status: {"model": ErrorResponse, "description": _WHEN[status]} for status in (401, 408, 413, 503)},
    )
    app.state.server = server
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(InputError, _unusable)
    app.add_exception_handler(Exception, _failed)
    _add_search(app, server)
    _add_runs_and_nodes(app, server)
    _add_health(app, server)
    if STATIC.is_dir():
        app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return Gate(app, server.limits, token, server.metrics)


def _name_of(route: APIRoute) -> str:
    return route.name


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorResponse, "description": _WHEN[status]} for status in statuses}


def _json(value: Any) -> Response:
    return Response(json_bytes(value), media_type=_JSON)


# -- routes ------------------------------------------------------------------------------------------------------------


def _add_search(app: FastAPI, server: Server) -> None:
    async def answer(request: SearchRequest) -> Response:
        limits = server.limits
        if len(request.texts) > limits.texts:
            raise InputError(f"texts: at most {limits.texts:,} at a time, got {len(request.texts):,}.")
        if request.k > limits.k:
            raise InputError(f"k: at most {limits.k:,}, got {request.k:,}.")
        if request.k * len(request.texts) > 10 * limits.k:
            raise InputError(f"texts times k: at most {10 * limits.k:,}; give fewer texts or a lower k.")
        run, question = server.run(request.run), request.question
        _ = question.where
        return Response(await server.threads.search(run, request.texts, question), media_type=_JSON)

    @app.post("/v1/search", response_model=SearchResponse, responses=_errors(400, 404, 422), tags=["search"])
    async def search(request: SearchRequest) -> Response:
        """Search texts: the k best documents of each, or its answer set, with everything above each document."""
        return await answer(request)

    @app.get("/v1/search", response_model=SearchResponse, responses=_errors(404, 422), tags=["search"])
    async def search_one(
        q: Annotated[Text, Query(description="The text.")],
        run: Annotated[RunName | None, Query()] = None,
        k: Annotated[int, Query(ge=1, le=1_000, description="How many documents.", examples=[10])] = 10,
        threshold: Annotated[
            str | None,
            Query(
                pattern=r"^(auto|-?[0-9]{1,6}(\.[0-9]{1,9})?)$",
                description="auto for the answer set; a number for all documents that score at least this.",
                examples=["auto"],
            ),
        ] = None,
        below: Annotated[Id | None, Query(description="Only this document and its descendants.")] = None,
        above: Annotated[Id | None, Query(description="Only this document and its ancestors.")] = None,
        levels: Annotated[
            str | None,
            Query(
                pattern=r"^[0-9]{1,4}\.\.[0-9]{1,4}$",
                description="Only documents so many hops below a root, both included.",
                examples=["2..4"],
            ),
        ] = None,
        hops: Annotated[int | None, Query(ge=0, le=10_000, description="With below or above.", examples=[2])] = None,
        explain: Annotated[bool, Query(description="Add paths, probabilities, names and edges.")] = True,
    ) -> Response:
        """Search one text; as POST /v1/search, from the address alone."""
        first, last = (None, None) if levels is None else map(int, levels.split(".."))
        return await answer(
            SearchRequest(
                texts=[q],
                run=run,
                k=k,
                threshold="auto" if threshold == "auto" else None if threshold is None else float(threshold),
                below=below,
                above=above,
                levels=None if first is None or last is None else [first, last],
                hops=hops,
                explain=explain,
            )
        )


def _add_runs_and_nodes(app: FastAPI, server: Server) -> None:
    def about(run: ServedRun, names: Iterable[str]) -> dict[str, Any]:
        card = {"name": run.name, "generation": run.generation, **run.card}
        return {name: card[name] for name in names}

    summary = ("name", "documents", "queries", "tower", "source", "labelled", "calibrated", "generation")

    @app.get("/v1/runs", response_model=RunList, responses=_errors(422), tags=["runs"])
    async def runs() -> Response:
        """The runs that are served; the first is the default."""
        return _json({"runs": [about(run, summary) for run in server.runs.values()]})

    @app.get("/v1/runs/{run}", response_model=ModelCard, responses=_errors(404, 422), tags=["runs"])
    async def model_card(run: Annotated[RunName, InPath()]) -> Response:
        """What a run is and how good it is, held-out or trained said for each figure."""
        return _json(about(server.run(run), (*summary, "figures", "remarks")))

    @app.get("/v1/nodes/{id:path}", response_model=Node, responses=_errors(404, 422), tags=["nodes"])
    async def node(
        id: Annotated[Id, InPath(description="Id of the node.")], run: Annotated[RunName | None, Query()] = None
    ) -> Response:
        """A node with its names, parents, children and ancestors."""
        found = server.run(run).node(id)
        if found is None:
            raise HTTPException(404, "No node has this id; GET /v1/complete finds ids by their beginning.")
        return _json(found)

    @app.get("/v1/complete", response_model=Suggestions, responses=_errors(404, 422), tags=["nodes"])
    async def complete(
        q: Annotated[Text, Query(description="Beginning of a name, synonym or id, in any case.", examples=["recl"])],
        limit: Annotated[int, Query(ge=1, le=50, description="How many at most.", examples=[8])] = 8,
        run: Annotated[RunName | None, Query()] = None,
    ) -> Response:
        """Nodes of which a name, synonym or id begins so."""
        return _json({"suggestions": server.run(run).complete(q, limit)})


def _add_health(app: FastAPI, server: Server) -> None:
    @app.get("/healthz", tags=["health"])
    async def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz", responses=_errors(503), response_model=None, tags=["health"])
    async def ready() -> Response:
        """Runs are loaded and requests are welcome."""
        if server.stopping or not server.runs:
            raise HTTPException(503, "Not ready.", {"Retry-After": "1"})
        return _json({"status": "ready", "generations": {run.name: run.generation for run in server.runs.values()}})

    @app.get("/metrics", response_class=Response, tags=["health"])
    async def metrics() -> Response:
        """Counters in the text format of Prometheus."""
        return Response(server.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        index = STATIC / "index.html"
        if not index.is_file():
            return Response("rootward serves here. There is no page; GET /openapi.json.", media_type="text/plain")
        return Response(index.read_bytes(), media_type="text/html; charset=utf-8")


# -- errors ------------------------------------------------------------------------------------------------------------


def _error(status: int, message: str, code: str | None = None, headers: Any = None) -> Response:
    body = error_body(code or _CODES.get(status, "error"), message)
    return Response(body, status, headers=headers, media_type=_JSON)


async def _invalid(_: Request, error: Exception) -> Response:
    """A request outside its limits: where, and what was needed; the input itself is not repeated."""
    assert isinstance(error, RequestValidationError | ValidationError)
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return _error(400, 'The body is no JSON; send an object such as {"texts": ["recliner"]}.')
    told = [f"{'.'.join(str(part) for part in fault['loc'][1:]) or 'body'}: {fault['msg']}" for fault in faults[:5]]
    return _error(422, "; ".join(told)[:2_000])


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    return _error(error.status_code, str(error.detail), headers=error.headers)


async def _unusable(_: Request, error: Exception) -> Response:
    return _error(422, str(error))


async def _failed(_: Request, error: Exception) -> Response:
    return _error(500, "This is a fault of the server; its log says more.", "fault")
