"""Real users keep their room while five times the capacity is simulated. In virtual time: the same on every machine.

One process serves: its costs are those that were measured on uvicorn. The middleware is the real one.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from functools import cache
from math import inf
from statistics import median
from typing import Any, Final, NamedTuple

import pytest

import synthetic
from synthetic._admission import shedding
from synthetic.asgi import SyntheticTrafficMiddleware
from tests.support.keys import entry, mint, shared_key
from tests.support.virtual_time import VirtualLoop, run

PARSED: Final = 0.00018
REFUSED: Final = 0.00012
COST: Final = 0.003
WAITING: Final = 0.005
CAPACITY: Final = 1 / (COST + PARSED)
SENDERS: Final = 400
SECONDS: Final = 20.0
START: Final = 2.0
"""Seconds after which times count: at first, nobody has told the senders anything yet."""


class Load(NamedTuple):
    """What arrives. Senders who obey do not send again before the time that a 429 tells, and up to once more that."""

    simulated: float = 0.0
    real: float = 0.3 * CAPACITY
    obeys: bool = True
    seconds: float = SECONDS
    seed: int = 1


class Seen(NamedTuple):
    """Times in milliseconds; a request that had no answer in the end took infinitely long."""

    p50: float
    p99: float
    statuses: Counter[int]


class _Service:
    """A service under load. ``seen`` has the times of the real requests."""

    def __init__(self, loop: VirtualLoop, load: Load, marker: bytes) -> None:
        self._loop = loop
        self._load = load
        self._random = random.Random(load.seed)
        self._app = SyntheticTrafficMiddleware(self._work)
        self._marked = [(b"baggage", marker)]
        self._silent: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = 0
        self.times: list[float] = []
        self.statuses: Counter[int] = Counter()

    async def _work(self, scope: Any, receive: Any, send: Any) -> None:
        self._loop.busy(COST * self._random.uniform(0.3, 0.9))
        await asyncio.sleep(self._random.uniform(0.5 * WAITING, 1.5 * WAITING))
        self._loop.busy(COST * self._random.uniform(0.1, 0.7))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _handle(self, at: float, sender: int | None) -> None:
        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._answered(message["status"], dict(message["headers"]).get(b"retry-after"), at, sender)

        headers = [] if sender is None else self._marked
        await self._app({"type": "http", "method": "GET", "path": "/", "headers": headers}, _nothing, send)

    def _answered(self, status: int, again: bytes | None, at: float, sender: int | None) -> None:
        if again is not None:
            self._loop.busy(REFUSED)
        if sender is None:
            if at >= START:
                self.times.append(self._loop.time() - at)
            return
        self.statuses[status] += 1
        if again is not None and self._load.obeys:
            self._silent[sender] = self._loop.time() + int(again) * self._random.uniform(1, 2)

    def _arrive(self, at: float, sender: int | None) -> None:
        if sender is not None and self._silent.get(sender, 0) > at:
            return
        self._arrived += sender is None and at >= START
        self._loop.busy(PARSED)
        task = self._loop.create_task(self._handle(at, sender))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def served(self) -> Seen:
        load = self._load
        for rate, is_simulated in ((load.real, False), (load.simulated, True)):
            at = self._random.expovariate(rate) if rate else load.seconds
            while at < load.seconds:
                sender = self._random.randrange(SENDERS) if is_simulated else None
                self._loop.call_at(at, self._arrive, at, sender)
                at += self._random.expovariate(rate)
        await asyncio.sleep(load.seconds + 0.5)
        times = sorted(self.times) + [inf] * (self._arrived - len(self.times))
        return Seen(times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000, self.statuses)


async def _nothing() -> Any:
    return {"type": "http.disconnect"}


@cache
def _keys() -> Any:
    return shared_key()


def under(load: Load, **settings: Any) -> Seen:
    loop = VirtualLoop()
    with pytest.MonkeyPatch.context() as patch, synthetic.configured(keys=_keys(), **settings):
        patch.setattr(shedding, "now", loop.time)
        return run(loop, _Service(loop, load, entry(mint(_keys())).encode()).served())


FIVE_TIMES: Final = Load(simulated=5 * CAPACITY)
DEAF: Final = FIVE_TIMES._replace(obeys=False, seconds=12.0)
SEEDS: Final = (1, 2, 3)


def test_real_users_hardly_notice_five_times_the_capacity_from_senders_who_obey() -> None:
    ratios = []
    for seed in SEEDS:
        alone = under(Load(seed=seed))
        beside = under(FIVE_TIMES._replace(seed=seed), shed="auto")
        ratios.append(beside.p99 / alone.p99)
        assert beside.p50 <= 1.1 * alone.p50
        assert beside.statuses[200] >= 40 * SECONDS  # and there was room for this many
    assert median(ratios) <= 1.2
    assert max(ratios) <= 1.3


def test_without_shedding_real_users_wait_for_seconds() -> None:
    seen = under(FIVE_TIMES._replace(seconds=3.0))
    assert seen.p50 > 1000
    assert set(seen.statuses) == {200}


def test_senders_who_do_not_obey_cost_what_their_refusals_cost() -> None:
    refused = under(DEAF, shed=lambda: True)
    beside = under(DEAF, shed="auto")
    assert refused.statuses[200] == 0
    assert beside.statuses[200] >= 40 * DEAF.seconds
    assert beside.p99 <= 1.3 * refused.p99
    assert beside.p99 <= 3 * under(Load(seconds=DEAF.seconds)).p99


def test_virtual_time_gives_the_same_figures_again() -> None:
    load = FIVE_TIMES._replace(seconds=3.0)
    assert under(load, shed="auto") == under(load, shed="auto")


async def _never() -> None:
    await asyncio.sleep(3600)


async def long_poll(scope: Any, receive: Any, send: Any) -> None:
    await _never()


async def event_stream(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await _never()


async def websocket(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    await _never()


@pytest.mark.parametrize(
    ("waiting", "kind", "free_after"),
    [(long_poll, "http", 1.0), (event_stream, "http", 0), (websocket, "websocket", 0)],
)
def test_a_simulated_request_that_waits_does_not_keep_others_out(waiting: Any, kind: str, free_after: float) -> None:
    loop = VirtualLoop()
    marked = [(b"baggage", entry(mint(_keys())).encode())]

    async def answered(app: Any, kind: str) -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message.get("status"))

        scope = {"type": kind, "method": "GET", "path": "/", "headers": marked}
        await SyntheticTrafficMiddleware(app)(scope, _nothing, send)
        return sent[:1]

    async def short(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def seen() -> None:
        others = [asyncio.ensure_future(answered(waiting, kind))]
        await asyncio.sleep(0.01)
        if free_after:
            assert await answered(short, "http") == [429]
            await asyncio.sleep(free_after - 0.1)
            assert await answered(short, "http") == [429]
            await asyncio.sleep(0.2)
        for _ in range(5):
            assert await answered(short, "http") == [200]
            others.append(asyncio.ensure_future(answered(waiting, kind)))
            await asyncio.sleep(free_after + 0.01)
        assert not any(other.done() for other in others)

    with pytest.MonkeyPatch.context() as patch, synthetic.configured(keys=_keys(), shed="auto"):
        patch.setattr(shedding, "now", loop.time)
        run(loop, seen())
