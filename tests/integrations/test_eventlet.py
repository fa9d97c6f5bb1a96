"""eventlet: green threads and calls run under the verdict of whoever spawns them, and real work's under none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextvars import Context
from typing import Any

import pytest

import synthetic
from synthetic import carry, guard, ledger, real, simulated
from synthetic._outlived import OUTLIVED
from tests.integrations.concurrency_hops import seen
from tests.support.clients import brought_by_opentelemetry
from tests.support.keys import mint, shared_key

pytest.importorskip("eventlet")

import eventlet
import eventlet.greenthread
import eventlet.queue
import eventlet.tpool

from tests.integrations.eventlet_hops import HOPS, all_seen

RUN = "rush-hour"
ATTRIBUTES = (
    (eventlet, "spawn"),
    (eventlet, "spawn_n"),
    (eventlet.greenthread, "_spawn_n"),
    (eventlet.greenthread.GreenThread, "__init__"),
    (eventlet.greenthread.GreenThread, "main"),
    (eventlet.tpool, "execute"),
    (eventlet.tpool, "setup"),
)
ORIGINAL = [vars(owner)[name] for owner, name in ATTRIBUTES]


@pytest.fixture(autouse=True)
def instrumented(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    synthetic.configure(keys=keys, linger=0.01)
    synthetic.instrument("eventlet")
    yield
    synthetic.uninstrument("eventlet")


@pytest.fixture(scope="module", autouse=True)
def pool() -> Iterator[None]:
    """Ends the native threads after the tests."""
    yield
    eventlet.tpool.killall()


@pytest.mark.parametrize("hop", HOPS)
def test_simulated_work_goes_on_over_every_hop_and_real_work_leaves_no_verdict(hop: str) -> None:
    for _ in range(2):
        with simulated(run=RUN):
            assert HOPS[hop](seen) == RUN
        with real():
            assert HOPS[hop](seen) == "unset"
        assert HOPS[hop](seen) == "unset"


def test_work_whose_marker_does_not_verify_stays_so_over_every_hop() -> None:
    with brought_by_opentelemetry(mint(shared_key("test"))):
        assert set(all_seen().values()) == {"unverified: bad-signature"}


def test_a_marker_that_opentelemetry_brought_goes_on_over_every_hop(keys: dict[str, Any]) -> None:
    with brought_by_opentelemetry(mint(keys, claims={"run": RUN})):
        assert set(all_seen().values()) == {RUN}


def test_without_the_integration_nothing_goes_along() -> None:
    synthetic.uninstrument("eventlet")
    with simulated(run=RUN):
        assert set(all_seen().values()) == {"unset"}


def test_green_threads_that_take_turns_keep_their_own() -> None:
    def turns(expected: str) -> bool:
        kept = []
        for _ in range(5):
            eventlet.sleep(0)
            kept.append(seen() == expected)
        return all(kept)

    threads = []
    for number in range(50):
        with simulated(run=f"run-{number}"):
            threads.append(eventlet.spawn(turns, f"run-{number}"))
        threads.append(eventlet.spawn(turns, "unset"))
    assert all(thread.wait() for thread in threads)


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


def test_what_the_hub_calls_has_no_verdict_unless_it_is_carried() -> None:
    found: list[str] = []
    with simulated(run=RUN):
        for callback in (lambda: found.append(seen()), carry(lambda: found.append(seen()))):
            eventlet.hubs.get_hub().schedule_call_global(0, callback)
        eventlet.sleep(0.001)
    assert found == ["unset", RUN]


class TestWhatLivesOn:
    def test_a_worker_gets_its_verdicts_with_its_jobs(self) -> None:
        jobs, results = eventlet.queue.Queue(), []

        def work() -> None:
            while job := jobs.get():
                results.append(job())

        with simulated(run="starter"):
            worker = Context().run(eventlet.spawn, work)
            jobs.put(carry(seen))
        with simulated(run=RUN):
            jobs.put(carry(seen))
        jobs.put(seen)
        jobs.put(None)
        worker.wait()
        assert results == ["starter", RUN, "unset"]

    def test_a_worker_that_simulated_work_started_is_reported(self, caplog: pytest.LogCaptureFixture) -> None:
        @guard("payment")
        def charge() -> None:
            raise AssertionError("this work is simulated")

        jobs = eventlet.queue.Queue()

        def work() -> None:
            while job := jobs.get():
                job()

        with simulated(run="the-starter-is-over"):
            worker = eventlet.spawn(work)
            eventlet.sleep(0)
        eventlet.sleep(0.05)
        with ledger.recorded() as outcomes, caplog.at_level(logging.WARNING, "synthetic"):
            jobs.put(charge)
            jobs.put(None)
            worker.wait()
        assert [outcome.effect for outcome in outcomes] == [OUTLIVED, "payment"]
        assert "run 'the-starter-is-over'" in caplog.text

    def test_what_serves_the_thread_pool_has_no_verdict_whoever_makes_the_first_call(self) -> None:
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

    def test_errors_reach_whoever_waits(self) -> None:
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


class TestOnAndOff:
    def test_off_again_everything_is_as_it_was(self) -> None:
        synthetic.uninstrument("eventlet")
        assert [vars(owner)[name] for owner, name in ATTRIBUTES] == ORIGINAL

    def test_switched_on_twice_it_is_off_after_one_time_off(self) -> None:
        synthetic.instrument("eventlet")
        synthetic.uninstrument("eventlet")
        assert [vars(owner)[name] for owner, name in ATTRIBUTES] == ORIGINAL
        synthetic.instrument("eventlet")
        with simulated(run=RUN):
            assert set(all_seen().values()) == {RUN}

    def test_functions_imported_before_it_was_on_are_covered(self) -> None:
        synthetic.uninstrument("eventlet")
        from eventlet import spawn, spawn_n

        synthetic.instrument("eventlet")
        found: list[str] = []
        with simulated(run=RUN):
            assert spawn(seen).wait() == RUN
            spawn_n(lambda: found.append(seen()))
            eventlet.sleep(0)
        assert found == [RUN]

    def test_real_work_touches_no_green_thread(self) -> None:
        with real():
            assert eventlet.spawn(int).gr_context is None
            assert eventlet.spawn_n(int).gr_context is None
