"""The rules for clients, in each way that httpx and httpx2 can be used; their test files say for which of the two."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

import synthetic
from synthetic.errors import ExternalCallRefused
from tests.contract import client_switches
from tests.products.httpx import AsyncCaller, Product, SyncCaller
from tests.support.asyncio_thread import Loop
from tests.support.clients import THEIRS, Connect
from tests.support.recording_server import RecordingServer


class HttpxContract(client_switches.Instrumented):
    """A subclass says which library it is, and how its clients are made."""

    product: Product
    is_async = False
    our_part = "synthetic_httpx_shared._out.depart"

    @property
    def original(self) -> list[Any]:  # type: ignore[override]
        return self.product.original

    @property
    def library_error(self) -> type[Exception]:  # type: ignore[override]
        error: type[Exception] = self.product.library.RequestError
        return error

    def transport(self) -> Any:
        """The transport of each client."""
        return self.product.transport(self.is_async)

    def prepare(self, client: Any) -> None:
        """What is done to a new client."""

    @pytest.fixture
    def connect(self, _instrumented: None) -> Iterator[Connect]:
        library = self.product.library
        kind = library.AsyncClient if self.is_async else library.Client
        callers: list[SyncCaller | AsyncCaller] = []
        with closing(Loop()) as loop:

            def connect(headers: Mapping[str, Any] | None = None) -> SyncCaller | AsyncCaller:
                client = kind(headers=headers, transport=self.transport(), follow_redirects=True)
                self.prepare(client)
                callers.append(AsyncCaller(client, loop) if self.is_async else SyncCaller(client))
                return callers[-1]

            yield connect
            for caller in callers:
                caller.close()

    def test_a_refusal_can_be_pickled_back_from_a_process_pool(self, connect: Connect, other: RecordingServer) -> None:
        """With its request, which errors of this library have; two requests never compare equal."""
        with synthetic.simulated(run="rush-hour", actor="rider-7"), pytest.raises(ExternalCallRefused) as raised:
            connect().get(other.url(host=THEIRS))
        returned = pickle.loads(pickle.dumps(raised.value))
        assert type(returned) is type(raised.value)
        assert str(returned) == str(raised.value)
        assert isinstance(returned, self.library_error)
        for fact in ("effect", "marker", "target", "host"):
            assert getattr(returned, fact) == getattr(raised.value, fact)
        assert str(returned.request.url) == str(raised.value.request.url) == other.url(host=THEIRS)  # type: ignore[attr-defined]


class Async(HttpxContract):
    is_async = True


class AroundOpenTelemetry(HttpxContract):
    """OpenTelemetry writes its header below ours: a caller's goes where that has no baggage."""

    keeps_foreign = False

    def test_an_allowed_external_call_carries_no_marker(
        self, connect: Connect, keys: dict[str, Any], other: RecordingServer
    ) -> None:
        self.keeps_foreign = True
        super().test_an_allowed_external_call_carries_no_marker(connect, keys, other)


class InsideOpenTelemetry(AroundOpenTelemetry, client_switches.InsideOpenTelemetry):
    """OpenTelemetry has instrumented the library first."""


class ClientByOpenTelemetry(AroundOpenTelemetry):
    """OpenTelemetry has instrumented each client on its own."""

    def prepare(self, client: Any) -> None:
        self.product.instrumentor().instrument_client(client)

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> None:
        """Is on for every client."""


class Explicit(HttpxContract):
    """Nothing is patched: each client has our transport."""

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> None:
        """Nothing."""

    def transport(self) -> Any:
        return self.product.synthetic_transport(super().transport(), self.is_async)


class TransportAroundOpenTelemetrys(Explicit, AroundOpenTelemetry):
    """Our transport sends through OpenTelemetry's, and nothing is patched."""

    def transport(self) -> Any:
        inner = self.product.opentelemetry_transport(self.product.transport(self.is_async), self.is_async)
        return self.product.synthetic_transport(inner, self.is_async)

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> None:
        """Is on in every client."""


class TransportWithinOpenTelemetrys(Explicit):
    """OpenTelemetry's transport sends through ours."""

    keeps_foreign = False

    def transport(self) -> Any:
        return self.product.opentelemetry_transport(super().transport(), self.is_async)

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> None:
        """Is on in every client."""


class Both(Explicit):
    """Each client has our transport, and everything is instrumented as well."""

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        with self.product.instrumented():
            yield
