"""Celery: the time that sending a task, and receiving and running one, takes on top of the bare ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.app.task import Task
from celery.app.trace import build_tracer
from kombu.message import Message
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.trace import NoOpTracerProvider

from tests.benchmarks import messages
from tests.benchmarks.measure import Effort, statement
from tests.benchmarks.messages import Block, Cases, Received, Sent, bare_and_ours, case
from tests.benchmarks.table import Row
from tests.support.work import instrumented


def rows(effort: Effort) -> Iterator[Row]:
    """Tasks sent, and tasks received and run, real and simulated."""
    peer = "OpenTelemetry Celery, no-op tracer"
    return messages.rows("Celery", peer, Sent("send", _sent), Received("receive and run", _run), effort)


def _app() -> Celery:
    app = Celery("bench", broker="memory://", backend="disabled://", set_as_current=False)

    @app.task(name="ride", ignore_result=True, base=_Task)
    def ride() -> None:
        pass

    return app


class _Task(Task):
    """A task whose messages go nowhere."""

    class Strategy:
        def __new__(cls, task: Any, app: Any, consumer: Any) -> Any:
            return lambda message, body, ack, reject, callbacks: None


class _Nowhere:
    """A producer that sends nothing."""

    def publish(self, body: Any, **options: Any) -> None:
        pass


def _sent(work: Block) -> Cases:
    app = _app()
    message = app.amqp.as_task_v2(uuid4().hex, "ride")
    send = "amqp.send_task_message(producer, 'ride', message)"
    return _cases(statement(send, amqp=app.amqp, producer=_Nowhere(), message=message), work)


def _run(baggage: str | None) -> Cases:
    app = _app()
    task = app.tasks["ride"]
    task.__trace__ = build_tracer("ride", task, app=app)
    identity = uuid4().hex
    headers = {} if baggage is None else {"baggage": baggage}
    message = Message(headers={**app.amqp.as_task_v2(identity, "ride").headers, **headers})
    request = {**message.headers, "properties": {}, "delivery_info": {}, "hostname": "bench", "is_eager": False}
    with instrumented("celery"):  # the handler is made once, when a worker starts
        receive = task.start_strategy(app, None)
    names = {"receive": receive, "task": task, "message": message, "request": request, "identity": identity}
    both = "receive(message, None, None, None, None); task.__trace__(identity, (), {}, request)"
    return _cases(statement(both, **names))


def _cases(code: Callable[[int], float], work: Block = nullcontext) -> Cases:
    peer = case(code, work, _opentelemetry, number=50, warm=80)
    return {**bare_and_ours("celery", code, work, number=50, warm=80), "peer": peer}


@contextmanager
def _opentelemetry() -> Iterator[None]:
    instrumentor = CeleryInstrumentor()
    instrumentor.instrument(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider())
    try:
        yield
    finally:
        instrumentor.uninstrument()
