"""Real riders: ``python commuters.py PORT RATE`` asks for a ride at a steady rate, and measures each answer.

The rate does not depend on the answers, and a time counts from when the request was due: slow answers hide nothing.
Twice a second it prints a line with the milliseconds of what was answered, and the number of what failed.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import threading
import time

HOST = "localhost"
REQUEST = f"GET /rides HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
PAUSE = 0.5


class Commuters:
    """Connections are kept and used again, as browsers and apps do."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.times: list[float] = []
        self.failed = 0

    async def ask(self, due: float) -> None:
        try:
            try:
                await self._ask()
            except (OSError, EOFError):  # a kept connection: the service was restarted meanwhile
                self._idle.clear()
                await self._ask()
            self.times.append(round((time.perf_counter() - due) * 1000, 1))
        except (OSError, EOFError, ValueError):
            self.failed += 1

    async def _ask(self) -> None:
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ValueError(head)
        self._idle.append((reader, writer))

    def tell(self) -> None:
        times, self.times = self.times, []
        failed, self.failed = self.failed, 0
        try:
            print(json.dumps({"ms": times, "failed": failed}), flush=True)
        except OSError:  # the demo is gone
            os._exit(0)


async def main(port: int, rate: float) -> None:
    commuters, asking = Commuters(port), set()
    due = told = time.perf_counter()
    while True:
        now = time.perf_counter()
        while due <= now:
            task = asyncio.create_task(commuters.ask(due))
            asking.add(task)
            task.add_done_callback(asking.discard)
            due += 1 / rate
        if now - told >= PAUSE:
            told += PAUSE
            commuters.tell()
        await asyncio.sleep(max(0.0, due - time.perf_counter()))


def end_with_the_demo() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_the_demo, daemon=True).start()
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
