"""What the tests of threads, executors and processes share: arrangements with OpenTelemetry, and what is seen where."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from importlib.util import find_spec
from typing import Any

import pytest

import synthetic
from synthetic._work.state import VERDICT

ARRANGEMENTS = ("ours", "ours, then OpenTelemetry", "OpenTelemetry, then ours")

RUN = "rush-hour"

FORKS = [
    pytest.mark.filterwarnings("ignore:Using fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]
"""Eventlet, once it is imported, warns of every fork, and Python 3.12 of one beside threads; others may run those."""

NEEDS_SENTRY = pytest.mark.skipif(find_spec("sentry_sdk") is None, reason="sentry-sdk is not installed")
"""Without importing it: it imports eventlet."""

START = threading.Thread.start


@contextmanager
def carried(arrangement: str = "ours") -> Iterator[None]:
    """Switch the integration on, alone or with OpenTelemetry's instrumentation of threads, in either order."""
    with ExitStack() as undo:
        for name in arrangement.split(", then "):
            undo.enter_context(_theirs() if name == "OpenTelemetry" else _ours())
        yield


@contextmanager
def _ours() -> Iterator[None]:
    synthetic.instrument("concurrency")
    try:
        yield
    finally:
        synthetic.uninstrument("concurrency")


@contextmanager
def _theirs() -> Iterator[None]:
    instrumentor = pytest.importorskip("opentelemetry.instrumentation.threading").ThreadingInstrumentor()
    instrumentor.instrument()
    try:
        yield
    finally:
        instrumentor.uninstrument()


def seen(_: object = None) -> str:
    """What the work at hand is: its run, ``real`` where that was decided, ``unset``, or ``unverified``."""
    try:
        marker = synthetic.current()
    except synthetic.UnverifiedMarker as error:
        return f"unverified: {error.reason.value}"
    if marker is not None:
        assert synthetic.headers()["baggage"].startswith("synthetic-traffic=")
        return marker.run
    return "unset" if VERDICT.get() is None else "real"


def in_a_thread(function: Callable[[], Any] = seen, make: Any = threading.Thread) -> Any:
    """Call a function in a thread of its own; return what it returned."""
    found: list[Any] = []
    thread = make(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found.pop()


def as_is(verdict: str | None) -> Any:
    """Work that is real, simulated by the run of that name, or of which nothing is known (None)."""
    if verdict is None:
        return nullcontext()
    return synthetic.real() if verdict == "real" else synthetic.simulated(run=verdict)


# Kinds of threads


class Overriding(threading.Thread):
    """A thread whose work is its own ``run``, which no wrapper around ``Thread.run`` sees."""

    def __init__(self, target: Callable[[], Any]) -> None:
        super().__init__()
        self.work = target

    def run(self) -> None:
        self.work()


class Twofold(Overriding):
    """One that calls the ``start`` and the ``run`` above it."""

    def start(self) -> None:
        super().start()

    def run(self) -> None:
        super().run()


def timer(target: Callable[[], Any]) -> threading.Timer:
    return threading.Timer(0, target)


def with_run_on_the_instance(target: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread()
    thread.run = target  # type: ignore[method-assign]
    return thread


MAKERS = [threading.Thread, timer, Overriding, Twofold, with_run_on_the_instance]


# Pythons on which a thread inherits the context of its starter


def inheriting(start: Any) -> Any:
    """``Thread.start`` as it is there: the thread runs in a copy of the starter's context."""

    def start_with_a_copy(thread: threading.Thread) -> None:
        copied, run = contextvars.copy_context(), thread.run
        thread.run = lambda: copied.run(run)  # type: ignore[method-assign]
        start(thread)

    return start_with_a_copy
