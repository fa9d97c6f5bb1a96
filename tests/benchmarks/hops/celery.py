"""Celery: what sending a task, and receiving and running one, cost more than the bare ones; nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.app.task import Task
from celery.app.trace import build_tracer
from kombu.message import Message
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row, at_most_one_in
from tests.support.keys import entry, mint, shared_key

_PEER = "OpenTelemetry Celery, no-op tracer"


def rows(effort: Effort) -> Iterator[Row]:
    """Tasks sent, and tasks received and run, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys):
        yield _sent("real", synthetic.real, effort)
        yield _run("real", {}, effort)
        yield _sent("simulated", lambda: synthetic.simulated(run="bench"), effort)
        yield _run("simulated", {"baggage": entry(mint(keys))}, effort)


def _row(what: str, kind: str, cases: dict[str, Case], effort: Effort) -> Row:
    times = interleaved(cases, effort.rounds // 2)
    goal = at_most_one_in(10) if kind == "real" else None
    ours, theirs = (times.added(case, "bare") for case in ("ours", "peer"))
    return Row(f"Celery, {what}, {kind}: added time", ours, _PEER, theirs, goal)


def _app() -> Celery:
    app = Celery("bench", broker="memory://", backend="disabled://", set_as_current=False)

    @app.task(name="ride", ignore_result=True, base=_Task)
    def ride() -> None:
        pass

    return app


class _Task(Task):
    """A task whose messages are handed to nobody."""

    class Strategy:
        def __new__(cls, task: Any, app: Any, consumer: Any) -> Any:
            return lambda message, body, ack, reject, callbacks: None


class _Nowhere:
    """A producer that sends nothing."""

    def publish(self, body: Any, **options: Any) -> None:
        pass


def _sent(kind: str, work: Callable[[], Any], effort: Effort) -> Row:
    app = _app()
    message = app.amqp.as_task_v2(uuid4().hex, "ride")
    send = "amqp.send_task_message(producer, 'ride', message)"
    code = statement(send, amqp=app.amqp, producer=_Nowhere(), message=message)
    return _row("send", kind, _cases(code, work), effort)


def _run(kind: str, headers: dict[str, str], effort: Effort) -> Row:
    app = _app()
    task = app.tasks["ride"]
    task.__trace__ = build_tracer("ride", task, app=app)
    identity = uuid4().hex
    message = Message(headers={**app.amqp.as_task_v2(identity, "ride").headers, **headers})
    request = {**message.headers, "properties": {}, "delivery_info": {}, "hostname": "bench", "is_eager": False}
    synthetic.instrument("celery")  # the handler is made once, when a worker starts
    receive = task.start_strategy(app, None)
    synthetic.uninstrument("celery")
    names = {"receive": receive, "task": task, "message": message, "request": request, "identity": identity}
    both = "receive(message, None, None, None, None); task.__trace__(identity, (), {}, request)"
    return _row("receive and run", kind, _cases(statement(both, **names), nullcontext), effort)


def _cases(code: Callable[[int], float], work: Callable[[], Any]) -> dict[str, Case]:
    @contextmanager
    def around(installed: Callable[[], Any]) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(work())
            stack.enter_context(installed())
            yield

    def case(installed: Callable[[], Any] = nullcontext) -> Case:
        return Case(code, lambda: around(installed), number=50, warm=80)

    return {"bare": case(), "ours": case(_ours), "peer": case(_opentelemetry)}


@contextmanager
def _ours() -> Iterator[None]:
    synthetic.instrument("celery")
    try:
        yield
    finally:
        synthetic.uninstrument("celery")


@contextmanager
def _opentelemetry() -> Iterator[None]:
    instrumentor = CeleryInstrumentor()
    instrumentor.instrument(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    try:
        yield
    finally:
        instrumentor.uninstrument()
