"""An ASGI application that reports what it saw: the last segment of the path says how."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.support.reporting import APPLICATION_HEADERS, EVENTS, JOURNAL, report


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return await _lifespan(receive, send)
    headers = dict(scope["headers"])
    call = _Call(scope, receive, send, headers.get(b"x-id", b"").decode())
    JOURNAL.note(call.id, "called")
    if scope["type"] == "websocket":
        return await call.websocket()
    action = scope["path"].rpartition("/")[2]
    await getattr(call, action.replace("-", "_"))()


async def _lifespan(receive: Any, send: Any) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


class _Call:
    def __init__(self, scope: Any, receive: Any, send: Any, id_: str) -> None:
        self.scope, self.receive, self.send, self.id = scope, receive, send, id_

    def report(self, **more: Any) -> bytes:
        headers = [value.decode("latin-1") for name, value in self.scope["headers"] if name == b"baggage"]
        return json.dumps(report(headers, **more)).encode() + b"\n"

    async def start(self) -> None:
        headers = [(name.encode(), value.encode()) for name, value in APPLICATION_HEADERS]
        await self.send({"type": "http.response.start", "status": 200, "headers": headers})

    async def part(self, body: bytes, *, more: bool = True) -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def echo(self, **more: Any) -> None:
        await self.start()
        await self.part(self.report(**more), more=False)

    async def body(self) -> None:
        length, more = 0, True
        while more:
            message = await self.receive()
            length, more = length + len(message.get("body", b"")), message.get("more_body", False)
            await asyncio.sleep(0)
        await self.echo(length=length)

    async def stream(self) -> None:
        await self.start()
        for step in range(3):
            await self.part(self.report(step=step))
            await asyncio.sleep(0.001)
        await self.part(b"", more=False)

    async def fail(self) -> None:
        raise RuntimeError("the application fails")

    async def fail_late(self) -> None:
        await self.start()
        await self.part(self.report())
        raise RuntimeError("the application fails while it streams")

    async def after(self) -> None:
        await self.echo()
        await asyncio.sleep(0.001)
        JOURNAL.note(self.id, "after")

    async def events(self) -> None:
        await self.start()
        gone = asyncio.ensure_future(self._gone())
        try:
            for _ in range(EVENTS):
                await self.part(b"data: " + self.report() + b"\n")
                if (await asyncio.wait({gone}, timeout=0.002))[0]:
                    return
        finally:
            gone.cancel()
            JOURNAL.note(self.id, "closed")

    async def _gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def websocket(self) -> None:
        await self.receive()
        await self.send({"type": "websocket.accept"})
        while (await self.receive())["type"] == "websocket.receive":
            await self.send({"type": "websocket.send", "text": self.report().decode()})
        JOURNAL.note(self.id, "closed")
