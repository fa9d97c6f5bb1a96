"""Django with the middleware in its settings, and with its application wrapped, on waitress and uvicorn."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import django
import pytest

import synthetic.asgi
import synthetic.wsgi
from tests.contract.lifetime import PersistentContract
from tests.products.django import OURS, asgi_application, wsgi_application
from tests.products.django.reporting import STREAMS, renamed
from tests.support.entrances import asgi_entrances, entrances, wsgi_entrances
from tests.support.handles import Server
from tests.support.keys import entry, mint
from tests.support.markers import baggage, marked
from tests.support.servers import uvicorn_server, waitress_server
from tests.support.wire import Connection

Keys = dict[str, Any]

# Django leaves the file with the request's body open where a stream fails in ASGI.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed file <tempfile.SpooledTemporaryFile")


def settings_only(build: Any, *before: str) -> dict[str, Any]:
    """The four applications with nothing but settings, inside the middleware ``before``."""
    return {
        "plain": build(*before, OURS),
        "internal": build(*before, OURS, edge=False),
        "strict": build(*before, OURS, on_missing="refuse"),
        "twice": build(*before, OURS, OURS),
    }


@contextmanager
def wsgi_server(apps: dict[str, Any]) -> Iterator[Server]:
    with waitress_server(wsgi_entrances(apps)) as port:
        yield Server(port)


@contextmanager
def asgi_server(apps: dict[str, Any], *, http: str = "h11", **names: str) -> Iterator[Server]:
    # Django takes no lifespan events.
    try:
        with uvicorn_server(renamed(asgi_entrances(apps), {**STREAMS, **names}), http=http, lifespan="off") as port:
            yield Server(port)
    finally:
        gc.collect()


class DjangoContract(PersistentContract):
    @pytest.mark.parametrize("simulated", [True, False])
    @pytest.mark.parametrize("action", ["echo", "async-echo"])
    def test_each_kind_of_view_sees_the_verdict(self, server: Server, keys: Keys, action: str, simulated: bool) -> None:
        server.configure(keys=keys)
        token = mint(keys)
        seen = self.call(server, f"/plain/{action}", baggage(entry(token)) if simulated else ()).json()
        assert (seen["simulated"], seen["explicit"]) == (simulated, True)
        assert seen["otel"].get("synthetic-traffic") == (token if simulated else None)
        self.check_real(self.call(server, f"/plain/{action}").json())

    @pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
    @pytest.mark.parametrize("simulated", [True, False])
    @pytest.mark.parametrize("action", ["thread-stream", "async-stream"])
    def test_each_kind_of_stream_sees_the_verdict_at_each_step(
        self, server: Server, keys: Keys, action: str, simulated: bool
    ) -> None:
        server.configure(keys=keys)
        steps = self.call(server, f"/plain/{action}", marked(keys) if simulated else ()).lines()
        assert [(step["simulated"], step["explicit"]) for step in steps] == [(simulated, True)] * 3

    @pytest.mark.parametrize("action", ["echo", "async-echo", "stream"])
    def test_concurrent_requests_each_have_their_own_verdict(self, server: Server, keys: Keys, action: str) -> None:
        server.configure(keys=keys)
        headers = {True: marked(keys), False: baggage("user=7")}

        def client(number: int) -> list[bool]:
            with Connection(server.port) as connection:
                wanted = [bool((number + request) % 2) for request in range(10)]
                seen = [connection.request(f"/plain/{action}", headers[simulated]).lines() for simulated in wanted]
            pairs = zip(wanted, seen, strict=True)
            return [line["simulated"] is simulated for simulated, lines in pairs for line in lines]

        with ThreadPoolExecutor(8) as clients:
            answers = [right for rights in clients.map(client, range(8)) for right in rights]
        assert len(answers) == 80 * (3 if action == "stream" else 1)
        assert all(answers)


class WSGIContract(DjangoContract):
    header_joint = ", "


class ASGIContract(DjangoContract):
    @pytest.mark.skipif(django.VERSION < (5,), reason="Django sees a client leave since 5.0")
    @pytest.mark.parametrize("simulated", [True, False])
    def test_a_client_that_drops_an_event_stream_leaves_no_verdict_behind(
        self, server: Server, keys: Keys, simulated: bool
    ) -> None:
        super().test_a_client_that_drops_an_event_stream_leaves_no_verdict_behind(server, keys, simulated)


class TestWSGI(WSGIContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with wsgi_server(settings_only(wsgi_application)) as server:
            yield server


class TestASGI(ASGIContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with asgi_server(settings_only(asgi_application)) as server:
            yield server


class TestASGIWithSyncMiddleware(ASGIContract):
    """Ours runs in a thread, and Django carries context variables there and back."""

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with asgi_server(settings_only(_with_sync_middleware), http="httptools", echo="async-echo") as server:
            yield server


def _with_sync_middleware(*middleware: str, **options: Any) -> Any:
    return asgi_application(*middleware, f"{__name__}.sync_middleware", **options)


def sync_middleware(get_response: Any) -> Any:
    def call(request: Any) -> Any:
        return get_response(request)

    return call


class TestWrappedWSGI(WSGIContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with wsgi_server(entrances(synthetic.wsgi.SyntheticTrafficMiddleware, wsgi_application())) as server:
            yield server


class TestWrappedASGI(ASGIContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        apps = entrances(synthetic.asgi.SyntheticTrafficMiddleware, asgi_application())
        with asgi_server(apps, echo="async-echo") as server:
            yield server
