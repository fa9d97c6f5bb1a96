"""The handlers of the service: every kind of method, sync and aio, and what each sees of its call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any, cast

import grpc
import grpc.aio

import synthetic
from synthetic._model.reason import Reason
from tests.support.reporting import JOURNAL, report

charged: list[str] = []


@synthetic.guard("payment")
def charge() -> None:
    charged.append("charged")


def unverified() -> None:
    raise synthetic.UnverifiedMarker(Reason.BAD_SIGNATURE)


def id_of(context: Any) -> str:
    """The id that the client gave the call. Ask before the call ends."""
    return str(dict(context.invocation_metadata()).get("x-id", ""))


def seen(context: Any, **more: Any) -> bytes:
    """What a handler sees of its call; also noted under the id of the call."""
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


def _coroutine(method: Any) -> Any:
    async def handle(self: Any, request: bytes, context: Any) -> bytes:
        await asyncio.sleep(0)
        return cast("bytes", method(self, request, context))

    return handle


def _generator(method: Any) -> Any:
    async def handle(self: Any, request: bytes, context: Any) -> AsyncIterator[bytes]:
        responses = method(self, request, context)
        try:
            for response in responses:
                await asyncio.sleep(0)
                yield response
        finally:
            if isinstance(responses, Generator):
                responses.close()

    return handle


class Aio:
    """The same, as coroutine functions and asynchronous generators."""

    unary_unary = _coroutine(Sync.unary_unary)
    unary_stream = _generator(Sync.unary_stream)
    endless = _generator(Sync.endless)
    listed = _generator(Sync.listed)
    book_unary_unary = _coroutine(Sync.book_unary_unary)
    book_unary_stream = _generator(Sync.book_unary_stream)
    unverified = _coroutine(Sync.unverified)
    fail = _coroutine(Sync.fail)
    fail_stream = _generator(Sync.fail_stream)
    refused_with_own = _coroutine(Sync.refused_with_own)

    async def stream_unary(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        steps = [synthetic.is_synthetic() async for _ in requests]
        return seen(context, steps=steps)

    async def stream_stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield seen(context, request=request.decode())

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

    async def absent(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, "nothing here", (("own", "kept"),))
        return b""


class ReadingAndWriting(Aio):
    """Handlers that read and write on their context."""

    async def unary_stream(self, request: bytes, context: Any) -> None:
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
