"""Carries the marker in messages that you send and receive with nats-py, over core NATS and JetStream.

``synthetic.instrument("nats")`` adds the marker to every message, request and answer that is published, and runs each
callback of ``subscribe`` under the verdict on its message. Subscriptions that are made earlier are not covered. Without
it, wrap a callback in ``admitting``. ``sub.messages``, ``next_msg`` and ``fetch`` return messages instead of calling a
callback: handle each of those in an ``async with message(...)`` block.

Subjects that begin with ``$`` belong to the server, or to key-value and object stores. Messages to them carry no
marker.
"""

from __future__ import annotations

from nats.aio.client import Client

from synthetic.integration import Integration, Patch, Patches
from synthetic_nats._explicit import admitting, message
from synthetic_nats._headers import joining
from synthetic_nats._in import subscribing
from synthetic_nats._out import publishing

__all__ = ["admitting", "integration", "message"]

integration: Integration = Patches(
    Patch(Client, "publish", publishing),
    Patch(Client, "subscribe", subscribing),
    Patch(Client, "_parse_header_lines", joining),
)
"""The entry point ``nats``."""
