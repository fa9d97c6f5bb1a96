"""gevent: every way to start work and to wait for its result, in programs with and without monkey patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import gevent.pool
import gevent.threadpool

from tests.products.greenlets import Function, Hop, threads


class Subclass(gevent.Greenlet):  # type: ignore[misc]
    """A greenlet with a ``_run`` of its own, as gevent's documentation shows."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def _run(self) -> Any:
        return self.function()


def noted(start: Callable[[Function], Any]) -> Hop:
    """Start work that gives no result, and wait for it."""

    def hop(function: Function) -> Any:
        result = gevent.event.AsyncResult()
        start(lambda: result.set(function()))
        return result.get(timeout=60)

    return hop


def started(greenlet: gevent.Greenlet) -> Any:
    greenlet.start()
    return greenlet.get(timeout=60)


def in_executor(function: Function) -> Any:
    with gevent.threadpool.ThreadPoolExecutor(1) as executor:
        return executor.submit(function).result(timeout=60)


def in_executors_callback(function: Function) -> Any:
    def hop(callback: Function) -> None:
        with gevent.threadpool.ThreadPoolExecutor(1) as executor:
            executor.submit(int).add_done_callback(lambda _: callback())

    return noted(hop)(function)


def threadpool() -> Any:
    return gevent.get_hub().threadpool


def each(pool: Any, method: str) -> Hop:
    """A method of a pool that calls a function for every item of a list."""

    def hop(function: Function) -> Any:
        results = getattr(pool(), method)(lambda _: function(), [0, 1])
        first, second = results.get(timeout=60) if method == "map_async" else results
        assert first == second
        return first

    return hop


GREENLETS: dict[str, Hop] = {
    "spawn": lambda function: gevent.spawn(function).get(timeout=60),
    "spawn_later": lambda function: gevent.spawn_later(0, function).get(timeout=60),
    "spawn_raw": noted(lambda function: gevent.spawn_raw(function)),
    "spawn_raw, keywords": noted(lambda function: gevent.spawn_raw(lambda *, call: call(), call=function)),
    "start": lambda function: started(gevent.Greenlet(function)),
    "subclass": lambda function: started(Subclass(function)),
    "a greenlet's greenlet": lambda function: gevent.spawn(lambda: gevent.spawn(function).get()).get(timeout=60),
    "Group.spawn": lambda function: gevent.pool.Group().spawn(function).get(timeout=60),
    "Pool.spawn": lambda function: gevent.pool.Pool(1).spawn(function).get(timeout=60),
    "Pool.apply": lambda function: gevent.pool.Pool(1).apply(function),
    "Pool.apply_async": lambda function: gevent.pool.Pool(1).apply_async(function).get(timeout=60),
    "Pool.apply_async, callback": noted(
        lambda function: gevent.pool.Pool(1).apply_async(int, callback=lambda _: function())
    ),
    **{
        f"Pool.{method}": each(lambda: gevent.pool.Pool(1), method)
        for method in ("map", "map_async", "imap", "imap_unordered")
    },
}

THREADS: dict[str, Hop] = {
    "threadpool.spawn": lambda function: threadpool().spawn(function).get(timeout=60),
    "threadpool.apply": lambda function: threadpool().apply(function),
    "threadpool.apply_async": lambda function: threadpool().apply_async(function).get(timeout=60),
    "threadpool.apply_async, callback": noted(
        lambda function: threadpool().apply_async(int, callback=lambda _: function())
    ),
    "threadpool.map": each(threadpool, "map"),
    "threadpool.imap_unordered": each(threadpool, "imap_unordered"),
    "ThreadPoolExecutor": in_executor,
    "ThreadPoolExecutor, callback": in_executors_callback,
}

HOPS = GREENLETS | THREADS


PATCHED = HOPS | threads(noted)
