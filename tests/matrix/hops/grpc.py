"""gRPC, sync and aio, at either end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import grpc

import synthetic
from tests.matrix.cases import Case, Hop, judged, seen
from tests.products.grpc import contrib
from tests.products.grpc.clients import aio_client, call, sync_client
from tests.products.grpc.servers import Recording, aio_server, sync_server

# Clients


def _sent(client: Callable[[str], Any]) -> Callable[[Case, Recording], str]:
    """Pass one case on from a client to a server without this library."""

    def pass_on(case: Case, server: Recording) -> str:
        server.requests.clear()
        with case.work() as own:
            try:
                with client(server.target()) as channel:
                    channel.call(metadata=(("baggage", own),) if own else None)
            except synthetic.UnverifiedMarker:
                assert not server.requests
                return "refused"
        return judged([str(value) for value in server.only.values("baggage")])

    return pass_on


@contextmanager
def _recording() -> Iterator[Recording]:
    with Recording() as server:
        synthetic.instrument("grpc")
        yield server


# Servers


def _told(request: bytes, context: Any) -> bytes:
    return seen().encode()


async def _told_in_a_coroutine(request: bytes, context: Any) -> bytes:
    return seen().encode()


@contextmanager
def _sync_served() -> Iterator[int]:
    synthetic.instrument("grpc")
    with sync_server(servicer=SimpleNamespace(unary_unary=_told)) as port:
        yield port


@contextmanager
def _aio_served() -> Iterator[int]:
    synthetic.instrument("grpc")
    with aio_server(servicer=SimpleNamespace(unary_unary=_told_in_a_coroutine)) as port:
        yield port


def _received(case: Case, port: int) -> str:
    """Pass one case on to a server. The caller has no verdict, so that its own metadata are sent unchanged."""
    ended = call(port, "unary_unary", [("baggage", header) for header in case.headers()])
    if ended.code is grpc.StatusCode.PERMISSION_DENIED:
        return "refused"
    assert ended.code is grpc.StatusCode.OK, ended
    return ended.responses[0].decode()


HOPS = [
    Hop("gRPC client", "grpc", _sent(sync_client), contrib("GrpcInstrumentorClient"), _recording),
    Hop("gRPC aio client", "grpc", _sent(aio_client), contrib("GrpcAioInstrumentorClient"), _recording),
    Hop("gRPC server", "grpc", _received, contrib("GrpcInstrumentorServer"), _sync_served),
    Hop("gRPC aio server", "grpc", _received, contrib("GrpcAioInstrumentorServer"), _aio_served),
]
