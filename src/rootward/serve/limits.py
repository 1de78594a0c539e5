"""What a server refuses before it works: too many requests, large or slow bodies, wrong tokens, silent connections."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from rootward.serve.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API = "/v1/"
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'",
    ),
]
_BODIES_TOGETHER = 64 << 20  # bytes of all bodies that are being read


@dataclass(frozen=True)
class Limits:
    """What one process accepts.

    Attributes:
        in_flight: requests that are worked on or wait for a thread; more are refused with 503.
        seconds: for the body of a request to arrive, and again for its answer.
        body_bytes: of a request.
        texts: of a request.
        k: documents of a text that a request may name.
    """

    in_flight: int = 16
    seconds: float = 10.0
    body_bytes: int = 1 << 20
    texts: int = 256
    k: int = 1_000


def error_body(code: str, message: str) -> bytes:
    """An error as every route writes it."""
    return json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False).encode("utf-8", "replace")


class Gate:
    """ASGI middleware: refuses first, then reads the body within its limits, then lets the request through.

    Only `/v1/` is counted and limited, so health and metrics answer under any load. The token is needed for `/v1/` and
    `/metrics`; the page and health are open.

    Args:
        app: what answers.
        limits: see `Limits`.
        token: what `Authorization: Bearer` must hold; None for no check.
        metrics: where refusals are counted.
    """

    def __init__(self, app: App, limits: Limits, token: str | None, metrics: Metrics) -> None:
        self.app, self.limits, self.metrics = app, limits, metrics
        self._token = None if token is None else _digest(token.encode())
        self._working = 0
        self._body_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        reply = _Reply(send, api=path.startswith(API))
        if self._token is not None and path.startswith((API, "/metrics")) and not self._authorised(scope):
            await reply.refuse(401, "unauthorized", "Send the header Authorization: Bearer TOKEN with the right token.")
        elif not path.startswith(API):
            await self.app(scope, receive, reply.send)
        else:
            began = time.perf_counter()
            await self._guarded(scope, receive, reply)
            self.metrics.answered(scope, reply.status, time.perf_counter() - began)

    async def _guarded(self, scope: Scope, receive: Receive, reply: _Reply) -> None:
        if self._full():
            await self._shed(reply)
            return
        body = await self._body(scope, receive, reply)
        if body is None:
            return
        if self._full():  # others came while this one was read
            await self._shed(reply)
            return
        self._working += 1
        self.metrics.in_flight.inc()
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        try:
            async with asyncio.timeout(self.limits.seconds):
                await self.app(scope, replay, reply.send)
        except TimeoutError:
            if not reply.status:
                message = f"No answer within {self.limits.seconds:g} s; try again later, or with fewer texts."
                await reply.refuse(503, "timeout", message, retry=True)
        finally:
            self._working -= 1
            self.metrics.in_flight.dec()

    def _full(self) -> bool:
        return self._working >= self.limits.in_flight

    async def _shed(self, reply: _Reply) -> None:
        self.metrics.shed.inc()
        await reply.refuse(503, "overloaded", "Too many requests are being answered; try again later.", retry=True)

    def _authorised(self, scope: Scope) -> bool:
        assert self._token is not None
        sent = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, token = sent.partition(b" ")
        same = hmac.compare_digest(_digest(token.strip()), self._token)
        return same and scheme.lower() == b"bearer"

    async def _body(self, scope: Scope, receive: Receive, reply: _Reply) -> bytes | None:
        """The whole body; None where it was refused, or the client has gone."""
        most = self.limits.body_bytes
        too_large = 413, "too_large", f"The body is larger than {most:,} bytes; send fewer texts at a time."
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit() or len(declared) > 18 or int(declared) > most:
            await reply.refuse(*too_large, close=True)
            return None
        read, more = bytearray(), True
        try:
            async with asyncio.timeout(self.limits.seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    part: bytes = message.get("body", b"")
                    read += part
                    self._body_bytes += len(part)
                    more = message.get("more_body", False)
                    if len(read) > most:
                        await reply.refuse(*too_large, close=True)
                        return None
                    if self._body_bytes > _BODIES_TOGETHER:
                        await reply.refuse(503, "overloaded", "Too many bodies are being read.", retry=True, close=True)
                        return None
        except TimeoutError:
            await reply.refuse(408, "slow", f"The body did not arrive within {self.limits.seconds:g} s.", close=True)
            return None
        finally:
            self._body_bytes -= len(read)
        return bytes(read)


class _Reply:
    """Sends an answer with the headers that all answers have, and remembers its status; 0 before it starts."""

    def __init__(self, send: Send, api: bool) -> None:
        self._send, self._api, self.status = send, api, 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            more = [*HEADERS, (b"cache-control", b"no-store")] if self._api else HEADERS
            message["headers"] = [*message.get("headers", ()), *more]
        await self._send(message)

    async def refuse(self, status: int, code: str, message: str, *, retry: bool = False, close: bool = False) -> None:
        """An error, before any work; `close` ends the connection, as for a body that is not read to its end."""
        body = error_body(code, message)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(b"retry-after", b"1")] * retry + [(b"connection", b"close")] * close
        headers += [(b"www-authenticate", b"Bearer")] * (status == 401)
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
