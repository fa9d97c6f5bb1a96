"""No way of ending a WSGI response leaves a verdict behind, alone and beside OpenTelemetry's middleware.

Servers may close a response on another thread, never iterate it, or drop it. The tests call the middleware as a server
does, on a worker with an empty context.
"""

from __future__ import annotations

import contextvars
import gc
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider

import synthetic
from synthetic.wsgi import SyntheticTrafficMiddleware
from tests.support.keys import entry, mint
from tests.support.reporting import has_explicit_verdict

Keys = dict[str, Any]
PROVIDER = TracerProvider()
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class App:
    """A response of two steps. ``seen`` has the current run at each step and at the end."""

    def __init__(self) -> None:
        self.seen: list[str | None] = []

    def __call__(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            for _ in range(2):
                self.note()
                yield b"step"
        finally:
            self.note()

    def note(self) -> None:
        assert has_explicit_verdict()
        marker = synthetic.current()
        self.seen.append(marker and marker.run)


def otel(app: Any) -> Any:
    return OpenTelemetryMiddleware(app, tracer_provider=PROVIDER)


ORDERS: dict[str, Callable[[Any], Any]] = {
    "ours alone": SyntheticTrafficMiddleware,
    "ours, OpenTelemetry": lambda app: SyntheticTrafficMiddleware(otel(app)),
    "OpenTelemetry, ours": lambda app: otel(SyntheticTrafficMiddleware(app)),
    "ours, OpenTelemetry, ours": lambda app: SyntheticTrafficMiddleware(otel(SyntheticTrafficMiddleware(app))),
}


def elsewhere(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def closed_on_another_thread(body: Any) -> None:
    next(iter(body))
    elsewhere(body.close)


def never_iterated(body: Any) -> None:
    body.close()


def iterated_on_another_thread(body: Any) -> None:
    elsewhere(lambda: list(body))
    body.close()


def each_step_on_another_thread(body: Any) -> None:
    steps = iter(body)
    for _ in range(2):
        elsewhere(lambda: next(steps))
    elsewhere(body.close)


def dropped(body: Any) -> None:
    next(iter(body))


def served_in_full(body: Any) -> None:
    assert list(body) == [b"step", b"step"]
    body.close()


ENDINGS = [
    served_in_full,
    closed_on_another_thread,
    never_iterated,
    iterated_on_another_thread,
    each_step_on_another_thread,
    dropped,
]


def request(app: Any, end: Callable[[Any], None], header: str | None = None) -> None:
    environ: dict[str, Any] = {"HTTP_BAGGAGE": header, "HTTP_TRACEPARENT": TRACE} if header else {}
    setup_testing_defaults(environ)
    end(app(environ, lambda *_: lambda _: None))
    gc.collect()


def detach_errors(caplog: pytest.LogCaptureFixture) -> int:
    return sum("Failed to detach" in record.getMessage() for record in caplog.records)


def left_on_the_worker() -> tuple[bool, bool]:
    return synthetic.is_synthetic(), "synthetic-traffic" in baggage.get_all()


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("order", ORDERS)
def test_the_next_request_is_real_however_the_last_response_ended(
    order: str, end: Callable[[Any], None], keys: Keys
) -> None:
    synthetic.configure(keys=keys)
    marked, real = App(), App()

    def worker() -> None:
        request(ORDERS[order](marked), end, entry(mint(keys, claims={"run": "peak"})))
        request(ORDERS[order](real), served_in_full)

    contextvars.Context().run(worker)
    assert set(marked.seen) <= {"peak"}
    assert real.seen == [None] * 3
    assert bool(marked.seen) == (end is not never_iterated)


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("order", ["ours alone", "ours, OpenTelemetry", "ours, OpenTelemetry, ours"])
def test_the_outermost_middleware_leaves_no_verdict_and_no_detach_error(
    order: str, end: Callable[[Any], None], keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    synthetic.configure(keys=keys)

    def worker() -> tuple[bool, bool]:
        request(ORDERS[order](App()), end, entry(mint(keys)))
        assert not trace.get_current_span().get_span_context().is_valid
        return left_on_the_worker()

    assert contextvars.Context().run(worker) == (False, False)
    assert detach_errors(caplog) == 0


@pytest.mark.parametrize("end", ENDINGS)
def test_the_middleware_adds_no_detach_errors_inside_opentelemetry(
    end: Callable[[Any], None], keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    synthetic.configure(keys=keys)
    counted = []
    for app in (otel(_plain), otel(SyntheticTrafficMiddleware(_plain))):
        caplog.clear()
        contextvars.Context().run(request, app, end, entry(mint(keys)))
        counted.append(detach_errors(caplog))
    assert counted[1] <= counted[0]


def _plain(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b"step"
    yield b"step"


@pytest.mark.parametrize("header", [True, False])
def test_a_list_body_is_passed_to_the_server_unchanged(keys: Keys, header: bool) -> None:
    synthetic.configure(keys=keys)
    body = [b"a", b"b"]

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return body

    found: list[Any] = []
    request(SyntheticTrafficMiddleware(app), found.append, entry(mint(keys)) if header else None)
    assert found[0] is body


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", [served_in_full, never_iterated])
def test_the_middleware_leaves_a_caller_on_the_same_thread_unchanged(
    keys: Keys, header: bool, end: Callable[[Any], None]
) -> None:
    synthetic.configure(keys=keys)
    app = App()
    with synthetic.simulated(run="caller") as marker:
        before = context.get_current()
        request(SyntheticTrafficMiddleware(app), end, entry(mint(keys, claims={"run": "peak"})) if header else None)
        assert (synthetic.current(), context.get_current()) == (marker, before)
    assert set(app.seen) <= {"peak" if header else None}
    assert (synthetic.is_synthetic(), has_explicit_verdict()) == (False, False)


def test_a_response_that_fails_during_iteration_leaves_no_verdict_behind(keys: Keys) -> None:
    synthetic.configure(keys=keys)

    def failing(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"step"
        raise RuntimeError("broken")

    def worker() -> tuple[bool, bool]:
        with pytest.raises(RuntimeError, match="broken"):
            request(SyntheticTrafficMiddleware(otel(failing)), list, entry(mint(keys)))
        return left_on_the_worker()

    assert contextvars.Context().run(worker) == (False, False)


def test_valid_requests_log_nothing(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    synthetic.configure(keys=keys)
    app = SyntheticTrafficMiddleware(otel(App()))
    for number in range(10):
        request(app, served_in_full, entry(mint(keys)) if number % 2 else None)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("header", [True, False])
def test_another_thread_can_close_a_response_whose_next_step_waits_for_that(keys: Keys, header: bool) -> None:
    synthetic.configure(keys=keys)
    begun, closed = threading.Event(), threading.Event()
    seen: list[str | None] = []

    class Body:
        def __iter__(self) -> Any:
            return self

        def __next__(self) -> bytes:
            begun.set()
            closed.wait(60)
            raise StopIteration

        def close(self) -> None:
            marker = synthetic.current()
            seen.append(marker and marker.run)
            closed.set()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Body()

    def serve(body: Any) -> None:
        server = threading.Thread(target=lambda: list(body))
        server.start()
        assert begun.wait(60)
        body.close()
        server.join()

    request(SyntheticTrafficMiddleware(app), serve, entry(mint(keys, claims={"run": "peak"})) if header else None)
    assert seen == ["peak" if header else None]


@pytest.mark.parametrize("message", ["broken", "cannot enter context: it is the application's own"])
def test_an_error_of_close_is_raised_and_close_is_called_once(keys: Keys, message: str) -> None:
    synthetic.configure(keys=keys)
    closed: list[bool] = []

    class Body:
        def __iter__(self) -> Any:
            return iter([b"step"])

        def close(self) -> None:
            closed.append(True)
            raise RuntimeError(message)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Body()

    def serve(body: Any) -> None:
        with pytest.raises(RuntimeError, match=message):
            body.close()

    request(SyntheticTrafficMiddleware(app), serve)
    assert closed == [True]
