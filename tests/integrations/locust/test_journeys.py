"""Journeys and steps: what they count, and how they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent
import pytest
from gevent import GreenletExit
from locust.exception import InterruptTaskSet, RescheduleTask, StopTest, StopUser
from opentelemetry import trace

from synthetic.errors import UndeclaredWork, UnverifiedMarker
from synthetic.integration import Reason
from synthetic_locust import journey, step
from synthetic_locust._journeys import Cause, name_of_request, note, observe_here, traceparent
from synthetic_locust._tally import Ended


class Seen:
    """What an observer is told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[Ended] = []

    def begins(self, journey: str) -> None:
        self.begun.append(journey)

    def ends(self, ended: Ended, seconds: float) -> None:
        assert seconds >= 0
        self.ended.append(ended)

    def samples(self) -> bool:
        return True

    def last(self) -> tuple[str, str, str, str | None]:
        ended = self.ended[-1]
        return ended.journey, ended.outcome, ended.step, ended.cause


@contextmanager
def ends_the_task() -> Iterator[None]:
    """As Locust sees it: an actor whose journey did not succeed goes on with another task."""
    with pytest.raises(RescheduleTask):
        yield


@pytest.fixture
def seen() -> Iterator[Seen]:
    observer = Seen()
    observe_here(observer)
    yield observer
    observe_here(None)


def test_a_journey_that_goes_through_has_completed(seen: Seen) -> None:
    with journey("ride"), step("book"):
        pass
    assert (seen.begun, seen.last()) == (["ride"], ("ride", "completed", "-", None))


def test_a_decorated_task_returns_what_it_returns(seen: Seen) -> None:
    @journey("ride")
    def ride(km: int, *, fast: bool = False) -> tuple[int, bool]:
        """Ride."""
        return km, fast

    assert (ride(7, fast=True), ride.__name__, ride.__doc__) == ((7, True), "ride", "Ride.")
    assert ride(1) == (1, False)
    assert [ended.outcome for ended in seen.ended] == ["completed", "completed"]


def test_an_exception_fails_its_step_and_ends_the_task(seen: Seen) -> None:
    with ends_the_task(), journey("ride"), step("book"):
        raise KeyError("ride")
    assert seen.last() == ("ride", "failed", "book", "KeyError: 'ride'")


def test_a_failed_request_wins_over_the_exception_that_it_causes(seen: Seen) -> None:
    with ends_the_task(), journey("ride"), step("book"):
        note(Cause("HTTP 502"))
        raise ValueError("no JSON")
    assert seen.last() == ("ride", "failed", "book", "HTTP 502")


def test_a_failed_request_fails_its_step_at_the_end_of_the_block(seen: Seen) -> None:
    reached = []
    with ends_the_task(), journey("ride"):
        with step("book"):
            note(Cause("HTTP 502"))
            note(Cause("HTTP 503"))
            reached.append("the end of the step")
        reached.append("the next step")
    assert (reached, seen.last()) == (["the end of the step"], ("ride", "failed", "book", "HTTP 502"))


def test_a_failed_request_outside_of_steps_fails_the_journey(seen: Seen) -> None:
    with ends_the_task(), journey("ride"):
        note(Cause("HTTP 502"))
    assert seen.last() == ("ride", "failed", "-", "HTTP 502")


def test_a_step_that_takes_too_long_fails(seen: Seen) -> None:
    with ends_the_task(), journey("ride"), step("arrive", within=0.05):
        while True:
            gevent.sleep(0.01)
    assert seen.last() == ("ride", "failed", "arrive", "took longer than 0.05 s")


def test_a_step_that_swallows_its_deadline_fails_all_the_same(seen: Seen) -> None:
    with ends_the_task(), journey("ride"), step("arrive", within=0.05), suppress(Exception):
        gevent.sleep(5)
    assert seen.last() == ("ride", "failed", "arrive", "took longer than 0.05 s")


def test_a_deadline_does_not_outlive_its_step(seen: Seen) -> None:
    with journey("ride"):
        with step("book", within=0.05):
            pass
        gevent.sleep(0.1)
    assert seen.last() == ("ride", "completed", "-", None)


def test_a_shed_journey_waits_and_is_no_failure(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("synthetic_locust._journeys.gevent.sleep", waited.append)
    with ends_the_task(), journey("ride"), step("book"):
        note(Cause("shed", later=3.0))
        raise ValueError("no JSON")
    assert seen.last() == ("ride", "shed", "book", "shed")
    assert len(waited) == 1
    assert 3 <= waited[0] <= 6


@pytest.mark.parametrize("stop", [GreenletExit(), StopUser(), StopTest(), KeyboardInterrupt()])
def test_a_journey_that_is_stopped_is_not_counted(stop: BaseException, seen: Seen) -> None:
    with pytest.raises(type(stop)), journey("ride"), step("book"):
        raise stop
    assert (seen.begun, seen.ended) == (["ride"], [])
    assert name_of_request() is None


@pytest.mark.parametrize("hand_over", [InterruptTaskSet(), RescheduleTask()])
def test_a_task_that_hands_over_has_completed_its_journey_unless_something_has_failed(
    hand_over: Exception, seen: Seen
) -> None:
    with pytest.raises(type(hand_over)), journey("ride"), step("book"):
        raise hand_over
    assert seen.last() == ("ride", "completed", "-", None)

    def fail_and_hand_over() -> None:
        note(Cause("HTTP 502"))
        raise hand_over

    with pytest.raises(type(hand_over)), journey("ride"), step("book"):
        fail_and_hand_over()
    assert seen.last() == ("ride", "failed", "book", "HTTP 502")


def test_one_journey_object_may_be_entered_by_many_actors(seen: Seen) -> None:
    ride, book = journey("ride"), step("book")

    def act() -> None:
        observe_here(seen)
        with ride, book:
            gevent.sleep(0.001)

    gevent.joinall([gevent.spawn(act) for _ in range(5)], raise_error=True)
    assert [ended.outcome for ended in seen.ended] == ["completed"] * 5


def test_a_journey_of_an_actor_that_nobody_has_marked_is_refused() -> None:
    with pytest.raises(UndeclaredWork), journey("ride"):
        pytest.fail("it began")


def test_a_journey_in_another_is_a_step_of_it(seen: Seen) -> None:
    with ends_the_task(), journey("day"), journey("ride"), step("book"):
        note(Cause("HTTP 502"))
    assert [str(ended) for ended in seen.ended] == ["ride at book: HTTP 502", "day at ride: HTTP 502"]


def test_requests_are_named_after_their_step(seen: Seen) -> None:
    names: list[Any] = [name_of_request()]
    with journey("ride"):
        names.append(name_of_request())
        with step("book"):
            names.append(name_of_request())
        names.append(name_of_request())
    with step("alone"):
        names.append(name_of_request())
    assert names == [None, None, "ride: book", None, None]


def test_a_step_outside_of_a_journey_raises_what_is_raised_in_it() -> None:
    with pytest.raises(KeyError), step("alone"):
        raise KeyError("x")
    with step("alone"):
        note(Cause("HTTP 502"))


def test_each_journey_has_a_trace_of_its_own(seen: Seen) -> None:
    assert traceparent() is None
    headers = []
    for _ in range(2):
        with journey("ride"), step("book"):
            headers.append(traceparent())
            current = trace.get_current_span().get_span_context()
            assert traceparent() == f"00-{current.trace_id:032x}-{current.span_id:016x}-01"
    assert len(set(headers)) == 2
    assert [ended.trace for ended in seen.ended] == [str(header).split("-")[1] for header in headers]
    assert not trace.get_current_span().get_span_context().is_valid


def test_actors_in_other_greenlets_have_journeys_of_their_own(seen: Seen) -> None:
    def act(name: str) -> None:
        observe_here(seen)
        for _ in range(5):
            with suppress(RescheduleTask), journey(name), step("book"):
                gevent.sleep(0)
                if name == "bad":
                    note(Cause("HTTP 502"))
                gevent.sleep(0)

    gevent.joinall([gevent.spawn(act, name) for name in ("good", "bad", "good")])
    assert {(ended.journey, ended.outcome) for ended in seen.ended} == {("good", "completed"), ("bad", "failed")}
    assert len(seen.ended) == 15


def test_a_long_cause_is_cut_to_its_first_line(seen: Seen) -> None:
    with ends_the_task(), journey("ride"):
        raise ValueError("x" * 300 + "\nsecond line")
    cause = seen.ended[-1].cause
    assert cause is not None
    assert (len(cause), cause[:14], cause[-1]) == (240, "ValueError: xx", "…")


def test_a_failed_step_counts_also_if_its_error_is_caught(seen: Seen) -> None:
    with ends_the_task(), journey("ride"):
        with suppress(Exception), step("book"):
            note(Cause("HTTP 500"))
        with step("look"):
            pass
    assert seen.last() == ("ride", "failed", "book", "HTTP 500")


def test_a_journey_of_an_actor_that_a_guardrail_has_stopped_does_not_count(seen: Seen) -> None:
    with pytest.raises(UnverifiedMarker), journey("ride"), step("book"):
        raise UnverifiedMarker(Reason.OUTLIVED)
    assert seen.ended == []


def test_a_journey_needs_a_name_and_decorates_tasks() -> None:
    with pytest.raises(TypeError, match=r'@journey\("ride"\)'):

        @journey  # type: ignore[arg-type]
        def ride() -> None: ...

    with pytest.raises(TypeError, match="Rider is a class"):

        @journey("ride")
        class Rider: ...
