"""gRPC clients, sync and aio: every rule for a client, instrumented or with interceptors, beside OpenTelemetry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient, GrpcInstrumentorClient
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_grpc import ClientInterceptor, aio_client_interceptors
from tests.integrations.grpc.clients import GrpcClientContract
from tests.integrations.grpc.service import OPTIONS


class SyncClient:
    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel

    def call(self, kind: str = "unary_unary", metadata: Any = None, method: str = "/rides.Rides/book") -> list[bytes]:
        made = getattr(self.channel, kind)(method)
        request = iter([b"a", b"b"]) if kind.startswith("stream") else b"a"
        answer = made(request, metadata=metadata, timeout=60)
        return list(answer) if kind.endswith("stream") else [answer]

    def close(self) -> None:
        self.channel.close()


class AioClient:
    """Makes its calls in an event loop of its own, each in the work at hand."""

    def __init__(self, open_: Callable[[], grpc.aio.Channel]) -> None:
        self.loop = asyncio.new_event_loop()
        self.channel = self.loop.run_until_complete(self._opened(open_))

    async def _opened(self, open_: Callable[[], grpc.aio.Channel]) -> grpc.aio.Channel:
        return open_()

    def call(self, kind: str = "unary_unary", metadata: Any = None, method: str = "/rides.Rides/book") -> list[bytes]:
        return self.loop.run_until_complete(self._call(kind, metadata, method))

    async def _call(self, kind: str, metadata: Any, method: str) -> list[bytes]:
        made = getattr(self.channel, kind)(method)
        request = iter([b"a", b"b"]) if kind.startswith("stream") else b"a"
        answer = made(request, metadata=metadata, timeout=60)
        return [one async for one in answer] if kind.endswith("stream") else [await answer]

    def close(self) -> None:
        self.loop.run_until_complete(self.channel.close())
        self.loop.close()


@contextmanager
def switched_on(*switches: Any) -> Iterator[None]:
    with ExitStack() as undo:
        for instrumentor in switches:
            instrumentor.instrument(tracer_provider=NoOpTracerProvider())
            undo.callback(instrumentor.uninstrument)
        yield


class Ours:
    """``synthetic.instrument("grpc")`` as an instrumentor."""

    def instrument(self, **_: Any) -> None:
        synthetic.instrument("grpc")

    def uninstrument(self) -> None:
        synthetic.uninstrument("grpc")


class SyncContract(GrpcClientContract):
    instrumented = True
    by_hand = False

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        with switched_on(*([Ours()] if self.instrumented else [])):
            yield

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> Iterator[None]:
        with switched_on(GrpcInstrumentorClient()):
            yield

    @pytest.fixture
    def connect(self, _instrumented: None) -> Iterator[Any]:
        with ExitStack() as stack:

            def connect(target: str) -> SyncClient:
                channel = grpc.insecure_channel(target, options=OPTIONS)
                if self.by_hand:
                    channel = grpc.intercept_channel(channel, ClientInterceptor(target))
                client = SyncClient(channel)
                stack.callback(client.close)
                return client

            yield connect


class TestSyncInstrumented(SyncContract):
    pass


class TestSyncInterceptor(SyncContract):
    instrumented, by_hand = False, True


class TestSyncBoth(SyncContract):
    by_hand = True


class TestSyncInsideOpenTelemetry(SyncContract):
    """OpenTelemetry's instrumentation was switched on first."""

    keeps_foreign = keeps_both = False

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        with switched_on(GrpcInstrumentorClient(), Ours()):
            yield

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> None:
        """Is on already."""


class AioContract(GrpcClientContract):
    library_error = grpc.aio.AioRpcError
    instrumented = True
    by_hand = False

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        with switched_on(*([Ours()] if self.instrumented else [])):
            yield

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> Iterator[None]:
        with switched_on(GrpcAioInstrumentorClient()):
            yield

    @pytest.fixture
    def connect(self, _instrumented: None) -> Iterator[Any]:
        with ExitStack() as stack:

            def connect(target: str) -> AioClient:
                ours = aio_client_interceptors(target) if self.by_hand else None
                client = AioClient(lambda: grpc.aio.insecure_channel(target, options=OPTIONS, interceptors=ours))
                stack.callback(client.close)
                return client

            yield connect


class TestAioInstrumented(AioContract):
    pass


class TestAioInterceptors(AioContract):
    instrumented, by_hand = False, True


class TestAioBoth(AioContract):
    by_hand = True


class TestAioInsideOpenTelemetry(AioContract):
    """OpenTelemetry's instrumentation was switched on first."""

    keeps_foreign = False

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        with switched_on(GrpcAioInstrumentorClient(), Ours()):
            yield

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> None:
        """Is on already."""
