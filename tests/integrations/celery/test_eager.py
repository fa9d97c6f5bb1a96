"""Celery without a worker: eager calls, what a message carries, and what uninstrument leaves behind: nothing."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import celery.concurrency.prefork
import pytest
from celery import Celery, Task, chain, group
from celery.app.amqp import AMQP
from celery.app.trace import build_tracer
from celery.worker.request import Request
from kombu import Queue

import synthetic
from synthetic_celery import SyntheticAMQP, SyntheticTask, TaskRefused
from tests.products.celery.app import seen
from tests.support.clients import brought_by_opentelemetry, claims_of
from tests.support.keys import entry, mint, shared_key
from tests.support.work import new_name

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


def test_an_eager_call_has_the_verdict_of_its_caller(app: Celery) -> None:
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


def test_under_always_eager_delay_has_the_verdict_of_its_caller(app: Celery) -> None:
    app.conf.task_always_eager = True
    with synthetic.simulated(run="peak"):
        assert app.tasks["what"].delay().get() == ["peak"]
        assert app.tasks["what"].delay(retries=1).get() == ["peak"]
    assert app.tasks["what"].delay().get() == ["undecided"]


def test_a_marker_in_the_headers_of_an_eager_call_counts_as_over_a_broker(app: Celery, keys: Keys) -> None:
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


def test_a_task_that_is_called_as_a_function_has_the_verdict_of_its_caller(app: Celery) -> None:
    with synthetic.simulated(run="peak"):
        assert app.tasks["what"]() == ["peak"]


# As a worker runs them


def test_after_a_task_the_verdict_from_before_is_in_force_again(app: Celery, keys: Keys) -> None:
    what = app.tasks["what"]
    what.__trace__ = build_tracer("what", what, app=app)
    marked = {"baggage": entry(mint(keys, claims={"run": "peak"}))}
    with synthetic.simulated(run="before"):
        for headers, expected in ((marked, "peak"), ({}, "real")):
            request = {"id": new_name(), "ignore_result": True, "delivery_info": {}, **headers}
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


def test_a_message_of_real_work_is_the_same_as_without_the_library(queued: Celery) -> None:
    with synthetic.real():
        queued.tasks["what"].delay()
        assert "baggage" not in sent(queued)
        queued.tasks["what"].apply_async(headers={"baggage": "user=7"})
        assert sent(queued)["baggage"] == "user=7"


def test_a_nested_copy_of_the_headers_has_the_same_marker(queued: Celery) -> None:
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


def test_tasks_and_signatures_keep_their_attributes(app: Celery) -> None:
    what = app.tasks["what"]
    assert (what.name, what.max_retries) == ("what", 2)
    signature = what.s(1, retries=0).set(countdown=3)
    assert pickle.loads(pickle.dumps(signature)) == signature
    assert app.signature(dict(signature)) == signature
    with pytest.raises(TypeError):
        app.tasks["inner"].delay("an argument that it does not take")


def test_a_sender_that_the_application_has_put_in_place_shows_its_own_attributes(queued: Celery) -> None:
    class Recorder:
        def __init__(self) -> None:
            self.calls: list[tuple[int, dict[str, Any]]] = []

        def __call__(self, *args: Any, **options: Any) -> None:
            self.calls.append((len(args), options))

    recorder = Recorder()
    amqp: Any = queued.amqp
    amqp.send_task_message = recorder
    queued.send_task("elsewhere", queue="one")
    (real,) = amqp.send_task_message.calls
    with synthetic.simulated(run="rush-hour"):
        queued.send_task("elsewhere", queue="one")
    simulated = recorder.calls[1]
    assert real[0] == simulated[0] == 3
    assert "headers" not in real[1]
    assert list(simulated[1].pop("headers")) == ["baggage"]
    assert simulated[1].keys() == real[1].keys()
    assert isinstance(amqp.send_task_message, Recorder)


def test_a_task_without_a_tracer_has_none_to_delete(app: Celery) -> None:
    what: Any = app.tasks["what"]
    what.__trace__ = print
    del what.__trace__
    assert what.__trace__ is None
    with pytest.raises(AttributeError):
        del what.__trace__


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


def test_instrument_patches_once_and_uninstrument_restores_the_originals() -> None:
    before = [vars(owner)[name] for owner, name in PATCHED]
    synthetic.instrument("celery")
    on = [vars(owner)[name] for owner, name in PATCHED]
    synthetic.instrument("celery")
    assert [vars(owner)[name] for owner, name in PATCHED] == on
    assert all(ours is not theirs for ours, theirs in zip(on, before, strict=True))
    synthetic.uninstrument("celery")
    synthetic.uninstrument("celery")
    assert [vars(owner)[name] for owner, name in PATCHED] == before


def test_an_application_that_has_sent_tasks_already_can_be_instrumented_and_uninstrumented(keys: Keys) -> None:
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


def test_a_custom_send_task_message_is_called_with_the_marker() -> None:
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
