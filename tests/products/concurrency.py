"""Threads, executors and processes: ways to start them, and the verdict that is in force there."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import synthetic
from synthetic._work.state import VERDICT
from tests.support.switches import instrumented, traced

ARRANGEMENTS = ("ours", "ours, then OpenTelemetry", "OpenTelemetry, then ours")

RUN = "rush-hour"

START = threading.Thread.start


@contextmanager
def carried(arrangement: str = "ours") -> Iterator[None]:
    """Switch the integration on, alone or with OpenTelemetry's instrumentation of threads, in either order."""
    with ExitStack() as undo:
        for name in arrangement.split(", then "):
            undo.enter_context(traced(_instrumentor) if name == "OpenTelemetry" else instrumented("concurrency"))
        yield


def contrib() -> None:
    """Switch on OpenTelemetry's instrumentation of threads."""
    from opentelemetry.instrumentation.threading import ThreadingInstrumentor

    ThreadingInstrumentor().instrument()


def _instrumentor() -> Any:
    import pytest

    return pytest.importorskip("opentelemetry.instrumentation.threading").ThreadingInstrumentor()


def seen(_: object = None) -> str:
    """The verdict in force: the run, ``real`` if that was decided, ``unset``, or ``unverified``."""
    try:
        marker = synthetic.current()
    except synthetic.UnverifiedMarker as error:
        return f"unverified: {error.reason.value}"
    if marker is not None:
        assert synthetic.headers()["baggage"].startswith("synthetic-traffic=")
        return marker.run
    return "unset" if VERDICT.get() is None else "real"


def in_a_thread(function: Callable[[], Any] = seen, make: Any = threading.Thread) -> Any:
    """Call a function in a new thread; return its result."""
    found: list[Any] = []
    thread = make(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found.pop()


def as_is(verdict: str | None) -> Any:
    """Work that is real, simulated by the run of that name, or without a verdict (None)."""
    if verdict is None:
        return nullcontext()
    return synthetic.real() if verdict == "real" else synthetic.simulated(run=verdict)


# Kinds of threads


class Overriding(threading.Thread):
    """A thread with a ``run`` of its own, which no wrapper around ``Thread.run`` sees."""

    def __init__(self, target: Callable[[], Any]) -> None:
        super().__init__()
        self.work = target

    def run(self) -> None:
        self.work()


class Twofold(Overriding):
    """A thread that calls the inherited ``start`` and ``run``."""

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


# Pythons in which a thread inherits the context of its starter


def inheriting(start: Any) -> Any:
    """The ``Thread.start`` of such a Python: the thread runs in a copy of the starter's context."""

    def start_with_a_copy(thread: threading.Thread) -> None:
        copied, run = contextvars.copy_context(), thread.run
        thread.run = lambda: copied.run(run)  # type: ignore[method-assign]
        start(thread)

    return start_with_a_copy
