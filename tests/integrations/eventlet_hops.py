"""Every way that eventlet has to start something, with a result to wait for; for programs with and without patches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import eventlet
import eventlet.event
import eventlet.tpool

from tests.integrations.concurrency_hops import seen

Function = Callable[[], Any]


def noted(start: Callable[[Function], Any]) -> Callable[[Function], Any]:
    """Start what gives no result, and wait for it."""

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


GREENLETS: dict[str, Callable[[Function], Any]] = {
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

THREADS: dict[str, Callable[[Function], Any]] = {
    "tpool.execute": lambda function: eventlet.tpool.execute(function),
    "tpool.Proxy, method": lambda function: eventlet.tpool.Proxy(Called(function)).method(),
    "tpool.Proxy, item": lambda function: eventlet.tpool.Proxy(Called(function))["key"],
}

HOPS = GREENLETS | THREADS


def thread(function: Function) -> Any:
    return noted(lambda work: threading.Thread(target=work).start())(function)


def timer(function: Function) -> Any:
    return noted(lambda work: threading.Timer(0, work).start())(function)


PATCHED = {**HOPS, "Thread": thread, "Timer": timer}
"""With what is a green thread under monkey patching."""


def all_seen(hops: dict[str, Callable[[Function], Any]] = HOPS) -> dict[str, Any]:
    """What the work at hand is at the other end of every hop."""
    return {name: hop(seen) for name, hop in hops.items()}
