"""dramatiq: what sending a message, and processing one, cost more; nothing goes to a broker.

OpenTelemetry has no instrumentation of dramatiq. The peer is dramatiq itself: how long the same takes without us.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from queue import PriorityQueue
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.worker import _WorkerThread

import synthetic
from tests.benchmarks.measure import Case, Effort, interleaved, statement
from tests.benchmarks.table import Row
from tests.support.keys import entry, mint, shared_key

_PEER = "dramatiq alone, in total"


def rows(effort: Effort) -> Iterator[Row]:
    """Messages sent and processed, real and simulated."""
    keys = shared_key()
    with synthetic.configured(keys=keys):
        yield _row("send", "real", _sent(synthetic.real), effort)
        yield _row("process", "real", _processed({}), effort)
        yield _row("send", "simulated", _sent(lambda: synthetic.simulated(run="bench")), effort)
        yield _row("process", "simulated", _processed({"baggage": entry(mint(keys))}), effort)


def _row(what: str, kind: str, cases: dict[str, Case], effort: Effort) -> Row:
    times = interleaved(cases, effort.rounds // 2)
    return Row(f"dramatiq, {what}, {kind}: added time", times.added("ours", "bare"), _PEER, times.of("bare"))


class _Nowhere(dramatiq.Broker):
    """A broker whose messages go nowhere."""

    def declare_queue(self, queue_name: str) -> None:
        self.queues[queue_name] = None

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        self.emit_before("enqueue", message, delay)
        message.encode()
        self.emit_after("enqueue", message, delay)
        return message


@contextmanager
def _on() -> Iterator[None]:
    synthetic.instrument("dramatiq")
    try:
        yield
    finally:
        synthetic.uninstrument("dramatiq")


def _actor() -> Any:
    return dramatiq.actor(lambda: None, actor_name="nothing", broker=_Nowhere())


def _sent(work: Callable[[], Any]) -> dict[str, Case]:
    @contextmanager
    def around(installed: Callable[[], Any]) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(work())
            stack.enter_context(installed())
            yield

    def case(installed: Callable[[], Any] = nullcontext) -> Case:
        return Case(statement("actor.send()", actor=_actor()), lambda: around(installed), number=50, warm=50)

    return {"bare": case(), "ours": case(_on)}


class _Consumer:
    def post_process_message(self, message: Any) -> None:
        pass


class _Work(PriorityQueue[Any]):
    def task_done(self) -> None:
        pass


def _processed(options: dict[str, Any]) -> dict[str, Case]:
    actor = _actor()
    logging.getLogger("dramatiq").setLevel(logging.CRITICAL)
    thread = _WorkerThread(
        broker=actor.broker, consumers={actor.queue_name: _Consumer()}, work_queue=_Work(), worker_timeout=1
    )
    message = MessageProxy(actor.message().copy(options=options))

    def case(installed: Callable[[], Any] = nullcontext) -> Case:
        processed = statement("thread.process_message(message)", thread=thread, message=message)
        return Case(processed, installed, number=50, warm=50)

    return {"bare": case(), "ours": case(_on)}
