"""Adds the ``baggage`` header to messages that are published."""

from __future__ import annotations

import copy
from functools import wraps
from typing import Any

from pika.spec import BasicProperties  # type: ignore[import-untyped]

from synthetic.integration import IsOn, go_on_after, outgoing

__all__ = ["publishing"]


def publishing(original: Any, is_on: IsOn) -> Any:
    """Wrap ``Channel.basic_publish``, which the channel of a blocking connection calls, too.

    OpenTelemetry writes its headers before this is called, so the message is sent in the present context.
    """

    @wraps(original)
    def basic_publish(
        channel: Any, exchange: Any, routing_key: Any, body: Any, properties: Any = None, mandatory: Any = False
    ) -> Any:
        if is_on():
            try:
                present = None if properties is None else properties.headers
                headers, _ = outgoing(present)
            except Exception as error:
                present = headers = go_on_after(error, None)
            if headers is not present:
                properties = _with_headers(properties, headers)
        return original(channel, exchange, routing_key, body, properties, mandatory)

    return basic_publish


def _with_headers(properties: BasicProperties | None, headers: Any) -> BasicProperties:
    # A copy, because the caller may send the same properties again with other work.
    departing = BasicProperties() if properties is None else copy.copy(properties)
    departing.headers = headers
    return departing
