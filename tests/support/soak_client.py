"""The client of the soak: many keep-alive connections, mixed requests, and clients that leave in the middle."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from tests.support.keys import mint, shared_key
from tests.support.markers import baggage, expired, marked
from tests.support.soak_service import STEPS
from tests.support.wire import request_bytes

Keys = dict[str, Any]

REFUSED = "refused"
LARGE = b"x" * 100_000


class Senders:
    """Who sends requests: the name that the service must see (or that it must refuse), and the headers."""

    def __init__(self, keys: Keys, random_: random.Random) -> None:
        self._random = random_
        self.simulated = [(f"actor-{n}", marked(keys, sub=f"actor-{n}", run=f"run-{n % 7}")) for n in range(200)]
        stranger = shared_key(keys["keys"][-1]["kid"])
        bad = [mint(stranger, claims={"sub": f"forger-{n}"}) for n in range(50)]
        bad += [mint(keys, claims={"sub": f"late-{n}", **expired(60 + n)}) for n in range(50)]
        self.refused = [(REFUSED, baggage(f"user=7,synthetic-traffic={token}")) for token in bad]
        self.real = [("real", []), ("real", baggage("user=7")), ("real", baggage("a=%2C,b=\xff"))]

    def any(self) -> tuple[str, list[tuple[str, str]]]:
        (group,) = self._random.choices([self.real, self.simulated, self.refused], [50, 40, 10])
        return self._random.choice(group)


class Request(NamedTuple):
    action: str
    sent: str
    data: bytes


class Plan:
    """Which requests are sent: batches of one, or of a few that are pipelined."""

    WEIGHTS: ClassVar = {"echo": 70, "pool": 6, "body": 4, "stream": 9, "after": 9, "endless": 2}

    def __init__(self, total: int, keys: Keys, seed: int) -> None:
        self._random = random.Random(seed)
        self._senders = Senders(keys, self._random)
        self._left = total

    def batches(self) -> Iterator[list[Request]]:
        while self._left > 0:
            size = min(self._left, self._random.choice([1] * 12 + [2, 3, 5]))
            self._left -= size
            yield [self._request(alone=size == 1) for _ in range(size)]

    def _request(self, *, alone: bool) -> Request:
        (action,) = self._random.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))
        if not alone and action in ("endless", "body"):
            action = "echo"  # after those the connection may be over
        sent, headers = self._senders.any()
        large = LARGE if action == "body" else b""
        data = request_bytes(f"/{action}", [*headers, ("x-sent", sent)], method="POST" if large else "GET", body=large)
        return Request(action, sent, data)


class Tally:
    """What the services must have checked, and what the client saw go wrong."""

    def __init__(self) -> None:
        self.due: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.wrong: list[str] = []

    def expect(self, request: Request) -> None:
        kind = request.sent if request.sent in (REFUSED, "real") else "simulated"
        self.requests[kind] += 1
        if request.sent == REFUSED:
            return
        self.due[request.action] += STEPS if request.action == "stream" else 1
        if request.action == "after":
            self.due["background"] += 1
        if request.action == "endless":
            self.due["cancelled"] += 1

    def compare(self, request: Request, status: int, body: bytes) -> None:
        wanted = 403 if request.sent == REFUSED else 200
        seen = set(body.split()) if status == 200 else {request.sent.encode()}
        if status != wanted or seen != {request.sent.encode()}:
            self.wrong.append(f"{request.action}: sent {request.sent}, answered {status} {body[:60]!r}")


async def run(port: int, plan: Plan, connections: int, *, unread_body_closes: bool = False) -> Tally:
    """Send the whole plan over so many connections. gunicorn closes one whose request body nobody has read."""
    tally, batches = Tally(), plan.batches()
    await asyncio.gather(*(_client(port, batches, tally, unread_body_closes) for _ in range(connections)))
    return tally


async def _client(port: int, batches: Iterator[list[Request]], tally: Tally, unread_body_closes: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for batch in batches:
        writer.write(b"".join(request.data for request in batch))
        open_ = True
        for request in batch:
            tally.expect(request)
            open_ = await _answered(reader, request, tally)
            open_ = open_ and not (unread_body_closes and request.action == "body" and request.sent == REFUSED)
        if not open_:
            writer.transport.abort()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


async def _answered(reader: asyncio.StreamReader, request: Request, tally: Tally) -> bool:
    """Read one response and compare it; False where the connection cannot be used any more."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head[9:12])
    if request.action == "endless" and status == 200:
        tally.compare(request, status, await _chunk(reader))
        return False
    tally.compare(request, status, await _body(reader, head))
    return b"connection: close" not in head


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if b"transfer-encoding: chunked" not in head:
        length = head.split(b"content-length:")[1].split(b"\r\n")[0]
        return await reader.readexactly(int(length))
    parts = []
    while part := await _chunk(reader):
        parts.append(part)
    return b"".join(parts)


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    size = int(await reader.readline(), 16)
    return (await reader.readexactly(size + 2))[:-2]
