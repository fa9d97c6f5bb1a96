"""Clients of the service, sync and aio, and a call that reports everything about its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from tests.products.grpc import OPTIONS, SERVICE, kind_of

METHOD = f"/{SERVICE}/book"


class SyncClient:
    """One channel, with each call made to its end."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel

    def call(self, kind: str = "unary_unary", metadata: Any = None, method: str = METHOD) -> list[bytes]:
        """Make a call of this kind; return its responses."""
        made = getattr(self.channel, kind)(method)
        request = iter([b"a", b"b"]) if kind.startswith("stream") else b"a"
        answer = made(request, metadata=metadata, timeout=60)
        return list(answer) if kind.endswith("stream") else [answer]


class AioClient:
    """The same in an event loop of its own."""

    def __init__(self, channel: grpc.aio.Channel, loop: asyncio.AbstractEventLoop) -> None:
        self.channel = channel
        self.loop = loop

    def call(self, kind: str = "unary_unary", metadata: Any = None, method: str = METHOD) -> list[bytes]:
        return self.loop.run_until_complete(self._call(kind, metadata, method))

    async def _call(self, kind: str, metadata: Any, method: str) -> list[bytes]:
        made = getattr(self.channel, kind)(method)
        request = iter([b"a", b"b"]) if kind.startswith("stream") else b"a"
        answer = made(request, metadata=metadata, timeout=60)
        return [one async for one in answer] if kind.endswith("stream") else [await answer]


@contextmanager
def sync_client(target: str, *interceptors: Any) -> Iterator[SyncClient]:
    with grpc.insecure_channel(target, options=OPTIONS) as channel:
        yield SyncClient(grpc.intercept_channel(channel, *interceptors) if interceptors else channel)


@contextmanager
def aio_client(target: str, *interceptors: Any) -> Iterator[AioClient]:
    async def opened() -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(target, options=OPTIONS, interceptors=list(interceptors) or None)

    loop = asyncio.new_event_loop()
    channel = loop.run_until_complete(opened())
    try:
        yield AioClient(channel, loop)
    finally:
        loop.run_until_complete(channel.close())
        loop.close()


@dataclass(frozen=True)
class Outcome:
    """How a call ended, and the responses that arrived before."""

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
    """Make a call with its own channel and this metadata."""
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
