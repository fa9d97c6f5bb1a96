"""What real requests notice of simulated ones, with ``shed="auto"`` and without, on real servers.

The server keeps to one core and the load to another: on a machine with a single core, or with other load, the figures
say nothing. Idle and loaded rounds take turns, and a ratio compares rounds of one run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from tests.benchmarks.measure import FULL, Effort
from tests.benchmarks.table import Goal, Row, at_most
from tests.support.keys import entry, mint, shared_key
from tests.support.servers import gunicorn_server, uvicorn_process, wait_until
from tests.support.wire import Connection, get, request_bytes

_CAPACITY: Final = 314.0
"""Requests per second of one core: 3 ms each, and what the server itself takes."""

_SENDERS: Final = 400
_MOST: Final = 400
"""Simulated requests under way at a time: the senders themselves are full then."""


class Phase(NamedTuple):
    """Seconds of load: real requests that are measured, and simulated ones."""

    seconds: float
    simulated: float = 0.0
    obeys: bool = True
    real: float = 0.3 * _CAPACITY


class _Answer(asyncio.Protocol):
    """One connection, with one request under way at a time."""

    def __init__(self) -> None:
        self._received = b""
        self.answered: asyncio.Future[int] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, rest = head.lower().partition(b"content-length:")
        if len(body) >= int(rest.split(b"\r\n", 1)[0]):
            self._received = b""
            self._done(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        self._done(0)

    def _done(self, status: int) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(status)


class _Load:
    def __init__(self, port: int, marked: bytes, phase: Phase) -> None:
        self._port = port
        self._phase = phase
        self._requests = {False: request_bytes("/work"), True: marked}
        self._free: list[_Answer] = []
        self._silent: dict[int, float] = {}
        self._random = random.Random(1)
        self._begun = 0.0
        self.times: list[float] = []

    async def _answered(self, is_simulated: bool) -> int:
        loop = asyncio.get_running_loop()
        connection = None
        while self._free and (connection is None or connection.transport.is_closing()):
            connection = self._free.pop()
        if connection is None or connection.transport.is_closing():
            _, connection = await loop.create_connection(_Answer, "127.0.0.1", self._port)
        connection.answered = loop.create_future()
        connection.transport.write(self._requests[is_simulated])
        status = await connection.answered
        if status:
            self._free.append(connection)
        return status

    async def _real(self, at: float, _: int) -> None:
        is_counted = at - self._begun > self._phase.seconds / 4  # at first, nobody has told the senders anything
        if await self._answered(False) == 200 and is_counted:
            self.times.append(asyncio.get_running_loop().time() - at)

    async def _simulated(self, at: float, sender: int) -> None:
        if await self._answered(True) == 429 and self._phase.obeys:
            self._silent[sender] = asyncio.get_running_loop().time() + 5 * self._random.uniform(1, 2)

    async def _arriving(self, rate: float, send: Callable[[float, int], Any], most: int) -> None:
        loop = asyncio.get_running_loop()
        at = self._begun
        end = at + self._phase.seconds
        under_way: set[asyncio.Task[None]] = set()
        while rate and (at := at + self._random.expovariate(rate)) < end:
            await asyncio.sleep(max(0.0, at - loop.time()))
            sender = self._random.randrange(_SENDERS)
            is_silent = send == self._simulated and self._silent.get(sender, 0) > at
            if is_silent or len(under_way) >= most:
                continue
            task = loop.create_task(send(at, sender))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            await asyncio.wait(under_way, timeout=2)
        for task in under_way:
            task.cancel()

    async def run(self) -> list[float]:
        self._begun = asyncio.get_running_loop().time()
        await asyncio.gather(
            self._arriving(self._phase.real, self._real, 10_000),
            self._arriving(self._phase.simulated, self._simulated, _MOST),
        )
        for connection in self._free:
            connection.transport.close()
        return self.times


Serve = Callable[[dict[str, str]], AbstractContextManager[int]]


@contextmanager
def _uvicorn(variables: dict[str, str]) -> Iterator[int]:
    target = "tests.benchmarks.shed_app:asgi"
    with tempfile.TemporaryDirectory() as folder, uvicorn_process(Path(folder), target, variables) as port:
        yield port


@contextmanager
def _gunicorn(*options: str, variables: dict[str, str]) -> Iterator[int]:
    target = "tests.benchmarks.shed_app:wsgi"
    with (
        tempfile.TemporaryDirectory() as folder,
        gunicorn_server(Path(folder), target, variables, *options) as (port, _),
    ):
        yield port


def _p99(port: int, keys: dict[str, Any], phase: Phase, shed: str) -> float:
    assert get(port, f"/{shed}").status == 200  # it also waits until what came before has been handled
    marked = request_bytes("/work", [("baggage", entry(mint(keys)))])
    times = sorted(asyncio.run(_Load(port, marked, phase).run()))
    return times[min(len(times) - 1, int(len(times) * 0.99))] * 1e9 if times else float("nan")


class _Kind(NamedTuple):
    what: str
    phase: Phase
    shed: str = "auto"
    """The path that tells the server how to shed."""
    goal: Goal | None = None


def _compared(name: str, serve: Serve, effort: Effort, kinds: list[_Kind], real: float) -> Iterator[Row]:
    rounds = 3 if effort == FULL else 1
    seconds = 4.0 if effort == FULL else 0.5
    found: dict[str, list[float]] = {kind.what: [] for kind in kinds}
    idle: list[float] = []
    keys = shared_key()
    with serve({"KEYS": json.dumps(keys)}) as port:
        for _ in range(rounds):
            idle.append(_p99(port, keys, Phase(seconds, real=real), "auto"))
            for kind in kinds:
                phase = kind.phase._replace(seconds=seconds, real=real)
                found[kind.what].append(_p99(port, keys, phase, kind.shed))
    for kind in kinds:
        what = f"{name}, {kind.what}: p99 of real requests"
        yield Row(what, median(found[kind.what]), "no simulated requests", median(idle), kind.goal)


def served(effort: Effort) -> Iterator[Row]:
    """The p99 of real requests beside five times the capacity, and the processor time of a real request."""
    flood = Phase(0, simulated=5 * _CAPACITY)
    deaf = flood._replace(obeys=False)
    with _on_another_core():
        kinds = [
            _Kind("shed='auto'", flood, goal=at_most(1.25)),
            _Kind("shed='auto', senders deaf to Retry-After", deaf),
            _Kind("no shedding (grows on)", flood, shed="none"),
        ]
        yield from _compared("uvicorn", _uvicorn, effort, kinds, 0.3 * _CAPACITY)
        some = [_Kind("shed='auto'", flood)]
        for name, options in (
            ("gunicorn sync, one request at a time", ()),
            ("gunicorn gthread, 4 threads", ("--worker-class=gthread", "--threads=4")),
        ):
            # With one request at a time, waiting takes the room of others, too: 125 a second are all.
            serve: Serve = partial(_gunicorn_with, options)
            yield from _compared(name, serve, effort, some, 0.3 * 125)
        yield _cost(effort)


def _gunicorn_with(options: tuple[str, ...], variables: dict[str, str]) -> AbstractContextManager[int]:
    return _gunicorn(*options, variables=variables)


def _cost(effort: Effort) -> Row:
    """Processor time of a real request: one process, which is told to shed and not to shed, in turns."""
    taken: dict[str, list[float]] = {"/auto": [], "/none": []}
    with _uvicorn({"KEYS": json.dumps(shared_key())}) as port, Connection(port) as connection:
        wait_until(lambda: get(port, "/").status == 200)
        order = list(taken)
        for _ in range(effort.slices // 4):
            for shed in order:
                begun = connection.request(shed).json()["seconds"]
                for _ in range(100):
                    connection.request("/")
                taken[shed].append((connection.request("/").json()["seconds"] - begun) / 101 * 1e9)
            order.reverse()
    ours, without = (median(taken[shed]) for shed in ("/auto", "/none"))
    return Row("uvicorn, shed='auto': processor time of a real request", ours, "shed=None", without, at_most(1.03))


@contextmanager
def _on_another_core() -> Iterator[None]:
    """Load from any core but the server's."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    # What is started inherits the cores, so that the server is told its own by the first of all.
    os.environ["CORE"] = str(min(before))
    os.sched_setaffinity(0, before - {min(before)} or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
        del os.environ["CORE"]
