"""The services of the soak. Each step of each handler compares the verdict with what its client says it sent."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from opentelemetry import baggage
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

import synthetic
from synthetic.wsgi import SyntheticTrafficMiddleware
from synthetic_starlette import install
from tests.support.entrances import asgi_entrances

synthetic.instrument("concurrency")

STEPS = 3
ENDLESS = 100_000


class Findings:
    """How often each step was checked, and what was wrong."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checked: Counter[str] = Counter()
        self._wrong: list[str] = []

    def check(self, step: str, sent: str) -> bytes:
        """Compare, and return what was seen: the actor, or "real"."""
        marker = synthetic.current()
        seen = "real" if marker is None else str(marker.actor)
        carried = baggage.get_baggage("synthetic-traffic") is not None
        with self._lock:
            self._checked[step] += 1
            if seen != sent or carried != (marker is not None):
                self._wrong.append(f"{step}: sent {sent}, seen {seen}, in the baggage: {carried}")
        return seen.encode() + b"\n"

    def report(self) -> dict[str, Any]:
        with self._lock:
            return {"checked": dict(self._checked), "wrong": self._wrong[:20]}


FINDINGS = Findings()


def sent_with(request: Request) -> str:
    return request.headers["x-sent"]


async def echo(request: Request) -> Response:
    return PlainTextResponse(FINDINGS.check("echo", sent_with(request)))


def pool(request: Request) -> Response:
    return PlainTextResponse(FINDINGS.check("pool", sent_with(request)))


async def body(request: Request) -> Response:
    async for _ in request.stream():
        await asyncio.sleep(0)
    return PlainTextResponse(FINDINGS.check("body", sent_with(request)))


async def stream(request: Request) -> Response:
    async def steps() -> AsyncIterator[bytes]:
        for _ in range(STEPS):
            yield FINDINGS.check("stream", sent_with(request))
            await asyncio.sleep(0)

    return StreamingResponse(steps())


async def after(request: Request) -> Response:
    async def work() -> None:
        await asyncio.sleep(0.001)
        FINDINGS.check("background", sent_with(request))

    return PlainTextResponse(FINDINGS.check("after", sent_with(request)), background=BackgroundTask(work))


async def endless(request: Request) -> Response:
    async def steps() -> AsyncIterator[bytes]:
        try:
            for _ in range(ENDLESS):
                yield FINDINGS.check("endless", sent_with(request))
                await asyncio.sleep(0.001)
        finally:
            FINDINGS.check("cancelled", sent_with(request))

    return StreamingResponse(steps())


def _asgi() -> Any:
    app = Starlette()
    for endpoint in (echo, pool, body, stream, after, endless):
        app.add_route(f"/{endpoint.__name__}", endpoint, methods=["GET", "POST"])
    install(app)
    findings = Starlette()
    findings.add_route("/findings", lambda request: JSONResponse(FINDINGS.report()))
    return asgi_entrances({**dict.fromkeys(("plain", *ACTIONS), app), "findings": findings})


def _wsgi_application(environ: Any, start_response: Any) -> Iterable[bytes]:
    sent, action = environ["HTTP_X_SENT"], environ["PATH_INFO"][1:]
    start_response("200 OK", [("content-type", "text/plain")])
    if action == "body":
        while environ["wsgi.input"].read(8192):
            pass
    if action in ("stream", "endless"):
        return _wsgi_steps(action, sent)
    seen = [FINDINGS.check(action, sent)]
    return _Closing(seen, sent) if action == "after" else seen


def _wsgi_steps(action: str, sent: str) -> Iterator[bytes]:
    try:
        for _ in range(STEPS if action == "stream" else ENDLESS):
            yield FINDINGS.check(action, sent)
            time.sleep(0.001 if action == "endless" else 0)
    finally:
        if action == "endless":
            FINDINGS.check("cancelled", sent)


class _Closing:
    def __init__(self, parts: list[bytes], sent: str) -> None:
        self._parts, self._sent = parts, sent

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def close(self) -> None:
        FINDINGS.check("background", self._sent)


def _wsgi() -> Any:
    app = SyntheticTrafficMiddleware(_wsgi_application)

    def choose(environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/findings":
            return app(environ, start_response)
        start_response("200 OK", [("content-type", "application/json")])
        return [json.dumps(FINDINGS.report()).encode()]

    return choose


ACTIONS = ("echo", "pool", "body", "stream", "after", "endless")

asgi = _asgi()
wsgi = _wsgi()
