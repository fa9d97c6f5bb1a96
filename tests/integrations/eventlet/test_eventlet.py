"""eventlet: green threads and calls run under the verdict of their spawner; those of real work have none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import synthetic
from synthetic import carry, real, simulated
from tests.contract.greenlets import GreenletContract, switched_on
from tests.products.concurrency import RUN, seen

pytest.importorskip("eventlet")

import eventlet
import eventlet.greenthread
import eventlet.queue
import eventlet.tpool

from tests.products.eventlet import HOPS


@pytest.fixture(autouse=True)
def instrumented(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    with switched_on("eventlet", keys):
        yield


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[None]:
    """Ends the native threads after the tests."""
    yield
    eventlet.tpool.killall()


class TestEventlet(GreenletContract):
    product = "eventlet"
    hops = HOPS
    attributes = (
        (eventlet, "spawn"),
        (eventlet, "spawn_n"),
        (eventlet.greenthread, "_spawn_n"),
        (eventlet.greenthread.GreenThread, "__init__"),
        (eventlet.greenthread.GreenThread, "main"),
        (eventlet.tpool, "execute"),
        (eventlet.tpool, "setup"),
    )

    @pytest.fixture(params=HOPS)
    def hop(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def spawn(self, function: Any, *args: Any) -> Any:
        return eventlet.spawn(function, *args)

    def result(self, greenlet: Any) -> Any:
        return greenlet.wait()

    def sleep(self, seconds: float) -> None:
        eventlet.sleep(seconds)

    def queue(self) -> Any:
        return eventlet.queue.Queue()

    def plain_greenlets(self) -> list[Any]:
        return [eventlet.spawn(int), eventlet.spawn_n(int)]


def test_a_link_runs_in_the_green_thread_and_under_its_verdict() -> None:
    found: list[str] = []
    with simulated(run="spawner"):
        thread = eventlet.spawn(int)
        with simulated(run=RUN):
            thread.link(lambda _: found.append(seen()))
            thread.link(lambda _: carried())
            carried = carry(lambda: found.append(seen()))
            thread.wait()
            eventlet.sleep(0)
    assert found == ["spawner", RUN]


def test_a_callback_of_the_hub_has_no_verdict_unless_it_is_carried() -> None:
    found: list[str] = []
    with simulated(run=RUN):
        for callback in (lambda: found.append(seen()), carry(lambda: found.append(seen()))):
            eventlet.hubs.get_hub().schedule_call_global(0, callback)
        eventlet.sleep(0.001)
    assert found == ["unset", RUN]


def test_the_green_thread_that_serves_the_thread_pool_has_no_verdict() -> None:
    eventlet.tpool.killall()
    with simulated(run=RUN):
        assert eventlet.tpool.execute(seen) == RUN
        assert eventlet.tpool._coro.gr_context is None
    assert eventlet.tpool.execute(seen) == "unset"


class TestEventletsOwnBehaviour:
    @pytest.fixture(autouse=True, params=["simulated", "real"])
    def work(self, request: pytest.FixtureRequest) -> Iterator[None]:
        with simulated(run=RUN) if request.param == "simulated" else real():
            yield

    def test_arguments_arrive(self) -> None:
        def job(*args: Any, **kwargs: Any) -> Any:
            return args, kwargs

        expected = ((1, 2), {"a": 3})
        assert eventlet.spawn(job, 1, 2, a=3).wait() == expected
        assert eventlet.spawn_after(0, job, 1, 2, a=3).wait() == expected
        assert eventlet.GreenPool().spawn(job, 1, 2, a=3).wait() == expected
        assert eventlet.tpool.execute(job, 1, 2, a=3) == expected
        assert eventlet.tpool.execute(meth=job) == ((), {})

    def test_errors_reach_the_waiting_green_thread(self) -> None:
        with pytest.raises(ValueError, match="invalid literal"):
            eventlet.tpool.execute(int, "x")
        eventlet.hubs.get_hub().debug_exceptions = False
        with pytest.raises(ValueError, match="invalid literal"):
            eventlet.spawn(int, "x").wait()

    def test_a_cancelled_green_thread_never_runs(self) -> None:
        ran: list[int] = []
        for thread in (eventlet.spawn(ran.append, 1), eventlet.spawn_after(0.001, ran.append, 2)):
            thread.cancel()
            with pytest.raises(eventlet.greenlet.GreenletExit):
                thread.wait()
        eventlet.sleep(0.01)
        assert ran == []

    def test_a_timeout_and_a_kill_end_a_green_thread(self) -> None:
        thread = eventlet.spawn(eventlet.sleep, 60)
        with eventlet.Timeout(0.001, False):
            thread.wait()
        assert not thread.dead
        thread.kill()
        with pytest.raises(eventlet.greenlet.GreenletExit):
            thread.wait()

    def test_a_pool_that_is_reentered_when_full_runs_the_job_at_once(self) -> None:
        pool = eventlet.GreenPool(1)
        outer = pool.spawn(lambda: (seen(), pool.spawn(seen).wait(), eventlet.getcurrent()))
        assert outer.wait()[:2] == (seen().replace("real", "unset"),) * 2
        pool.waitall()
        assert pool.free() == 1


def test_functions_imported_before_instrument_are_covered() -> None:
    synthetic.uninstrument("eventlet")
    from eventlet import spawn, spawn_n

    synthetic.instrument("eventlet")
    found: list[str] = []
    with simulated(run=RUN):
        assert spawn(seen).wait() == RUN
        spawn_n(lambda: found.append(seen()))
        eventlet.sleep(0)
    assert found == [RUN]
