"""gevent: greenlets and jobs run under the verdict of their starter; workers, and those of real work, have none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import Context, ContextVar
from typing import Any

import pytest

import synthetic
from synthetic import carry, ledger, real, simulated
from synthetic._work.state import VERDICT
from tests.contract.greenlets import GreenletContract, switched_on
from tests.products.concurrency import RUN, seen

pytest.importorskip("gevent")

import gevent
import gevent.event
import gevent.hub
import gevent.pool
import gevent.queue
import gevent.threadpool

from tests.products.gevent import HOPS


@pytest.fixture(autouse=True)
def instrumented(keys: dict[str, Any], configuration: None) -> Iterator[None]:
    with switched_on("gevent", keys):
        yield


@pytest.fixture(scope="module", autouse=True)
def hub() -> Iterator[None]:
    """Ends gevent's threads and its loop after the tests."""
    yield
    gevent.get_hub().destroy()


class TestGevent(GreenletContract):
    product = "gevent"
    hops = HOPS
    attributes = (
        (gevent, "spawn_raw"),
        (gevent.hub, "spawn_raw"),
        (gevent.hub, "TrackedRawGreenlet"),
        (gevent.hub, "RawGreenlet"),
        (gevent.threadpool.ThreadPool, "spawn"),
        (gevent.pool.GroupMappingMixin, "apply_async"),
        (gevent.threadpool._FutureProxy, "add_done_callback"),
    )

    @pytest.fixture(params=HOPS)
    def hop(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def spawn(self, function: Any, *args: Any) -> Any:
        return gevent.spawn(function, *args)

    def result(self, greenlet: Any) -> Any:
        return greenlet.get()

    def sleep(self, seconds: float) -> None:
        gevent.sleep(seconds)

    def queue(self) -> Any:
        return gevent.queue.Queue()

    def plain_greenlets(self) -> list[Any]:
        return [gevent.spawn(int), gevent.spawn_raw(int)]


def test_a_greenlet_has_the_verdict_of_its_starter_and_not_of_its_maker() -> None:
    with simulated(run="maker"):
        made, started_elsewhere = gevent.Greenlet(seen), gevent.Greenlet(seen)
    made.start()
    with simulated(run=RUN):
        started_elsewhere.start()
        assert [made.get(), started_elsewhere.get()] == ["unset", RUN]


def test_a_greenlet_keeps_the_verdict_of_its_first_start() -> None:
    with simulated(run=RUN):
        greenlet = gevent.spawn(seen)
        with simulated(run="other"):
            greenlet.start()
            greenlet.start_later(0)
        assert greenlet.get() == RUN


def test_context_variables_that_others_set_on_a_greenlet_are_kept() -> None:
    variable: ContextVar[str] = ContextVar("variable")

    def theirs(greenlet: Any) -> None:
        context = greenlet.gr_context or Context()
        context.run(variable.set, "theirs")
        greenlet.gr_context = context

    gevent.Greenlet.add_spawn_callback(theirs)
    try:
        with simulated(run=RUN):
            assert gevent.spawn(lambda: (variable.get(), seen())).get() == ("theirs", RUN)
    finally:
        gevent.Greenlet.remove_spawn_callback(theirs)


class TestLinksAndCallbacksOfTheHub:
    """gevent has no way in for what runs in the hub: it is under no verdict unless it was carried."""

    @pytest.mark.parametrize("link", ["link", "link_value", "rawlink"])
    def test_a_link_has_no_verdict_and_a_carried_link_has_the_verdict_of_its_adder(self, link: str) -> None:
        found: list[str] = []
        with simulated(run="worker"):
            greenlet = gevent.spawn(int)
        with simulated(run=RUN):
            getattr(greenlet, link)(lambda _: found.append(seen()))
            getattr(greenlet, link)(carry(lambda _: found.append(seen())))
            greenlet.join()
            gevent.sleep(0)
        assert found == ["unset", RUN]

    def test_a_carried_link_can_be_removed(self) -> None:
        found: list[str] = []
        with simulated(run=RUN):
            link = carry(lambda _: found.append(seen()))
            greenlet = gevent.spawn(int)
            greenlet.link(link)
            greenlet.unlink(link)
            greenlet.join()
            gevent.sleep(0)
        assert found == []

    def test_a_carried_callback_of_an_event_result_or_timer_has_the_verdict(self) -> None:
        found: list[str] = []
        event, result = gevent.event.Event(), gevent.event.AsyncResult()
        with gevent.get_hub().loop.timer(0) as timer:
            with simulated(run=RUN):
                note = carry(lambda *_: found.append(seen()))
                event.rawlink(note)
                result.rawlink(note)
                timer.start(note)
            event.set()
            result.set()
            gevent.sleep(0.01)
        assert found == [RUN] * 3


class TestWhatLivesOn:
    def test_a_job_of_a_native_thread_is_simulated_to_its_end(self) -> None:
        go_on = threading.Event()

        def job() -> bool:
            go_on.wait(60)
            return synthetic.allows("payment")

        with ledger.recorded() as outcomes:
            with simulated(run="the-job-goes-on"):
                result = gevent.get_hub().threadpool.spawn(job)
            go_on.set()
            assert not result.get()
        assert [(outcome.effect, outcome.action) for outcome in outcomes] == [("payment", "skip")]

    def test_a_thread_that_simulated_work_started_serves_the_next_job_without_a_verdict(self) -> None:
        pool = gevent.threadpool.ThreadPool(1)
        try:
            with simulated(run=RUN):
                assert pool.apply(seen) == RUN
            assert pool.apply(seen) == "unset"
            assert pool.apply(VERDICT.get) is None
        finally:
            pool.kill()


class TestGeventsOwnBehaviour:
    @pytest.fixture(autouse=True, params=["simulated", "real"])
    def work(self, request: pytest.FixtureRequest) -> Iterator[None]:
        with simulated(run=RUN) if request.param == "simulated" else real():
            yield

    def test_a_timeout_and_a_kill_end_a_greenlet(self) -> None:
        greenlet = gevent.spawn(gevent.sleep, 60)
        with pytest.raises(gevent.Timeout):
            greenlet.get(timeout=0.001)
        greenlet.kill()
        assert isinstance(greenlet.value, gevent.GreenletExit)

    def test_a_timeout_inside_a_greenlet_ends_only_its_own_block(self) -> None:
        def limited() -> str:
            with gevent.Timeout(0.001, False):
                gevent.sleep(60)
            return seen()

        assert gevent.spawn(limited).get() == seen().replace("real", "unset")

    def test_a_greenlet_killed_before_it_starts_never_runs(self) -> None:
        ran: list[int] = []
        greenlet = gevent.spawn(ran.append, 1)
        greenlet.kill()
        assert greenlet.dead
        assert ran == []

    def test_errors_reach_the_waiting_greenlet(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gevent.get_hub(), "print_exception", lambda *_: None)
        for waiting in (gevent.spawn(int, "x"), gevent.get_hub().threadpool.spawn(int, "x")):
            with pytest.raises(ValueError, match="invalid literal"):
                waiting.get()

    def test_arguments_arrive(self) -> None:
        def job(*args: Any, **kwargs: Any) -> Any:
            return args, kwargs

        expected = ((1, 2), {"a": 3})
        assert gevent.spawn(job, 1, 2, a=3).get() == expected
        assert gevent.pool.Pool(1).apply_async(job, (1, 2), {"a": 3}).get() == expected
        assert gevent.get_hub().threadpool.spawn(job, 1, 2, a=3).get() == expected
        assert gevent.get_hub().threadpool.apply_async(job, (1, 2), {"a": 3}).get() == expected

    def test_spawn_raw_gives_a_plain_greenlet_that_knows_its_spawner(self) -> None:
        greenlet = gevent.spawn_raw(int)
        assert type(greenlet) is TestGevent.original[2]
        assert greenlet.spawning_greenlet() is gevent.getcurrent()
        with pytest.raises(TypeError):
            gevent.spawn_raw(None)

    def test_a_pool_still_counts_its_greenlets(self) -> None:
        pool = gevent.pool.Pool(1)
        go_on = gevent.event.Event()
        first = pool.spawn(go_on.wait)
        assert pool.full()
        found: list[int] = []
        waiting = pool.apply_async(lambda: 3, callback=found.append)
        go_on.set()
        assert first.get()
        assert waiting.get() == 3
        gevent.sleep(0)
        assert found == [3]
        pool.join()
        assert pool.free_count() == 1

    def test_names_are_resolved_on_the_hubs_threads(self) -> None:
        hub = gevent.get_hub()
        assert hub.resolver.getaddrinfo("localhost", 80)
        assert hub.resolver.gethostbyname("127.0.0.1") == "127.0.0.1"


class TestOnAndOff:
    def test_a_started_greenlet_keeps_its_verdict_after_uninstrument(self) -> None:
        with simulated(run=RUN):
            greenlet = gevent.spawn(seen)
            synthetic.uninstrument("gevent")
            assert greenlet.get() == RUN

    def test_a_function_imported_before_the_integration_was_on_is_covered(self) -> None:
        synthetic.uninstrument("gevent")
        from gevent import spawn, spawn_raw

        synthetic.instrument("gevent")
        result = gevent.event.AsyncResult()
        with simulated(run=RUN):
            assert spawn(seen).get() == RUN
            spawn_raw(lambda: result.set(seen()))
            assert result.get() == RUN
