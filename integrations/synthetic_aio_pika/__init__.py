"""Carries the marker in messages that you send and receive with aio-pika.

``synthetic.instrument("aio-pika")`` adds the marker to every message that is published. It runs each callback of
``Queue.consume``, and the body of each ``async with message.process():``, under the verdict on its message. Consumers
that are registered earlier are not covered. Without it, wrap a callback in ``admitting``. Handle a message that you
acknowledge by hand in an ``async with message(...)`` block.
"""

from __future__ import annotations

import aiormq
from aio_pika.message import ProcessContext
from aio_pika.queue import Queue, QueueIterator
from aio_pika.robust_queue import RobustQueueIterator

from synthetic.integration import Integration, Patch, Patches, noting_injections
from synthetic_aio_pika._explicit import admitting, message
from synthetic_aio_pika._in import beginning, consuming, ending, handing_out
from synthetic_aio_pika._out import publishing

__all__ = ["admitting", "integration", "message"]

integration: Integration = Patches(
    Patch(aiormq.Channel, "basic_publish", publishing),
    Patch(Queue, "consume", consuming),
    Patch(QueueIterator, "__anext__", handing_out),
    Patch(RobustQueueIterator, "__anext__", handing_out),
    Patch(ProcessContext, "__aenter__", beginning),
    Patch(ProcessContext, "__aexit__", ending),
    noting_injections(),
)
"""The entry point ``aio-pika``."""
