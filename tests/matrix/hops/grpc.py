"""gRPC, sync and aio, at either end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import grpc
import grpc.aio

import synthetic
from tests.integrations.grpc.clients import Recording
from tests.integrations.grpc.service import OPTIONS, SERVICE, aio_server, sync_server
from tests.matrix.cases import Case, Hop, judged, seen

_METHOD = f"/{SERVICE}/unary_unary"


def _contrib(*names: str) -> dict[str, Callable[[], None]]:
    def switch_on() -> None:
        from opentelemetry.instrumentation import grpc as contrib

        for name in names:
            getattr(contrib, name)().instrument()

    return {"contrib": switch_on}


# Clients


def _sent(send: Callable[[str, Any], None]) -> Callable[[Case, Recording], str]:
    """Pass one case on from a client to a server without this library."""

    def pass_on(case: Case, server: Recording) -> str:
        server.requests.clear()
        with case.work() as own:
            try:
                send(server.target(), (("baggage", own),) if own else None)
            except synthetic.UnverifiedMarker:
                assert not server.requests
                return "refused"
        return judged([str(value) for value in server.only.values("baggage")])

    return pass_on


def _sync(target: str, metadata: Any) -> None:
    with grpc.insecure_channel(target, options=OPTIONS) as channel:
        channel.unary_unary(_METHOD)(b"", metadata=metadata, timeout=60)


def _aio(target: str, metadata: Any) -> None:
    async def call() -> None:
        async with grpc.aio.insecure_channel(target, options=OPTIONS) as channel:
            await channel.unary_unary(_METHOD)(b"", metadata=metadata, timeout=60)

    asyncio.run(call())


@contextmanager
def _recording() -> Iterator[Recording]:
    with Recording() as server:
        synthetic.instrument("grpc")
        yield server


# Servers


class _Servicer:
    def unary_unary(self, request: bytes, context: Any) -> bytes:
        return seen().encode()


class _AioServicer:
    async def unary_unary(self, request: bytes, context: Any) -> bytes:
        return seen().encode()


@contextmanager
def _served(serving: Any, servicer: Any) -> Iterator[int]:
    synthetic.instrument("grpc")
    with serving(servicer=servicer) as port:
        yield port


def _received(case: Case, port: int) -> str:
    """Pass one case on to a server from undecided work, whose metadata is sent unchanged."""
    headers = [("baggage", header) for header in case.headers()]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
        try:
            answer: bytes = channel.unary_unary(_METHOD)(b"", metadata=headers, timeout=60)
        except grpc.RpcError as error:
            return {grpc.StatusCode.PERMISSION_DENIED: "refused"}[error.code()]
    return answer.decode()


def _sync_served() -> AbstractContextManager[int]:
    return _served(sync_server, _Servicer())


def _aio_served() -> AbstractContextManager[int]:
    return _served(aio_server, _AioServicer())


HOPS = [
    Hop("gRPC client", "grpc", _sent(_sync), _contrib("GrpcInstrumentorClient"), _recording),
    Hop("gRPC aio client", "grpc", _sent(_aio), _contrib("GrpcAioInstrumentorClient"), _recording),
    Hop(
        "gRPC server", "grpc", _received, _contrib("GrpcInstrumentorServer"), lambda: _served(sync_server, _Servicer())
    ),
    Hop(
        "gRPC aio server",
        "grpc",
        _received,
        _contrib("GrpcAioInstrumentorServer"),
        lambda: _served(aio_server, _AioServicer()),
    ),
]
