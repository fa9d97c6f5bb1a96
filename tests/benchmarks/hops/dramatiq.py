"""dramatiq: the time that sending a message, and processing one, takes on top; nothing goes to a broker.

OpenTelemetry has no instrumentation of dramatiq. The peer is dramatiq itself: how long the same takes without the
library.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from queue import PriorityQueue
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.worker import _WorkerThread

from tests.benchmarks import messages
from tests.benchmarks.measure import Effort, statement
from tests.benchmarks.messages import Block, Cases, Received, Sent, bare_and_ours
from tests.benchmarks.table import Row


def rows(effort: Effort) -> Iterator[Row]:
    """Messages sent and processed, real and simulated."""
    peer = "dramatiq alone, in total"
    return messages.rows("dramatiq", peer, Sent("send", _sent), Received("process", _processed), effort)


class _Nowhere(dramatiq.Broker):
    """A broker whose messages go nowhere."""

    def declare_queue(self, queue_name: str) -> None:
        self.queues[queue_name] = None

    def enqueue(self, message: Any, *, delay: int | None = None) -> Any:
        self.emit_before("enqueue", message, delay)
        message.encode()
        self.emit_after("enqueue", message, delay)
        return message


def _actor() -> Any:
    return dramatiq.actor(lambda: None, actor_name="nothing", broker=_Nowhere())


def _sent(work: Block) -> Cases:
    return bare_and_ours("dramatiq", statement("actor.send()", actor=_actor()), work, number=50, warm=50)


class _Consumer:
    def post_process_message(self, message: Any) -> None:
        pass


class _Work(PriorityQueue[Any]):
    def task_done(self) -> None:
        pass


def _processed(baggage: str | None) -> Cases:
    actor = _actor()
    logging.getLogger("dramatiq").setLevel(logging.CRITICAL)
    thread = _WorkerThread(
        broker=actor.broker, consumers={actor.queue_name: _Consumer()}, work_queue=_Work(), worker_timeout=1
    )
    message = MessageProxy(actor.message().copy(options={} if baggage is None else {"baggage": baggage}))
    processed = statement("thread.process_message(message)", thread=thread, message=message)
    return bare_and_ours("dramatiq", processed, number=50, warm=50)
