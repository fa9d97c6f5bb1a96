"""What every reporting application streams; ``seen`` gives one line of its report."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tests.support.reporting import EVENTS, JOURNAL, report

Seen = Callable[..., bytes]


def line(baggage_headers: list[str], **more: Any) -> bytes:
    """The report as one line."""
    return json.dumps(report(baggage_headers, **more)).encode() + b"\n"


def steps(seen: Seen) -> Iterator[bytes]:
    for step in range(3):
        yield seen(step=step)


async def async_steps(seen: Seen) -> AsyncIterator[bytes]:
    for step in range(3):
        yield seen(step=step)
        await asyncio.sleep(0.001)


def failing_steps(seen: Seen) -> Iterator[bytes]:
    yield seen()
    raise RuntimeError("the application fails while it streams")


async def async_failing_steps(seen: Seen) -> AsyncIterator[bytes]:
    yield seen()
    raise RuntimeError("the application fails while it streams")


def events(seen: Seen, id_: str) -> Iterator[bytes]:
    """More than any client stays for; the end is noted."""
    try:
        for _ in range(EVENTS):
            yield b"data: " + seen() + b"\n"
            time.sleep(0.002)
    finally:
        JOURNAL.note(id_, "closed")


async def async_events(seen: Seen, id_: str) -> AsyncIterator[bytes]:
    try:
        for _ in range(EVENTS):
            yield b"data: " + seen() + b"\n"
            await asyncio.sleep(0.002)
    finally:
        JOURNAL.note(id_, "closed")


async def after(id_: str) -> None:
    """Work that goes on when the response is sent."""
    await asyncio.sleep(0.001)
    JOURNAL.note(id_, "after")
