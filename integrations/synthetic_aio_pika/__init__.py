"""The marker in messages that are sent and received with aio-pika.

``instrument()`` (or ``synthetic.instrument("aio-pika")``) covers what is published, callbacks of ``Queue.consume``, and
the body of every ``async with message.process():``. ``admitting`` covers a callback without it, and ``message`` a
message that is acknowledged by hand.
"""

from __future__ import annotations

import aiormq
from aio_pika.message import ProcessContext
from aio_pika.queue import Queue, QueueIterator
from aio_pika.robust_queue import RobustQueueIterator

from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic_aio_pika._consume import admitting, consuming, handing_out
from synthetic_aio_pika._process import beginning, ending, message
from synthetic_aio_pika._publish import publishing

__all__ = ["admitting", "instrument", "integration", "message", "uninstrument"]

integration: Integration = Patches(
    Patch(aiormq.Channel, "basic_publish", publishing),
    Patch(Queue, "consume", consuming),
    Patch(QueueIterator, "__anext__", handing_out),
    Patch(RobustQueueIterator, "__anext__", handing_out),
    Patch(ProcessContext, "__aenter__", beginning),
    Patch(ProcessContext, "__aexit__", ending),
)
"""The entry point ``aio-pika``."""


def instrument() -> None:
    """Carry the marker in every message published, and handle every message consumed under its own verdict.

    Done once, however often it is called. Consumers that were there before are not covered.
    """
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
