"""Threads and timers run under the verdict of their starter."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import threading
import weakref
from typing import Any

import pytest
from opentelemetry import context

import synthetic
from synthetic import real, simulated
from synthetic._work.state import VERDICT
from tests.products.concurrency import MAKERS, RUN, START, Overriding, in_a_thread, seen, timer
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import mint, shared_key


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.usefixtures("arrangement")
def test_a_thread_has_the_verdict_of_its_starter(make: Any) -> None:
    for _ in range(2):
        assert in_a_thread(make=make) == "unset"
        with simulated(run=RUN):
            assert in_a_thread(make=make) == RUN
            with real():
                assert in_a_thread(make=make) == "unset"
            assert in_a_thread(make=make) == RUN
        assert in_a_thread(make=make) == "unset"


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.usefixtures("arrangement")
def test_a_thread_of_unverified_work_is_unverified(make: Any) -> None:
    with brought_by_opentelemetry(mint(shared_key())):
        assert in_a_thread(make=make) == "unverified: bad-signature"
    assert in_a_thread(make=make) == "unset"


@pytest.mark.usefixtures("arrangement")
def test_threads_of_a_thread_have_its_verdict() -> None:
    with simulated(run=RUN):
        assert in_a_thread(lambda: in_a_thread(lambda: in_a_thread(make=Overriding), make=timer)) == RUN


@pytest.mark.usefixtures("arrangement")
def test_work_passed_to_the_event_loop_from_a_thread_has_the_verdict_of_the_thread() -> None:
    async def told() -> str:
        return seen()

    async def main() -> tuple[str, str]:
        loop = asyncio.get_running_loop()
        called: asyncio.Future[str] = loop.create_future()
        with simulated(run=RUN):
            thread = threading.Thread(
                target=lambda: (
                    by_coroutine.append(asyncio.run_coroutine_threadsafe(told(), loop)),
                    loop.call_soon_threadsafe(lambda: called.set_result(seen())),
                )
            )
            thread.start()
            return await called, await asyncio.wrap_future(by_coroutine[0])

    by_coroutine: list[Any] = []
    assert asyncio.run(main()) == (RUN, RUN)


@pytest.mark.usefixtures("alone")
def test_an_event_loop_in_a_new_thread_has_the_verdict_of_the_thread() -> None:
    async def told() -> str:
        return seen()

    with simulated(run=RUN):
        assert in_a_thread(lambda: asyncio.run(told())) == RUN


# What a thread does otherwise


@pytest.mark.usefixtures("arrangement")
def test_the_thread_object_keeps_no_trace_of_the_integration() -> None:
    inside: list[dict[str, Any]] = []
    with simulated(run=RUN):
        thread = threading.Thread(target=lambda: inside.append(dict(vars(threading.current_thread()))))
        thread.start()
        thread.join()
    assert "run" not in inside[0]
    assert "run" not in vars(thread)


@pytest.mark.usefixtures("alone")
def test_another_wrapper_on_the_thread_object_is_called_and_kept() -> None:
    thread = threading.Thread(target=lambda: calls.append(seen()))
    calls: list[str] = []
    run = thread.run

    def theirs() -> None:
        calls.append("theirs")
        run()

    thread.run = theirs  # type: ignore[method-assign]
    with simulated(run=RUN):
        thread.start()
        thread.join()
    assert calls == ["theirs", RUN]
    assert thread.run is theirs


@pytest.mark.usefixtures("arrangement")
def test_a_second_start_of_a_thread_fails_and_changes_nothing() -> None:
    with simulated(run=RUN):
        thread = threading.Thread(target=seen)
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
    assert "run" not in vars(thread)


@pytest.mark.usefixtures("alone")
def test_starting_an_uninitialised_thread_raises_the_standard_error() -> None:
    class Forgetful(threading.Thread):
        def __init__(self) -> None:
            pass

    thread = Forgetful()
    with simulated(run=RUN), pytest.raises(RuntimeError, match="not called"):
        thread.start()
    assert "run" not in vars(thread)


@pytest.mark.usefixtures("arrangement")
def test_an_error_in_a_thread_goes_to_the_excepthook(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", found.append)

    def fail() -> None:
        raise ValueError("in the thread")

    with simulated(run=RUN):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert [(hooked.exc_type, hooked.thread) for hooked in found] == [(ValueError, thread)]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.usefixtures("arrangement")
def test_the_excepthook_of_a_thread_has_the_verdict_of_the_thread(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda _: found.append(seen()))

    def fail() -> None:
        raise ValueError("in the thread")

    for kind in (simulated(run=RUN), real()):
        with kind:
            thread = make(target=fail)
            thread.start()
            thread.join()
    with brought_by_opentelemetry(mint(shared_key())):
        thread = make(target=fail)
        thread.start()
        thread.join()
    assert found == [RUN, "unset", "unverified: bad-signature"]


@pytest.mark.usefixtures("alone")
def test_the_excepthook_has_the_verdict_where_each_thread_runs_in_a_context_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As since Python 3.14, where the hook is called outside of that context."""
    found: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda _: found.append(seen()))
    bootstrap: Any = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def bootstrap_in_a_context(thread: Any) -> None:
        present = thread.run
        thread.run = lambda: contextvars.Context().run(present)
        bootstrap(thread)

    def fail() -> None:
        raise ValueError("in the thread")

    monkeypatch.setattr(threading.Thread, "_bootstrap_inner", bootstrap_in_a_context)
    with simulated(run=RUN):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert found == [RUN]


@pytest.mark.usefixtures("alone")
def test_a_thread_that_failed_is_freed_without_the_garbage_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    gc.disable()
    try:
        with simulated(run=RUN):
            thread = threading.Thread(target=lambda: 1 / 0)
            thread.start()
            thread.join()
            reference = weakref.ref(thread)
            del thread
        assert reference() is None
    finally:
        gc.enable()


@pytest.mark.usefixtures("alone")
def test_an_ended_thread_is_freed_without_the_garbage_collector() -> None:
    gc.disable()
    try:
        with simulated(run=RUN):
            thread = threading.Thread(target=seen)
            thread.start()
            thread.join()
            reference = weakref.ref(thread)
            del thread
        assert reference() is None
    finally:
        gc.enable()


@pytest.mark.usefixtures("alone")
def test_a_timer_can_still_be_cancelled() -> None:
    fired = threading.Event()
    with simulated(run=RUN):
        timer = threading.Timer(60, fired.set)
        timer.start()
        timer.cancel()
        timer.join()
    assert not fired.is_set()


@pytest.mark.usefixtures("alone")
def test_names_signatures_and_documentation_are_those_of_the_standard_library() -> None:
    assert inspect.signature(threading.Thread.start) == inspect.signature(START)
    assert (threading.Thread.start.__qualname__, threading.Thread.start.__doc__) == (START.__qualname__, START.__doc__)


# On and off


def test_after_uninstrument_nothing_is_carried_or_left_behind() -> None:
    timers_own = vars(threading.Timer).get("start")  # OpenTelemetry leaves one behind
    synthetic.instrument("concurrency")
    synthetic.instrument("concurrency")
    assert threading.Thread.start is not START
    synthetic.uninstrument("concurrency")
    assert threading.Thread.start is START
    assert vars(threading.Timer).get("start") is timers_own
    with simulated(run=RUN):
        assert in_a_thread() == "unset"
        assert in_a_thread(make=timer) == "unset"


def test_the_fixtures_leave_nothing_in_force() -> None:
    assert VERDICT.get() is None
    assert not context.get_current()
