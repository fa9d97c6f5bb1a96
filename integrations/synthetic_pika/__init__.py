"""Carries the marker in messages that you send and receive with pika, over any of its connections.

``synthetic.instrument("pika")`` adds the marker to every message that is published, and runs each callback of
``basic_consume`` under the verdict on its message. Callbacks that you hand over to a connection or its loop keep your
verdict. Call it before you open channels; consumers that are registered
earlier are not covered. Without it, wrap a callback in ``admitting``. ``BlockingChannel.consume`` and ``basic_get``
return messages instead of calling a callback: handle each of those in a ``with message(...)`` block.
"""

from __future__ import annotations

from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection  # type: ignore[import-untyped]
from pika.adapters.select_connection import IOLoop  # type: ignore[import-untyped]
from pika.callback import CallbackManager  # type: ignore[import-untyped]
from pika.channel import Channel  # type: ignore[import-untyped]

from synthetic.integration import Integration, Patch, Patches, noting_injections
from synthetic_pika._callbacks import delaying, handing_over, keeping, requesting
from synthetic_pika._explicit import admitting, message
from synthetic_pika._in import consuming, getting, returning
from synthetic_pika._out import publishing

__all__ = ["admitting", "integration", "message"]

integration: Integration = Patches(
    Patch(Channel, "basic_publish", publishing),
    Patch(Channel, "basic_consume", consuming),
    Patch(Channel, "basic_get", getting),
    Patch(BlockingChannel, "basic_consume", consuming),
    noting_injections(),
    Patch(Channel, "add_on_return_callback", returning),
    Patch(BlockingChannel, "add_on_return_callback", returning),
    Patch(Channel, "_rpc", requesting),
    Patch(CallbackManager, "add", keeping),
    *(Patch(kind, "call_later", delaying) for kind in (BlockingConnection, IOLoop)),
    *(Patch(kind, "add_callback_threadsafe", handing_over) for kind in (BlockingConnection, IOLoop)),
    Patch(IOLoop, "add_callback", handing_over),
)
"""The entry point ``pika``."""
