"""gRPC clients, sync and aio: every rule for a client, instrumented or with interceptors, beside OpenTelemetry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import grpc
import grpc.aio
import pytest
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient, GrpcInstrumentorClient
from opentelemetry.trace import NoOpTracerProvider

from synthetic_grpc import ClientInterceptor, aio_client_interceptors
from tests.integrations.grpc.client_contract import GrpcClientContract
from tests.products.grpc.clients import aio_client, sync_client
from tests.support.switches import instrumented, traced


class Contract(GrpcClientContract):
    """The rules, with channels that are instrumented, or have interceptors, or both."""

    instrumentor: Any
    instrumented = True
    by_hand = False
    is_inside = False
    """Whether OpenTelemetry's instrumentation is switched on first."""

    def client(self, target: str) -> AbstractContextManager[Any]:
        raise NotImplementedError

    def traced(self) -> AbstractContextManager[None]:
        return traced(self.instrumentor, tracer_provider=NoOpTracerProvider())

    @pytest.fixture(autouse=True)
    def _instrumented(self) -> Iterator[None]:
        with ExitStack() as on:
            if self.is_inside:
                on.enter_context(self.traced())
            if self.instrumented:
                on.enter_context(instrumented("grpc"))
            yield

    @pytest.fixture
    def opentelemetry(self, _instrumented: None) -> Iterator[None]:
        with ExitStack() as on:
            if not self.is_inside:
                on.enter_context(self.traced())
            yield

    @pytest.fixture
    def connect(self, _instrumented: None) -> Iterator[Any]:
        with ExitStack() as stack:
            yield lambda target: stack.enter_context(self.client(target))


class SyncContract(Contract):
    instrumentor = GrpcInstrumentorClient

    def client(self, target: str) -> AbstractContextManager[Any]:
        return sync_client(target, *([ClientInterceptor(target)] if self.by_hand else []))


class TestSyncInstrumented(SyncContract):
    pass


class TestSyncInterceptor(SyncContract):
    instrumented, by_hand = False, True


class TestSyncBoth(SyncContract):
    by_hand = True


class TestSyncInsideOpenTelemetry(SyncContract):
    is_inside = True
    keeps_foreign = keeps_both = False


class AioContract(Contract):
    instrumentor = GrpcAioInstrumentorClient
    library_error = grpc.aio.AioRpcError

    def client(self, target: str) -> AbstractContextManager[Any]:
        return aio_client(target, *(aio_client_interceptors(target) if self.by_hand else []))


class TestAioInstrumented(AioContract):
    pass


class TestAioInterceptors(AioContract):
    instrumented, by_hand = False, True


class TestAioBoth(AioContract):
    by_hand = True


class TestAioInsideOpenTelemetry(AioContract):
    is_inside = True
    keeps_foreign = False
