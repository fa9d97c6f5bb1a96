"""Carries the marker in messages that you send and receive with pika, over any of its connections.

``synthetic.instrument("pika")`` adds the marker to every message that is published, and runs each callback of
``basic_consume`` under the verdict on its message. Call it before you open channels; consumers that are registered
earlier are not covered. Without it, wrap a callback in ``admitting``. ``BlockingChannel.consume`` and ``basic_get``
return messages instead of calling a callback: handle each of those in a ``with message(...)`` block.
"""

from __future__ import annotations

from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped]
from pika.channel import Channel  # type: ignore[import-untyped]

from synthetic.integration import Integration, Patch, Patches, noting_injections
from synthetic_pika._explicit import admitting, message
from synthetic_pika._in import consuming, getting
from synthetic_pika._out import publishing

__all__ = ["admitting", "integration", "message"]

integration: Integration = Patches(
    Patch(Channel, "basic_publish", publishing),
    Patch(Channel, "basic_consume", consuming),
    Patch(Channel, "basic_get", getting),
    Patch(BlockingChannel, "basic_consume", consuming),
    noting_injections(),
)
"""The entry point ``pika``."""
