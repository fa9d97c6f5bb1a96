"""The marker in messages that are sent and received with nats-py, over core NATS and JetStream.

``instrument()`` (or ``synthetic.instrument("nats")``) covers what is published, requested and answered, and the
callbacks of ``subscribe``; ``message`` covers a message from ``sub.messages``, ``next_msg`` or ``fetch``, which have no
callback, and ``admitting`` a callback without ``instrument()``. Subjects that begin with ``$`` are the server's own,
and those of key-value and object stores: they carry no marker.
"""

from __future__ import annotations

from nats.aio.client import Client

from synthetic._instrument import Integration
from synthetic._patch import Patch, Patches
from synthetic_nats._consume import admitting, message, subscribing
from synthetic_nats._headers import joining
from synthetic_nats._publish import publishing

__all__ = ["admitting", "instrument", "integration", "message", "uninstrument"]

integration: Integration = Patches(
    Patch(Client, "publish", publishing),
    Patch(Client, "subscribe", subscribing),
    Patch(Client, "_parse_header_lines", joining),
)
"""The entry point ``nats``."""


def instrument() -> None:
    """Carry the marker in every message published, and call every callback under the verdict on its message.

    Done once, however often it is called. Subscriptions that were there before are not covered.
    """
    integration.instrument()


def uninstrument() -> None:
    """Undo ``instrument``. Below a wrapper that another library has put on since, ours stays and does nothing."""
    integration.uninstrument()
