"""gRPC: what a call costs more at either end, with nothing on the wire and a handler that answers at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import grpc
import grpc.aio
from opentelemetry.instrumentation.grpc import (
    aio_client_interceptors,
    aio_server_interceptor,
    client_interceptor,
    server_interceptor,
)
from opentelemetry.instrumentation.grpc.grpcext import intercept_channel
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from synthetic_grpc import AioServerInterceptor, ServerInterceptor
from synthetic_grpc._out import KINDS, Way
from synthetic_grpc._out_aio import KINDS as AIO_KINDS
from synthetic_grpc._refusal import AioExternalRpcRefused, ExternalRpcRefused
from tests.benchmarks.compared import WORKS, added
from tests.benchmarks.measure import Case, Effort, statement
from tests.benchmarks.table import Row
from tests.products.grpc.clients import METHOD
from tests.support.keys import shared_key

_PEER = "OpenTelemetry grpc, no-op tracer"
_NO_OP = NoOpTracerProvider()
_TARGET = "localhost:50051"


def rows(effort: Effort) -> Iterator[Row]:
    """Each end, sync and aio, for real and for simulated work."""
    with synthetic.configured(keys=shared_key()):
        with synthetic.simulated(run="bench"):
            marked = (("baggage", synthetic.headers()["baggage"]),)
        for kind, verdict in WORKS.items():
            metadata = marked if kind == "simulated" else ()
            for what, cases in (
                ("client", _clients(verdict)),
                ("aio client", _aio_clients(verdict)),
                ("server", _servers(metadata)),
                ("aio server", _aio_servers(metadata)),
            ):
                yield added(f"gRPC {what}", kind, _PEER, cases, effort.rounds // 6)


# Clients


class _Null(grpc.UnaryUnaryMultiCallable):
    """Answers at once."""

    def __call__(
        self,
        request: Any,
        timeout: Any = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: Any = None,
        compression: Any = None,
    ) -> Any:
        return request

    with_call = future = __call__


class _NullChannel:
    def unary_unary(self, *_: Any) -> Any:
        return _Null()


def _clients(verdict: Callable[[], Any]) -> dict[str, Case]:
    ways: dict[str, Any] = {
        "bare": _Null(),
        "ours": KINDS["unary_unary"](_Null(), Way(_TARGET, ExternalRpcRefused), lambda: True),
        "peer": intercept_channel(_NullChannel(), client_interceptor(_NO_OP)).unary_unary(METHOD),
    }
    return {name: Case(statement("call(b'')", call=call), verdict, number=40) for name, call in ways.items()}


def _aio_clients(verdict: Callable[[], Any]) -> dict[str, Case]:
    theirs = aio_client_interceptors(_NO_OP)[0]

    class Answered:
        async def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.OK

        async def details(self) -> str:
            return ""

        def add_done_callback(self, callback: Any) -> None:
            callback(self)

    answered = Answered()

    async def sent(details: Any, request: Any) -> Any:
        return answered

    async def bare(metadata: Any = None) -> Any:
        return await sent(None, b"")

    async def peer(metadata: Any = None) -> Any:
        details = grpc.aio.ClientCallDetails(METHOD, None, None, None, None)
        return await theirs.intercept_unary_unary(sent, details, b"")

    ours = AIO_KINDS["unary_unary"][0](bare, Way(_TARGET, AioExternalRpcRefused), lambda: True)
    return {
        name: Case(_awaited(call), verdict, number=40)
        for name, call in (("bare", bare), ("ours", ours), ("peer", peer))
    }


# Servers


class _Call:
    """A call as the server sees it."""

    def __init__(self, metadata: Any) -> None:
        self._metadata = tuple(_Metadatum(*entry) for entry in (("user-agent", "grpc-python/1.85"), *metadata))
        self.details = _Details(METHOD, self._metadata)

    def invocation_metadata(self) -> Any:
        return self._metadata

    def peer(self) -> str:
        return "ipv4:127.0.0.1:41234"


class _Metadatum(tuple[str, str]):
    def __new__(cls, key: str, value: str) -> _Metadatum:
        return super().__new__(cls, (key, value))

    key = property(lambda self: self[0])
    value = property(lambda self: self[1])


class _Details(grpc.HandlerCallDetails):
    def __init__(self, method: str, invocation_metadata: Any) -> None:
        self.method = method
        self.invocation_metadata = invocation_metadata


def _servers(metadata: Any) -> dict[str, Case]:
    call = _Call(metadata)
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: request)

    def served(interceptor: Any) -> Callable[[], Any]:
        def serve() -> Any:
            return interceptor.intercept_service(lambda details: handler, call.details).unary_unary(b"", call)

        return serve

    def bare() -> Any:
        return handler.unary_unary(b"", call)

    ways = {"bare": bare, "ours": served(ServerInterceptor()), "peer": served(server_interceptor(_NO_OP))}
    return {name: Case(statement("serve()", serve=serve), number=40) for name, serve in ways.items()}


def _aio_servers(metadata: Any) -> dict[str, Case]:
    call = _Call(metadata)

    async def handle(request: Any, context: Any) -> Any:
        return request

    handler = grpc.unary_unary_rpc_method_handler(handle)

    async def found(details: Any) -> Any:
        return handler

    def served(interceptor: Any) -> Callable[[], Any]:
        async def serve() -> Any:
            wrapped = await interceptor.intercept_service(found, call.details)
            return await wrapped.unary_unary(b"", call)

        return serve

    async def bare() -> Any:
        return await (await found(call.details)).unary_unary(b"", call)

    ways = {"bare": bare, "ours": served(AioServerInterceptor()), "peer": served(aio_server_interceptor(_NO_OP))}
    return {name: Case(_awaited(serve), number=40) for name, serve in ways.items()}


def _awaited(function: Callable[[], Any]) -> Callable[[int], float]:
    """The ``run`` of a case for a coroutine function: in one event loop, with nothing in between."""

    async def measured(number: int) -> float:
        start = time.process_time()
        for _ in range(number):
            await function()
        return time.process_time() - start

    def run(number: int) -> float:
        with closing(asyncio.new_event_loop()) as loop:
            return float(loop.run_until_complete(measured(number)))

    return run
