"""Ways in which markers leak in other systems, each tested on a real server."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage as otel_baggage
from opentelemetry import context
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse

import synthetic
from synthetic._model.verdict import REAL
from synthetic._work.state import current_verdict
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.keys import shared_key
from tests.support.markers import baggage, expired, forged, marked
from tests.support.reporting_asgi import application
from tests.support.servers import uvicorn_server, wait_until
from tests.support.wire import Connection, get, request_bytes

Keys = dict[str, Any]
PROVIDER = TracerProvider()
tracer = PROVIDER.get_tracer("rides")

booked: list[str] = []
worker: dict[str, Any] = {}


@synthetic.guard("data-mutation")
def book(ride: str) -> None:
    booked.append(ride)


async def spans(request: Request) -> JSONResponse:
    seen = []
    with tracer.start_as_current_span("inner"):
        context.attach(otel_baggage.set_baggage("note", "set within the span"))
        seen.append(synthetic.is_synthetic())
    seen.append(synthetic.is_synthetic())
    return JSONResponse({"seen": seen, "headers": synthetic.headers(), "note": otel_baggage.get_baggage("note")})


async def begins_in_a_span(request: Request) -> JSONResponse:
    seen = []
    with synthetic.simulated(run="nested"), tracer.start_as_current_span("inner"):
        seen.append(synthetic.is_synthetic())
    with tracer.start_as_current_span("outer"), synthetic.simulated(run="nested"):
        with tracer.start_as_current_span("inner"):
            pass
        seen.append(synthetic.is_synthetic())
    return JSONResponse([*seen, synthetic.is_synthetic()])


async def books(request: Request) -> JSONResponse:
    book(request.query_params["ride"])
    return JSONResponse({})


async def streams(request: Request) -> StreamingResponse:
    async def asynchronous() -> Any:
        for _ in range(3):
            yield json.dumps(synthetic.is_synthetic()) + "\n"
            await asyncio.sleep(0)

    def synchronous() -> Iterator[str]:
        for _ in range(3):
            yield json.dumps(synthetic.is_synthetic()) + "\n"

    return StreamingResponse(synchronous() if "sync" in request.query_params else asynchronous())


async def lazy(request: Request) -> JSONResponse:
    """Starts a worker for all requests with the first one, and gives it this request's job."""
    loop = asyncio.get_running_loop()
    if not worker:
        worker["queue"] = asyncio.Queue()
        worker["task"] = contextvars.Context().run(loop.create_task, work(worker["queue"]))
    answer = loop.create_future()
    await worker["queue"].put((synthetic.headers(), answer))
    return JSONResponse(await answer)


async def work(queue: asyncio.Queue[Any]) -> None:
    while True:
        carried, answer = await queue.get()
        answer.set_result({"simulated": synthetic.is_synthetic(), "carried": bool(carried)})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = Starlette()
    for endpoint in (spans, begins_in_a_span, books, streams, lazy):
        app.add_route(f"/{endpoint.__name__}", endpoint)
    app.mount("/report", application)
    protected = OpenTelemetryMiddleware(SyntheticTrafficMiddleware(app), tracer_provider=PROVIDER)
    with uvicorn_server(protected, http="h11", lifespan="off") as port:
        yield port


# The marker is lost


def test_a_marked_request_is_refused_before_the_keys_are_loaded(port: int, keys: Keys) -> None:
    synthetic.configure()
    booked.clear()
    assert get(port, "/books?ride=1", marked(keys)).json()["reason"] == "no-keys"
    synthetic.configure(keys=keys)
    assert get(port, "/books?ride=2", marked(keys)).status == 200
    assert booked == []


def test_a_marked_request_gets_429_before_the_service_is_ready(port: int, keys: Keys) -> None:
    ready: list[bool] = []
    synthetic.configure(keys=keys, ready=lambda: bool(ready))
    booked.clear()
    assert get(port, "/books?ride=1", marked(keys)).status == 429
    assert get(port, "/books?ride=real").status == 200
    ready.append(True)
    assert get(port, "/books?ride=2", marked(keys)).status == 200
    assert booked == ["real"]


def test_admitted_work_stays_simulated_while_its_server_stops(keys: Keys) -> None:
    synthetic.configure(keys=keys)
    with uvicorn_server(SyntheticTrafficMiddleware(application)) as port:
        connection = Connection(port)
        connection.send(request_bytes("/events", marked(keys)))
        assert json.loads(connection.line_after(b"data: "))["simulated"] is True
        synthetic.configure()
    with connection:
        seen = [json.loads(event)["simulated"] for event in connection.lines_after(b"data: ")]
    assert len(seen) > 10
    assert all(seen)


def test_an_attach_inside_a_span_does_not_lose_the_verdict(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    headers = marked(keys)
    seen = get(port, "/spans", headers).json()
    assert seen["seen"] == [True, True]
    assert seen["headers"] == dict(headers)
    assert get(port, "/spans").json()["seen"] == [False, False]


def test_a_simulation_inside_a_span_ends_with_its_own_block(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    assert get(port, "/begins_in_a_span").json() == [True, True, False]
    assert get(port, "/begins_in_a_span", marked(keys)).json() == [True, True, True]


@pytest.mark.parametrize("query", ["", "?sync"])
def test_generators_see_the_verdict_at_each_step(port: int, keys: Keys, query: str) -> None:
    synthetic.configure(keys=keys)
    assert get(port, f"/streams{query}", marked(keys)).lines() == [True] * 3
    assert get(port, f"/streams{query}").lines() == [False] * 3


def test_a_marker_in_a_second_baggage_header_is_found(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    vendor = baggage("vendor-trace_id=771a43a4192642f0b136d5159a501700,vendor-environment=production")
    seen = get(port, "/report/echo", vendor + marked(keys)).json()
    assert seen["simulated"] is True
    assert "synthetic-traffic" in seen["otel"]


def test_a_gateway_that_drops_baggage_is_noticed_when_markers_are_required(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, on_missing="refuse")
    assert get(port, "/report/echo").json()["reason"] == "missing"


# The marker sticks


@pytest.mark.parametrize("size", [1_000, 70_000, 300_000])
def test_the_next_request_on_a_connection_does_not_inherit_a_verdict(port: int, keys: Keys, size: int) -> None:
    synthetic.configure(keys=keys)
    booked.clear()
    with Connection(port) as connection:
        for ride in ("a", "b"):
            assert connection.request("/report/body", marked(keys), method="POST", body=b"x" * size).status == 200
            connection.request(f"/books?ride={ride}")
    assert booked == ["a", "b"]


def test_a_worker_started_inside_a_marked_request_does_not_stay_simulated(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    assert get(port, "/lazy", marked(keys)).json() == {"simulated": False, "carried": True}
    assert get(port, "/lazy").json() == {"simulated": False, "carried": False}


def test_no_shared_cache_keeps_the_response_to_a_simulated_user(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    caching = [value for name, value in get(port, "/report/echo", marked(keys)).headers if "cache" in name]
    assert caching == ["private, no-store"]
    assert get(port, "/report/echo", forged(keys)).values("cache-control") == ["no-store"]


# The marker is abused


def test_an_unsigned_header_bypasses_nothing(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys)
    booked.clear()
    for name in ("x-load-test", "x-synthetic", "x-shadow", "synthetic-traffic"):
        assert get(port, f"/books?ride={name}", [(name, "true")]).status == 200
    for value in ("true", "1", "load"):
        assert get(port, "/books?ride=nobody", baggage(f"synthetic-traffic={value}")).status == 403
    assert booked == ["x-load-test", "x-synthetic", "x-shadow", "synthetic-traffic"]


def test_a_captured_marker_is_refused_elsewhere_and_after_expiry(port: int, keys: Keys) -> None:
    synthetic.configure(keys=keys, environment="production")
    captured = marked(keys, aud="staging")
    assert get(port, "/report/echo", captured).json()["reason"] == "wrong-environment"
    assert get(port, "/report/echo", marked(keys, aud="production", **expired(31))).json()["reason"] == "expired"
    synthetic.configure(keys=shared_key("next"), environment="staging")
    assert get(port, "/report/echo", captured).json()["reason"] == "unknown-key"


# The marker is right and still does harm


def test_every_refusal_is_a_client_error(port: int, keys: Keys, tmp_path: Path) -> None:
    halt = tmp_path / "halt"
    synthetic.configure(keys=keys, halt_file=halt)
    halt.write_text("all")
    wait_until(lambda: get(port, "/report/echo", marked(keys)).status == 403)
    synthetic.configure(keys=keys, shed=lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    for headers in (marked(keys), forged(keys), baggage("synthetic-traffic")):
        assert 400 <= get(port, "/report/echo", headers).status < 500
    assert get(port, "/report/echo").status == 200


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_connection_without_headers_is_explicitly_real(kind: str) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["headers"], current_verdict()))

    async def in_a_simulation() -> None:
        with synthetic.simulated(run="rush-hour"):
            await SyntheticTrafficMiddleware(app)({"type": kind}, None, None)  # type: ignore[arg-type]

    synthetic.configure(keys=shared_key())
    asyncio.run(in_a_simulation())
    assert seen == [([], REAL)]
