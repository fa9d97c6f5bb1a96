"""Adds the ``baggage`` header to messages that are published."""

from __future__ import annotations

import copy
from functools import wraps
from typing import Any

from aiormq import spec

from synthetic.integration import IsOn, go_on_after, outgoing

__all__ = ["publishing"]


def publishing(original: Any, is_on: IsOn) -> Any:
    """Wrap ``aiormq.Channel.basic_publish``, through which every exchange publishes.

    OpenTelemetry writes its headers before this is called, so the message is sent in the present context.
    """

    @wraps(original)
    async def basic_publish(channel: Any, body: Any, **options: Any) -> Any:
        if is_on():
            try:
                properties: Any = options.get("properties")
                present = None if properties is None else properties.headers
                headers, _ = outgoing(present)
            except Exception as error:
                properties = present = headers = go_on_after(error, None)
            if headers is not present:
                options["properties"] = _with_headers(properties, headers)
        return await original(channel, body, **options)

    return basic_publish


def _with_headers(properties: spec.Basic.Properties | None, headers: Any) -> spec.Basic.Properties:
    # A copy, because the caller may send the same properties again with other work.
    departing = spec.Basic.Properties(delivery_mode=1) if properties is None else copy.copy(properties)
    departing.headers = headers
    return departing
