"""A gRPC service for tests: every kind of method, sync and aio, on real servers; and a client that tells everything."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

import synthetic
from synthetic._model.reason import Reason
from tests.support.reporting import JOURNAL, report

SERVICE = "rides.Rides"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")

# So that over-long baggage arrives: gRPC takes 8 KiB of metadata unless it is told otherwise.
OPTIONS = (("grpc.max_metadata_size", 100_000), ("grpc.absolute_max_metadata_size", 100_000))

charged: list[str] = []


@synthetic.guard("payment")
def charge() -> None:
    charged.append("charged")


def unverified() -> None:
    raise synthetic.UnverifiedMarker(Reason.BAD_SIGNATURE)


def id_of(context: Any) -> str:
    """The id that the client gave the call; of a call that has ended, nothing can be asked."""
    return str(dict(context.invocation_metadata()).get("x-id", ""))


def seen(context: Any, **more: Any) -> bytes:
    """What a handler sees of its call; also noted under the id that the call has."""
    JOURNAL.note(id_of(context), "called")
    given = [value for name, value in context.invocation_metadata() if name == "baggage"]
    return json.dumps(report(given, **more)).encode()


class Sync:
    """The handlers, as methods of a servicer."""

    def unary_unary(self, request: bytes, context: Any) -> bytes:
        return seen(context)

    def unary_stream(self, request: bytes, context: Any) -> Iterator[bytes]:
        for number in range(3):
            yield seen(context, step=number)

    def stream_unary(self, requests: Iterator[bytes], context: Any) -> bytes:
        steps = [synthetic.is_synthetic() for _ in requests]
        return seen(context, steps=steps)

    def stream_stream(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for request in requests:
            yield seen(context, request=request.decode())

    def endless(self, request: bytes, context: Any) -> Iterator[bytes]:
        id_ = id_of(context)
        try:
            while True:
                yield seen(context)
        finally:
            JOURNAL.note(id_, "closed")

    def listed(self, request: bytes, context: Any) -> Iterator[bytes]:
        return iter([seen(context), seen(context)])

    def book_unary_unary(self, request: bytes, context: Any) -> bytes:
        charge()
        return b"booked"

    def book_unary_stream(self, request: bytes, context: Any) -> Iterator[bytes]:
        yield b"first"
        charge()

    def book_stream_unary(self, requests: Iterator[bytes], context: Any) -> bytes:
        for _ in requests:
            charge()
        return b"booked"

    def book_stream_stream(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        charge()
        yield from requests

    def eager_unary_stream(self, request: bytes, context: Any) -> Iterator[bytes]:
        charge()
        return iter([b"booked"])

    def unverified(self, request: bytes, context: Any) -> bytes:
        unverified()
        return b""

    def fail(self, request: bytes, context: Any) -> bytes:
        raise ValueError("as it is")

    def fail_stream(self, request: bytes, context: Any) -> Iterator[bytes]:
        yield b"first"
        raise ValueError("as it is")

    def absent(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("own", "kept"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "nothing here")
        return b""

    def refused_with_own(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("own", "kept"),))
        charge()
        return b""


class Aio:
    """The same, as coroutine functions and asynchronous generators."""

    async def unary_unary(self, request: bytes, context: Any) -> bytes:
        await asyncio.sleep(0)
        return seen(context)

    async def unary_stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for number in range(3):
            await asyncio.sleep(0)
            yield seen(context, step=number)

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        steps = [synthetic.is_synthetic() async for _ in requests]
        return seen(context, steps=steps)

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield seen(context, request=request.decode())

    async def endless(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        id_ = id_of(context)
        try:
            while True:
                yield seen(context)
        finally:
            JOURNAL.note(id_, "closed")

    async def listed(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield seen(context)
        yield seen(context)

    async def book_unary_unary(self, request: bytes, context: Any) -> bytes:
        charge()
        return b"booked"

    async def book_unary_stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        charge()

    async def book_stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        async for _ in requests:
            charge()
        return b"booked"

    async def book_stream_stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        charge()
        async for request in requests:
            yield request

    async def eager_unary_stream(self, request: bytes, context: Any) -> None:
        charge()
        await context.write(b"booked")

    async def unverified(self, request: bytes, context: Any) -> bytes:
        unverified()
        return b""

    async def fail(self, request: bytes, context: Any) -> bytes:
        raise ValueError("as it is")

    async def fail_stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        raise ValueError("as it is")

    async def absent(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, "nothing here", (("own", "kept"),))
        return b""

    async def refused_with_own(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("own", "kept"),))
        charge()
        return b""


class ReadingAndWriting(Aio):
    """Handlers that read and write instead of being given and yielding."""

    async def unary_stream(self, request: bytes, context: Any) -> None:  # type: ignore[override]
        for number in range(3):
            await context.write(seen(context, step=number))

    async def stream_unary(self, requests: Any, context: Any) -> bytes:
        steps = []
        while await context.read() is not grpc.aio.EOF:
            steps.append(synthetic.is_synthetic())
        return seen(context, steps=steps)

    async def stream_stream(self, requests: Any, context: Any) -> None:  # type: ignore[override]
        while (request := await context.read()) is not grpc.aio.EOF:
            await context.write(seen(context, request=request.decode()))


def kind_of(name: str) -> str:
    """Of which kind a method is."""
    others = {"endless": "unary_stream", "listed": "unary_stream", "fail_stream": "unary_stream"}
    return next((kind for kind in KINDS if name.endswith(kind)), others.get(name, "unary_unary"))


def handlers(servicer: Any) -> dict[str, Any]:
    """The handler of every method."""
    names = [name for name in dir(servicer) if not name.startswith("_")]
    return {name: getattr(grpc, f"{kind_of(name)}_rpc_method_handler")(getattr(servicer, name)) for name in names}


@contextmanager
def sync_server(*interceptors: Any, servicer: Any = None, pool: Any = None) -> Iterator[int]:
    """Serve on a free port, which it gives. Its thread pool has one thread, so that each call meets the last one's."""
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


@dataclass(frozen=True)
class Outcome:
    """How a call ended, and the responses that came until then."""

    code: grpc.StatusCode
    details: str
    trailing: dict[str, str]
    responses: list[bytes]

    def seen(self) -> list[Any]:
        assert self.code is grpc.StatusCode.OK, self
        return [json.loads(response) for response in self.responses]

    def only(self) -> Any:
        (seen,) = self.seen()
        return seen


def call(
    port: int, name: str, metadata: Sequence[tuple[str, str]] = (), *, requests: Sequence[bytes] = (b"a", b"b")
) -> Outcome:
    """Make a call as a stranger does, with a channel of its own."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
        kind = kind_of(name)
        method = getattr(channel, kind)(f"/{SERVICE}/{name}")
        request = iter(requests) if kind.startswith("stream") else requests[0]
        responses: list[bytes] = []
        try:
            if kind.endswith("unary"):
                response, ended = method.with_call(request, metadata=tuple(metadata), timeout=60)
                responses.append(response)
            else:
                ended = method(request, metadata=tuple(metadata), timeout=60)
                responses.extend(ended)
        except grpc.RpcError as error:
            ended = error
        return Outcome(ended.code(), ended.details(), dict(ended.trailing_metadata() or ()), responses)
