"""What leaves with a message: the ``baggage`` among its headers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from synthetic._carrier import outgoing
from synthetic._failure import go_on_after

__all__ = ["RESERVED", "publishing"]

RESERVED: Final = "$"
"""What subjects begin with that are no messages: acknowledgements, the API of JetStream, key-value stores."""


def publishing(original: Any, is_on: Callable[[], bool]) -> Any:
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
