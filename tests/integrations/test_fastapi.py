"""FastAPI with ``synthetic_starlette.install``, under each kind of telemetry that it can have.

Of FastAPI's own telemetry, Starlette's own and OpenTelemetry's instrumentation, one reads every ``baggage`` header,
one the first, one none, and they stand on different sides of the middleware. The contract is the same for all.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import StreamingResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.testclient import TestClient

import synthetic
from synthetic_starlette import install, marker
from tests.contract.lifetime import PersistentContract
from tests.products.fastapi import fastapi_application, instrumentor
from tests.products.starlette import add_native
from tests.support.entrances import asgi_entrances, installed_entrances
from tests.support.handles import Server
from tests.support.keys import entry, mint
from tests.support.markers import REFUSED, STRANGERS, baggage, marked
from tests.support.servers import environment, uvicorn_server, wait_until
from tests.support.versions import is_before, needs, skip_before

Keys = dict[str, Any]
SPANS = InMemorySpanExporter()
PROVIDER = TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(SPANS))


@contextmanager
def served(build: Callable[[Callable[[Any], None]], Any], http: str) -> Iterator[Server]:
    def installed(times: int = 1, **settings: Any) -> Any:
        def put_on(app: Any) -> None:
            for _ in range(times):
                install(app, **settings)

        return build(put_on)

    apps = asgi_entrances(installed_entrances(installed))
    SPANS.clear()
    with uvicorn_server(apps, http=http) as port:
        yield Server(port)


class FastAPIContract(PersistentContract):
    has_spans = True

    def test_the_server_span_exists_exactly_where_telemetry_is_on(self, server: Server, keys: Keys) -> None:
        server.configure(keys=keys)
        SPANS.clear()
        token = mint(keys)
        seen = self.call(server, "/plain/echo", baggage("user=7", entry(token))).json()
        assert seen["otel"]["synthetic-traffic"] == token
        if self.has_spans:  # it ends when the response has been sent; that of the test before may do so only now
            wait_until(lambda: "SERVER" in kinds())
        assert set(kinds()) == ({"SERVER"} if self.has_spans else set())

    @pytest.mark.parametrize("stranger", STRANGERS)
    def test_a_stripped_entry_does_not_come_back(self, server: Server, keys: Keys, stranger: str) -> None:
        server.configure(keys=keys, on_unverified="strip")
        for path in ("/plain/echo", "/plain/sync", "/plain/stream"):
            for seen in self.call(server, path, baggage(f"user=7,{stranger}")).lines():
                self.check_real(seen)

    @pytest.mark.parametrize("simulated", [True, False])
    @pytest.mark.parametrize("path", ["/plain/sync", "/plain/sync-stream"])
    def test_the_thread_pool_sees_the_verdict(self, server: Server, keys: Keys, path: str, simulated: bool) -> None:
        server.configure(keys=keys)
        for seen in self.call(server, path, marked(keys) if simulated else ()).lines():
            assert (seen["simulated"], seen["explicit"]) == (simulated, True)


def kinds() -> list[str]:
    return [span.kind.name for span in SPANS.get_finished_spans() if span.parent is None]


class TestWithoutTelemetry(FastAPIContract):
    """Where no SDK is configured, FastAPI's own telemetry is off, and reads no baggage."""

    has_spans = False

    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with served(_bare, "httptools") as server:
            yield server


def _bare(put_on: Any) -> Any:
    put_on(app := fastapi_application())
    return app


@pytest.mark.skipif(find_spec("fastapi.telemetry") is None, reason="FastAPI has telemetry of its own since 0.142")
class TestWithItsOwnTelemetry(FastAPIContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls) -> Iterator[Server]:
        with served(_native, "h11") as server:
            yield server


def _native(put_on: Any) -> Any:
    put_on(app := fastapi_application(telemetry={"tracer_provider": PROVIDER}))
    return app


READS_ANY_BYTE = ("opentelemetry-instrumentation-asgi", "0.49b0", "raises at a header that is not UTF-8")


@pytest.mark.parametrize("put_on_first", [True, False], scope="class")
class TestWithOpenTelemetrysInstrumentation(FastAPIContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, put_on_first: bool) -> Iterator[Server]:
        def build(put_on: Any) -> Any:
            app = fastapi_application()
            for step in [put_on, _instrument] if put_on_first else [_instrument, put_on]:
                step(app)
            return app

        with served(build, "h11") as server:
            yield server

    def test_foreign_entries_of_a_real_request_stay_byte_for_byte(self, server: Server, keys: Keys) -> None:
        # Without the invalid escape of the contract, at which the instrumentation itself raises.
        server.configure(keys=keys)
        stray = "" if is_before(*READS_ANY_BYTE[:2]) else "\xff"
        foreign = f"user=7; prop , a=%2C%20+,b=caf\xc3\xa9{stray},,c"
        assert self.call(server, "/plain/echo", baggage(foreign)).json()["baggage"] == [foreign]

    @needs(*READS_ANY_BYTE)
    def test_foreign_entries_stay_byte_for_byte_behind_the_marker(self, server: Server, keys: Keys) -> None:
        super().test_foreign_entries_stay_byte_for_byte_behind_the_marker(server, keys)

    @pytest.mark.parametrize("kind", REFUSED)
    def test_a_bad_marker_is_refused_and_never_reaches_the_application(
        self, server: Server, keys: Keys, kind: str, put_on_first: bool
    ) -> None:
        if kind == "escape in the key" and put_on_first:  # where the instrumentation is outside
            skip_before(*READS_ANY_BYTE)
        super().test_a_bad_marker_is_refused_and_never_reaches_the_application(server, keys, kind)


def _instrument(app: FastAPI) -> None:
    instrumentor().instrument_app(app, tracer_provider=PROVIDER)


@pytest.mark.skipif(
    find_spec("starlette.middleware.opentelemetry") is None, reason="Starlette has telemetry of its own since 1.7"
)
@pytest.mark.parametrize("put_on_first", [True, False], scope="class")
class TestWithStarlettesOwnTelemetry(FastAPIContract):
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, put_on_first: bool) -> Iterator[Server]:
        def build(put_on: Any) -> Any:
            app = fastapi_application()
            for step in [put_on, _starlettes] if put_on_first else [_starlettes, put_on]:
                step(app)
            return app

        with served(build, "httptools") as server:
            yield server


def _starlettes(app: FastAPI) -> None:
    add_native(app, tracer_provider=PROVIDER)


# Where an SDK is configured for the process, and nothing else is done

CONFIGURED = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

trace.set_tracer_provider(TracerProvider())

import synthetic
from synthetic_starlette import install
from tests.products.fastapi import fastapi_application
from tests.support.keys import entry, mint, shared_key
from tests.support.markers import baggage, forged, marked
from tests.support.servers import uvicorn_server
from tests.support.wire import Connection

synthetic.configure(keys=(keys := shared_key()))
synthetic.instrument("logging")
install(app := fastapi_application())
token = mint(keys)
with uvicorn_server(app, http="h11") as port, Connection(port) as connection:
    for _ in range(3):
        headers = baggage("user=7", entry(token))
        seen = connection.request("/plain/body", headers, method="POST", body=b"x" * 300_000).json()
        assert (seen["simulated"], seen["otel"]["synthetic-traffic"]) == (True, token), seen
        seen = connection.request("/plain/echo").json()
        assert (seen["simulated"], seen["explicit"], seen["otel"]) == (False, True, {}), seen
        assert connection.request("/plain/echo", forged(keys)).status == 403
print("done")
"""


def test_with_an_sdk_for_the_process_each_request_of_a_connection_has_its_own_verdict(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CONFIGURED], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "done\n", done.stderr


# What FastAPI has beyond Starlette


@synthetic.guard("payment")
def charge() -> None:
    charged.append("charged")


charged: list[str] = []
noted: list[bool] = []


async def async_resource() -> AsyncIterator[str]:
    noted.append(synthetic.is_synthetic())
    yield "async"
    noted.append(synthetic.is_synthetic())


def sync_resource() -> Iterator[str]:
    noted.append(synthetic.is_synthetic())
    yield "sync"
    noted.append(synthetic.is_synthetic())


def rides() -> FastAPI:
    app = FastAPI()
    router = APIRouter(prefix="/router", dependencies=[Depends(marker)])

    @router.get("/state")
    def state(found: Annotated[synthetic.Marker | None, Depends(marker)]) -> dict[str, str | None]:
        return {"run": found.run if found else None}

    @app.get("/resources")
    def resources(
        one: Annotated[str, Depends(async_resource)], other: Annotated[str, Depends(sync_resource)]
    ) -> StreamingResponse:
        return StreamingResponse(iter([one, other]))

    @app.post("/book")
    def book(request: Request) -> str:
        charge()
        return "booked"

    app.include_router(router)
    app.mount("/mounted", inner := FastAPI())
    install(inner)  # it answers its own errors
    inner.add_api_route("/state", state)
    inner.add_api_route("/book", book, methods=["POST"])
    return app


@pytest.fixture
def client(keys: Keys) -> Iterator[TestClient]:
    synthetic.configure(keys=keys)
    charged.clear()
    noted.clear()
    install(app := rides())
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("path", ["/router/state", "/mounted/state"])
def test_routers_and_mounted_applications_have_the_marker(client: TestClient, keys: Keys, path: str) -> None:
    assert client.get(path).json() == {"run": None}
    assert client.get(path, headers=dict(marked(keys, run="peak"))).json() == {"run": "peak"}
    assert client.get(path).json() == {"run": None}


@pytest.mark.parametrize("simulated", [True, False])
def test_a_dependency_sees_the_verdict_at_set_up_and_at_tear_down(
    client: TestClient, keys: Keys, simulated: bool
) -> None:
    client.get("/resources", headers=dict(marked(keys)) if simulated else {})
    assert noted == [simulated] * 4


@pytest.mark.parametrize("path", ["/book", "/mounted/book"])
def test_an_effect_that_is_refused_is_a_problem(client: TestClient, keys: Keys, path: str) -> None:
    synthetic.configure(keys=keys, policy={"payment": "refuse"})
    response = client.post(path, headers=dict(marked(keys)))
    assert (response.status_code, response.json()["effect"]) == (403, "payment")
    assert client.post(path).json() == "booked"
    assert charged == ["charged"]


def test_the_openapi_schema_does_not_change() -> None:
    install(app := rides())
    assert app.openapi() == rides().openapi()
