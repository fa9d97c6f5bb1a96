"""Celery without a worker: eager calls, what a message carries, and what is left of us when we are off again."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import celery.concurrency.prefork
import pytest
from celery import Celery, Task, chain, group
from celery.app.amqp import AMQP
from celery.app.trace import build_tracer
from celery.worker.request import Request
from kombu import Queue

import synthetic
from synthetic_celery import SyntheticAMQP, SyntheticTask, TaskRefused
from tests.integrations.celery.app import seen
from tests.support.clients import brought_by_opentelemetry, claims_of
from tests.support.keys import entry, mint, shared_key

Keys = dict[str, Any]


@pytest.fixture(autouse=True)
def configured(keys: Keys) -> None:
    synthetic.configure(keys=keys)


def made(**options: Any) -> Celery:
    app = Celery("eager", broker="memory://", backend="cache+memory://", set_as_current=False, **options)

    @app.task(shared=False, name="what", bind=True, max_retries=2)
    def what(self: Task, *previous: Any, retries: int = 0) -> list[str]:
        if self.request.retries < retries:
            raise self.retry(countdown=0)
        return [*(previous[0] if previous else []), seen()]

    @app.task(shared=False, name="inner")
    def inner() -> list[str]:
        return what.apply().get()  # type: ignore[no-any-return]

    return app


@pytest.fixture(params=["instrument", "classes"])
def app(request: pytest.FixtureRequest) -> Iterator[Celery]:
    if request.param == "classes":
        app = made(amqp=SyntheticAMQP, task_cls=SyntheticTask)
        yield app
    else:
        app = made()
        synthetic.instrument("celery")
        yield app
        synthetic.uninstrument("celery")
    app.close()


# Eager calls


def test_an_eager_call_is_part_of_the_work_at_hand(app: Celery) -> None:
    what, inner = app.tasks["what"], app.tasks["inner"]
    with synthetic.simulated(run="peak"):
        assert what.apply().get() == ["peak"]
        assert what.apply(kwargs={"retries": 2}).get() == ["peak"]
        assert inner.apply().get() == ["peak"]
        assert chain(what.s(), what.s()).apply().get() == ["peak", "peak"]
        assert group(what.s(), what.s()).apply().get() == [["peak"], ["peak"]]
        assert seen() == "peak"
    with synthetic.real():
        assert what.apply().get() == ["real"]
    assert what.apply().get() == ["undecided"]


def test_with_always_eager_the_same_holds_for_delay(app: Celery) -> None:
    app.conf.task_always_eager = True
    with synthetic.simulated(run="peak"):
        assert app.tasks["what"].delay().get() == ["peak"]
        assert app.tasks["what"].delay(retries=1).get() == ["peak"]
    assert app.tasks["what"].delay().get() == ["undecided"]


def test_a_marker_in_the_headers_of_an_eager_call_counts_as_it_would_over_a_broker(app: Celery, keys: Keys) -> None:
    what = app.tasks["what"]
    headers = {"baggage": entry(mint(keys, claims={"run": "brought"}))}
    assert what.apply(headers=headers).get() == ["brought"]
    assert what.apply(headers=headers, kwargs={"retries": 2}).get() == ["brought"]
    assert seen() == "undecided"
    with synthetic.real():
        assert what.apply(headers=headers).get() == ["real"]
    with synthetic.simulated(run="peak"):
        assert what.apply(headers=headers).get() == ["peak"]
    assert what.apply(headers={"baggage": "user=7"}).get() == ["undecided"]


def test_an_eager_call_with_a_bad_marker_fails_and_runs_nothing(app: Celery) -> None:
    headers = {"baggage": entry(mint(shared_key()))}
    failed = app.tasks["what"].apply(headers=headers)
    assert failed.state == "FAILURE"
    with pytest.raises(TaskRefused, match="bad-signature"):
        failed.get()
    with pytest.raises(TaskRefused):
        app.tasks["what"].apply(headers=headers, throw=True)


def test_a_task_that_is_called_as_a_function_is_one(app: Celery) -> None:
    with synthetic.simulated(run="peak"):
        assert app.tasks["what"]() == ["peak"]


# As a worker runs them


def test_after_a_task_that_is_in_force_what_was_before_it(app: Celery, keys: Keys) -> None:
    what = app.tasks["what"]
    what.__trace__ = build_tracer("what", what, app=app)
    marked = {"baggage": entry(mint(keys, claims={"run": "peak"}))}
    with synthetic.simulated(run="before"):
        for headers, expected in ((marked, "peak"), ({}, "real")):
            request = {"id": uuid4().hex, "ignore_result": True, "delivery_info": {}, **headers}
            retval, info, _, text = what.__trace__(request["id"], (), {}, request)
            assert (retval, info, text) == ([expected], None, repr([expected]))
            assert seen() == "before"


# Messages


def sent(app: Celery) -> Any:
    """The headers of the message that was sent last."""
    with app.connection_for_read() as connection:
        queue = Queue("celery")(connection.default_channel)
        found = None
        while (message := queue.get(no_ack=True)) is not None:
            found = message
        return found.headers if found else None


@pytest.fixture
def queued(app: Celery) -> Iterator[Celery]:
    with app.connection_for_read() as connection:
        queue = Queue("celery")(connection.default_channel)
        queue.declare()
        yield app
        queue.purge()


def test_the_marker_is_in_the_header_and_the_callers_own_headers_stay_as_they_are(queued: Celery) -> None:
    headers = {"baggage": "user=7", "x": "1"}
    with synthetic.simulated(run="peak"):
        ours = synthetic.headers()["baggage"]
        queued.tasks["what"].apply_async(headers=headers)
    assert headers == {"baggage": "user=7", "x": "1"}
    found = sent(queued)
    assert (found["baggage"], found["x"]) == (f"{ours},user=7", "1")


def test_real_work_sends_what_it_sent_before(queued: Celery) -> None:
    with synthetic.real():
        queued.tasks["what"].delay()
        assert "baggage" not in sent(queued)
        queued.tasks["what"].apply_async(headers={"baggage": "user=7"})
        assert sent(queued)["baggage"] == "user=7"


def test_a_copy_of_the_headers_one_level_below_says_the_same(queued: Celery) -> None:
    with synthetic.simulated(run="yesterday"):
        stale = synthetic.headers()["baggage"]
    with synthetic.simulated(run="today"):
        queued.tasks["what"].apply_async(headers={"headers": {"baggage": stale, "x": "1"}})
    found = sent(queued)
    assert found["headers"]["baggage"] == found["baggage"]
    assert claims_of(found["baggage"].partition("=")[2])["run"] == "today"
    with synthetic.real():
        queued.tasks["what"].apply_async(headers={"baggage": stale, "headers": {"baggage": stale, "x": "1"}})
    found = sent(queued)
    assert ("baggage" in found, found["headers"]) == (False, {"x": "1"})


def test_unverified_work_raises_and_sends_nothing(queued: Celery) -> None:
    with brought_by_opentelemetry(mint(shared_key())), pytest.raises(synthetic.UnverifiedMarker):
        queued.tasks["what"].delay()
    assert sent(queued) is None


# The product as it was


def test_tasks_and_signatures_are_what_they_were(app: Celery) -> None:
    what = app.tasks["what"]
    assert (what.name, what.max_retries) == ("what", 2)
    signature = what.s(1, retries=0).set(countdown=3)
    assert pickle.loads(pickle.dumps(signature)) == signature
    assert app.signature(dict(signature)) == signature
    with pytest.raises(TypeError):
        app.tasks["inner"].delay("an argument that it does not take")


PATCHED = [
    (AMQP, "send_task_message"),
    (Task, "start_strategy"),
    (Task, "__trace__"),
    (Task, "apply"),
    (Request, "on_failure"),
    (Request, "on_timeout"),
    (Request, "_announce_cancelled"),
    (Request, "_announce_revoked"),
    (celery.concurrency.prefork, "process_initializer"),
]


def test_on_twice_is_on_once_and_off_leaves_nothing_behind() -> None:
    before = [vars(owner)[name] for owner, name in PATCHED]
    synthetic.instrument("celery")
    on = [vars(owner)[name] for owner, name in PATCHED]
    synthetic.instrument("celery")
    assert [vars(owner)[name] for owner, name in PATCHED] == on
    assert all(ours is not theirs for ours, theirs in zip(on, before, strict=True))
    synthetic.uninstrument("celery")
    synthetic.uninstrument("celery")
    assert [vars(owner)[name] for owner, name in PATCHED] == before


def test_an_application_that_has_sent_something_already_is_covered_and_no_longer_when_it_is_off(keys: Keys) -> None:
    app = made()
    with synthetic.simulated(run="peak"), app.connection_for_read() as connection:
        queue = Queue("celery")(connection.default_channel)
        queue.declare()
        app.tasks["what"].delay()
        assert "baggage" not in sent(app)
        synthetic.instrument("celery")
        app.tasks["what"].delay()
        assert "baggage" in sent(app)
        synthetic.uninstrument("celery")
        app.tasks["what"].delay()
        assert "baggage" not in sent(app)
    app.close()


def test_a_sender_of_the_users_own_is_called_with_the_marker() -> None:
    app = made()
    calls: list[Any] = []
    synthetic.instrument("celery")
    try:
        app.amqp.send_task_message = lambda *args, headers=None, **options: calls.append(headers)
        with synthetic.simulated(run="peak"):
            app.tasks["what"].delay()
            assert calls == [synthetic.headers()]
        del app.amqp.send_task_message
    finally:
        synthetic.uninstrument("celery")
        app.close()
