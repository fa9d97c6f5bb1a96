"""Adds the ``baggage`` header to messages that are published."""

from __future__ import annotations

from functools import wraps
from typing import Any

from synthetic.integration import IsOn, go_on_after, outgoing
from synthetic_nats._headers import RESERVED

__all__ = ["publishing"]


def publishing(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Client.publish``, through which requests, answers and JetStream publish, too."""

    @wraps(original)
    async def publish(client: Any, subject: Any, payload: Any = b"", reply: Any = "", headers: Any = None) -> Any:
        if is_on() and subject[:1] != RESERVED:
            try:
                headers, _ = outgoing(headers)
            except Exception as error:
                go_on_after(error, None)
        return await original(client, subject, payload, reply, headers)

    return publish
