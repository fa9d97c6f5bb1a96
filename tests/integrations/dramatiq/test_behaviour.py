"""dramatiq's own behaviour with the marker: retries, delays, pipelines, groups, callbacks, results, async actors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AsyncIO

import synthetic
from synthetic._admission.messages import verdict_on
from synthetic_dramatiq import MessageSkipped, SyntheticTrafficMiddleware
from tests.products.dramatiq import RedisRides, working
from tests.support.keys import entry, mint, shared_key
from tests.support.work import new_name, send_from_both

Keys = dict[str, Any]


@pytest.fixture(params=["instrumented", "middleware first", "middleware last"])
def ways(request: pytest.FixtureRequest, keys: Keys, rides: RedisRides) -> Iterator[RedisRides]:
    """A broker with patches; and with the middleware, first or last."""
    synthetic.configure(keys=keys)
    if request.param == "instrumented":
        synthetic.instrument("dramatiq")
    else:
        first = {"before": type(rides.broker.middleware[0])} if request.param == "middleware first" else {}
        rides.broker.add_middleware(SyntheticTrafficMiddleware(), **first)
    with working(rides):
        yield rides
    synthetic.uninstrument("dramatiq")


# The ways in and on


def test_a_message_whose_admission_fails_is_not_handled_and_is_tried_again(
    ways: RedisRides, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[str] = []

    def failing_once(values: Any, **options: Any) -> Any:
        if not failures:
            failures.append("once")
            raise RuntimeError("broken")
        return verdict_on(values, **options)

    for module in ("_in", "_explicit"):
        monkeypatch.setattr(f"synthetic_dramatiq.{module}.verdict_on", failing_once)
    monkeypatch.setattr("synthetic_dramatiq._refusal.LATER_AFTER", 0.02)
    called: list[str] = []
    on_failure = ways.actor(lambda message, exception: called.append(exception["type"]), "on_failure")
    with synthetic.simulated(run="peak"):
        ways.ride.send_with_options(args=(name := new_name(),), on_failure=on_failure)
    assert ways.runs(name) == ["peak"]
    assert failures == ["once"]
    assert not called


def test_a_retry_has_the_verdict_of_its_message(ways: RedisRides) -> None:
    tries: dict[str, int] = {}

    def flaky(name: str) -> None:
        tries[name] = tries.get(name, 0) + 1
        ways.tell(f"{name}:{tries[name]}")
        if tries[name] < 3:
            raise ValueError("not yet")

    actor = ways.actor(flaky, "flaky", max_backoff=2)
    simulated, real = send_from_both(actor.send)
    assert ways.runs(*(f"{simulated}:{number}" for number in (1, 2, 3))) == ["peak"] * 3
    assert ways.runs(*(f"{real}:{number}" for number in (1, 2, 3))) == [None] * 3


def test_a_delayed_message_keeps_its_verdict(ways: RedisRides) -> None:
    names = send_from_both(lambda name: ways.ride.send_with_options(args=(name,), delay=30))
    assert ways.runs(*names) == ["peak", None]


def test_each_message_of_a_pipeline_has_the_verdict_of_the_work_that_runs_it(ways: RedisRides) -> None:
    def step(name: str, number: int) -> int:
        ways.tell(f"{name}:{number}")
        return number + 1

    def last(name: str, number: int) -> None:
        ways.tell(f"{name}:last{number}")

    first, end = ways.actor(step, "step", store_results=True), ways.actor(last, "last")
    simulated, real = send_from_both(
        lambda name: dramatiq.pipeline([first.message(name, 0), end.message(name)], broker=ways.broker).run()
    )
    assert ways.runs(f"{simulated}:0", f"{simulated}:last1") == ["peak"] * 2
    assert ways.runs(f"{real}:0", f"{real}:last1") == [None] * 2


def test_each_message_of_a_group_has_the_verdict_of_the_work_that_runs_it(ways: RedisRides) -> None:
    def send(name: str) -> None:
        dramatiq.group([ways.ride.message(f"{name}:{number}") for number in (1, 2)], broker=ways.broker).run()

    simulated, real = send_from_both(send)
    assert ways.runs(f"{simulated}:1", f"{simulated}:2") == ["peak"] * 2
    assert ways.runs(f"{real}:1", f"{real}:2") == [None] * 2


def test_callbacks_have_the_verdict_of_their_message(ways: RedisRides) -> None:
    def succeeded(message: Any, result: Any) -> None:
        ways.tell(f"{message['args'][0]}:succeeded")

    def failed(message: Any, error: Any) -> None:
        ways.tell(f"{message['args'][0]}:failed")

    def fail(name: str) -> None:
        raise ValueError("always")

    ways.actor(succeeded, "succeeded")
    ways.actor(failed, "failed")
    failing = ways.actor(fail, "fail", max_retries=0)

    def send(name: str) -> None:
        ways.ride.send_with_options(args=(name,), on_success="succeeded")
        failing.send_with_options(args=(name,), on_failure="failed")

    simulated, real = send_from_both(send)
    assert ways.runs(f"{simulated}:succeeded", f"{simulated}:failed") == ["peak"] * 2
    assert ways.runs(f"{real}:succeeded", f"{real}:failed") == [None] * 2


def test_a_message_that_an_actor_sends_has_the_verdict_of_the_actors_message(ways: RedisRides) -> None:
    parent = ways.actor(lambda name: ways.ride.send(name) and None, "parent")
    assert ways.runs(*send_from_both(parent.send)) == ["peak", None]


def test_an_async_actor_runs_under_the_verdict(ways: RedisRides) -> None:
    async def book(name: str) -> None:
        ways.tell(name)

    middleware = AsyncIO()
    ways.broker.add_middleware(middleware)
    middleware.before_worker_boot(ways.broker, None)  # type: ignore[arg-type] # the worker is up already
    try:
        assert ways.runs(*send_from_both(ways.actor(book, "book").send)) == ["peak", None]
    finally:
        middleware.after_worker_shutdown(ways.broker, None)  # type: ignore[arg-type]


def test_results_are_the_same_as_without_the_library(ways: RedisRides) -> None:
    actor = ways.actor(lambda number: number + 1, "add", store_results=True)
    with synthetic.simulated(run="peak"):
        message = actor.send(1)
    assert message.get_result(backend=ways.results, block=True) == 2


# The caller's own


@pytest.mark.usefixtures("on")
def test_a_message_that_is_enqueued_twice_has_the_verdict_of_the_work_each_time(rides: RedisRides) -> None:
    message = rides.ride.message(new_name())
    options = dict(message.options)
    stub = StubBroker()
    stub.declare_queue(message.queue_name)
    with synthetic.simulated(run="peak"):
        stub.enqueue(message)
        assert message.options == options
    stub.enqueue(message)
    first, second = (dramatiq.Message.decode(stub.queues[message.queue_name].get()) for _ in range(2))
    assert "baggage" in first.options
    assert second.options == options


@pytest.mark.usefixtures("on")
def test_a_message_that_could_not_be_enqueued_has_the_verdict_of_the_next_attempt(keys: Keys) -> None:
    class Unreliable(dramatiq.Middleware):
        def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
            raise dramatiq.middleware.MiddlewareError("not now")

    stub = StubBroker()
    stub.declare_queue("default")
    message = dramatiq.Message("default", "ride", (), {}, {"baggage": "user=7"})
    stub.add_middleware(Unreliable())
    with synthetic.simulated(run="peak"), pytest.raises(dramatiq.middleware.MiddlewareError):
        stub.enqueue(message)
    stub.middleware.pop()
    stub.enqueue(message)
    assert dramatiq.Message.decode(stub.queues["default"].get()).options == {"baggage": "user=7"}


# What is refused


def test_a_refused_message_is_a_dead_letter_at_once_and_calls_no_callback(ways: RedisRides) -> None:
    called: list[Any] = []
    ways.actor(lambda *args: called.append(args), "called")
    name = new_name()
    message = ways.raw(name, [entry(mint(shared_key()))])
    message.options.update(on_failure="called", on_retry_exhausted="called", max_retries=3)
    ways.put(message)
    assert ways.refused(name) == "bad-signature"
    after = new_name()
    ways.send(after)
    assert ways.runs(after) == [None]
    assert not called


def test_a_message_that_the_worker_is_not_ready_for_comes_again(
    ways: RedisRides, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthetic_dramatiq._refusal.LATER_AFTER", 0.02)
    answers = iter([False, False, True])
    synthetic.configure(keys=keys, ready=lambda: next(answers, True))
    name = new_name()
    with synthetic.simulated(run="peak"):
        message = ways.ride.send(name)
    assert ways.runs(name) == ["peak"]
    assert next(answers, None) is None
    assert message.get_result(backend=ways.results, block=True) is None
    assert not ways.dead_letters()


@pytest.mark.usefixtures("on")
def test_the_error_is_a_message_refused_and_a_skip_message_of_dramatiq() -> None:
    assert issubclass(MessageSkipped, synthetic.MessageRefused)
    assert issubclass(MessageSkipped, dramatiq.middleware.SkipMessage)
