"""The marker in messages that are sent and received with pika, over any of its connections.

``instrument()`` (or ``synthetic.instrument("pika")``) covers what is published, and the callbacks of ``basic_consume``;
call it before channels are opened. ``admitting`` covers a callback without it, and ``message`` what
``BlockingChannel.consume`` and ``basic_get`` return, which has no callback to cover.
"""

from __future__ import annotations

from pika.adapters.blocking_connection import BlockingChannel  # type: ignore[import-untyped]
from pika.channel import Channel  # type: ignore[import-untyped]

from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic_pika._consume import admitting, consuming, getting, message
from synthetic_pika._publish import publishing

__all__ = ["admitting", "instrument", "integration", "message", "uninstrument"]

integration: Integration = Patches(
    Patch(Channel, "basic_publish", publishing),
    Patch(Channel, "basic_consume", consuming),
    Patch(Channel, "basic_get", getting),
    Patch(BlockingChannel, "basic_consume", consuming),
)
"""The entry point ``pika``."""


def instrument() -> None:
    """Carry the marker in every message published, and handle every message consumed under its own verdict.

    Done once, however often it is called. Consumers that were there before are not covered.
    """
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
