"""Servers of the service, sync and aio, and one that records what arrives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import grpc.aio

from tests.products.grpc import OPTIONS, SERVICE, handlers
from tests.products.grpc.service import Aio, Sync
from tests.support.clients import OURS
from tests.support.recording_server import Recorded


@contextmanager
def sync_server(*interceptors: Any, servicer: Any = None, pool: Any = None) -> Iterator[int]:
    """Serve on a free port, and give the port. One thread runs all calls, so that each meets what the last one left."""
    pool = pool or ThreadPoolExecutor(1)
    # A list: OpenTelemetry 0.46b0 inserts its own into it.
    server = grpc.server(pool, interceptors=list(interceptors), options=OPTIONS)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers(servicer or Sync())),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()
        pool.shutdown()


@contextmanager
def aio_server(*interceptors: Any, servicer: Any = None) -> Iterator[int]:
    """Serve in the event loop of a thread."""
    ready: list[int] = []
    is_up = threading.Event()
    stops: list[Callable[[], None]] = []

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        server = grpc.aio.server(ThreadPoolExecutor(1), interceptors=list(interceptors), options=OPTIONS)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers(servicer or Aio())),))
        ready.append(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set) and None)
        is_up.set()
        await stop.wait()
        await server.stop(0)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert is_up.wait(60)
        yield ready[0]
    finally:
        for stop in stops:
            stop()
        thread.join()


class Recording:
    """A server without this library. It answers every method of every kind, and keeps the metadata that arrived."""

    def __init__(self) -> None:
        self.requests: list[Recorded] = []
        self.contexts: list[Any] = []
        self._server = grpc.server(ThreadPoolExecutor(4), options=OPTIONS)
        self._server.add_generic_rpc_handlers((self,))  # type: ignore[arg-type, unused-ignore]
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def service(self, details: Any) -> Any:
        """A handler for every method."""
        self.requests.append(
            Recorded("POST", details.method, tuple(tuple(one) for one in details.invocation_metadata), b"")
        )
        return grpc.stream_stream_rpc_method_handler(self._answer)

    def service_name(self) -> None:
        return None

    def _answer(self, requests: Any, context: Any) -> Iterator[bytes]:
        self.contexts.append(context)
        yield b"".join(requests)

    def target(self, host: str = OURS) -> str:
        return f"{host}:{self.port}"

    @property
    def only(self) -> Recorded:
        (request,) = self.requests
        return request

    def __enter__(self) -> Recording:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()


grpc.GenericRpcHandler.register(Recording)
