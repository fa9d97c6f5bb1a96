"""eventlet: every way to start work and to wait for its result, in programs with and without monkey patches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import eventlet
import eventlet.event
import eventlet.tpool

from tests.products.greenlets import Function, Hop, threads


def noted(start: Callable[[Function], Any]) -> Hop:
    """Start work that gives no result, and wait for it."""

    def hop(function: Function) -> Any:
        event = eventlet.event.Event()
        start(lambda: event.send(function()))
        with eventlet.Timeout(10):
            return event.wait()

    return hop


def pile(function: Function) -> Any:
    greens = eventlet.GreenPile(1)
    greens.spawn(function)
    return next(greens)


class Called:
    """An object behind a ``tpool.Proxy``."""

    def __init__(self, function: Function) -> None:
        self.method = function
        self.function = function

    def __getitem__(self, key: str) -> Any:
        return self.function()


GREENLETS: dict[str, Hop] = {
    "spawn": lambda function: eventlet.spawn(function).wait(),
    "spawn_n": noted(lambda function: eventlet.spawn_n(function)),
    "spawn_after": lambda function: eventlet.spawn_after(0, function).wait(),
    "spawn_after_local": lambda function: eventlet.greenthread.spawn_after_local(0, function).wait(),
    "a green thread's green thread": lambda function: eventlet.spawn(lambda: eventlet.spawn(function).wait()).wait(),
    "GreenPool.spawn": lambda function: eventlet.GreenPool(1).spawn(function).wait(),
    "GreenPool.spawn_n": noted(lambda function: eventlet.GreenPool(1).spawn_n(function)),
    "GreenPool.starmap": lambda function: next(eventlet.GreenPool(1).starmap(function, [()])),
    "GreenPool.imap": lambda function: next(eventlet.GreenPool(1).imap(lambda _: function(), [0])),
    "GreenPile": pile,
    "link": noted(lambda function: eventlet.spawn(int).link(lambda _: function())),
}

THREADS: dict[str, Hop] = {
    "tpool.execute": lambda function: eventlet.tpool.execute(function),
    "tpool.Proxy, method": lambda function: eventlet.tpool.Proxy(Called(function)).method(),
    "tpool.Proxy, item": lambda function: eventlet.tpool.Proxy(Called(function))["key"],
}

HOPS = GREENLETS | THREADS


PATCHED = HOPS | threads(noted)
